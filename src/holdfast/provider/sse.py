"""Server-sent events out of raw bytes, as WHATWG HTML 9.2.5 and 9.2.6 have them.

However the bytes are cut, the same events come out; time is linear in their number, memory bounded by
the caps. Nothing but LF, CR and CRLF ends a line: U+2028 and U+0085 are legal inside the JSON that travels here.
"""

import msgspec

from holdfast.errors import UpstreamProtocol

MAX_LINE_BYTES = 1 << 20
MAX_EVENT_BYTES = 4 << 20

_BOM = b"\xef\xbb\xbf"
_RETRY_DIGITS = 18
"""More digits than that are no reconnection time, and unbounded ones cost quadratic time to read."""


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event. `event` is "message" where none was named; `id` is the last one sent so far."""

    event: str
    data: str
    id: str


class SSEDecoder:
    """Bytes in, events out.

    A line is decoded as a whole once its end is there. That equals decoding the stream, since no byte of CR,
    LF, colon or space is ever part of a longer UTF-8 sequence, broken or not.

    `retry` is the last reconnection time that was sent, in milliseconds.
    """

    __slots__ = (
        "_broken",
        "_data",
        "_data_size",
        "_head",
        "_id",
        "_max_event",
        "_max_line",
        "_parts",
        "_parts_size",
        "_plain",
        "_short",
        "_skip_lf",
        "_type",
        "retry",
    )

    def __init__(self, *, max_line: int = MAX_LINE_BYTES, max_event: int = MAX_EVENT_BYTES) -> None:
        """Take the longest line and the longest event's data, both in bytes without line ends."""
        self.retry: int | None = None
        self._max_line = max_line
        self._max_event = max_event
        self._short = min(max_line, max_event)
        self._plain = False  # between two events, with nothing pending: the next feed may go the short way
        self._head: bytes | None = b""  # the first bytes while they may still be a BOM; None afterwards
        self._skip_lf = False  # the last byte was a CR, so an LF that comes next belongs to it
        self._parts: list[bytes] = []  # the unfinished line
        self._parts_size = 0
        self._data: list[bytes] = []  # the `data` lines of the unfinished event
        self._data_size = 0
        self._type = ""
        self._id = ""
        self._broken: UpstreamProtocol | None = None

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Return the events that these bytes complete.

        Raises `UpstreamProtocol` past a cap: at this call, or at the next one if events came before it.
        """
        size = len(data)
        if (
            self._plain
            and data.find(b"\n") == size - 2
            and data.startswith(b"data: ")
            and data.endswith(b"\n")
            and size <= self._short
            and b"\r" not in data
        ):  # nearly every read is one whole `data: {...}` and its empty line
            return [ServerSentEvent("message", data[6:-2].decode("utf-8", "replace"), self._id)]
        if self._broken is not None:
            raise self._broken
        events: list[ServerSentEvent] = []
        try:
            if self._plain and b"\r" not in data:
                self._consume_blocks(data, events)
            else:
                self._consume(self._without_bom(data), events)
        except UpstreamProtocol as too_long:
            self._broken = too_long
            self._plain = False
            if not events:
                raise
        return events

    def rest(self) -> ServerSentEvent | None:
        """Return what an empty line would dispatch now.

        The standard discards an unfinished event at the end of the stream; some servers leave out the
        empty line after their last one, so the caller may judge it. Raises `UpstreamProtocol` past a cap.
        """
        events = self.feed(b"\r\r")  # not LF, which could be the second half of a CRLF
        return events[0] if events else None

    def _without_bom(self, data: bytes) -> bytes:
        """Drop one byte order mark at the very start, however it is cut."""
        if self._head is None:
            return data
        data = self._head + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._head = data
            return b""
        self._head = None
        return data.removeprefix(_BOM)

    def _consume_blocks(self, data: bytes, events: list[ServerSentEvent]) -> None:
        """Consume bytes without a CR that follow an event's end, nearly always many like the one in `feed`."""
        *blocks, tail = data.split(b"\n\n")
        for block in blocks:
            if block[:6] == b"data: " and b"\n" not in block and len(block) <= self._short:
                events.append(ServerSentEvent("message", block[6:].decode("utf-8", "replace"), self._id))
            else:
                self._consume(block + b"\n\n", events)
        if tail:
            self._consume(tail, events)

    def _consume(self, data: bytes, events: list[ServerSentEvent]) -> None:
        if self._skip_lf and data:
            self._skip_lf = False
            data = data.removeprefix(b"\n")
        if not data:
            return
        lines = data.splitlines()  # of bytes: at LF, CR and CRLF only
        tail = b"" if data.endswith((b"\r", b"\n")) else lines.pop()
        self._skip_lf = data.endswith(b"\r")
        if lines and self._parts:
            self._parts.append(lines[0])
            lines[0] = b"".join(self._parts)
            self._parts.clear()
            self._parts_size = 0
        for line in lines:
            self._line(line, events)
        if tail:
            self._parts.append(tail)
            self._parts_size += len(tail)
            if self._parts_size > self._max_line:
                raise _too_long("line", self._max_line)
        self._plain = not (self._parts or self._data or self._type or self._skip_lf or self._head is not None)

    def _line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if len(line) > self._max_line:
            raise _too_long("line", self._max_line)
        if line[:6] == b"data: ":
            self._append(line[6:])
        elif not line:
            self._dispatch(events)
        elif not line.startswith(b":"):  # which would make it a comment
            name, _, value = line.partition(b":")
            self._field(name, value.removeprefix(b" "))

    def _field(self, name: bytes, value: bytes) -> None:
        if name == b"data":
            self._append(value)
        elif name == b"event":
            self._type = value.decode("utf-8", "replace")
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) <= _RETRY_DIGITS:  # ASCII digits only, being bytes
            self.retry = int(value)

    def _append(self, value: bytes) -> None:
        self._data_size += len(value) + 1
        if self._data_size - 1 > self._max_event:
            raise _too_long("event", self._max_event)
        self._data.append(value)

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        """End an event. Without a `data` line there is none, but its type is forgotten and its id stays."""
        if self._data:
            data = b"\n".join(self._data).decode("utf-8", "replace")
            events.append(ServerSentEvent(self._type or "message", data, self._id))
            self._data.clear()
            self._data_size = 0
        self._type = ""


def _too_long(what: str, limit: int) -> UpstreamProtocol:
    return UpstreamProtocol(f"The provider sent a stream {what} of more than {limit} bytes. What arrived is kept.")
