"""Send a message, answer one again, follow, stop: everything that runs or streams."""

from typing import Annotated, Any, Final

from fastapi import Depends, Header, Query, Response
from pydantic import Field

from holdfast.chat import Choice
from holdfast.domain import Status
from holdfast.errors import Invalid, InvalidCursor, ShuttingDown
from holdfast.http import shapes
from holdfast.http.parts import Owner, PathId, Wired, checked_id, is_id
from holdfast.http.requests import Body, body_of
from holdfast.http.stream import EventStream
from holdfast.store.generations import SIBLINGS, AtEnd

_CURSOR_DIGITS: Final = 18

_Responses = dict[int | str, dict[str, Any]]

STREAM_RESPONSES: Final[_Responses] = {
    200: {"description": "Server-sent events; see the protocol.", "content": {"text/event-stream": {}}},
}
FOLLOW_RESPONSES: Final[_Responses] = STREAM_RESPONSES | {204: {"description": "It ended, and this was the end."}}
STOP_RESPONSES: Final[_Responses] = {
    200: {"description": "It had ended before.", "model": shapes.Generation},
    202: {"description": "It is told to stop.", "model": shapes.Generation},
}


class _Choice(Body):
    model_id: str | None = None
    preset_id: int | None = None
    client_message_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.~-]{1,64}$")] | None = None

    def choice(self) -> Choice:
        """Whom to ask."""
        return Choice(self.model_id, self.preset_id, self.client_message_id)


class Other(Body):
    """One more to ask."""

    model_id: str | None = None
    preset_id: int | None = None


class Send(_Choice):
    """A message to send."""

    message: str
    conversation_id: str | None = None
    parent_message_id: str | None = None
    compare: Annotated[list[Other], Field(default_factory=list, max_length=SIBLINGS - 1)]
    blind: bool = False


class Again(_Choice):
    """How to answer a message again. `continue`: go on with this unfinished answer instead of writing another one."""

    continue_: Annotated[bool, Field(alias="continue")] = False


async def send(parts: Wired, owner: Owner, body: Annotated[Send, Depends(body_of(Send))]) -> Response:
    """Send a message and follow the answer to it."""
    if body.conversation_id is not None:
        checked_id(body.conversation_id)
    if body.parent_message_id is not None and not is_id(body.parent_message_id):
        raise Invalid("parent_message_id is not an answer in this conversation.")
    if body.blind and not body.compare:
        raise Invalid("blind is for a comparison; name others to compare with.")
    at_end = "parent_message_id" not in body.model_fields_set
    generation = await parts.chat.send(
        owner,
        body.message,
        body.choice(),
        conversation_id=body.conversation_id,
        parent=AtEnd() if at_end else body.parent_message_id,
        compare=[Choice(other.model_id, other.preset_id) for other in body.compare],
        blind=body.blind,
    )
    return EventStream(parts.engine.follow_begun(owner, generation), parts.streams)


async def answer_again(
    parts: Wired, owner: Owner, message_id: PathId, body: Annotated[Again, Depends(body_of(Again))]
) -> Response:
    """Answer a user's message once more, or go on with an unfinished answer, and follow what is written."""
    write = parts.chat.continue_answer if body.continue_ else parts.chat.answer_again
    generation = await write(owner, message_id, body.choice())
    return EventStream(parts.engine.follow_begun(owner, generation), parts.streams)


async def get_generation(parts: Wired, owner: Owner, generation_id: PathId) -> shapes.Generation:
    """Where a generation stands."""
    return shapes.generation(await parts.store.generations.get(owner, generation_id))


async def follow(
    parts: Wired,
    owner: Owner,
    generation_id: PathId,
    after: Annotated[str, Query()] = "0",
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The events after a cursor, while it runs or after it ended; 204 at the end."""
    if parts.streams.closing:
        raise ShuttingDown(retry_after=5)
    follower = await parts.engine.follow(owner, generation_id, _cursor(last_event_id or after))
    return EventStream(follower, parts.streams) if follower else Response(status_code=204)


async def stop(parts: Wired, owner: Owner, generation_id: PathId) -> Response:
    """Stop it; the text so far is kept. 202 where it ran, 200 where it had ended."""
    generation = await parts.chat.stop(owner, generation_id)
    body = shapes.generation(generation).model_dump_json()
    return Response(body, 202 if generation.status is Status.STREAMING else 200, media_type="application/json")


def _cursor(text: str) -> int:
    """A cursor is a number in ASCII digits. Raises `InvalidCursor`."""
    if not (text.isascii() and text.isdigit() and len(text) <= _CURSOR_DIGITS):
        raise InvalidCursor
    return int(text)
