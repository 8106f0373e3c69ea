"""Write out what people said of answers, a line of JSON for each, to learn from: prompt, answer, models, rating."""

import asyncio
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import typer

from holdfast import config
from holdfast.commands.writing import written
from holdfast.domain import dollars, timestamp
from holdfast.errors import StartRefused, StorageError
from holdfast.store.ratings import Rated, read_rated


def export(file: Path | None, *, with_history: bool, replace: bool) -> None:
    """Write to `file`, which appears whole or not at all, or to the standard output.

    Raises `StartRefused` and `StorageError`.
    """
    settings = config.load()
    database = settings.database_path or settings.database_url.get_secret_value()
    with written(file, replace=replace) as target:
        count = asyncio.run(_write(database, target, with_history=with_history))
    if file is not None:
        typer.echo(f"{file}: {count} rated answers.")


async def _write(database: Path | str, target: BinaryIO, *, with_history: bool) -> int:
    count = 0
    try:
        async for rated in read_rated(database, with_history=with_history):
            target.write(msgspec.json.encode(_line(rated)) + b"\n")
            count += 1
    except StorageError as error:
        raise StartRefused(f"The ratings could not be read. {error.message}") from error
    return count


def _line(rated: Rated) -> dict[str, Any]:
    outcome, usage = rated.run.outcome, rated.usage
    history = (
        {"history": [{"role": role, "content": content} for role, content in rated.history]}
        if rated.history is not None
        else {}
    )
    return history | {
        "prompt": rated.prompt,
        "answer": rated.answer,
        "rating": rated.rating.value,
        "reasons": rated.rating.reasons,
        "comment": rated.rating.comment,
        "model": rated.run.model,
        "model_id_used": outcome.model_id_used,
        "preset_id": rated.run.preset_id,
        "status": rated.run.status,
        "created_at": timestamp(rated.created_at),
        "first_token_ms": outcome.first_token_ms,
        "duration_ms": outcome.duration_ms,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cost": None if usage.cost is None else dollars(usage.cost),
        "message_id": rated.message_id,
        "conversation_id": rated.conversation_id,
    }
