"""Conversations as a whole, with every branch and every run: how they leave this place and come to it, one at a time.

Each is a short transaction of its own, so that nobody waits for somebody who moves a thousand of them. What comes in
gets ids of its own; `origin` says what it was elsewhere, so that it comes in once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Integer, RowMapping, bindparam, insert, or_, select

from holdfast.domain import (
    Comparison,
    Conversation,
    Generation,
    Kind,
    OwnerId,
    Piece,
    Rating,
    Role,
    Status,
    new_id,
)
from holdfast.events import STARTED, pack
from holdfast.store import conversations as conversations_
from holdfast.store import messages as messages_
from holdfast.store import rows
from holdfast.store.database import Noun, reading, writing
from holdfast.store.look import look
from holdfast.store.schema import comparisons, conversations, generations, messages, not_deleted

PAGE: Final = 500
"""Conversations that are listed at a time."""

OWN: Final = "holdfast:"
"""How an origin begins that a Holdfast gave: what follows is the id there, which is the id here of what began here."""

_LIST: Final = (
    select(conversations.c.number, conversations.c.id)
    .where(conversations.c.owner_id == bindparam("owner"), conversations.c.number > bindparam("after"), not_deleted)
    .order_by(conversations.c.number)
    .limit(bindparam("limit", type_=Integer))
)
_MESSAGES: Final = (
    select(messages).where(messages.c.conversation_id == bindparam("conversation_id")).order_by(messages.c.number)
)
_COMPARISONS: Final = select(comparisons).where(comparisons.c.conversation_id == bindparam("conversation_id"))
_ORIGIN: Final = select(conversations.c.origin).where(conversations.c.id == bindparam("conversation_id"))
_ADD: Final = insert(conversations)
_ADD_MESSAGES: Final = insert(messages)
_ADD_RUNS: Final = insert(generations)
_ADD_COMPARISONS: Final = insert(comparisons)
_KNOWN: Final = select(conversations.c.id).where(
    conversations.c.owner_id == bindparam("owner"),
    or_(
        conversations.c.origin == bindparam("origin"),
        conversations.c.id == bindparam("conversation_id"),
        conversations.c.id == bindparam("begun_here"),
    ),
    not_deleted,
)


@dataclass(frozen=True, slots=True)
class WholeMessage:
    """What one side said, with every run that wrote it. Of one that is being written, the text so far."""

    id: str
    parent_id: str | None
    role: Role
    content: str
    reasoning: str
    status: Status
    created_at: int
    rating: Rating | None
    generations: tuple[Generation, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """A conversation with all its messages, in the order in which they were written: none precedes its parent.

    `origin` is what it was called where it came from; None for one that was begun here.
    """

    conversation: Conversation
    messages: tuple[WholeMessage, ...]
    comparisons: tuple[Comparison, ...] = ()
    origin: str | None = None


class Transfers(Noun):
    """Conversations on their way."""

    @reading
    def list_ids(self, connection: Connection, owner: OwnerId, *, after: int) -> Sequence[tuple[int, str]]:
        """A page of an owner's conversations, oldest first, as (number, id); the last number leads to the next page."""
        return list_ids(connection, owner, after=after)

    @reading
    def get(self, connection: Connection, owner: OwnerId, conversation_id: str) -> Whole:
        """One conversation. Raises `NotFound`."""
        return get(connection, owner, conversation_id)

    @reading
    def is_known(self, connection: Connection, owner: OwnerId, whole: Whole) -> bool:
        """Whether a conversation is here already, be it that it came before or that it was begun here."""
        return _is_known(connection, owner, whole)

    @writing()
    def add(self, connection: Connection, owner: OwnerId, whole: Whole) -> str | None:
        """Store a conversation that has an origin under a fresh id, which is returned; None where it is here already.

        Its answers are not counted as spent here: the ledger is of what this place asked for.
        """
        if _is_known(connection, owner, whole):
            return None
        return _add(connection, owner, whole)


class Looking:
    """The same for a database that a server may be using. Raises what `look` raises."""

    def __init__(self, database: Path | str) -> None:
        self._database = database

    async def list_ids(self, owner: OwnerId, *, after: int) -> Sequence[tuple[int, str]]:
        """What `Transfers.list_ids` does."""
        return await look(self._database, lambda connection: list_ids(connection, owner, after=after))

    async def get(self, owner: OwnerId, conversation_id: str) -> Whole:
        """What `Transfers.get` does."""
        return await look(self._database, lambda connection: get(connection, owner, conversation_id))


def list_ids(connection: Connection, owner: OwnerId, *, after: int) -> Sequence[tuple[int, str]]:
    """What `Transfers.list_ids` does."""
    found = connection.execute(_LIST, {"owner": owner, "after": after, "limit": PAGE})
    return [(number, id_) for number, id_ in found]


def get(connection: Connection, owner: OwnerId, conversation_id: str) -> Whole:
    """What `Transfers.get` does."""
    conversation = conversations_.get(connection, owner, conversation_id)
    runs = messages_.list_runs(connection, conversation_id)
    found = connection.execute(_MESSAGES, {"conversation_id": conversation_id}).mappings()
    origin = connection.execute(_ORIGIN, {"conversation_id": conversation_id}).scalar()
    whole = tuple(_message(connection, row, runs[row["id"]]) for row in found)
    compared = connection.execute(_COMPARISONS, {"conversation_id": conversation_id}).mappings()
    return Whole(conversation, whole, tuple(_comparison(row, whole) for row in compared), origin)


