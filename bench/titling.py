"""What naming a conversation costs the answer it follows: how long `done` takes, with and without, in one run.

    .venv/bin/python bench/titling.py [--streams 100] [--tokens 60] [--rate 4] [--thinks 30] [--rounds 10]

Two servers write so many answers each, at the same time and on the same processor. At one a model that thinks long
names every conversation; at the other their owner has named them beforehand, so that nothing follows an answer.
Measured is the time from the provider's last byte to `done`: quote differences. At `--rate 30` text gathers, and ticks
of up to 100 ms are what is measured. A busy machine disturbs all but the first lines.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import uvloop
from sqlalchemy import Connection
from stream import HEAD, Upstream, chunk, server, spent

from holdfast.domain import PERSONAL_OWNER, Generation, Outcome, Status
from holdfast.store import open_store
from holdfast.store.ending import settle
from holdfast.store.generations import Ask

_SEED = 5
_RESAMPLES = 1000


class Naming(Upstream):
    """Answers, and gives titles; notes when the last byte of each answer was written."""

    def __init__(self, tokens: int, rate: float, thinks: float) -> None:
        super().__init__(tokens, rate)
        self.thinks = thinks
        self.ended: dict[str, float] = {}
        self.titles = 0
        self.over = asyncio.Event()

    async def complete(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        """An answer to the message, by which its end is known, or a title."""
        asked = json.loads(body)
        if asked["messages"][0]["role"] == "system":
            self.titles += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), self.thinks)
            writer.write(HEAD + chunk({"delta": {"content": "A name"}, "finish_reason": "stop"}) + b"0\r\n\r\n")
            return
        await super().complete(writer, body)
        self.ended[asked["messages"][-1]["content"]] = time.perf_counter()


async def call(port: int, method: str, path: str, body: object = None) -> tuple[bytes, float]:
    """Ask on a connection of its own: the whole answer, and when `done` or the end of it was read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    data = b"" if body is None else json.dumps(body).encode()
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(data)}\r\n\r\n".encode()
        + data
    )
    lines, at = [], 0.0
    while line := await reader.readline():
        lines.append(line)
        if b'"type":"done"' in line:
            at = time.perf_counter()
    writer.close()
    return b"".join(lines), at


