"""Where an answer that goes on from a given beginning repeats the end of it: that part is not written twice.

Models are asked to go on exactly where the text stops, and some begin with its last words, or with all of it. Text is
held back while it may still be such a repeat, and let go at the first character that shows that it is none.
"""

from typing import Final

from holdfast.domain import Kind, Piece

_LONG: Final = 16
"""So many characters do not come again by chance, unless the text was repeating itself already."""


_REACH: Final = 8192
"""Characters at the end of the text in which a repeat may begin. One of all of it is found however long it is."""


class Overlap:
    """Takes from new text what `begun` already ends with. Feed it until the end, then take the `rest`."""

    def __init__(self, begun: str = "") -> None:
        self._begun = begun
        self._held: list[str] = []
        self._length = 0  # of what is held
        self._start = 0  # where in `begun` it is found; nowhere before that
        self._over = not begun

    def feed(self, pieces: list[Piece]) -> list[Piece]:
        """What of these pieces is known to be new; reasoning passes."""
        if self._over:
            return pieces
        new: list[Piece] = []
        for kind, text in pieces:
            fresh = self._take(text) if kind is Kind.CONTENT and not self._over else text
            if fresh:
                new.append(Piece(kind, fresh))
        return new

    def rest(self) -> list[Piece]:
        """What is still held when nothing more comes."""
        text = self._decide("".join(self._held)) if self._held else ""
        return [Piece(Kind.CONTENT, text)] if text else []

    def _take(self, text: str) -> str:
        if self._begun.startswith(text, self._start + self._length):  # Nearly always, while it is a repeat.
            self._held.append(text)
            self._length += len(text)
            return ""
        held = "".join([*self._held, text])
        found = self._begun.find(held, self._start)
        if found < 0:
            return self._decide(held)
        self._held, self._length, self._start = [held], len(held), found
        return ""

    def _decide(self, held: str) -> str:
        """What is held, without the longest repeat at its beginning."""
        self._held, self._over = [], True
        begun = self._begun
        if self._start == 0 and held.startswith(begun) and _is_repeat(begun, 0):
            return held[len(begun) :]
        for start in range(max(self._start, len(begun) - min(len(held), _REACH)), len(begun)):
            if begun[start] == held[0] and held.startswith(begun[start:]) and _is_repeat(begun, start):
                return held[len(begun) - start :]
        return held


def _is_repeat(begun: str, start: int) -> bool:
    """Whether text that begins with `begun[start:]` says it again, rather than happening to go on alike.

    The model was shown `begun` without the white space at its end, so white space comes again, and words that come at
    once after it, with none between, would be glued to the last one: nobody goes on like that.
    """
    tail = begun[start:]
    if tail.isspace():
        return True
    starts_word = start == 0 or not (begun[start - 1].isalnum() and begun[start].isalnum())
    if starts_word and not tail[0].isspace() and len(tail.rstrip()) > 1 and any(map(str.isalpha, tail)):
        return True
    return len(tail) >= _LONG and not begun.endswith(tail, 0, start)
