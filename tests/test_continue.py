"""An answer that broke off goes on in the same message, and no part of it is written twice."""

from typing import Any

import pytest

from openrouter import LoopbackOpenRouter
from replies import Close, Hold, answer, broken_off, refusal, spent
from serving import Frame, Served, content

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"


async def cut(served: Served, upstream: LoopbackOpenRouter, *texts: str) -> dict[str, Any]:
    """The `started` event of an answer of which only these texts arrived."""
    upstream.script(broken_off(*texts, by=[Close()]))
    frames = await served.send("Tell me.", model_id=MODEL)
    assert frames[-1].event["status"] == "failed"
    return frames[0].event


async def go_on(served: Served, message_id: str, **fields: Any) -> list[Frame]:
    body = {"continue": True, **fields}
    async with served.open("POST", f"/api/messages/{message_id}/generations", json=body) as stream:
        assert stream.response.status_code == 200, (await stream.response.aread()).decode()
        return [frame async for frame in stream]


async def refused(served: Served, message_id: str, **fields: Any) -> tuple[int, str]:
    response = await served.http.post(f"/api/messages/{message_id}/generations", json={"continue": True, **fields})
    return response.status_code, response.json()["error"]["code"]


async def test_an_answer_that_was_cut_goes_on_in_the_same_message(served: Served, upstream: LoopbackOpenRouter) -> None:
    started = await cut(served, upstream, "Once ", "upon ")
    upstream.script(answer("upon ", "a ", "time."))
    frames = await go_on(served, started["message_id"])
    assert frames[0].event["offset"] == len("Once upon ")
    assert frames[0].event["message_id"] == started["message_id"]
    assert frames[0].event["generation_id"] != started["generation_id"]
    assert [frame.seq for frame in frames] == sorted({frame.seq for frame in frames})
    assert content(frames) == "a time."
    user, assistant = await served.messages(started["conversation_id"])
    assert (assistant["content"], assistant["status"], assistant["error"]) == ("Once upon a time.", "complete", None)
    assert assistant["siblings"] == [started["message_id"]]
    assert user["id"] == started["user_message_id"]


async def test_the_model_is_shown_its_own_beginning_last(served: Served, upstream: LoopbackOpenRouter) -> None:
    started = await cut(served, upstream, "Once ", "upon ")
    await go_on(served, started["message_id"])
    call = upstream.completions[-1]
    assert call.model == MODEL
    assert call.body["messages"][-2:] == [
        {"role": "user", "content": "Tell me."},
        {"role": "assistant", "content": "Once upon"},
    ]


async def test_every_cursor_of_both_runs_still_resolves(served: Served, upstream: LoopbackOpenRouter) -> None:
    started = await cut(served, upstream, "Once ", "upon ")
    upstream.script(answer("a ", "time", ".", reasoning=["Hm. "]))
    frames = await go_on(served, started["message_id"])
    second = frames[0].event["generation_id"]
    for number in range(len(frames)):
        assert content(await served.follow(second, frames[number].seq)) == content(frames[number + 1 :])
    assert content(await served.follow(started["generation_id"])) == "Once upon "
    assert content(await served.follow(started["generation_id"], 1)) == "Once upon "


