"""SIGKILL at random instants while answers stream, start again, and judge what is left: nothing lost, nothing doubled.

    .venv/bin/python bench/faults/kill.py --kills 500 --streams 24 --lanes 2 --seed 1
    .venv/bin/python bench/faults/kill.py --sweep

A lane is a server with its upstream and clients, in a process of its own. `--sweep` kills before each single system
call of one conversation instead (`sweep.py`).
"""

import argparse
import asyncio
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import sweep
import uvloop
from checker import Violation
from client import Client, Run
from plan import Plan, Style
from records import damage, opened
from report import Report, spread
from stage import PATIENCE, Stage, folder, parser, stage

WINDOW = 1.2
"""Seconds after the start within which the kill falls."""

SETTLED = 5.0
"""Seconds after a start within which every run of the process before has its end."""

_CHECKED = 25  # Every so many kills the database is checked while it is in use.
_STYLES: Sequence[Style] = ("plain", "plain", "plain", "thinking", "wild")


@dataclass
class Lane:
    """What came of a lane."""

    kills: int = 0
    moments: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    settled: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    found: list[Violation] = field(default_factory=list)
    bills: tuple[int, int] = (0, 0)

    def add(self, other: "Lane") -> None:
        """Take another lane's figures in."""
        self.kills += other.kills
        self.moments += other.moments
        self.phases += other.phases
        self.settled += other.settled
        self.counts += other.counts
        self.found += other.found
        self.bills = (self.bills[0] + other.bills[0], self.bills[1] + other.bills[1])


@dataclass(frozen=True)
class Options:
    """How much, and from which seed. `reconcile`: seconds to wait for the cost of what was cut off."""

    kills: int = 500
    streams: int = 24
    seed: int | str = 1
    reconcile: float = 180.0


def draw_plan(key: str, random: Random) -> Plan:
    """A message of any length, at any pace, that may wait before the head and before the first token."""
    return Plan(
        key,
        tokens=random.choice((1, 5, 20, 60, 150)),
        pace=random.choice((0, 1, 4, 10)),
        head=random.choice((0, 0, random.randrange(400))),
        first=random.choice((0, 0, random.randrange(600))),
        style=random.choice(_STYLES),
    )


class Round:
    """One life of the server: messages are sent to it, and it is killed."""

    def __init__(self, place: Stage, number: int, options: Options) -> None:
        self.random = Random(f"{options.seed}:{number}")
        self.moment = self.random.choices(("while answers stream", "idle", "while it starts"), (90, 4, 6))[0]
        self.instant = self.random.uniform(0, WINDOW)
        self._place = place
        self._number = number
        self._streams = options.streams if self.moment == "while answers stream" else 0

    def send(self) -> list[tuple[Run, "asyncio.Task[Run]"]]:
        """Have its clients send, each at a moment of its own."""
        started = []
        for number in range(self._streams):
            run = Run(draw_plan(f"r{self._number}-{number}", self.random))
            fate = self.random.choices(("left alone", "stopped", "deleted"), (90, 5, 5))[0]
            moments = self.random.uniform(0, WINDOW * 0.9), self.random.uniform(0, WINDOW)
            work = _complete(self._place.client(run.key), run, fate, *moments)
            started.append((run, asyncio.create_task(work, name=run.key)))
        return started


async def _complete(client: Client, run: Run, fate: str, delay: float, later: float) -> Run:
    """Send after `delay` and follow to the end; who stops or deletes does so `later` and until it is answered."""
    await asyncio.sleep(delay)
    following = asyncio.create_task(client.complete(run))
    if fate != "left alone":
        await asyncio.sleep(later)
        tell = client.stop if fate == "stopped" else client.delete
        answered = 0
        while run.generation and not answered:
            answered = await tell(run)
            await asyncio.sleep(0.05)
    return await following


async def kill(place: Stage, now: Round) -> None:
    """Kill at the round's moment."""
    if now.moment == "while it starts":
        await place.kill()
        await place.server.spawn()
        await asyncio.sleep(now.instant * 0.8)
    else:
        await asyncio.sleep(now.instant)
    await place.kill()