def _is_known(connection: Connection, owner: OwnerId, whole: Whole) -> bool:
    begun_here = (whole.origin or "").removeprefix(OWN)
    values = {
        "owner": owner,
        "origin": whole.origin,
        "conversation_id": whole.conversation.id,
        "begun_here": begun_here,
    }
    return connection.execute(_KNOWN, values).first() is not None


def _message(connection: Connection, row: RowMapping, runs: list[Generation]) -> WholeMessage:
    text = {Kind.CONTENT: row["content"], Kind.REASONING: row["reasoning"]}
    if runs and runs[-1].status is Status.STREAMING:
        runs[-1], text = messages_.under_way(connection, runs[-1], text)
    return WholeMessage(
        id=row["id"],
        parent_id=row["parent_id"],
        role=Role(row["role"]),
        content=text[Kind.CONTENT],
        reasoning=text[Kind.REASONING],
        status=Status(row["status"]),
        created_at=row["created_at"],
        rating=rows.rating(row),
        generations=tuple(runs),
    )


def _comparison(row: RowMapping, whole: Sequence[WholeMessage]) -> Comparison:
    answers = [message.id for message in whole if message.parent_id == row["user_message_id"]]
    ids = tuple(answers[: row["count"]])
    return Comparison(row["user_message_id"], bool(row["blind"]), ids, row["picked_message_id"])


def _add(connection: Connection, owner: OwnerId, whole: Whole) -> str:
    ids = {message.id: new_id() for message in whole.messages}
    conversation, conversation_id = whole.conversation, new_id()
    current = conversation.current_message_id
    values = {
        "id": conversation_id,
        "owner_id": owner,
        "title": conversation.title,
        "title_source": conversation.title_source,
        "current_message_id": None if current is None else ids.get(current),
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "pinned_at": conversation.updated_at if conversation.pinned else None,
        "origin": whole.origin,
    }
    connection.execute(_ADD, values)
    veiled = {
        id_ for each in whole.comparisons if each.blind and each.picked_message_id is None for id_ in each.message_ids
    }
    of_all = {"owner_id": owner, "conversation_id": conversation_id}
    runs = [run | of_all for each in whole.messages for run in _runs(each, ids, veiled=each.id in veiled)]
    compared = [_compared(each, ids) | {"conversation_id": conversation_id} for each in whole.comparisons]
    said = [_said(each, ids) | {"conversation_id": conversation_id} for each in whole.messages]
    for statement, new in ((_ADD_MESSAGES, said), (_ADD_RUNS, runs), (_ADD_COMPARISONS, compared)):
        if new:
            connection.execute(statement, new)
    return conversation_id


def _said(message: WholeMessage, ids: Mapping[str, str]) -> dict[str, Any]:
    rating = message.rating
    return {
        "id": ids[message.id],
        "parent_id": None if message.parent_id is None else ids[message.parent_id],
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "status": message.status,
        "created_at": message.created_at,
        "rating": rating and rating.value,
        "rating_reasons": rating and " ".join(rating.reasons),
        "rating_comment": rating and rating.comment,
    }


def _runs(message: WholeMessage, ids: Mapping[str, str], *, veiled: bool) -> list[dict[str, Any]]:
    """Rows of `generations`. Each run's text goes to where the next one's begins, in one piece of a kind."""
    if message.parent_id is None or not message.generations:
        return []  # An answer to nothing, which some other program may have, has no run: that needs what it answers.
    ends = [(run.offset, run.reasoning_offset) for run in message.generations[1:]]
    ends = [(0, 0), *ends, (len(message.content), len(message.reasoning))]
    found = []
    for run, ((start, thought), (end, thought_end)) in zip(message.generations, pairwise(ends), strict=True):
        log = [Piece(Kind.REASONING, message.reasoning[thought:thought_end])] if thought_end > thought else []
        log += [Piece(Kind.CONTENT, message.content[start:end])] if end > start else []
        failure = run.failure
        row = {
            "id": new_id(),
            "user_message_id": ids[message.parent_id],
            "message_id": ids[message.id],
            "client_message_id": None,
            "request_digest": None,
            "status": run.status,
            "model": run.model,
            "preset_id": run.preset_id,
            "seq": STARTED + len(log) + 2,  # The metadata and the terminal event.
            "offset": start,
            "reasoning_offset": thought,
            "spans": pack(log),
            "error_code": failure and failure.code,
            "error_message": failure and failure.message,
            "error_retryable": failure and failure.retryable,
            "error_retry_after": failure and failure.retry_after,
            "veiled": veiled,
            "created_at": run.created_at,
            "ended_at": run.ended_at,
        }
        found.append(row | rows.outcome_columns(run.outcome))
    return found


def _compared(comparison: Comparison, ids: Mapping[str, str]) -> dict[str, Any]:
    picked = comparison.picked_message_id
    return {
        "user_message_id": ids[comparison.user_message_id],
        "count": len(comparison.message_ids),
        "blind": comparison.blind,
        "picked_message_id": None if picked is None else ids[picked],
    }
