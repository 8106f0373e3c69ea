"""What every test shares: the event loop, databases of its own, and a whole Holdfast on a socket of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from databases import PostgreSQLServer, find_postgresql
from holdfast.domain import new_id
from holdfast.store import Store, open_store
from openrouter import LoopbackOpenRouter
from serving import Served, serving

settings.register_profile("holdfast", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("holdfast")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop that serves in earnest."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQLServer]:
    """A server: TEST_DATABASE_URL's, else the one on the standard port, else one of our own."""
    with find_postgresql(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path | str]:
    """The address of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        yield tmp_path / "holdfast.sqlite3"
        return
    server: PostgreSQLServer = request.getfixturevalue("postgresql")
    async with server.database(f"holdfast_test_{new_id()}") as url:
        yield url


@pytest.fixture
async def store(database: Path | str) -> AsyncIterator[Store]:
    """A store on each kind of database, in its newest shape."""
    opened = await open_store(database, lambda _line: None)
    yield opened
    await opened.aclose()


@pytest.fixture
async def upstream() -> AsyncIterator[LoopbackOpenRouter]:
    """An OpenRouter on a loopback socket."""
    async with LoopbackOpenRouter() as server:
        yield server


@pytest.fixture
async def served(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    """The whole application on a socket, with the loopback OpenRouter behind it."""
    async with serving(monkeypatch, tmp_path / "data", OPENROUTER_BASE_URL=upstream.base_url) as running:
        yield running
