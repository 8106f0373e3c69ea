"""What was spent: recover from the provider's records what a stream that broke off did not tell."""

from typing import Final

import structlog

from holdfast.domain import Outcome, Task, completed, now
from holdfast.errors import NotFound, ProviderError
from holdfast.feed import ChangeKind, Feed
from holdfast.provider import Provider
from holdfast.store import Store
from holdfast.store.calls import OpenCall

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 3600.0
"""Seconds between two questions for the same record: doubled each time, up to an hour."""

PATIENCE: Final = 24 * 3600.0
"""Seconds after which the cost stays unknown: what no record tells by then, none will."""

_DOUBLINGS: Final = 12
_MICRO: Final = 1_000_000
_log = structlog.get_logger(__name__)


class Reconciling:
    """Completes tokens, cost, model and provider of a call; never overwrites what its stream told."""

    def __init__(self, store: Store, feed: Feed, provider: Provider) -> None:
        self._store = store
        self._feed = feed
        self._provider = provider

    async def answer(self, task: Task) -> float | None:
        """Ask once what an answer took; where it was deleted, the ledger is all there is. Raises `StorageError`."""
        try:
            return await self._complete(task)
        except NotFound:
            return await self.lines(task)

    async def _complete(self, task: Task) -> float | None:
        known = await self._store.generations.get_outcome(task)
        found = await self._find(known.upstream_id or "")
        if (found is None or found.usage.cost is None) and not self._is_over(task):
            return _pause(task)
        owner, conversation_id = await self._store.generations.reconcile(task, found or Outcome())
        self._feed.announce(owner, ChangeKind.CONVERSATION_UPDATED, conversation_id)
        return None

    async def lines(self, task: Task) -> float | None:
        """Ask once what calls took of which the ledger alone tells: those of a naming. None of them waits for another.

        Raises `StorageError`.
        """
        calls = await self._store.calls.list_open(task)
        asked = [OpenCall(call.number, await self._completed(call.outcome)) for call in calls]
        found = [call for call in asked if call.outcome.usage.cost is not None or self._is_over(task)]
        is_done = len(found) == len(calls)
        await self._store.calls.complete(task, found, is_done=is_done)
        return None if is_done else _pause(task)

    async def _completed(self, known: Outcome) -> Outcome:
        return completed(known, await self._find(known.upstream_id or "") or Outcome())

    def _is_over(self, task: Task) -> bool:
        return self._provider.keeps_records is False or now() - task.created_at > PATIENCE * _MICRO

    async def _find(self, upstream_id: str) -> Outcome | None:
        if not self._provider.keeps_records:
            return None
        try:
            return await self._provider.find_record(upstream_id)
        except ProviderError as error:
            _log.info("usage.not_told", code=error.code)
            return None


def _pause(task: Task) -> float:
    return min(FIRST_PAUSE * (1 << min(task.attempts, _DOUBLINGS)), LONGEST_PAUSE)
