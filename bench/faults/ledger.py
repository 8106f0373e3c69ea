"""What the usage page adds up is what the provider charges, to the last digit, whatever became of the answers.

    .venv/bin/python bench/faults/ledger.py --calls 1000 --seed 1

Conversations send, continue, ask several models side by side and name themselves; of the calls for answers three of
ten are stopped, broken off or refused, and some are deleted while they are written or before their cost is known. Each
costs a sum of its own. Once every record has been asked for, the sums of `GET /api/usage`, in all and by model and
purpose, are compared with the provider's own ledger.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import uvloop
from records import opened
from report import Report
from stage import Stage, folder, parser, stage
from upstream import TITLE_MODEL
from variant import prefix
from wire import Frames, Response, request

from openrouter import Call
from replies import (
    COMMENT,
    MID_STREAM_ERRORS,
    Close,
    Pause,
    Reply,
    Reset,
    Send,
    Step,
    answer,
    ending,
    event,
    refusal,
    tokens,
)

MODELS = ("acme/ledger-1", "acme/ledger-2", "acme/ledger-3", "acme/ledger-4")
"""The models that answer."""

SECOND_MODEL = "acme/free-1:free"
"""Asked for a title where the title model gives none."""

_TOGETHER = 16
_BREAKS: Mapping[str, Step] = {
    "close": Close(),
    "reset": Reset(),
    "error": Send(event(MID_STREAM_ERRORS["a top-level error alone"])),
}
_PATIENCE = 120.0
_PICODOLLARS = 10**12
_SCALED = {"holdfast.usage.FIRST_PAUSE": 0.05, "holdfast.usage.LONGEST_PAUSE": 1.0}
_FATES = {"good": 38, "length": 10, "stop": 30, "close": 6, "reset": 5, "error": 4, "refuse": 7}
_DELETED = "deleted"
_TITLES = {"good": 70, "empty": 10, "close": 10, "refuse": 10}


@dataclass(frozen=True)
class Options:
    """At least so many calls, from which seed."""

    calls: int = 1000
    seed: int | str = 1


@dataclass
class Line:
    """What calls of one kind took: how many, tokens in and out, and the cost in picodollars."""

    calls: int = 0
    prompt: int = 0
    completion: int = 0
    cost: int = 0

    def __add__(self, other: "Line") -> "Line":
        return Line(
            self.calls + other.calls,
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.cost + other.cost,
        )


class Provider:
    """Chooses what becomes of each call, and what it costs: a sum with twelve digits."""

    def __init__(self, seed: int | str) -> None:
        self.fates: Counter[str] = Counter()
        self.charged: dict[str, Call] = {}
        self._random = Random(f"{seed}:provider")

    def __call__(self, call: Call) -> Reply:
        random, model = self._random, str(call.model)
        is_title = model not in MODELS
        fates = _TITLES if is_title else _FATES
        fate = random.choices(list(fates), list(fates.values()))[0]
        self.fates[f"{'title ' if is_title else ''}{fate}"] += 1
        if fate == "refuse":
            return refusal(random.choice((402, 429, 500, 503)))
        self.charged[call.generation_id] = call
        count = random.randrange(2, 12)
        usage = {
            "prompt_tokens": random.randrange(10, 4000),
            "completion_tokens": count,
            "cost": random.randrange(1, 10**10) / _PICODOLLARS,
        }
        texts = ["A ", "name"] if is_title else [f"t{number} " for number in range(count)]
        if fate in ("good", "length", "empty"):
            finish = "length" if fate == "length" else "stop"
            return answer(*(['""'] if fate == "empty" else texts), model=model, finish=finish, usage=usage)
        if fate == "stop":  # Slow enough to be stopped; who does so knows it by the first word.
            slow = [step for text in tokens("STOP ", *texts * 8, model=model) for step in (text, Pause(0.05))]
            return Reply([COMMENT, *slow, *ending("stop", usage, model=model)], usage=usage)
        return Reply([COMMENT, *tokens(*texts, model=model), _BREAKS[fate]], usage=usage)

    def lines(self) -> dict[tuple[str, str], Line]:
        """What was charged, by model and purpose."""
        found: dict[tuple[str, str], Line] = {}
        for call in self.charged.values():
            usage = call.usage or {}
            kind = str(call.model), "answer" if call.model in MODELS else "title"
            cost = int(Decimal(repr(usage["cost"])) * _PICODOLLARS)
            line = Line(1, usage["prompt_tokens"], usage["completion_tokens"], cost)
            found[kind] = found.get(kind, Line()) + line
        return found


class Person:
    """Has conversations, one after the other, and stops what says that it is to be stopped."""

    def __init__(self, place: Stage, provider: Provider, options: Options, number: int) -> None:
        self.sent: Counter[str] = Counter()
        self._place = place
        self._provider = provider
        self._most = options.calls
        self._random = Random(f"{options.seed}:{number}")

    async def live(self, report: Report) -> None:
        """Until there were calls enough."""
        while (calls := self._provider.fates.total()) < self._most:
            report.progress(calls, self._most)
            await self._converse()

    async def _converse(self) -> None:
        random = self._random
        conversation = ""
        for _ in range(random.randrange(1, 5)):
            body: dict[str, Any] = {
                "message": "Go on." if conversation else "Begin.",
                "model_id": random.choice(MODELS),
            }
            if conversation:
                body["conversation_id"] = conversation
            others = [model for model in MODELS if model != body["model_id"]]
            compared = random.random() < 0.2
            if compared:
                body["compare"] = [{"model_id": each} for each in random.sample(others, random.randrange(1, 4))]
            self.sent["side by side" if compared else "sent"] += 1
            started, status = await self._ask("/chat", body, alone=not compared)
            conversation = started["conversation_id"]
            if compared:
                await self._pick(started)
            elif status != _DELETED and (status != "complete" or random.random() < 0.3):
                self.sent["continued"] += 1
                path = f"/api/messages/{started['message_id']}/generations"
                _, status = await self._ask(path, {"continue": True}, alone=True)
            if status == _DELETED:
                return
        if random.random() < 0.2:
            await self._delete(conversation)

    async def _ask(self, path: str, body: dict[str, Any], *, alone: bool) -> tuple[dict[str, Any], str]:
        """Read an answer to its end: its `started`, and how it ended; refused ones end at once.

        Only one that is alone is deleted: of others it would not be known whether the provider had begun.
        """
        started: dict[str, Any] = {}
        status = ""
        async with request(self._place.server.port, "POST", path, body=body) as response:
            if response.status != 200:
                self.sent["not taken on"] += 1
                return {}, "refused"
            async for found in _events(response):
                kind = found["type"]
                started = found if kind == "started" else started
                status = found["status"] if kind in ("done", "error") else status
                status = _DELETED if kind == "error" and found["code"] == "not_found" else status
                if kind == "content" and found["content"].startswith("STOP "):
                    if alone and self._random.random() < 0.2:
                        await self._delete(started["conversation_id"])
                    else:
                        await self._stop(started["generation_id"])
        return started, status

    async def _delete(self, conversation: str) -> None:
        self.sent["deleted"] += 1
        async with request(self._place.server.port, "DELETE", f"/api/conversations/{conversation}") as response:
            await response.body()

    async def _stop(self, generation: str) -> None:
        self.sent["stopped"] += 1
        async with request(self._place.server.port, "DELETE", f"/api/generations/{generation}") as response:
            await response.body()

    async def _pick(self, started: dict[str, Any]) -> None:
        """Wait for those beside the first one, and go on with any that has text."""
        client = self._place.client("picks")
        path = f"/api/messages/{started['user_message_id']}"
        while True:
            _, comparison = await client.get(f"{path}/comparison")
            if all(each["status"] != "streaming" for each in comparison["answers"]):
                break
            await asyncio.sleep(0.05)
        chosen = self._random.choice(comparison["answers"])["id"]
        async with request(self._place.server.port, "PUT", f"{path}/pick", body={"message_id": chosen}) as response:
            await response.body()


async def _events(response: Response) -> AsyncIterator[dict[str, Any]]:
    frames = Frames()
    async for data in response:
        for _, payload in frames.feed(data):
            yield msgspec.json.decode(payload)


@dataclass
class Ledger:
    """What came of it."""

    sent: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    charged: Line = field(default_factory=Line)
    kinds: int = 0
    wrong_sums: list[str] = field(default_factory=list)
    wrong_rows: list[str] = field(default_factory=list)
    asked_afterwards: int = 0
    waited: float = 0.0


async def campaign(directory: Path, options: Options, report: Report) -> Ledger:
    """All the calls, the wait for the records, and the comparison."""
    provider, ledger = Provider(options.seed), Ledger()
    async with stage(directory) as place:
        place.server.prefix = prefix({"constants": _SCALED})
        listed = [{"id": model, "name": model, "context_length": 128_000} for model in MODELS]
        place.upstream.models = [*place.upstream.models, *listed]
        place.upstream.by_call = dict.fromkeys((*MODELS, TITLE_MODEL, SECOND_MODEL), provider)
        place.upstream.generation_lag = 2
        await place.start()
        people = [Person(place, provider, options, number) for number in range(_TOGETHER)]
        await asyncio.gather(*(person.live(report) for person in people))
        ledger.waited = await _reconciled(place, provider)
        usage = (await place.client("usage").get("/api/usage?days=2"))[1]
        for person in people:
            ledger.sent += person.sent
        ledger.fates = provider.fates
        compare(ledger, provider.lines(), usage)
        _judge_rows(place, ledger, provider)
        await place.server.terminate()
    return ledger


async def _reconciled(place: Stage, provider: Provider) -> float:
    """Wait until nothing is left to do and every call's line is there; the seconds that took."""
    begun = time.monotonic()
    query = "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM calls)"
    while time.monotonic() - begun < _PATIENCE:
        with closing(opened(place.server.database)) as connection:
            tasks, calls = connection.execute(query).fetchone()
        if not tasks and calls >= len(provider.charged):
            break
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


