"""A name that a person gave stays, whatever names the conversation at the same moment, and nothing is asked twice.

    .venv/bin/python bench/faults/titles.py --schedules 2000 --seed 1

A schedule is a conversation whose owner renames it, takes the name away, asks for another one, sends more, deletes
it, all around the moments at which a model names it: at once, late, never, or with a refusal, after which a second
one is asked. Many go on at a time, and most batches are killed in the middle and started again.
"""

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import uvloop
from checker import Verdict
from client import Client, Run
from plan import Plan
from records import opened
from report import Report
from stage import Stage, folder, parser, stage
from upstream import TITLE_MODEL
from variant import prefix
from wire import Cut, request

from openrouter import Call
from replies import COMMENT, Close, Pause, Reply, Send, Silence, answer, broken_off, refusal, spent

SECOND_MODEL = "acme/free-1:free"
"""The other free model that is listed: it is asked once where the title model gives no name."""

DEFAULT = "New Conversation"
_BATCH = 40
_LATEST = 0.5  # Seconds after which a late title comes; what people do lies as far apart.
_DRAINED = 60.0
_PAUSE = 0.05
_SCALED = {
    "holdfast.tasks._CRASHED": 0.5,  # What a kill cut off comes again sooner,
    "holdfast.usage.FIRST_PAUSE": 0.05,  # what a call took is asked for sooner,
    "holdfast.titles.naming._PATIENCE": 3.0,  # a model that says nothing is given up sooner,
    "holdfast.store.titles._UNDER_WAY": 4_000_000,  # and so is a call that a kill broke off.
}
_STEPS: Mapping[str, int] = {"rename": 5, "empty": 2, "wish": 5, "both": 2, "message": 3, "wait": 3, "delete": 1}
_FATES: Mapping[str, int] = {"good": 8, "late": 12, "refused": 3, "empty": 1, "sorry": 2, "broken": 2, "silent": 1}
_NAMES: frozenset[str] = frozenset({"good", "late"})
_ABOUT = re.compile(r"@([\w.~-]+) n\d")


@dataclass(frozen=True)
class Options:
    """How many schedules, from which seed. `silent`: some models say nothing at all, which takes seconds each."""

    schedules: int = 2000
    seed: int | str = 1
    silent: bool = True


@dataclass
class Schedule:
    """A conversation, what its owner does to it, and what it may be called for it.

    `own`: the name its owner gave last, None where there is none; `automatic`: a model's name may stand. `certain`:
    it has to, once a model gave one.
    """

    run: Run
    steps: Sequence[str]
    fates: Mapping[str, str]
    random: Random
    own: str | None = None
    automatic: bool = True
    certain: bool = True
    deleted: bool = False
    tries: Counter[int] = field(default_factory=Counter)
    served: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.run.key

    def judge(self, conversation: Mapping[str, Any], when: str) -> None:
        """Whether it may be called so."""
        title, source = conversation["title"], conversation["title_source"]
        if source == "user":
            right = self.own is not None and title == (self.own or DEFAULT)
        elif source == "auto":
            right = self.automatic and (title in self.served or title.startswith(f"@{self.key} "))
        else:
            right = self.own is None and title == DEFAULT
        if not right:
            called = "" if self.own is None else f", its owner called it {self.own!r}"
            self.found.append(f"{self.key}: {title!r} by {source} {when}{called}")


def draw(number: int, options: Options) -> Schedule:
    """A schedule from its number."""
    random = Random(f"{options.seed}:{number}")
    fates = dict(_FATES)
    if not options.silent:
        del fates["silent"]
    steps = random.choices(list(_STEPS), list(_STEPS.values()), k=random.randrange(6))
    if "delete" in steps:
        steps = steps[: steps.index("delete") + 1]
    return Schedule(
        Run(Plan(f"c{number}", tokens=random.randrange(1, 8), pace=random.choice((0, 5, 20)))),
        steps,
        {model: random.choices(list(fates), list(fates.values()))[0] for model in (TITLE_MODEL, SECOND_MODEL)},
        random,
    )


class Namer:
    """What the models say when they are asked for a title: each its conversation's fate."""

    def __init__(self) -> None:
        self.schedules: dict[str, Schedule] = {}
        self.calls: list[tuple[Schedule, Call]] = []

    def __call__(self, call: Call) -> Reply:
        about = _ABOUT.search(call.body["messages"][-1]["content"])
        assert about, call.body
        schedule = self.schedules[about[1]]
        self.calls.append((schedule, call))
        title = f"Tale {call.number} {schedule.key}"
        fate = schedule.fates[str(call.model)]
        if fate in _NAMES:
            schedule.served.append(title)
        wait = [Pause(schedule.random.uniform(0, _LATEST))] if fate == "late" else []
        good = answer(title)
        return REPLIES[fate]() if fate in REPLIES else replace(good, steps=[COMMENT, *wait, *good.steps])


