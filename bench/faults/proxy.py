"""A TCP proxy that breaks what passes through it, and the same way again from the same seed.

`choose(number, random)` is asked for the toxics of each connection, upwards and downwards; `random` depends on the
seed and the connection's number alone, not on what else happens at the time.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Self

_READ = 64 * 1024


@dataclass(frozen=True)
class Toxics:
    """What happens to one direction of a connection. Times are seconds, sizes bytes; as made, nothing happens.

    `limit`, `reset` and `stall` act once so many bytes have passed, 0 meaning at the first byte that comes, which is
    not let through: FIN to both sides; RST to both sides; nothing passes any more and nobody is told. `slow_close`
    holds back the end. `corrupt` is the share of bytes that are replaced.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float = 0.0
    slice: int = 0
    limit: int | None = None
    reset: int | None = None
    stall: int | None = None
    slow_close: float = 0.0
    corrupt: float = 0.0

    @property
    def allowance(self) -> int | None:
        """How many bytes pass before the connection ends in one way or another."""
        ends = [end for end in (self.limit, self.reset, self.stall) if end is not None]
        return min(ends) if ends else None


CLEAN = Toxics()
Choose = Callable[[int, Random], tuple[Toxics, Toxics]]
"""(connection number from 0, its Random) -> toxics of what the client sends, of what the server sends."""


def harmless(_number: int, _random: Random) -> tuple[Toxics, Toxics]:
    """Nothing happens."""
    return CLEAN, CLEAN


class _Cut(Exception):
    """A toxic ends the connection; `hard` by RST."""

    def __init__(self, *, hard: bool) -> None:
        super().__init__()
        self.hard = hard


class Proxy:
    """`async with Proxy(port, choose, seed) as proxy:` listens on `proxy.port` until it is left."""

    def __init__(self, target: int, choose: Choose = harmless, seed: int | str = 0, port: int = 0) -> None:
        self.target = target
        self.port = port
        self.choose = choose
        self.connections = 0
        self.cuts = 0
        self._seed = seed
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def reset_all(self) -> int:
        """RST every connection that is open now; how many there were."""
        pairs = list(self._pairs)
        for pair in pairs:
            _abort(pair)
        return len(pairs)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number, self.connections = self.connections, self.connections + 1
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _abort((writer,))
            self._tasks.discard(task)
            return
        pair = (writer, server_writer)
        self._pairs.add(pair)
        random = Random(f"{self._seed}:{number}")
        up, down = self.choose(number, random)
        try:
            await self._join(_Pump(reader, server_writer, up, random), _Pump(server_reader, writer, down, random))
        except asyncio.CancelledError:
            _abort(pair)
        except _Cut as cut:
            self.cuts += 1
            if cut.hard:
                _abort(pair)
        except OSError:
            _abort(pair)
        finally:
            self._pairs.discard(pair)
            await _close(pair)
            self._tasks.discard(task)

    async def _join(self, *pumps: "_Pump") -> None:
        """Run both directions to their ends; the first that fails ends both."""
        running = [asyncio.create_task(work) for pump in pumps for work in (pump.take(), pump.give())]
        try:
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


class _Pump:
    """One direction: `take` stamps what comes with the time it is due, `give` passes it on, so delays do not add up."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, toxics: Toxics, random: Random
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._toxics = toxics
        self._random = random
        self._queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        self._left = toxics.allowance

    async def take(self) -> None:
        """Everything until the end, which is the empty bytes."""
        toxics, time = self._toxics, asyncio.get_running_loop().time
        data = b"."
        while data:
            data = await self._reader.read(_READ)
            delay = toxics.latency + (self._random.random() * toxics.jitter if toxics.jitter else 0.0)
            await self._queue.put((time() + delay, data))

    async def give(self) -> None:
        """Pass it on, broken as told."""
        time = asyncio.get_running_loop().time
        while True:
            due, data = await self._queue.get()
            if (wait := due - time()) > 0:
                await asyncio.sleep(wait)
            if not data:
                await asyncio.sleep(self._toxics.slow_close)
                with suppress(OSError, RuntimeError):
                    self._writer.write_eof()
                return
            await self._pass(self._corrupted(data))

    async def _pass(self, data: bytes) -> None:
        ends = self._left is not None and len(data) > self._left
        await self._write(data[: self._left] if ends else data)
        if self._left is not None:
            self._left -= min(len(data), self._left)
        if ends or self._left == 0 != self._toxics.allowance:
            await self._end()

    async def _end(self) -> None:
        toxics = self._toxics
        if toxics.stall is not None and toxics.stall == toxics.allowance:
            await asyncio.Event().wait()  # Half-open: until somebody else gives up.
        raise _Cut(hard=toxics.reset is not None and toxics.reset == toxics.allowance)

    async def _write(self, data: bytes) -> None:
        toxics = self._toxics
        size = toxics.slice or len(data) or 1
        for start in range(0, len(data), size):
            if self._writer.transport.is_closing():
                raise ConnectionResetError
            self._writer.write(data[start : start + size])
            await self._writer.drain()
            if toxics.bandwidth:
                await asyncio.sleep(min(size, len(data)) / toxics.bandwidth)
            elif toxics.slice:
                await asyncio.sleep(0)  # A turn of the loop, so that the peer may see this slice alone.

    def _corrupted(self, data: bytes) -> bytes:
        if not self._toxics.corrupt:
            return data
        draw = self._random.random
        return bytes(int(draw() * 256) if draw() < self._toxics.corrupt else byte for byte in data)


def _abort(writers: tuple[asyncio.StreamWriter, ...]) -> None:
    for writer in writers:
        connection: socket.socket = writer.get_extra_info("socket")
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def _close(writers: tuple[asyncio.StreamWriter, ...]) -> None:
    for writer in writers:
        writer.close()
    for writer in writers:
        with suppress(OSError):
            await writer.wait_closed()
