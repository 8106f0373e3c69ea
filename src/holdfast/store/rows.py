"""Rows to the nouns and back: the one place that knows both."""

from dataclasses import replace
from typing import Any, Final

import msgspec
from sqlalchemy import RowMapping

from holdfast.domain import (
    Citation,
    Conversation,
    Failure,
    Generation,
    Outcome,
    Rating,
    Status,
    TitleSource,
    Usage,
)

_encode: Final = msgspec.json.Encoder().encode
_decode_citations: Final = msgspec.json.Decoder(tuple[Citation, ...]).decode


def conversation(row: RowMapping) -> Conversation:
    """A row of `conversations` with a column `running`."""
    return Conversation(
        id=row["id"],
        title=row["title"],
        title_source=TitleSource(row["title_source"]),
        current_message_id=row["current_message_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        running=bool(row["running"]),
        pinned=row["pinned_at"] is not None,
    )


def rating(row: RowMapping) -> Rating | None:
    """The rating in a row of `messages`."""
    if row["rating"] is None:
        return None
    return Rating(row["rating"], tuple((row["rating_reasons"] or "").split()), row["rating_comment"])


def generation(row: RowMapping) -> Generation:
    """A row of `generations`."""
    return Generation(
        id=row["id"],
        conversation_id=row["conversation_id"],
        user_message_id=row["user_message_id"],
        message_id=row["message_id"],
        status=Status(row["status"]),
        model=row["model"],
        preset_id=row["preset_id"],
        seq=row["seq"],
        offset=row["offset"],
        reasoning_offset=row["reasoning_offset"],
        spans=row["spans"],
        outcome=_outcome(row),
        failure=_failure(row) if row["error_code"] else None,
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        veiled=bool(row["veiled"]),
    )


def _failure(row: RowMapping) -> Failure:
    return Failure(row["error_code"], row["error_message"], bool(row["error_retryable"]), row["error_retry_after"])


def _outcome(row: RowMapping) -> Outcome:
    return replace(
        call_outcome(row),
        first_token_ms=row["first_token_ms"],
        reasoning_ms=row["reasoning_ms"],
        duration_ms=row["duration_ms"],
        left_out=row["left_out"],
        citations=_decode_citations(row["citations"]) if row["citations"] else (),
    )


def call_outcome(row: RowMapping) -> Outcome:
    """What the provider said of itself, in a row of `calls` or of `generations`."""
    return Outcome(
        model_id_used=row["model_id_used"],
        provider=row["provider"],
        upstream_id=row["upstream_id"],
        finish_reason=row["finish_reason"],
        usage=Usage(
            prompt_tokens=row["prompt_tokens"],
            completion_tokens=row["completion_tokens"],
            reasoning_tokens=row["reasoning_tokens"],
            cached_tokens=row["cached_tokens"],
            cost=row["cost"],
        ),
    )


def call_columns(outcome: Outcome) -> dict[str, Any]:
    """The columns of `calls`, and of `generations`, that hold what the provider said of itself."""
    usage = outcome.usage
    return {
        "model_id_used": outcome.model_id_used,
        "provider": outcome.provider,
        "upstream_id": outcome.upstream_id,
        "finish_reason": outcome.finish_reason,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost": usage.cost,
    }


def outcome_columns(outcome: Outcome) -> dict[str, Any]:
    """The columns of `generations` that hold an outcome."""
    return call_columns(outcome) | {
        "first_token_ms": outcome.first_token_ms,
        "reasoning_ms": outcome.reasoning_ms,
        "duration_ms": outcome.duration_ms,
        "left_out": outcome.left_out,
        "citations": _encode(outcome.citations).decode() if outcome.citations else None,
    }


def sum_usage(generations: list[Generation]) -> Usage:
    """What all runs of one message took together; unknown where that of any call is."""

    def total(values: list[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if known and len(known) == len(values) else None

    usages = [run.outcome.usage for run in generations if run.may_cost]
    return Usage(
        prompt_tokens=total([usage.prompt_tokens for usage in usages]),
        completion_tokens=total([usage.completion_tokens for usage in usages]),
        reasoning_tokens=total([usage.reasoning_tokens for usage in usages]),
        cached_tokens=total([usage.cached_tokens for usage in usages]),
        cost=total([usage.cost for usage in usages]),
    )
