"""A disk that takes nothing more: it is said at once, nothing is shown that is not kept, and it mends by itself."""

import os
import resource
from asyncio.subprocess import Process
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.store.lock import hold_directory
from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import Served, content, process

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"


@contextmanager
def full_disk(running: Process) -> Iterator[None]:
    """No file of this process can be written beyond its first bytes."""
    soft, hard = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (1024, hard))
    try:
        yield
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (soft, hard))


async def status(served: Served, path: str = "/ready") -> int:
    return (await served.http.get(path)).status_code


async def test_a_full_disk_refuses_a_message_and_takes_the_next_one_when_there_is_room(
    upstream: LoopbackOpenRouter, tmp_path: Path
) -> None:
    async with process(tmp_path, upstream.base_url) as (served, running):
        started = (await served.send("One.", model_id=MODEL))[0].event
        assert await status(served) == 200
        with full_disk(running):
            refused = await served.http.post("/chat", json={"message": "Two.", "model_id": MODEL})
            assert (refused.status_code, refused.json()["error"]["code"]) == (507, "storage_full")
            assert refused.headers["retry-after"]
            assert await status(served) == 507
            assert await status(served, "/health") == 200
            assert len(await served.messages(started["conversation_id"])) == 2
        assert await status(served) == 200
        assert (await served.send("Two.", model_id=MODEL))[-1].type == "done"
        assert len(upstream.completions) == 2
        assert len((await served.get("/api/conversations"))["items"]) == 2


async def test_an_answer_that_cannot_be_kept_ends_and_what_was_shown_is_stored(
    upstream: LoopbackOpenRouter, tmp_path: Path
) -> None:
    hold = Hold()
    upstream.script(answer("kept ", "lost ", "lost", holds={1: hold}))
    async with process(tmp_path, upstream.base_url) as (served, running):
        async with served.sending("Go.", model_id=MODEL) as stream:
            started = (await stream.until("started")).event
            shown = (await stream.until("content")).event["content"]
            with full_disk(running):
                hold.release()
                end = await stream.until("error")
                assert (end.event["code"], end.event["status"]) == ("storage_full", "failed")
                await upstream.until(lambda: upstream.completions[0].done or upstream.completions[0].left.is_set())
        frames = await served.follow(started["generation_id"])
        assert content(frames) == shown == "kept "
        assert (frames[-1].type, frames[-1].event["code"]) == ("error", "storage_full")
        while (assistant := (await served.messages(started["conversation_id"]))[1])["status"] == "streaming":
            pass  # Its end is stored when there is room again.
        assert (assistant["content"], assistant["status"]) == ("kept ", "failed")
        assert await status(served) == 200


async def test_a_monitor_may_ask_without_a_body(served: Served) -> None:
    for path in ("/health", "/ready", "/"):
        response = await served.http.head(path)
        assert (response.status_code, response.content) == (200, b"")


async def test_a_new_data_directory_is_there_after_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    hold_directory(tmp_path / "new" / "data").close()
    assert synced == [tmp_path / "new", tmp_path]
    hold_directory(tmp_path / "new" / "data").close()
    assert len(synced) == 2
