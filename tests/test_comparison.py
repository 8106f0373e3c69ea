"""One message to several models at once: each answer has every promise of its own, and one is picked to go on with."""

import asyncio
import json
import signal
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from openrouter import LoopbackOpenRouter
from replies import Hold, answer, counted, refusal
from serving import Served, content, process, serving

pytestmark = pytest.mark.anyio

MODELS = ["acme/chat-1", "acme/thinker", "acme/other-answers", "acme/torn"]
NAMER = "acme/tool"


def body(count: int = 3, **fields: Any) -> dict[str, Any]:
    """A message to the first models."""
    others = [{"model_id": model} for model in MODELS[1:count]]
    return {"message": "Which?", "model_id": MODELS[0], "compare": others, **fields}


def said(upstream: LoopbackOpenRouter, model: str, text: str, hold: Hold | None = None) -> None:
    """Script what a model answers; `hold` stops it before its end."""
    upstream.by_model[model] = lambda: answer(text, model=model, holds={1: hold} if hold else None)


async def comparison(served: Served, conversation_id: str) -> dict[str, Any]:
    """The last one on the branch."""
    found: dict[str, Any] = (await served.get(f"/api/conversations/{conversation_id}/messages"))["comparisons"][-1]
    return found


async def begin(served: Served, **fields: Any) -> dict[str, Any]:
    """Send without staying for the answers; the `started` event of the first."""
    async with served.open("POST", "/chat", json=fields) as stream:
        assert stream.response.status_code == 200, (await stream.response.aread()).decode()
        return (await stream.until("started")).event


