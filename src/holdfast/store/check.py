"""Look a SQLite database through for damage and for what should not be in it, and change nothing."""

import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from holdfast.store.backup import refuse_missing
from holdfast.store.lock import find_process
from holdfast.store.migrate import HEAD, known
from holdfast.store.peek import damage, peek, revision

_DAMAGES: Final = 20
_COUNT_STREAMING: Final = "SELECT count(*) FROM generations WHERE status = 'streaming'"
_STRAY: Final = (
    (
        "messages_without_conversation",
        "messages belong to no conversation",
        "SELECT count(*) FROM messages WHERE conversation_id NOT IN (SELECT id FROM conversations)",
    ),
    (
        "generations_without_message",
        "generations have lost a message",
        """SELECT count(*) FROM generations WHERE message_id NOT IN (SELECT id FROM messages)
        OR user_message_id NOT IN (SELECT id FROM messages)""",
    ),
    (
        "pieces_of_ended_generations",
        "pieces of text belong to no running generation",
        """SELECT count(*) FROM pieces
        WHERE generation_id NOT IN (SELECT id FROM generations WHERE status = 'streaming')""",
    ),
    (
        "messages_nobody_writes",
        "messages are marked as being written, and no generation writes them",
        """SELECT count(*) FROM messages WHERE status = 'streaming'
        AND id NOT IN (SELECT message_id FROM generations WHERE status = 'streaming')""",
    ),
)
"""What should not be there: a name for programs, words for people, and how to count it in one look."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong: a name that never changes, how often, and a line for a person."""

    code: str
    count: int
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. Sizes are bytes; `process` is the number of the server's process, as it wrote it."""

    path: str
    revision: str | None
    expected_revision: str
    size: int
    wal_size: int
    free: int
    process: str | None
    streaming: int
    problems: list[Problem] = field(default_factory=list)


def check(path: Path) -> Report:
    """Look through a database, also while a server uses it. Raises `StartRefused` and `StorageError` if it cannot be.

    Every look is a short one of its own, so that the server's log can be folded in between.
    """
    refuse_missing(path)
    process = find_process(path)
    found_revision, streaming, problems = peek(path, _look)
    if streaming and process is None:
        message = f"{streaming} answers were cut off when the server ended; the next start settles them"
        problems.append(Problem("stuck_generations", streaming, message))
    wal = path.with_name(f"{path.name}-wal")
    return Report(
        path=str(path),
        revision=found_revision,
        expected_revision=HEAD,
        size=path.stat().st_size,
        wal_size=wal.stat().st_size if wal.exists() else 0,
        free=shutil.disk_usage(path.parent).free,
        process=process,
        streaming=streaming,
        problems=problems,
    )


def _look(connection: sqlite3.Connection) -> tuple[str | None, int, list[Problem]]:
    """The revision, how many generations are `streaming`, and what is wrong."""
    if found := damage(connection, _DAMAGES):
        return None, 0, [Problem("damaged", 1, line) for line in found]
    written_by = revision(connection)
    if written_by is None:
        return None, 0, [Problem("no_holdfast_database", 1, "this is a database of another program, or an empty one")]
    if written_by not in known():
        message = f"a newer Holdfast wrote this (revision {written_by}, this program knows {HEAD})"
        return written_by, 0, [Problem("newer_revision", 1, message)]
    counted = [(code, words, *connection.execute(query).fetchone()) for code, words, query in _STRAY]
    problems = [Problem(code, count, f"{count} {words}") for code, words, count in counted if count]
    (streaming,) = connection.execute(_COUNT_STREAMING).fetchone()
    return written_by, streaming, problems
