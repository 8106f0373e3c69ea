"""Holdfast's own file, as `document` writes it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from holdfast.domain import (
    Comparison,
    Conversation,
    Failure,
    Generation,
    Outcome,
    Rating,
    Role,
    Status,
    TitleSource,
    Usage,
    now,
    picodollars,
)
from holdfast.errors import Interrupted
from holdfast.store.conversations import DEFAULT_TITLE
from holdfast.store.transfers import Whole, WholeMessage
from holdfast.text import canonical
from holdfast.transfer import document
from holdfast.transfer.read.item import Item, LeftOut, Reason, Taken
from holdfast.transfer.read.values import citations, kept, moment, name, origin, title_or_first_words

_ORIGIN_LIMIT: Final = 300


def recognises(value: Mapping[str, Any]) -> bool:
    """Whether this is a conversation of ours."""
    return "title_source" in value and isinstance(value.get("messages"), list)


def convert(value: Mapping[str, Any]) -> Item:
    """A conversation. Raises `ValueError` for what is damaged."""
    found = msgspec.convert(value, document.Conversation)
    if not found.messages:
        return LeftOut(Reason.EMPTY)
    created_at = moment(found.created_at) or now()
    messages = _messages(found.messages, created_at)
    ids = [message.id for message in messages]
    title = DEFAULT_TITLE if found.title_source is TitleSource.DEFAULT else found.title
    conversation = Conversation(
        id=found.id,
        title=title_or_first_words(title, messages[0].content) or DEFAULT_TITLE,
        title_source=found.title_source,
        current_message_id=found.current_message_id if found.current_message_id in ids else ids[-1],
        created_at=created_at,
        updated_at=moment(found.updated_at) or max(message.created_at for message in messages),
        running=False,
        pinned=found.pinned,
    )
    return Taken(
        Whole(conversation, messages, _comparisons(found, messages), _came_from(found, conversation, messages))
    )


def _came_from(found: document.Conversation, conversation: Conversation, messages: Sequence[WholeMessage]) -> str:
    """What it was called first. A name that is too long for an index of the database is replaced by its hash."""
    given = kept(found.origin)
    if not given:
        content = (kept(found.id), conversation.title, *(message.content for message in messages))
        return origin(document.FORMAT, found.id, *content)
    return given if len(given) <= _ORIGIN_LIMIT else origin(document.FORMAT, None, given)


def _messages(found: Sequence[document.Message], created_at: int) -> tuple[WholeMessage, ...]:
    """Raises `ValueError` where two have one id, or one has another parent than its side of a conversation may have."""
    roles: dict[str | None, Role | None] = {None: None}
    messages = []
    for each in found:
        if each.id in roles or roles.get(each.parent_id, each.role) is each.role:
            raise ValueError
        roles[each.id] = each.role
        messages.append(_message(each, moment(each.created_at) or created_at))
    return tuple(messages)


def _message(found: document.Message, at: int) -> WholeMessage:
    answer = found.role is Role.ASSISTANT
    content = kept(found.content) if answer else canonical(found.content)
    reasoning = kept(found.reasoning) if answer else ""
    rating = found.rating if answer else None
    return WholeMessage(
        id=found.id,
        parent_id=found.parent_id,
        role=found.role,
        content=content,
        reasoning=reasoning,
        status=_ended(found.status) if answer else Status.COMPLETE,
        created_at=at,
        rating=Rating(rating.value, tuple(rating.reasons), rating.comment and kept(rating.comment)) if rating else None,
        generations=tuple(_runs(found, at, len(content), len(reasoning))) if answer else (),
    )


def _runs(message: document.Message, at: int, length: int, reasoning_length: int) -> list[Generation]:
    offset = reasoning_offset = 0
    runs = []
    for each in message.runs:
        offset = min(max(offset, each.offset), length)
        reasoning_offset = min(max(reasoning_offset, each.reasoning_offset), reasoning_length)
        runs.append(_run(message, each, moment(each.created_at) or at, offset, reasoning_offset))
    return runs


def _run(message: document.Message, found: document.Run, at: int, offset: int, reasoning_offset: int) -> Generation:
    failure = found.error and Failure(kept(found.error.code), kept(found.error.message), found.error.retryable)
    if found.status is Status.STREAMING:
        cut = Interrupted()
        failure = Failure(cut.code, cut.message, cut.retryable)
    return Generation(
        id="",
        conversation_id="",
        user_message_id=message.parent_id or "",
        message_id=message.id,
        status=_ended(found.status),
        model=name(found.model) or "",
        preset_id=found.preset_id,
        seq=0,
        offset=offset,
        reasoning_offset=reasoning_offset,
        spans=b"",
        outcome=Outcome(
            model_id_used=name(found.model_id_used),
            provider=name(found.provider),
            upstream_id=name(found.upstream_id),
            finish_reason=name(found.finish_reason),
            usage=Usage(
                found.prompt_tokens,
                found.completion_tokens,
                found.reasoning_tokens,
                found.cached_tokens,
                None if found.cost is None else picodollars(found.cost),
            ),
            first_token_ms=found.first_token_ms,
            reasoning_ms=found.reasoning_ms,
            duration_ms=found.duration_ms,
            left_out=found.left_out,
            citations=citations((each.url, each.title) for each in found.citations),
        ),
        failure=failure or None,
        created_at=at,
        ended_at=at if found.ended_at is None else moment(found.ended_at),
    )


def _ended(status: Status) -> Status:
    """Nobody here writes what was being written there."""
    return Status.INTERRUPTED if status is Status.STREAMING else status


def _comparisons(found: document.Conversation, messages: Sequence[WholeMessage]) -> tuple[Comparison, ...]:
    """Raises `ValueError` where one is about a message that is not there, or picked what it does not have.

    One of fewer than two answers, which were lost elsewhere, compares nothing and is dropped.
    """
    comparisons = {}
    questions = {message.id for message in messages if message.role is Role.USER}
    for each in found.comparisons:
        answers = tuple(message.id for message in messages if message.parent_id == each.user_message_id)[: each.count]
        picked = each.picked_message_id
        if each.user_message_id not in questions or picked not in (None, *answers):
            raise ValueError
        if len(answers) < 2:  # noqa: PLR2004 - a comparison
            continue
        comparisons[each.user_message_id] = Comparison(each.user_message_id, each.blind, answers, picked)
    return tuple(comparisons.values())
