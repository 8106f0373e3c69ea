"""Presets: what is shipped, and what stands in where a server does not offer a preset's model."""

import pytest

from holdfast import presets
from holdfast.domain import Preset
from holdfast.provider.catalogue import Catalogue
from holdfast.provider.openrouter import OpenRouter
from listening import KEY
from openrouter import LoopbackOpenRouter
from replies import document

pytestmark = pytest.mark.anyio

OWN = Preset(1, "Own", "acme/chat-1")
ROUTER = Preset(2, "Router", "openrouter/auto")
LATEST = Preset(3, "Latest", "~acme/chat-latest")


async def model_of(upstream: LoopbackOpenRouter, preset: Preset, *offered: str) -> str:
    """The model that a preset comes down to where these are offered."""
    upstream.models_reply = document({"data": [{"id": model_id} for model_id in offered]})
    provider = OpenRouter(upstream.base_url, KEY, is_openrouter=True)
    catalogue = Catalogue(provider)
    try:
        return await presets.model_for(preset, catalogue)
    finally:
        await catalogue.aclose()
        await provider.aclose()


def test_six_presets_are_shipped_by_their_numbers() -> None:
    assert [preset.id for preset in presets.SHIPPED] == [1, 2, 3, 4, 5, 6]
    assert presets.DEFAULT_ID == 1
    assert all(preset.name and preset.model_id for preset in presets.SHIPPED)


async def test_a_presets_own_model_is_asked_where_it_is_offered(upstream: LoopbackOpenRouter) -> None:
    assert await model_of(upstream, OWN, "acme/other", "acme/chat-1") == "acme/chat-1"


@pytest.mark.parametrize("preset", [OWN, ROUTER, LATEST])
async def test_where_no_list_is_known_the_provider_judges(upstream: LoopbackOpenRouter, preset: Preset) -> None:
    assert await model_of(upstream, preset) == preset.model_id


@pytest.mark.parametrize("preset", [ROUTER, LATEST])
async def test_a_router_is_asked_where_there_are_routers(upstream: LoopbackOpenRouter, preset: Preset) -> None:
    assert await model_of(upstream, preset, "acme/chat-1", "openrouter/free") == preset.model_id


@pytest.mark.parametrize("preset", [OWN, ROUTER, LATEST])
async def test_a_server_without_a_presets_model_is_asked_for_its_first(
    upstream: LoopbackOpenRouter, preset: Preset
) -> None:
    assert await model_of(upstream, preset, "llama3:8b", "qwen3") == "llama3:8b"
