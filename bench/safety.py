"""What it costs that a token is stored before it is shown: the server's processor time for each, with and without.

    .venv/bin/python bench/safety.py [--streams 20,100] [--tokens 300] [--rate 30] [--rounds 3]

Servers take turns under the same load: the product as it is, and two whose log is changed from outside to store an
answer when it is over: one shows each token at once, the other in the product's own batches, so that the commits alone
are what it saves. Nobody may run these two: they lose what was shown. All three read without the product's pace, which
makes up for any cost under load; the last row has it. Quote ratios; seconds differ between machines.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop
from stream import System, Upstream, ask, server, spent

sys.path.append(str(Path(__file__).parent / "faults"))

from variant import Changes, prefix

UNPACED: Changes = {"constants": {"holdfast.generation.engine._CROWD": 1_000_000}}
"""Without the pace, which lets text gather until the processor's share is right: it would hide what is measured."""

VARIANTS: Mapping[str, Changes] = {
    "as it is": UNPACED,
    "at once": {"publish_first": {}, **UNPACED},
    "in batches": {"store_at_end": {}, **UNPACED},
    "paced": {},
}
"""How each is changed. `paced` is the product; the others lack its pace."""


async def cost(system: System, upstream: Upstream, streams: int) -> float:
    """Microseconds of the server for each token of so many streams. Raises `SystemExit` where one is not exact."""
    loop = asyncio.get_running_loop()
    upstream.late, before, begun = 0.0, spent(system.pid), loop.time()

    async def one(number: int) -> bool:
        await asyncio.sleep(begun + number / 250 - loop.time())
        answer = await ask(system.port, system.path, system.body)
        return answer.complete and answer.text == upstream.text()

    exact = sum(await asyncio.gather(*(one(number) for number in range(streams))))
    if exact != streams:
        raise SystemExit(f"{system.name}: {streams - exact} of {streams} streams are not exact")
    return (spent(system.pid) - before) / (streams * upstream.tokens) * 1e6


async def start(running: ExitStack, folder: str, source: int) -> list[System]:
    """The servers, each with a directory of its own."""
    systems = []
    command = [sys.executable, "-m", "holdfast", "serve"]
    for number, (name, changes) in enumerate(VARIANTS.items()):
        port = source + 1 + number
        environment = {
            "OPENROUTER_BASE_URL": f"http://127.0.0.1:{source}/v1",
            "OPENROUTER_API_KEY": "bench",
            "HOLDFAST_DATA_DIR": f"{folder}/data{number}",
            "HOLDFAST_LIMITS": "off",
            "HOLDFAST_TITLE_MODEL": "off",
            "PORT": str(port),
        }
        changed = prefix(changes) or command
        pid = await asyncio.to_thread(running.enter_context, server(changed, port, **environment))
        body = b'{"message": "Go.", "model_id": "bench/model"}'
        systems.append(System(name, pid, port, "/chat", body))
    return systems


async def measure(systems: Sequence[System], upstream: Upstream, streams: int, rounds: int) -> None:
    """Take turns and print the rows of this load."""
    for system in systems:
        await cost(system, upstream, min(streams, 20))  # So that neither is cold.
    costs: list[list[float]] = [[] for _ in systems]
    for number in range(rounds):
        order = list(enumerate(systems))
        for place, system in order if number % 2 == 0 else reversed(order):
            costs[place].append(await cost(system, upstream, streams))
    base = statistics.median(costs[0])
    for system, each in zip(systems, costs, strict=True):
        ratios = [safe / unsafe for safe, unsafe in zip(costs[0], each, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        middle = statistics.median(each)
        print(
            f"{streams:7}  {system.name:12}{middle:10.1f}{base - middle:12.1f}{base / middle:10.2f}   {spread}",
            flush=True,
        )


async def main(options: argparse.Namespace) -> None:
    """Print the table."""
    upstream = Upstream(options.tokens, options.rate)
    listener = await asyncio.start_server(upstream.answer, "127.0.0.1", 0, backlog=4096, limit=1 << 22)
    source = listener.sockets[0].getsockname()[1]
    print(f"µs of the server for each token; {options.rounds} rounds, {options.tokens} tokens at {options.rate:.0f}/s")
    print("streams  shown        µs/token   safety, µs     ratio   of the rounds")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        systems = await start(running, folder, source)
        for streams in map(int, options.streams.split(",")):
            await measure(systems, upstream, streams, options.rounds)
    listener.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", default="20,100")
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    os.sched_setaffinity(0, set(range(1, os.cpu_count() or 2)) or {0})
    uvloop.run(main(parser.parse_args()))
