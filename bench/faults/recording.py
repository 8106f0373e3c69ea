"""Record a real server under load: every write, sync and send of it, and what its clients were sent and when.

What a client was shown counts from the moment at which the server gave it to the socket, which is before any client
can have seen it. That the clients saw the same is checked.
"""

import asyncio
import dataclasses
import os
import re
import signal
import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from pathlib import Path

import msgspec
from client import Client, Event, Run
from history import History
from plan import Plan, Style
from server import Server
from strace import Call, command, read
from upstream import Upstream, reply

from replies import Pause, Reply, Send

TRACE = "trace.{}"
FACTS = "facts.json"
_FRAME = re.compile(rb"id: (\d+)\ndata: (\{[^\n]*\})\n\n")
_SAMPLES = 0.01
_SKEW = 0.001
_SENDS = frozenset({"write", "writev", "sendto", "sendmsg"})


@dataclass(frozen=True)
class Scenario:
    """So many streams begun `gap` seconds apart, each answered by `tokens` a `pace` of ms apart.

    `burst`: after so many tokens the provider pauses for `pause` seconds. `killed`: after so many seconds the server is
    killed and started again.
    """

    name: str
    streams: int
    tokens: int
    pace: int
    gap: float = 0.0
    burst: int = 0
    pause: float = 0.0
    killed: float = 0.0
    style: Style = "plain"

    def plans(self) -> list[Plan]:
        """What is asked."""
        label = self.name.replace(" ", "-")
        return [Plan(f"{label}-{number}", self.tokens, self.pace, style=self.style) for number in range(self.streams)]

    def reply(self, plan: Plan) -> Reply:
        """The provider's answer to one of them."""
        good = reply(plan)
        if not self.burst:
            return good
        steps, tokens = [], 0
        for step in good.steps:
            steps.append(step)
            tokens += isinstance(step, Send)
            if isinstance(step, Send) and tokens % self.burst == 0:
                steps.append(Pause(self.pause))
        return Reply(steps, before=good.before, usage=good.usage)


SCENARIOS = (
    Scenario("one slow stream", 1, 30, 310),
    Scenario("one stream in bursts", 1, 80, 7, burst=10, pause=0.9),
    Scenario("five streams", 5, 120, 23, gap=0.3),
    Scenario("forty streams", 40, 110, 31, gap=0.04, style="thinking"),
    Scenario("two hundred short answers", 200, 3, 1, gap=0.06),
    Scenario("a kill between", 8, 80, 19, gap=0.2, killed=2.0),
)


class Moment(msgspec.Struct, frozen=True):
    """What a client had been sent of an answer: when, at which place in the order, and how many characters so far."""

    at: float
    order: int
    content: int
    reasoning: int
    terminal: str = ""


class Facts(msgspec.Struct):
    """What the clients were told. By generation: what was asked, its message's id, and when how much had been sent.

    `dead`: from when to when no server ran. `stolen`: what had been taken from it up to when.
    """

    scenario: str
    keys: dict[str, str]
    user_messages: dict[str, str]
    moments: dict[str, list[Moment]]
    dead: list[tuple[float, float]]
    stolen: list[tuple[float, float]]
    lives: int

    def taken(self, since: float, until: float) -> float:
        """What the machine and the tracing took from the server between two moments, in seconds."""
        before = bisect_right(self.stolen, (since, inf)) - 1
        after = min(bisect_left(self.stolen, (until, 0.0)), len(self.stolen) - 1)
        return self.stolen[after][1] - self.stolen[max(before, 0)][1] if self.stolen else 0.0


@dataclass(frozen=True)
class Recording:
    """A server's calls over all its lives, in one order, and what was told meanwhile."""

    directory: Path
    calls: list[Call]
    facts: Facts


class Stolen:
    """What the machine and the tracing took from the server, from /proc/*/schedstat.

    It is the time for which strace ran, and for which it or a thread of the server could have run and had to wait for a
    processor. Where the kernel does not tell, it is nothing.
    """

    def __init__(self, server: Server) -> None:
        self.samples: list[tuple[float, float]] = []
        self._server = server
        self._known: dict[str, int] = {}
        self._total = 0

    async def watch(self) -> None:
        """Take samples until cancelled."""
        while True:
            with suppress(OSError):  # There is no server just now, or a thread of it has ended.
                self._sample()
            await asyncio.sleep(_SAMPLES)

    def _sample(self) -> None:
        strace = Path(f"/proc/{self._server.pid}")
        children = (strace / f"task/{strace.name}/children").read_text("ascii").split()
        threads = [task for child in children for task in Path(f"/proc/{child}/task").iterdir()]
        for task in (strace, *threads):
            ran, waited, _ = map(int, (task / "schedstat").read_text("ascii").split())
            taken = waited + (ran if task is strace else 0)
            self._total += max(0, taken - self._known.get(task.name, 0))
            self._known[task.name] = taken
        self.samples.append((time.time(), self._total / 1e9))


