"""Words in what people search for, and where they stand in a text. Pure.

The databases find; here is only how a query is taken apart, and what of a text that was found is shown. All works on a
folded text that has the length of its original, so a place in one is a place in the other.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

WORDS: Final = 32
"""Words of a query that are looked for; what comes after them is not."""

SNIPPET: Final = 200
"""About how many characters of a text are shown."""

_BEFORE: Final = 40  # How many of them stand before the first word that was found.
_MATCHES: Final = 100
_FOLDS: Final = 20_000  # Characters whose folded form is remembered.
_STEM: Final = 2  # Letters from which on a word is also a beginning: one letter begins a tenth of all words.

_UNSPACED: Final = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
)
"""Kana and Han, which are written without spaces: each is a word. The same as in the migration that made the index."""

_MARK: Final = "\u0300"  # Stands for every diacritic that is a character of its own.
_LETTER: Final = f"[^ {_UNSPACED}]"
_WORD: Final = re.compile(f"[{_UNSPACED}]|[^ {_MARK}{_UNSPACED}]{_LETTER}*")
_MARKS: Final = re.compile("[\u0300-\u036f]+")
_IS_UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
_QUOTE: Final = re.compile('["\u201c\u201d]')
_BLANK: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand side by side, without diacritics. `begins`: the last one may go on."""

    words: tuple[str, ...]
    begins: bool = False


class Part(NamedTuple):
    """A part of a snippet. `match`: it is what was looked for."""

    text: str
    match: bool


def phrases(query: str) -> list[Phrase]:
    """What to look for, all of it: words, and what stands in quotes or is written without a blank as it stands.

    The last word is also a beginning, unless a closing quote ends it. Every other sign only parts words.
    """
    found: list[tuple[str, ...]] = []
    left = WORDS
    segments = _QUOTE.split(query)
    for number, segment in enumerate(segments):
        for chunk in [segment] if number % 2 else segment.split():
            words = tuple(_words(chunk))[:left]
            left -= len(words)
            if words:
                found.append(words)
    closed = len(segments) % 2 == 1 and not segments[-1].strip()
    begins = bool(found) and not closed and len(found[-1][-1]) >= _STEM
    return [Phrase(words, begins and number == len(found)) for number, words in enumerate(found, 1)]


def snippet(text: str, wanted: Sequence[Phrase]) -> tuple[Part, ...]:
    """The place of a text where most of what was looked for stands close together, on one line."""
    pattern = re.compile("|".join(f"({_pattern(phrase)})" for phrase in wanted))
    found = list(islice(pattern.finditer(text.translate(_FOLD)), _MATCHES))
    start, end = _window(text, found)
    parts: list[Part] = [Part("\N{HORIZONTAL ELLIPSIS}", False)] if start else []
    at = start
    for match in found:
        if start <= match.start() < end:
            parts += [Part(text[at : match.start()], False), Part(text[match.start() : min(match.end(), end)], True)]
            at = min(match.end(), end)
    parts.append(Part(text[at:end] + ("\N{HORIZONTAL ELLIPSIS}" if end < len(text) else ""), False))
    return tuple(Part(_BLANK.sub(" ", part.text), part.match) for part in parts if part.text)


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text.translate(_FOLD)):
        bare = _MARKS.sub("", unicodedata.normalize("NFD", text[match.start() : match.end()]))
        yield unicodedata.normalize("NFC", bare)


def _pattern(phrase: Phrase) -> str:
    words = [_exactly(word) for word in phrase.words]
    if phrase.begins:
        words[-1] = words[-1].removesuffix(f"(?!{_LETTER})") + f"{_LETTER}*"
    return " *".join(words)


def _exactly(word: str) -> str:
    """A pattern for a word in a folded text."""
    letters = "".join(re.escape(letter) + f"{_MARK}*" for letter in word.translate(_FOLD))
    return letters if _IS_UNSPACED.match(word) else f"(?<!{_LETTER}){letters}(?!{_LETTER})"


def _window(text: str, found: Sequence[re.Match[str]]) -> tuple[int, int]:
    """Where the snippet begins and ends: at blanks, where there are any."""
    if len(text) <= SNIPPET:
        return 0, len(text)
    best = 0
    if found:
        width = SNIPPET - _BEFORE
        close = [
            {each.lastindex for each in found[n:] if each.end() <= found[n].start() + width} for n in range(len(found))
        ]
        best = found[max(range(len(found)), key=lambda n: len(close[n]))].start()
    start = max(0, best - _BEFORE)
    if start and (blank := _BLANK.search(text, start, best)):
        start = blank.end()
    end = min(len(text), start + SNIPPET)
    blank_at = max(text.rfind(blank, start + SNIPPET // 2, end) for blank in " \n") if end < len(text) else -1
    return start, blank_at if blank_at > 0 else end


class _Fold(dict[int, str]):
    """For `str.translate`: lower case without diacritics, and a blank for all that is in no word. One for one."""

    def __missing__(self, code: int) -> str:
        folded = _folded(chr(code))
        if len(self) < _FOLDS:
            self[code] = folded
        return folded


def _folded(character: str) -> str:
    if _MARKS.match(character):
        return _MARK
    category = unicodedata.category(character)
    if category[0] not in "LMN" and category != "Co":
        return " "
    if _IS_UNSPACED.match(character):
        return character
    base = _MARKS.sub("", unicodedata.normalize("NFD", character))
    lower = (base if len(base) == 1 else character).lower()
    return lower if len(lower) == 1 else character


_FOLD: Final = _Fold()
