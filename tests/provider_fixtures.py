"""An upstream, and a provider that asks it through each HTTP transport."""

from collections.abc import AsyncIterator

import pytest

from holdfast.provider.openrouter import OpenRouter
from holdfast.provider.transport import TransportName
from listening import KEY
from openrouter import LoopbackOpenRouter


@pytest.fixture
async def upstream() -> AsyncIterator[LoopbackOpenRouter]:
    async with LoopbackOpenRouter() as server:
        yield server


@pytest.fixture(params=["aiohttp", "httpx"])
async def provider(
    request: pytest.FixtureRequest, upstream: LoopbackOpenRouter, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenRouter]:
    transport: TransportName = request.param
    monkeypatch.setattr("holdfast.provider.transport.CONNECT_SECONDS", 60)  # a busy machine connects slowly
    made = OpenRouter(upstream.base_url, KEY, is_openrouter=True, transport=transport)
    yield made
    await made.aclose()
