"""Conversations and their messages."""

from typing import Annotated, Final

from fastapi import Depends, Query, Response

from holdfast.errors import Invalid
from holdfast.http import cursors, shapes
from holdfast.http.parts import Owner, PathId, Wired, is_id
from holdfast.http.requests import Body, body_of

_PINNED: Final = 100


class Change(Body):
    """What to change; at least one field. An empty title asks for the default one back."""

    title: str | None = None
    current_message_id: str | None = None
    pinned: bool | None = None


async def list_conversations(
    parts: Wired,
    owner: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 30,
    cursor: str | None = None,
    *,
    pinned: bool = False,
) -> shapes.ConversationPage:
    """The conversations, latest first; `next_cursor` leads to the next page and is null on the last.

    `pinned`: only those, latest pinned first, on one page.
    """
    if pinned:
        kept = await parts.store.conversations.list_pinned(owner, limit=_PINNED)
        return shapes.ConversationPage(items=[shapes.conversation(each) for each in kept], next_cursor=None)
    page, more = await parts.store.conversations.list(owner, limit=limit, after=cursors.decode(cursor))
    items = [shapes.conversation(conversation) for conversation in page]
    return shapes.ConversationPage(items=items, next_cursor=more and cursors.encode(more))


async def add_conversation(parts: Wired, owner: Owner) -> shapes.Conversation:
    """An empty conversation."""
    return shapes.conversation(await parts.chat.begin(owner))


async def get_conversation(parts: Wired, owner: Owner, conversation_id: PathId) -> shapes.Conversation:
    """One conversation."""
    return shapes.conversation(await parts.store.conversations.get(owner, conversation_id))


async def change_conversation(
    parts: Wired, owner: Owner, conversation_id: PathId, change: Annotated[Change, Depends(body_of(Change))]
) -> shapes.Conversation:
    """Rename it, choose the branch that goes through a message, or pin it."""
    if change.title is None and change.current_message_id is None and change.pinned is None:
        raise Invalid("Name a title, a current_message_id or pinned.")
    if change.current_message_id is not None and not is_id(change.current_message_id):
        raise Invalid("current_message_id is not a message of this conversation.")
    conversation = await parts.chat.change(
        owner,
        conversation_id,
        title=change.title,
        current_message_id=change.current_message_id,
        pinned=change.pinned,
    )
    return shapes.conversation(conversation)


async def name_again(parts: Wired, owner: Owner, conversation_id: PathId) -> shapes.Conversation:
    """Ask for another automatic title, also in place of one's own. It comes later, by the feed.

    A title that is given after this wins. Where no model has one to offer, the present title stays.
    """
    return shapes.conversation(await parts.chat.name_again(owner, conversation_id))


async def delete_conversation(parts: Wired, owner: Owner, conversation_id: PathId) -> Response:
    """Delete it for good; what runs in it is stopped."""
    await parts.chat.delete(owner, conversation_id)
    return Response(status_code=204)


async def list_messages(parts: Wired, owner: Owner, conversation_id: PathId) -> shapes.Messages:
    """The messages along the current branch, root first, and what was compared on it."""
    messages, comparisons = await parts.store.comparisons.list_branch(owner, conversation_id)
    return shapes.Messages(
        items=[shapes.message(message) for message in messages],
        comparisons=[shapes.comparison(comparison) for comparison in comparisons],
    )
