"""Attach and detach at any point, as often as one likes: every reader gets every token once and in order.

    .venv/bin/python bench/faults/reattach.py --generations 1000 --tokens 1000 --attachments 10 --seed 1

Long hostile text streams while followers leave in the middle of a character and come back after the last whole frame,
others attach at any cursor at all, fifty at a time arrive in one instant, and every edge of the cursor is tried.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from hashlib import blake2s
from pathlib import Path
from random import Random
from typing import Any

import uvloop
from checker import Verdict
from client import Client, Run
from plan import Plan, Style
from report import Report
from stage import Stage, folder, parser, stage
from wire import Cut, request

HERD = 50
"""Readers that attach in one instant."""

_STYLES: Sequence[Style] = ("wild", "thinking", "wild", "plain")
_HERD_SHARE = 0.05
_AFTERWARDS = 0.4  # This share of the single attachments comes when the answer has ended.


@dataclass(frozen=True)
class Options:
    """How many generations of how many tokens, how many at a time, and how often each is attached to at least."""

    generations: int = 1000
    tokens: int = 1000
    attachments: int = 10
    at_once: int = 12
    seed: int | str = 1


@dataclass
class Reattached:
    """What came of it. `attachments` leaves out the first of each answer and those that brought no whole event.

    `edges` and `wholes` count what was right and what was not.
    """

    attachments: int = 0
    tokens: int = 0
    edges: Counter[bool] = field(default_factory=Counter)
    wholes: Counter[bool] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=lambda: Verdict(Counter(), []))


class Watched:
    """One generation and everybody who follows it."""

    def __init__(self, place: Stage, number: int, options: Options, result: Reattached) -> None:
        self.random = Random(f"{options.seed}:{number}")
        self.plan = Plan(
            f"g{number}",
            tokens=options.tokens,
            pace=self.random.choice((0, 1, 2)),
            first=self.random.choice((0, 50)),
            style=self.random.choice(_STYLES),
        )
        self.main = Run(self.plan)
        self._place = place
        self._options = options
        self._result = result

    async def watch(self) -> None:
        """Send, follow in every way while it runs and after it ended, try the edges."""
        sender = asyncio.create_task(self._client("sender").complete(self.main))
        while not self.main.generation:  # noqa: ASYNC110 - clients tell nobody what they do
            await asyncio.sleep(0.005)
        herd = HERD if self.random.random() < _HERD_SHARE else 0
        budget = self._options.attachments
        chains = max(1, budget // 5)
        await asyncio.gather(
            *(self._chain(f"chain{number}", budget // 2 // chains) for number in range(chains)),
            *(self._anywhere(f"any{number}", sender) for number in range(budget - budget // 2)),
            *self._herd(herd),
        )
        await sender
        self._judge(self.main, "the sender")
        await self._edges()

    def _client(self, name: str) -> Client:
        return self._place.client(f"{self.plan.key}/{name}")

    def _run(self) -> Run:
        """The same generation for another follower, who has nothing of it yet."""
        return Run(self.plan, generation=self.main.generation, conversation=self.main.conversation)

    async def _chain(self, name: str, cuts: int) -> None:
        """Follow from the start to the end, leaving `cuts` times after so many bytes, wherever that is."""
        client, run = self._client(name), self._run()
        random = Random(f"{self.random.random()}")
        while not run.terminal:
            limit = random.choice((random.randrange(1, 600), random.randrange(1, 30_000))) if cuts > 0 else None
            cuts -= 1
            await client.follow(run, limit=limit, header=random.random() < 0.5, reset=random.random() < 0.5)
            await asyncio.sleep(random.choice((0, 0, 0.05)))
        self._judge(run, name)

    async def _anywhere(self, name: str, sender: "asyncio.Task[Run]") -> None:
        """Attach once, while it runs or afterwards, after any seq there is by then, for some bytes or to the end."""
        random = Random(f"{self.random.random()}")
        if random.random() < _AFTERWARDS:
            await asyncio.wait({sender})
        else:
            await asyncio.sleep(random.uniform(0, self.plan.first + self.plan.tokens * self.plan.pace) / 1000)
        end = self.main.cursor
        after = random.choices((0, end, random.randint(0, end)), (1, 1, 8))[0]
        limit = random.choice((None, None, random.randrange(1, 20_000)))
        await self._client(name).follow(self._run(), after=after, limit=limit, header=random.random() < 0.5)

    def _herd(self, size: int) -> list[Coroutine[Any, Any, None]]:
        """Readers that come at the same moment and stay to the end."""
        at = self.random.uniform(0, 0.5)

        async def one(number: int) -> None:
            await asyncio.sleep(at)
            await self._chain(f"herd{number}", 0)

        return [one(number) for number in range(size)]

    def _judge(self, run: Run, who: str) -> None:
        whole = run.digest.digest() == blake2s((self.plan.reasoning + self.plan.content).encode()).digest()
        right = whole and run.terminal == "complete"
        self._result.wholes[right] += 1
        if not right:
            self._result.wrong.append(f"{self.plan.key}: {who} has {run.shown} characters and ended {run.terminal!r}")

    async def _edges(self) -> None:
        """At the end 204; past it, below nothing and on what is no number 400; of somebody else 404."""
        end = self.main.cursor
        tried = {str(end): 204, str(end + 1): 400, "9" * 30: 400, "-1": 400, "NaN": 400, "1.0": 400, "": 400}
        for cursor, status in tried.items():
            await self._edge(f"{self.main.generation}/events?after={cursor}", status)
        await self._edge(f"{self.main.generation[::-1]}/events?after=0", 404)

    async def _edge(self, path: str, status: int) -> None:
        try:
            async with request(self._place.server.port, "GET", f"/api/generations/{path}") as response:
                got = response.status
                await response.body()
        except Cut:
            got = 0
        self._result.edges[got == status] += 1
        if got != status:
            self._result.wrong.append(f"{self.plan.key}: {path} answered {got}, not {status}")


async def campaign(directory: Path, options: Options, report: Report) -> Reattached:
    """All the generations, a few at a time, and the judgement."""
    result = Reattached()
    done = 0
    async with stage(directory) as place:
        await place.start()
        room = asyncio.Semaphore(options.at_once)

        async def one(number: int) -> None:
            nonlocal done
            async with room:
                await Watched(place, number, options, result).watch()
                done += 1
                report.progress(done, options.generations, f"{place.history.counts['read']} attachments")

        await asyncio.gather(*(one(number) for number in range(options.generations)))
        result.verdict = await place.verdict()
        result.attachments = result.verdict.counts["attachments that brought anything"] - options.generations
        result.tokens = sum(
            line.completion_tokens or 0 for line in place.upstream.lines() if line.key is not None and line.done
        )
    return result


def finish(report: Report, result: Reattached) -> int:
    """The closing table."""
    rules = Counter(violation.rule for violation in result.verdict.violations)
    table = {"tokens that the provider sent": result.tokens, **dict(sorted(result.verdict.counts.items()))}
    trials = {
        "re-attachments with a gap or a repeat": (rules["I2"] + rules["I3"] + rules["I5"], result.attachments),
        "answers not equal as a whole": (result.wholes[False], result.wholes.total()),
        "cursors answered wrongly": (result.edges[False], result.edges.total()),
    }
    return report.finish(table, trials, [*result.verdict.violations, *result.wrong])


def main(arguments: Sequence[str]) -> int:
    """One command."""
    options = parser(__doc__)
    options.add_argument("--generations", type=int, default=1000)
    options.add_argument("--tokens", type=int, default=1000)
    options.add_argument("--attachments", type=int, default=10, help="to each generation, herds not counted")
    options.add_argument("--at-once", type=int, default=12)
    given = options.parse_args(arguments)
    chosen = Options(given.generations, given.tokens, given.attachments, given.at_once, given.seed)
    report = Report("reattach", given.seed)
    with folder(given.dir) as directory:
        return finish(report, uvloop.run(campaign(directory, chosen, report)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
