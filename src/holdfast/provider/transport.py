"""The HTTP client under the providers, and what its failures mean.

One client for all calls. It follows no redirect, keeps no cookies, sets no limit of connections of its own, and
every exception that it can raise leaves here as a `ProviderError`.
"""

import asyncio
import ssl
from contextlib import suppress
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
import httpx2
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from httpx_aiohttp.httpx2 import AiohttpTransport

from holdfast.errors import ProviderError, ProviderUnavailable, UpstreamProtocol

TransportName = Literal["aiohttp", "httpx"]

CONNECT_SECONDS = 5.0
"""For everything before the first byte of a request: resolving, connecting, TLS."""

_KEEPALIVE_SECONDS = 4.0
"""Below the 5 s after which uvicorn (vLLM) and llama.cpp close: a request on a dying connection cannot be retried."""

_READER = "holdfast.reader"
_PROTOCOL = "holdfast.protocol"

FOREIGN = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    aiohttp.ClientError,
    HttpProcessingError,
    OSError,  # TimeoutError and ssl.SSLError among them
    ValueError,  # an address or a header that cannot be sent
)
"""Whatever the client raises."""

_CERTIFICATE = "The provider's certificate could not be verified. Check OPENROUTER_BASE_URL and this machine's clock."


def client(name: TransportName, base_url: str) -> httpx2.AsyncClient:
    """Make the client. No read timeout: how long silence may last is the caller's to say."""
    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS)
    if name == "aiohttp":
        http = httpx2.AsyncClient(
            transport=_Transport(verify=_tls(), client=_session, proxy=_proxy(base_url)),
            timeout=timeout,
            follow_redirects=False,
        )
    else:
        limits = httpx2.Limits(max_connections=None, keepalive_expiry=_KEEPALIVE_SECONDS)
        http = httpx2.AsyncClient(verify=_tls(), limits=limits, timeout=timeout, follow_redirects=False)
    http.headers.clear()
    http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # cookies would tie people's calls together
    return http


class Body:
    """The bytes of an answer as they arrive, undecoded."""

    def __init__(self, response: httpx2.Response) -> None:
        """Take over the response: closing this ends it."""
        self._response = response
        self._reader: aiohttp.StreamReader | None = response.extensions.get(_READER)
        self._protocol: ResponseHandler | None = response.extensions.get(_PROTOCOL)
        self._chunks = response.aiter_raw()

    async def read(self) -> bytes:
        """Bring the bytes that have arrived or come next, b"" at the end. Raises `UpstreamProtocol` where it breaks."""
        try:
            if self._reader is not None:  # past three generators, which would cost as much as all that follows
                data = await self._reader.readany()
                if self._protocol is not None and self._protocol._reading_paused:  # noqa: SLF001
                    self._protocol.resume_reading()
                return data
            return await anext(self._chunks, b"")
        except FOREIGN as broken:
            # aiohttp refuses to read as soon as the connection breaks; what had arrived before is still there.
            if self._reader is not None and (arrived := self._reader._read_nowait(-1)):  # noqa: SLF001
                return arrived
            raise UpstreamProtocol from broken

    async def drain(self, seconds: float) -> None:
        """Read to the end, for a short while, so that the connection can serve again."""
        with suppress(TimeoutError, ProviderError):
            async with asyncio.timeout(seconds):
                while await self.read():
                    pass

    async def aclose(self) -> None:
        """Close the connection, unless the body came to its end."""
        with suppress(*FOREIGN):
            await self._chunks.aclose()
            await self._response.aclose()


class _Transport(AiohttpTransport):
    """The library's transport, with the body's reader handed out and a hang of aiohttp mended."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        answer: aiohttp.ClientResponse = getattr(response.stream, "_aiohttp_response")  # noqa: B009  it has no type
        response.extensions[_READER] = answer.content
        if answer.connection is not None and answer.connection.protocol is not None:
            response.extensions[_PROTOCOL] = answer.connection.protocol
            # After each read aiohttp resumes a socket that was never paused, which parses nothing once more: 10 µs a
            # token. Below no bytes there is nothing, so it does not; `Body.read` does it where there is a pause.
            answer.content._low_water = 0  # noqa: SLF001
            _end_with_connection(answer.content, answer.connection.protocol.closed)
        return response


def _end_with_connection(reader: aiohttp.StreamReader, closed: asyncio.Future[None] | None) -> None:
    """End the body when its connection closes (None: it has).

    After a broken chunk aiohttp 3.14 closes the connection and leaves whoever reads waiting for ever.
    """

    def end(_lost: asyncio.Future[None] | None) -> None:
        if not reader.is_eof() and reader.exception() is None:
            reader.feed_eof()

    if closed is None:
        end(None)
        return

    def forget() -> None:  # since the connection may outlive many bodies
        closed.remove_done_callback(end)

    if closed not in _looked_at:  # It outlives this body, and asyncio reports what nobody looks at.
        _looked_at.add(closed)
        closed.add_done_callback(_look_at)
    closed.add_done_callback(end)
    reader.on_eof(forget)


_looked_at: WeakSet[asyncio.Future[None]] = WeakSet()


def _look_at(lost: asyncio.Future[None]) -> None:
    if not lost.cancelled():
        lost.exception()


def unreachable(failure: Exception) -> ProviderError:
    """Translate a failure before the head of the answer."""
    origin = _origin(failure)
    if isinstance(origin, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return ProviderUnavailable(_CERTIFICATE, retryable=False)
    malformed = isinstance(origin, aiohttp.ClientResponseError | HttpProcessingError | httpx2.RemoteProtocolError)
    if malformed and "disconnected" not in str(origin):  # which httpx counts among the breaches of protocol
        return UpstreamProtocol("The provider's server answered with something that is not HTTP. Try again.")
    return ProviderUnavailable()


def never_connected(failure: Exception) -> bool:
    """Whether it failed fast and before a byte of the request was sent, so that trying once more is safe."""
    origin = _origin(failure)
    if isinstance(origin, aiohttp.ClientError):
        return isinstance(origin, aiohttp.ClientConnectorError) and not isinstance(origin, aiohttp.ClientSSLError)
    return isinstance(origin, httpx2.ConnectError) and not isinstance(origin.__cause__, ssl.SSLError)


def _origin(failure: Exception) -> BaseException:
    """Look through the transport's translation, which calls a lost connection a timeout while connecting."""
    return failure.__cause__ if isinstance(failure.__cause__, aiohttp.ClientError) else failure


@cache
def _tls() -> ssl.SSLContext:
    """Make the one context, which takes 50 ms each time."""
    return httpx2.create_ssl_context()


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=0,  # none; what the transport takes for none is 100
        keepalive_timeout=_KEEPALIVE_SECONDS,
        ssl=_tls(),
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def _proxy(base_url: str) -> httpx2.Proxy | None:
    """Find the proxy that the environment names for this address.

    Not aiohttp's `trust_env`, which also reads .netrc and fails where that has an entry for the host.
    """
    parts = urlsplit(base_url)
    address = getproxies().get(parts.scheme)
    if not address or proxy_bypass(parts.hostname or ""):
        return None
    return httpx2.Proxy(address if "://" in address else f"http://{address}")
