"""One send is one message and at most one call, however often it is repeated and whatever of the replies is lost.

    .venv/bin/python bench/faults/once.py --messages 1000 --copies 5 --seed 1

Every message is sent in copies at the same time, with one key: as double clicks, through a proxy that cuts the reply
after the request went through, and across a kill. Afterwards the same key with another text must be refused.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Literal

import uvloop
from checker import Verdict
from client import Client, Run
from plan import Plan
from proxy import CLEAN, Proxy, Toxics
from report import Report
from stage import Stage, folder, parser, stage

Mode = Literal["double clicks", "replies lost", "across a kill"]

MODES: Sequence[Mode] = ("double clicks", "replies lost", "across a kill")
_BATCH = 20
_PAUSE = 0.05


@dataclass(frozen=True)
class Options:
    """How many messages, in how many copies, from which seed."""

    messages: int = 1000
    copies: int = 5
    seed: int | str = 1


@dataclass
class Once:
    """What came of it."""

    modes: Counter[str] = field(default_factory=Counter)
    posts: int = 0
    cuts: int = 0
    differing: list[str] = field(default_factory=list)
    accepted_conflicts: list[str] = field(default_factory=list)
    conflicts: int = 0
    verdict: Verdict = field(default_factory=lambda: Verdict(Counter(), []))


def lose_replies(_number: int, random: Random) -> tuple[Toxics, Toxics]:
    """Two replies of three are cut, at once or somewhere in the first events; every request goes through."""
    at = random.choice((0, 1, random.randrange(300), random.randrange(1500)))
    return CLEAN, random.choice((CLEAN, Toxics(limit=at), Toxics(reset=at)))


async def insist(client: Client, run: Run) -> Run:
    """Send until the answer came whole, always anew and never by following."""
    while True:
        if await client.send(run) == "terminal":
            return run
        await asyncio.sleep(_PAUSE)


async def contradict(client: Client, run: Run) -> bool:
    """Send another text with the same key; whether it was refused as it has to be."""
    other = replace(run.plan, tokens=run.plan.tokens + 1)
    attempt = Run(other)
    await client.send(attempt)
    return attempt.refused == 422 and attempt.code == "idempotency_conflict"


async def batch(place: Stage, proxy: Proxy, number: int, options: Options, once: Once) -> None:
    """Some messages at the same time, all in one of the ways."""
    random = Random(f"{options.seed}:{number}")
    mode = random.choices(MODES, (4, 4, 2))[0]
    port = proxy.port if mode == "replies lost" else 0
    size = min(_BATCH, options.messages - number * _BATCH)
    plans = [
        Plan(f"b{number}-{index}", tokens=random.randrange(1, 12), pace=random.choice((0, 3)), style="thinking")
        for index in range(size)
    ]
    once.modes[mode] += size
    groups = [[Run(plan) for _ in range(options.copies)] for plan in plans]
    sending = [
        asyncio.create_task(insist(place.client(f"{run.key}/{copy}", port), run))
        for group in groups
        for copy, run in enumerate(group)
    ]
    if mode == "across a kill":
        await asyncio.sleep(random.uniform(0, 0.3))
        await place.kill()
        await place.settle()
    await asyncio.gather(*sending)
    for group in groups:
        await _compare(place, group, once)


async def _compare(place: Stage, group: list[Run], once: Once) -> None:
    first = group[0]
    once.posts += sum(run.attempts for run in group)
    told = {(run.generation, run.conversation, run.message_id, run.user_message, run.digest.digest()) for run in group}
    if len(told) != 1:
        once.differing.append(f"{first.key}: {len(told)} different answers to its copies")
    once.conflicts += 1
    if not await contradict(place.client(f"{first.key}/other"), first):
        once.accepted_conflicts.append(f"{first.key}: another text with its key was not refused")


async def campaign(directory: Path, options: Options, report: Report) -> Once:
    """All the batches on one server, and the judgement."""
    once = Once()
    batches = -(-options.messages // _BATCH)
    async with stage(directory) as place:
        await place.start()
        async with Proxy(place.server.port, lose_replies, options.seed) as proxy:
            for number in range(batches):
                await batch(place, proxy, number, options, once)
                report.progress(min((number + 1) * _BATCH, options.messages), options.messages, f"{proxy.cuts} cuts")
            once.cuts = proxy.cuts
        once.verdict = await place.verdict()
    return once


def finish(report: Report, options: Options, once: Once) -> int:
    """The closing table."""
    counts, messages = once.verdict.counts, options.messages
    rules = Counter(violation.rule for violation in once.verdict.violations)
    table = {
        "messages": ", ".join(f"{count} {mode}" for mode, count in once.modes.most_common()),
        "copies of each": options.copies,
        "requests": once.posts,
        "replies cut by the proxy": once.cuts,
        **dict(sorted(counts.items())),
    }
    trials = {
        "messages with two calls": (rules["I6"], messages),
        "messages without a call": (_uncalled(once, messages), messages - once.modes["across a kill"]),
        "copies told different ids": (len(once.differing), messages * options.copies),
        "other texts not refused": (len(once.accepted_conflicts), once.conflicts),
    }
    return report.finish(table, trials, [*once.verdict.violations, *once.differing, *once.accepted_conflicts])


def _uncalled(once: Once, messages: int) -> int:
    """Messages that never reached the provider, beyond those that a kill may have kept from it."""
    return max(0, messages - once.modes["across a kill"] - once.verdict.counts["calls of the provider"])


def main(arguments: Sequence[str]) -> int:
    """One command."""
    options = parser(__doc__)
    options.add_argument("--messages", type=int, default=1000)
    options.add_argument("--copies", type=int, default=5)
    given = options.parse_args(arguments)
    chosen = Options(given.messages, given.copies, given.seed)
    report = Report("once", given.seed)
    with folder(given.dir) as directory:
        return finish(report, chosen, uvloop.run(campaign(directory, chosen, report)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