async def until_ended(served: Served, started: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers, once all have ended."""
    found = await comparison(served, started["conversation_id"])
    for each in found["answers"]:
        await served.follow(each["generation_id"])
    answers: list[dict[str, Any]] = (await comparison(served, started["conversation_id"]))["answers"]
    return answers


async def pick(served: Served, started: dict[str, Any], message_id: str) -> Any:
    path = f"/api/messages/{started['user_message_id']}/pick"
    return await served.http.put(path, json={"message_id": message_id})


@pytest.mark.parametrize("count", [2, 3, 4])
async def test_all_are_asked_at_once_and_each_can_be_followed(
    served: Served, upstream: LoopbackOpenRouter, count: int
) -> None:
    holds = [Hold() for _ in range(count)]
    for model, hold in zip(MODELS, holds, strict=False):
        said(upstream, model, f"I am {model}.", hold)
    async with served.open("POST", "/chat", json=body(count)) as stream:
        started = (await stream.until("started")).event
        await asyncio.gather(*(hold.reached.wait() for hold in holds))
        running = (await comparison(served, started["conversation_id"]))["answers"]
        assert [(each["model"], each["status"]) for each in running] == [
            (model, "streaming") for model in MODELS[:count]
        ]
        assert running[0]["id"] == started["message_id"]
        assert {each["parent_id"] for each in running} == {started["user_message_id"]}
        assert all(len(each["siblings"]) == count for each in running)
        followed = [asyncio.create_task(served.follow(each["generation_id"])) for each in running]
        for hold in holds:
            hold.release()
        first = [frame async for frame in stream]
    texts = [content(await each) for each in followed]
    assert texts == [f"I am {model}." for model in MODELS[:count]]
    assert texts[0] == content(first)
    assert sorted(call.model for call in upstream.completions) == sorted(MODELS[:count])
    assert {json.dumps(call.body["messages"]) for call in upstream.completions} == {
        json.dumps(upstream.completions[0].body["messages"])
    }


async def test_a_repeated_request_asks_nobody_again(served: Served, upstream: LoopbackOpenRouter) -> None:
    copies = await asyncio.gather(*(served.send(**body(client_message_id="k")) for _ in range(3)))
    again = await served.send(**body(client_message_id="k"))
    assert len({frames[0].event["message_id"] for frames in (*copies, again)}) == 1
    await until_ended(served, again[0].event)
    assert Counter(call.model for call in upstream.completions) == dict.fromkeys(MODELS[:3], 1)
    for other in (body(2, client_message_id="k"), body(blind=True, client_message_id="k")):
        refused = await served.http.post("/chat", json=other)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_conflict")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"compare": [{"model_id": model} for model in [*MODELS[1:], "acme/slow"]]}, "invalid"),
        ({"compare": [{"model_id": MODELS[1]}, {"model_id": MODELS[1]}]}, "invalid"),
        ({"compare": [{"model_id": MODELS[0]}]}, "invalid"),
        ({"compare": [{"model_id": "acme/nobody"}]}, "unknown_model"),
        ({"compare": [{"preset_id": 9}]}, "invalid"),
        ({"compare": [{"model_id": MODELS[1], "message": "x"}]}, "invalid"),
        ({"compare": [], "blind": True}, "invalid"),
    ],
    ids=["five", "one twice", "the first twice", "unknown", "no such preset", "a field nobody knows", "blind alone"],
)
async def test_what_cannot_be_compared_is_refused_whole(
    served: Served, upstream: LoopbackOpenRouter, fields: dict[str, Any], code: str
) -> None:
    refused = await served.http.post("/chat", json=body(**fields))
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, code)
    assert (await served.get("/api/conversations"))["items"] == []
    assert upstream.completions == []


async def test_where_there_is_not_room_for_all_there_is_room_for_none(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_MAX_RUNNING": "2"}
    async with serving(monkeypatch, tmp_path / "data", **environment) as served:
        refused = await served.http.post("/chat", json=body(3))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
        assert (await served.get("/api/conversations"))["items"] == []
        await until_ended(served, await begin(served, **body(2)))
    assert len(upstream.completions) == 2


async def test_presets_can_be_compared_too(served: Served, upstream: LoopbackOpenRouter) -> None:
    preset = {"name": "Terse", "model_id": MODELS[0], "system_prompt": "Be brief."}
    assert (await served.http.put("/api/presets/2", json=preset)).status_code == 200
    started = await begin(served, message="Which?", model_id=MODELS[0], compare=[{"preset_id": 2}])
    answers = await until_ended(served, started)
    assert [(each["model"], each["preset_id"]) for each in answers] == [(MODELS[0], None), (MODELS[0], 2)]
    prompts = sorted(len(call.body["messages"]) for call in upstream.completions)
    assert prompts[1] == prompts[0] + 1


async def test_one_fails_and_one_is_stopped_while_the_others_go_on(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.by_model[MODELS[0]] = lambda: refusal(402)
    upstream.by_model[MODELS[1]] = lambda: answer("kept ", "never", model=MODELS[1], holds={1: Hold()})
    said(upstream, MODELS[2], "whole", hold)
    started = await begin(served, **body())
    await hold.reached.wait()
    second = (await comparison(served, started["conversation_id"]))["answers"][1]
    async with served.open("GET", f"/api/generations/{second['generation_id']}/events") as stream:
        await stream.until("content")
        assert (await served.http.delete(f"/api/generations/{second['generation_id']}")).status_code == 202
        await stream.until("done")
    early = await pick(served, started, (await comparison(served, started["conversation_id"]))["message_ids"][2])
    assert (early.status_code, early.json()["error"]["code"]) == (409, "generation_running")
    hold.release()
    answers = await until_ended(served, started)
    assert [(each["status"], each["content"]) for each in answers] == [
        ("failed", ""),
        ("stopped", "kept "),
        ("complete", "whole"),
    ]
    upstream.by_model[MODELS[0]] = lambda: answer("back", model=MODELS[0])
    path = f"/api/messages/{answers[0]['id']}/generations"
    async with served.open("POST", path, json={"continue": True}) as stream:  # One without a word begins anew.
        assert content([frame async for frame in stream]) == "back"
    assert (await until_ended(served, started))[0]["content"] == "back"


async def test_one_is_picked_rated_and_gone_on_with(served: Served, upstream: LoopbackOpenRouter) -> None:
    for model in MODELS[:3]:
        said(upstream, model, f"I am {model}.")
    started = await begin(served, **body())
    answers = await until_ended(served, started)
    fields = {"conversation_id": started["conversation_id"], "model_id": MODELS[0]}
    early = await served.http.post("/chat", json={"message": "And?", **fields})
    assert (early.status_code, early.json()["error"]["code"]) == (409, "comparison_open")
    async with served.open("GET", "/api/events") as feed:
        assert (await pick(served, started, answers[1]["id"])).status_code == 200
        told = (await feed.until("conversation_updated")).event
    assert told["conversation"]["current_message_id"] == answers[1]["id"]
    found = await served.get(f"/api/messages/{started['user_message_id']}/comparison")
    assert found["picked_message_id"] == answers[1]["id"]
    assert [(each["rating"], each["rating_reasons"]) for each in found["answers"]] == [
        (None, []),
        (1, ["picked"]),
        (None, []),
    ]
    await served.send("And?", **fields)
    assert [turn["content"] for turn in upstream.completions[-1].body["messages"] if turn["role"] != "system"] == [
        "Which?",
        f"I am {MODELS[1]}.",
        "And?",
    ]
    other = await pick(served, started, answers[0]["id"])
    assert [each["rating"] for each in other.json()["answers"]] == [1, None, None]
    assert [message["content"] for message in await served.messages(started["conversation_id"])] == [
        "Which?",
        f"I am {MODELS[0]}.",
    ]
    for path, wrong, status in [
        (started["user_message_id"], started["user_message_id"], 422),
        (started["user_message_id"], "\x00", 422),
        (answers[0]["id"], answers[0]["id"], 422),
        ("0" * 26, answers[0]["id"], 404),
    ]:
        refused = await served.http.put(f"/api/messages/{path}/pick", json={"message_id": wrong})
        assert refused.status_code == status


async def test_a_blind_one_names_nobody_on_the_wire_until_one_is_picked(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    orders = set()
    for _ in range(24):  # By chance all have the same order once in 2 ** 23 runs.
        hold = Hold()
        upstream.by_model[MODELS[0]] = lambda: refusal(503, "acme/chat-1 is down.")
        said(upstream, MODELS[1], "Two.", hold)
        async with served.open("GET", "/api/events?follow=running") as feed:
            started = await begin(served, **body(2, blind=True))
            await hold.reached.wait()
            paths = [f"/api/conversations/{started['conversation_id']}/messages"]
            found = await comparison(served, started["conversation_id"])
            for each in found["answers"]:
                paths += [f"/api/generations/{each['generation_id']}{end}" for end in ("", "/events")]
            paths += [f"/api/messages/{started['user_message_id']}/comparison"]
            hold.release()
            answers = await until_ended(served, started)
            while feed.raw.count(b'"type":"generation_ended"') < 2:
                await feed.until("generation_ended")
            wire = feed.raw + b"".join([(await served.http.get(path)).content for path in paths])
        assert b"acme" not in wire.lower().replace(b'"title":"which?"', b"")
        assert all(each["cost"] is each["provider"] is each["first_token_ms"] is None for each in answers)
        assert {each["error"] and each["error"]["code"] for each in answers} == {"provider_unavailable", None}
        picked = await pick(served, started, next(each["id"] for each in answers if each["content"]))
        shown = picked.json()["answers"]
        assert {each["model"] for each in shown} == set(MODELS[:2])
        assert [each["id"] for each in shown] == found["message_ids"] == [each["id"] for each in found["answers"]]
        assert {each["cost"] for each in shown} == {None, "0.000004"}
        orders.add(shown[0]["model"])
    assert orders == set(MODELS[:2])


async def test_a_crash_settles_all_and_each_can_be_continued(upstream: LoopbackOpenRouter, tmp_path: Path) -> None:
    for model in MODELS:
        upstream.by_model[model] = partial(counted, 9, model=model, holds={4: Hold()})
    async with process(tmp_path, upstream.base_url) as (served, running):
        started = await begin(served, **body(4, client_message_id="k"))
        shown = []
        for each in (await comparison(served, started["conversation_id"]))["answers"]:
            async with served.open("GET", f"/api/generations/{each['generation_id']}/events") as stream:
                text = ""
                while "t3 " not in text:
                    text += (await stream.until("content")).event["content"]
                shown.append(text)
        running.send_signal(signal.SIGKILL)
        await running.wait()
    async with process(tmp_path, upstream.base_url) as (served, _):
        assert (await served.send(**body(4, client_message_id="k")))[0].event == started
        answers = await until_ended(served, started)
        assert [(each["status"], each["content"]) for each in answers] == [("interrupted", text) for text in shown]
        assert len(upstream.completions) == 4
        for model in MODELS:
            said(upstream, model, "the rest")
        for each in answers:
            path = f"/api/messages/{each['id']}/generations"
            async with served.open("POST", path, json={"continue": True}) as stream:
                assert [frame async for frame in stream][-1].event["status"] == "complete"
        after = await until_ended(served, started)
        assert [each["content"] for each in after] == [text + "the rest" for text in shown]
        assert [call.model for call in upstream.completions[4:]] == MODELS


async def test_four_that_end_together_are_named_by_one_call(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_TITLE_MODEL": NAMER}
    upstream.by_model[NAMER] = lambda: answer("A Name", model=NAMER)
    holds = [Hold() for _ in MODELS]
    for model, hold in zip(MODELS, holds, strict=True):
        said(upstream, model, "Yes.", hold)
    async with serving(monkeypatch, tmp_path / "data", **settings) as served:
        started = await begin(served, **body(4))
        await asyncio.gather(*(hold.reached.wait() for hold in holds))
        for hold in holds:
            hold.release()
        await until_ended(served, started)
        path = f"/api/conversations/{started['conversation_id']}"
        while (await served.get(path))["title_source"] == "default":
            pass
    assert Counter(call.model for call in upstream.completions)[NAMER] == 1
