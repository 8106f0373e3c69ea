"""Conversations: list, create, read, rename, choose a branch, delete. Every lookup is within one owner."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Integer, and_, bindparam, exists, insert, or_, select, update

from holdfast.domain import (
    Conversation,
    OwnerId,
    Status,
    TitleSource,
    new_id,
    now,
)
from holdfast.errors import Invalid, NotFound
from holdfast.store import deletion, rows
from holdfast.store.database import Noun, reading, writing
from holdfast.store.schema import conversations, generations, messages, not_deleted

DEFAULT_TITLE: Final = "New Conversation"

Place = tuple[int, int]
"""Where a page of the list begins: the (updated_at, number) of the last item of the page before."""

_running = exists().where(generations.c.conversation_id == conversations.c.id, generations.c.status == Status.STREAMING)
_all = select(conversations, _running.label("running")).where(
    conversations.c.owner_id == bindparam("owner"), not_deleted
)
_mine = and_(
    conversations.c.owner_id == bindparam("owner"), conversations.c.id == bindparam("conversation_id"), not_deleted
)

_GET: Final = _all.where(conversations.c.id == bindparam("conversation_id"))
_LOCK: Final = select(conversations.c.current_message_id).where(_mine).with_for_update()
_FIRST_PAGE: Final = _all.order_by(conversations.c.updated_at.desc(), conversations.c.number.desc()).limit(
    bindparam("limit", type_=Integer)
)
_NEXT_PAGE: Final = _FIRST_PAGE.where(
    or_(
        conversations.c.updated_at < bindparam("updated_at"),
        and_(conversations.c.updated_at == bindparam("updated_at"), conversations.c.number < bindparam("number")),
    )
)
_ADD: Final = insert(conversations)
_RENAME: Final = (
    update(conversations)
    .where(_mine)
    .values(
        title=bindparam("new_title"),
        title_source=TitleSource.USER,
        title_revision=conversations.c.title_revision + 1,
    )
)
_PIN: Final = update(conversations).where(_mine).values(pinned_at=bindparam("new_pinned_at"))
_PINNED: Final = (
    _all.where(conversations.c.pinned_at.is_not(None))
    .order_by(conversations.c.pinned_at.desc(), conversations.c.number.desc())
    .limit(bindparam("limit", type_=Integer))
)
_CHOOSE: Final = update(conversations).where(_mine).values(current_message_id=bindparam("end"))
_END_AT: Final = (
    update(conversations)
    .where(conversations.c.id == bindparam("conversation_id"))
    .values(current_message_id=bindparam("end"), updated_at=bindparam("at"))
)
_TOUCH: Final = (
    update(conversations).where(conversations.c.id == bindparam("conversation_id")).values(updated_at=bindparam("at"))
)
TREE: Final = (
    select(messages.c.id, messages.c.parent_id)
    .where(messages.c.conversation_id == bindparam("conversation_id"))
    .order_by(messages.c.number)
)


class Conversations(Noun):
    """What a person keeps conversations in."""

    @reading
    def list(
        self, connection: Connection, owner: OwnerId, *, limit: int, after: Place | None = None
    ) -> tuple[Sequence[Conversation], Place | None]:
        """A page, latest first, and where the next one begins; None at the end."""
        values: dict[str, object] = {"owner": owner, "limit": limit + 1}
        if after:
            values |= {"updated_at": after[0], "number": after[1]}
        found = connection.execute(_NEXT_PAGE if after else _FIRST_PAGE, values).mappings().all()
        page = found[:limit]
        more = (page[-1]["updated_at"], page[-1]["number"]) if len(found) > limit else None
        return [rows.conversation(row) for row in page], more

    @reading
    def list_pinned(self, connection: Connection, owner: OwnerId, *, limit: int) -> Sequence[Conversation]:
        """Those that are kept at hand, latest pinned first."""
        found = connection.execute(_PINNED, {"owner": owner, "limit": limit}).mappings()
        return [rows.conversation(row) for row in found]

    @reading
    def get(self, connection: Connection, owner: OwnerId, conversation_id: str) -> Conversation:
        """Raises `NotFound`."""
        return get(connection, owner, conversation_id)

    @writing()
    def add(self, connection: Connection, owner: OwnerId) -> Conversation:
        """An empty one."""
        conversation_id = new_id()
        add(connection, owner, conversation_id, end=None)
        return get(connection, owner, conversation_id)

    @writing()
    def rename(self, connection: Connection, owner: OwnerId, conversation_id: str, title: str) -> Conversation:
        """Give it the owner's title; an empty one asks for the default back. Raises `NotFound`."""
        values = {"owner": owner, "conversation_id": conversation_id, "new_title": title or DEFAULT_TITLE}
        connection.execute(_RENAME, values)
        return get(connection, owner, conversation_id)

    @writing()
    def pin(self, connection: Connection, owner: OwnerId, conversation_id: str, *, pinned: bool) -> Conversation:
        """Keep it at hand, or no longer. Raises `NotFound`."""
        values = {"owner": owner, "conversation_id": conversation_id, "new_pinned_at": now() if pinned else None}
        connection.execute(_PIN, values)
        return get(connection, owner, conversation_id)

    @writing()
    def choose(self, connection: Connection, owner: OwnerId, conversation_id: str, message_id: str) -> Conversation:
        """Make the branch through a message the current one, down to the newest message anywhere below it.

        Raises `NotFound` for the conversation and `Invalid` for a message that is not in it.
        """
        lock(connection, owner, conversation_id)
        choose(connection, owner, conversation_id, message_id)
        return get(connection, owner, conversation_id)

    @writing()
    def delete(self, connection: Connection, owner: OwnerId, conversation_id: str) -> Sequence[str]:
        """Delete it for good; the ids of the generations that were running. Raises `NotFound`.

        What is in it is gone for everybody from now on; rows that are left of it `clear` takes away.
        """
        lock(connection, owner, conversation_id)
        return deletion.begin(connection, conversation_id)

    @writing()
    def clear(self, connection: Connection) -> bool:
        """Take away some of what is left of deleted conversations; whether there was any.

        Never committed on the event loop, as what is not durable may be: it takes too long for that.
        """
        return deletion.go_on(connection)


