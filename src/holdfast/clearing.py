"""Takes away what is left of deleted conversations, a step at a time, in nobody's way and across restarts."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from holdfast.store import Store

_PATIENCE: Final = 5.0
"""Seconds to wait when the store takes no writing."""

_log = structlog.get_logger(__name__)


class Clearing:
    """Goes on with what a process before it left, too. Create it inside the running loop's life."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._due = asyncio.Event()
        self._due.set()
        self._idle = asyncio.Event()
        self._task = asyncio.create_task(self._clear_all(), name="clearing")

    def wake(self) -> None:
        """Something was deleted."""
        self._idle.clear()
        self._due.set()

    async def idle(self) -> None:
        """Wait until nothing is left to take away."""
        await self._idle.wait()

    async def aclose(self) -> None:
        """Break off between two steps."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _clear_all(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._clear()
            except Exception as error:  # noqa: BLE001 - a loop that ends leaves everything lying until a restart
                _log.warning("clearing.not_stored", error=type(error).__name__)
                await asyncio.sleep(_PATIENCE)
                self._due.set()
            if not self._due.is_set():
                self._idle.set()

    async def _clear(self) -> None:
        """Rest after each step for as long as it took, so that others have the writer half of the time at least."""
        time = asyncio.get_running_loop().time
        began = time()
        while await self._store.conversations.clear():
            await asyncio.sleep(time() - began)
            began = time()
