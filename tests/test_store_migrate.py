"""Migrations: every database ends in the one shape, and what a newer program wrote is left alone."""

import errno
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic import autogenerate, command, config, script
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from databases import PostgreSQLServer
from holdfast.domain import PERSONAL_OWNER, new_id
from holdfast.errors import StartRefused, StorageError
from holdfast.store import Store, _database, open_store, schema
from holdfast.store.migrate import _SCRIPTS, HEAD, SNAPSHOTS, find_revision, known
from holdfast.store.presence import expect
from holdfast.store.restore import restore
from stored import contents, exchange, rows

pytestmark = pytest.mark.anyio

SHAPE = {
    Path: "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2",
    str: "SELECT table_name, column_name, data_type FROM information_schema.columns"
    " WHERE table_schema = 'public' ORDER BY 1, 2",
}
"""What to ask a database of each kind for its shape."""


SEARCH = re.compile("^(message|title)_search|^ix_(messages|conversations)_search$|^search$")
"""The names of what only the migration for search knows: SQLAlchemy has no words for a virtual table."""

OLD = "0001"
"""The revision that upgrades begin from here."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "holdfast.sqlite3"


async def make_old(database: Path | str, revision: str = OLD) -> None:
    """A database as an earlier version left it, with a conversation in it."""

    def upgrade(connection: Connection) -> None:
        assert (
            find_revision(connection) is None
        )  # A look, after which Alembic leaves the transaction to whoever began it.
        settings = config.Config()
        settings.set_main_option("script_location", str(_SCRIPTS))
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)

    opened = _database(database)
    await opened.write(upgrade, durable=True)
    await opened.aclose()
    columns = "id, owner_id, title, title_source, created_at, updated_at"
    values = "'01m7yjeq470ejq9dv4tcy6sbr0', 'owner', 'From long ago', 'user', 1, 1"
    await rows(database, f"INSERT INTO conversations ({columns}) VALUES ({values})")


def snapshots(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.before-*.bak"))


def files(path: Path) -> dict[str, bytes]:
    """Everything in a database's folder but the locks."""
    return {file.name: file.read_bytes() for file in path.parent.iterdir() if file.suffix != ".lock"}