REPLIES: Mapping[str, Callable[[], Reply]] = {
    "refused": lambda: refusal(503),
    "empty": lambda: answer(' "" '),
    "sorry": lambda: answer("I'm sorry, I cannot name that."),
    "broken": lambda: replace(broken_off("Half a ti", by=[Close()]), usage=spent(9, 2, 0.000011)),
    "silent": lambda: Reply([Send(COMMENT.data), Silence()], usage=spent(9, 0, 0.000009)),
}


class Owner:
    """Does what a schedule says, and insists until it is answered."""

    def __init__(self, place: Stage, schedule: Schedule) -> None:
        self.schedule = schedule
        self._place = place
        self._client: Client = place.client(schedule.key)
        self._more: list[Run] = []
        self._names = 0

    async def live(self) -> None:
        """Send, do everything, and see the first answer's end."""
        schedule = self.schedule
        answering = asyncio.create_task(self._client.complete(schedule.run))
        while not schedule.run.conversation:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(_PAUSE)
        if schedule.random.random() < 0.6:  # By now a name is being looked for.
            await answering
        for step in schedule.steps:
            await asyncio.sleep(schedule.random.uniform(0, _LATEST))
            if step != "wait":
                await getattr(self, f"_{step}")()
            if schedule.deleted:
                break
            await self.look(f"after {step!r}")
        await answering

    async def look(self, when: str) -> dict[str, Any]:
        """The conversation as it is told, judged."""
        schedule = self.schedule
        path = f"/api/conversations/{schedule.run.conversation}"
        status, found = await self._insist("GET", path)
        if status != 200:
            schedule.found.append(f"{schedule.key}: {status} {when}")
            return {"title_source": "gone"}
        schedule.judge(found, when)
        return dict(found)

    async def _rename(self, title: str | None = None) -> None:
        self._names += 1
        title = f"Mine {self._names} {self.schedule.key}" if title is None else title
        await self._insist("PATCH", f"/api/conversations/{self.schedule.run.conversation}", {"title": title})
        self.schedule.own, self.schedule.automatic, self.schedule.certain = title, False, False

    async def _empty(self) -> None:
        await self._rename("")

    async def _wish(self) -> None:
        status, _ = await self._insist("POST", f"/api/conversations/{self.schedule.run.conversation}/title")
        if status == 202:
            self.schedule.automatic = self.schedule.certain = True

    async def _both(self) -> None:
        """A rename and a wish at the same instant, from two tabs: either may be the later one."""
        await asyncio.gather(self._rename(), self._wish())
        self.schedule.automatic, self.schedule.certain = True, False

    async def _message(self) -> None:
        run = self.schedule.run
        while not run.terminal:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(_PAUSE)
        plan = Plan(f"{run.key}.{len(self._more)}", tokens=2)
        self._more.append(Run(plan, {"conversation_id": run.conversation}))
        await self._client.complete(self._more[-1])

    async def _delete(self) -> None:
        self.schedule.deleted = True
        for run in (self.schedule.run, *self._more):
            while not await self._client.delete(run):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(_PAUSE)

    async def _insist(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask until there is an answer; its status and JSON. A wish may have been heard each time."""
        while True:
            self.schedule.tries[self._place.server.epoch] += method == "POST"
            try:
                async with request(self._place.server.port, method, path, body=body) as response:
                    data = await response.body()
                    if response.status < 500:
                        return response.status, msgspec.json.decode(data)
            except Cut:
                pass
            await asyncio.sleep(_PAUSE)


@dataclass
class Titles:
    """What came of it."""

    schedules: list[Schedule] = field(default_factory=list)
    kills: int = 0
    killed: set[int] = field(default_factory=set)
    sources: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    too_often: list[str] = field(default_factory=list)
    wrong_lines: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=lambda: Verdict(Counter(), []))


async def campaign(directory: Path, options: Options, report: Report) -> Titles:
    """All the batches on one data directory, and the judgement."""
    titles, namer = Titles(), Namer()
    async with stage(directory) as place:
        place.server.prefix = prefix({"constants": _SCALED})
        place.upstream.by_call |= {TITLE_MODEL: namer, SECOND_MODEL: namer}
        await place.start()
        for begin in range(0, options.schedules, _BATCH):
            numbers = range(begin, min(begin + _BATCH, options.schedules))
            random = Random(f"{options.seed} from {begin}")
            await _batch(place, titles, namer, [draw(number, options) for number in numbers], random)
            found = sum(len(schedule.found) for schedule in titles.schedules) + len(titles.left)
            report.progress(numbers[-1] + 1, options.schedules, f"{found} violations, {titles.kills} kills")
        titles.verdict = await place.verdict()
        _judge_calls(place, titles, namer)
        titles.wrong_lines = _judge_lines(place, titles, namer)
    return titles


async def _batch(place: Stage, titles: Titles, namer: Namer, schedules: Sequence[Schedule], random: Random) -> None:
    """Some schedules at the same time, three of four batches with a kill; then every name once more, in peace."""
    titles.schedules += schedules
    namer.schedules |= {schedule.key: schedule for schedule in schedules}
    owners = [Owner(place, schedule) for schedule in schedules]
    living = [asyncio.create_task(owner.live(), name=owner.schedule.key) for owner in owners]
    if random.random() < 0.75:
        await asyncio.sleep(random.uniform(0.1, 2.0))
        titles.killed.add(place.server.epoch)
        titles.kills += 1
        await place.kill()
        await place.settle()
    await asyncio.gather(*living)
    await _drain(place, titles, namer)
    for owner in owners:
        await _judge_end(owner, titles)


async def _drain(place: Stage, titles: Titles, namer: Namer) -> None:
    """Wait until nothing is left to do and every call is a line of the ledger: those of a deleted one have no task."""
    deadline = time.monotonic() + _DRAINED
    while time.monotonic() < deadline:
        left = await asyncio.to_thread(_read, place.server.database, "SELECT kind, generation_id FROM tasks")
        if not left and not await asyncio.to_thread(_judge_lines, place, titles, namer):
            return
        await asyncio.sleep(_PAUSE)
    left = await asyncio.to_thread(_read, place.server.database, "SELECT kind, generation_id FROM tasks")
    titles.left += [f"{kind} of {generation} is never done" for kind, generation in left]


async def _judge_end(owner: Owner, titles: Titles) -> None:
    """What it is called once everything is over."""
    schedule = owner.schedule
    if schedule.deleted:
        titles.sources["deleted"] += 1
        return
    found = await owner.look("in the end")
    source = found["title_source"]
    titles.sources[f"named by {source}"] += 1
    named = schedule.own is None or any(fate in _NAMES for fate in schedule.fates.values())
    if schedule.certain and named and source != "auto" and schedule.run.terminal == "complete":
        schedule.found.append(f"{schedule.key}: no name came, it is {found['title']!r} by {source}")


def _read(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(opened(database)) as connection:
        return [tuple(row) for row in connection.execute(query)]


def _judge_calls(place: Stage, titles: Titles, namer: Namer) -> None:
    """A model is asked once for a try."""
    asked: Counter[tuple[str, int, str]] = Counter()
    for schedule, call in namer.calls:
        asked[schedule.key, place.upstream.epoch(call), str(call.model)] += 1
        titles.asked[str(call.model)] += 1
    by_key = {schedule.key: schedule for schedule in titles.schedules}
    for (key, epoch, model), count in asked.items():
        tries = 1 + by_key[key].tries[epoch]  # The first answer's, or the one that the kill before cut off.
        if count > tries:
            titles.too_often.append(f"{key}: {model} was asked {count} times by start {epoch} in {tries} tries")


def _judge_lines(place: Stage, titles: Titles, namer: Namer) -> list[str]:
    """Each call that was begun is one line of the ledger, unless it was refused or its process killed."""
    query = "SELECT upstream_id FROM calls WHERE purpose = 'title'"
    lines = Counter(row[0] for row in _read(place.server.database, query))
    wrong = []
    for schedule, call in list(namer.calls):
        count = lines.pop(call.generation_id, 0)
        free = schedule.fates[str(call.model)] == "refused" or place.upstream.epoch(call) in titles.killed
        if count != 1 and not (free and count == 0):
            wrong.append(f"{schedule.key}: {count} lines for {call.generation_id}")
    return wrong + [f"a line for {upstream_id}, which nobody asked" for upstream_id in lines]


def finish(report: Report, titles: Titles) -> int:
    """The closing table."""
    found = [line for schedule in titles.schedules for line in schedule.found]
    wrong = len({line.partition(":")[0] for line in found})
    steps = Counter(step for schedule in titles.schedules for step in schedule.steps)
    calls = titles.asked.total()
    table = {
        "kills": titles.kills,
        "what their owners did": ", ".join(f"{count} {step}" for step, count in steps.most_common()),
        "in the end": ", ".join(f"{count} {source}" for source, count in titles.sources.most_common()),
        "asked for a title": ", ".join(f"{model} {count} times" for model, count in titles.asked.most_common()),
        **dict(sorted(titles.verdict.counts.items())),
    }
    trials = {
        "schedules with a wrong name": (wrong, len(titles.schedules)),
        "asked more than once in a try": (len(titles.too_often), calls),
        "calls without their one line": (len(titles.wrong_lines), calls),
        "work left undone": (len(titles.left), len(titles.schedules)),
    }
    everything = [*found, *titles.too_often, *titles.wrong_lines, *titles.left, *titles.verdict.violations]
    return report.finish(table, trials, everything)


def main(arguments: Sequence[str]) -> int:
    """One command."""
    options = parser(__doc__)
    options.add_argument("--schedules", type=int, default=2000)
    given = options.parse_args(arguments)
    chosen = Options(given.schedules, given.seed)
    report = Report("titles", given.seed)
    with folder(given.dir) as directory:
        return finish(report, uvloop.run(campaign(directory, chosen, report)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
