"""Presets: what is shipped, and what stands in where a server does not offer a preset's model."""

import json
from pathlib import Path
from typing import Any

import pytest

from holdfast import presets
from holdfast.domain import Preset
from holdfast.provider.catalogue import Catalogue
from holdfast.provider.openrouter import OpenRouter
from holdfast.store import Store
from listening import KEY
from openrouter import LoopbackOpenRouter
from replies import answer, document
from serving import Served, serving
from stored import OWNER, add_stranger, rows

pytestmark = pytest.mark.anyio

OWN = Preset(1, "Own", "acme/chat-1")
ROUTER = Preset(2, "Router", "openrouter/auto")
LATEST = Preset(3, "Latest", "~acme/chat-latest")


async def model_of(upstream: LoopbackOpenRouter, store: Store, preset: Preset, *offered: str) -> str:
    """The model that a preset comes down to where these are offered."""
    upstream.models_reply = document({"data": [{"id": model_id} for model_id in offered]})
    provider = OpenRouter(upstream.base_url, KEY, is_openrouter=True)
    catalogue = Catalogue(provider)
    try:
        return await presets.Presets(store, catalogue).model_for(preset)
    finally:
        await catalogue.aclose()
        await provider.aclose()


def test_six_presets_are_shipped_by_their_numbers() -> None:
    assert [preset.id for preset in presets.SHIPPED] == [1, 2, 3, 4, 5, 6]
    assert presets.DEFAULT_ID == 1
    assert all(preset.name and preset.model_id for preset in presets.SHIPPED)


async def test_a_presets_own_model_is_asked_where_it_is_offered(upstream: LoopbackOpenRouter, store: Store) -> None:
    assert await model_of(upstream, store, OWN, "acme/other", "acme/chat-1") == "acme/chat-1"


@pytest.mark.parametrize("preset", [OWN, ROUTER, LATEST])
async def test_where_no_list_is_known_the_provider_judges(
    upstream: LoopbackOpenRouter, store: Store, preset: Preset
) -> None:
    assert await model_of(upstream, store, preset) == preset.model_id


@pytest.mark.parametrize("preset", [ROUTER, LATEST])
async def test_a_router_is_asked_where_there_are_routers(
    upstream: LoopbackOpenRouter, store: Store, preset: Preset
) -> None:
    assert await model_of(upstream, store, preset, "acme/chat-1", "openrouter/free") == preset.model_id


@pytest.mark.parametrize("preset", [OWN, ROUTER, LATEST])
async def test_a_server_without_a_presets_model_is_asked_for_its_first(
    upstream: LoopbackOpenRouter, store: Store, preset: Preset
) -> None:
    assert await model_of(upstream, store, preset, "llama3:8b", "qwen3") == "llama3:8b"


async def test_a_variant_of_a_model_that_is_offered_is_asked(upstream: LoopbackOpenRouter, store: Store) -> None:
    variant = Preset(1, "Own", "acme/chat-1:nitro")
    assert await model_of(upstream, store, variant, "acme/other", "acme/chat-1") == "acme/chat-1:nitro"


async def test_a_fallback_stands_in_for_a_model_that_is_gone(upstream: LoopbackOpenRouter, store: Store) -> None:
    gone = Preset(1, "Own", "acme/gone", ("acme/gone-too", "acme/chat-1", "acme/other"))
    assert await model_of(upstream, store, gone, "acme/other", "acme/chat-1") == "acme/chat-1"


async def test_at_a_routers_the_nearest_name_stands_in_and_not_just_any(
    upstream: LoopbackOpenRouter, store: Store
) -> None:
    gone = Preset(1, "Own", "acme/chat-1.5")
    listed = ("dear/huge-pro", "openrouter/auto", "acme/chat-1.7", "acme/embed")
    assert await model_of(upstream, store, gone, *listed) == "acme/chat-1.7"
    assert await model_of(upstream, store, Preset(1, "Own", "zzz"), *listed) == "dear/huge-pro"


