"""The stream vocabulary and its JSON, and the map that keeps old cursors valid.

Within one generation `seq` counts from 1: `started`, then every stored piece of text, then `metadata`, then the one
terminal event. A frame's id is the last seq that it covers. Frames are encoded once and shared as bytes.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from holdfast.domain import Failure, Generation, Kind, Outcome, Piece, Status, dollars

STARTED = 1
"""The seq of the event that opens every generation; the first piece of text follows it."""

_FRAME_CHARACTERS = 32 * 1024
_encode = msgspec.json.Encoder().encode


class Frames:
    """Encodes the events of one generation; what all of them carry is encoded once."""

    def __init__(self, conversation_id: str, generation_id: str) -> None:
        ids = b'"conversation_id":%b,"generation_id":%b' % (_encode(conversation_id), _encode(generation_id))
        self._ids = ids
        self._text = {
            Kind.CONTENT: b'\ndata: {"type":"content",%b,"content":' % ids,
            Kind.REASONING: b'\ndata: {"type":"reasoning",%b,"content":' % ids,
        }

    def text(self, seq: int, kind: Kind, text: str) -> bytes:
        """A `content` or `reasoning` frame."""
        return b"id: %d%b%b}\n\n" % (seq, self._text[kind], _encode(text))

    def started(self, generation: Generation) -> bytes:
        """The frame that opens a generation."""
        return self._frame(
            STARTED,
            "started",
            user_message_id=generation.user_message_id,
            message_id=generation.message_id,
            model=generation.told.model or None,
            offset=generation.offset,
        )

    def metadata(self, seq: int, generation: Generation) -> bytes:
        """What is known of how the answer came about."""
        return self._frame(seq, "metadata", metadata=metadata(generation))

    def terminal(self, seq: int, status: Status, failure: Failure | None) -> bytes:
        """The last frame: `done` or `error`."""
        if failure is None:
            return self._frame(seq, "done", done=True, status=status)
        wait = {} if failure.retry_after is None else {"retry_after": failure.retry_after}
        return self._frame(
            seq, "error", error=failure.message, code=failure.code, retryable=failure.retryable, status=status, **wait
        )

    def _frame(self, seq: int, kind: str, **fields: Any) -> bytes:
        return b'id: %d\ndata: {"type":%b,%b,%b\n\n' % (seq, _encode(kind), self._ids, _encode(fields)[1:])


def metadata(generation: Generation) -> dict[str, Any]:
    """The `metadata` of a generation as JSON values; unknown is None."""
    generation = generation.told
    outcome: Outcome = generation.outcome
    usage = outcome.usage
    return {
        "id": generation.message_id,
        "model": generation.model or None,
        "model_id_used": outcome.model_id_used,
        "preset_id": generation.preset_id,
        "provider": outcome.provider,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost": None if usage.cost is None else dollars(usage.cost),
        "finish_reason": outcome.finish_reason,
        "upstream_id": outcome.upstream_id,
        "first_token_ms": outcome.first_token_ms,
        "reasoning_ms": outcome.reasoning_ms,
        "duration_ms": outcome.duration_ms,
        "left_out": outcome.left_out,
        "memories": [],
        "citations": [{"url": each.url, "title": each.title} for each in outcome.citations],
    }


def pack(pieces: Iterable[Piece]) -> bytes:
    """The kinds and lengths of a generation's pieces in order: `length << 1 | kind` as a LEB128 number each."""
    packed = bytearray()
    for piece in pieces:
        number = len(piece.text) << 1 | piece.kind
        while number > 0x7F:  # noqa: PLR2004 - seven bits to a byte
            packed.append(number & 0x7F | 0x80)
            number >>= 7
        packed.append(number)
    return bytes(packed)


def unpack(packed: bytes) -> Iterator[tuple[Kind, int]]:
    """The kind and length of each piece, as `pack` took them."""
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a number
            yield Kind(number & 1), number >> 1
            number = shift = 0


def replay(generation: Generation, content: str, reasoning: str, after: int) -> Iterator[bytes]:
    """The frames of a settled generation after the cursor `after`, from its message's text; pieces joined into few.

    Every cursor that was ever given out resolves, whether or not a frame ended there when it was sent.
    """
    frames = Frames(generation.conversation_id, generation.id)
    if after < STARTED:
        yield frames.started(generation)
    spans = _spans_after(generation, after)
    source = {Kind.CONTENT: content, Kind.REASONING: reasoning}
    for seq, kind, start, end in spans:
        yield frames.text(seq, kind, source[kind][start:end])
    if after < generation.seq - 1:
        yield frames.metadata(generation.seq - 1, generation)
    if after < generation.seq:
        yield frames.terminal(generation.seq, generation.status, generation.told.failure)


def _spans_after(generation: Generation, after: int) -> Iterator[tuple[int, Kind, int, int]]:
    """(last seq, kind, start, end) of the text after a cursor, neighbours of one kind joined up to a frame's size."""
    ends = {Kind.CONTENT: generation.offset, Kind.REASONING: generation.reasoning_offset}
    joined: tuple[int, Kind, int, int] | None = None
    for seq, (kind, length) in enumerate(unpack(generation.spans), STARTED + 1):
        start = ends[kind]
        ends[kind] = end = start + length
        if seq <= after:
            continue
        if joined and joined[1] is kind and end - joined[2] <= _FRAME_CHARACTERS:
            joined = (seq, kind, joined[2], end)
            continue
        if joined:
            yield joined
        joined = (seq, kind, start, end)
    if joined:
        yield joined
