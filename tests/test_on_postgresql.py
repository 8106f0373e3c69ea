"""The whole application on PostgreSQL, as its users meet it: what the store's contract promises arrives there too."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from databases import PostgreSQLServer
from holdfast.domain import new_id
from openrouter import LoopbackOpenRouter
from replies import Close, Hold, answer, broken_off, counted, refusal, spent
from serving import Served, content, process, serving
from stored import rows

pytestmark = pytest.mark.anyio

MODEL, NAMER = "acme/chat-1", "acme/thinker"


@pytest.fixture
async def url(postgresql: PostgreSQLServer) -> AsyncIterator[str]:
    async with postgresql.database(f"holdfast_test_{new_id()}") as made:
        yield made


@pytest.fixture
async def there(
    upstream: LoopbackOpenRouter, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    """A Holdfast on PostgreSQL that asks NAMER for titles."""
    environment = {"OPENROUTER_BASE_URL": upstream.base_url, "DATABASE_URL": url, "HOLDFAST_TITLE_MODEL": NAMER}
    async with serving(monkeypatch, tmp_path / "data", **environment) as running:
        yield running


async def named(served: Served, conversation_id: str, title: str) -> dict[str, Any]:
    """The conversation once it is called so."""
    while True:
        found: dict[str, Any] = await served.get(f"/api/conversations/{conversation_id}")
        if found["title"] == title:
            return found


async def test_what_is_sent_is_answered_followed_found_and_named(there: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.by_model[NAMER] = lambda: answer('Title: "Sailing to Byzantium."', model=NAMER)
    upstream.script(answer("By ", "boat, ", "naturally.", reasoning=["Hm. "], usage=spent(20, 4, 0.000012)))
    frames = await there.send("How do I get to Byzantium?", model_id=MODEL, client_message_id="k")
    started = frames[0].event
    assert content(frames) == "By boat, naturally."
    for frame in frames:
        assert content(await there.follow(started["generation_id"], frame.seq)) == content(
            [each for each in frames if each.seq > frame.seq]
        )
    again = await there.send("How do I get to Byzantium?", model_id=MODEL, client_message_id="k")
    assert again[0].event["generation_id"] == started["generation_id"]
    found = await named(there, started["conversation_id"], "Sailing to Byzantium")
    assert found["title_source"] == "auto"
    hits = (await there.get("/api/search?q=natural"))["items"]
    assert [hit["message_id"] for hit in hits] == [started["message_id"]]
    usage = await there.get("/api/usage")
    assert {item["purpose"]: item["cost"] for item in usage["items"]} == {"answer": "0.000012", "title": "0.000004"}
    assert [call.model for call in upstream.completions] == [MODEL, NAMER]


async def test_a_name_that_was_given_meanwhile_stays_and_a_wish_replaces_it(
    there: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.by_model[NAMER] = lambda: answer("Theirs", model=NAMER, holds={0: hold})
    started = (await there.send("One.", model_id=MODEL))[0].event
    await hold.reached.wait()
    path = f"/api/conversations/{started['conversation_id']}"
    await there.http.patch(path, json={"title": "Mine"})
    hold.release()
    while len((await there.get("/api/usage"))["items"]) < 2:
        await there.get("/health")
    assert (await there.get(path))["title"] == "Mine"
    assert (await there.http.post(f"{path}/title")).status_code == 202
    await named(there, started["conversation_id"], "Theirs")


async def test_an_answer_is_stopped_goes_on_and_is_deleted(
    there: Served, upstream: LoopbackOpenRouter, url: str
) -> None:
    upstream.script(answer("Once ", "never", holds={1: Hold()}))
    async with there.sending("Tell me.", model_id=MODEL) as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
        await there.http.delete(f"/api/generations/{started['generation_id']}")
        assert (await stream.until("done")).event["status"] == "stopped"
    for reply, ended, text in (
        (refusal(402), "stopped", "Once "),
        (answer("upon a time."), "complete", "Once upon a time."),
    ):
        upstream.script(reply)
        path = f"/api/messages/{started['message_id']}/generations"
        async with there.open("POST", path, json={"continue": True}) as stream:
            assert [frame async for frame in stream]
        (_, told) = await there.messages(started["conversation_id"])
        assert (told["status"], told["content"]) == (ended, text)
    assert (await there.http.delete(f"/api/conversations/{started['conversation_id']}")).status_code == 204
    assert await rows(url, "SELECT count(*) FROM messages") == [(0,)]


async def test_several_answers_at_once_are_exact(there: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(counted(300), counted(300))
    body = {"model_id": MODEL, "compare": [{"model_id": "acme/torn"}]}
    frames = await there.send("Both of you.", **body)
    text = "".join(f"t{number} " for number in range(300))
    assert content(frames) == text
    path = f"/api/messages/{frames[0].event['user_message_id']}/comparison"
    while any(each["status"] == "streaming" for each in (await there.get(path))["answers"]):
        await there.get("/health")
    assert [each["content"] for each in (await there.get(path))["answers"]] == [text, text]


async def test_what_a_kill_left_is_interrupted_with_what_was_shown_and_its_cost(
    upstream: LoopbackOpenRouter, url: str, tmp_path: Path
) -> None:
    upstream.generation_lag = 0
    upstream.script(answer("Once ", "never", holds={1: Hold()}, usage=spent(20, 7, 0.0000123)))
    async with (
        process(tmp_path, upstream.base_url, DATABASE_URL=url) as (served, running),
        served.sending("Go.", model_id=MODEL) as stream,
    ):
        started = (await stream.until("started")).event
        await stream.until("content")
        running.send_signal(signal.SIGKILL)
        await running.wait()
    async with process(tmp_path, upstream.base_url, DATABASE_URL=url) as (served, _):
        while (told := (await served.messages(started["conversation_id"]))[1])["cost"] is None:
            await served.get("/health")
        assert (told["status"], told["content"], told["cost"]) == ("interrupted", "Once ", "0.0000123")
        frames = await served.follow(started["generation_id"])
        assert (frames[-1].type, frames[-1].event["status"]) == ("error", "interrupted")
    assert len(upstream.completions) == 1


async def test_a_break_of_the_provider_keeps_the_text(there: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(broken_off("Once ", "upon ", by=[Close()]))
    frames = await there.send("Tell me.", model_id=MODEL)
    assert (content(frames), frames[-1].event["status"]) == ("Once upon ", "failed")
    (_, told) = await there.messages(frames[0].event["conversation_id"])
    assert (told["content"], told["status"]) == ("Once upon ", "failed")
