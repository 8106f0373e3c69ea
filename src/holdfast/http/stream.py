"""Event streams over HTTP: a bare ASGI response that hands on what a source reads, and the care for open ones.

One `send` for whatever is new. Nothing a reader does or leaves undone reaches the generation it follows.
"""

import asyncio
from random import Random
from typing import Any, Final, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from holdfast.errors import StorageError

STUCK_LIMIT: Final = 20.0
"""Seconds after which a reader whose socket takes nothing is let go; it may come back to where it was."""

RAW_SEND: Final = "holdfast.send"
"""Where `guard` leaves the server's own `send` in a scope, past every layer that would add its cost to each token."""

ABORT: Final = "holdfast.abort"
"""Where the server leaves a function that cuts the connection."""

_COMMENT: Final = b":\n\n"
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]
_RETRY_MS: Final = (1000, 3000)


class Streams:
    """The open streams: each says something at least every `heartbeat` seconds, and all can be let go at once."""

    def __init__(self, heartbeat: float) -> None:
        self.closing = False
        self._open: set[EventStream] = set()
        self._period = heartbeat / 2  # Who just missed one beat is in time with the next.
        self._random = Random()  # noqa: S311 - spreads reconnections, guards nothing

    def add(self, stream: "EventStream") -> None:
        """Care for a stream from now on."""
        self._open.add(stream)

    def discard(self, stream: "EventStream") -> None:
        """It is over."""
        self._open.discard(stream)

    async def beat(self) -> None:
        """Keep streams alive and let stuck ones go. Runs for as long as the application does."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._period)
            late = loop.time() - STUCK_LIMIT
            for stream in list(self._open):
                if stream.sending_since is not None and stream.sending_since < late:
                    stream.abort()
                stream.source.wake()

    def close(self) -> None:
        """Have every stream say goodbye and end, and every later one too."""
        self.closing = True
        for stream in self._open:
            stream.source.wake()

    def goodbye(self) -> bytes:
        """Ask a client back in a moment, and not all of them in the same one."""
        return b"retry: %d\n\n" % self._random.randint(*_RETRY_MS)


class Source(Protocol):
    """Where a stream's bytes come from."""

    async def read(self) -> bytes | None:
        """What is new; b"" where it was woken without news, None at the end. Raises `StorageError`."""

    def wake(self) -> None:
        """Let a `read` that waits return."""

    def leave(self) -> None:
        """The reader is gone."""


class EventStream(Response):
    """One reader's stream. `sending_since` is the time since which its socket has not taken what it was given."""

    def __init__(self, source: Source, streams: Streams) -> None:
        super().__init__()
        self.source = source
        self.sending_since: float | None = None
        self._streams = streams
        self._cut: Any = None

    def abort(self) -> None:
        """Cut the connection of a reader that takes nothing."""
        if self._cut:
            self._cut()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end of the source, of the connection or of the process."""
        extensions = scope.get("extensions") or {}
        self._cut = extensions.get(ABORT)
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        send = extensions.get(RAW_SEND, send)
        gone = asyncio.create_task(self._notice_leaving(receive))
        self._streams.add(self)
        try:
            await self._send_all(send)
        finally:
            self._streams.discard(self)
            self.source.leave()
            gone.cancel()

    async def _send_all(self, send: Send) -> None:
        time = asyncio.get_running_loop().time
        goodbye = False
        await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
        while not self._streams.closing:
            try:
                data = await self.source.read()
            except StorageError:
                goodbye = True  # The reader comes back to where it was.
                break
            if data is None:
                break
            if not data:
                await asyncio.sleep(0)  # Whatever a source does, it cannot keep the loop to itself.
            self.sending_since = time()
            await send({"type": "http.response.body", "body": data or _COMMENT, "more_body": True})
            self.sending_since = None
        self.sending_since = time()
        last = self._streams.goodbye() if goodbye or self._streams.closing else b""
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _notice_leaving(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.source.leave()
