"""The history of a campaign: what every client did and was told, a JSON line each, in the order in which it happened.

`read` tells one attachment as a whole: each frame as (seq, kind, characters) and the text that came. Kinds are the
first letters of the event's type: s, c, r, m, d, e.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

Frame = tuple[int, str, int]
"""A frame's seq, the first letter of its type, and how many characters of text it bears."""

End = Literal["terminal", "left", "cut", "goodbye", "clean", "refused", "empty"]
"""How an attachment ended: by the terminal event; left by the client; cut; after the server's `retry:`; cleanly, but
without a terminal event; refused by a status; with 204, nothing being left."""

What = Literal["start", "ready", "kill", "send", "ack", "refused", "read", "stop", "delete", "note"]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line. `t` is the monotonic clock in nanoseconds; which fields bear anything depends on `what`.

    start, ready, kill: the server's life, with its `epoch`. send: a POST is about to be written. ack: its 2xx head
    came. refused: it was answered by another `status`. read: an attachment is over. stop, delete: were answered by
    `status`.
    """

    t: int
    what: What
    client: str = ""
    key: str = ""
    epoch: int = 0
    message: str = ""
    status: int = 0
    code: str = ""
    conversation: str = ""
    generation: str = ""
    user_message: str = ""
    after: int = 0
    frames: tuple[Frame, ...] = ()
    content: str = ""
    reasoning: str = ""
    terminal: str = ""
    foreign: tuple[str, ...] = ()
    end: End | Literal[""] = ""
    detail: str = ""


class History:
    """Writes lines as they come; `with History(path) as history:`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=1 << 16)
        self._encode = msgspec.json.Encoder().encode
        self.counts: dict[str, int] = {}

    def write(self, what: What, **fields: Any) -> None:
        """Add a line, now."""
        self.counts[what] = self.counts.get(what, 0) + 1
        self._file.write(self._encode(Line(time.monotonic_ns(), what, **fields)) + b"\n")

    def flush(self) -> None:
        """Have all of it in the file."""
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read(path: Path) -> Iterator[Line]:
    """The lines of a history."""
    decode = msgspec.json.Decoder(Line).decode
    with path.open("rb") as file:
        for line in file:
            yield decode(line)
