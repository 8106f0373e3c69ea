"""Work that follows an answer: taken from the store when it is due, done beside everything else, never in its way.

A task is stored with what made it due and removed with what came of it, so a crash repeats at most the last attempt.
Its failure is logged and never shown as the answer's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from holdfast.domain import Task, TaskKind, now
from holdfast.errors import HoldfastError, StorageError
from holdfast.store import Store

Work = Callable[[Task], Awaitable[float | None]]
"""Does a task. Returns None once it is removed from the store, or the seconds after which it is to come again."""

AT_ONCE: Final = {TaskKind.TITLE: 16, TaskKind.RECONCILE: 4, TaskKind.RECONCILE_TITLE: 4}
"""Tasks of a kind that are done at the same time. None waits for one of another kind: a title may take a minute."""

_ASIDE: Final = 0.05
"""Seconds that an answer's end is ahead of what follows it: it is on its way, and one look serves all that ended."""

_CRASHED: Final = 60.0
"""Seconds after which a task comes again whose attempt broke off."""

_REST: Final = 3600.0
"""Seconds after which the store is looked at although nothing is known to be due."""

_PATIENCE: Final = 5.0
"""Seconds to wait when the store cannot be read."""

_MICRO: Final = 1_000_000
_log = structlog.get_logger(__name__)


class Tasks:
    """Does what is due. Create it inside the running loop's life and close it before the store."""

    def __init__(self, store: Store, works: Mapping[TaskKind, Work]) -> None:
        self._store = store
        self._works = works
        self._wake = asyncio.Event()
        self._running: dict[TaskKind, dict[int, asyncio.Task[None]]] = {kind: {} for kind in TaskKind}
        self._loop_task = asyncio.create_task(self._work_off(), name="tasks")

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def aclose(self) -> None:
        """Break off what is under way; it comes again after the next start."""
        tasks = [self._loop_task, *(task for running in self._running.values() for task in running.values())]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _work_off(self) -> None:
        while True:
            self._wake.clear()
            try:
                pause = await self._begin_due()
            except Exception as error:  # noqa: BLE001 - a loop that ends leaves everything undone until a restart
                _log.warning("tasks.unreadable", error=type(error).__name__)
                pause = _PATIENCE
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_ASIDE)

    async def _begin_due(self) -> float:
        """Begin what is due and has room; seconds until there may be more."""
        at = now()
        free = [kind for kind, most in AT_ONCE.items() if len(self._running[kind]) < most]
        limit = 2 * max(AT_ONCE.values())  # Some of them may be under way.
        due, following = await self._store.tasks.list_due(at, limit=limit, kinds=free)
        for task in due:
            running = self._running[task.kind]
            if task.number not in running and len(running) < AT_ONCE[task.kind]:  # The end of any of them wakes this.
                name = f"{task.kind} {task.generation_id}"
                running[task.number] = asyncio.create_task(self._do(task), name=name)
        return _REST if following is None else min((following - at) / _MICRO, _REST)

    async def _do(self, task: Task) -> None:
        pause: float | None = _CRASHED
        try:
            if not await self._store.tasks.attempt(task, again_at=now() + round(_CRASHED * _MICRO)):
                return  # It was done, or begun anew, since it was listed.
            pause = await self._works[task.kind](task)
            if pause is not None:
                await self._store.tasks.postpone(task, again_at=now() + round(pause * _MICRO))
        except StorageError as error:
            _log.warning("task.not_stored", kind=task.kind, generation_id=task.generation_id, code=error.code)
            await asyncio.sleep(_PATIENCE)  # A disk that takes no writing can be read: it would be due again at once.
        except HoldfastError as error:
            _log.warning("task.failed", kind=task.kind, generation_id=task.generation_id, code=error.code)
        except Exception:  # noqa: BLE001 - the top of a task: it comes again, and nothing else may suffer
            _log.exception("task.crashed", kind=task.kind, generation_id=task.generation_id)
        finally:
            del self._running[task.kind][task.number]
            self._wake.set()
