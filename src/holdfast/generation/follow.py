"""Follow a generation from a cursor: every later frame once and in order, whether it runs, ends meanwhile or is over.

A live follower is fed by the channel; whoever is behind its tail, and everybody after the end, reads the store.
"""

import asyncio
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from holdfast.bus import READ_LIMIT, Bus, Channel
from holdfast.domain import Generation, OwnerId, Status
from holdfast.errors import NotFound
from holdfast.events import STARTED, Frames, replay
from holdfast.generation.live import failure
from holdfast.store import Store

_PIECES: Final = 256
"""Pieces taken from the store at once."""

_POLL: Final = 0.5
"""Seconds between two looks at a generation that runs where this process cannot see it."""


class Follower:
    """One reader's way through a generation. `cursor` is the last seq that was read."""

    def __init__(self, store: Store, bus: Bus, owner: OwnerId, generation: Generation, after: int) -> None:
        self.cursor = after
        self._store = store
        self._bus = bus
        self._owner = owner
        self._generation = generation
        self._channel = bus.find(generation.id)
        self._frames = Frames(generation.conversation_id, generation.id)
        self._replay: Iterator[bytes] | None = None
        self._news: asyncio.Future[None] | None = None
        self._left = False

    def wake(self) -> None:
        """Let a `read` that waits return."""
        if self._news and not self._news.done():
            self._news.set_result(None)

    def leave(self) -> None:
        """The reader is gone: a `read` that waits, and every later one, says that it is over."""
        self._left = True
        self.wake()

    async def read(self) -> bytes | None:
        """The next frames, at most about 64 KiB; None at the end; nothing (b"") where it was woken without news."""
        if self._left:
            return None
        try:
            if self._channel is None:
                return await self._read_store()
            return await self._read_channel(self._channel)
        except NotFound as error:  # Deleted while the store was being read.
            self._left = True
            return self._frames.terminal(self.cursor + 1, Status.FAILED, failure(error))

    async def _read_channel(self, channel: Channel) -> bytes | None:
        if channel.seq <= self.cursor and not channel.ended:  # Below it: the store tells a moment before the channel.
            self._news = channel.news()
            await self._news
        if self._left:
            return None
        if channel.seq > self.cursor:
            found = channel.read(self.cursor)
            if found is None:
                return await self._read_pieces()
            self.cursor, data = found
            return data
        return await self._read_end(channel)

    async def _read_end(self, channel: Channel) -> bytes | None:
        """What follows the last event of a channel, where anything does."""
        if not channel.ended:
            return b""
        if channel.complete:
            return None
        self._channel = None
        return await self._read_store()

    async def _read_store(self) -> bytes | None:
        if self._replay is None:
            generation = await self._store.generations.get(self._owner, self._generation.id)
            if generation.status is Status.STREAMING:
                self._channel = self._bus.find(generation.id)  # It was stored a moment before it was started.
                return b"" if self._channel else await self._read_pieces() or await self._poll()
            message = await self._store.messages.get(self._owner, generation.message_id)
            self._replay = replay(generation, message.content, message.reasoning, self.cursor)
        taken: list[bytes] = []
        size = 0
        for frame in self._replay:
            taken.append(frame)
            size += len(frame)
            if size >= READ_LIMIT:
                break
        return b"".join(taken) if taken else None

    async def _read_pieces(self) -> bytes:
        """What the log holds after the cursor, neighbours of one kind joined into a frame."""
        parts: list[bytes] = []
        if self.cursor < STARTED:
            parts.append(self._frames.started(self._generation))
            self.cursor = STARTED
        log = await self._store.generations.list_pieces(
            self._owner, self._generation.id, after=self.cursor, limit=_PIECES, size=READ_LIMIT
        )
        for kind, group in groupby(log, key=lambda stored: stored.piece.kind):
            joined = list(group)
            self.cursor = joined[-1].seq
            parts.append(self._frames.text(self.cursor, kind, "".join(stored.piece.text for stored in joined)))
        if not log:
            self._channel = None  # Settled meanwhile: its log is gone, its message is there.
        return b"".join(parts)

    async def _poll(self) -> bytes:
        await asyncio.sleep(_POLL)
        return b""
