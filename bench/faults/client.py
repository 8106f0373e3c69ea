"""A client as the page is one: sends with a key, sends again with the same key, follows by cursor, gives up never.

All it does and all it is told goes into the history; it judges nothing.
"""

import asyncio
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Any

import msgspec
from history import End, Frame, History
from plan import Plan
from upstream import MODEL
from wire import Cut, Frames, Response, request

_PAUSE = 0.05
_TRY_LATER = frozenset({408, 429, 500, 502, 503, 504, 507})
_LETTERS = {"content": "c", "reasoning": "r", "started": "s", "metadata": "m", "done": "d", "error": "e"}


class Event(msgspec.Struct):
    """What a client looks at in an event."""

    type: str
    conversation_id: str = ""
    generation_id: str = ""
    content: str = ""
    message_id: str = ""
    user_message_id: str = ""
    status: str = ""
    code: str = ""


_decode = msgspec.json.Decoder(Event).decode


@dataclass(eq=False)
class Run:
    """A message on its way and what its client knows of the answer.

    `shown` counts characters, `cursor` is a seq, `digest` that of all the reasoning and the text that were followed.
    """

    plan: Plan
    fields: dict[str, Any] = field(default_factory=dict)
    acked: bool = False
    conversation: str = ""
    generation: str = ""
    message_id: str = ""
    user_message: str = ""
    cursor: int = 0
    shown: int = 0
    digest: Any = field(default_factory=blake2s)
    terminal: str = ""
    attempts: int = 0
    refused: int = 0
    code: str = ""

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return self.plan.key

    @property
    def phase(self) -> str:
        """Where it stands, as far as its client knows."""
        if self.terminal:
            return "ended"
        if not self.acked:
            return "sent, no answer yet" if self.attempts else "not sent"
        return "text is coming" if self.shown else "accepted, no text yet"


@dataclass
class _Read:
    """One attachment as it is going on."""

    after: int
    frames: list[Frame] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    terminal: str = ""
    foreign: set[str] = field(default_factory=set)


