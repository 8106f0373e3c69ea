"""The cases of the matrix by the number of their fault, and what each is given: a folder, chances, and a judge.

A case is one small coroutine. It says what it expects as it goes; a stage that it opens is judged by the checker when
it leaves it, and the server must have ended as an operator would have it, without a stray exception in its log.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from client import Run
from plan import Plan
from records import StoredRun
from records import runs as runs_of
from stage import Stage, stage
from variant import Changes, prefix

from replies import Reply

SLACK = 2.0
"""What a promised time is multiplied by where this machine, which others use too, may be at fault."""

STRAY = ("never retrieved", "was never awaited", "Fatal error", "Traceback")
"""What a server's log must not say."""


FOREIGN = "acme/thinker"
"""A model of the upstream that no plan asks."""


class Skipped(Exception):
    """A case that this machine does not permit, and why."""


@dataclass
class Trial:
    """One run of one case. `scale`: the share of the usual counts; `plant`: a defect that every server is to have."""

    number: str
    seed: str
    directory: Path
    scale: float = 1.0
    plant: Changes = field(default_factory=dict)
    checks: int = 0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(f"{self.number}:{self.seed}")
        self.numbers = itertools.count(1)

    def expect(self, holds: object, otherwise: str) -> None:
        """Count one trial; a failure where it does not hold."""
        self.checks += 1
        if not holds:
            self.failures.append(f"{self.number}, seed {self.seed}: {otherwise}")

    def note(self, text: str) -> None:
        """A figure worth telling."""
        self.notes.append(text)

    def count(self, usual: int) -> int:
        """The usual number of something, scaled."""
        return max(1, round(usual * self.scale))

    def folder(self) -> Path:
        """A new folder."""
        made = self.directory / f"stage{next(self.numbers)}"
        made.mkdir(parents=True)
        return made

    def changes(self, more: Changes) -> Changes:
        """These changes to a server and the planted defect."""
        names = [*more, *self.plant]
        return {name: {**more.get(name, {}), **self.plant.get(name, {})} for name in names}

    @asynccontextmanager
    async def stage(
        self, *, change: Changes | None = None, stray: Iterable[str] = STRAY, **environment: str
    ) -> AsyncIterator[Stage]:
        """A started server with all around it, judged at the end. `stray`: what its log must not say."""
        bytecode = {"PYTHONPYCACHEPREFIX": str(self.directory.parent / "bytecode")}
        async with stage(self.folder(), **bytecode, **environment) as place:
            place.server.prefix = prefix(self.changes(change or {}))
            await place.start()
            yield place
            await self.judge(place, stray)

    async def judge(self, place: Stage, stray: Iterable[str] = STRAY) -> None:
        """End the server and have the checker look; called by `stage`."""
        self.expect(place.server.running, "the server ended by itself")
        if place.server.running:
            code = await place.server.terminate()
            self.expect(code == 0, f"the server ended with status {code}")
        verdict = await place.verdict()
        self.checks += verdict.counts["messages sent"]
        self.failures += [f"{self.number}, seed {self.seed}: {violation}" for violation in verdict.violations]
        log = place.server.log.read_text("utf-8", "replace")
        for words in stray:
            self.expect(words not in log, f"the log says {words!r}: {_around(log, words)}")


Case = Callable[[Trial], Awaitable[None]]


@dataclass(frozen=True)
class Entry:
    """A fault: its number, what has to come of it, and the case; none where it is tried elsewhere or not at all."""

    number: str
    sentence: str
    case: Case | None = None
    reason: str = ""

    @property
    def order(self) -> int:
        """Its place in the table."""
        return int(self.number[1:])


REGISTRY: dict[str, Entry] = {}


def case(number: str, sentence: str) -> Callable[[Case], Case]:
    """Enter a coroutine as the case of a fault."""

    def enter(found: Case) -> Case:
        assert number not in REGISTRY
        REGISTRY[number] = Entry(number, sentence, found)
        return found

    return enter


def elsewhere(number: str, sentence: str, reason: str) -> None:
    """Enter a fault that has no case here."""
    REGISTRY[number] = Entry(number, sentence, reason=reason)


async def until(holds: Callable[[], object], limit: float) -> float | None:
    """Wait until it holds; the seconds that it took, None where it did not within `limit`."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > limit:
            return None
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


def plans(trial: Trial, count: int, **options: Any) -> list[Run]:
    """So many messages, each with a key of its own."""
    first = next(trial.numbers)
    return [Run(Plan(f"{trial.number}-{first}-{number}", **options)) for number in range(count)]


async def complete(place: Stage, runs: Iterable[Run], limit: float = 60.0) -> None:
    """Have all of them answered to the end, as the page would. Raises `TimeoutError`."""
    async with asyncio.timeout(limit):
        await asyncio.gather(*(place.client(run.key).complete(run) for run in runs))


async def shown(runs: Iterable[Run], limit: float = 20.0) -> None:
    """Wait until some text of each was shown. Raises `TimeoutError`."""
    watched = list(runs)
    if await until(lambda: all(run.shown or run.terminal for run in watched), limit) is None:
        raise TimeoutError(f"no text: {[run.phase for run in watched]}")


def ends(trial: Trial, runs: Iterable[Run], *allowed: str) -> None:
    """Expect each to have had one of these ends."""
    for run in runs:
        told = repr(run.terminal or f"refused, {run.refused} {run.code}")
        trial.expect(run.terminal in allowed, f"{run.key} ended as {told}, not {' or '.join(allowed)}")


def stored(place: Stage) -> Mapping[str, StoredRun]:
    """What the database holds now, by key."""
    return runs_of(place.server.database)


async def foreign(place: Stage, key: str, made: Callable[[], Reply]) -> Run:
    """Have an answer that is no plan's text to its end; the checker judges how it came, not what it says."""
    run = Run(Plan(key))
    place.upstream.by_model[FOREIGN] = made
    body = {"message": "Something else.", "model_id": FOREIGN, "client_message_id": key}
    await place.client(key).send(run, body=body)
    return await place.client(key).complete(run)


def _around(log: str, words: str) -> str:
    at = log.find(words)
    return " ".join(log[max(0, at - 200) : at + 1500].split())[-900:] if at >= 0 else ""