async def test_while_it_goes_on_the_message_is_all_there_is_so_far(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    started = await cut(served, upstream, "Once ", "upon ")
    hold = Hold()
    upstream.script(answer("a ", "time.", holds={1: hold}))
    body = {"continue": True}
    path = f"/api/messages/{started['message_id']}/generations"
    async with served.open("POST", path, json=body) as stream:
        frame = await stream.until("content")
        _, assistant = await served.messages(started["conversation_id"])
        assert (assistant["content"], assistant["status"]) == ("Once upon a ", "streaming")
        assert assistant["seq"] == frame.seq
        assert await refused(served, started["message_id"]) == (409, "generation_running")
        hold.release()
        await stream.until("done")


async def test_tokens_and_cost_add_up(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(answer("Once ", "upon", usage=spent(20, 2, 0.000004), finish="length"))
    first = (await served.send("Tell me.", model_id=MODEL))[0].event
    upstream.script(answer(" a time.", usage=spent(23, 3, 0.000005)))
    await go_on(served, first["message_id"])
    _, assistant = await served.messages(first["conversation_id"])
    assert (assistant["prompt_tokens"], assistant["completion_tokens"]) == (43, 5)
    assert assistant["cost"] == "0.000009"


async def test_an_answer_that_was_stopped_or_has_no_text_goes_on_too(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(answer("Once ", "never", holds={1: hold}))
    async with served.sending("Tell me.", model_id=MODEL) as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
        await served.http.delete(f"/api/generations/{started['generation_id']}")
        await stream.until("done")
    upstream.script(refusal(429))
    assert (await go_on(served, started["message_id"]))[-1].event["code"] == "provider_rate_limited"
    _, assistant = await served.messages(started["conversation_id"])
    assert (assistant["content"], assistant["status"]) == ("Once ", "stopped")
    assert assistant["error"]["code"] == "provider_rate_limited"
    upstream.script(answer("upon a time."))
    await go_on(served, started["message_id"])
    assert (await served.messages(started["conversation_id"]))[1]["content"] == "Once upon a time."

    upstream.script(refusal(429), answer("Hello."))
    failed = (await served.send("Hi.", model_id=MODEL))[0].event
    assert content(await go_on(served, failed["message_id"])) == "Hello."
    assert upstream.completions[-1].body["messages"] == [{"role": "user", "content": "Hi."}]


async def test_an_answer_that_could_not_go_on_is_as_it_was_and_says_why(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("Once ", "upon", finish="length"))
    first = (await served.send("Tell me.", model_id=MODEL))[0].event
    before = (await served.messages(first["conversation_id"]))[1]
    for reply, code in ((refusal(402), "out_of_credit"), (refusal(429), "provider_rate_limited")):
        upstream.script(reply)
        frames = await go_on(served, first["message_id"], model_id="acme/thinker")
        assert (frames[-1].event["code"], frames[-1].event["status"]) == (code, "failed")
        assert await served.follow(frames[0].event["generation_id"]) == frames
        after = (await served.messages(first["conversation_id"]))[1]
        assert after.pop("error")["code"] == code
        assert after == {name: value for name, value in before.items() if name != "error"}
    upstream.script(answer(" a ", finish="length"), answer("time."))
    await go_on(served, first["message_id"])
    assert upstream.completions[-1].model == MODEL
    await go_on(served, first["message_id"])
    after = (await served.messages(first["conversation_id"]))[1]
    assert (after["content"], after["status"], after["error"]) == ("Once upon a time.", "complete", None)
    assert await refused(served, first["message_id"]) == (422, "invalid")


async def test_an_answer_whose_going_on_was_stopped_before_a_word_is_as_it_was(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("Once ", "upon", finish="length"))
    first = (await served.send("Tell me.", model_id=MODEL))[0].event
    hold = Hold()
    upstream.script(answer("never", holds={0: hold}))
    path = f"/api/messages/{first['message_id']}/generations"
    async with served.open("POST", path, json={"continue": True}) as stream:
        started = (await stream.until("started")).event
        await hold.reached.wait()
        await served.http.delete(f"/api/generations/{started['generation_id']}")
        assert (await stream.until("done")).event["status"] == "stopped"
    after = (await served.messages(first["conversation_id"]))[1]
    assert (after["content"], after["status"], after["finish_reason"]) == ("Once upon", "complete", "length")


async def test_what_cannot_go_on_is_refused(served: Served, upstream: LoopbackOpenRouter) -> None:
    frames = await served.send("Hello.", model_id=MODEL)
    started = frames[0].event
    calls = len(upstream.completions)
    assert await refused(served, started["message_id"]) == (422, "invalid")
    assert await refused(served, started["user_message_id"]) == (422, "invalid")
    assert await refused(served, "0" * 26) == (404, "not_found")
    assert len(upstream.completions) == calls


async def test_a_continuation_with_a_key_happens_once(served: Served, upstream: LoopbackOpenRouter) -> None:
    started = await cut(served, upstream, "Once ")
    upstream.script(answer("upon a time."))
    first = await go_on(served, started["message_id"], client_message_id="k")
    calls = len(upstream.completions)
    second = await go_on(served, started["message_id"], client_message_id="k")
    assert first[0].event == second[0].event
    assert content(first) == content(second) == "upon a time."
    assert len(upstream.completions) == calls
    response = await served.http.post(
        f"/api/messages/{started['user_message_id']}/generations", json={"client_message_id": "k"}
    )
    assert response.json()["error"]["code"] == "idempotency_conflict"