async def record(scenario: Scenario, directory: Path, environment: Mapping[str, str] | None = None) -> Recording:
    """Run a scenario and keep its traces and facts in the directory."""
    await asyncio.to_thread(directory.mkdir, parents=True)
    plans = scenario.plans()
    skew = time.time() - time.monotonic()
    with History(directory / "history.jsonl") as history:
        async with Upstream() as upstream:
            upstream.answers = scenario.reply
            async with Server(directory, upstream.base_url, environment=environment) as server:
                await _live(server)
                stolen = Stolen(server)
                watching = asyncio.create_task(stolen.watch())
                client = Client("client", server.port, history)
                runs = [Run(plan) for plan in plans]
                loads = [
                    asyncio.create_task(_later(number * scenario.gap, client, run)) for number, run in enumerate(runs)
                ]
                dead = [await _killed(server, scenario.killed)] if scenario.killed else []
                await asyncio.gather(*loads)
                await asyncio.sleep(0.6)  # The sync that follows the last commits, and what comes after an answer.
                await _signal(server, signal.SIGTERM)
    watching.cancel()
    skew = abs(time.time() - time.monotonic() - skew)
    if skew > _SKEW:
        raise ValueError(f"the wall clock was set by {skew} s meanwhile; record again")
    facts = Facts(scenario.name, {}, {}, {}, dead, stolen.samples, server.epoch)
    recording = _told(Recording(directory, _calls(directory, facts.lives), facts), runs)
    (directory / FACTS).write_bytes(msgspec.json.encode(facts))
    return recording


def load(directory: Path) -> Recording:
    """A recording that was kept."""
    facts = msgspec.json.decode((directory / FACTS).read_bytes(), type=Facts)
    return Recording(directory, _calls(directory, facts.lives), facts)


async def _live(server: Server) -> None:
    """Start the server under strace."""
    server.prefix = command(server.directory / TRACE.format(server.epoch + 1))
    await server.start()


async def _killed(server: Server, seconds: float) -> tuple[float, float]:
    """Kill it after so many seconds and start it again; from when to when it was dead."""
    await asyncio.sleep(seconds)
    died = time.time()
    await _signal(server, signal.SIGKILL)
    await _live(server)
    return died, time.time()


async def _later(seconds: float, client: Client, run: Run) -> None:
    await asyncio.sleep(seconds)
    await client.complete(run)


async def _signal(server: Server, number: signal.Signals) -> None:
    """Signal the server itself, and wait until strace has written everything."""
    children = await asyncio.to_thread(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text, "ascii")
    for child in children.split():
        os.kill(int(child), number)
    await server.exited()


def _calls(directory: Path, lives: int) -> list[Call]:
    """The calls of all lives, numbered on."""
    found: list[Call] = []
    for life in range(1, lives + 1):
        shift = max((call.ended for call in found), default=-1) + 1
        calls = read(directory / TRACE.format(life), directory / "data")
        found += [dataclasses.replace(call, begun=call.begun + shift, ended=call.ended + shift) for call in calls]
    return found


def _told(recording: Recording, runs: Sequence[Run]) -> Recording:
    """Fill in the facts from what was sent. Raises `ValueError` where the clients saw something else."""
    facts = recording.facts
    for run in runs:
        facts.keys[run.generation] = run.plan.message
        facts.user_messages[run.generation] = run.user_message
    streams: dict[str, list[Call]] = {}
    for call in recording.calls:
        if call.name in _SENDS and call.path.startswith("socket:"):
            streams.setdefault(call.path, []).append(call)
    for sends in streams.values():
        _frames(facts, sends)
    for run in runs:
        told = facts.moments.get(run.generation, [])
        ended = [moment.terminal for moment in told if moment.terminal]
        if run.terminal.partition(":")[0] not in ended:
            raise ValueError(f"{run.key} saw {run.terminal!r}, the trace says {ended}")
    return recording


def _frames(facts: Facts, sends: list[Call]) -> None:
    """What one connection was sent: of an answer from its start all, of one that it follows only the end."""
    ends = list(accumulate(len(call.data) for call in sends))
    content = reasoning = 0
    begun = False
    for frame in _FRAME.finditer(b"".join(call.data for call in sends)):
        event = msgspec.json.decode(frame[2], type=Event)
        terminal = event.status if event.type in ("done", "error") else ""
        begun = begun or event.type == "started"
        if not begun and not terminal:
            continue  # It follows from a cursor on, which the frames do not tell.
        content += len(event.content) * (event.type == "content")
        reasoning += len(event.content) * (event.type == "reasoning")
        # What accepts a message is the head, which may have left before the first frame.
        call = sends[0] if event.type == "started" else sends[bisect_left(ends, frame.end())]
        moment = Moment(call.at, call.begun, content, reasoning, terminal)
        facts.moments.setdefault(event.generation_id, []).append(moment)


if __name__ == "__main__":
    sys.exit("This is a part of powercut.py.")
