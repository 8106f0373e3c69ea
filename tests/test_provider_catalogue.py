"""The catalogue: what it knows, and that nobody waits for it."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from holdfast.domain import Model
from holdfast.errors import UnknownModel
from holdfast.provider.catalogue import Catalogue
from holdfast.provider.openrouter import OpenRouter
from holdfast.provider.shelf import VERSION, Shelf
from openrouter import LoopbackOpenRouter
from replies import Hold, Reply, Silence, document, refusal

pytestmark = pytest.mark.anyio
pytest_plugins = ["provider_fixtures"]


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def catalogue(provider: OpenRouter, clock: Clock) -> AsyncIterator[Catalogue]:
    made = Catalogue(provider, max_age=600, clock=clock)
    yield made
    await made.aclose()


def listing(*model_ids: str) -> Reply:
    return document({"data": [{"id": model_id, "context_length": 4096} for model_id in model_ids]})


async def renewed(catalogue: Catalogue) -> list[str]:
    """Ask as a reader does, wait for the renewal that this began, and ask again."""
    await catalogue.models()
    assert catalogue._renewal is not None
    await catalogue._renewal
    return [model.id for model in await catalogue.models()]


async def test_the_first_reader_gets_the_list(catalogue: Catalogue) -> None:
    models = {model.id: model for model in await catalogue.models()}
    assert models["acme/chat-1"].prompt_price == Decimal("0.000001")


async def test_the_list_is_fetched_once_while_it_is_fresh(
    upstream: LoopbackOpenRouter, catalogue: Catalogue, clock: Clock
) -> None:
    await asyncio.gather(*(catalogue.models() for _ in range(20)))
    clock.now += 599
    await catalogue.models()
    assert len(upstream.ledger) == 1


async def test_an_old_list_is_given_at_once_and_renewed_behind_it(
    upstream: LoopbackOpenRouter, catalogue: Catalogue, clock: Clock
) -> None:
    upstream.models_reply = listing("a/1")
    await catalogue.models()
    hold = Hold()
    upstream.models_reply = Reply(before=[hold, Silence()])
    clock.now += 601
    assert [model.id for model in await catalogue.models()] == ["a/1"]
    await hold.reached.wait()
    assert [model.id for model in await catalogue.models()] == ["a/1"]
    assert len(upstream.ledger) == 2


async def test_a_new_list_replaces_the_old_one(
    upstream: LoopbackOpenRouter, catalogue: Catalogue, clock: Clock
) -> None:
    upstream.models_reply = listing("a/1")
    await catalogue.models()
    upstream.models_reply = listing("a/2")
    clock.now += 601
    assert await renewed(catalogue) == ["a/2"]


@pytest.mark.parametrize("reply", [refusal(500), listing()])
async def test_the_old_list_outlives_the_providers_absence(
    upstream: LoopbackOpenRouter, catalogue: Catalogue, clock: Clock, reply: Reply
) -> None:
    upstream.models_reply = listing("a/1")
    await catalogue.models()
    upstream.models_reply = reply
    clock.now += 601
    assert await renewed(catalogue) == ["a/1"]
    assert await catalogue.knows("a/1")
    assert not await catalogue.knows("a/2")


async def test_a_provider_that_failed_is_asked_again_after_a_while(
    upstream: LoopbackOpenRouter, catalogue: Catalogue, clock: Clock
) -> None:
    upstream.models_reply = refusal(500)
    assert await catalogue.models() == []
    upstream.models_reply = listing("a/1")
    assert await catalogue.models() == []
    clock.now += 31
    assert [model.id for model in await catalogue.models()] == ["a/1"]


async def test_a_silent_provider_holds_nobody_up_for_long(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.models_reply = Reply(before=[Silence()])
    catalogue = Catalogue(provider, patience=0.01)
    assert await catalogue.models() == []
    assert await catalogue.knows("anything/at-all")
    await upstream.until(lambda: bool(upstream.ledger))
    await catalogue.aclose()
    await upstream.ledger[0].left.wait()


@pytest.mark.parametrize(
    ("model_id", "known"),
    [
        ("acme/chat-1", True),
        *((f"acme/chat-1:{suffix}", True) for suffix in ("free", "nitro", "floor", "exacto", "online", "thinking")),
        ("acme/free-1:free", True),
        ("acme/free-1", False),
        ("acme/chat-1:made-up", False),
        ("acme/chat-1:nitro:free", False),
        ("acme/chat-2", False),
        ("acme/chat-2:free", False),
        ("openrouter/auto", True),
        ("openrouter/brand-new", True),
        ("~acme/chat-latest", True),
        ("@preset/mine", True),
        ("acme/chat-1@preset/mine", True),
        ("", False),
        ("openrouter/\n", False),
        ("openrouter/" + "x" * 10_000, False),
        ("ACME/CHAT-1", False),
    ],
)
async def test_which_models_are_known(catalogue: Catalogue, model_id: str, known: bool) -> None:  # noqa: FBT001
    assert await catalogue.knows(model_id) is known


async def test_with_an_empty_list_the_provider_judges(upstream: LoopbackOpenRouter, catalogue: Catalogue) -> None:
    upstream.models_reply = listing()
    assert await catalogue.knows("whatever")
    assert not catalogue.offers("whatever")


async def test_what_is_listed_and_its_variants_are_offered(upstream: LoopbackOpenRouter, catalogue: Catalogue) -> None:
    upstream.models_reply = listing("llama3:8b", "acme/chat-1")
    await catalogue.models()
    assert catalogue.offers("llama3:8b")
    assert catalogue.offers("acme/chat-1:nitro")
    assert not catalogue.offers("llama3:70b")
    assert not catalogue.offers("openrouter/auto")
    assert catalogue.context_length("acme/chat-1:nitro") == 4096
    assert catalogue.context_length("openrouter/auto") is None


async def test_up_to_three_near_names_are_suggested(upstream: LoopbackOpenRouter, catalogue: Catalogue) -> None:
    upstream.models_reply = listing("acme/chat-1", "acme/chat-2", "acme/chat-3", "acme/chat-4", "other/thing")
    await catalogue.models()
    nearest = await catalogue.nearest("acme/chat-9")
    assert len(nearest) == 3
    assert all(model_id.startswith("acme/chat-") for model_id in nearest)
    assert await catalogue.nearest("zzzzzz") == []


async def test_closing_ends_a_renewal_under_way(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    hold = Hold()
    upstream.models_reply = Reply(before=[hold, Silence()])
    catalogue = Catalogue(provider)
    reading = asyncio.create_task(catalogue.models())
    await hold.reached.wait()
    await catalogue.aclose()
    assert await reading == []
    await upstream.ledger[0].left.wait()


KEPT = {"is_openrouter": True, "listed_at": 1, "source": "here", "version": VERSION}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "models.json", "here")


async def test_a_list_outlives_the_process_and_nobody_waits_for_a_silent_provider(
    upstream: LoopbackOpenRouter, provider: OpenRouter, shelf: Shelf
) -> None:
    first = Catalogue(provider, shelf)
    models = await first.models()
    await first.aclose()
    upstream.models_reply = Reply([Silence()])
    second = Catalogue(provider, shelf, patience=3600)
    assert await second.models() == models  # With prices, and long before the patience is over.
    assert second.listed_at == first.listed_at
    await second.aclose()


async def test_a_list_from_the_disk_is_replaced_by_the_providers_and_refuses_nobody_before(
    upstream: LoopbackOpenRouter, provider: OpenRouter, shelf: Shelf
) -> None:
    shelf.write([Model("acme/old", "Old")], 1, is_openrouter=None)
    upstream.models_reply = listing("acme/new")
    catalogue = Catalogue(provider, shelf)
    await catalogue.check("acme/new")
    assert not await catalogue.knows("acme/old")
    with pytest.raises(UnknownModel, match="acme/new"):
        await catalogue.check("acme/ne")
    await catalogue.aclose()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[" * 100_000,
        "\x00\xff",
        json.dumps(KEPT | {"models": []}),
        json.dumps(KEPT | {"models": [{"id": 1}]}),
        json.dumps(KEPT | {"models": [{"id": "a", "name": "A"}], "version": VERSION + 1}),
        json.dumps(KEPT | {"models": [{"id": "a", "name": "A"}], "source": "elsewhere"}),
        json.dumps(KEPT | {"models": [{"id": "a", "name": "A", "prompt_price": "NaN?"}]}),
    ],
    ids=range(10),
)
def test_whatever_is_in_the_file_a_list_is_read_or_none(tmp_path: Path, shelf: Shelf, text: str) -> None:
    (tmp_path / "models.json").write_text(text, "latin-1")
    assert shelf.read() is None


def test_a_place_that_cannot_be_written_to_is_no_failure(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "nowhere" / "models.json", "here")
    shelf.write([Model("a", "A")], 1, is_openrouter=None)
    assert shelf.read() is None
    shelf = Shelf(tmp_path / "models.json", "here")
    shelf.write([Model("a", "A")], 1, is_openrouter=None)
    assert [path.name for path in tmp_path.iterdir()] == ["models.json"]
