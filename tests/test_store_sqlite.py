"""SQLite: who waits together is committed together, and told the truth about it."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection

from holdfast.errors import NotFound, StorageBusy, StorageError, StorageFull
from holdfast.store import open_store, sqlite
from holdfast.store.database import raw
from holdfast.store.sqlite import SYNC_INTERVAL, SQLite

pytestmark = pytest.mark.anyio

NORMAL, FULL = 1, 2
"""Values of `PRAGMA synchronous`."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "holdfast.sqlite3"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[SQLite]:
    """A database with one table, `things`, of distinct names."""
    opened = SQLite(path)
    await opened.write(lambda connection: connection.exec_driver_sql("CREATE TABLE things (name UNIQUE)"), durable=True)
    yield opened
    await opened.aclose()


class Gate:
    """Holds the writer before it looks at what waits, so that a test decides what comes together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        collect = SQLite._batch

        def held(database: SQLite, first: sqlite._Job) -> list[sqlite._Job]:
            self.open.wait()
            return collect(database, first)

        monkeypatch.setattr(SQLite, "_batch", held)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, database: SQLite) -> Iterator[Gate]:  # noqa: ARG001 - the table comes first
    made = Gate(monkeypatch)
    yield made
    made.open.set()


def add(name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.exec_driver_sql("INSERT INTO things VALUES (?)", (name,))
        return name

    return work


def refuse(connection: Connection) -> None:
    add("half done")(connection)
    raise NotFound


def pragma(name: str) -> Callable[[Connection], object]:
    return lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def stored(path: Path) -> list[str]:
    """What is committed, in the order it came."""
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM things ORDER BY rowid")]


async def queued(database: SQLite, *writes: Coroutine[Any, Any, Any]) -> "list[asyncio.Task[Any]]":
    """Start writes in this order, up to where they wait for the writer."""
    tasks = [asyncio.create_task(write) for write in writes]
    await asyncio.sleep(0)
    assert database._queued == len(tasks)
    return tasks


async def outcomes(tasks: "list[asyncio.Task[Any]]") -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_waits_together_is_committed_in_one_transaction(database: SQLite, gate: Gate, path: Path) -> None:
    statements: list[str] = []

    def watch(connection: Connection) -> None:
        raw(connection).set_trace_callback(statements.append)

    names = [str(n) for n in range(20)]
    writes = (database.write(add(name), durable=True) for name in names)
    tasks = await queued(database, database.write(watch, durable=True), *writes)
    gate.open.set()
    assert await outcomes(tasks) == [None, *names]
    assert [statement for statement in statements if statement in {"BEGIN IMMEDIATE", "COMMIT"}] == ["COMMIT"]
    assert stored(path) == names


async def test_one_writers_error_is_its_own(database: SQLite, gate: Gate, path: Path) -> None:
    tasks = await queued(
        database,
        database.write(add("a"), durable=True),
        database.write(refuse, durable=True),
        database.write(add("a"), durable=True),
        database.write(lambda connection: connection.exec_driver_sql("nonsense"), durable=True),
        database.write(add("b"), durable=True),
    )
    gate.open.set()
    first, refused, doubled, wrong, last = await outcomes(tasks)
    assert (first, last) == ("a", "b")
    assert [type(error) for error in (refused, doubled, wrong)] == [NotFound, StorageError, StorageError]
    assert stored(path) == ["a", "b"]


async def test_everybody_is_told_when_a_commit_fails_and_nothing_is_stored(
    database: SQLite, gate: Gate, path: Path
) -> None:
    def break_commit(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        connection.exec_driver_sql("CREATE TABLE children (name REFERENCES things (name))")
        connection.exec_driver_sql("INSERT INTO children VALUES ('an orphan, which only COMMIT notices')")

    tasks = await queued(
        database,
        database.write(add("a"), durable=True),
        database.write(break_commit, durable=True),
        database.write(add("b"), durable=False),
    )
    gate.open.set()
    assert [type(error) for error in await outcomes(tasks)] == [StorageError] * 3
    assert stored(path) == []
    assert await database.write(add("afterwards"), durable=True) == "afterwards"
    assert stored(path) == ["afterwards"]


async def test_a_full_disk_is_reported_to_all_who_are_not_stored(database: SQLite, gate: Gate, path: Path) -> None:
    def no_more_room(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    names = ["small", "large" * 10_000, "after it"]
    writes = (database.write(add(name), durable=True) for name in names)
    room, *tasks = await queued(database, database.write(no_more_room, durable=True), *writes)
    gate.open.set()
    found = await outcomes(tasks)
    assert isinstance(found[1], StorageFull)
    assert found[1].retry_after
    assert stored(path) == [name for name, told in zip(names, found, strict=True) if told == name]
    assert all(told == name or isinstance(told, StorageFull) for name, told in zip(names, found, strict=True))
    await outcomes([room])


@pytest.mark.parametrize("durable", [True, False])
async def test_a_database_that_somebody_holds_for_too_long_is_busy(
    path: Path, monkeypatch: pytest.MonkeyPatch, database: SQLite, *, durable: bool
) -> None:
    await database.aclose()
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)
    impatient = SQLite(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found = await asyncio.gather(
            *(impatient.write(add(name), durable=durable) for name in "abc"), return_exceptions=True
        )
        assert [type(error) for error in found] == [StorageBusy] * 3
        assert await impatient.read(pragma("user_version")) == 0  # Reading goes on.
    assert stored(path) == []
    assert await impatient.write(add("afterwards"), durable=durable) == "afterwards"
    await impatient.aclose()


async def test_what_need_not_be_durable_waits_for_somebody_who_holds_the_database(database: SQLite, path: Path) -> None:
    await database.write(add("synced"), durable=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        tasks = await queued(database, database.write(add("patient"), durable=False))
        other.execute("ROLLBACK")
    assert await outcomes(tasks) == ["patient"]
    assert stored(path) == ["synced", "patient"]


async def test_what_need_not_be_durable_is_committed_in_line_while_nobody_waits(database: SQLite, path: Path) -> None:
    def work(connection: Connection) -> int:
        add("at once")(connection)
        return threading.get_ident()

    await database.write(add("synced"), durable=True)
    assert await database.write(work, durable=False) == threading.get_ident()
    assert stored(path) == ["synced", "at once"]


async def test_what_fails_in_line_leaves_nothing_behind(database: SQLite, path: Path) -> None:
    await database.write(add("synced"), durable=True)
    with pytest.raises(NotFound):
        await database.write(refuse, durable=False)
    with pytest.raises(StorageError):
        await database.write(add("synced"), durable=False)
    await database.write(add("next"), durable=False)
    assert stored(path) == ["synced", "next"]


@pytest.mark.parametrize("durable", [True, False])
async def test_a_transaction_holds_the_database_from_its_first_look(
    database: SQLite, path: Path, *, durable: bool
) -> None:
    def look(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT count(*) FROM things").scalar()
        with closing(sqlite3.connect(path, timeout=0)) as other, pytest.raises(sqlite3.OperationalError):
            other.execute("INSERT INTO things VALUES ('in between')")

    await database.write(add("synced"), durable=True)
    await database.write(look, durable=durable)


async def test_nothing_overtakes_what_is_queued(database: SQLite, gate: Gate, path: Path) -> None:
    writes = [database.write(add(name), durable=name.isupper()) for name in "AbcDe"]
    tasks = await queued(database, *writes)
    gate.open.set()
    await outcomes(tasks)
    assert stored(path) == list("AbcDe")


async def test_a_writer_who_left_is_committed_like_the_others(database: SQLite, gate: Gate, path: Path) -> None:
    left, *others = await queued(database, *(database.write(add(name), durable=True) for name in "abc"))
    left.cancel()
    gate.open.set()
    assert await outcomes(others) == ["b", "c"]
    assert stored(path) == ["a", "b", "c"]


async def test_closing_finishes_what_is_queued_and_folds_the_log_into_the_file(
    database: SQLite, gate: Gate, path: Path
) -> None:
    tasks = await queued(database, *(database.write(add(name), durable=True) for name in "abc"))
    gate.open.set()
    await database.aclose()
    assert await outcomes(tasks) == ["a", "b", "c"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert stored(path) == ["a", "b", "c"]


async def test_what_is_durable_is_synced_whatever_goes_with_it(database: SQLite, gate: Gate) -> None:
    look = pragma("synchronous")
    tasks = await queued(database, *(database.write(look, durable=durable) for durable in (True, False, True)))
    gate.open.set()
    assert await outcomes(tasks) == [FULL] * 3


async def test_while_much_is_written_a_sync_comes_at_least_every_interval(
    database: SQLite, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(sqlite, "time", SimpleNamespace(monotonic=lambda: clock.now))
    await database.write(pragma("synchronous"), durable=True)
    gaps, last = [], clock.now
    for _ in range(500):
        clock.now += 0.011
        if await database.write(pragma("synchronous"), durable=False) == FULL:
            gaps.append(clock.now - last)
            last = clock.now
    assert len(gaps) > 10
    assert SYNC_INTERVAL * 0.9 < min(gaps) <= max(gaps) < SYNC_INTERVAL + 2 * 0.011


async def test_every_connection_checks_foreign_keys_and_logs_ahead(database: SQLite) -> None:
    for look, expected in (("foreign_keys", 1), ("journal_mode", "wal")):
        assert await database.write(pragma(look), durable=True) == expected
        assert await database.write(pragma(look), durable=False) == expected
        assert await database.read(pragma(look)) == expected


async def test_a_reader_sees_one_snapshot_and_holds_nobody_up(database: SQLite) -> None:
    began, go_on = threading.Event(), threading.Event()

    def count_twice(connection: Connection) -> list[object]:
        counted = [connection.exec_driver_sql("SELECT count(*) FROM things").scalar()]
        began.set()
        go_on.wait()
        return [*counted, connection.exec_driver_sql("SELECT count(*) FROM things").scalar()]

    reading = asyncio.create_task(database.read(count_twice))
    await asyncio.get_running_loop().run_in_executor(None, began.wait)
    await database.write(add("meanwhile"), durable=True)
    go_on.set()
    assert await reading == [0, 0]
    assert await database.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM things").scalar()) == 1


async def test_a_failing_read_is_a_storage_error_and_the_next_one_works(database: SQLite) -> None:
    for _ in range(sqlite._READERS * 2):
        with pytest.raises(StorageError):
            await database.read(lambda connection: connection.exec_driver_sql("nonsense"))
    assert await database.read(pragma("user_version")) == 0


@pytest.fixture
def diary(path: Path) -> Iterator[Path]:
    """A file that is no database, and must still be the same afterwards."""
    path.write_bytes(b"Dear diary, " * 1000)
    yield path
    assert path.read_bytes() == b"Dear diary, " * 1000


async def test_a_file_that_is_no_database_is_not_opened_nor_changed(diary: Path) -> None:
    with pytest.raises(StorageError):
        await open_store(diary, lambda _line: None)


async def test_an_error_that_nobody_foresaw_does_not_end_the_writer(database: SQLite, gate: Gate, path: Path) -> None:
    def spoil(connection: Connection) -> None:
        raw(connection).execute("ROLLBACK")
        raise ValueError

    tasks = await queued(database, *(database.write(work, durable=True) for work in (add("a"), spoil, add("b"))))
    gate.open.set()
    assert [type(error) for error in await outcomes(tasks)] == [StorageError] * 3
    assert await database.write(add("afterwards"), durable=True) == "afterwards"
    assert stored(path) == ["afterwards"]


async def test_a_file_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        await open_store(tmp_path / "missing" / "holdfast.sqlite3", lambda _line: None)


async def test_what_was_committed_in_line_is_synced_though_nothing_follows(tmp_path: Path) -> None:
    database = SQLite(tmp_path / "holdfast.sqlite3")

    def version(connection: Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())

    await database.write(lambda _connection: None, durable=True)
    before = await database.write(version, durable=False)
    while await database.read(version) == before:  # The sync writes it, so that its commit has something to sync.
        pass
    await database.aclose()


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "holdfast.sqlite3"
    path.write_text("not a database, but somebody's words " * 100, "utf-8")
    with pytest.raises(StorageError, match="damaged, or is no database"):
        await open_store(path, lambda _line: None)
    assert path.read_text("utf-8").startswith("not a database")


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageFull, match="folder cannot be written to"):
        await open_store(tmp_path / "nowhere" / "holdfast.sqlite3", lambda _line: None)
