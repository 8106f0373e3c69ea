"""Search through one's own conversations. What a query means is said in `store.words`."""

from typing import Annotated, Final

from fastapi import Query

from holdfast.errors import InvalidCursor
from holdfast.http import cursors, shapes
from holdfast.http.parts import Owner, Wired
from holdfast.store.search import Place, Stage

QUERY_LIMIT: Final = 1000
"""Characters of a query."""


async def search(
    parts: Wired,
    owner: Owner,
    q: Annotated[str, Query(max_length=QUERY_LIMIT)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: str | None = None,
) -> shapes.SearchPage:
    """Conversations by their titles, then messages of every branch by their text, each newest first.

    All words of the query must be there, whatever their case and diacritics; the last one may be the beginning of a
    word. Words in quotes must stand side by side. Every other sign only parts words, and a query without words finds
    nothing. Of a message the first 100,000 characters are searched; what is still being written is not.
    """
    page, more = await parts.store.search.list(owner, q, limit=limit, after=_place(cursor))
    return shapes.SearchPage(items=[shapes.hit(each) for each in page], next_cursor=more and cursors.encode(more))


def _place(cursor: str | None) -> Place | None:
    """Raises `InvalidCursor`."""
    place = cursors.decode(cursor)
    if place is None:
        return None
    if place[0] not in set(Stage):
        raise InvalidCursor
    return Place(Stage(place[0]), place[1])
