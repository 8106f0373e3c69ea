"""One answer of a chat completions server: bytes in, pieces and an outcome out.

What arrived before a failure is always handed over first, and the answer ends exactly once: by `[DONE]`,
by a finish reason, or by a `ProviderError`. Text goes through as it was sent; only what no store could keep
(lone surrogates, NUL) becomes U+FFFD.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from holdfast.domain import Citation, Kind, Outcome, Piece, Usage, cited
from holdfast.errors import ContentFiltered, ProviderError, UpstreamProtocol
from holdfast.provider import citations, failures, wire
from holdfast.provider.sse import ServerSentEvent, SSEDecoder
from holdfast.text import label

MAX_WHOLE_BYTES = 16 << 20
"""The longest answer that is taken in one piece of JSON: the cap on answers, twice for what escapes add."""

_TOLERATED = 3
"""So many unreadable frames are skipped; one more and it is no stream of this protocol."""

_LAST_WORDS_SECONDS = 10.0
"""How long usage or `[DONE]` may take after the finish reason, for servers that keep the connection open."""

_TOOL = "The model asked for a tool, which Holdfast does not offer."

Read = Callable[[], Awaitable[bytes]]
"""Bring the next bytes of the body, b"" at its end; raises `ProviderError` where it breaks."""


class Answer:
    """A completion under way: the port's `Completion` over a body of server-sent events or one JSON object."""

    def __init__(self, read: Read, *, streamed: bool, upstream_id: str | None, api_key: str | None) -> None:
        self.complete = False  # the provider itself said that this is the end
        self._read = read
        self._streamed = streamed
        self._api_key = api_key
        self._decoder = SSEDecoder()
        self._body = bytearray()  # of an answer in one piece
        self._empty = True  # not one byte came
        self._over = False  # nothing more is read
        self._failure: ProviderError | None = None  # raised once the text before it is handed over
        self._unreadable = 0
        self._held = ["", ""]  # per kind, the first half of a surrogate pair whose second half is to come
        self._kind = Kind.CONTENT
        self._texts: list[str] = []  # of this kind, brought by this read
        self._pieces: list[Piece] = []  # those before
        self._content = False  # some content came
        self._refusal = False  # the model's refusal came in its place
        self._tool = False
        self._model: str | None = None
        self._model_label: str | None = None
        self._provider: str | None = None
        self._provider_label: str | None = None
        self._id = label(upstream_id)
        self._finish_reason: str | None = None
        self._usage = Usage()
        self._citations: tuple[Citation, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What is known so far."""
        return Outcome(
            model_id_used=self._model_label,
            provider=self._provider_label,
            upstream_id=self._id,
            finish_reason=self._finish_reason,
            usage=self._usage,
            citations=self._citations,
        )

    def __aiter__(self) -> "Answer":
        """Read on; an answer is read once."""
        return self

    async def __anext__(self) -> list[Piece]:
        """Return what the next read brought. Raises `ProviderError`."""
        if self._over:
            if self._failure is not None:
                raise self._failure
            raise StopAsyncIteration
        try:
            data = await (self._read() if self._finish_reason is None else self._last_words())
        except ProviderError as broken:
            self._end(broken)
        else:
            self._empty = self._empty and not data
            if not data:
                self._end_of_body()
            elif self._streamed:
                self._take(data)
            else:
                self._keep(data)
        pieces = self._flush()
        if self._over and not pieces:
            if self._failure is not None:
                raise self._failure
            raise StopAsyncIteration
        return pieces

    async def _last_words(self) -> bytes:
        try:
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                return await self._read()
        except TimeoutError:
            return b""

    def _take(self, data: bytes) -> None:
        try:
            events = self._decoder.feed(data)
        except UpstreamProtocol as too_long:
            self._end(too_long)
            return
        for event in events:
            self._event(event.data)
            if self._over:
                return

    def _keep(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > MAX_WHOLE_BYTES:
            self._end(UpstreamProtocol(f"The provider sent an answer of more than {MAX_WHOLE_BYTES} bytes."))

    def _event(self, data: str) -> None:
        try:
            chunk: wire.Chunk | None = wire.strictly(data)
            clean = True  # the strict decoder refuses lone surrogates
        except (msgspec.MsgspecError, RecursionError):
            if data.strip() == "[DONE]":
                self._end(None)
                return
            chunk, clean = wire.loosely(data), False
        if chunk is not None:
            if clean and chunk.object == "error":  # the words are beside it, where no chunk has any
                chunk = wire.loosely(data) or chunk
            self._chunk(chunk, clean=clean)
        elif data.strip():
            self._unreadable += 1
            if self._unreadable > _TOLERATED:
                self._end(UpstreamProtocol())

    def _chunk(self, chunk: wire.Chunk, *, clean: bool) -> None:
        if chunk.model != self._model and chunk.model:
            self._model, self._model_label = chunk.model, label(chunk.model)
        if chunk.provider != self._provider and chunk.provider:
            self._provider, self._provider_label = chunk.provider, label(chunk.provider)
        if self._id is None:
            self._id = label(chunk.id)
        if chunk.usage is not None:
            self._usage = wire.merge_usage(self._usage, chunk.usage)
        error: Any = chunk.error
        failed = False
        native: str | None = None
        for choice in chunk.choices or ():
            if choice.index:
                continue
            delta = choice.delta or choice.message
            if delta is not None:
                self._delta(delta, clean=clean)
            error = error or choice.error
            native = native or choice.native_finish_reason
            if choice.finish_reason:
                failed = failed or choice.finish_reason == "error"
                self._finish_reason = self._finish_reason or label(choice.finish_reason)
        if failed or error:
            self._end(failures.erred(error, native, self._api_key))

    def _delta(self, delta: wire.Delta, *, clean: bool) -> None:
        if reasoning := delta.reasoning or delta.reasoning_content:
            self._text(Kind.REASONING, reasoning, clean=clean)
        if delta.content:
            self._content = True
            self._text(Kind.CONTENT, delta.content, clean=clean)
        elif delta.refusal and not self._content:  # it stands in place of an answer, and is one to the reader
            self._refusal = True
            self._text(Kind.CONTENT, delta.refusal, clean=clean)
        if delta.tool_calls:
            self._tool = True
        if delta.annotations:
            self._citations = cited((*self._citations, *citations.read(delta.annotations)))

    def _text(self, kind: Kind, text: str, *, clean: bool) -> None:
        if not clean or self._held[kind]:
            text = self._held[kind] + text
            self._held[kind] = ""
            if "\ud800" <= text[-1] <= "\udbff":
                self._held[kind], text = text[-1], text[:-1]
            text = wire.whole(text)
        elif "\0" in text:
            text = wire.whole(text)
        if not text:
            return
        if kind is not self._kind:
            self._close_piece()
            self._kind = kind
        self._texts.append(text)

    def _end_of_body(self) -> None:
        """Judge a body that ended without `[DONE]`."""
        if not self._streamed:
            self._end_of_whole()
            return
        try:
            last: ServerSentEvent | None = self._decoder.rest()
        except UpstreamProtocol as too_long:
            self._end(too_long)
            return
        if last is not None:
            # Some servers leave out the empty line after the last event. What is torn is no JSON, and does not count.
            self._unreadable = 0
            self._event(last.data)
        if not self._over:
            self._end(None if self._finish_reason or self._empty else UpstreamProtocol())

    def _end_of_whole(self) -> None:
        """Read an answer that came in one piece, though a stream was asked for."""
        chunk = wire.loosely(bytes(self._body))
        if chunk is None or not (chunk.choices or chunk.error):
            self._end(None if self._empty else UpstreamProtocol())
            return
        self._chunk(chunk, clean=False)
        if not self._over:
            self._end(None)

    def _end(self, failure: ProviderError | None) -> None:
        """End the answer; None where the provider meant it to end here."""
        if failure is not None and self._finish_reason not in (None, "error") and isinstance(failure, UpstreamProtocol):
            failure = None  # the provider had said that the answer is whole, before its line broke
        for kind in Kind:
            half, self._held[kind] = self._held[kind], ""
            if half:
                self._text(kind, wire.whole(half), clean=True)
        if failure is None and not (self._content or self._refusal):
            if self._tool or self._finish_reason in ("tool_calls", "function_call"):
                self._text(Kind.CONTENT, _TOOL, clean=True)
            elif self._finish_reason == "content_filter":
                failure = ContentFiltered()
        self.complete = failure is None
        self._failure = failure
        self._over = True

    def _close_piece(self) -> None:
        if self._texts:
            self._pieces.append(Piece(self._kind, "".join(self._texts)))
            self._texts.clear()

    def _flush(self) -> list[Piece]:
        """Hand over what this read brought."""
        self._close_piece()
        pieces, self._pieces = self._pieces, []
        return pieces
