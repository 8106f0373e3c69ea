"""The live feed: what changes is told to whoever watches, and one connection carries every answer that is written."""

from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.domain import PERSONAL_OWNER
from holdfast.feed import QUEUE_LIMIT, ChangeKind, Feed
from holdfast.store import Store, open_store
from openrouter import LoopbackOpenRouter
from replies import Hold, answer, counted
from serving import Served, Stream
from stored import STRANGER, exchange

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"


class Watching:
    """The feed as a client reads it: events of both sorts, in order."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def next(self, kind: str, **fields: str) -> dict[str, Any]:
        """The next event of a type, with these fields."""
        while True:
            event = (await anext(self._stream)).event
            if event["type"] == kind and all(event.get(name) == value for name, value in fields.items()):
                return event

    async def texts(self, count: int) -> tuple[dict[str, str], dict[str, list[int]]]:
        """What is written until so many answers have ended, and the cursors of the frames, by generation."""
        texts: defaultdict[str, str] = defaultdict(str)
        cursors: defaultdict[str, list[int]] = defaultdict(list)
        while count:
            frame = await anext(self._stream)
            if "conversation" not in frame.event:
                generation_id = frame.event["generation_id"]
                cursors[generation_id].append(frame.seq)
                texts[generation_id] += frame.event.get("content", "")
                count -= frame.type in ("done", "error")
        return texts, cursors


async def watching(served: Served, stack: AsyncExitStack, query: str = "") -> Watching:
    """Watch from now on: the stream's first bytes say that it does."""
    stream = await stack.enter_async_context(served.open("GET", f"/api/events{query}"))
    assert stream.response.status_code == 200
    await anext(stream._bytes)
    return Watching(stream)


async def test_what_happens_to_a_conversation_is_told(served: Served) -> None:
    async with AsyncExitStack() as stack:
        feed = await watching(served, stack)
        started = (await served.send("Name me so.", model_id=MODEL))[0].event
        path = f"/api/conversations/{started['conversation_id']}"
        created = await feed.next("conversation_created")
        assert created["conversation"]["id"] == created["conversation_id"] == started["conversation_id"]
        begun = await feed.next("generation_started")
        assert {begun[name] == started[name] for name in ("generation_id", "message_id", "user_message_id")} == {True}
        ended = await feed.next("generation_ended")
        assert (ended["status"], ended["conversation"]["running"]) == ("complete", False)
        named = await feed.next("conversation_updated")
        assert (named["conversation"]["title"], named["conversation"]["title_source"]) == ("Name me so.", "auto")
        await served.http.patch(path, json={"title": "Mine"})
        assert (await feed.next("conversation_updated"))["conversation"]["title"] == "Mine"
        await served.http.delete(path)
        assert (await feed.next("conversation_deleted"))["conversation_id"] == started["conversation_id"]
        empty = (await served.http.post("/api/conversations")).json()
        assert (await feed.next("conversation_created"))["conversation"] == empty