async def test_on_a_server_that_lists_only_ids_of_its_own_the_first_one_answers_and_it_is_said(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.models_reply = document({"object": "list", "data": [{"id": "llama3:8b"}, {"id": "qwen3"}]})
    async with serving(
        monkeypatch, tmp_path, OPENROUTER_BASE_URL=upstream.base_url, HOLDFAST_PROVIDER="auto"
    ) as served:
        items = (await served.get("/api/presets"))["items"]
        assert {item["effective_model_id"] for item in items} == {"llama3:8b"}
        assert [item["model_id"] for item in items] == [preset.model_id for preset in presets.SHIPPED]
        started = (await served.send("Go."))[0].event
        assert started["model"] == upstream.completions[-1].model == "llama3:8b"
        assert "models" not in upstream.completions[-1].body
        refused = await served.http.post("/chat", json={"message": "Go.", "model_id": "llama3"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unknown_model")
        assert "llama3:8b" in refused.json()["error"]["message"]
        (listed,) = [model for model in (await served.get("/api/models"))["items"] if model["id"] == "qwen3"]
        assert listed["modalities"] == ["text"]
        assert (listed["name"], listed["prompt_price"], listed["context_length"]) == ("qwen3", None, None)


async def test_a_preset_whose_model_went_away_says_so_offers_the_nearest_and_answers_by_what_stands_in(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    database = served.data / "holdfast.sqlite3"
    await served.http.put("/api/presets/3", json=CHANGED | {"fallback_model_ids": []})
    await rows(database, "UPDATE presets SET model_id = 'acme/thinker-0' WHERE preset_id = 3")
    preset = (await served.get("/api/presets"))["items"][2]
    assert (preset["model_id"], preset["effective_model_id"]) == ("acme/thinker-0", "acme/thinker")
    assert preset["nearest_model_ids"][0] == "acme/thinker"
    started = (await served.send("Go.", preset_id=3))[0].event
    assert started["model"] == "acme/thinker"
    assert "models" not in upstream.completions[-1].body


async def test_which_fallback_answered_is_kept_beside_what_was_asked(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    await served.http.put("/api/presets/2", json=CHANGED)
    upstream.script(answer("Hello.", model="acme/chat-1"))
    started = (await served.send("Go.", preset_id=2))[0].event
    _, told = await served.messages(started["conversation_id"])
    assert (told["preset_id"], told["model"], told["model_id_used"]) == (2, "acme/thinker", "acme/chat-1")


CHANGED = {
    "name": " My\nown ",
    "model_id": "acme/thinker",
    "fallback_model_ids": ["acme/chat-1", "acme/chat-1"],
    "system_prompt": "Be brief.",
    "parameters": {"temperature": 0.5, "reasoning": {"effort": "low"}},
}


async def test_a_preset_is_changed_used_and_put_back(served: Served, upstream: LoopbackOpenRouter) -> None:
    changed = (await served.http.put("/api/presets/2", json=CHANGED)).json()
    assert (changed["id"], changed["name"], changed["fallback_model_ids"]) == (2, "My own", ["acme/chat-1"])
    assert (await served.get("/api/presets"))["items"][1] == changed
    await served.send("Go.", preset_id=2)
    asked = upstream.completions[-1].body
    assert (asked["model"], asked["models"], asked["temperature"]) == ("acme/thinker", ["acme/chat-1"], 0.5)
    assert asked["reasoning"] == {"effort": "low"}
    assert asked["messages"][0] == {"role": "system", "content": "Be brief."}
    shipped = (await served.http.delete("/api/presets/2")).json()
    assert shipped["name"] == presets.SHIPPED[1].name
    assert (await served.get("/api/presets"))["items"][1] == shipped


async def test_a_preset_that_was_read_can_be_written_back_as_it_is(served: Served) -> None:
    before = (await served.get("/api/presets"))["items"]
    for preset in before:
        written = await served.http.put(f"/api/presets/{preset['id']}", json=preset)
        assert (written.status_code, written.json()) == (200, preset)
    assert (await served.get("/api/presets"))["items"] == before


async def test_the_default_preset_is_asked_where_none_is_named(served: Served, upstream: LoopbackOpenRouter) -> None:
    await served.http.put("/api/presets/4", json=CHANGED)
    chosen = (await served.http.patch("/api/presets", json={"default_preset_id": 4})).json()
    assert chosen["default_preset_id"] == 4
    started = (await served.send("Go."))[0].event
    assert started["model"] == upstream.completions[-1].model == "acme/thinker"
    assert (await served.messages(started["conversation_id"]))[1]["preset_id"] == 4


async def test_a_preset_whose_model_is_gone_says_so_and_what_may_stand_in(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    gone = (await served.get("/api/presets"))["items"][1]  # ~google/… is not listed, though there are routers.
    assert gone["effective_model_id"] == gone["model_id"]
    refused = await served.http.put("/api/presets/1", json=CHANGED | {"model_id": "acme/thinkr"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unknown_model")
    assert "acme/thinker" in refused.json()["error"]["message"]
    assert upstream.completions == []


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/api/presets/0", {}),
        ("/api/presets/7", {}),
        ("/api/presets/x", {}),
        ("/api/presets/1", {"name": " \u200b"}),
        ("/api/presets/1", {"model_id": ""}),
        ("/api/presets/1", {"system_prompt": "x" * 40_000}),
        ("/api/presets/1", {"parameters": {"Temperature!": 1}}),
        ("/api/presets/1", {"parameters": {"stop": "x" * 9_000}}),
        ("/api/presets/1", {"fallback_model_ids": ["acme/chat-1"] * 6}),
        ("/api/presets/1", {"unknown": 1}),
        ("/api/presets/1", {"id": 2}),
        ("/api/presets/1", {"parameters": {"deep": [[[[[[[[[[1]]]]]]]]]]}}),
    ],
)
async def test_a_preset_that_cannot_be_is_refused(served: Served, path: str, change: dict[str, Any]) -> None:
    before = await served.get("/api/presets")
    assert (await served.http.put(path, json=CHANGED | change)).status_code == 422
    assert await served.get("/api/presets") == before


async def test_a_number_past_all_numbers_is_no_parameter(served: Served) -> None:
    body = json.dumps(CHANGED).replace("0.5", "1e400")
    headers = {"Content-Type": "application/json"}
    assert (await served.http.put("/api/presets/1", content=body, headers=headers)).status_code == 422


@pytest.mark.parametrize("number", [0, 7, None, "1"])
async def test_a_default_that_cannot_be_is_refused(served: Served, number: Any) -> None:
    assert (await served.http.patch("/api/presets", json={"default_preset_id": number})).status_code == 422


async def test_presets_are_their_owners_alone(store: Store, database: Path | str) -> None:
    mine = Preset(3, "Mine", "acme/chat-1")
    await store.presets.put(OWNER, mine)
    await store.presets.put(OWNER, mine)  # Again is no error.
    assert await store.presets.list(OWNER) == ([mine], None)
    stranger = await add_stranger(database)
    await store.presets.choose_default(stranger, 2)
    await store.presets.remove(stranger, 3)
    assert await store.presets.list(stranger) == ([], 2)
    assert await store.presets.list(OWNER) == ([mine], None)
