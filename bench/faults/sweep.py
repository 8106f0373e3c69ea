"""Kill before every single write, sync and send of one conversation: no instant between two of them is left out.

strace attaches to one thread at a time and sends SIGKILL as that thread enters its N-th call of a kind, before the
call is carried out; N grows until the conversation ends without it. The data directory stays the same throughout.
"""

import asyncio
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from checker import Verdict
from client import Run
from plan import Plan
from report import Report, spread
from stage import Stage, stage

CALLS = ("pwrite64", "fdatasync", "fsync", "sendto", "sendmsg", "write", "writev")
"""Everything that makes something durable or tells somebody something."""

_AFTERMATH = 0.3  # Seconds in which what follows an answer is killed too.
_MISSES = 2  # So many conversations that ended unharmed close a series.


@dataclass
class Swept:
    """What came of it: points by thread and call, and the seconds from each start until all had an end."""

    points: Counter[str] = field(default_factory=Counter)
    settled: list[float] = field(default_factory=list)
    verdict: Verdict = field(default_factory=lambda: Verdict(Counter(), []))
    skipped: str = ""


def threads(pid: int) -> list[int]:
    """The process's threads in the order in which they were started."""
    return sorted(int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir())


@asynccontextmanager
async def traced(*options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """strace, attached; it leaves again at the end."""
    tracer = await asyncio.create_subprocess_exec("strace", *options, stderr=asyncio.subprocess.PIPE)
    assert tracer.stderr
    try:
        line = await tracer.stderr.readline()
        if b"attached" not in line:
            raise Refused(line.decode().strip())
        yield tracer
    finally:
        with suppress(ProcessLookupError):
            tracer.send_signal(signal.SIGINT)
        await tracer.communicate()


class Refused(Exception):
    """strace may not attach to another process here."""


async def converse(place: Stage, key: str) -> Run:
    """One message, its answer to the end, and a while after it; ends early when the server dies."""
    run = Run(Plan(key, tokens=4, pace=25, head=5, first=5, style="thinking"))
    await place.client(key).send(run)
    if run.terminal:
        await asyncio.sleep(_AFTERMATH)
    return run


async def profile(place: Stage) -> list[tuple[int, str]]:
    """Which thread makes which of the calls in a conversation, as (place in the order of threads, call)."""
    log = place.directory / "calls.txt"
    order = threads(place.server.pid)
    options = ("-f", "-p", str(place.server.pid), "-o", str(log), "-e", f"trace={','.join(CALLS)}")
    async with traced(*options):
        await converse(place, "profile")
    found = {
        (int(thread), call) for thread, call in re.findall(r"^(\d+) +(\w+)\(", log.read_text("utf-8"), re.MULTILINE)
    }
    known = [(order.index(thread), call) for thread, call in found if thread in order]
    return sorted(known, key=lambda point: (point[0], CALLS.index(point[1])))


def numbers(most: int) -> Iterator[int]:
    """1, 2, 3 … or, where only so many are wanted, ever farther apart."""
    number, step = 1, 1
    while True:
        yield number
        step = 1 if not most else max(1, number // 2)
        number += step


async def series(place: Stage, thread: int, call: str, most: int, swept: Swept) -> None:
    """Kill at the first, the second, the third … such call of a thread, until there is none left."""
    missed = hits = 0
    for number in numbers(most):
        key = f"{call}-{thread}-{number}"
        inject = f"inject={call}:signal=KILL:when={number}"
        pid = place.server.pid
        async with traced("-p", str(threads(pid)[thread]), "-o", os.devnull, "-e", f"trace={call}", "-e", inject):
            run = await converse(place, key)
        if not await _died(pid, 0.2 if run.terminal else 5.0):
            missed += 1
        else:
            hits, missed = hits + 1, 0
            await place.server.exited()
            place.history.write("kill", epoch=place.server.epoch)
            swept.points[f"{call} of thread {thread}"] += 1
            swept.settled.append(await place.settle())
        await place.client(key).complete(run)
        if missed >= _MISSES or (most and hits >= most):
            return


async def _died(pid: int, patience: float) -> bool:
    """Whether the process ends within so many seconds: its sockets are closed a moment before it is gone."""
    deadline = time.monotonic() + patience
    while alive := _alive(pid):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.01)
    return not alive


def _alive(pid: int) -> bool:
    """It runs; a dead child that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


async def sweep(directory: Path, most: int, report: Report) -> Swept:
    """Every point of every thread and call; `most` of each where it is not 0."""
    swept = Swept()
    if not shutil.which("strace"):
        swept.skipped = "strace is not installed"
        return swept
    async with stage(directory) as place:
        await place.start()
        try:
            found = await profile(place)
            for done, (thread, call) in enumerate(found):
                report.progress(done, len(found), f"{call} of thread {thread}, {swept.points.total()} kills", every=0)
                await series(place, thread, call, most, swept)
        except Refused as error:
            swept.skipped = str(error)
            return swept
        swept.verdict = await place.verdict()
    return swept


def run(directory: Path, seed: int, most: int) -> int:
    """One command. The seed chooses nothing here: every point is tried."""
    report = Report("sweep", seed)
    swept = uvloop.run(sweep(directory, most, report))
    if swept.skipped:
        print(f"sweep: skipped, {swept.skipped}")
        return 0
    table = {
        **{f"kills at {point}": count for point, count in swept.points.items()},
        **dict(sorted(swept.verdict.counts.items())),
        "start until all have an end": spread(swept.settled),
    }
    points = swept.points.total()
    failed = len({violation.key for violation in swept.verdict.violations})
    return report.finish(table, {"points at which anything went wrong": (failed, points)}, swept.verdict.violations)
