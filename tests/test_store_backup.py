"""A copy is whole, verified or not there; a restored one meets no old log; whatever stops in between loses nothing."""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from holdfast.errors import StartRefused, StorageError, StorageFull
from holdfast.store import backup as backing_up
from holdfast.store import open_store, peek
from holdfast.store import restore as restoring
from holdfast.store.backup import backup
from holdfast.store.lock import find_process, hold_database
from holdfast.store.peek import damage
from holdfast.store.restore import restore, steps
from stored import exchange, rows

pytestmark = pytest.mark.anyio

STEPS = 6
"""Into how many a restore falls."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "holdfast.sqlite3"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "one.backup"


def silent(_line: str) -> None:
    """Tells nobody."""


async def make(path: Path, *messages: str) -> None:
    """A database with these messages, each with its answer."""
    store = await open_store(path, silent)
    for message in messages:
        await exchange(store, message)
    await store.aclose()


async def make_killed(path: Path, *messages: str) -> None:
    """One whose process was killed: what is newest stands in the log only."""
    await make(path)
    alive = path.with_name("alive")
    alive.mkdir()
    shutil.copyfile(path, alive / path.name)
    store = await open_store(alive / path.name, silent)
    for message in messages:
        await exchange(store, message)
    for part in ("", "-wal", "-shm"):
        shutil.copyfile(alive / f"{path.name}{part}", f"{path}{part}")
    await store.aclose()
    shutil.rmtree(alive)
    assert not asked(path, "immutable=1")


def asked(path: Path, how: str = "mode=ro") -> list[str]:
    """What was asked, in the order it came."""
    with closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)) as connection:
        query = "SELECT content FROM messages WHERE role = 'user' ORDER BY number"
        return [content for (content,) in connection.execute(query)]


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def asides(path: Path) -> list[Path]:
    """The databases that were replaced, without their logs."""
    return sorted(file for file in path.parent.glob("*.replaced-*") if not file.name.endswith(("-wal", "-shm")))


def remove(path: Path, *parts: str) -> None:
    """Remove a database, or what stands beside it."""
    for part in parts or ("",):
        Path(f"{path}{part}").unlink()


def is_there(path: Path, part: str = "") -> bool:
    return Path(f"{path}{part}").exists()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def write(path: Path, text: str = "") -> None:
    path.write_text(text, "utf-8")


def kill_in_a_transaction(path: Path) -> None:
    """Leave SQLite's own journal behind, as a kill does in the one change that is made before there is a log."""
    script = (
        "import os, signal, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.executescript('PRAGMA journal_mode=DELETE; PRAGMA cache_size=1; PRAGMA synchronous=FULL')\n"
        "connection.execute('BEGIN')\n"
        "connection.execute('UPDATE messages SET content = ?', ('x' * 100_000,))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert Path(f"{path}-journal").stat().st_size


def break_pages(path: Path) -> None:
    """Overwrite what is in the middle of a database."""
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 20)


async def test_a_copy_holds_everything_in_one_file_that_only_its_owner_may_read(path: Path, target: Path) -> None:
    await make_killed(path, "In the log only.")
    backup(path, target, silent)
    assert list(files(target.parent)) == [target.name]
    assert mode(target) == 0o600
    assert asked(target, "immutable=1") == ["In the log only."]
    assert peek.peek(target, damage) == []


async def test_a_copy_is_of_one_moment_however_much_is_written_meanwhile(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(path, *("x" * 2000 for _ in range(20)))
    monkeypatch.setattr(backing_up, "_STEP", 1)
    written = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as other:  # As a server in another process would.
        other.execute("PRAGMA journal_mode=WAL")

        def change(_file: object) -> None:
            nonlocal written
            written += 1
            if written < 200:
                other.execute("UPDATE messages SET content = ? WHERE role = 'user'", (f"{written}" * 500,))

        monkeypatch.setattr(os, "fdatasync", change)
        backup(path, target, silent)
    assert 20 < written < 200
    assert asked(target) == ["x" * 2000] * 20
    assert asked(path) != asked(target)


async def test_copying_leaves_no_trace_beside_a_database_that_nobody_uses(path: Path, target: Path) -> None:
    await make(path, "One.")
    before = files(path.parent)
    backup(path, target, silent)
    assert files(path.parent) == before


async def test_copying_after_a_kill_leaves_database_and_log_as_they_were(path: Path, target: Path) -> None:
    await make_killed(path, "One.")
    before = files(path.parent)
    backup(path, target, silent)
    after = files(path.parent)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} <= {f"{path.name}-shm"}


async def test_what_was_read_while_somebody_opened_the_file_does_not_count(path: Path) -> None:
    await make(path, "One.")
    seen: list[int] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as other:

        def count(connection: sqlite3.Connection) -> int:
            (found,) = connection.execute("SELECT count(*) FROM messages").fetchone()
            seen.append(found)
            if len(seen) == 1:
                other.execute("DELETE FROM generations")
                other.execute("DELETE FROM messages WHERE role = 'assistant'")
            return int(found)

        assert peek.peek(path, count) == 1
    assert seen == [2, 1]


