"""As much of HTTP/1.1 and of server-sent events as a campaign's client needs, quick and without any of the product's.

Whether an answer came to its end or was cut is told apart; a frame that was cut is no frame.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import msgspec

IDLE_LIMIT = 40.0
"""Seconds of silence after which a connection is given up: more than two heartbeats."""


class Cut(Exception):
    """The connection could not be made, or ended before the answer did."""


class Response:
    """The head of an answer, and its body as it comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._reader = reader
        self._writer = writer

    async def read_head(self) -> None:
        """Raises `Cut`."""
        try:
            async with asyncio.timeout(IDLE_LIMIT):
                head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            raise Cut(type(error).__name__) from error
        first, *lines = head.rstrip("\r\n").split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body, a chunk at a time; ends where the answer ends. Raises `Cut`."""
        try:
            async with asyncio.timeout(IDLE_LIMIT) as limit:
                async for data in self._chunks():
                    yield data
                    limit.reschedule(asyncio.get_running_loop().time() + IDLE_LIMIT)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            raise Cut(type(error).__name__) from error

    async def _chunks(self) -> AsyncIterator[bytes]:
        reader = self._reader
        if self.headers.get("transfer-encoding") != "chunked":
            yield await reader.readexactly(int(self.headers.get("content-length", "0")))
            return
        while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
            yield (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)

    async def body(self) -> bytes:
        """All of it. Raises `Cut`."""
        return b"".join([data async for data in self])

    def reset(self) -> None:
        """Go away with RST rather than FIN."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


@asynccontextmanager
async def request(
    port: int,
    method: str,
    path: str,
    *,
    body: object = None,
    headers: dict[str, str] | None = None,
    on_open: Callable[[], None] = lambda: None,
) -> AsyncIterator[Response]:
    """Ask once on a connection of its own; leaving closes it, in the middle or at the end. Raises `Cut`.

    `on_open` is called once the connection is made, before a byte is written.
    """
    data = b"" if body is None else msgspec.json.encode(body)
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(data)}"]
    lines += ["Connection: close"] + (["Content-Type: application/json"] if data else [])
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    except OSError as error:
        raise Cut(type(error).__name__) from error
    try:
        on_open()
        response = Response(reader, writer)
        with suppress(OSError):  # What became of it is told by the answer.
            writer.write("\r\n".join([*lines, "", ""]).encode() + data)
            await writer.drain()
        await response.read_head()
        yield response
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class Frames:
    """Takes an event stream apart: (seq, payload) for each whole frame. `goodbye` tells that a `retry:` came."""

    def __init__(self) -> None:
        self.goodbye = False
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that these bytes complete."""
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        for frame in whole:
            seq, payload = -1, b""
            for line in frame.split(b"\n"):
                name, _, value = line.partition(b": ")
                if name == b"id":
                    seq = int(value)
                elif name == b"data":
                    payload = value
                elif name == b"retry":
                    self.goodbye = True
            if payload:
                yield seq, payload
