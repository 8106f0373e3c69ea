"""What changes for an owner, told to whoever watches right now. Nothing is kept: who was away fetches anew.

Who changes something says so and goes on; what the conversation is by then is read here, in order, and only where
somebody watches. A watcher that does not take what it is told falls out, rather than make anybody wait.
"""

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import structlog

from holdfast.domain import Conversation, Generation, Message, OwnerId
from holdfast.errors import NotFound
from holdfast.store import Store

QUEUE_LIMIT: Final = 1024
"""Changes that wait for a watcher."""

_log = structlog.get_logger(__name__)


class ChangeKind(StrEnum):
    """What happened."""

    CONVERSATION_CREATED = "conversation_created"
    CONVERSATION_UPDATED = "conversation_updated"
    CONVERSATION_DELETED = "conversation_deleted"
    GENERATION_STARTED = "generation_started"
    GENERATION_ENDED = "generation_ended"


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened. `conversation` is what it is now, None where it was deleted.

    `rated`: the message whose rating changed, where it was that.
    """

    kind: ChangeKind
    conversation_id: str
    conversation: Conversation | None = None
    generation: Generation | None = None
    rated: Message | None = None


class Subscription:
    """One watcher's queue. `lost`: it took too long, and what is in it is not all."""

    def __init__(self, owner: OwnerId) -> None:
        self.owner = owner
        self.lost = False
        self._changes: asyncio.Queue[Change | None] = asyncio.Queue(QUEUE_LIMIT)

    def put(self, change: Change | None) -> None:
        """Queue a change, without waiting; None: one that could not be told."""
        self.lost = self.lost or change is None
        try:
            self._changes.put_nowait(change)
        except asyncio.QueueFull:
            self.lost = True

    async def get(self) -> Change | None:
        """The next change; None where something is missing from here on."""
        change = await self._changes.get()
        return None if self.lost else change


class Feed:
    """The watchers of this process, by owner. Create it inside the running loop's life."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._subscriptions: defaultdict[OwnerId, set[Subscription]] = defaultdict(set)
        self._changes: asyncio.Queue[tuple[OwnerId, Change]] = asyncio.Queue()
        self._task = asyncio.create_task(self._tell_all(), name="feed")

    def subscribe(self, owner: OwnerId) -> Subscription:
        """Be told what changes from now on."""
        subscription = Subscription(owner)
        self._subscriptions[owner].add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Be told no more."""
        remaining = self._subscriptions[subscription.owner]
        remaining.discard(subscription)
        if not remaining:
            del self._subscriptions[subscription.owner]

    def announce(
        self,
        owner: OwnerId,
        kind: ChangeKind,
        conversation_id: str,
        generation: Generation | None = None,
        *,
        rated: Message | None = None,
    ) -> None:
        """Say that something happened; returns at once."""
        if owner in self._subscriptions:
            self._changes.put_nowait((owner, Change(kind, conversation_id, None, generation, rated)))

    def refresh(self, owner: OwnerId) -> None:
        """So much has changed that whoever watches had better fetch it all anew; returns at once."""
        for subscription in self._subscriptions.get(owner, ()):
            subscription.put(None)

    async def aclose(self) -> None:
        """Tell nothing more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _tell_all(self) -> None:
        while True:
            owner, change = await self._changes.get()
            told: Change | None
            try:
                told = await self._completed(owner, change)
            except NotFound:
                continue  # It was deleted meanwhile, and that is told by itself.
            except Exception as error:  # noqa: BLE001 - a loop that ends would tell nobody anything any more
                _log.warning("feed.not_told", kind=change.kind, error=type(error).__name__)
                told = None
            for subscription in self._subscriptions.get(owner, ()):
                subscription.put(told)

    async def _completed(self, owner: OwnerId, change: Change) -> Change:
        if change.kind is ChangeKind.CONVERSATION_DELETED:
            return change
        conversation = await self._store.conversations.get(owner, change.conversation_id)
        return replace(change, conversation=conversation)
