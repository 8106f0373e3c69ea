"""A whole Holdfast on a socket, as its users meet it, and a client that reads its streams."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from holdfast import app, config
from holdfast.provider.sse import SSEDecoder

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Frame:
    """One frame of a stream: its cursor and its event."""

    seq: int
    event: dict[str, Any]

    @property
    def type(self) -> str:
        """The event's type."""
        kind: str = self.event["type"]
        return kind


@dataclass
class Served:
    """A running Holdfast."""

    http: httpx2.AsyncClient
    url: str
    data: Path
    terminated: bool = False

    def terminate(self) -> None:
        """Tell it to end, as an operator would; leaving the context does so too, and waits."""
        self.terminated = True
        os.kill(os.getpid(), signal.SIGTERM)

    @asynccontextmanager
    async def open(self, method: str, path: str, **options: Any) -> AsyncIterator["Stream"]:
        """A stream that is read frame by frame; leaving closes the connection."""
        async with self.http.stream(method, path, **options) as response:
            yield Stream(response)

    @asynccontextmanager
    async def sending(self, message: str, **fields: Any) -> AsyncIterator["Stream"]:
        """Send a message and read the answer as it comes."""
        async with self.open("POST", "/chat", json={"message": message, **fields}) as stream:
            assert stream.response.status_code == 200, (await stream.response.aread()).decode()
            yield stream

    async def send(self, message: str, **fields: Any) -> list[Frame]:
        """Send a message and read the answer to its end."""
        async with self.sending(message, **fields) as stream:
            return [frame async for frame in stream]

    async def follow(self, generation_id: str, after: int = 0) -> list[Frame]:
        """Everything after a cursor, to the end."""
        async with self.open("GET", f"/api/generations/{generation_id}/events?after={after}") as stream:
            return [frame async for frame in stream]

    async def get(self, path: str) -> Any:
        """A JSON answer that must be 200."""
        response = await self.http.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    async def messages(self, conversation_id: str) -> list[dict[str, Any]]:
        """The current branch."""
        items: list[dict[str, Any]] = (await self.get(f"/api/conversations/{conversation_id}/messages"))["items"]
        return items


class Stream:
    """The frames of one response, and its bytes so far."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.raw = b""
        self._decoder = SSEDecoder()
        self._waiting: list[Frame] = []
        self._bytes = response.aiter_raw()

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Frame:
        while not self._waiting:
            data = await anext(self._bytes)
            self.raw += data
            self._waiting = [
                Frame(int(event.id or 0), msgspec.json.decode(event.data)) for event in self._decoder.feed(data)
            ]
        return self._waiting.pop(0)

    async def until(self, kind: str) -> Frame:
        """The next frame of a type."""
        async for frame in self:
            if frame.type == kind:
                return frame
        raise AssertionError(f"the stream ended without {kind}")


@asynccontextmanager
async def serving(monkeypatch: pytest.MonkeyPatch, data: Path, **environment: str) -> AsyncIterator[Served]:
    """Start with these settings beside those of a test, and end as an operator would: with SIGTERM."""
    given = {
        "OPENROUTER_API_KEY": "sk-or-v1-test",
        "PORT": "0",
        "HOLDFAST_DATA_DIR": str(data),
        "HOLDFAST_PROVIDER": "openrouter",
        "HOLDFAST_TITLE_MODEL": "off",  # A ledger of answers alone is the easier one to read.
    }
    for name, value in (given | environment).items():
        monkeypatch.setenv(name, value)
    lines: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(app.serve(config.load(), lines.put_nowait))
    url = await _ready(lines, task)
    unlimited = httpx2.Limits(max_connections=None)
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False, limits=unlimited) as client:
            served = Served(client, url, data)
            try:
                yield served
            finally:
                if not served.terminated:
                    served.terminate()
    finally:
        await task


@asynccontextmanager
async def process(data: Path, base_url: str, **environment: str) -> AsyncIterator[tuple[Served, Process]]:
    """A Holdfast in a process of its own that is ready; killed where it still runs at the end."""
    given = {
        "OPENROUTER_API_KEY": "sk-or-v1-canary",
        "OPENROUTER_BASE_URL": base_url,
        "HOLDFAST_DATA_DIR": str(data),
        "HOLDFAST_TITLE_MODEL": "off",
        "PORT": "0",
    }
    command = (sys.executable, "-m", "holdfast", "serve")
    running = await asyncio.create_subprocess_exec(
        *command, env=os.environ | given | environment, stdout=PIPE, stderr=PIPE
    )
    assert running.stdout
    assert running.stderr
    try:
        line = b""
        while b"ready at" not in line:
            line = await running.stdout.readline()
            assert line, (await running.stderr.read()).decode()
        url = line.decode().split("ready at ")[1].split()[0]
        async with httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
            yield Served(client, url, data), running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def _ready(lines: "asyncio.Queue[str]", task: "asyncio.Task[None]") -> str:
    while True:
        line = asyncio.create_task(lines.get())
        await asyncio.wait({line, task}, return_when=asyncio.FIRST_COMPLETED)
        if not line.done():
            line.cancel()
            await task
        if "ready at" in line.result():
            return line.result().split("ready at ")[1].split()[0]


def content(frames: list[Frame]) -> str:
    """The answer's text."""
    return "".join(frame.event["content"] for frame in frames if frame.type == "content")


def reasoning(frames: list[Frame]) -> str:
    """The reasoning's text."""
    return "".join(frame.event["content"] for frame in frames if frame.type == "reasoning")
