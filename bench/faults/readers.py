"""Whether readers that never read are felt by anybody: by the server's memory, by live readers, by the answer itself.

    .venv/bin/python bench/faults/readers.py [--stalled 200] [--live 20] [--rounds 3]

A round without stalled readers and one with them take turns, on one server, beside the same load: live streams whose
tokens bear the time at which they were sent, and one long answer, which the stalled ones follow on tiny sockets. Told
are the medians over the rounds; machines are noisy, ratios of one run are not.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import procfs
import uvloop
from cases_client import attach
from report import Report
from server import Server
from stage import folder, parser
from wire import Frames, request

MODEL = "bench/model"
CUT_LIMIT = 20.0
"""Seconds after which a reader whose socket takes nothing is let go."""

HEARTBEAT = 5.0
_FLOOD = 8.0  # Seconds of a round in which the long answer comes fast: more of it than the kernel takes for a socket.
_STUCK_BY = 10.0  # And by which every stalled reader's socket is full. What comes after is compared.
_SLACK = 6.0
_KIB = 1024
MEMORY = 1024 * _KIB
"""Bytes of the server's memory that a stalled reader may cost."""

SLOWER = 1.2
"""By how much the delivery to live readers may be later, beyond `_NOISE` seconds."""

_NOISE = 0.002
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_DOCUMENT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_LAST = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Options:
    """How many of whom, for how long."""

    stalled: int = 200
    live: int = 20
    rounds: int = 3
    seconds: float = 42.0
    rate: float = 20.0


@dataclass
class Round:
    """What was measured: delays of tokens in seconds, bytes of memory, seconds until the stalled were gone.

    `first_delays`: until the stalled readers' sockets are full, which is work as for any reader. `kernel`: of sockets.
    """

    delays: list[float] = field(default_factory=list)
    first_delays: list[float] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    resident: int = 0
    grown: int = 0
    kernel: int = 0
    gone: float | None = None
    whole: int = 0

    def late(self, share: float) -> float:
        """The delay that this share of the tokens did not exceed."""
        ordered = sorted(self.delays)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Clocked:
    """An upstream: a message `live` gets tokens that tell their time, any other a flood that begins fast."""

    def __init__(self, options: Options) -> None:
        self.seconds = options.seconds
        self._rate = options.rate
        self.base_url = ""

    async def start(self) -> asyncio.Server:
        """Listen."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 22)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15] == b"content-length:"), 0)
                body = await reader.readexactly(length)
                if b"/chat/completions" not in head:
                    listed = json.dumps({"data": [{"id": MODEL, "name": "Bench"}]}).encode()
                    writer.write(_DOCUMENT % len(listed) + listed)
                    continue
                said = json.loads(body)["messages"][-1]["content"]
                writer.write(_STREAM)
                await (self._live(writer) if said == "live" else self._flood(writer))
                writer.write(_chunk({"delta": {}, "finish_reason": "stop"}) + _LAST)
        writer.close()

    async def _live(self, writer: asyncio.StreamWriter) -> None:
        begun = time.perf_counter()
        for number in range(round(self.seconds * self._rate)):
            if (wait := begun + number / self._rate - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            writer.write(_chunk({"delta": {"content": f"{time.perf_counter():.6f} "}}))

    async def _flood(self, writer: asyncio.StreamWriter) -> None:
        """7 MB in the first seconds, then a trickle."""
        begun = time.perf_counter()
        while (at := time.perf_counter() - begun) < self.seconds:
            writer.write(_chunk({"delta": {"content": "x" * (45_000 if at < _FLOOD else 500)}}))
            await asyncio.sleep(0.05)


def _chunk(choice: dict[str, object]) -> bytes:
    payload = {"id": "gen-1", "model": MODEL, "provider": "Bench", "choices": [{"index": 0, **choice}]}
    return _framed(b"data: " + json.dumps(payload).encode() + b"\n\n")


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def listen(port: int, found: Round) -> None:
    """A live reader: send, and note how late each token comes."""
    frames, begun, ended = Frames(), time.perf_counter(), False
    async with request(port, "POST", "/chat", body={"message": "live", "model_id": MODEL}) as response:
        async for data in response:
            now = time.perf_counter()
            for _, payload in frames.feed(data):
                event = json.loads(payload)
                if event["type"] == "content":
                    late = found.delays if now - begun > _STUCK_BY else found.first_delays
                    late += [now - float(stamp) for stamp in event["content"].split()]
                ended = ended or event["type"] == "done"
    found.durations.append(time.perf_counter() - begun)
    found.whole += ended


async def begin_flood(port: int, known: "asyncio.Future[str]") -> int:
    """Have the long answer written and read it; how many characters came."""
    frames, size = Frames(), 0
    async with request(port, "POST", "/chat", body={"message": "flood", "model_id": MODEL}) as response:
        async for data in response:
            for _, payload in frames.feed(data):
                event = json.loads(payload)
                if not known.done():
                    known.set_result(event["generation_id"])
                size += len(event.get("content", ""))
    return size


async def one_round(server: Server, options: Options, stalled: int) -> Round:
    """The load for some seconds, with so many stalled readers beside it."""
    found = Round()
    loop = asyncio.get_running_loop()
    known: asyncio.Future[str] = loop.create_future()
    live = [asyncio.create_task(listen(server.port, found)) for _ in range(options.live)]
    flood = asyncio.create_task(begin_flood(server.port, known))
    generation = await known
    await asyncio.sleep(0.3)
    before = procfs.sockets(server.pid)
    found.resident = procfs.resident(server.pid)
    begun = time.monotonic()
    stuck = [await attach(server.port, generation) for _ in range(stalled)]
    most, kernel, finished = found.resident, procfs.tcp_memory(), asyncio.gather(flood, *live)
    while not finished.done():
        most = max(most, procfs.resident(server.pid))
        found.kernel = max(found.kernel, procfs.tcp_memory() - kernel)
        if found.gone is None and time.monotonic() - begun > _STUCK_BY and procfs.sockets(server.pid) <= before:
            found.gone = time.monotonic() - begun
        await asyncio.sleep(0.25)
    await finished
    found.grown = most - found.resident
    for one in stuck:
        one.close()
    return found


async def campaign(directory: Path, options: Options, report: Report) -> tuple[list[Round], list[Round]]:
    """Rounds without and with stalled readers, in turns."""
    upstream = Clocked(options)
    listener = await upstream.start()
    environment = {"HOLDFAST_HEARTBEAT": str(HEARTBEAT), "HOLDFAST_TITLE_MODEL": "off", "HOLDFAST_PROVIDER": "openai"}
    without: list[Round] = []
    beside: list[Round] = []
    async with Server(directory, upstream.base_url, environment=environment) as server:
        await server.start()
        upstream.seconds = 3.0
        await one_round(server, options, 0)  # So that nothing is cold.
        upstream.seconds = options.seconds
        for number in range(options.rounds):
            without.append(await one_round(server, options, 0))
            report.progress(2 * number + 1, 2 * options.rounds, every=0)
            beside.append(await one_round(server, options, options.stalled))
            report.progress(2 * number + 2, 2 * options.rounds, every=0)
        await server.terminate()
    listener.close()
    return without, beside


def middle(rounds: Sequence[Round], share: float) -> float:
    """The median over the rounds of a share's delay."""
    return statistics.median(each.late(share) for each in rounds)


