"""Put a backup in the place of the database, and keep what was there.

Wherever it is interrupted, both are on the disk: until the last step but two the database is where it was, with its
log; after that it is aside, complete, and a start refuses to go on without one. The new one never meets an old log,
which SQLite would write into it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from holdfast.errors import StartRefused, StorageError
from holdfast.store.backup import Report, belongs_to, copy, put, refuse_missing, unwritable
from holdfast.store.disk import sync
from holdfast.store.migrate import refuse_newer
from holdfast.store.peek import peek, revision
from holdfast.store.presence import expect

_LOGS: Final = ("-wal", "-journal")


def restore(file: Path, path: Path, report: Report) -> None:
    """Make `file` the database at `path`. Whoever calls holds both. Raises `StartRefused` and `StorageError`."""
    refuse_missing(file)
    if belongs_to(file, path):
        raise StartRefused(f"{file} belongs to the database itself. Name a backup.")
    _refuse_unfit(file)
    aside = _free_name(path)
    for _ in steps(file, path, aside, report):
        pass
    report(f"{path} is now what {file} holds. `holdfast serve` starts with it.")
    for kept in (aside, *(_beside(aside, log) for log in _LOGS)):
        if kept.exists():
            report(f"What was there before is kept: {kept}")


def steps(file: Path, path: Path, aside: Path, report: Report) -> Iterator[str]:
    """Do it, and say after each step what is done."""
    incoming = _beside(path, ".incoming")
    try:
        copy(file, incoming, report)
        with suppress(PermissionError):  # Root restores for whoever runs the server.
            owner = (path if path.exists() else path.parent).stat()
            os.chown(incoming, owner.st_uid, owner.st_gid)
        yield "the new one lies beside the old one, whole"
        expect(path)
        yield "a start without a database is refused"
        for log in _LOGS:
            _keep(_beside(path, log), _beside(aside, log))
        yield "the old one's log lies aside"
        if path.exists():
            path.rename(aside)
            sync(path.parent)
        yield "the old one lies aside"
        for left in (*_LOGS, "-shm"):
            _beside(path, left).unlink(missing_ok=True)
        sync(path.parent)
        yield "no log is left that belongs to another database"
        put(incoming, path)
        yield "the new one is in place"
    except OSError as error:
        raise unwritable(path.parent, error) from error


def _refuse_unfit(file: Path) -> None:
    try:
        found = peek(file, revision)
    except StorageError as error:
        raise StartRefused(
            f"{file} cannot be restored: it is damaged, or is no database. Nothing was changed."
        ) from error
    if found is None:
        raise StartRefused(f"{file} cannot be restored: it is a database of another program. Nothing was changed.")
    refuse_newer(found, what=f"{file}")


def _keep(log: Path, aside: Path) -> None:
    """A second copy of a log under its new name, before the first one goes."""
    if log.exists() and log.stat().st_size:
        shutil.copyfile(log, aside)
        aside.chmod(0o600)
        sync(aside)


def _beside(path: Path, part: str) -> Path:
    return path.with_name(f"{path.name}{part}")


def _free_name(path: Path) -> Path:
    """Where the old database goes, never over something that lies there."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (_beside(path, f".replaced-{stamp}{f'-{number}' if number else ''}") for number in count())
    return next(name for name in names if not any(os.path.lexists(_beside(name, part)) for part in ("", *_LOGS)))
