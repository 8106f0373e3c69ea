"""What stands between a browser and the server: proxies that buffer, cut what is idle, speak HTTP/1.0 or compress."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from cases import SLACK, Trial, case, ends, plans
from stage import Stage
from wire import request

from replies import Pause, Reply, ending, spent, tokens


@dataclass
class Middlebox:
    """A proxy as operators have it. `idle`: seconds of silence after which it cuts; 0 never.

    It holds an answer back until `buffer` bytes of it are there, unless the answer's head forbids that, and would
    compress whatever its head does not forbid to transform. `seen` are the heads of the answers, in lower case.
    """

    target: int
    idle: float = 0.0
    buffer: int = 16 * 1024
    port: int = 0
    cuts: int = 0
    seen: list[str] = field(default_factory=list)
    compressed: int = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator["Middlebox"]:
        """Listen until it is left."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        asking = asyncio.create_task(_pump(reader, upstream_writer))
        try:
            await self._answer(upstream_reader, writer)
        except TimeoutError:
            self.cuts += 1
        except (OSError, EOFError):
            pass
        finally:
            asking.cancel()
            for each in (writer, upstream_writer):
                each.close()
            await asyncio.gather(asking, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One answer, as its head lets us treat it. Raises `TimeoutError` where it is idle for too long."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        self.seen.append(head)
        if "no-transform" not in head and "content-encoding" not in head:
            self.compressed += 1
        held = [head.encode("latin-1")]
        passes = "x-accel-buffering: no" in head
        while True:
            if passes or sum(map(len, held)) >= self.buffer:
                writer.write(b"".join(held))
                held.clear()
                await writer.drain()
            async with asyncio.timeout(self.idle or None):
                data = await reader.read(65_536)
            if not data:
                break
            held.append(data)
        writer.write(b"".join(held))
        with suppress(OSError):
            await writer.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@case("F35", "a proxy that buffers, cuts after silence, speaks HTTP/1.0 or compresses: each event within a second")
async def between(trial: Trial) -> None:
    """Scaled: the proxy cuts after 1.5 s, not 60, and the heart beats every 0.5 s, not 15."""
    async with trial.stage(HOLDFAST_HEARTBEAT="0.5") as place:
        await _in_time(trial, place)
        await _beating(trial, place)
        await _old_protocol(trial, place)
    async with trial.stage(HOLDFAST_HEARTBEAT="15") as place:
        await _cut_and_back(trial, place)


async def _in_time(trial: Trial, place: Stage) -> None:
    """Through a buffering proxy each event comes within a second of being sent."""
    count = 10
    said = [step for number in range(count) for step in (Pause(0.2), *tokens(f"t{number} "))]
    async with Middlebox(place.server.port)() as box:
        place.upstream.by_model["acme/slow"] = lambda: Reply([*said, *ending("stop", spent())])
        body = {"message": "Slowly.", "model_id": "acme/slow"}
        arrivals: list[float] = []
        async with request(box.port, "POST", "/chat", body=body) as response:
            async for data in response:
                arrivals += [time.monotonic()] * data.count(b'"content":"t')
        spans = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
        longest = max(spans, default=0.0)
        trial.expect(len(arrivals) == count and longest < SLACK, f"{len(arrivals)} events, {longest:.1f} s apart")
        head = box.seen[0]
        for line in ("text/event-stream; charset=utf-8", "cache-control: no-store, no-transform"):
            trial.expect(line in head, f"{line} is not in {head!r}")
        trial.expect("content-encoding" not in head and not box.compressed, "a proxy may compress it")


async def _beating(trial: Trial, place: Stage) -> None:
    """A silent answer outlives the proxy's patience, before the first token too."""
    async with Middlebox(place.server.port, idle=1.5)() as box:
        runs = plans(trial, 6, tokens=3, first=4000)
        async with asyncio.timeout(30):
            told = await asyncio.gather(*(place.client(run.key, box.port).send(run) for run in runs))
        trial.expect(set(told) == {"terminal"} and not box.cuts, f"{box.cuts} cuts, {set(told)}")
        ends(trial, runs, "complete")


async def _old_protocol(trial: Trial, place: Stage) -> None:
    """HTTP/1.0 has no chunks: the answer ends with the connection, whole."""
    body = json.dumps({"message": "Old.", "model_id": "acme/chat-1"}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
    lines = [
        "POST /chat HTTP/1.0",
        f"Host: 127.0.0.1:{place.server.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    trial.expect(b"chunked" not in head.lower(), f"chunks for HTTP/1.0: {head!r}")
    trial.expect(b'"done":true' in rest and rest.endswith(b"\n\n"), f"it ends with {rest[-80:]!r}")


async def _cut_and_back(trial: Trial, place: Stage) -> None:
    """With a slow heart the proxy cuts; the client follows again and misses nothing."""
    async with Middlebox(place.server.port, idle=0.4)() as box:
        runs = plans(trial, trial.count(10), tokens=6, first=700, pace=500)
        async with asyncio.timeout(60):
            await asyncio.gather(*(place.client(run.key, box.port).complete(run) for run in runs))
        ends(trial, runs, "complete")
        trial.expect(box.cuts >= len(runs), f"only {box.cuts} cuts")
        trial.note(f"{box.cuts} cuts by an impatient proxy")
