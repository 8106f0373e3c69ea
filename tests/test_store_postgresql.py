"""PostgreSQL: one process for a database, and the addresses that hosting platforms give."""

from collections.abc import AsyncIterator

import pytest

from databases import PostgreSQLServer
from holdfast.domain import PERSONAL_OWNER, new_id
from holdfast.errors import StartRefused, StorageBusy
from holdfast.store import open_store

pytestmark = pytest.mark.anyio


@pytest.fixture
async def url(postgresql: PostgreSQLServer) -> AsyncIterator[str]:
    async with postgresql.database(f"holdfast_test_{new_id()}") as made:
        yield made


async def test_a_second_process_on_a_database_is_refused(url: str) -> None:
    first = await open_store(url, lambda _line: None)
    with pytest.raises(StartRefused, match="another Holdfast uses this database"):
        await open_store(url, lambda _line: None)
    await first.aclose()
    second = await open_store(url, lambda _line: None)
    await second.aclose()


async def test_sslmode_is_understood(url: str) -> None:
    store = await open_store(f"{url}?sslmode=disable", lambda _line: None)
    assert await store.conversations.list(PERSONAL_OWNER, limit=1) == ([], None)
    await store.aclose()


async def test_a_server_that_is_not_there_is_a_typed_error() -> None:
    with pytest.raises(StorageBusy):
        await open_store("postgresql://nobody@127.0.0.1:1/nothing", lambda _line: None)
