"""Tasks: work that follows an answer, stored in the transaction that makes it due, so that no crash loses it.

They are nobody's in particular, so these lookups alone take no owner; what a task leads to is its generation's.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, Integer, bindparam, delete, func, insert, select, update

from holdfast.domain import Task, TaskKind, now
from holdfast.store.database import Noun, reading, writing
from holdfast.store.schema import tasks

_number = tasks.c.number == bindparam("task_number")

_ADD: Final = insert(tasks).returning(tasks.c.number)
_LIST_DUE: Final = (
    select(tasks)
    .where(tasks.c.kind == bindparam("of_kind"), tasks.c.due_at <= bindparam("at"))
    .order_by(tasks.c.due_at, tasks.c.number)
    .limit(bindparam("limit", type_=Integer))
)
_NEXT: Final = select(func.min(tasks.c.due_at)).where(
    tasks.c.kind == bindparam("of_kind"), tasks.c.due_at > bindparam("at")
)
_ATTEMPT: Final = (
    update(tasks)
    .where(_number, tasks.c.attempts == bindparam("seen"))
    .values(attempts=tasks.c.attempts + 1, due_at=bindparam("again_at"))
)
_POSTPONE: Final = update(tasks).where(_number).values(due_at=bindparam("again_at"))
_DROP: Final = delete(tasks).where(
    tasks.c.kind == bindparam("of_kind"), tasks.c.generation_id == bindparam("of_generation")
)
_REMOVE: Final = delete(tasks).where(_number)


class Tasks(Noun):
    """What is left to do."""

    @reading
    def list_due(
        self, connection: Connection, at: int, *, limit: int, kinds: Iterable[TaskKind] = TaskKind
    ) -> tuple[list[Task], int | None]:
        """What is due at a time, up to a limit of each kind, longest first, and when the next one after it will be."""
        due: list[Task] = []
        following: list[int] = []
        for kind in kinds:
            found = connection.execute(_LIST_DUE, {"of_kind": kind, "at": at, "limit": limit}).mappings()
            due += [
                Task(row["number"], kind, row["generation_id"], row["attempts"], row["created_at"]) for row in found
            ]
            following += connection.execute(_NEXT, {"of_kind": kind, "at": at}).scalars()
        return due, min(filter(None, following), default=None)

    @writing()
    def attempt(self, connection: Connection, task: Task, *, again_at: int) -> bool:
        """Count an attempt before it is made; should the process die in it, the next one is due at `again_at`.

        Whether it is still to be made: nobody removed the task, or began another attempt, since it was listed.
        """
        values = {"task_number": task.number, "seen": task.attempts, "again_at": again_at}
        return bool(connection.execute(_ATTEMPT, values).rowcount)

    @writing(durable=False)
    def postpone(self, connection: Connection, task: Task, *, again_at: int) -> None:
        """Have it come again."""
        connection.execute(_POSTPONE, {"task_number": task.number, "again_at": again_at})

    @writing(durable=False)
    def remove(self, connection: Connection, task: Task) -> None:
        """It is done, or cannot be."""
        remove(connection, task)


def add(connection: Connection, kind: TaskKind, generation_id: str, *, after: int = 0) -> int:
    """Make something due, at once or after some microseconds; the task's number."""
    at = now()
    values = {"kind": kind, "generation_id": generation_id, "due_at": at + after, "attempts": 0, "created_at": at}
    number: int = connection.execute(_ADD, values).scalar_one()
    return number


def begin(connection: Connection, kind: TaskKind, generation_id: str, *, after: int = 0) -> None:
    """Make something due as `add` does, and begin anew where it is waiting already."""
    drop(connection, kind, generation_id)
    add(connection, kind, generation_id, after=after)


def drop(connection: Connection, kind: TaskKind, generation_id: str) -> None:
    """It need not be done, if it was to be."""
    connection.execute(_DROP, {"of_kind": kind, "of_generation": generation_id})


def remove(connection: Connection, task: Task) -> None:
    """Within the transaction that stores what it came to."""
    connection.execute(_REMOVE, {"task_number": task.number})
