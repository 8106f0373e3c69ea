"""Hold a data directory or a database for this process alone, and name the process that holds it.

A lock goes with its process, however that ends; the file stays, and with it the process's number.
"""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TextIO

from holdfast.errors import StartRefused, StorageFull
from holdfast.store.disk import make_folder

_PATIENCE: Final = 0.05  # Seconds, because `find_process` holds the lock too, for an instant.


def hold_directory(path: Path) -> TextIO:
    """Take a data directory, which is made if need be, until what is returned is closed. Raises `StartRefused`."""

    def refusal(process: str) -> str:
        return (
            f"HOLDFAST_DATA_DIR: {path} is in use by another Holdfast, process {process}; "
            "end it or set another directory"
        )

    try:
        make_folder(path)
        return _take(path / "holdfast.lock", refusal)
    except OSError as error:
        raise StartRefused(f"HOLDFAST_DATA_DIR: {path} cannot be written to ({error.strerror})") from error


def hold_database(path: Path) -> TextIO:
    """Take a SQLite file until what is returned is closed. Raises `StartRefused` and `StorageFull`."""

    def refusal(process: str) -> str:
        return f"DATABASE_URL: another Holdfast uses {path}, process {process}; end it or name another"

    try:
        return _take(_beside(path), refusal)
    except OSError as error:
        raise StorageFull(f"Its folder cannot be written to ({error.strerror}).") from error


def find_process(path: Path) -> str | None:
    """The number of the process that holds a SQLite file, or None. Changes nothing."""
    try:
        with _beside(path).open(encoding="ascii") as lock:
            return None if _locked(lock, fcntl.LOCK_SH) else _holder(lock)
    except OSError:
        return None  # No lock file that could be held, or none that we may see.


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _take(path: Path, refusal: Callable[[str], str]) -> TextIO:
    with ExitStack() as undo:
        lock = undo.enter_context(path.open("a+", encoding="ascii"))
        if not _locked(lock, fcntl.LOCK_EX):
            time.sleep(_PATIENCE)
            if not _locked(lock, fcntl.LOCK_EX):
                raise StartRefused(refusal(_holder(lock)))
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        undo.pop_all()
    return lock


def _locked(lock: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: TextIO) -> str:
    lock.seek(0)
    return lock.read().strip() or "unknown"
