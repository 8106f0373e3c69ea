"""Values of a file that nobody vouches for, made sane: text, titles, times, names, addresses."""

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from holdfast import text
from holdfast.domain import Citation, cited, now

_DAY: Final = 86_400_000_000
_EARLIEST: Final = 5 * 365 * _DAY  # What is older than 1975 is somebody's default.
_LATEST: Final = 10**18
_UNITS: Final = (1_000_000, 1_000, 1)
"""Microseconds in what programs count time by: seconds, milliseconds, microseconds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAME_LIMIT: Final = 200
_FIRST_WORDS: Final = 400
_BLANK: Final = re.compile(r"\s+")


def moment(value: Any) -> int | None:
    """A time in microseconds, from a number in whatever unit makes it sensible or from ISO 8601; None for nonsense."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return _sensible((aware - _EPOCH) // timedelta(microseconds=1))
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 < value < _LATEST:
        return None
    return next((found for unit in _UNITS if (found := _sensible(int(value * unit))) is not None), None)


def _sensible(microseconds: int) -> int | None:
    return microseconds if _EARLIEST <= microseconds <= now() + _DAY else None


def title_or_first_words(title: Any, first: str) -> str:
    """A title as a person may give it; where there is none, the first words of the conversation."""
    given = text.title(title[:_FIRST_WORDS]) if isinstance(title, str) else ""
    return given or text.title(_BLANK.sub(" ", first[:_FIRST_WORDS]))


def kept(value: Any) -> str:
    """Text as it came, but for NUL and lone surrogates, which no database holds; "" for what is no text."""
    return text.without_surrogates(value).replace("\0", text.REPLACEMENT) if isinstance(value, str) else ""


def name(value: Any) -> str | None:
    """A short text, such as a model's name; None for what is none."""
    return kept(value)[:_NAME_LIMIT] or None


def citations(pages: Iterable[tuple[Any, Any]]) -> tuple[Citation, ...]:
    """Pages by address and title. What is no address on the web is dropped."""
    return cited(
        Citation(url, text.caption(title) if isinstance(title, str) else "")
        for url, title in pages
        if isinstance(url, str) and text.web_host(url)
    )


def origin(program: str, id_: Any, *content: str) -> str:
    """What a conversation is called where it comes from; without an id of its own, by what is in it."""
    if not isinstance(id_, str) or not id_ or len(id_) > _NAME_LIMIT:
        id_ = hashlib.sha256("\0".join(content).encode()).hexdigest()
    return f"{program}:{kept(id_)}"