class Client:
    """Talks to one port, which may be the server's or a proxy's."""

    def __init__(self, name: str, port: int, history: History) -> None:
        self.name = name
        self.port = port
        self._history = history

    async def complete(self, run: Run) -> Run:
        """Do whatever it takes to see the end: send, send again, follow, follow again."""
        while not run.terminal:
            end = await (self.follow(run) if run.generation else self.send(run))
            if end == "refused" and run.refused not in _TRY_LATER:
                break
            if not run.terminal:
                await asyncio.sleep(_PAUSE if end != "refused" else 4 * _PAUSE)
        return run

    async def send(self, run: Run, *, limit: int | None = None, body: dict[str, Any] | None = None) -> End:
        """POST the message once and follow the answer to it; `limit`: leave after so many bytes of it."""
        fields = {"model_id": MODEL} | run.fields
        body = body or {"message": run.plan.message, "client_message_id": run.key, **fields}
        message = body["message"]

        def on_open() -> None:
            run.attempts += 1
            self._history.write("send", client=self.name, key=run.key, message=message)

        try:
            async with request(self.port, "POST", "/chat", body=body, on_open=on_open) as response:
                if response.status != 200:
                    return await self._refused(run, response)
                run.acked = True
                self._history.write("ack", client=self.name, key=run.key, message=message)
                return await self._read(run, response, 0, limit, follow=True)
        except Cut:
            return "cut"

    async def follow(
        self, run: Run, *, after: int | None = None, limit: int | None = None, header: bool = False, reset: bool = False
    ) -> End:
        """Attach once: after the run's own cursor, which goes on with it, or after a given one, which leaves it alone.

        `limit`: leave after so many bytes, by RST where `reset`. `header`: say the cursor by Last-Event-ID.
        """
        start = run.cursor if after is None else after
        path = f"/api/generations/{run.generation}/events"
        path, headers = (path, {"Last-Event-ID": str(start)}) if header else (f"{path}?after={start}", {})
        try:
            async with request(self.port, "GET", path, headers=headers) as response:
                if response.status == 200:
                    return await self._read(run, response, start, limit, follow=after is None, reset=reset)
                if response.status != 204:
                    return await self._refused(run, response, start)
                self._history.write(
                    "read", client=self.name, key=run.key, generation=run.generation, after=start, end="empty"
                )
                if after is None and not run.terminal:
                    run.terminal = "missed"
                return "empty"
        except Cut:
            return "cut"

    async def stop(self, run: Run) -> int:
        """Stop the run; the status of the answer, 0 where none came."""
        return await self._tell("stop", run, f"/api/generations/{run.generation}")

    async def delete(self, run: Run) -> int:
        """Delete the run's conversation; the status of the answer, 0 where none came."""
        return await self._tell("delete", run, f"/api/conversations/{run.conversation}")

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a read. Raises `Cut`."""
        async with request(self.port, "GET", path) as response:
            body = await response.body()
            return response.status, msgspec.json.decode(body) if body else None

    async def _tell(self, what: Any, run: Run, path: str) -> int:
        status = 0
        try:
            async with request(self.port, "DELETE", path) as response:
                status = response.status
                await response.body()
        except Cut:
            pass
        self._history.write(
            what, client=self.name, key=run.key, status=status, generation=run.generation, conversation=run.conversation
        )
        return status

    async def _refused(self, run: Run, response: Response, after: int = -1) -> End:
        run.refused = response.status
        body = await response.body()
        code = ""
        try:
            code = msgspec.json.decode(body)["error"]["code"]
        except (msgspec.DecodeError, LookupError, TypeError):
            code = "?"
        run.code = code
        self._history.write(
            "refused",
            client=self.name,
            key=run.key,
            status=response.status,
            code=code,
            generation=run.generation if after >= 0 else "",
            after=after,
        )
        return "refused"

    async def _read(
        self, run: Run, response: Response, after: int, limit: int | None, *, follow: bool, reset: bool = False
    ) -> End:
        """Read frames to the end of the answer, of the connection or of `limit`, and write down what came."""
        read, frames, size = _Read(after), Frames(), 0
        end: End = "cut"
        try:
            async for data in response:
                part = data if limit is None else data[: limit - size]
                size += len(part)
                for seq, payload in frames.feed(part):
                    _take(read, run, seq, _event(payload), follow=follow)
                if limit is not None and size >= limit:
                    end = "left"
                    break
            else:
                end = "terminal" if read.terminal else "goodbye" if frames.goodbye else "clean"
        except Cut:
            pass
        finally:
            if reset and end == "left":
                response.reset()
            self._write(run, read, end)
        return end

    def _write(self, run: Run, read: _Read, end: End) -> None:
        self._history.write(
            "read",
            client=self.name,
            key=run.key,
            generation=run.generation,
            conversation=run.conversation,
            user_message=run.user_message,
            after=read.after,
            frames=tuple(read.frames),
            content="".join(read.content),
            reasoning="".join(read.reasoning),
            terminal=read.terminal,
            foreign=tuple(sorted(read.foreign)),
            end=end,
        )


def _event(payload: bytes) -> Event:
    """An event; what cannot be one is noted as such, for the checker."""
    try:
        return _decode(payload)
    except msgspec.DecodeError:
        return Event("?")


def _take(read: _Read, run: Run, seq: int, event: Event, *, follow: bool) -> None:
    """One frame, into what this attachment saw and, where it is the run's own, into what the run has."""
    letter = _LETTERS.get(event.type, "?")
    read.frames.append((seq, letter, len(event.content)))
    if letter == "s":
        _begin(read, run, event, follow=follow)
    if (event.generation_id, event.conversation_id) != (run.generation, run.conversation):
        read.foreign.add(event.generation_id)
    if letter == "c":
        read.content.append(event.content)
    elif letter == "r":
        read.reasoning.append(event.content)
    elif letter in "de":
        read.terminal = f"{event.status}:{event.code}" if event.code else event.status
    if follow and seq > run.cursor:
        run.cursor = seq
        run.shown += len(event.content)
        run.digest.update(event.content.encode())
        run.terminal = run.terminal or read.terminal


def _begin(read: _Read, run: Run, event: Event, *, follow: bool) -> None:
    """`started`: the ids, and an answer that is followed begins anew, as when its message was sent again."""
    if not run.generation:
        run.generation, run.conversation = event.generation_id, event.conversation_id
    if run.user_message and run.user_message != event.user_message_id:
        read.foreign.add(event.user_message_id)
    run.message_id, run.user_message = event.message_id, event.user_message_id
    if follow:
        run.cursor, run.shown, run.digest = 0, 0, blake2s()
