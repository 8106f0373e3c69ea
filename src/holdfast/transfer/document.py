"""Holdfast's own file: JSON with every branch, run and rating. Both ends of it, writing and reading, use these shapes.

A field that is not known is ignored, so that an older Holdfast reads what a newer one wrote. While nobody has picked
in a blind comparison, the file says no more about who wrote which than the page does.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec

from holdfast import domain
from holdfast.domain import Role, Status, TitleSource
from holdfast.store.transfers import Whole, WholeMessage

FORMAT: Final = "holdfast"
VERSION: Final = 1

_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_Reason = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}\Z")]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Failure(msgspec.Struct):
    """Why a run did not complete."""

    code: str
    message: str
    retryable: bool = False


class Citation(msgspec.Struct, omit_defaults=True):
    """A page on the web that a run cites."""

    url: str
    title: str = ""


class Run(msgspec.Struct, omit_defaults=True):
    """One run that wrote a message. Its text begins at `offset`; `cost` is in USD."""

    status: Status
    created_at: datetime
    ended_at: datetime | None = None
    model: str | None = None
    model_id_used: str | None = None
    preset_id: Annotated[int, msgspec.Meta(ge=1, le=6)] | None = None
    provider: str | None = None
    upstream_id: str | None = None
    finish_reason: str | None = None
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None
    cached_tokens: _Count | None = None
    cost: Decimal | None = None
    first_token_ms: _Count | None = None
    reasoning_ms: _Count | None = None
    duration_ms: _Count | None = None
    left_out: Annotated[int, msgspec.Meta(ge=0, le=(1 << 31) - 1)] | None = None
    offset: _Count = 0
    reasoning_offset: _Count = 0
    citations: list[Citation] = []
    error: Failure | None = None


class Rating(msgspec.Struct, omit_defaults=True):
    """What a person thinks of an answer."""

    value: Literal[1, -1]
    reasons: list[_Reason] = []
    comment: str | None = None


class Message(msgspec.Struct, omit_defaults=True):
    """A message. Its parent stands before it."""

    id: str
    role: Role
    content: str
    created_at: datetime
    parent_id: str | None = None
    reasoning: str = ""
    status: Status = Status.COMPLETE
    rating: Rating | None = None
    runs: list[Run] = []


class Comparison(msgspec.Struct, omit_defaults=True):
    """Answers side by side: the first `count` that the message has."""

    user_message_id: str
    count: Annotated[int, msgspec.Meta(ge=2, le=4)]
    blind: bool = False
    picked_message_id: str | None = None


class Conversation(msgspec.Struct, omit_defaults=True):
    """A conversation with every branch. `origin`: what it was called where it was before it was here."""

    id: str
    title: str
    title_source: TitleSource
    created_at: datetime
    updated_at: datetime
    messages: list[Message]
    current_message_id: str | None = None
    pinned: bool = False
    comparisons: list[Comparison] = []
    origin: str | None = None


_encode = msgspec.json.Encoder().encode


def opening(exported_at: int) -> bytes:
    """What a file begins with; conversations follow with commas between them, then `CLOSING`."""
    head = {"format": FORMAT, "version": VERSION, "exported_at": _time(exported_at)}
    return _encode(head)[:-1] + b',"conversations":[\n'


CLOSING: Final = b"\n]}\n"


def encode(whole: Whole) -> bytes:
    """A conversation as it stands in a file."""
    conversation = whole.conversation
    return _encode(
        Conversation(
            id=conversation.id,
            title=conversation.title,
            title_source=conversation.title_source,
            created_at=_time(conversation.created_at),
            updated_at=_time(conversation.updated_at),
            messages=[_message(message) for message in whole.messages],
            current_message_id=conversation.current_message_id,
            pinned=conversation.pinned,
            comparisons=[
                Comparison(each.user_message_id, len(each.message_ids), each.blind, each.picked_message_id)
                for each in whole.comparisons
            ],
            origin=whole.origin,
        )
    )


def _message(message: WholeMessage) -> Message:
    rating = message.rating
    return Message(
        id=message.id,
        role=message.role,
        content=message.content,
        created_at=_time(message.created_at),
        parent_id=message.parent_id,
        reasoning=message.reasoning,
        status=message.status,
        rating=Rating(_value(rating.value), list(rating.reasons), rating.comment) if rating else None,
        runs=[_run(run.told) for run in message.generations],
    )


def _value(rating: int) -> Literal[1, -1]:
    return 1 if rating > 0 else -1


def _run(run: domain.Generation) -> Run:
    outcome, usage, failure = run.outcome, run.outcome.usage, run.failure
    return Run(
        status=run.status,
        created_at=_time(run.created_at),
        ended_at=None if run.ended_at is None else _time(run.ended_at),
        model=run.model or None,
        model_id_used=outcome.model_id_used,
        preset_id=run.preset_id,
        provider=outcome.provider,
        upstream_id=outcome.upstream_id,
        finish_reason=outcome.finish_reason,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cached_tokens=usage.cached_tokens,
        cost=None if usage.cost is None else Decimal(domain.dollars(usage.cost)),
        first_token_ms=outcome.first_token_ms,
        reasoning_ms=outcome.reasoning_ms,
        duration_ms=outcome.duration_ms,
        left_out=outcome.left_out,
        offset=run.offset,
        reasoning_offset=run.reasoning_offset,
        citations=[Citation(each.url, each.title) for each in outcome.citations],
        error=Failure(failure.code, failure.message, failure.retryable) if failure else None,
    )


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
