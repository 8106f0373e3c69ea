"""Copy a SQLite database, which may be in use, into one file that is whole, verified and on the disk.

The copy is one snapshot: a read transaction is held from its first page to its last, for without it SQLite begins
again whenever another process writes. Writers go on; only the write-ahead log cannot be folded in meanwhile. So
nothing but copying happens under it, and every few MiB are synced, lest a server's own syncs wait behind all of them.
"""

import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from holdfast.errors import StartRefused, StorageError, StorageFull
from holdfast.store.disk import sync
from holdfast.store.peek import damage, peek, revision

_STEP: Final = 1024  # Pages, so 4 MiB between two syncs.
_PATIENCE: Final = 2.0  # Seconds without a word.
_PARTS: Final = ("", "-wal", "-shm", "-journal", ".lock", ".expected")
_MIB: Final = 1 << 20

Report = Callable[[str], None]
"""Tells the operator a line."""


def backup(path: Path, target: Path, report: Report, *, replace: bool = False) -> None:
    """Copy a database to `target`, which appears there whole or not at all. Raises `StartRefused`, `StorageError`."""
    refuse_missing(path)
    _refuse_target(path, target, replace=replace)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        copy(path, partial, report)
        _refuse_target(path, target, replace=replace)  # It may have come meanwhile.
        put(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def copy(path: Path, into: Path, report: Report) -> str:
    """Copy a database into a file of its own and verify that; returns its revision. What cannot be verified goes.

    Raises `StorageError`, of which `StorageFull` says that it is the copy's place.
    """
    progress = _Progress(report)
    try:
        os.close(os.open(into, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        into.chmod(0o600)
        peek(path, lambda source: _copy(source, into, progress))
        progress.tell("Verifying the copy …")
        found = _verified(into)
        sync(into)
    except OSError as error:
        into.unlink(missing_ok=True)
        raise unwritable(into.parent, error) from error
    except BaseException:
        into.unlink(missing_ok=True)
        raise
    return found


def put(file: Path, place: Path) -> None:
    """Give a file the name of another one, at once and for good. Raises `StorageFull`."""
    try:
        file.replace(place)
        sync(place.parent)
    except OSError as error:
        raise unwritable(place.parent, error) from error


def refuse_missing(path: Path) -> None:
    """Raises `StartRefused` where there is no database."""
    if not path.is_file():
        raise StartRefused(
            f"There is no database at {path}. Check HOLDFAST_DATA_DIR and DATABASE_URL, and where .env is."
        )


def belongs_to(file: Path, path: Path) -> bool:
    """Whether a file is the database itself, or one of those that stand beside it while it is used."""
    parts = [path.with_name(f"{path.name}{part}") for part in _PARTS]
    return file.resolve() in [part.resolve() for part in parts]


def unwritable(folder: Path, error: OSError) -> StorageFull:
    """Why nothing could be written to a folder, in words for whoever wanted it there."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull(f"The disk of {folder} is full. Free some space and try again.")
    return StorageFull(f"{folder} cannot be written to ({os.strerror(error.errno or 0)}).", retryable=False)


class _Progress:
    """A line now and then, once it has taken a while."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._due = time.monotonic() + _PATIENCE

    def tell(self, line: str) -> None:
        if time.monotonic() >= self._due:
            self._report(line)
            self._due = time.monotonic() + _PATIENCE


def _copy(source: sqlite3.Connection, into: Path, progress: _Progress) -> None:
    """Copy what `source` shows at this moment."""
    source.execute("BEGIN")
    (pages,) = source.execute("PRAGMA page_count").fetchone()
    (page_size,) = source.execute("PRAGMA page_size").fetchone()
    _refuse_small_disk(into, pages * page_size)
    with into.open("rb") as file, closing(sqlite3.connect(into, isolation_level=None)) as target:
        target.execute("PRAGMA journal_mode=OFF")  # A copy that breaks off is thrown away.
        target.execute("PRAGMA synchronous=OFF")

        def step(_status: int, remaining: int, total: int) -> None:
            os.fdatasync(file)
            copied = (total - remaining) * page_size // _MIB
            progress.tell(f"Copied {copied} of {total * page_size // _MIB} MiB …")

        try:
            source.backup(target, pages=_STEP, progress=step)
            source.execute("ROLLBACK")  # From here on nobody's log is held up.
            target.execute("PRAGMA journal_mode=DELETE")  # One file, which can be read wherever it lies.
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise


def _verified(copy: Path) -> str:
    found = peek(copy, damage)
    if found:
        raise StorageError(f"The database is damaged ({found[0]}). `holdfast check` tells more.", retryable=False)
    written_by = peek(copy, revision)
    if written_by is None:
        raise StorageError("This is a database of another program.", retryable=False)
    return written_by


def _refuse_small_disk(into: Path, needed: int) -> None:
    free = shutil.disk_usage(into.parent).free
    if free < needed:
        raise StorageFull(
            f"The copy needs {needed // _MIB + 1} MiB and {into.parent} has {free // _MIB} MiB. Free some space."
        )


def _refuse_target(path: Path, target: Path, *, replace: bool) -> None:
    if belongs_to(target, path):
        raise StartRefused(f"{target} belongs to the database itself. Name another file.")
    if target.is_dir():
        raise StartRefused(f"{target} is a folder. Name a file in it.")
    if not replace and os.path.lexists(target):
        raise StartRefused(f"{target} is there already and is left as it is. Name another file, or add --force.")
