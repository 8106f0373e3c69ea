"""A loopback OpenRouter on a real socket, which can do whatever a real one does at its worst.

Its ledger keeps every call with what was sent of it and when the client went, so that a test can prove what
happened. By hand: `python tests/openrouter.py --port 9200`, where the model id chooses the behaviour (`replies.py`).
"""

import argparse
import asyncio
import contextlib
import json
import socket
import struct
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from replies import (
    LISTED_MODELS,
    Close,
    Hold,
    Pause,
    Raw,
    Reply,
    Reset,
    Send,
    Silence,
    Step,
    document,
    for_model,
    refusal,
)


@dataclass
class Call:
    """One request and what became of its answer. Times are those of the event loop."""

    number: int
    connection: int
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any
    raw_body: bytes
    at: float
    generation_id: str
    text_sent: str = ""
    bytes_sent: int = 0
    usage: Mapping[str, Any] | None = None
    done: bool = False
    left_at: float | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def model(self) -> Any:
        return self.body.get("model") if isinstance(self.body, dict) else None

    @property
    def cost(self) -> Any:
        return (self.usage or {}).get("cost")


class _Gone(Exception):
    """The client went away, or we cut it off."""


class LoopbackOpenRouter:
    """`async with LoopbackOpenRouter() as upstream:` serves at `upstream.base_url` until it is left."""

    def __init__(self, port: int = 0) -> None:
        self.ledger: list[Call] = []
        self.by_model: dict[str, Callable[[], Reply]] = {}
        self.models: list[Mapping[str, Any]] = list(LISTED_MODELS)
        self.models_reply: Reply | None = None
        self.page_size: int | None = None
        self.generation_lag = 1
        self.generation_before: Sequence[Step] = ()
        self.connections_opened = 0
        self.connections_open = 0
        self._port = port
        self._script: deque[Reply] = deque()
        self._asked_for: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api/v1"

    @property
    def completions(self) -> list[Call]:
        """The calls that cost money."""
        return [call for call in self.ledger if call.path.endswith("/chat/completions")]

    def script(self, *replies: Reply) -> None:
        """Answer the next completions with these, in order; afterwards the model id decides again."""
        self._script.extend(replies)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that this server can see is true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=1 << 22, backlog=2048)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections_opened += 1
        self.connections_open += 1
        self._notify()
        try:
            await self._serve(reader, writer, self.connections_opened)
        except asyncio.CancelledError:
            writer.transport.abort()  # the server is being closed: what is unsent would keep the socket open
        except (_Gone, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()  # so that no test ends with a socket that is still being closed
            self._tasks.discard(task)
            self.connections_open -= 1
            self._notify()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while True:
            call = await self._request(reader, connection)
            self.ledger.append(call)
            self._notify()
            watcher = asyncio.create_task(self._watch(reader, call))
            answering = asyncio.create_task(_Writing(writer, call, self._notify).play(self._choose(call)))
            try:
                await asyncio.wait({watcher, answering}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    raise _Gone
                answering.result()
                call.done = True
            finally:
                for task in (watcher, answering):
                    task.cancel()
                await asyncio.gather(watcher, answering, return_exceptions=True)
                self._notify()

    async def _request(self, reader: asyncio.StreamReader, connection: int) -> Call:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = request_line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        raw_body = await reader.readexactly(int(headers.get("content-length", "0")))
        url = urlsplit(target)
        number = len(self.ledger)
        return Call(
            number=number,
            connection=connection,
            method=method,
            path=url.path,
            query=parse_qs(url.query),
            headers=headers,
            body=json.loads(raw_body) if raw_body else None,
            raw_body=raw_body,
            at=asyncio.get_running_loop().time(),
            generation_id=f"gen-{number}",
        )

    async def _watch(self, reader: asyncio.StreamReader, call: Call) -> None:
        """See the client leave while it is being answered."""
        with contextlib.suppress(ConnectionError):
            await reader.read(1)
        call.left_at = asyncio.get_running_loop().time()
        call.left.set()
        self._notify()

    def _choose(self, call: Call) -> Reply:
        if call.path.endswith("/models"):
            return self.models_reply or self._models_page(call)
        if call.path.endswith("/generation"):
            return replace(self._generation(call.query.get("id", [""])[0]), before=self.generation_before)
        if not call.path.endswith("/chat/completions"):
            return refusal(404, "There is no such path.")
        if self._script:
            return self._script.popleft()
        chosen = self.by_model.get(str(call.model))
        return chosen() if chosen else for_model(call.model)

    def _models_page(self, call: Call) -> Reply:
        start = int(call.query.get("offset", ["0"])[0])
        end = len(self.models) if self.page_size is None else start + self.page_size
        following = f"{call.path}?offset={end}" if end < len(self.models) else None
        return document({"data": self.models[start:end], "total_count": len(self.models), "links": {"next": following}})

    def _generation(self, generation_id: str) -> Reply:
        """Tell what a call took, once it is over and has been asked for as often as `generation_lag` says."""
        found = next((call for call in self.completions if call.generation_id == generation_id), None)
        self._asked_for[generation_id] += 1
        if found is None or self._asked_for[generation_id] <= self.generation_lag:
            return refusal(404, f"Generation {generation_id} not found")
        usage = found.usage or {}
        return document(
            {
                "data": {
                    "id": generation_id,
                    "model": found.model,
                    "provider_name": "Acme",
                    "total_cost": found.cost,
                    "tokens_prompt": usage.get("prompt_tokens"),
                    "tokens_completion": usage.get("completion_tokens"),
                    "native_tokens_prompt": usage.get("prompt_tokens"),
                    "native_tokens_completion": usage.get("completion_tokens"),
                    "cancelled": found.left_at is not None and not found.done,
                    "finish_reason": "stop" if found.done else None,
                }
            }
        )

    def _notify(self) -> None:
        self._changed.set()


class _Writing:
    """One reply on its way out."""

    def __init__(self, writer: asyncio.StreamWriter, call: Call, notify: Callable[[], None]) -> None:
        self._writer = writer
        self._call = call
        self._notify = notify
        self._reply = Reply()

    async def play(self, reply: Reply) -> None:
        self._reply = reply
        self._call.usage = reply.usage
        for step in reply.before:
            await self._step(step)
        await self._write(self._head(reply))
        for step in reply.steps:
            await self._step(step)
        if reply.framing == "chunked" and not self._bodiless():
            await self._write(b"0\r\n\r\n")
        if reply.framing == "close":
            raise _Gone

    def _bodiless(self) -> bool:
        return self._reply.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)

    def _head(self, reply: Reply) -> bytes:
        lines = [f"HTTP/1.1 {reply.status} Whatever"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        if reply.generation_id:
            lines.append(f"X-Generation-Id: {self._call.generation_id}")
        names = {name.lower() for name in reply.headers}
        if reply.framing == "chunked" and not self._bodiless():
            lines.append("Transfer-Encoding: chunked")
        elif reply.framing == "length" and "content-length" not in names:
            lines.append(f"Content-Length: {sum(len(step.data) for step in reply.steps if isinstance(step, Send))}")
        elif reply.framing == "close":
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def _step(self, step: Step) -> None:
        match step:
            case Send(data, text):
                framed = b"%x\r\n%b\r\n" % (len(data), data) if self._reply.framing == "chunked" else data
                if data:
                    await self._write(framed)
                self._call.text_sent += text
            case Raw(data):
                await self._write(data)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Hold():
                step.reached.set()
                await step.released.wait()
            case Silence():
                await self._call.left.wait()
            case Close():
                raise _Gone
            case Reset():
                self._reset()
        self._notify()

    def _reset(self) -> None:
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        raise _Gone

    async def _write(self, data: bytes) -> None:
        size = self._reply.slice_bytes or len(data) or 1
        for start in range(0, len(data), size):
            if self._writer.transport.is_closing():  # on which uvloop refuses to write
                raise _Gone
            self._writer.write(data[start : start + size])
            await self._writer.drain()
            self._call.bytes_sent += len(data[start : start + size])
            if self._reply.slice_bytes:
                await asyncio.sleep(0)  # a turn of the loop, so that the reader may see this slice alone


@contextlib.asynccontextmanager
async def no_server() -> AsyncIterator[str]:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/api/v1"


async def _main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9200)
    async with LoopbackOpenRouter(parser.parse_args(arguments).port) as upstream:
        print(f"OPENROUTER_BASE_URL={upstream.base_url}", flush=True)  # noqa: T201  what to set
        for model in upstream.models:
            print(f"  {model['id']}", flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
