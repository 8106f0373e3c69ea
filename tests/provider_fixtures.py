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
async def provider(request: pytest.FixtureRequest, upstream: LoopbackOpenRouter) -> AsyncIterator[OpenRouter]:
    transport: TransportName = request.param
    made = OpenRouter(upstream.base_url, KEY, is_openrouter=True, transport=transport)
    yield made
    await made.aclose()