async def run_lane(directory: Path, options: Options, report: Report) -> Lane:
    """All the rounds of a lane on one data directory, and the judgement."""
    lane = Lane()
    pending: dict[asyncio.Task[Run], Run] = {}
    async with stage(directory) as place:
        await place.start()
        for number in range(options.kills):
            now = Round(place, number, options)
            pending |= {task: run for run, task in now.send()}
            await kill(place, now)
            lane.moments[now.moment] += 1
            lane.phases.update(run.phase for run in pending.values())
            lane.settled.append(await place.settle())
            pending = {task: run for task, run in pending.items() if not task.done()}
            lane.kills += 1
            if lane.kills % _CHECKED == 0:
                lane.found += await asyncio.to_thread(_damage, place)
            report.progress(lane.kills, options.kills, f"{len(lane.found)} violations, {len(pending)} in flight")
        lane.found += await _ends(pending)
        if options.reconcile:
            await _reconcile(place, options.reconcile)
        verdict = await place.verdict()
        lane.counts += verdict.counts
        lane.found += verdict.violations
        lane.bills = place.recovered()[:2]
    return lane


async def _ends(pending: dict["asyncio.Task[Run]", Run]) -> list[Violation]:
    """Wait for the last clients; one that never sees an end tells of a run without one."""
    if not pending:
        return []
    done, waiting = await asyncio.wait(pending, timeout=2 * PATIENCE)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done:
        task.result()
    return [Violation("I4", pending[task].key, "its client never saw an end") for task in waiting]


def _damage(place: Stage) -> list[Violation]:
    connection = opened(place.server.database)
    try:
        return [Violation("I8", f"kill {place.server.epoch}", detail) for detail in damage(connection)]
    finally:
        connection.close()


async def _reconcile(place: Stage, patience: float) -> None:
    """Wait until the cost of every run whose upstream id is known is known too."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        have, known, _ = await asyncio.to_thread(place.recovered)
        if have == known:
            return
        await asyncio.sleep(1)


def lane_in_process(directory: Path, options: Options, quiet: bool) -> Lane:  # noqa: FBT001 - called through a pool
    """A lane under an event loop of its own."""
    return uvloop.run(run_lane(directory, options, Report("kills of the first lane", options.seed, quiet=quiet)))


def finish(report: Report, lane: Lane, options: Options) -> int:
    """The closing table."""
    late = sum(seconds > SETTLED for seconds in lane.settled)
    have, known = lane.bills
    rules = Counter(violation.rule for violation in lane.found)
    accepted, attachments = lane.counts["accepted"], lane.counts["attachments"]
    table = {
        "kills": ", ".join(f"{count} {moment}" for moment, count in lane.moments.most_common()),
        "streams at a kill": ", ".join(f"{count} {phase}" for phase, count in lane.phases.most_common()),
        **dict(sorted(lane.counts.items())),
        "start until all have an end": spread(lane.settled),
        "calls cut before their id came": lane.counts["calls of the provider"] - known,
    }
    trials = {
        "accepted and lost": (rules["I1"], accepted),
        "shown and lost": (rules["I2"], attachments),
        "not in order and once": (rules["I3"] + rules["I5"], attachments),
        "runs without one end": (rules["I4"], accepted),
        "calls too many": (rules["I6"], lane.counts["calls of the provider"]),
        "kills with damage": (rules["I8"], lane.kills),
        f"later than {SETTLED:.0f} s": (late, lane.kills),
    }
    if options.reconcile:
        trials["costs neither told nor recovered"] = (known - have, known)
    return report.finish(table, trials, lane.found)


def run(directory: Path, options: Options, lanes: int) -> int:
    """The random kills, shared out over the lanes."""
    report = Report("kill", options.seed)
    total = Lane()
    with ProcessPoolExecutor(lanes, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = []
        for number in range(lanes):
            kills = options.kills // lanes + (number < options.kills % lanes)
            share = Options(kills, options.streams, f"{options.seed}:{number}", options.reconcile)
            place = directory / f"lane{number}"
            place.mkdir()
            futures.append(pool.submit(lane_in_process, place, share, number > 0))
        for future in futures:
            total.add(future.result())
    return finish(report, total, options)


def main(arguments: Sequence[str]) -> int:
    """One command."""
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=500)
    options.add_argument("--streams", type=int, default=24, help="new ones in each round")
    options.add_argument("--lanes", type=int, default=2, help="servers at a time")
    options.add_argument("--reconcile", type=float, default=180.0, help="seconds to wait for the costs of what was cut")
    options.add_argument("--sweep", action="store_true", help="kill before each system call of one conversation")
    options.add_argument("--most", type=int, default=0, help="with --sweep: so many points of each call at most")
    given: argparse.Namespace = options.parse_args(arguments)
    with folder(given.dir) as directory:
        if given.sweep:
            return sweep.run(directory, given.seed, given.most)
        return run(directory, Options(given.kills, given.streams, given.seed, given.reconcile), given.lanes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