async def test_one_connection_follows_every_answer_that_is_written(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    holds = [Hold(), Hold(), Hold()]
    upstream.script(*(counted(30, holds={10: hold}) for hold in holds))
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(served.sending("One.", model_id=MODEL))
        running = (await first.until("started")).event
        frame = await first.until("content")
        feed = await watching(served, stack, f"?follow=running&after={running['generation_id']}:{frame.seq}")
        begun = [running]
        for message in ("Two.", "Three."):
            stream = await stack.enter_async_context(served.sending(message, model_id=MODEL))
            begun.append((await stream.until("started")).event)
        for hold in holds:
            hold.release()
        texts, cursors = await feed.texts(3)
        texts[running["generation_id"]] = frame.event["content"] + texts[running["generation_id"]]
        expected = "".join(f"t{token} " for token in range(30))
        assert texts == {started["generation_id"]: expected for started in begun}
        assert all(seen == sorted(set(seen)) for seen in cursors.values())


async def test_who_comes_back_gets_the_rest_of_what_ended_meanwhile(served: Served) -> None:
    frames = await served.send("Go.", model_id=MODEL)
    started = frames[0].event
    async with AsyncExitStack() as stack:
        feed = await watching(served, stack, f"?follow=running&after={started['generation_id']}:{frames[1].seq}")
        texts, _ = await feed.texts(1)
        assert frames[1].event["content"] + texts[started["generation_id"]] == "".join(
            f"t{token} " for token in range(20)
        )


async def test_a_cursor_that_makes_no_sense_is_refused_and_one_of_nothing_passed_over(served: Served) -> None:
    for wrong in ("x", "0:0", f"{'0' * 26}:-1", f"{'0' * 26}:"):
        response = await served.http.get("/api/events", params={"follow": "running", "after": wrong})
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_cursor")
    assert (await served.http.get("/api/events?follow=walking")).status_code == 422
    async with AsyncExitStack() as stack:
        feed = await watching(served, stack, f"?follow=running&after={'0' * 26}:7")
        await served.http.post("/api/conversations")
        await feed.next("conversation_created")


async def test_a_shutdown_lets_those_who_watch_go(served: Served) -> None:
    async with served.open("GET", "/api/events?follow=running") as stream:
        await anext(stream._bytes)
        served.terminate()
        assert [frame async for frame in stream] == []
        assert b"retry: " in stream.raw


async def test_who_takes_nothing_falls_out_and_nobody_else_s_changes_are_told(store: Store) -> None:
    feed = Feed(store)
    slow, stranger = feed.subscribe(PERSONAL_OWNER), feed.subscribe(STRANGER)
    run = await exchange(store)
    for _ in range(QUEUE_LIMIT + 2):
        feed.announce(PERSONAL_OWNER, ChangeKind.CONVERSATION_DELETED, run.conversation_id)
    feed.announce(STRANGER, ChangeKind.CONVERSATION_UPDATED, run.conversation_id)  # Somebody else's: not found.
    feed.announce(STRANGER, ChangeKind.CONVERSATION_DELETED, "the last")
    change = await stranger.get()
    assert change
    assert change.conversation_id == "the last"
    assert slow.lost
    assert await slow.get() is None
    feed.unsubscribe(slow)
    feed.unsubscribe(stranger)
    await feed.aclose()


async def test_a_change_that_cannot_be_read_ends_the_watch_rather_than_go_missing(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "holdfast.sqlite3", lambda _line: None)
    feed = Feed(store)
    run = await exchange(store)
    watching = feed.subscribe(PERSONAL_OWNER)
    await store.aclose()
    feed.announce(PERSONAL_OWNER, ChangeKind.CONVERSATION_UPDATED, run.conversation_id)
    assert await watching.get() is None
    feed.unsubscribe(watching)
    await feed.aclose()


async def test_an_answer_is_rated_with_reasons_and_the_rating_can_be_taken_back(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("Hm."))
    started = (await served.send("Go.", model_id=MODEL))[0].event
    path = f"/api/messages/{started['message_id']}/rating"
    body = {"rating": -1, "reasons": ["wrong", "too_long"], "comment": " Not at all. "}
    rated = (await served.http.put(path, json=body)).json()
    assert (rated["rating"], rated["rating_reasons"]) == (-1, ["wrong", "too_long"])
    assert rated["rating_comment"] == "Not at all."
    _, message = await served.messages(started["conversation_id"])
    assert message == rated
    assert (await served.http.put(path, json={"rating": 1})).json()["rating_reasons"] == []
    assert (await served.http.put(path, json={"rating": None})).json()["rating"] is None


async def test_a_rating_is_told_to_whoever_watches(served: Served) -> None:
    started = (await served.send("Go.", model_id=MODEL))[0].event
    message_id = started["message_id"]
    async with AsyncExitStack() as stack:
        feed = await watching(served, stack)
        for body in ({"rating": -1, "reasons": ["wrong"], "comment": "No."}, {"rating": 1}, {"rating": None}):
            rated = (await served.http.put(f"/api/messages/{message_id}/rating", json=body)).json()
            told = await feed.next("conversation_updated", message_id=message_id)
            assert told["conversation"]["id"] == started["conversation_id"]
            for field in ("rating", "rating_reasons", "rating_comment"):
                assert told[field] == rated[field]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rating": 0},
        {"rating": 2},
        {"rating": True},
        {"rating": "1"},
        {"rating": 1, "reasons": ["Wrong!"]},
        {"rating": 1, "reasons": ["a"] * 9},
        {"rating": 1, "comment": "x" * 2001},
    ],
    ids=msgspec.json.encode,
)
async def test_a_rating_that_is_none_is_refused(served: Served, body: dict[str, Any]) -> None:
    started = (await served.send("Go.", model_id=MODEL))[0].event
    response = await served.http.put(f"/api/messages/{started['message_id']}/rating", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")


async def test_only_an_answer_can_be_rated(served: Served) -> None:
    started = (await served.send("Go.", model_id=MODEL))[0].event
    question = await served.http.put(f"/api/messages/{started['user_message_id']}/rating", json={"rating": 1})
    assert question.status_code == 422
    assert (await served.http.put(f"/api/messages/{'0' * 26}/rating", json={"rating": 1})).status_code == 404


async def test_pinned_conversations_are_listed_by_themselves(served: Served, tmp_path: Path) -> None:
    del tmp_path
    ids = [(await served.http.post("/api/conversations")).json()["id"] for _ in range(3)]
    for conversation_id in (ids[2], ids[0]):
        changed = (await served.http.patch(f"/api/conversations/{conversation_id}", json={"pinned": True})).json()
        assert changed["pinned"] is True
    pinned = (await served.get("/api/conversations?pinned=true"))["items"]
    assert [conversation["id"] for conversation in pinned] == [ids[0], ids[2]]
    await served.http.patch(f"/api/conversations/{ids[0]}", json={"pinned": False})
    assert [each["id"] for each in (await served.get("/api/conversations?pinned=true"))["items"]] == [ids[2]]
    assert len((await served.get("/api/conversations"))["items"]) == 3
