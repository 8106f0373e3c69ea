"""What ends an answer from our side: silence, length, and a process that ends."""

import asyncio
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from holdfast.errors import StartRefused
from holdfast.generation.live import Live
from holdfast.generation.log import Log
from openrouter import LoopbackOpenRouter
from replies import COMMENT, Hold, Pause, Reply, Silence, answer, counted, tokens
from serving import Served, content, serving

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("silence", [[Silence()], [step for _ in range(200) for step in (Pause(0.05), COMMENT)]])
async def test_a_stall_behind_comments_or_silence_is_noticed_and_ended(
    upstream: LoopbackOpenRouter, data: Path, monkeypatch: pytest.MonkeyPatch, silence: list[object]
) -> None:
    limits = {"HOLDFAST_FIRST_TOKEN_LIMIT": "0.3", "HOLDFAST_IDLE_LIMIT": "0.3"}
    async with serving(monkeypatch, data, OPENROUTER_BASE_URL=upstream.base_url, **limits) as served:
        for before in ([], ["Once ", "upon "]):
            upstream.script(Reply([COMMENT, *tokens(*before), *silence]))  # type: ignore[list-item]
            frames = await served.send("Go.", model_id=MODEL)
            assert (frames[-1].event["code"], frames[-1].event["status"]) == ("stalled", "failed")
            assert content(frames) == "".join(before)
            await upstream.completions[-1].left.wait()


async def test_an_answer_that_takes_too_long_is_ended_with_its_text(
    upstream: LoopbackOpenRouter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_ANSWER_LIMIT": "0.5"}
    async with serving(monkeypatch, data, **environment) as served:
        upstream.script(counted(1000, pace=0.02))
        frames = await served.send("Go on and on.", model_id=MODEL)
    assert frames[-1].event["code"] == "too_long"
    assert content(frames).startswith("t0 t1 ")


async def test_an_answer_that_is_too_large_is_ended_with_its_text(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(answer(*["x" * 900_000] * 11))
    frames = await served.send("Everything.", model_id=MODEL)
    assert frames[-1].event["code"] == "too_long"
    assert 0 < len(content(frames)) <= 8 * 1024 * 1024
    _, assistant = await served.messages(frames[0].event["conversation_id"])
    assert assistant["content"] == content(frames)


async def test_an_answer_without_a_word_is_an_error(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.script(answer())
    frames = await served.send("Say nothing.", model_id=MODEL)
    assert (frames[-1].event["code"], frames[-1].event["retryable"]) == ("empty_answer", True)


async def test_more_than_may_run_at_once_is_refused_before_it_is_stored(
    upstream: LoopbackOpenRouter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Hold()
    environment = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_MAX_RUNNING": "1"}
    async with serving(monkeypatch, data, **environment) as served:
        upstream.script(answer("one", holds={0: hold}))
        async with served.sending("First.", model_id=MODEL) as stream:
            await stream.until("started")
            refused = await served.http.post("/chat", json={"message": "Second.", "model_id": MODEL})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
            assert int(refused.headers["Retry-After"]) > 0
            assert len((await served.get("/api/conversations"))["items"]) == 1
            hold.release()
            await stream.until("done")


async def test_a_silent_stream_says_that_it_is_alive(
    upstream: LoopbackOpenRouter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Hold()
    environment = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_HEARTBEAT": "0.1"}
    async with serving(monkeypatch, data, **environment) as served:
        upstream.script(answer("late", holds={0: hold}))
        async with served.open("POST", "/chat", json={"message": "Go.", "model_id": MODEL}) as stream:
            raw = b""
            chunks = stream.response.aiter_raw()
            while raw.count(b":\n\n") < 4:
                raw += await anext(chunks)
            hold.release()
            async for chunk in chunks:
                raw += chunk
        assert b'"late"' in raw


async def test_a_shutdown_lets_viewers_go_and_settles_what_runs(
    upstream: LoopbackOpenRouter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Hold()
    environment = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_DRAIN_LIMIT": "0"}
    upstream.script(answer("kept ", "lost", holds={1: hold}))
    async with serving(monkeypatch, data, **environment) as served, served.sending("Go.", model_id=MODEL) as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
        served.terminate()
        assert [frame async for frame in stream] == []
        assert b"retry: " in stream.raw
    async with serving(monkeypatch, data, **environment) as served:
        _, assistant = await served.messages(started["conversation_id"])
        assert (assistant["content"], assistant["status"]) == ("kept ", "interrupted")
        frames = await served.follow(started["generation_id"])
        assert (frames[-1].event["code"], frames[-1].event["retryable"]) == ("interrupted", True)
    assert len(upstream.completions) == 1


async def test_a_shutdown_waits_for_an_answer_that_ends_in_time(
    upstream: LoopbackOpenRouter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Hold()
    upstream.script(answer("first ", "last", holds={1: hold}))
    environment = {"OPENROUTER_BASE_URL": upstream.base_url}
    async with serving(monkeypatch, data, **environment) as served:
        async with served.sending("Go.", model_id=MODEL) as stream:
            started = (await stream.until("started")).event
            await stream.until("content")
            served.terminate()
            assert [frame async for frame in stream] == []
        with suppress(httpx2.TransportError):
            while True:  # Until nobody listens: then only the answer is waited for.
                await served.get("/health")
        hold.release()
    async with serving(monkeypatch, data, **environment) as served:
        _, assistant = await served.messages(started["conversation_id"])
        assert (assistant["content"], assistant["status"]) == ("first last", "complete")


async def test_a_data_directory_belongs_to_one_process(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartRefused, match=r"in use by another Holdfast, process [0-9]+"):
        async with serving(monkeypatch, served.data):
            pass


async def test_a_port_that_is_taken_is_said_in_one_line(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(StartRefused, match="cannot be listened on"):
        async with serving(monkeypatch, tmp_path / "other", PORT=served.url.rpartition(":")[2]):
            pass


async def test_a_burst_does_not_get_past_the_limit_of_running_answers(
    upstream: LoopbackOpenRouter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_MAX_RUNNING": "2"}
    async with serving(monkeypatch, data, **environment) as served:
        hold = Hold()
        upstream.script(*(answer("x", holds={0: hold}) for _ in range(20)))
        sends = [served.http.post("/chat", json={"message": "Go.", "model_id": MODEL}) for _ in range(20)]
        posted = [asyncio.create_task(send) for send in sends]
        await upstream.until(lambda: len(upstream.completions) == 2)
        while len(ended := [task for task in posted if task.done()]) < 18:
            await asyncio.wait(set(posted) - set(ended), return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().status_code for task in ended} == {503}
        hold.release()
        assert sum(response.status_code == 200 for response in await asyncio.gather(*posted)) == 2


async def test_a_database_belongs_to_one_process_whatever_the_data_directory(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = f"sqlite:///{served.data / 'holdfast.sqlite3'}"
    with pytest.raises(StartRefused, match="another Holdfast uses"):
        async with serving(monkeypatch, tmp_path / "other", DATABASE_URL=address):
            pass


async def test_whatever_goes_wrong_while_settling_the_end_is_stored_and_told(
    served: Served, upstream: LoopbackOpenRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_log: Log, _live: Live) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(Log, "flush", broken)
    upstream.script(counted(5))
    frames = await served.send("Go.", model_id=MODEL)
    assert (frames[-1].type, frames[-1].event["status"]) == ("error", "failed")
    _, assistant = await served.messages(frames[0].event["conversation_id"])
    assert assistant["status"] == "failed"
    assert assistant["content"] == content(frames)
