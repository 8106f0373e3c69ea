r"""JSON in which half a character may stand, as `\ud83d` without its `\ude00`, made JSON that a parser reads.

Programs that cut texts by UTF-16 leave such halves, and the parser gives up the whole file for one of them. Each
becomes U+FFFD, which is as long, so that nothing else moves.
"""

import re
from typing import Final

from holdfast.transfer.read.archive import JSON

_HALVES: Final = re.compile(
    rb"\\u[dD](?:[89abAB][\da-fA-F]{2}(?!\\u[dD][c-fC-F][\da-fA-F]{2})"
    rb"|[c-fC-F](?<!\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F])[\da-fA-F]{2})"
)
"""Where no backslash stands for itself before a `u`. It stops at no pair, and a file of emoji takes half the time."""

_HALVES_AND_PAIRS: Final = re.compile(
    rb"(?<!\\)((?:\\\\)*)\\u(?:([dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2})|[dD][89a-fA-F][\da-fA-F]{2})"
)
_BEGUN: Final = re.compile(
    rb"\\u[dD][89abAB][\da-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][\da-fA-F]?)?)?)?)?\Z"
    rb"|\\(?:u(?:[dD](?:[89a-fA-F][\da-fA-F]?)?)?)?\Z"
)
"""What may go on in the next piece."""

_LONGEST: Final = 11
"""Bytes of a pair that is not whole."""


class Mended:
    """A file without halves of characters. What it gives may be a few bytes longer than was asked for."""

    def __init__(self, file: JSON) -> None:
        self._file = file
        self._begun = b""

    def read(self, size: int = -1, /) -> bytes:
        """Some more of it; nothing at the end."""
        while piece := self._file.read(size):
            whole = self._cut(self._begun + piece)
            if whole:
                return _mended(whole)
        rest, self._begun = self._begun, b""
        return _mended(rest)

    def _cut(self, data: bytes) -> bytes:
        """The part that can be judged; the rest waits for what follows it."""
        begun = _BEGUN.search(data, max(0, len(data) - _LONGEST))
        at = begun.start() if begun else len(data)
        if (at - len(data[:at].rstrip(b"\\"))) % 2:
            at -= 1  # It was the second of two backslashes, which stand for one.
        self._begun = data[at:]
        return data[:at]


def _mended(data: bytes) -> bytes:
    if b"\\ud" not in data and b"\\uD" not in data:
        return data
    if b"\\\\u" not in data:
        return _HALVES.sub(rb"\\ufffd", data)
    return _HALVES_AND_PAIRS.sub(lambda found: found[0] if found[2] else found[1] + rb"\ufffd", data)
