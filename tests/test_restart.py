"""A process that dies in the middle: nothing that was shown is lost, and whatever ran is settled at the next start."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import content, process

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"


async def test_what_was_shown_before_a_kill_is_stored_and_marked(upstream: LoopbackOpenRouter, tmp_path: Path) -> None:
    hold = Hold()
    upstream.script(answer(*(f"t{number} " for number in range(100)), "end", holds={100: hold}))
    shown: list[str] = []
    async with (
        process(tmp_path, upstream.base_url) as (served, running),
        served.sending("Go.", model_id=MODEL) as stream,
    ):
        started = (await stream.until("started")).event
        while "t99 " not in "".join(shown):
            shown.append((await stream.until("content")).event["content"])
        running.send_signal(signal.SIGKILL)
        await running.wait()
    async with process(tmp_path, upstream.base_url) as (served, _):
        user, assistant = await served.messages(started["conversation_id"])
        assert user["content"] == "Go."
        assert assistant["status"] == "interrupted"
        assert assistant["content"].startswith("".join(shown))
        assert assistant["upstream_id"] == upstream.completions[0].generation_id
        frames = await served.follow(started["generation_id"])
        assert content(frames) == assistant["content"]
        assert (frames[-1].type, frames[-1].event["status"]) == ("error", "interrupted")
    assert len(upstream.completions) == 1


async def test_an_idle_process_ends_at_once_and_cleanly(upstream: LoopbackOpenRouter, tmp_path: Path) -> None:
    async with process(tmp_path, upstream.base_url) as (_, running):
        running.terminate()
        assert await running.wait() == 0
    left = [path.name for path in sorted(tmp_path.iterdir())]  # noqa: ASYNC240
    database = ["holdfast.sqlite3", "holdfast.sqlite3.expected", "holdfast.sqlite3.lock"]
    assert left == ["holdfast.lock", *database, "models.json"]


async def test_a_wrong_setting_stops_the_start_with_one_line_for_each(tmp_path: Path) -> None:
    environment = {"PORT": "http", "HOLDFAST_HEARTBEAT": "0", "OPENROUTER_API_KEY": "sk canary", "HOST": "0.0.0.0"}
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast", "serve"),
        env=os.environ | environment | {"HOLDFAST_DATA_DIR": str(tmp_path)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await running.communicate()
    lines = errors.decode().splitlines()
    assert running.returncode == 1
    assert sorted(line.split()[1].split("=")[0].rstrip(":") for line in lines) == sorted(environment)
    assert "canary" not in errors.decode()