def compare(ledger: Ledger, charged: dict[tuple[str, str], Line], usage: dict[str, Any]) -> None:
    """The sums that are told against those that were charged: by model and purpose, and all together."""
    told: dict[tuple[str, str], Line] = {}
    for item in usage["items"]:
        kind = item["model"], item["purpose"]
        told[kind] = told.get(kind, Line()) + _line(item)
    ledger.charged, ledger.kinds = sum(charged.values(), Line()), len(charged)
    for kind in sorted(told.keys() | charged.keys()):
        if told.get(kind) != charged.get(kind):
            ledger.wrong_sums.append(f"{kind}: told {told.get(kind)}, charged {charged.get(kind)}")
    if _line(usage["total"]) != ledger.charged or usage["total"]["unknown"]:
        ledger.wrong_sums.append(f"all: told {usage['total']}, charged {ledger.charged}")


def _line(told: dict[str, Any]) -> Line:
    cost = Decimal(told["cost"]) * _PICODOLLARS
    return Line(told["calls"], told["prompt_tokens"], told["completion_tokens"], int(cost) if cost % 1 == 0 else -1)


def _judge_rows(place: Stage, ledger: Ledger, provider: Provider) -> None:
    """Every call that was charged has one row."""
    with closing(opened(place.server.database)) as connection:
        found = connection.execute("SELECT upstream_id, cost_source FROM calls").fetchall()
    rows = Counter(row[0] for row in found)
    ledger.asked_afterwards = sum(row[1] == "generation" for row in found)
    ledger.wrong_rows += [f"{each}: {rows[each]} rows" for each in provider.charged if rows[each] != 1]
    ledger.wrong_rows += [
        f"{each}: a row of a call that nobody charged" for each in rows if each not in provider.charged
    ]


def finish(report: Report, ledger: Ledger) -> int:
    """The closing table."""
    spent = replace(ledger.charged)
    table = {
        "people": ", ".join(f"{count} {what}" for what, count in ledger.sent.most_common()),
        "calls": ", ".join(f"{count} {fate}" for fate, count in ledger.fates.most_common()),
        "charged": f"${Decimal(spent.cost) / _PICODOLLARS} for {spent.prompt} and {spent.completion} tokens",
        "asked for afterwards": f"{ledger.asked_afterwards}, done {ledger.waited:.1f} s after the last answer",
    }
    trials = {
        "calls without their one row": (len(ledger.wrong_rows), spent.calls),
        "sums that differ": (len(ledger.wrong_sums), ledger.kinds + 1),
    }
    return report.finish(table, trials, [*ledger.wrong_sums, *ledger.wrong_rows])


def main(arguments: Sequence[str]) -> int:
    """One command."""
    options = parser(__doc__)
    options.add_argument("--calls", type=int, default=1000)
    given = options.parse_args(arguments)
    report = Report("ledger", given.seed)
    with folder(given.dir) as directory:
        return finish(report, uvloop.run(campaign(directory, Options(given.calls, given.seed), report)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
