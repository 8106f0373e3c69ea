"""Messages: the tree of a conversation, read along one branch."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Integer, RowMapping, Select, bindparam, insert, literal, select, update

from holdfast.domain import Generation, Kind, Message, OwnerId, Rating, Role, Status, Turn, Usage, now, standing
from holdfast.errors import Invalid, NotFound
from holdfast.events import STARTED
from holdfast.store import conversations as conversations_
from holdfast.store import rows
from holdfast.store.database import Noun, reading, writing
from holdfast.store.schema import conversations, generations, messages, not_deleted, pieces


def branch(*columns: Any) -> Select[Any]:
    """The messages from the root to the parameter `end`."""
    step = (
        select(messages.c.id, messages.c.parent_id, literal(0).label("depth"))
        .join(conversations, conversations.c.id == messages.c.conversation_id)
        .where(messages.c.id == bindparam("end"), conversations.c.owner_id == bindparam("owner"), not_deleted)
    )
    path = step.cte("path", recursive=True)
    path = path.union_all(
        select(messages.c.id, messages.c.parent_id, path.c.depth + 1).where(messages.c.id == path.c.parent_id)
    )
    return select(*columns).join(path, path.c.id == messages.c.id).order_by(path.c.depth.desc())


_GET: Final = (
    select(messages)
    .join(conversations, conversations.c.id == messages.c.conversation_id)
    .where(conversations.c.owner_id == bindparam("owner"), messages.c.id == bindparam("message_id"), not_deleted)
)
_BRANCH: Final = branch(messages)
_ANSWERS: Final = (
    select(messages)
    .where(messages.c.parent_id == bindparam("parent_id"))
    .order_by(messages.c.number)
    .limit(bindparam("limit", type_=Integer))
)
_TURNS: Final = branch(messages.c.role, messages.c.content, messages.c.status)
_ADD: Final = insert(messages)
_REOPEN: Final = update(messages).where(messages.c.id == bindparam("message_id")).values(status=Status.STREAMING)
_RATE: Final = (
    update(messages)
    .where(messages.c.id == bindparam("message_id"))
    .values(
        rating=bindparam("new_rating"), rating_reasons=bindparam("new_reasons"), rating_comment=bindparam("new_comment")
    )
)
_RUNS: Final = (
    select(generations)
    .where(generations.c.conversation_id == bindparam("conversation_id"))
    .order_by(generations.c.number)
)
_LOG: Final = (
    select(pieces.c.seq, pieces.c.kind, pieces.c.text)
    .where(pieces.c.generation_id == bindparam("generation_id"))
    .order_by(pieces.c.seq)
)


class Messages(Noun):
    """What was said."""

    @reading
    def get(self, connection: Connection, owner: OwnerId, message_id: str) -> Message:
        """One message. Raises `NotFound`."""
        return _messages(connection, [get_row(connection, owner, message_id)])[0]

    @reading
    def list(self, connection: Connection, owner: OwnerId, conversation_id: str) -> Sequence[Message]:
        """The current branch, root first. Raises `NotFound`."""
        return list_branch(connection, owner, conversation_id)

    @reading
    def list_turns(self, connection: Connection, owner: OwnerId, message_id: str) -> Sequence[Turn]:
        """What was said up to a message, root first; nothing where it was deleted."""
        found = connection.execute(_TURNS, {"owner": owner, "end": message_id})
        return [Turn(Role(role), content, Status(status)) for role, content, status in found]

    @writing()
    def rate(self, connection: Connection, owner: OwnerId, message_id: str, rating: Rating | None) -> Message:
        """Store what a person thinks of an answer; None takes it back. Raises `NotFound`, `Invalid` for a question."""
        if get_row(connection, owner, message_id)["role"] != Role.ASSISTANT:
            raise Invalid("Only an answer can be rated.")
        rate(connection, message_id, rating)
        return _messages(connection, [get_row(connection, owner, message_id)])[0]


def list_branch(connection: Connection, owner: OwnerId, conversation_id: str) -> Sequence[Message]:
    """The current branch, root first. Raises `NotFound`."""
    conversation = conversations_.get(connection, owner, conversation_id)
    values = {"owner": owner, "end": conversation.current_message_id}
    return _messages(connection, connection.execute(_BRANCH, values).mappings().all())


def list_answers(connection: Connection, user_message_id: str, *, limit: int) -> Sequence[Message]:
    """The first answers that a message has."""
    values = {"parent_id": user_message_id, "limit": limit}
    return _messages(connection, connection.execute(_ANSWERS, values).mappings().all())


def rate(connection: Connection, message_id: str, rating: Rating | None) -> None:
    """Write a rating, or take it back."""
    values = {
        "message_id": message_id,
        "new_rating": rating and rating.value,
        "new_reasons": rating and " ".join(rating.reasons),
        "new_comment": rating and rating.comment,
    }
    connection.execute(_RATE, values)


def get_row(connection: Connection, owner: OwnerId, message_id: str) -> RowMapping:
    """A row of `messages`. Raises `NotFound`."""
    row = connection.execute(_GET, {"owner": owner, "message_id": message_id}).mappings().first()
    if row is None:
        raise NotFound
    return row


def add(connection: Connection, conversation_id: str, new: Iterable[tuple[str, str | None, Role, str]]) -> None:
    """Insert messages, given as (id, parent's id, role, text); an assistant's as one that is being written."""
    at = now()
    connection.execute(
        _ADD,
        [
            {
                "id": message_id,
                "conversation_id": conversation_id,
                "parent_id": parent_id,
                "role": role,
                "content": content,
                "status": Status.COMPLETE if role is Role.USER else Status.STREAMING,
                "created_at": at,
            }
            for message_id, parent_id, role, content in new
        ],
    )


def reopen(connection: Connection, message_id: str) -> None:
    """An answer that had ended is being written again."""
    connection.execute(_REOPEN, {"message_id": message_id})


def _messages(connection: Connection, found: Sequence[RowMapping]) -> list[Message]:
    """Rows of one conversation with what belongs to them: their runs, their siblings, the text under way."""
    if not found:
        return []
    conversation_id = found[0]["conversation_id"]
    runs = list_runs(connection, conversation_id)
    siblings = _siblings(connection, conversation_id)
    built = []
    for row in found:
        text = {Kind.CONTENT: row["content"], Kind.REASONING: row["reasoning"]}
        own = runs[row["id"]]
        last = standing(own) if own else None
        if last and last.status is Status.STREAMING:
            last, text = under_way(connection, last, text)
        built.append(
            Message(
                id=row["id"],
                conversation_id=conversation_id,
                parent_id=row["parent_id"],
                role=Role(row["role"]),
                content=text[Kind.CONTENT],
                reasoning=text[Kind.REASONING],
                status=Status(row["status"]),
                created_at=row["created_at"],
                generation=last,
                failure=own[-1].told.failure if own else None,
                usage=rows.sum_usage(own) if own else Usage(),
                siblings=tuple(siblings[row["parent_id"]]),
                rating=rows.rating(row),
            )
        )
    return built


def list_runs(connection: Connection, conversation_id: str) -> dict[str, list[Generation]]:
    """The runs in a conversation by the message that they wrote, in their order."""
    runs: dict[str, list[Generation]] = defaultdict(list)
    for row in connection.execute(_RUNS, {"conversation_id": conversation_id}).mappings():
        runs[row["message_id"]].append(rows.generation(row))
    return runs


def _siblings(connection: Connection, conversation_id: str) -> dict[str | None, list[str]]:
    children: dict[str | None, list[str]] = defaultdict(list)
    for message_id, parent_id in connection.execute(conversations_.TREE, {"conversation_id": conversation_id}):
        children[parent_id].append(message_id)
    return children


def under_way(
    connection: Connection, generation: Generation, text: dict[Kind, str]
) -> tuple[Generation, dict[Kind, str]]:
    """A running generation with the seq that is stored so far, and the message's text up to it."""
    parts: dict[Kind, list[str]] = {kind: [before] for kind, before in text.items()}
    seq = STARTED
    for row in connection.execute(_LOG, {"generation_id": generation.id}):
        seq = row.seq
        parts[Kind(row.kind)].append(row.text)
    return dataclasses.replace(generation, seq=seq), {kind: "".join(texts) for kind, texts in parts.items()}
