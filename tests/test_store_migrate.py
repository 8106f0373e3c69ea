"""Migrations: every database ends in the one shape, and what a newer program wrote is left alone."""

from pathlib import Path

import pytest
from alembic import autogenerate, script
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from holdfast.domain import PERSONAL_OWNER
from holdfast.errors import StartRefused, StorageError
from holdfast.store import Store, open_store, schema
from holdfast.store.migrate import _SCRIPTS, HEAD
from stored import contents, exchange, rows

pytestmark = pytest.mark.anyio

SHAPE = {
    Path: "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2",
    str: "SELECT table_name, column_name, data_type FROM information_schema.columns"
    " WHERE table_schema = 'public' ORDER BY 1, 2",
}
"""What to ask a database of each kind for its shape."""


async def shape(database: Path | str) -> list[tuple[object, ...]]:
    return await rows(database, SHAPE[Path if isinstance(database, Path) else str])


async def test_a_fresh_database_has_the_shape_that_the_program_expects(store: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        found: list[object] = autogenerate.compare_metadata(
            MigrationContext.configure(
                connection,  # Alembic takes SQLite's default '' for another one than "".
                opts={"compare_type": True, "compare_server_default": connection.dialect.name != "sqlite"},
            ),
            schema.metadata,
        )
        return found

    assert await store._database.read(differences) == []


async def test_a_fresh_database_has_the_owner_of_personal_mode_and_nothing_else(
    store: Store,  # noqa: ARG001 - made by opening it
    database: Path | str,
) -> None:
    found = await contents(database)
    assert [owner[0] for owner in found.pop("owners")] == [PERSONAL_OWNER]
    assert not any(found.values())


async def test_the_newest_step_is_the_one_that_is_expected() -> None:
    assert script.ScriptDirectory(str(_SCRIPTS)).get_heads() == [HEAD]


async def test_opening_says_what_it_changes_and_opening_again_changes_nothing(database: Path | str) -> None:
    told: list[str] = []
    first = await open_store(database, told.append)
    await exchange(first)
    await first.aclose()
    assert told == [f"Bringing the database from revision none to {HEAD} …"]
    before = await contents(database), await shape(database)
    second = await open_store(database, told.append)
    await second.aclose()
    assert len(told) == 1
    assert (await contents(database), await shape(database)) == before


async def test_a_database_that_a_newer_program_wrote_is_refused_and_left_alone(database: Path | str) -> None:
    store = await open_store(database, lambda _line: None)
    await exchange(store)
    await store.aclose()
    await rows(database, "UPDATE alembic_version SET version_num = 'from the future'")
    before = await contents(database), await shape(database)
    with pytest.raises(StartRefused, match="from the future"):
        await open_store(database, lambda _line: None)
    assert (await contents(database), await shape(database)) == before
    assert await rows(database, "SELECT version_num FROM alembic_version") == [("from the future",)]


async def test_steps_that_fail_leave_nothing_half_done(database: Path | str) -> None:
    await rows(database, "CREATE TABLE pieces (what_was_here_before TEXT)")
    before = await shape(database)
    with pytest.raises(StorageError):
        await open_store(database, lambda _line: None)
    assert await shape(database) == before
