"""Persist, then publish: one writer takes what all generations appended and hands it on once it is committed.

Nothing is shown that is not stored. A piece that cannot be stored ends its generation.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from holdfast.domain import Piece, Status
from holdfast.errors import StorageBusy, StorageError
from holdfast.generation.live import Live
from holdfast.store.generations import Generations, PieceRow

_PIECE_LIMIT: Final = 32 * 1024
"""Code points in one stored piece."""

_BUSY_ATTEMPTS: Final = 12
_BUSY_PAUSE: Final = 5.0

Entry = tuple[Live, int, PieceRow, bytes]
"""A piece on its way: whose it is, its seq, its row for the store, its frame for those who follow."""

_log = structlog.get_logger(__name__)


class Log:
    """The way of every piece from the provider to those who follow.

    `window`: seconds between two commits while there is much to write. The first piece after a pause goes at once.
    """

    def __init__(self, generations: Generations, window: float) -> None:
        self._generations = generations
        self._window = window
        self._entries: list[Entry] = []
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._written = 0.0
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._write_all(), name="log")

    def append(self, live: Live, pieces: list[Piece]) -> None:
        """Queue pieces for storing. They are published in this order once they are stored."""
        for kind, text in pieces:
            for part in (text,) if len(text) <= _PIECE_LIMIT else _parts(text):
                live.seq += 1
                frame = live.frames.text(live.seq, kind, part)
                self._entries.append((live, live.seq, (live.generation.id, live.seq, kind, part), frame))
        if self._timer is None:
            self._timer = self._loop.call_at(self._written + self._window, self._wake.set)

    async def flush(self, live: Live) -> None:
        """Wait until all that was appended is stored and published. Raises `StorageError` where it cannot be."""
        self._wake.set()
        while live.channel.seq < live.seq and live.lost is None:
            await live.channel.news()
        if live.lost:
            raise live.lost

    async def aclose(self) -> None:
        """End the writer. Call it when nothing runs any more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _write_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._timer:
                self._timer.cancel()
                self._timer = None
            entries, self._entries = self._entries, []
            # What follows a lost piece is lost too: there are no holes.
            entries = [entry for entry in entries if entry[0].lost is None]
            if entries:
                self._written = self._loop.time()
                await self._write(entries)

    async def _write(self, entries: list[Entry]) -> None:
        try:
            await self._store([row for _, _, row, _ in entries])
        except Exception as raised:  # noqa: BLE001 - a writer that ends would take every generation with it
            error = raised if isinstance(raised, StorageError) else StorageError()
            _log.error("log.lost", code=error.code, error=type(raised).__name__, pieces=len(entries))
            for live in {entry[0] for entry in entries}:
                live.lost = error
                live.end(Status.FAILED, error)
                live.channel.wake()
            return
        for live, seq, _, frame in entries:
            live.channel.publish(seq, frame)

    async def _store(self, rows: list[PieceRow]) -> None:
        """Commit; again where somebody else holds the database, for what waits is still in order."""
        for attempt in range(1, _BUSY_ATTEMPTS + 1):
            try:
                return await self._generations.append(rows)
            except StorageBusy:
                if attempt == _BUSY_ATTEMPTS:
                    raise
                await asyncio.sleep(min(0.1 * 2**attempt, _BUSY_PAUSE))
        return None


def _parts(text: str) -> list[str]:
    return [text[start : start + _PIECE_LIMIT] for start in range(0, len(text), _PIECE_LIMIT)]
