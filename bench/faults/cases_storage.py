"""What the disk and other programs do to the database: lock, fill, fail, replace or copy it, or read for long."""

import asyncio
import hashlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cases import SLACK, STRAY, Skipped, Trial, case, complete, ends, plans, shown, stored, until
from client import Run
from plan import Plan
from records import damage, opened
from server import ServerEnded
from stage import Stage

_MIB = 1024 * 1024
_PAGE = 4096
_HOLD = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
held.execute("ROLLBACK")
"""
STORED_ENDS = ("complete", "failed:storage_full")
"""How an answer may end whose text could perhaps not be stored."""


@asynccontextmanager
async def locked(path: Path, seconds: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process holds the database for writing, from here on and for so long."""
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _HOLD, str(path), str(seconds)), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout
    assert await holder.stdout.readline() == b"held\n"
    yield holder
    await holder.wait()


@case("F28", "another program holds the database for 1, 10 and 60 s: a wait, then 503; what runs goes on in order")
async def held(trial: Trial) -> None:
    """Scaled by five: the busy limit is 1 s, it is held for 0.2, 3 and 12.

    Who is sent behind a batch that is waiting already may have to wait for the limit twice.
    """
    change = {"constants": {"holdfast.store.sqlite.BUSY_TIMEOUT": 1.0}}
    async with trial.stage(change=change) as place:
        for seconds in (0.2, 3.0, 12.0):
            running = plans(trial, 4, tokens=100, pace=10, style="thinking")
            answering = asyncio.create_task(complete(place, running))
            await shown(running)
            new = plans(trial, 4, tokens=5)
            async with locked(place.server.database, seconds):
                begun = time.monotonic()
                await asyncio.gather(*(place.client(run.key).send(run) for run in new))
                took = time.monotonic() - begun
                status, _ = await place.client("reader").get("/api/conversations")
                trial.expect(status == 200, f"held for {seconds} s: reading gave {status}")
            if seconds < 1:
                ends(trial, new, "complete")
            else:
                codes = [(run.refused, run.code) for run in new]
                trial.expect(codes == [(503, "busy")] * 4, f"held for {seconds} s: a send gave {codes}")
                trial.expect(took < 2 * 1 + 0.5 * SLACK, f"held for {seconds} s: refused after {took:.1f} s, not 1")
                rows = stored(place)
                trial.expect(not any(run.key in rows for run in new), "what was refused is stored")
            await answering
            ends(trial, running, "complete", *(["failed:storage_full"] if seconds > 10 else []))
            await complete(place, new)