async def test_a_line_is_told_now_and_then_when_it_takes_long(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(path)
    told: list[str] = []
    backup(path, target, told.append)
    assert told == []
    monkeypatch.setattr(backing_up, "_PATIENCE", 0)
    monkeypatch.setattr(backing_up, "_STEP", 10)
    backup(path, target, told.append, replace=True)
    assert [line.split()[0] for line in told[-2:]] == ["Copied", "Verifying"]


@pytest.mark.parametrize("fault", ["pages", "references", "another program", "no database"])
async def test_what_cannot_be_verified_never_replaces_an_earlier_backup(path: Path, target: Path, fault: str) -> None:
    await make(path, *("x" * 5000 for _ in range(20)))
    backup(path, target, silent)
    before = files(target.parent)
    if fault == "pages":
        break_pages(path)
    elif fault == "references":
        await rows(path, "DELETE FROM conversations")
    elif fault == "another program":
        remove(path)
        await rows(path, "CREATE TABLE theirs (it)")
    else:
        write(path, "Dear diary, " * 1000)
    with pytest.raises(StorageError):
        backup(path, target, silent, replace=True)
    assert files(target.parent) == before


async def test_a_full_disk_leaves_nothing_and_is_said(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(path)

    def full(_file: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(StorageFull, match=r"The disk of \S+ is full"):
        backup(path, target, silent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=99))
    with pytest.raises(StorageFull, match="needs 1 MiB"):
        backup(path, target, silent)
    assert files(target.parent) == {}


async def test_a_file_that_is_there_is_replaced_only_when_that_is_asked_for(path: Path, target: Path) -> None:
    await make(path)
    write(target, "something dear")
    with pytest.raises(StartRefused, match="--force"):
        backup(path, target, silent)
    assert files(target.parent) == {target.name: b"something dear"}
    backup(path, target, silent, replace=True)
    assert peek.peek(target, damage) == []


@pytest.mark.parametrize("part", ["", "-wal", "-shm", ".lock", ".expected"])
async def test_a_copy_never_replaces_the_database_itself(path: Path, tmp_path: Path, part: str) -> None:
    await make(path, "One.")
    (tmp_path / "link").symlink_to(path.parent)
    before = files(path.parent)
    for target in (Path(f"{path}{part}"), tmp_path / "link" / f"{path.name}{part}"):
        with pytest.raises(StartRefused, match="belongs to the database itself"):
            backup(path, target, silent, replace=True)
        with pytest.raises(StartRefused, match=r"belongs to the database itself|no database at"):
            restore(target, path, silent)
    assert files(path.parent) == before


async def test_a_copy_does_not_go_where_it_cannot(path: Path, tmp_path: Path) -> None:
    await make(path)
    with pytest.raises(StartRefused, match="is a folder"):
        backup(path, tmp_path, silent, replace=True)
    with pytest.raises(StorageFull, match="No such file or directory"):
        backup(path, tmp_path / "missing" / "one.backup", silent)
    with pytest.raises(StartRefused, match="There is no database at"):
        backup(tmp_path / "missing", tmp_path / "one.backup", silent)


async def test_a_restored_backup_is_the_database_and_what_was_there_is_kept(path: Path, target: Path) -> None:
    await make(path, "Before the backup.")
    backup(path, target, silent)
    remove(path)
    remove(path, ".expected", ".lock")
    await make_killed(path, "After the backup.")
    told: list[str] = []
    restore(target, path, told.append)
    assert asked(path) == ["Before the backup."]
    (aside,) = asides(path)
    assert asked(aside) == ["After the backup."]
    assert any(str(aside) in line for line in told)
    assert not is_there(path, "-wal")
    restore(aside, path, silent)  # With the log that lies beside it.
    assert asked(path) == ["After the backup."]
    assert len(asides(path)) == 2
    await (await open_store(path, silent)).aclose()


@pytest.mark.parametrize("done", range(STEPS + 1))
async def test_a_restore_that_stops_after_any_step_loses_nothing(path: Path, target: Path, done: int) -> None:
    await make(path, "Before the backup.")
    backup(path, target, silent)
    remove(path)
    remove(path, ".expected")
    await make_killed(path, "After the backup.")
    aside = restoring._free_name(path)
    stopped = steps(target, path, aside, silent)
    for _ in range(done):
        next(stopped)
    held = aside if is_there(aside) else path
    assert asked(held) == ["After the backup."]
    if not is_there(path):  # Neither is in place, so a start goes no further.
        with pytest.raises(StartRefused, match="missing"):
            await open_store(path, silent)
        assert not is_there(path)
    elif done == STEPS:
        assert asked(path) == ["Before the backup."]
    restore(target, path, silent)
    assert asked(path) == ["Before the backup."]
    assert ["After the backup."] in [asked(each) for each in asides(path)]
    assert not is_there(path, ".incoming")
    await (await open_store(path, silent)).aclose()


async def test_a_restore_has_these_steps(path: Path, target: Path) -> None:
    await make(path)
    backup(path, target, silent)
    assert len(list(steps(target, path, restoring._free_name(path), silent))) == STEPS


async def test_a_restore_into_an_empty_folder_needs_no_database(path: Path, target: Path, tmp_path: Path) -> None:
    await make(path, "One.")
    backup(path, target, silent)
    (tmp_path / "new").mkdir()
    new = tmp_path / "new" / "holdfast.sqlite3"
    restore(target, new, silent)
    assert asked(new) == ["One."]
    assert sorted(files(new.parent)) == [new.name, f"{new.name}.expected"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no database", "is damaged, or is no database"),
        ("another program", "is a database of another program"),
        ("newer", "was written by a newer Holdfast"),
        ("pages", "is damaged"),
        ("missing", "There is no database at"),
    ],
)
async def test_what_is_no_good_backup_is_refused_and_nothing_is_changed(
    path: Path, target: Path, fault: str, said: str
) -> None:
    await make(path, *("x" * 5000 for _ in range(20)))
    backup(path, target, silent)
    before = files(path.parent)
    if fault == "newer":
        await rows(target, "UPDATE alembic_version SET version_num = '9999'")
    elif fault == "pages":
        break_pages(target)
    else:
        remove(target)
    if fault == "no database":
        write(target, "Dear diary, " * 1000)
    elif fault == "another program":
        await rows(target, "CREATE TABLE theirs (it)")
    with pytest.raises((StartRefused, StorageError), match=said):
        restore(target, path, silent)
    assert files(path.parent) == before


async def test_restores_in_the_same_second_keep_what_each_replaced(path: Path, target: Path) -> None:
    await make(path, "One.")
    backup(path, target, silent)
    for _ in range(3):
        restore(target, path, silent)
    assert len(asides(path)) == 3


@pytest.fixture
async def used(path: Path) -> Path:
    """A database with something in it, that has been closed."""
    await make(path, "One.")
    return path


async def test_a_missing_database_is_not_replaced_by_an_empty_one(used: Path) -> None:
    remove(used)
    with pytest.raises(StartRefused, match=r"is missing, though \S+\.expected shows .* Restore a backup"):
        await open_store(used, silent)
    assert not is_there(used)
    remove(used, ".expected")
    await (await open_store(used, silent)).aclose()
    assert asked(used) == []


async def test_an_empty_file_where_a_database_was_is_not_filled(used: Path) -> None:
    write(used)
    with pytest.raises(StartRefused, match="missing"):
        await open_store(used, silent)
    assert files(used.parent)[used.name] == b""
    remove(used)
    await rows(used, "PRAGMA user_version = 1")
    with pytest.raises(StartRefused, match="is empty"):
        await open_store(used, silent)


async def test_a_log_without_its_database_is_not_thrown_away(path: Path) -> None:
    await make_killed(path, "In the log only.")
    remove(path)
    remove(path, ".expected")
    before = files(path.parent)
    with pytest.raises(StartRefused, match=r"-wal shows that there was one"):
        await open_store(path, silent)
    assert files(path.parent) == before


async def test_a_database_from_before_there_was_the_sign_gets_it_at_its_next_start(used: Path) -> None:
    remove(used, ".expected")
    await (await open_store(used, silent)).aclose()
    assert is_there(used, ".expected")


@pytest.mark.parametrize("size", [100, 5000])
async def test_a_truncated_database_is_refused_and_left_as_it_is(used: Path, size: int) -> None:
    os.truncate(used, size)
    before = files(used.parent)
    with pytest.raises(StorageError, match="damaged"):
        await open_store(used, silent)
    assert files(used.parent) == before


async def test_a_file_that_was_being_made_when_its_process_was_killed_is_mended_at_the_start(used: Path) -> None:
    kill_in_a_transaction(used)
    await (await open_store(used, silent)).aclose()
    assert asked(used) == ["One."]


@pytest.fixture
def held(path: Path) -> Iterator[Path]:
    with hold_database(path):
        yield path


async def test_who_comes_second_is_told_which_process_came_first(held: Path) -> None:
    assert find_process(held) == str(os.getpid())
    with pytest.raises(StartRefused, match=rf"another Holdfast uses \S+, process {os.getpid()};"):
        await open_store(held, silent)


async def test_a_lock_file_without_a_process_holds_nobody_up(path: Path) -> None:
    assert find_process(path) is None
    assert not path.parent.joinpath(f"{path.name}.lock").exists()
    with hold_database(path):
        pass
    assert find_process(path) is None
    with hold_database(path):
        pass
