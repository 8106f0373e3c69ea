"""The HTTP server: uvicorn, with limits on a request's head and an end that does not wait for open streams."""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from holdfast.domain import new_id
from holdfast.errors import RequestTimeout
from holdfast.http import errors
from holdfast.http.stream import ABORT

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a request's line and headers."""

HEAD_DEADLINE: Final = 10.0
"""Seconds within which a request's head has to arrive."""

_BACKLOG: Final = 4096
_TOO_SLOW: Final = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b"
)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_LAST_WORDS: Final = 5
"""Whole seconds that ordinary requests have to end once the process is told to."""


class Protocol(HttpToolsProtocol):
    """One connection. Streams find a way in their scope to cut it."""

    _head_size = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer is there; its request has to follow."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEAD_DEADLINE, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_size = 0
        self._arrived()
        self._deadline = self.loop.call_later(HEAD_DEADLINE, self._refuse_slow)
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[dict-item]

    def on_url(self, url: bytes) -> None:
        """A part of the request line. Raises `HttpParserError`, which uvicorn answers with 400."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. Raises `HttpParserError`."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._arrived()
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            self.cycle.__class__ = _Unchunked  # uvicorn makes the cycle and hands it to a task at once.
            self.cycle.chunked_encoding = False

    def _refuse_slow(self) -> None:
        """Answer a head that does not come to its end; nothing above this has heard of the request yet."""
        body = bytes(errors.response(RequestTimeout(), new_id()).body)
        self.transport.write(_TOO_SLOW % (len(body), body))
        self.transport.close()

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEAD_LIMIT:
            raise httptools.HttpParserError("head too large")

    def _arrived(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None


class _Unchunked(RequestResponseCycle):
    """An answer in HTTP/1.0, as some proxies ask: it ends with its connection, for there are no chunks yet."""

    async def send(self, message: Any) -> None:
        """Pass a message on; a body without a length is as long as it is."""
        if message["type"] == "http.response.body":
            more = message.get("more_body", False)
            self.expected_content_length = sys.maxsize if more else len(message.get("body", b""))
        await super().send(message)


class Server(uvicorn.Server):
    """Calls `on_ready` once it listens and `on_exit` at the first signal to end; a second one ends at once."""

    def __init__(
        self, app: ASGIApp, *, trusted_proxies: str, on_ready: Callable[[], None], on_exit: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=_BACKLOG,
                forwarded_allow_ips=trusted_proxies,
                timeout_graceful_shutdown=_LAST_WORDS,
            )
        )
        self._on_ready = on_ready
        self._on_exit = on_exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals on the loop: also while what runs is waited for, after the last connection is gone."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    @staticmethod
    def release_signals() -> None:
        """Leave signals to Python again."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to end; at the second signal do not wait for anything more."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True
        self._on_exit()