@contextmanager
def small_disk(at: Path, size: int) -> Iterator[None]:
    """A file system of so many bytes. Raises `Skipped` where none may be mounted."""
    at.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "holdfast", str(at)]
    if (
        os.geteuid()
        or not shutil.which("mount")
        or subprocess.run(command, check=False, capture_output=True).returncode
    ):
        raise Skipped("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False)


def fill(directory: Path, leave: int) -> None:
    """Take all the space of a file system but so many bytes."""
    with (directory / "filler").open("wb") as filler:
        while (size := room(directory) - leave) > 0:
            with suppress(OSError):  # Somebody took some of it since.
                os.posix_fallocate(filler.fileno(), 0, size)
                break


def room(directory: Path) -> int:
    """Bytes that are free."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


def make_room(directory: Path) -> None:
    """Give it back."""
    (directory / "filler").unlink(missing_ok=True)


def fold(path: Path) -> None:
    """Empty the write-ahead log, so that the next write needs space."""
    with closing(sqlite3.connect(path, timeout=5)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@case(
    "F29", "no space at each of the first writes, then EIO: refused or ended as such, /ready tells, no restart needed"
)
async def full(trial: Trial) -> None:
    await _no_space(trial)
    await _failing_calls(trial)


async def _no_space(trial: Trial) -> None:
    directory = trial.folder()
    change = {"constants": {"holdfast.generation.engine._RETRY_SETTLE": 0.3}}
    with small_disk(directory, 24 * _MIB):
        environment = {"HOLDFAST_DATA_DIR": str(directory / "data")}
        async with trial.stage(change=change, stray=STRAY[:2], **environment) as place:
            place.server.data = directory / "data"
            await complete(place, plans(trial, 1, tokens=5))
            for pages in range(trial.count(10)):
                await _without(trial, place, directory, pages * _PAGE + trial.random.randrange(_PAGE))


async def _without(trial: Trial, place: Stage, disk: Path, leave: int) -> None:
    """One answer is running and one message is sent while next to nothing is left on the disk; then there is room."""
    (running,) = plans(trial, 1, tokens=150, pace=10)
    answering = asyncio.create_task(complete(place, [running]))
    await shown([running])
    fold(place.server.database)
    fill(disk, leave)
    sent = plans(trial, 3, tokens=30)
    await asyncio.gather(*(place.client(run.key).send(run) for run in sent))
    refused = [run for run in sent if run.refused]
    for run in sent:
        trial.expect(run.acked or run.refused in (503, 507), f"{leave} bytes left: a send gave {run.refused}")
    trial.expect(not any(run.key in stored(place) for run in refused), "what was refused is stored")
    client = place.client("reader")
    for path in ("/api/conversations", f"/api/conversations/{running.conversation}/messages", "/health"):
        status, _ = await client.get(path)
        trial.expect(status == 200, f"{leave} bytes left: {path} gave {status}")
    await answering
    if refused or any(run.terminal.startswith("failed") for run in (*sent, running)):
        status, _ = await client.get("/ready")
        told = f"{len(refused)} of 3 refused, {room(disk)} bytes free: /ready is {status}"
        trial.expect(status in (503, 507), f"{leave} bytes left, {told}")
    make_room(disk)
    await _recovers(trial, place, [*sent, running])
    ends(trial, [run for run in (*sent, running) if run.acked], *STORED_ENDS)


async def _recovers(trial: Trial, place: Stage, runs: list[Run]) -> None:
    """Once the disk is well: /ready is green, a new message is answered, and every run has an end in the store."""
    green = await _green(place, 8)
    trial.expect(green is not None, "/ready is not green 8 s after the disk was well again")
    last = plans(trial, 1, tokens=5)
    await complete(place, last, limit=20)
    ends(trial, last, "complete")
    keys = [run.key for run in runs if run.acked]
    settled = await until(lambda: all(stored(place)[key].status != "streaming" for key in keys), 10)
    trial.expect(settled is not None, "a run has no end 10 s after the disk was well again")


async def _green(place: Stage, limit: float) -> float | None:
    client = place.client("reader")
    begun = time.monotonic()
    while time.monotonic() - begun < limit:
        status, _ = await client.get("/ready")
        if status == 200:
            return time.monotonic() - begun
        await asyncio.sleep(0.1)
    return None


async def _failing_calls(trial: Trial) -> None:
    """EIO at the N-th write or sync of the database's files, in whichever thread makes it."""
    if not shutil.which("strace"):
        raise Skipped("strace is not installed")
    change = {"constants": {"holdfast.generation.engine._RETRY_SETTLE": 0.3}}
    async with trial.stage(change=change, stray=STRAY[:2]) as place:
        await complete(place, plans(trial, 1, tokens=5))
        for call in ("fdatasync", "pwrite64"):
            for number in range(1, 1 + trial.count(6)):
                await _failing(trial, place, call, number)


async def _failing(trial: Trial, place: Stage, call: str, number: int) -> None:
    (running,) = plans(trial, 1, tokens=60, pace=10)
    answering = asyncio.create_task(complete(place, [running]))
    await shown([running])
    sent = plans(trial, 3, tokens=10)
    inject = f"inject={call}:error=EIO:when={number}+"
    async with traced(place.server.pid, "-e", f"trace={call}", "-e", inject):
        for run in sent:
            await place.client(run.key).send(run)
        await answering
    for run in sent:
        good = run.acked or run.refused in (503, 507)
        trial.expect(good, f"EIO at {call} {number}: a send gave {run.refused} {run.code}")
        if not run.acked:
            trial.expect(run.key not in stored(place), f"EIO at {call} {number}: what was refused is stored")
    await _recovers(trial, place, [*sent, running])
    ends(trial, [run for run in (*sent, running) if run.acked], *STORED_ENDS)


@asynccontextmanager
async def traced(pid: int, *options: str) -> AsyncIterator[None]:
    """Strace on every thread of a process. Raises `Skipped` where that is not permitted."""
    tracer = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-p", str(pid), "-o", os.devnull, *options), stderr=asyncio.subprocess.PIPE
    )
    assert tracer.stderr
    try:
        line = await tracer.stderr.readline()
        if b"attached" not in line:
            raise Skipped(line.decode().strip())
        yield
    finally:
        with suppress(ProcessLookupError):
            tracer.send_signal(signal.SIGINT)
        await tracer.communicate()