def get(connection: Connection, owner: OwnerId, conversation_id: str) -> Conversation:
    """One conversation. Raises `NotFound`."""
    row = connection.execute(_GET, {"owner": owner, "conversation_id": conversation_id}).mappings().first()
    if row is None:
        raise NotFound
    return rows.conversation(row)


def lock(connection: Connection, owner: OwnerId, conversation_id: str) -> str | None:
    """Keep everybody else from changing it until the transaction ends; its current end. Raises `NotFound`."""
    row = connection.execute(_LOCK, {"owner": owner, "conversation_id": conversation_id}).first()
    if row is None:
        raise NotFound
    current_message_id: str | None = row[0]
    return current_message_id


def choose(connection: Connection, owner: OwnerId, conversation_id: str, message_id: str) -> None:
    """What `Conversations.choose` does, in a conversation that is locked. Raises `Invalid`."""
    below, end = {message_id}, None
    for child_id, parent_id in connection.execute(TREE, {"conversation_id": conversation_id}):
        if child_id == message_id or parent_id in below:
            below.add(child_id)
            end = child_id  # Rows come in the order in which they were written: the last is the newest.
    if end is None:
        raise Invalid("current_message_id is not a message of this conversation.")
    connection.execute(_CHOOSE, {"owner": owner, "conversation_id": conversation_id, "end": end})


def add(connection: Connection, owner: OwnerId, conversation_id: str, *, end: str | None) -> None:
    """Insert a conversation whose current branch ends at `end`."""
    at = now()
    values = {
        "id": conversation_id,
        "owner_id": owner,
        "title": DEFAULT_TITLE,
        "title_source": TitleSource.DEFAULT,
        "current_message_id": end,
        "created_at": at,
        "updated_at": at,
    }
    connection.execute(_ADD, values)


def end_at(connection: Connection, conversation_id: str, message_id: str) -> None:
    """Make a new message the end of the current branch, and the conversation the latest of its owner's."""
    connection.execute(_END_AT, {"conversation_id": conversation_id, "end": message_id, "at": now()})


def touch(connection: Connection, conversation_id: str) -> None:
    """Make the conversation the latest of its owner's."""
    connection.execute(_TOUCH, {"conversation_id": conversation_id, "at": now()})
