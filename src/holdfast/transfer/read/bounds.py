"""What JSON may ask of a parser, counted before it sees it: how deep it goes, how long its numbers and lists are.

Work grows with the depth of each value: at 50,000 the parser takes 9 s for 100 KB, all of them without giving anybody
else a turn. A number of more digits than Python turns into an integer ends the whole process inside the parser. A
value takes 80 bytes of memory, were it only two bytes of the file.
"""

from typing import Final

from holdfast.errors import UnreadableFile

DEPTH_LIMIT: Final = 2000
"""Objects and lists that may stand inside each other."""

DIGIT_LIMIT: Final = 1000
"""Digits of one number. Python itself goes to 4300."""

VALUE_LIMIT: Final = 2_000_000
"""Values, of whatever kind, in one conversation."""

_OPENING, _CLOSING = b"[{", b"]}"
_DIGITS: Final = b"0123456789"
_OTHERS: Final = bytes(set(range(256)) - set(b'",' + _OPENING + _CLOSING + _DIGITS))
_ALIKE: Final = bytes.maketrans(_DIGITS, b"0" * len(_DIGITS))


class Bounds:
    """Counts along. Nearly all of it is done by a few searches over each piece."""

    def __init__(self) -> None:
        self._depth = 0
        self._values = 0
        self._number = b""
        self._in_string = False
        self._escape = b""

    def begin_item(self) -> None:
        """A conversation came to its end."""
        self._values = 0

    def add(self, piece: bytes) -> None:
        """The next bytes. Raises `UnreadableFile` where they go too far."""
        piece = self._escape + piece
        backslashes = len(piece) - len(piece.rstrip(b"\\"))
        self._escape = b"\\" if backslashes % 2 else b""
        piece = piece[: len(piece) - backslashes].replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = piece.translate(_ALIKE, _OTHERS).split(b'"')
        outside = b"".join(parts[self._in_string :: 2])
        self._in_string ^= len(parts) % 2 == 0
        self._add_numbers(outside)
        self._add_values(outside)

    def _add_numbers(self, outside: bytes) -> None:
        """Between two numbers there is a comma or a bracket, so whatever else was taken out joined none."""
        numbers = self._number + outside
        if b"0" * (DIGIT_LIMIT + 1) in numbers:
            raise UnreadableFile(f"A number in the file has more than {DIGIT_LIMIT} digits. The import ends there.")
        self._number = numbers[len(numbers.rstrip(b"0")) :]

    def _add_values(self, outside: bytes) -> None:
        opened, closed = (sum(map(outside.count, (kind[:1], kind[1:]))) for kind in (_OPENING, _CLOSING))
        self._values += opened + outside.count(b",")
        if self._values > VALUE_LIMIT:
            raise UnreadableFile(
                f"A conversation in the file has more than {VALUE_LIMIT:,} values. The import ends there."
            )
        if self._depth + opened > DEPTH_LIMIT:
            self._count(outside.translate(None, b",0"))
        else:
            self._depth += opened - closed

    def _count(self, brackets: bytes) -> None:
        for bracket in brackets:
            self._depth += 1 if bracket in _OPENING else -1
            if self._depth > DEPTH_LIMIT:
                raise UnreadableFile(f"The file is nested deeper than {DEPTH_LIMIT} levels. The import ends there.")
