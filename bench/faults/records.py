"""What the database holds of a campaign, read without any of the product's code and without changing it."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

_RUNS = """
SELECT g.client_message_id, g.id, g.status, g.seq, g.spans, g.upstream_id, g.completion_tokens, g.cost, g.error_code,
       u.id AS user_message, u.content AS user_content, a.content, a.reasoning, a.status AS message_status,
       (SELECT count(*) FROM pieces p WHERE p.generation_id = g.id) AS pieces
FROM generations g JOIN messages u ON u.id = g.user_message_id JOIN messages a ON a.id = g.message_id
WHERE g.client_message_id IS NOT NULL
"""


@dataclass(frozen=True)
class StoredRun:
    """A generation with its two messages."""

    generation: str
    user_message: str
    status: str
    seq: int
    spans: bytes
    user_content: str
    content: str
    reasoning: str
    message_status: str
    pieces: int = 0
    upstream_id: str = ""
    bill: tuple[int | None, float | None] = (None, None)
    error_code: str = ""

    @property
    def terminal(self) -> str:
        """Its terminal event as a client notes it."""
        return f"{self.status}:{self.error_code}" if self.error_code else self.status

    @cached_property
    def offsets(self) -> list[tuple[int, int]]:
        """For each seq up to the last, how many characters of content and of reasoning lie up to it."""
        found = [(0, 0), (0, 0)]  # Before everything, and at `started`.
        for length, reasoning in _pieces(self.spans):
            content_so_far, reasoning_so_far = found[-1]
            found.append((content_so_far + (not reasoning) * length, reasoning_so_far + reasoning * length))
        return [*found, *[found[-1]] * (self.seq + 1 - len(found))]


@dataclass(frozen=True)
class Stored:
    """A database: its runs by the client's key, and what is wrong with it as such."""

    runs: dict[str, StoredRun] = field(default_factory=dict)
    damage: tuple[str, ...] = ()


def _pieces(spans: bytes) -> list[tuple[int, bool]]:
    """The documented packing: `length << 1 | is reasoning`, each a LEB128 number."""
    found, number, shift = [], 0, 0
    for byte in spans:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append((number >> 1, bool(number & 1)))
            number = shift = 0
    return found


def opened(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    connection.row_factory = sqlite3.Row
    return connection


def damage(connection: sqlite3.Connection) -> tuple[str, ...]:
    """What SQLite's own checks find."""
    integrity = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    dangling = [f"dangling reference {tuple(row)}" for row in connection.execute("PRAGMA foreign_key_check")]
    orphans = connection.execute(
        "SELECT count(*) FROM pieces WHERE generation_id NOT IN (SELECT id FROM generations)"
    ).fetchone()[0]
    return (
        *(f"integrity: {line}" for line in integrity if line != "ok"),
        *dangling,
        *([f"{orphans} pieces of no generation"] if orphans else []),
    )


def streaming(path: Path, before: int) -> int:
    """How many runs that began before this time (microseconds since 1970) have no end yet."""
    query = "SELECT count(*) FROM generations WHERE status = 'streaming' AND created_at < ?"
    with closing(opened(path)) as connection:
        return int(connection.execute(query, (before,)).fetchone()[0])


def runs(path: Path) -> dict[str, StoredRun]:
    """The runs that had a key, by that key."""
    with closing(opened(path)) as connection:
        return {row["client_message_id"]: _run(row) for row in connection.execute(_RUNS)}


def load(path: Path) -> Stored:
    """Everything a checker asks of it; one that cannot be read holds nothing but damage."""
    try:
        with closing(opened(path)) as connection:
            return Stored(runs(path), damage(connection))
    except sqlite3.DatabaseError as error:
        return Stored({}, (f"unreadable: {error}",))


def _run(row: Any) -> StoredRun:
    cost = row["cost"]
    return StoredRun(
        generation=row["id"],
        user_message=row["user_message"],
        status=row["status"],
        seq=row["seq"],
        spans=row["spans"],
        user_content=row["user_content"],
        content=row["content"],
        reasoning=row["reasoning"],
        message_status=row["message_status"],
        pieces=row["pieces"],
        upstream_id=row["upstream_id"] or "",
        bill=(row["completion_tokens"], None if cost is None else round(cost / 1e12, 12)),
        error_code=row["error_code"] or "",
    )
