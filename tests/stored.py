"""What tests of the store do again and again: send, write, settle, and look at the rows past the store."""

import sqlite3
from pathlib import Path
from typing import Any

import asyncpg

from holdfast.domain import PERSONAL_OWNER, Generation, Kind, Outcome, OwnerId, Status
from holdfast.store import Store
from holdfast.store.generations import Ask, AtEnd, Begun, Key

OWNER = PERSONAL_OWNER
STRANGER = OwnerId("stranger")
UNKNOWN = "0" * 26
"""An id as ours are, of nothing."""

TABLES = (
    "owners",
    "conversations",
    "messages",
    "generations",
    "pieces",
    "tasks",
    "calls",
    "spent_keys",
    "presets",
    "comparisons",
)


async def rows(database: Path | str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of its own, past the store."""
    if isinstance(database, Path):
        connection = sqlite3.connect(database)
        try:
            with connection:
                return connection.execute(statement).fetchall()
        finally:
            connection.close()
    server = await asyncpg.connect(database)
    try:
        return [tuple(row) for row in await server.fetch(statement)]
    finally:
        await server.close()


async def contents(database: Path | str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    return {table: await rows(database, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


async def counts(database: Path | str) -> dict[str, int]:
    """How many rows each table has in which a conversation is kept."""
    found = await contents(database)
    return {table: len(found[table]) for table in ("conversations", "messages", "generations", "pieces")}


async def add_stranger(database: Path | str) -> OwnerId:
    """A second owner."""
    await rows(database, f"INSERT INTO owners (id, created_at) VALUES ('{STRANGER}', 0)")
    return STRANGER


def ask(key: str | None = None, digest: bytes = b"body") -> Ask:
    return Ask("acme/chat-1", 1, Key(key, digest) if key else None)


async def send(
    store: Store,
    content: str = "Hello?",
    conversation_id: str | None = None,
    *,
    parent: str | AtEnd | None = AtEnd(),  # noqa: B008 - a frozen value
    key: str | None = None,
    owner: OwnerId = OWNER,
) -> Begun:
    """A user's message, with a generation that is to answer it."""
    return await store.generations.send(
        owner, ask(key), content=content, conversation_id=conversation_id, parent=parent
    )


async def write(store: Store, generation: Generation, *texts: str, kind: Kind = Kind.CONTENT, after: int = 1) -> None:
    """Add pieces to a generation's log, after a seq."""
    await store.generations.append([(generation.id, after + n, int(kind), text) for n, text in enumerate(texts, 1)])


async def settle(store: Store, generation: Generation, status: Status = Status.COMPLETE) -> Generation:
    return await store.generations.settle(generation.id, status, Outcome(), None)


async def exchange(store: Store, content: str = "Hello?", conversation_id: str | None = None) -> Generation:
    """A message and its whole answer, "Hi."."""
    begun = await send(store, content, conversation_id)
    await write(store, begun.generation, "Hi.")
    return await settle(store, begun.generation)
