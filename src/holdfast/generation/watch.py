"""Watch everything of an owner over one connection: what changes, and the frames of every generation that is written.

Each generation has a follower of its own, which reads on as fast as the one reader takes.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from holdfast.bus import READ_LIMIT
from holdfast.domain import Generation
from holdfast.feed import Change, ChangeKind, Feed, Subscription
from holdfast.generation.follow import Follower

_QUEUE: Final = 64
"""Reads of followers that wait for the reader."""

_log = structlog.get_logger(__name__)

Item = Change | bytes
"""Something that happened, or frames."""


class Watch:
    """One reader's view. `begin` makes the follower of a generation that starts; None: only changes are watched."""

    def __init__(self, feed: Feed, subscription: Subscription, begin: Callable[[Generation], Follower] | None) -> None:
        self._feed = feed
        self._subscription = subscription
        self._begin = begin
        self._items: asyncio.Queue[Item | None] = asyncio.Queue(_QUEUE)
        self._followed: set[str] = set()
        self._left = False
        self._tasks = {asyncio.create_task(self._take_changes(), name="watch")}

    def follow(self, followers: Iterable[tuple[str, Follower]]) -> None:
        """Read these generations too, each once."""
        for generation_id, follower in followers:
            if generation_id not in self._followed and not self._left:
                self._followed.add(generation_id)
                task = asyncio.create_task(self._take_frames(follower), name=f"watch {generation_id}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def read(self) -> list[Item] | None:
        """What came since; nothing where it was woken without news; None at the end."""
        item = None if self._left else await self._items.get()
        items: list[Item] = []
        size = 0
        while item is not None and not self._left:
            if item:
                items.append(item)
                size += len(item) if isinstance(item, bytes) else 1
            if size >= READ_LIMIT or self._items.empty():
                return items
            item = self._items.get_nowait()
        self.leave()
        return items or None

    def wake(self) -> None:
        """Let a `read` that waits return."""
        if self._items.empty():
            self._items.put_nowait(b"")

    def leave(self) -> None:
        """The reader is gone."""
        if self._left:
            return
        self._left = True
        self._feed.unsubscribe(self._subscription)
        for task in self._tasks:
            task.cancel()
        self.wake()

    async def _take_changes(self) -> None:
        while (change := await self._subscription.get()) is not None:
            await self._items.put(change)
            if self._begin and change.kind is ChangeKind.GENERATION_STARTED and change.generation:
                self.follow([(change.generation.id, self._begin(change.generation))])
        await self._items.put(None)  # It comes back and fetches anew.

    async def _take_frames(self, follower: Follower) -> None:
        try:
            while (frames := await follower.read()) is not None:
                await self._items.put(frames)
        except Exception as error:  # noqa: BLE001 - the top of a task: the reader comes back to where it was
            _log.warning("watch.broken", error=type(error).__name__)
            await self._items.put(None)