def _delete(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def _no_header(path: Path) -> None:
    path.write_bytes(b"x" * 100 + path.read_bytes()[100:])


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def _foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE somebody_elses (thing)")


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@dataclass(frozen=True)
class Damage:
    """What is done to the file before a start, and words of the refusal."""

    done: Callable[[Path], None]
    words: str


DAMAGES = {
    "deleted": Damage(_delete, "missing"),
    "empty": Damage(_empty, "empty"),
    "garbage": Damage(_garbage, "damaged|no database"),
    "without its header": Damage(_no_header, "damaged|no database"),
    "half of it": Damage(_cut, "damaged|no database"),
    "of a newer version": Damage(_newer, "newer"),
    "another program's": Damage(_foreign, "another program"),
}


@case("F30", "the file is gone, damaged, newer or another's at the start: a plain refusal, and it is left as it is")
async def wrong_file(trial: Trial) -> None:
    async with trial.stage() as place:
        await complete(place, plans(trial, 3, tokens=30))
        await place.server.terminate()
        keep = place.directory / "keep"
        shutil.copytree(place.server.data, keep)
        for name, wrong in DAMAGES.items():
            wrong.done(place.server.database)
            before = _digest(place.server.database)
            at = place.server.log.stat().st_size
            try:
                await place.server.start()
            except ServerEnded:
                words = place.server.log.read_bytes()[at:].decode("utf-8", "replace").strip()
                trial.expect(words.startswith("holdfast: ") and "Traceback" not in words, f"{name}: it said {words!r}")
                trial.expect(re.search(wrong.words, words), f"{name}: nothing of {wrong.words!r} in {words!r}")
            else:
                trial.expect(holds=False, otherwise=f"{name}: it started")
                await place.server.kill()
            trial.expect(_digest(place.server.database) == before, f"{name}: the file was changed")
            shutil.rmtree(place.server.data)
            shutil.copytree(keep, place.server.data)
        await place.start()
        await complete(place, plans(trial, 1, tokens=5))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none"


@case("F31", "a backup while answers stream: whole, everything shown before it is in it, and a server starts on it")
async def backed_up(trial: Trial) -> None:
    async with trial.stage() as place:
        runs = plans(trial, 12, tokens=300, pace=8, style="thinking")
        answering = asyncio.create_task(complete(place, runs))
        await shown(runs)
        copy = place.directory / "copy.sqlite3"
        for _ in range(trial.count(3)):
            await asyncio.sleep(trial.random.uniform(0, 0.4))
            shown_before = {run.key: run.shown for run in runs if run.generation}
            code, words = await _command(place, "backup", "--force", str(copy))
            trial.expect(code == 0 and copy.exists(), f"it ended with {code}: {words}")
            if copy.exists():
                _compare(trial, copy, shown_before)
        await answering
        ends(trial, runs, "complete")
        await _restored(trial, place, copy)


def _compare(trial: Trial, copy: Path, shown_before: dict[str, int]) -> None:
    """The copy is sound and has at least what was shown before it was begun."""
    with closing(opened(copy)) as connection:
        trial.expect(not damage(connection), f"the copy is damaged: {damage(connection)}")
        sizes = connection.execute(
            "SELECT g.client_message_id, length(a.content) + length(a.reasoning) + coalesce("
            "(SELECT sum(length(p.text)) FROM pieces p WHERE p.generation_id = g.id), 0) "
            "FROM generations g JOIN messages a ON a.id = g.message_id"
        )
        found = dict(sizes.fetchall())
    for key, size in shown_before.items():
        trial.expect(
            found.get(key, -1) >= size, f"{key}: {size} characters were shown, {found.get(key)} are in the copy"
        )


async def _restored(trial: Trial, place: Stage, copy: Path) -> None:
    """A server on a directory into which the copy was restored settles what ran and answers."""
    second = place.directory / "second"
    second.mkdir()
    code, words = await _command(place, "restore", str(copy), HOLDFAST_DATA_DIR=str(second))
    trial.expect(code == 0, f"restoring ended with {code}: {words}")
    with closing(opened(second / "holdfast.sqlite3")) as connection:
        trial.expect(not damage(connection), "what was restored is damaged")


async def _command(place: Stage, *arguments: str, **environment: str) -> tuple[int, str]:
    """One of the product's own commands, as an operator runs it; its status and what it said."""
    given = os.environ | {"HOLDFAST_DATA_DIR": str(place.server.data)} | environment
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast", *arguments),
        env=given,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    words, _ = await process.communicate()
    return process.returncode or 0, words.decode("utf-8", "replace")


@case("F32", "a long reader keeps the log from being folded in: answers go on, and afterwards the log is small again")
async def long_reader(trial: Trial) -> None:
    async with trial.stage() as place:
        wal = place.server.database.with_name("holdfast.sqlite3-wal")
        await complete(place, plans(trial, 1, tokens=5))
        with closing(sqlite3.connect(place.server.database)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM messages").fetchone()
            runs = [Run(Plan(f"{trial.number}-{n}", tokens=3000, pace=1)) for n in range(trial.count(12))]
            await complete(place, runs, limit=120)
            grown = wal.stat().st_size
        ends(trial, runs, "complete")
        for _ in range(3):
            await complete(place, plans(trial, 2, tokens=100, pace=2))
            await asyncio.sleep(0.5)
        left = wal.stat().st_size
        trial.note(f"the log grew to {grown / _MIB:.1f} MiB beside the reader, {left / _MIB:.1f} MiB after it")
        trial.expect(left < max(8 * _MIB, grown / 4), f"the log is {left / _MIB:.1f} MiB after the reader has gone")
        await place.server.terminate()
        trial.expect(not wal.exists() or wal.stat().st_size == 0, "the log is not folded in at the end")
        await place.start()
