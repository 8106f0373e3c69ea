"""Look into a SQLite file that may be in use, without changing it and without a trace beside it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from holdfast.errors import StorageError
from holdfast.store.sqlite import BUSY_TIMEOUT, translated

R = TypeVar("R")


def peek(path: Path, work: Callable[[sqlite3.Connection], R]) -> R:
    """Run `work` on a connection that cannot write. Raises `StorageError`.

    In WAL mode even a reader makes a log and an index beside the file, and one that may not write cannot take them
    away again. So a file without a log is read as one that never changes, which needs neither; should somebody have
    opened it meanwhile, nothing of that counts, and `work` is run again in the ordinary way.
    """
    before = _state(path)
    if before and not path.with_name(f"{path.name}-wal").exists():
        try:
            found = _run(path, "immutable=1", work)
        except StorageError:
            if _state(path) == before:
                raise
        else:
            if _state(path) == before:
                return found
    return _run(path, "mode=ro", work)


def revision(connection: sqlite3.Connection) -> str | None:
    """The newest step that was applied, or None where no Holdfast ever was."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
        return None
    row: tuple[str] | None = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return row and row[0]


def damage(connection: sqlite3.Connection, limit: int = 1) -> list[str]:
    """What SQLite finds broken, a line each: first in the file's pages, and where those are well in its references."""
    try:
        lines = [line for (line,) in connection.execute(f"PRAGMA integrity_check({limit})")]
        if lines != ["ok"]:
            return lines[:limit]
        broken = connection.execute(
            'SELECT "table", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2 LIMIT ?', (limit,)
        )
        return [f"{count} rows of {table} refer to {parent} that are not there" for table, parent, count in broken]
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return [str(error)]  # Too broken to be looked through.


def _run(path: Path, how: str, work: Callable[[sqlite3.Connection], R]) -> R:
    address = f"{path.absolute().as_uri()}?{how}"
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT)) as connection:
            return work(connection)
    except sqlite3.Error as error:
        raise translated(error) from error


def _state(path: Path) -> tuple[object, ...] | None:
    """Something that is another one after each change: also the log comes and goes with whoever opens the file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size, path.with_name(f"{path.name}-wal").exists()
