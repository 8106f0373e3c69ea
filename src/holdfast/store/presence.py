"""Tell a database that has gone from one that never was, so that no start begins an empty one in its place.

The sign is a file beside it, `<database>.expected`, which stays when the database goes.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from holdfast.errors import StartRefused
from holdfast.store.migrate import refuse_newer
from holdfast.store.peek import peek, revision

_WORDS: Final = (
    "Holdfast keeps a database beside this file. While this file is here, a missing database is an error,\n"
    "and no empty one is begun in its place.\n"
)


def look_before_opening(path: Path) -> None:
    """Look at a SQLite file before anything opens it for writing.

    Raises `StartRefused` for one that has gone, or that a newer or another program wrote, and `StorageError` for a
    damaged one.
    """
    is_there = path.exists() and path.stat().st_size > 0
    if is_there and _size(path, "-journal"):
        return  # Killed while it was being made or restored: only who may write can undo that.
    found, tables = peek(path, _contents) if is_there else (None, 0)
    if found is not None:
        refuse_newer(found)
        expect(path)
    elif tables:
        raise StartRefused(f"The database at {path} is another program's and is left alone. Name another file.")
    elif sign := _sign(path, is_there=is_there):
        raise StartRefused(
            f"The database at {path} is {'empty' if is_there else 'missing'}, though {sign} shows that there was one. "
            f"Restore a backup with `holdfast restore FILE`, or remove {sign} to begin with an empty database."
        )


def expect(path: Path) -> None:
    """Have a database expected here from now on. On a full disk that waits for the next start."""
    with suppress(OSError):
        _marker(path).touch(exist_ok=False)
        _marker(path).write_text(_WORDS, encoding="ascii")


def _contents(connection: sqlite3.Connection) -> tuple[str | None, int]:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return revision(connection), tables


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.expected")


def _sign(path: Path, *, is_there: bool) -> Path | None:
    if _marker(path).exists():
        return _marker(path)
    if not is_there and _size(path, "-wal"):
        return path.with_name(f"{path.name}-wal")  # SQLite would throw it away with what is only in there.
    return None


def _size(path: Path, part: str) -> int:
    file = path.with_name(f"{path.name}{part}")
    return file.stat().st_size if file.exists() else 0
