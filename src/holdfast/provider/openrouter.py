"""OpenRouter, and whatever else speaks its chat completions protocol.

A call is made once. Only a connection that failed before a byte of the request was sent is tried a second time;
the key goes to no other origin, and neither it nor any text is ever logged.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx2
import msgspec

from holdfast.domain import CompletionRequest, Model, Outcome
from holdfast.errors import ProviderError, ProviderUnavailable, UpstreamProtocol
from holdfast.provider import failures, listing, record
from holdfast.provider.answer import Answer
from holdfast.provider.transport import FOREIGN, Body, TransportName, client, never_connected, unreachable

_REFUSAL_BYTES = 2 << 20
_REFUSAL_SECONDS = 5.0
_LIST_BYTES = 32 << 20
_LIST_PAGES = 50
_LIST_SECONDS = 30.0
_RECORD_BYTES = 1 << 20
_RECORD_SECONDS = 15.0
_RECONNECT_SECONDS = 0.2
_DRAIN_SECONDS = 0.1
_SESSION_ID_CHARACTERS = 256

_OURS = frozenset({"model", "models", "messages", "n", "route", "stream", "stream_options"})
"""Fields that no preset may set."""

_OPENROUTER_ONLY = frozenset(
    {
        "cache_control",
        "include_reasoning",
        "models",
        "plugins",
        "preset",
        "provider",
        "reasoning",
        "route",
        "session_id",
        "transforms",
        "usage",
    },
)
_LENGTH_LIMITS = ("max_completion_tokens", "max_tokens")


class OpenRouter:
    """The port over HTTP."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        *,
        is_openrouter: bool | None,
        presumed: bool | None = None,
        transport: TransportName = "aiohttp",
        attribution: bool = True,
        app_url: str = "http://localhost",
        app_title: str = "Holdfast",
    ) -> None:
        """Prepare calls to `base_url`, which ends in `/v1`; no connection is made yet.

        `is_openrouter` says whether the server knows OpenRouter's own fields and keeps its records; None: its list of
        models will tell, and until then it counts as `presumed`. `attribution` says whether it is told which
        application calls.
        """
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key or None
        self._is_openrouter = presumed if is_openrouter is None else is_openrouter
        self._is_told = is_openrouter is not None
        self._http = client(transport, self._base_url)
        self._headers = {"Accept-Encoding": "identity", "User-Agent": app_title}
        if self._api_key:
            self._headers["Authorization"] = f"Bearer {self._api_key}"
        if attribution:
            self._headers |= {"HTTP-Referer": app_url, "X-OpenRouter-Title": app_title}
        self._is_openai = (urlsplit(self._base_url).hostname or "").endswith("openai.com")

    @property
    def keeps_records(self) -> bool | None:
        """As the port has it: OpenRouter does."""
        return self._is_openrouter

    @asynccontextmanager
    async def stream(self, request: CompletionRequest) -> AsyncIterator[Answer]:
        """Open one completion; see the port."""
        content = msgspec.json.encode(self._request_body(request))
        headers = self._headers | {"Content-Type": "application/json", "Accept": "text/event-stream"}
        response = await self._send(
            self._http.build_request("POST", f"{self._base_url}/chat/completions", content=content, headers=headers)
        )
        body = Body(response)
        try:
            await self._check(response, body)
            answer = Answer(
                body.read,
                streamed=not _media_type(response).endswith("json"),
                upstream_id=response.headers.get("x-generation-id"),
                api_key=self._api_key,
            )
            yield answer
            if answer.complete:
                await body.drain(_DRAIN_SECONDS)
        finally:
            await body.aclose()

    async def list_models(self) -> list[Model]:
        """List what the provider offers. Raises `ProviderError`."""
        found: dict[str, Model] = {}
        url: str | None = f"{self._base_url}/models"
        try:
            async with asyncio.timeout(_LIST_SECONDS):
                for _ in range(_LIST_PAGES):
                    if url is None:
                        break
                    page = await self._page(url)
                    found |= {model.id: model for model in page.models}
                    if not self._is_told:
                        self._is_openrouter, self._is_told = page.is_openrouter, True
                    url = self._same_origin(url, page.following)
        except TimeoutError as slow:
            raise ProviderUnavailable from slow
        return list(found.values())

    async def find_record(self, upstream_id: str) -> Outcome | None:
        """Ask what a call took; None where that is not known yet. Raises `ProviderError`."""
        try:
            async with asyncio.timeout(_RECORD_SECONDS):
                body = await self._get(f"{self._base_url}/generation?id={quote(upstream_id, safe='')}", _RECORD_BYTES)
        except TimeoutError as slow:
            raise ProviderUnavailable from slow
        return None if body is None else record.read(body)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and wait for the head of the answer. Raises `ProviderError`."""
        try:
            return await self._http.send(request, stream=True)
        except FOREIGN as failure:
            if not never_connected(failure):
                raise unreachable(failure) from failure
        await asyncio.sleep(_RECONNECT_SECONDS)
        try:
            return await self._http.send(request, stream=True)
        except FOREIGN as failure:
            raise unreachable(failure) from failure

    async def _check(self, response: httpx2.Response, body: Body) -> None:
        """Raise what the head of an answer says against reading on."""
        plain = response.headers.get("content-encoding", "identity").strip().lower() == "identity"
        if not response.is_success:
            words = await _beginning(body) if plain else b""
            raise failures.refused(response.status_code, response.headers, words, self._api_key)
        if not plain:
            raise UpstreamProtocol("The provider compressed its answer, though it was asked not to.")
        media_type = _media_type(response)
        if media_type not in ("text/event-stream", "application/json", ""):
            raise failures.incomprehensible(media_type)

    def _request_body(self, request: CompletionRequest) -> dict[str, Any]:
        parameters = {
            name: value
            for name, value in request.parameters.items()
            if name not in _OURS and (self._is_openrouter or name not in _OPENROUTER_ONLY)
        }
        limits = [parameters.pop(name, None) for name in _LENGTH_LIMITS]
        limit = next((each for each in limits if each is not None), None)
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": role, "content": text} for role, text in request.prompt.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **parameters,
        }
        if limit is not None:
            # Ollama reads only the old name, OpenAI's newer models refuse it.
            body["max_completion_tokens" if self._is_openrouter or self._is_openai else "max_tokens"] = limit
        if self._is_openrouter:
            body["session_id"] = request.conversation_id[:_SESSION_ID_CHARACTERS]
            if request.fallback_models:
                body["models"] = list(request.fallback_models)
        return body

    async def _page(self, url: str) -> listing.Page:
        body = await self._get(url, _LIST_BYTES)
        if body is None:
            raise ProviderUnavailable("The provider has no list of models. Check OPENROUTER_BASE_URL.")
        return listing.read(body)

    async def _get(self, url: str, limit: int) -> bytes | None:
        """A document of at most `limit` bytes; None where there is none. Raises `ProviderError`."""
        headers = self._headers | {"Accept": "application/json"}
        response = await self._send(self._http.build_request("GET", url, headers=headers))
        body = Body(response)
        try:
            if response.status_code == HTTPStatus.NOT_FOUND:
                return None
            await self._check(response, body)
            content = bytearray()
            while data := await body.read():
                content += data
                if len(content) > limit:
                    raise UpstreamProtocol("The provider sent a document that is too long to be one.")
        finally:
            await body.aclose()
        return bytes(content)

    def _same_origin(self, page: str, following: str | None) -> str | None:
        """Resolve the link to the next page; None for one that would take the key elsewhere."""
        if not following:
            return None
        try:
            url = urljoin(page, following)
            ours, theirs = urlsplit(self._base_url), urlsplit(url)
            same = (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)
        except ValueError:
            return None
        return url if same and url != page else None


def _media_type(response: httpx2.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


async def _beginning(body: Body) -> bytes:
    """Read as much of a refusal as may hold its reason. Never fails: the status alone says enough."""
    content = bytearray()
    try:
        async with asyncio.timeout(_REFUSAL_SECONDS):
            while len(content) < _REFUSAL_BYTES and (data := await body.read()):
                content += data
    except (TimeoutError, ProviderError):
        pass
    return bytes(content[:_REFUSAL_BYTES])
