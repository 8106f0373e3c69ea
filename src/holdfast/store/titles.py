"""Titles that are given automatically: what a name is made from, and whether it may still be taken.

A conversation has at most one task of naming. It replaces a title that nobody gave; one that a person gave only where
that person asked for it since, which the task keeps as the revision of the title at that moment.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, bindparam, delete, exists, or_, select, update

from holdfast.domain import (
    Call,
    Conversation,
    Exchange,
    Generation,
    OwnerId,
    Purpose,
    Role,
    Status,
    Task,
    TaskKind,
    TitleSource,
)
from holdfast.errors import GenerationRunning, Invalid, NotFound
from holdfast.store import calls as calls_
from holdfast.store import conversations as conversations_
from holdfast.store import tasks as tasks_
from holdfast.store.database import Noun, reading, writing
from holdfast.store.messages import branch
from holdfast.store.schema import conversations, generations, messages, not_deleted, tasks

_UNDER_WAY: Final = 90_000_000
"""Microseconds after which a call for a title is over, whatever became of who made it."""

_conversation = conversations.c.id == bindparam("conversation_id")
_wished = select(tasks.c.wished_revision).where(tasks.c.number == bindparam("task_number")).scalar_subquery()
_naming = (
    select(tasks.c.number)
    .join(generations, generations.c.id == tasks.c.generation_id)
    .where(tasks.c.kind == TaskKind.TITLE, generations.c.conversation_id == bindparam("conversation_id"))
)

_NAME: Final = (
    update(conversations)
    .where(
        _conversation,
        or_(
            (conversations.c.title_source != TitleSource.USER)
            & (conversations.c.title_revision == bindparam("revision_seen")),
            conversations.c.title_revision == _wished,
        ),
    )
    .values(
        title=bindparam("new_title"),
        title_source=TitleSource.AUTO,
        title_revision=conversations.c.title_revision + 1,
    )
)
_AWAITS_NAME: Final = select(conversations.c.id).where(
    _conversation,
    conversations.c.title_source == TitleSource.DEFAULT,
    ~exists(_naming.correlate(None)),  # Of an answer that was cut by its length, and completed before the name came.
    ~exists().where(
        messages.c.conversation_id == conversations.c.id,
        messages.c.role == Role.ASSISTANT,
        messages.c.status == Status.COMPLETE,
        messages.c.id != bindparam("message_id"),
    ),
)
_question, _answer, _first = messages.alias("question"), messages.alias("answer"), messages.alias("first")
_opening = (
    select(_first.c.content)
    .where(
        _first.c.conversation_id == generations.c.conversation_id,
        _first.c.role == Role.USER,
        _first.c.id != generations.c.user_message_id,
        _first.c.number < _question.c.number,
    )
    .order_by(_first.c.number)
    .limit(1)
    .scalar_subquery()
)
_EXCHANGE: Final = (
    select(
        conversations.c.owner_id,
        conversations.c.title_source,
        conversations.c.title_revision,
        generations.c.conversation_id,
        generations.c.model,
        _opening.label("opening"),
        _question.c.content.label("question"),
        _answer.c.content.label("answer"),
        _wished.label("wished_revision"),
    )
    .select_from(generations)
    .join(conversations, conversations.c.id == generations.c.conversation_id)
    .join(_question, _question.c.id == generations.c.user_message_id)
    .join(_answer, _answer.c.id == generations.c.message_id)
    .where(generations.c.id == bindparam("generation_id"), not_deleted)
)
_REVISION: Final = select(conversations.c.title_revision).where(_conversation)
_WISH: Final = update(tasks).where(tasks.c.number == bindparam("task_number")).values(wished_revision=bindparam("wish"))
_LEAVE: Final = delete(tasks).where(
    tasks.c.number == bindparam("task_number"), tasks.c.wished_revision.is_not_distinct_from(bindparam("wish_seen"))
)
_ANSWERS: Final = branch(messages.c.id).where(messages.c.role == Role.ASSISTANT, messages.c.status == Status.COMPLETE)
_RUN: Final = (
    select(generations.c.id)
    .where(generations.c.message_id == bindparam("message_id"))
    .order_by(generations.c.number.desc())
    .limit(1)
)


class Titles(Noun):
    """What the task of naming reads and writes, and the wish for another name."""

    @reading
    def get_exchange(self, connection: Connection, task: Task) -> Exchange:
        """What the conversation that a task is to name is about. Raises `NotFound`."""
        values = {"generation_id": task.generation_id, "task_number": task.number}
        row = connection.execute(_EXCHANGE, values).mappings().first()
        if row is None:
            raise NotFound
        return Exchange(
            owner_id=row["owner_id"],
            conversation_id=row["conversation_id"],
            generation_id=task.generation_id,
            model=row["model"],
            opening=row["opening"] or "",
            question=row["question"],
            answer=row["answer"],
            title_source=TitleSource(row["title_source"]),
            title_revision=row["title_revision"],
            wished_revision=row["wished_revision"],
        )

    @writing(durable=False)
    def note(self, connection: Connection, call: Call) -> Call:
        """Write down a call while it is made: where the process ends in it, what it took is asked for later."""
        tasks_.begin(connection, TaskKind.RECONCILE_TITLE, call.generation_id, after=_UNDER_WAY)
        return replace(call, number=calls_.add(connection, call))

    @writing()
    def name(self, connection: Connection, task: Task, exchange: Exchange, title: str, calls: Sequence[Call]) -> bool:
        """Store an automatic title and what it cost, and end the task; whether the title was taken.

        It is not where there is none, or the conversation was renamed since `exchange` was read or the owner asked
        for another name, whichever came later.
        """
        named, held = 0, _hold(connection, exchange)
        if title and held:
            values = {
                "conversation_id": exchange.conversation_id,
                "new_title": title,
                "revision_seen": exchange.title_revision,
                "task_number": task.number,
            }
            named = connection.execute(_NAME, values).rowcount
        for call in calls:
            calls_.add(connection, call)
        tasks_.remove(connection, task)
        if calls_.list_open(connection, exchange.generation_id, Purpose.TITLE):
            tasks_.begin(connection, TaskKind.RECONCILE_TITLE, exchange.generation_id)
        else:
            tasks_.drop(connection, TaskKind.RECONCILE_TITLE, exchange.generation_id)
        return bool(named)

    @writing(durable=False)
    def leave(self, connection: Connection, task: Task, exchange: Exchange) -> bool:
        """End a task that has nothing to name; whether that is so still, or the owner asked for a name meanwhile."""
        values = {"task_number": task.number, "wish_seen": exchange.wished_revision}
        return bool(connection.execute(_LEAVE, values).rowcount)

    @writing()
    def wish(self, connection: Connection, owner: OwnerId, conversation_id: str) -> Conversation:
        """The owner asks for another name, whoever gave the present one.

        Where a name is being looked for already, that one will do. Raises `NotFound`, `GenerationRunning` while the
        first answer is being written, and `Invalid` where no answer is whole.
        """
        end = conversations_.lock(connection, owner, conversation_id)
        values = {"conversation_id": conversation_id}
        number = connection.execute(_naming, values).scalar()
        if number is None:
            number = tasks_.add(connection, TaskKind.TITLE, _named_after(connection, owner, conversation_id, end))
        revision = connection.execute(_REVISION, values).scalar_one()
        connection.execute(_WISH, {"task_number": number, "wish": revision})
        return conversations_.get(connection, owner, conversation_id)


def awaits_name(connection: Connection, complete: Generation) -> bool:
    """Whether this is the first complete answer in a conversation that nobody has named, or is about to."""
    values = {"conversation_id": complete.conversation_id, "message_id": complete.message_id}
    return connection.execute(_AWAITS_NAME, values).first() is not None


def _hold(connection: Connection, exchange: Exchange) -> bool:
    """Let a wish or a rename that is under way come to its end first; whether the conversation is still there."""
    try:
        conversations_.lock(connection, exchange.owner_id, exchange.conversation_id)
    except NotFound:
        return False
    return True


def _named_after(connection: Connection, owner: OwnerId, conversation_id: str, end: str | None) -> str:
    """The run of the last whole answer on the current branch."""
    answers = connection.execute(_ANSWERS, {"owner": owner, "end": end}).scalars().all()
    if not answers:
        if conversations_.get(connection, owner, conversation_id).running:
            raise GenerationRunning("The first answer is still being written. A name can be made once it is complete.")
        raise Invalid("There is no complete answer here yet to name the conversation after. Send a message first.")
    run_id: str = connection.execute(_RUN, {"message_id": answers[-1]}).scalar_one()
    return run_id
