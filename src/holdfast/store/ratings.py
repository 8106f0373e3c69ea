"""Rated answers, read from a database that a server may be using, of which nothing is changed.

They come in pages, each from a short look of its own, so that no server waits and its log can be folded in between.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Integer, RowMapping, bindparam, exists, select

from holdfast.domain import Generation, Rating, Role, Usage
from holdfast.store import rows
from holdfast.store.look import look
from holdfast.store.messages import branch
from holdfast.store.schema import conversations, generations, messages, not_deleted

_PAGE: Final = 100
_question = messages.alias("question")
_is_blind = exists().where(generations.c.message_id == messages.c.id, generations.c.veiled)
_RATED: Final = (
    select(
        messages,
        conversations.c.owner_id,
        _question.c.content.label("question"),
        _question.c.parent_id.label("before"),
    )
    .join(conversations, conversations.c.id == messages.c.conversation_id)
    .join(_question, _question.c.id == messages.c.parent_id)
    .where(messages.c.rating.is_not(None), messages.c.number > bindparam("after"), not_deleted, ~_is_blind)
    .order_by(messages.c.number)
    .limit(bindparam("limit", type_=Integer))
)
_RUNS: Final = (
    select(generations)
    .where(generations.c.message_id.in_(bindparam("message_ids", expanding=True)))
    .order_by(generations.c.number)
)
_BEFORE: Final = branch(messages.c.role, messages.c.content)


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer with its rating, the message that it answers, and what was said before that, where it was asked for.

    `run` is the one that wrote it last, `usage` what all of them took.
    """

    message_id: str
    conversation_id: str
    created_at: int
    history: Sequence[tuple[Role, str]] | None
    prompt: str
    answer: str
    rating: Rating
    run: Generation
    usage: Usage


async def read_rated(database: Path | str, *, with_history: bool) -> AsyncIterator[Rated]:
    """Every rated answer, oldest first; of blind ones, once one is picked.

    Raises `StartRefused` where there is no such database, and `StorageError`.
    """
    after = 0
    while True:
        found = await look(database, partial(_page, after=after, with_history=with_history))
        for number, rated in found:
            after = number
            yield rated
        if len(found) < _PAGE:
            return


def _page(connection: Connection, *, after: int, with_history: bool) -> list[tuple[int, Rated]]:
    found = connection.execute(_RATED, {"after": after, "limit": _PAGE}).mappings().all()
    runs: dict[str, list[Generation]] = {row["id"]: [] for row in found}
    for row in connection.execute(_RUNS, {"message_ids": list(runs)}).mappings():
        runs[row["message_id"]].append(rows.generation(row))
    return [
        (row["number"], _rated(row, runs[row["id"]], _history(connection, row) if with_history else None))
        for row in found
        if runs[row["id"]]
    ]


def _history(connection: Connection, row: RowMapping) -> Sequence[tuple[Role, str]]:
    found = connection.execute(_BEFORE, {"owner": row["owner_id"], "end": row["before"]})
    return [(Role(role), content) for role, content in found]


def _rated(row: RowMapping, runs: list[Generation], history: Sequence[tuple[Role, str]] | None) -> Rated:
    rating = rows.rating(row)
    assert rating is not None
    return Rated(
        message_id=row["id"],
        conversation_id=row["conversation_id"],
        created_at=row["created_at"],
        history=history,
        prompt=row["question"],
        answer=row["content"],
        rating=rating,
        run=runs[-1],
        usage=rows.sum_usage(runs),
    )