async def round_of(port: int, upstream: Naming, options: argparse.Namespace, *, named: bool) -> list[float]:
    """Milliseconds until `done`, for every answer of one round."""
    over = time.perf_counter() + options.seconds
    found: list[float] = []

    async def person(number: int) -> None:
        await asyncio.sleep(random.uniform(0, options.tokens / options.rate))
        while time.perf_counter() < over:
            created, _ = await call(port, "POST", "/api/conversations")
            conversation = json.loads(created[created.index(b"{") :].split(b"\r\n")[0])["id"]
            change = {"pinned": False} if named else {"title": "Mine"}  # As much work on both sides.
            await call(port, "PATCH", f"/api/conversations/{conversation}", change)
            message = f"{time.perf_counter()} {number}"
            body = {"message": message, "model_id": "bench/model", "conversation_id": conversation}
            _, done = await call(port, "POST", "/chat", body)
            found.append((done - upstream.ended.pop(message)) * 1000)

    await asyncio.gather(*(person(number) for number in range(options.streams)))
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so many do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def settling(count: int) -> dict[bool, list[float]]:
    """Processor milliseconds of the transaction that ends an answer: one that makes a task of naming, or none."""
    found: dict[bool, list[float]] = {True: [], False: []}

    def timed(run: Generation, connection: Connection) -> float:
        begun = time.thread_time()
        settle(connection, run.id, Status.COMPLETE, Outcome(model_id_used="bench/model", upstream_id="gen-1"), None)
        return (time.thread_time() - begun) * 1000

    with tempfile.TemporaryDirectory() as folder:
        store = await open_store(Path(folder) / "holdfast.sqlite3", lambda _line: None)
        for number in range(2 * count):
            named = number % 2 == 0
            begun = await store.generations.send(
                PERSONAL_OWNER, Ask("bench/model"), content="Go.", conversation_id=None, parent=None
            )
            run = begun.generation
            if not named:
                await store.conversations.rename(PERSONAL_OWNER, run.conversation_id, "Mine")
            await store.generations.append([(run.id, seq, 0, f"t{seq} ") for seq in range(2, 62)])
            found[named].append(await store._database.write(partial(timed, run), durable=True))  # noqa: SLF001 - its own thread
        await store.aclose()
    return {named: values[len(values) // 10 :] for named, values in found.items()}  # The first ones are cold.


def between(rounds: dict[bool, list[list[float]]], share: float) -> tuple[float, float, float]:
    """What naming adds at a quantile of all answers, and where 95 % of it lie if pairs of rounds are drawn again."""

    def added(chosen: Sequence[int]) -> float:
        ours, theirs = ([value for each in chosen for value in rounds[named][each]] for named in (True, False))
        return quantile(ours, share) - quantile(theirs, share)

    order = random.Random(_SEED)
    places = range(len(rounds[True]))
    drawn = sorted(added(order.choices(places, k=len(places))) for _ in range(_RESAMPLES))
    return added(places), quantile(drawn, 0.025), quantile(drawn, 0.975)


async def main(options: argparse.Namespace) -> None:
    """Print both distributions and what lies between them."""
    ends = await settling(options.settles)
    for share in (0.5, 0.99):
        with_naming, without = (quantile(ends[named], share) for named in (True, False))
        print(f"processor ms of an answer's end at p{share * 100:.0f}: {with_naming:.3f} with, {without:.3f} without")
    upstream = Naming(options.tokens, options.rate, options.thinks)
    listener = await asyncio.start_server(upstream.answer, "127.0.0.1", 0, backlog=4096, limit=1 << 22)
    source = listener.sockets[0].getsockname()[1]
    rounds: dict[bool, list[list[float]]] = {True: [], False: []}
    costs: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        environment = {
            "OPENROUTER_BASE_URL": f"http://127.0.0.1:{source}/v1",
            "OPENROUTER_API_KEY": "bench",
            "HOLDFAST_LIMITS": "off",
            "HOLDFAST_TITLE_MODEL": "bench/model",
        }
        ports = {True: source + 1, False: source + 2}
        pids = {}
        for named, port in ports.items():
            own = {"HOLDFAST_DATA_DIR": f"{folder}/{port}", "PORT": str(port)}
            command = [sys.executable, "-m", "holdfast", "serve"]
            pids[named] = running.enter_context(server(command, port, **environment, **own))
        for number in range(1 + options.rounds):
            before = {named: spent(pid) for named, pid in pids.items()}
            both = await asyncio.gather(*(round_of(ports[named], upstream, options, named=named) for named in ports))
            print(f"round {number} of {options.rounds}", file=sys.stderr, flush=True)
            for named, found in zip(ports, both, strict=True) if number else ():  # Neither is to be cold.
                rounds[named].append(found)
                costs[named].append((spent(pids[named]) - before[named]) * 1000 / len(found))
    upstream.over.set()
    listener.close()
    print(f"ms until `done`, {options.streams} answers at a time at each, {upstream.titles} titles asked for")
    print("               answers       p50       p90       p99   processor, ms an answer")
    told = {named: [value for each in rounds[named] for value in each] for named in rounds}
    for named, values in told.items():
        shown = "".join(f"{quantile(values, share):10.2f}" for share in (0.5, 0.9, 0.99))
        print(f"{'with' if named else 'without':8}naming{len(values):8}{shown}{statistics.median(costs[named]):12.1f}")
    for share in (0.5, 0.99):
        added, low, high = between(rounds, share)
        print(f"naming adds {added:.2f} ms at p{share * 100:.0f} (95 %: {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--rate", type=float, default=4.0)
    parser.add_argument("--thinks", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--settles", type=int, default=2000)
    os.sched_setaffinity(0, set(range(1, os.cpu_count() or 2)) or {0})
    uvloop.run(main(parser.parse_args()))
