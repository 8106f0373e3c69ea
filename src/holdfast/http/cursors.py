"""Cursors of lists: a place, which is two numbers, as a text that nobody is tempted to make up."""

import base64
import re
from typing import Final

from holdfast.errors import InvalidCursor

_PLACE: Final = re.compile(rb"(\d{1,18})\.(\d{1,18})")


def encode(place: tuple[int, int]) -> str:
    """A place as a cursor."""
    return base64.urlsafe_b64encode(b"%d.%d" % place).decode().rstrip("=")


def decode(cursor: str | None) -> tuple[int, int] | None:
    """The place of a cursor; None where there is none. Raises `InvalidCursor` for what `encode` did not make."""
    if cursor is None:
        return None
    try:
        found = _PLACE.fullmatch(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        found = None
    if not found:
        raise InvalidCursor
    return int(found[1]), int(found[2])
