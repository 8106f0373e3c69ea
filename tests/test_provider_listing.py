"""The list of models, as long, short or broken as servers send it."""

from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import (
    ProviderError,
    ProviderRejected,
    ProviderUnavailable,
    UpstreamProtocol,
)
from holdfast.provider.openrouter import OpenRouter
from holdfast.provider.shelf import Shelf
from openrouter import LoopbackOpenRouter
from replies import (
    Close,
    Reply,
    Send,
    document,
    page,
    refusal,
)

pytestmark = pytest.mark.anyio
pytest_plugins = ["provider_fixtures"]


async def test_all_pages_of_the_list_are_read(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.page_size = 5
    models = {model.id: model for model in await provider.list_models()}
    assert list(models) == [model["id"] for model in upstream.models]
    assert models["acme/free-1:free"].free
    assert not models["acme/chat-1"].free
    assert models["acme/chat-1"].context_length == 128_000
    assert str(models["acme/chat-1"].prompt_price) == "0.000001"
    assert (models["openrouter/auto"].prompt_price, models["openrouter/auto"].free) == (None, False)


async def test_a_server_that_lists_only_ids_is_understood(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    entries: list[Any] = [{"id": "llama3:8b"}, {"id": "x", "max_model_len": 4096}, {"id": 5}, {}, None, {"id": "a\nb"}]
    upstream.models_reply = document({"object": "list", "data": entries})
    models = await provider.list_models()
    assert [(model.id, model.name, model.context_length, model.free) for model in models] == [
        ("llama3:8b", "llama3:8b", None, False),
        ("x", "x", 4096, False),
    ]


async def test_truth_is_no_number_in_a_list_and_the_list_is_kept_with_it(
    upstream: LoopbackOpenRouter, provider: OpenRouter, tmp_path: Path
) -> None:
    upstream.models_reply = document({"data": [{"id": "x", "context_length": True, "created": True}]})
    models = await provider.list_models()
    assert (models[0].context_length, models[0].created) == (None, None)
    shelf = Shelf(tmp_path / "models.json", "source")
    shelf.write(models, 1, is_openrouter=None)
    kept = shelf.read()
    assert kept
    assert kept.models == models


async def test_a_model_paid_by_the_call_is_not_free(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.models_reply = document(
        {"data": [{"id": "x", "pricing": {"prompt": "0", "completion": "0", "request": "1"}}]}
    )
    assert [model.free for model in await provider.list_models()] == [False]


async def test_the_next_page_is_not_fetched_from_elsewhere(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    async with LoopbackOpenRouter() as elsewhere:
        listed = {"data": [{"id": "x"}], "links": {"next": f"{elsewhere.base_url}/models"}}
        upstream.models_reply = document(listed)
        assert [model.id for model in await provider.list_models()] == ["x"]
        assert elsewhere.ledger == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (document({"data": {}}), UpstreamProtocol),
        (document("x"), UpstreamProtocol),
        (page(), UpstreamProtocol),
        (refusal(401), ProviderRejected),
        (refusal(500), ProviderUnavailable),
        (Reply([Send(b"x" * (1 << 20))] * 40, headers={"Content-Type": "application/json"}), UpstreamProtocol),
        (Reply([Send(b'{"data": ['), Close()], headers={"Content-Type": "application/json"}), UpstreamProtocol),
    ],
)
async def test_a_list_that_cannot_be_had_is_a_typed_error(
    upstream: LoopbackOpenRouter, provider: OpenRouter, reply: Reply, error: type[ProviderError]
) -> None:
    upstream.models_reply = reply
    with pytest.raises(error):
        await provider.list_models()
