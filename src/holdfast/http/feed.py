"""The live feed: what changes for the account, and on request the frames of everything that is being written."""

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import Query, Response

from holdfast.errors import InvalidCursor, ShuttingDown
from holdfast.feed import Change
from holdfast.generation import Watch
from holdfast.http import shapes
from holdfast.http.parts import Owner, Wired
from holdfast.http.stream import EventStream

_CURSOR: Final = re.compile(r"([0-9a-z]{26}):(\d{1,18})", re.ASCII)
_CURSORS: Final = 64
_encode = msgspec.json.Encoder().encode


async def watch(
    parts: Wired,
    owner: Owner,
    follow: Annotated[Literal["running"] | None, Query()] = None,
    after: Annotated[list[str] | None, Query(max_length=_CURSORS)] = None,
) -> Response:
    """What changes from now on. `follow=running`: also the frames of what is being written, each `after` its cursor."""
    if parts.streams.closing:
        raise ShuttingDown(retry_after=5)
    watched = await parts.engine.watch(owner, dict(map(_cursor, after or ())), follow=follow is not None)
    return EventStream(_Encoded(watched), parts.streams)


class _Encoded:
    """A watch as bytes."""

    def __init__(self, watched: Watch) -> None:
        self._watch = watched
        self.wake = watched.wake
        self.leave = watched.leave

    async def read(self) -> bytes | None:
        items = await self._watch.read()
        if items is None:
            return None
        return b"".join([item if isinstance(item, bytes) else _frame(item) for item in items])


def _frame(change: Change) -> bytes:
    event: dict[str, Any] = {"type": change.kind, "conversation_id": change.conversation_id}
    if change.generation:
        generation = change.generation
        event |= {
            "generation_id": generation.id,
            "user_message_id": generation.user_message_id,
            "message_id": generation.message_id,
            "model": generation.told.model or None,
            "status": generation.status,
        }
    if change.rated:
        event |= {"message_id": change.rated.id} | shapes.rating(change.rated)
    if change.conversation:
        event["conversation"] = shapes.conversation(change.conversation).model_dump()
    return b"data: %b\n\n" % _encode(event)


def _cursor(text: str) -> tuple[str, int]:
    """A generation's id and a cursor. Raises `InvalidCursor`."""
    found = _CURSOR.fullmatch(text)
    if not found:
        raise InvalidCursor
    return found[1], int(found[2])
