"""A long time of mixed use in a short one: whether memory, descriptors, threads and the log stay flat.

    .venv/bin/python bench/faults/soak.py [--minutes 30] [--rate 10] [--seed 1]

`--rate` messages a second are sent by people who read to the end, leave and come back, stop, delete, answer again or
send nonsense. After a warm-up each figure is fitted with a line; its slope is told per 1,000 messages with a 95 %
interval from the means of blocks, as neighbouring samples are not independent. asyncio's tasks cannot be seen from
outside; each holds memory and most a socket, and both are watched. At the end the checker judges all of it.
"""

import asyncio
import math
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import procfs
import uvloop
from cases import until
from checker import Verdict
from client import Client, Run
from plan import Plan
from report import Report
from stage import Stage, folder, parser, stage
from upstream import MODEL
from wire import Cut, request

_KIB = 1024
_BLOCKS = 20
_T95 = 2.101
"""Student's t for a line through 20 means: 18 degrees of freedom."""

_EVERY = 2.0
_WARM_UP = 0.25
"""The share of the time that is not judged: caches fill, the database's pages among them."""

BOUNDS: Mapping[str, float] = {"memory": 1024 * _KIB, "descriptors": 1.0, "threads": 1.0, "log": 1024 * _KIB}
"""What each may grow by per 1,000 messages; it grows where even the lower end of the interval is above."""

_MOST = {"log": 32 * 1024 * _KIB}
"""What each may ever be."""


@dataclass(frozen=True)
class Sample:
    """What there was to see at a time; `messages` were sent until then."""

    at: float
    messages: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Slope:
    """By how much something grows with each message, and half of the 95 % interval around it."""

    slope: float
    error: float

    def grows(self, bound: float) -> bool:
        """It grows by more than the bound, beyond doubt."""
        return self.slope - self.error > bound


@dataclass(frozen=True)
class Options:
    """How long, how much, from which seed."""

    minutes: float = 30.0
    rate: float = 10.0
    seed: int | str = 1


@dataclass
class Soak:
    """What came of it."""

    samples: list[Sample] = field(default_factory=list)
    deeds: Counter[str] = field(default_factory=Counter)
    late: int = 0
    wrong: list[str] = field(default_factory=list)
    verdict: Verdict | None = None


def fit(points: Sequence[tuple[float, float]], blocks: int = _BLOCKS) -> Slope:
    """A line through the means of so many blocks of neighbours. Raises `ValueError` where there are too few points."""
    size = len(points) // blocks
    if size < 1:
        raise ValueError("too few samples for an interval")
    parts = [points[start : start + size] for start in range(0, size * blocks, size)]
    means = [(sum(x for x, _ in part) / size, sum(y for _, y in part) / size) for part in parts]
    middle_x, middle_y = (sum(mean[axis] for mean in means) / blocks for axis in (0, 1))
    spread = sum((x - middle_x) ** 2 for x, _ in means)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in means) / spread
    rest = sum((y - middle_y - slope * (x - middle_x)) ** 2 for x, y in means)
    return Slope(slope, _T95 * math.sqrt(rest / (blocks - 2) / spread))


async def read_all(client: Client, run: Run, _random: Random) -> None:
    await client.complete(run)


async def come_and_go(client: Client, run: Run, random: Random) -> None:
    """Leave at any byte, come back, from the start too."""
    await client.send(run, limit=random.randrange(1, 3000))
    for _ in range(random.randrange(3)):
        if run.generation and not run.terminal:
            await client.follow(run, limit=random.randrange(1, 1500), reset=random.random() < 0.5)
    await client.complete(run)
    await client.follow(run, after=random.randrange(run.cursor + 1))


async def stop(client: Client, run: Run, random: Random) -> None:
    """Stop it at any time."""
    answering = asyncio.create_task(client.complete(run))
    await _begun(run)
    await asyncio.sleep(random.uniform(0, 0.4))
    await client.stop(run)
    await answering


async def delete(client: Client, run: Run, random: Random) -> None:
    """Delete the conversation while the answer comes."""
    answering = asyncio.create_task(client.send(run))
    await _begun(run)
    await asyncio.sleep(random.uniform(0, 0.6))
    await client.delete(run)
    await answering


async def answer_again(client: Client, run: Run, _random: Random) -> None:
    """Have the message answered once more; the second answer has no key, so the checker leaves it alone."""
    await client.complete(run)
    path, told = f"/api/messages/{run.user_message}/generations", b""
    async with request(client.port, "POST", path, body={"model_id": "acme/thinker"}) as response:
        async for data in response:
            told = (told + data)[-400:]
    if b'"done":true' not in told:
        raise AssertionError(f"answering again ended with {told[-100:]!r}")


NONSENSE: Sequence[tuple[str, object, int]] = (
    ("/chat", {"message": "  "}, 422),
    ("/chat", {"message": "x", "model_id": "no/such"}, 422),
    ("/chat", {"message": "x" * 300_000, "model_id": MODEL}, 413),
    ("/chat", {"message": 7}, 422),
    ("/chat", {"message": "x", "conversation_id": "nonsense"}, 404),
    ("/chat", ["not", "an", "object"], 422),
    ("/api/messages/nonsense/generations", {}, 404),
)
"""What is asked, and what must come of it."""


async def ask_nonsense(client: Client, _run: Run, random: Random) -> None:
    """Something that must be refused."""
    path, body, wanted = random.choice(NONSENSE)
    async with request(client.port, "POST", path, body=body) as response:
        await response.body()
        if response.status != wanted:
            raise AssertionError(f"{path} {str(body)[:40]} gave {response.status}, not {wanted}")