def duration(rounds: Sequence[Round]) -> float:
    """The median of how long the live answers took."""
    return statistics.median(seconds for each in rounds for seconds in each.durations)


def judge(without: Sequence[Round], beside: Sequence[Round], options: Options) -> list[str]:
    """What the stalled readers did to anybody."""
    found = []
    quiet, beset = middle(without, 0.99), middle(beside, 0.99)
    if beset > quiet * SLOWER + _NOISE:
        found.append(f"p99 of the delivery is {beset * 1000:.1f} ms beside stalled readers, {quiet * 1000:.1f} without")
    extra = statistics.median(each.grown for each in beside) - statistics.median(each.grown for each in without)
    if extra > MEMORY * options.stalled:
        found.append(f"memory grew by {extra / _KIB / options.stalled:.0f} KiB for each stalled reader")
    limit = _STUCK_BY + CUT_LIMIT + HEARTBEAT / 2 + _SLACK
    held = [each for each in beside if each.gone is None or each.gone > limit]
    if held:
        found.append(f"stalled readers were held for more than {limit:.1f} s in {len(held)} of {len(beside)} rounds")
    alone, together = duration(without), duration(beside)
    if together > alone * 1.05 + 0.5:
        found.append(f"answers took {together:.1f} s beside stalled readers, {alone:.1f} s without")
    return found


def finish(report: Report, without: Sequence[Round], beside: Sequence[Round], options: Options) -> int:
    """The closing table."""
    sizes = f"{options.live} live, {options.stalled} stalled, {options.rounds} rounds each"
    table: dict[str, object] = {"readers": sizes}
    for name, rounds in (("without", without), ("beside", beside)):
        late = ", ".join(f"p{share} {middle(rounds, share / 100) * 1000:.1f} ms" for share in (50, 99))
        grown = statistics.median(each.grown for each in rounds) / _KIB / _KIB
        kernel = statistics.median(each.kernel for each in rounds) / _KIB / _KIB
        table[f"delivery {name}"] = f"{late}, answers took {duration(rounds):.2f} s"
        table[f"memory {name}"] = f"grew by {grown:.1f} MiB in the process, {kernel:.0f} MiB in the kernel's sockets"
    gone = [each.gone for each in beside if each.gone is not None]
    table["stalled readers were gone after"] = ", ".join(f"{seconds:.1f} s" for seconds in gone) or "not at all"
    table["p99 beside / without"] = f"{middle(beside, 0.99) / middle(without, 0.99):.2f}"
    found = judge(without, beside, options)
    live = options.live * options.rounds * 2
    whole = sum(each.whole for each in (*without, *beside))
    return report.finish(table, {"live answers not whole": (live - whole, live)}, found)


def main(arguments: Sequence[str]) -> int:
    """One command."""
    options: argparse.ArgumentParser = parser(__doc__)
    options.add_argument("--stalled", type=int, default=200)
    options.add_argument("--live", type=int, default=20)
    options.add_argument("--rounds", type=int, default=3, help="of each kind")
    given = options.parse_args(arguments)
    chosen = Options(given.stalled, given.live, given.rounds)
    report = Report("readers", given.seed)
    with folder(given.dir) as directory:
        return finish(report, *uvloop.run(campaign(directory, chosen, report)), chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
