"""Conversations and their messages."""

import base64
import re
from typing import Annotated, Final

from fastapi import Depends, Query, Response

from holdfast.errors import Invalid, InvalidCursor
from holdfast.http import shapes
from holdfast.http.parts import Owner, PathId, Wired, is_id
from holdfast.http.requests import Body, body_of
from holdfast.store.conversations import Place

_PLACE: Final = re.compile(rb"(\d{1,18})\.(\d{1,18})")


class Change(Body):
    """What to change; at least one field. An empty title asks for the default one back."""

    title: str | None = None
    current_message_id: str | None = None


async def list_conversations(
    parts: Wired, owner: Owner, limit: Annotated[int, Query(ge=1, le=100)] = 30, cursor: str | None = None
) -> shapes.ConversationPage:
    """The conversations, latest first; `next_cursor` leads to the next page and is null on the last."""
    page, more = await parts.store.conversations.list(owner, limit=limit, after=_place(cursor))
    items = [shapes.conversation(conversation) for conversation in page]
    return shapes.ConversationPage(items=items, next_cursor=more and _cursor(more))


async def add_conversation(parts: Wired, owner: Owner) -> shapes.Conversation:
    """An empty conversation."""
    return shapes.conversation(await parts.store.conversations.add(owner))


async def get_conversation(parts: Wired, owner: Owner, conversation_id: PathId) -> shapes.Conversation:
    """One conversation."""
    return shapes.conversation(await parts.store.conversations.get(owner, conversation_id))


async def change_conversation(
    parts: Wired, owner: Owner, conversation_id: PathId, change: Annotated[Change, Depends(body_of(Change))]
) -> shapes.Conversation:
    """Rename it, or choose the branch that goes through a message."""
    if change.title is None and change.current_message_id is None:
        raise Invalid("Name a title or a current_message_id.")
    if change.current_message_id is not None and not is_id(change.current_message_id):
        raise Invalid("current_message_id is not a message of this conversation.")
    conversation = await parts.chat.change(
        owner, conversation_id, title=change.title, current_message_id=change.current_message_id
    )
    return shapes.conversation(conversation)


async def delete_conversation(parts: Wired, owner: Owner, conversation_id: PathId) -> Response:
    """Delete it for good; what runs in it is stopped."""
    await parts.chat.delete(owner, conversation_id)
    return Response(status_code=204)


async def list_messages(parts: Wired, owner: Owner, conversation_id: PathId) -> shapes.Messages:
    """The messages along the current branch, root first."""
    messages = await parts.store.messages.list(owner, conversation_id)
    return shapes.Messages(items=[shapes.message(message) for message in messages])


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(b"%d.%d" % place).decode().rstrip("=")


def _place(cursor: str | None) -> Place | None:
    """Raises `InvalidCursor` for what `_cursor` did not make."""
    if cursor is None:
        return None
    try:
        found = _PLACE.fullmatch(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        found = None
    if not found:
        raise InvalidCursor
    return int(found[1]), int(found[2])