def disk_is_full(_file: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def shape(database: Path | str) -> list[tuple[object, ...]]:
    return await rows(database, SHAPE[Path if isinstance(database, Path) else str])


async def test_a_fresh_database_has_the_shape_that_the_program_expects(store: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        found: list[object] = autogenerate.compare_metadata(
            MigrationContext.configure(
                connection,  # Alembic takes SQLite's default '' for another one than "".
                opts={
                    "compare_type": True,
                    "compare_server_default": connection.dialect.name != "sqlite",
                    "include_object": lambda _object, name, *_: not SEARCH.search(name or ""),
                },
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
    await make_old(database)
    await rows(database, "CREATE TABLE tasks (what_was_here_before TEXT)")
    before = await shape(database)
    with pytest.raises(StorageError):
        await open_store(database, lambda _line: None)
    assert await shape(database) == before
    if isinstance(database, Path):
        assert snapshots(database) == []


async def test_what_another_program_keeps_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "holdfast.sqlite3"
    await rows(path, "CREATE TABLE pieces (what_was_here_before TEXT)")
    before = path.read_bytes()
    with pytest.raises(StartRefused, match="another program's"):
        await open_store(path, lambda _line: None)
    assert path.read_bytes() == before


async def test_the_known_revisions_are_those_of_the_steps() -> None:
    steps = script.ScriptDirectory(str(_SCRIPTS)).walk_revisions()
    assert known() == {step.revision for step in steps}


async def test_a_newer_database_is_not_changed_by_a_byte_and_nothing_is_made_beside_it(path: Path) -> None:
    store = await open_store(path, lambda _line: None)
    await store.aclose()
    await rows(path, "UPDATE alembic_version SET version_num = '9999'")
    await rows(path, "PRAGMA journal_mode=DELETE")  # As a restored one is; opening it for writing would change that.
    before = files(path)
    with pytest.raises(StartRefused, match="9999"):
        await open_store(path, lambda _line: None)
    assert files(path) == before


async def test_an_upgrade_keeps_what_was_there_and_lays_a_copy_aside_first(path: Path) -> None:
    await make_old(path)
    told: list[str] = []
    store = await open_store(path, told.append)
    await store.aclose()
    assert await rows(path, "SELECT title FROM conversations") == [("From long ago",)]
    assert await rows(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    (snapshot,) = snapshots(path)
    assert told == [
        f"Bringing the database from revision {OLD} to {HEAD} …",
        f"A copy of the database from before its upgrade is kept: {snapshot}",
    ]
    assert snapshot.name.startswith(f"holdfast.sqlite3.before-{HEAD}-")
    assert snapshot.stat().st_mode & 0o777 == 0o600
    assert await rows(snapshot, "SELECT version_num FROM alembic_version") == [(OLD,)]
    assert await rows(snapshot, "SELECT title FROM conversations") == [("From long ago",)]


async def test_an_upgrade_keeps_what_is_left_to_do_under_its_numbers(database: Path | str) -> None:
    await make_old(database, "0011")
    (conversation,) = (await rows(database, "SELECT id FROM conversations"))[0]
    messages = "INSERT INTO messages (id, conversation_id, role, content, reasoning, status, created_at) VALUES "
    await rows(database, messages + f"('m1', '{conversation}', 'user', 'Why?', '', 'complete', 1)")
    columns = (
        'id, owner_id, conversation_id, user_message_id, message_id, status, model, seq, "offset", reasoning_offset,'
        " spans, created_at"
    )
    values = f"'g1', 'owner', '{conversation}', 'm1', 'm1', 'complete', 'acme/chat-1', 3, 0, 0, '', 1"
    await rows(database, f"INSERT INTO generations ({columns}) VALUES ({values})")
    columns = "number, kind, generation_id, due_at, attempts, created_at, wished_revision"
    left = [(4, "title", "g1", 7, 2, 5, 3), (9, "reconcile", "g1", 8, 0, 6, 0)]
    await rows(database, f"INSERT INTO tasks ({columns}) VALUES {left[0]}, {left[1]}")
    await (await open_store(database, lambda _line: None)).aclose()
    assert await rows(database, f"SELECT {columns} FROM tasks ORDER BY number") == left


async def test_the_copy_from_before_an_upgrade_can_be_restored_and_upgraded_again(path: Path) -> None:
    await make_old(path)
    await (await open_store(path, lambda _line: None)).aclose()
    await rows(path, "DELETE FROM conversations")
    (snapshot,) = snapshots(path)
    restore(snapshot, path, lambda _line: None)
    assert await rows(path, "SELECT version_num FROM alembic_version") == [(OLD,)]
    await (await open_store(path, lambda _line: None)).aclose()
    assert await rows(path, "SELECT title FROM conversations") == [("From long ago",)]
    assert await rows(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]


@pytest.mark.parametrize("fault", ["no room", "a full disk", "damage"])
async def test_no_step_is_taken_when_no_copy_can_be_made(
    path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    await make_old(path)
    if fault == "damage":
        await rows(path, "PRAGMA foreign_keys=OFF")
        await rows(path, "DELETE FROM owners")
    elif fault == "no room":
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1 << 20 >> 4))
    else:
        monkeypatch.setattr(os, "fdatasync", disk_is_full)
    expect(path)
    before = files(path)
    told: list[str] = []
    with pytest.raises(StartRefused, match="has to be upgraded, and no copy of it could be made first"):
        await open_store(path, told.append)
    assert told == []
    assert files(path) == before


async def test_the_newest_copies_are_kept_and_nothing_else_is_removed(path: Path) -> None:
    stamps = ["20240101T000000Z", "20250101T000000Z", "20260101T000000Z"]
    revisions = ["0009", "0002", "0003"]  # Time decides, and no name.
    old = [path.with_name(f"{path.name}.before-{each}-{at}.bak") for each, at in zip(revisions, stamps, strict=True)]
    others = [path.with_name(f"{path.name}.before-lunch"), path.with_name("my.bak")]
    for file in (*old, *others):
        file.touch()
    await make_old(path)
    await (await open_store(path, lambda _line: None)).aclose()
    assert len(snapshots(path)) == SNAPSHOTS
    assert [file.exists() for file in old] == [False, True, True]
    assert all(file.exists() for file in others)


async def test_a_postgresql_database_is_upgraded_without_a_copy_and_that_is_said(postgresql: PostgreSQLServer) -> None:
    async with postgresql.database(f"holdfast_test_{new_id()}") as url:
        await make_old(url)
        told: list[str] = []
        await (await open_store(url, told.append)).aclose()
        assert len(told) == 1
        assert "No copy is made of a PostgreSQL database" in told[0]
        assert await rows(url, "SELECT title FROM conversations") == [("From long ago",)]
