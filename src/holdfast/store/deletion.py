"""Deletion: final at once for everybody, while the rows go in short steps between which others may write.

A deleted conversation is marked, and every lookup passes over it. What could still be written to or would be done for
it goes with the mark; what its calls took is spent all the same, so their lines stay and are completed. Most fit into
the first step, which is in the same transaction, and leave nothing to be marked.
"""

import time
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Integer, RowMapping, bindparam, delete, exists, insert, select, update

from holdfast.domain import Call, Purpose, Status, TaskKind, now
from holdfast.store import calls as calls_
from holdfast.store import rows
from holdfast.store import tasks as tasks_
from holdfast.store.schema import conversations, deleted, generations, messages, spent_keys, tasks

_HOLD: Final = 0.02
"""Seconds that a step takes, or a little longer."""

_STEP: Final = 200
_FEW: Final = 8  # Messages that are taken away between two looks at the clock.

_in_it = generations.c.conversation_id == bindparam("of_conversation")
_these_messages: BindParameter[Any] = bindparam("message_ids", expanding=True)

_MARK: Final = (
    update(conversations)
    .where(conversations.c.id == bindparam("of_conversation"))
    .values(deleted_at=bindparam("at"), origin=None)  # What comes from there again is not known any more.
)
_LIST_RUNNING: Final = select(generations).where(_in_it, generations.c.status == Status.STREAMING)
_END_MESSAGES: Final = update(messages).where(messages.c.id.in_(_these_messages)).values(status=Status.STOPPED)
_DROP_RUNNING: Final = delete(generations).where(_in_it, generations.c.status == Status.STREAMING)
_DROP_TASKS: Final = delete(tasks).where(
    tasks.c.kind == TaskKind.TITLE, exists().where(generations.c.id == tasks.c.generation_id, _in_it)
)
_SPEND_KEYS: Final = insert(spent_keys).from_select(
    ["owner_id", "client_message_id", "request_digest"],
    select(generations.c.owner_id, generations.c.client_message_id, generations.c.request_digest).where(
        generations.c.message_id.in_(_these_messages),
        generations.c.client_message_id.is_not(None),
        ~exists().where(
            spent_keys.c.owner_id == generations.c.owner_id,
            spent_keys.c.client_message_id == generations.c.client_message_id,
        ),
    ),
)
_FIND_DELETED: Final = deleted.order_by(conversations.c.deleted_at, conversations.c.number).limit(1)
_LIST_LAST: Final = (
    select(messages.c.id)
    .where(messages.c.conversation_id == bindparam("of_conversation"))
    .order_by(messages.c.number.desc())
    .limit(bindparam("limit", type_=Integer))
)
_DROP_MESSAGES: Final = delete(messages).where(messages.c.id.in_(_these_messages))
_DROP: Final = delete(conversations).where(conversations.c.id == bindparam("of_conversation"))


def begin(connection: Connection, conversation_id: str) -> list[str]:
    """Delete a conversation that is locked, with the first step; the ids of the generations that were running."""
    values = {"of_conversation": conversation_id}
    connection.execute(_MARK, values | {"at": now()})
    running = connection.execute(_LIST_RUNNING, values).mappings().all()
    if running:
        for row in running:
            _account(connection, row)
        written = {"message_ids": [row["message_id"] for row in running]}
        connection.execute(_SPEND_KEYS, written)
        connection.execute(_END_MESSAGES, written)
        connection.execute(_DROP_RUNNING, values)
    connection.execute(_DROP_TASKS, values)
    _step(connection, conversation_id)
    return [row["id"] for row in running]


def _account(connection: Connection, row: RowMapping) -> None:
    """The ledger's line of a call that is broken off here, and the question what it took."""
    run = rows.generation(row)
    call = Call(row["owner_id"], Purpose.ANSWER, run.conversation_id, run.id, run.preset_id, run.model, run.outcome)
    calls_.add(connection, call)
    if run.outcome.upstream_id:
        tasks_.add(connection, TaskKind.RECONCILE, run.id)


def go_on(connection: Connection) -> bool:
    """The next step, if there is anything deleted that is not gone; whether there was."""
    conversation_id = connection.execute(_FIND_DELETED).scalar()
    if conversation_id is None:
        return False
    _step(connection, conversation_id)
    return True


def _step(connection: Connection, conversation_id: str) -> None:
    """Take away the last messages with what belongs to them, and the conversation once it has none.

    The last first, for each refers to the one before. Their keys stay, lest a late request begin it anew.
    """
    until = time.monotonic() + _HOLD
    values = {"of_conversation": conversation_id}
    for _ in range(_STEP // _FEW):
        found = connection.execute(_LIST_LAST, values | {"limit": _FEW}).scalars().all()
        if not found:
            connection.execute(_DROP, values)
            return
        connection.execute(_SPEND_KEYS, {"message_ids": found})
        connection.execute(_DROP_MESSAGES, {"message_ids": found})
        if time.monotonic() > until:
            return
