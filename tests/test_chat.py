"""A message is sent, streams, is kept, and can be followed, stopped, answered again and deleted from anywhere."""

import asyncio
from urllib.parse import urlsplit

import pytest

from holdfast.provider.sse import SSEDecoder
from openrouter import LoopbackOpenRouter
from replies import MID_STREAM_ERRORS, Hold, Send, answer, broken_off, counted, event, refusal
from serving import Served, content, reasoning

pytestmark = pytest.mark.anyio

HOSTILE = [
    'say "hi"',
    "back\\slash",
    "日本語 👩‍🚀",
    "line\u2028sep\u2029",
    "nel\u0085x",
    "\ttab\r\nvt\x0bff\x0cfs\x1c",
    '\n\ndata: {"type":"done"}\n\n',
    "id: 7\n",
    ": comment",
    "</script>",
    "\x1b[31m",
]


async def test_an_answer_streams_and_is_found_again(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(answer("Hel", "lo", ".", model="acme/chat-1-0924"))
    frames = await served.send("Say hello.", model_id="acme/chat-1")
    assert [frame.type for frame in frames] == ["started", *["content"] * (len(frames) - 3), "metadata", "done"]
    assert content(frames) == "Hello."
    assert [frame.seq for frame in frames] == sorted({frame.seq for frame in frames})
    started = frames[0].event
    assert (started["model"], started["offset"]) == ("acme/chat-1", 0)
    user, assistant = await served.messages(started["conversation_id"])
    assert (user["id"], user["content"], user["parent_id"]) == (started["user_message_id"], "Say hello.", None)
    assert (assistant["id"], assistant["content"]) == (started["message_id"], "Hello.")
    assert (assistant["status"], assistant["seq"]) == ("complete", frames[-1].seq)
    metadata = frames[-2].event["metadata"]
    call = upstream.completions[0]
    expected = {
        "id": started["message_id"],
        "model": "acme/chat-1",
        "model_id_used": "acme/chat-1-0924",
        "provider": "Acme",
        "prompt_tokens": 20,
        "completion_tokens": 3,
        "cost": "0.000004",
        "finish_reason": "stop",
        "upstream_id": call.generation_id,
    }
    assert {name: metadata[name] for name in expected} == expected
    assert 0 <= metadata["first_token_ms"] <= metadata["duration_ms"]
    assert {name: assistant[name] for name in expected if name != "id"} | {"id": assistant["id"]} == expected


async def test_what_the_provider_does_not_say_is_null(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(answer("Hi", usage={}))
    metadata = (await served.send("Hello", model_id="acme/chat-1"))[-2].event["metadata"]
    assert [metadata[name] for name in ("prompt_tokens", "completion_tokens", "cost")] == [None, None, None]


async def test_text_reaches_the_client_while_the_provider_still_writes(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(answer("one ", "two ", "three", holds={2: hold}))
    async with served.sending("Count.", model_id="acme/chat-1") as stream:
        seen = ""
        while seen != "one two ":
            frame = await stream.until("content")
            seen += frame.event["content"]
        hold.release()
        rest = [frame async for frame in stream]
    assert content(rest) == "three"


async def test_reasoning_comes_apart_from_the_answer(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(answer("42", reasoning=["Let me ", "think."]))
    frames = await served.send("Why?", model_id="acme/chat-1")
    assert (reasoning(frames), content(frames)) == ("Let me think.", "42")
    _, assistant = await served.messages(frames[0].event["conversation_id"])
    assert (assistant["reasoning"], assistant["content"]) == ("Let me think.", "42")


async def test_hostile_text_arrives_and_is_stored_exactly(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(answer(*HOSTILE, "nul\x00"))
    frames = await served.send("Attack!", model_id="acme/chat-1")
    expected = "".join(HOSTILE) + "nul\ufffd"
    assert content(frames) == expected
    assert content(await served.follow(frames[0].event["generation_id"])) == expected
    assert (await served.messages(frames[0].event["conversation_id"]))[1]["content"] == expected


async def test_an_answer_is_saved_when_the_browser_leaves(served: Served, upstream: LoopbackOpenRouter) -> None:
    hold = Hold()
    upstream.script(answer("before ", "after", holds={1: hold}))
    async with served.sending("Go.", model_id="acme/chat-1") as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
    hold.release()
    frames = await served.follow(started["generation_id"])
    assert content(frames) == "before after"
    assert frames[-1].event["status"] == "complete"
    assert upstream.completions[0].left_at is None or upstream.completions[0].done


async def test_every_cursor_continues_without_a_gap_or_a_repeat(served: Served, upstream: LoopbackOpenRouter) -> None:
    hold = Hold()
    upstream.script(answer(*(f"t{number} " for number in range(12)), reasoning=["r0 ", "r1 "], holds={11: hold}))
    async with served.sending("Go.", model_id="acme/chat-1") as stream:
        live = [await stream.until("started")]
        generation_id = live[0].event["generation_id"]
        while "t10 " not in live[-1].event.get("content", ""):
            live.append(await anext(stream))
        running = [asyncio.create_task(served.follow(generation_id, frame.seq)) for frame in live]
        await served.get(f"/api/generations/{generation_id}")  # Behind the followers in the queue: they are attached.
        hold.release()
        live += [frame async for frame in stream]
    assert reasoning(live) + content(live) == "r0 r1 " + "".join(f"t{number} " for number in range(12))
    for position, frame in enumerate(live[:-1], 1):
        rest = live[position:]
        resumed = [await served.follow(generation_id, frame.seq)]
        if position <= len(running):
            resumed.append(await running[position - 1])
        for frames in resumed:
            assert [later.seq for later in frames] == sorted({later.seq for later in frames})
            assert (frames[0].seq > frame.seq, frames[-1].event) == (True, live[-1].event)
            assert (reasoning(frames), content(frames)) == (reasoning(rest), content(rest))


async def test_a_page_that_reloads_goes_on_where_the_message_ends(served: Served, upstream: LoopbackOpenRouter) -> None:
    hold = Hold()
    upstream.script(answer("before ", "after", holds={1: hold}))
    async with served.sending("Go.", model_id="acme/chat-1") as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
        _, assistant = await served.messages(started["conversation_id"])
        assert (assistant["content"], assistant["status"]) == ("before ", "streaming")
        assert (await served.get("/api/conversations"))["items"][0]["running"] is True
        hold.release()
        rest = await served.follow(started["generation_id"], assistant["seq"])
    assert content(rest) == "after"
    assert (await served.get("/api/conversations"))["items"][0]["running"] is False


async def test_the_end_of_an_ended_generation_is_204_and_beyond_it_is_an_error(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("Hi"))
    frames = await served.send("Hello", model_id="acme/chat-1")
    path = f"/api/generations/{frames[0].event['generation_id']}/events"
    assert (await served.http.get(f"{path}?after={frames[-1].seq}")).status_code == 204
    wins = await served.http.get(f"{path}?after=0", headers={"Last-Event-ID": str(frames[-1].seq)})
    assert wins.status_code == 204
    for cursor in (frames[-1].seq + 1, -1, "NaN", "\uff11", "9" * 40, ""):
        response = await served.http.get(path, params={"after": str(cursor)})
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_cursor")


async def test_stop_keeps_the_text_and_ends_the_upstream_call(served: Served, upstream: LoopbackOpenRouter) -> None:
    hold = Hold()
    upstream.script(answer("kept ", "never", holds={1: hold}))
    async with served.sending("Go.", model_id="acme/chat-1") as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
        path = f"/api/generations/{started['generation_id']}"
        assert (await served.http.delete(path)).status_code == 202
        rest = [frame async for frame in stream]
    assert [frame.type for frame in rest] == ["metadata", "done"]
    assert rest[-1].event["status"] == "stopped"
    await upstream.completions[0].left.wait()
    assert (await served.http.delete(path)).status_code == 200
    _, assistant = await served.messages(started["conversation_id"])
    assert (assistant["content"], assistant["status"]) == ("kept ", "stopped")
    assert assistant["upstream_id"] == upstream.completions[0].generation_id


async def test_one_key_is_one_message_and_one_upstream_call(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(counted(5))
    fields = {"model_id": "acme/chat-1", "client_message_id": "click-1"}
    copies = await asyncio.gather(*(served.send("Once.", **fields) for _ in range(5)))
    again = await served.send("Once.", **fields)
    assert len(upstream.completions) == 1
    assert {content(frames) for frames in (*copies, again)} == {"t0 t1 t2 t3 t4 "}
    assert len({frames[0].event["message_id"] for frames in (*copies, again)}) == 1
    other = await served.http.post("/chat", json={"message": "Twice.", **fields})
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_conflict")
    empty = await served.http.post("/chat", json={"message": "", **fields})
    assert empty.json()["error"]["code"] == "idempotency_conflict"


async def test_a_late_retry_does_not_begin_a_deleted_conversation_anew(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    body = {"message": "Go.", "model_id": "acme/chat-1", "client_message_id": "k"}
    started = (await served.send(**body))[0].event
    await served.http.delete(f"/api/conversations/{started['conversation_id']}")
    late = await served.http.post("/chat", json=body)
    assert (late.status_code, late.json()["error"]["code"]) == (404, "not_found")
    other = await served.http.post("/chat", json=body | {"message": "Stay."})
    assert other.json()["error"]["code"] == "idempotency_conflict"
    assert len(upstream.completions) == 1
    assert (await served.get("/api/conversations"))["items"] == []


async def test_an_answer_in_http_1_0_has_no_chunks_and_ends_with_its_connection(served: Served) -> None:
    body = b'{"message": "Go.", "model_id": "acme/chat-1"}'
    address = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = (
        f"POST /chat HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    writer.write(head.encode() + b"\r\n" + body)
    said = await reader.read()
    writer.close()
    head_said, _, frames = said.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head_said.lower()
    events = SSEDecoder().feed(frames)
    assert frames.startswith((b":", b"id: "))
    assert '"type":"done"' in events[-1].data


async def test_a_deleted_conversation_ends_for_its_viewers_and_stays_gone(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(answer("some ", "more", holds={1: hold}))
    async with served.sending("Go.", model_id="acme/chat-1") as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
        path = f"/api/conversations/{started['conversation_id']}"
        assert (await served.http.delete(path)).status_code == 204
        rest = [frame async for frame in stream]
    assert [(frame.type, frame.event.get("code")) for frame in rest] == [("error", "not_found")]
    await upstream.completions[0].left.wait()
    gone = (path, f"{path}/messages", f"/api/generations/{started['generation_id']}")
    for address in (*gone, f"{gone[2]}/events"):
        assert (await served.http.get(address)).status_code == 404
    assert (await served.get("/api/conversations"))["items"] == []


async def test_a_second_send_waits_for_the_answer_it_would_build_on(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(answer("one", holds={0: hold}), answer("two"))
    async with served.sending("First.", model_id="acme/chat-1") as stream:
        conversation_id = (await stream.until("started")).event["conversation_id"]
        fields = {"conversation_id": conversation_id, "model_id": "acme/chat-1"}
        early = await served.http.post("/chat", json={"message": "Second.", **fields})
        assert (early.status_code, early.json()["error"]["code"]) == (409, "generation_running")
        hold.release()
        await stream.until("done")
    await served.send("Second.", **fields)
    sent = upstream.completions[1].body["messages"]
    assert [(turn["role"], turn["content"]) for turn in sent[-3:]] == [
        ("user", "First."),
        ("assistant", "one"),
        ("user", "Second."),
    ]


async def test_regenerating_and_editing_make_branches(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(*(answer(text) for text in ("first", "again", "edited")))
    started = (await served.send("Tell me.", model_id="acme/chat-1"))[0].event
    conversation, question = started["conversation_id"], started["user_message_id"]
    async with served.open("POST", f"/api/messages/{question}/generations", json={"model_id": "acme/chat-1"}) as stream:
        again = [frame async for frame in stream]
    assert content(again) == "again"
    _, answered = await served.messages(conversation)
    assert (answered["content"], answered["siblings"]) == ("again", [started["message_id"], answered["id"]])

    fields = {"conversation_id": conversation, "parent_message_id": None, "model_id": "acme/chat-1"}
    edited = (await served.send("Tell me more.", **fields))[0].event
    first, reply = await served.messages(conversation)
    assert (first["content"], reply["content"]) == ("Tell me more.", "edited")
    assert first["siblings"] == [question, edited["user_message_id"]]

    path = f"/api/conversations/{conversation}"
    chosen = await served.http.patch(path, json={"current_message_id": started["message_id"]})
    assert chosen.json()["current_message_id"] == started["message_id"]
    assert [message["content"] for message in await served.messages(conversation)] == ["Tell me.", "first"]


@pytest.mark.parametrize("shape", MID_STREAM_ERRORS)
async def test_an_error_in_the_stream_keeps_the_text_before_it(
    served: Served, upstream: LoopbackOpenRouter, shape: str
) -> None:
    upstream.script(broken_off("Once ", "upon ", by=[Send(event(MID_STREAM_ERRORS[shape]))]))
    frames = await served.send("Tell.", model_id="acme/chat-1")
    assert content(frames) == "Once upon "
    assert (frames[-1].type, frames[-1].event["status"]) == ("error", "failed")
    _, assistant = await served.messages(frames[0].event["conversation_id"])
    assert (assistant["content"], assistant["status"]) == ("Once upon ", "failed")
    assert assistant["error"]["code"] == frames[-1].event["code"]


async def test_a_refusal_after_acceptance_is_an_event_and_the_message_is_kept(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(refusal(429, headers={"Retry-After": "7"}))
    frames = await served.send("Hello?", model_id="acme/chat-1")
    error = frames[-1].event
    assert (error["code"], error["retryable"]) == ("provider_rate_limited", True)
    assert "7 seconds" in error["error"]
    assert error["retry_after"] == 7
    user, assistant = await served.messages(frames[0].event["conversation_id"])
    assert (user["content"], assistant["status"]) == ("Hello?", "failed")
    kept = {"code": error["code"], "message": error["error"], "retryable": True, "retry_after": 7}
    assert assistant["error"] == kept
    (again,) = await served.follow(assistant["generation_id"], after=assistant["seq"] - 1)
    assert again.event == error
    assert len(upstream.completions) == 1


async def test_the_providers_id_is_stored_before_the_first_token(served: Served, upstream: LoopbackOpenRouter) -> None:
    hold = Hold()
    upstream.script(answer("late", holds={0: hold}))
    async with served.sending("Go.", model_id="acme/chat-1") as stream:
        generation_id = (await stream.until("started")).event["generation_id"]
        await hold.reached.wait()
        known = None
        while known is None:  # The head is on its way: ask until it has arrived.
            known = (await served.get(f"/api/generations/{generation_id}"))["upstream_id"]
        assert known == upstream.completions[0].generation_id
        hold.release()
        await stream.until("done")


async def test_a_reader_far_behind_gets_everything(served: Served, upstream: LoopbackOpenRouter) -> None:
    hold = Hold()
    texts = [f"{number:06d}" + "x" * 20_000 for number in range(60)]  # Far more than a channel's tail.
    upstream.script(answer(*texts, holds={60: hold}))
    async with served.sending("Much.", model_id="acme/chat-1") as stream:
        generation_id = (await stream.until("started")).event["generation_id"]
        seen = ""
        while not seen.endswith(texts[-1]):
            seen += (await stream.until("content")).event["content"]
        late = asyncio.create_task(served.follow(generation_id))
        middle = asyncio.create_task(served.follow(generation_id, 10))
        await served.get(f"/api/generations/{generation_id}")
        hold.release()
        await stream.until("done")
    assert content(await late) == "".join(texts) == seen
    assert "".join(texts).endswith(content(await middle))
    assert content(await served.follow(generation_id, 10)) == content(await middle)


async def test_two_hundred_people_start_at_once(served: Served) -> None:
    answers = await asyncio.gather(*(served.send(f"Number {n}", model_id="acme/chat-1") for n in range(200)))
    expected = "".join(f"t{number} " for number in range(20))
    assert [content(frames) == expected and frames[-1].type == "done" for frames in answers] == [True] * 200
