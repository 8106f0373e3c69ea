"""Imports that people asked for: a file laid aside on the disk, read on the side, with a report that grows.

A person has one at a time. What is laid aside goes with the import, an hour later at the latest, and with the
process: a start finds nothing of an earlier one, and what that had stored is found as known.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from holdfast.domain import OwnerId, new_id, now
from holdfast.errors import Busy, HoldfastError, NotFound, StorageFull, TooLarge
from holdfast.feed import Feed
from holdfast.store import Store
from holdfast.transfer.importing import import_all
from holdfast.transfer.report import Report

UPLOAD_LIMIT: Final = 2 << 30
"""Bytes of a file that is uploaded. The command takes larger ones."""

KEPT: Final = 3600.0
"""Seconds for which a file waits to be taken in after it was looked through."""

_RESERVE: Final = 256 << 20
"""Bytes on the disk that uploads leave to everything else."""

_WRITTEN: Final = 1 << 20
_log = structlog.get_logger(__name__)


class Stage(StrEnum):
    """Where an import stands."""

    READING = "reading"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class Import:
    """One file. With `dry_run` it is only looked through."""

    id: str
    path: Path
    size: int
    dry_run: bool
    stage: Stage = Stage.READING
    report: Report = field(default_factory=Report)
    error: HoldfastError | None = None
    created_at: int = field(default_factory=now)
    task: "asyncio.Task[None] | None" = None
    file: BinaryIO | None = None

    @property
    def position(self) -> int:
        """How many bytes were read."""
        if self.file is None:
            return self.size if self.stage is Stage.DONE else 0
        return min(self.size, os.lseek(self.file.fileno(), 0, os.SEEK_CUR))


class Imports:
    """The imports of this process, by owner. Create it inside the running loop's life."""

    def __init__(self, store: Store, feed: Feed, folder: Path) -> None:
        self._store = store
        self._feed = feed
        self._folder = folder
        self._imports: dict[OwnerId, Import] = {}
        self._receiving: set[OwnerId] = set()
        shutil.rmtree(folder, ignore_errors=True)

    async def begin(self, owner: OwnerId, pieces: AsyncIterator[bytes], *, dry_run: bool) -> Import:
        """Lay a file aside as it comes, and begin to read it.

        Raises `Busy` while another one is read, `TooLarge` and `StorageFull`, and whatever the pieces raise.
        """
        if owner in self._receiving:
            raise _busy()
        self._check_idle(owner)
        self._receiving.add(owner)
        path = self._folder / new_id()
        try:
            size = await self._lay_aside(path, pieces)
            self._check_idle(owner)  # What was looked through before may have been taken in meanwhile.
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            self._receiving.discard(owner)
        if earlier := self._imports.get(owner):
            self._forget(owner, earlier)
        started = self._imports[owner] = Import(path.name, path, size, dry_run)
        self._expire_later(owner, started)
        self._start(owner, started)
        return started

    def get(self, owner: OwnerId, import_id: str) -> Import:
        """An owner's import. Raises `NotFound`."""
        found = self._imports.get(owner)
        if found is None or found.id != import_id:
            raise NotFound
        return found

    def take_in(self, owner: OwnerId, import_id: str) -> Import:
        """Take in a file that was looked through; one that is taken in already stays so. Raises `NotFound`, `Busy`."""
        found = self.get(owner, import_id)
        if found.dry_run and found.stage is Stage.READING:
            raise Busy("The file is still being looked through.", retry_after=2)
        if found.dry_run:
            found.dry_run, found.stage = False, Stage.READING
            found.report, found.error = Report(), None
            self._start(owner, found)
        return found

    async def cancel(self, owner: OwnerId, import_id: str) -> None:
        """End an import and forget its file. What it has stored stays. Raises `NotFound`."""
        found = self.get(owner, import_id)
        self._forget(owner, found)
        if found.task:
            with suppress(asyncio.CancelledError):
                await found.task

    async def aclose(self) -> None:
        """End them all."""
        for owner, found in list(self._imports.items()):
            await self.cancel(owner, found.id)

    def _check_idle(self, owner: OwnerId) -> None:
        found = self._imports.get(owner)
        if found and found.stage is Stage.READING:
            raise _busy()

    async def _lay_aside(self, path: Path, pieces: AsyncIterator[bytes]) -> int:
        size = written = 0
        waiting: list[bytes] = []
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with path.open("xb") as file:
                async for piece in pieces:
                    waiting.append(piece)
                    size += len(piece)
                    if size > UPLOAD_LIMIT:
                        raise TooLarge(f"The file is too large; at most {UPLOAD_LIMIT} bytes are taken here.")
                    if size - written >= _WRITTEN:
                        await asyncio.to_thread(_write, file, b"".join(waiting))
                        waiting.clear()
                        written = size
                await asyncio.to_thread(_write, file, b"".join(waiting))
        except OSError as error:
            raise StorageFull from error
        return size

    def _start(self, owner: OwnerId, started: Import) -> None:
        started.task = asyncio.create_task(self._run(owner, started), name="import")

    async def _run(self, owner: OwnerId, running: Import) -> None:
        try:
            with running.path.open("rb") as running.file:
                target = self._store.transfers
                await import_all(target, owner, running.file, running.report, dry_run=running.dry_run)
            running.stage = Stage.DONE
        except HoldfastError as error:
            running.stage, running.error = Stage.FAILED, error
        except Exception as error:  # noqa: BLE001 - the top of a task, which nobody but its owner's page asks about
            _log.exception("import.crashed", error=type(error).__name__)
            running.stage, running.error = Stage.FAILED, HoldfastError()
        finally:
            running.file = None
            if not running.dry_run:
                running.path.unlink(missing_ok=True)
                if running.report.conversations:
                    self._feed.refresh(owner)

    def _expire_later(self, owner: OwnerId, started: Import) -> None:
        asyncio.get_running_loop().call_later(KEPT, self._expire, owner, started)

    def _expire(self, owner: OwnerId, old: Import) -> None:
        if self._imports.get(owner) is not old:
            return
        if old.stage is Stage.READING:
            self._expire_later(owner, old)
        else:
            self._forget(owner, old)

    def _forget(self, owner: OwnerId, old: Import) -> None:
        if old.task:
            old.task.cancel()
        old.path.unlink(missing_ok=True)
        self._imports.pop(owner, None)


def _busy() -> Busy:
    return Busy("An import is under way. Wait for its end or cancel it.", retry_after=10)


def _write(file: BinaryIO, data: bytes) -> None:
    """Raises `OSError`, and `StorageFull` where too little room would be left."""
    disk = os.statvfs(file.fileno())
    if disk.f_bavail * disk.f_frsize < _RESERVE + len(data):
        raise StorageFull(retry_after=30)
    file.write(data)