async def _begun(run: Run) -> None:
    if await until(lambda: run.generation or run.refused, 20) is None:
        raise TimeoutError("it does not begin")


Deed = Callable[[Client, Run, Random], Awaitable[None]]
DEEDS: Mapping[Deed, int] = {read_all: 40, come_and_go: 25, stop: 10, delete: 8, answer_again: 7, ask_nonsense: 10}
"""What people do, and how often."""


async def person(place: Stage, number: int, options: Options, soak: Soak) -> None:
    """One message with all that its sender does about it."""
    random = Random(f"{options.seed}:{number}")
    deed = random.choices(list(DEEDS), list(DEEDS.values()))[0]
    style = random.choice(("plain", "plain", "thinking", "wild"))
    plan = Plan(f"s{number}", random.choice((1, 10, 40, 80)), random.choice((0, 5, 20)), first=random.choice((0, 200)))
    run = Run(Plan(plan.key, plan.tokens, plan.pace, 0, plan.first, style))  # type: ignore[arg-type]
    soak.deeds[deed.__name__] += 1
    try:
        async with asyncio.timeout(60):
            await deed(place.client(f"p{number}"), run, random)
    except (AssertionError, TimeoutError, Cut) as error:
        soak.wrong.append(f"{run.key} {deed.__name__}: {type(error).__name__} {error} ({run.phase})")


def look(place: Stage, messages: int) -> Sample:
    """What there is to see now."""
    pid, database = place.server.pid, place.server.database
    log = database.with_name(f"{database.name}-wal")
    values = {
        "memory": procfs.resident(pid),
        "descriptors": procfs.files(pid),
        "threads": procfs.threads(pid),
        "log": log.stat().st_size if log.exists() else 0,
        "database": database.stat().st_size,
        "processor": procfs.used(pid),
    }
    return Sample(time.monotonic(), messages, values)


async def campaign(directory: Path, options: Options, report: Report) -> Soak:
    """Send at the rate, look every few seconds, judge."""
    soak = Soak()
    seconds = options.minutes * 60
    async with stage(directory) as place:
        await place.start()
        begun, number = time.monotonic(), 0
        people: set[asyncio.Task[None]] = set()
        watching = asyncio.create_task(_watch(place, soak))
        while (now := time.monotonic() - begun) < seconds:
            due = number / options.rate
            if now < due:
                await asyncio.sleep(due - now)
            soak.late += now > due + 1
            one = asyncio.create_task(person(place, number, options, soak))
            people.add(one)
            one.add_done_callback(people.discard)
            number += 1
            report.progress(int(now), int(seconds) + 1, f"{number} messages, {len(soak.wrong)} wrong")
        await asyncio.gather(*people)
        watching.cancel()
        soak.verdict = await place.verdict()
    return soak


async def _watch(place: Stage, soak: Soak) -> None:
    while True:
        soak.samples.append(look(place, soak.deeds.total()))
        await asyncio.sleep(_EVERY)


def judge(samples: Sequence[Sample]) -> tuple[dict[str, Slope], list[str]]:
    """The slopes per message after the warm-up, and what grows or is too large."""
    warm = samples[round(len(samples) * _WARM_UP) :]
    names = [name for name in warm[0].values if name != "processor"]
    slopes = {name: fit([(sample.messages, sample.values[name]) for sample in warm]) for name in names}
    found = [
        f"{name} grows by {slopes[name].slope * 1000:.0f} ± {slopes[name].error * 1000:.0f} per 1,000 messages"
        for name, bound in BOUNDS.items()
        if slopes[name].grows(bound / 1000)
    ]
    for name, most in _MOST.items():
        highest = max(sample.values[name] for sample in samples)
        if highest > most:
            found.append(f"{name} was {highest:.0f}, at most {most} is allowed")
    return slopes, found


def finish(report: Report, soak: Soak, options: Options) -> int:
    """The closing table."""
    assert soak.verdict
    slopes, found = judge(soak.samples)
    first, last = soak.samples[round(len(soak.samples) * _WARM_UP)], soak.samples[-1]
    used = (last.values["processor"] - first.values["processor"]) / (last.at - first.at)
    table: dict[str, object] = {
        "messages": f"{soak.deeds.total()} at {options.rate} a second, {soak.late} sent late",
        "what people did": ", ".join(f"{count} {name}" for name, count in soak.deeds.most_common()),
        "processor": f"{used:.0%} of one",
    }
    for name, slope in slopes.items():
        unit, size = ("KiB", _KIB) if name in ("memory", "log", "database") else ("", 1)
        change = f"{slope.slope * 1000 / size:+.2f} ± {slope.error * 1000 / size:.2f} {unit} per 1,000 messages"
        bound = f"at most {BOUNDS[name] / size:.0f}" if name in BOUNDS else "not judged, it holds what was said"
        table[name] = f"{first.values[name] / size:.0f} → {last.values[name] / size:.0f} {unit}, {change}, {bound}"
    trials = {
        "messages that went wrong": (len(soak.wrong), soak.deeds.total()),
        "violations": (len(soak.verdict.violations), soak.verdict.counts["messages sent"]),
    }
    return report.finish(table, trials, [*found, *soak.wrong, *soak.verdict.violations])


def main(arguments: Sequence[str]) -> int:
    """One command."""
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--rate", type=float, default=10.0, help="messages a second")
    given = options.parse_args(arguments)
    chosen = Options(given.minutes, given.rate, given.seed)
    report = Report("soak", given.seed)
    with folder(given.dir) as directory:
        return finish(report, uvloop.run(campaign(directory, chosen, report)), chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
