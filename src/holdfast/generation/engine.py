"""The tasks that run generations. They belong to the application: no request waits for one or can end one by leaving.

Each ends exactly once: final text and state are stored in one transaction, and only then the terminal event is sent.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from holdfast.bus import Bus
from holdfast.domain import CompletionRequest, Failure, Generation, Outcome, OwnerId, Status
from holdfast.errors import (
    Busy,
    EmptyAnswer,
    HoldfastError,
    Interrupted,
    InvalidCursor,
    NotFound,
    ShuttingDown,
    Stalled,
    StorageBusy,
    StorageError,
    TooLong,
)
from holdfast.events import STARTED, Frames
from holdfast.feed import ChangeKind, Feed
from holdfast.generation.follow import Follower
from holdfast.generation.live import Ending, Live, failure
from holdfast.generation.log import Log
from holdfast.generation.overlap import Overlap
from holdfast.generation.pace import Pace
from holdfast.generation.watch import Watch
from holdfast.provider import Completion, Provider
from holdfast.store import Store

_GRANULARITY: Final = 0.02
"""The silence limit is renewed at most once in this share of it: exact enough, and nearly free."""

_BACKLOG: Final = 512
"""Pieces of one generation that may wait to be stored before its provider is read on, so that memory is bounded."""

_CROWD: Final = 20
"""Generations at once from which on they read by the pace: fewer gain nothing by it."""

_RETRY_SETTLE: Final = 1.0
"""Seconds between two tries to store an end."""

_LAST_MOMENTS: Final = 3.0
"""Seconds that settling may take at a shutdown. What a failing store keeps from it is settled at the next start."""

_log = structlog.get_logger(__name__)

Prepare = Callable[[], Awaitable[CompletionRequest]]
"""Makes the call's request, in the generation's own task."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes of an answer in UTF-8, and generations at once."""

    first_token: float = 120.0
    idle: float = 60.0
    total: float = 900.0
    size: int = 8 * 1024 * 1024
    running: int = 1000
    window: float = 0.004


class Engine:
    """Starts, stops, settles and follows generations."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        feed: Feed,
        provider: Provider,
        limits: Limits,
        *,
        on_settled: Callable[[], None],
    ) -> None:
        """`on_settled` is called after each end that is stored and told."""
        self._store = store
        self._feed = feed
        self._on_settled = on_settled
        self._bus = bus
        self._provider = provider
        self._limits = limits
        self._log = Log(store.generations, limits.window)
        self._pace = Pace()
        self._live: dict[str, Live] = {}
        self._admitted = 0
        self._early: dict[str, tuple[Status, HoldfastError | None]] = {}
        self._closing = asyncio.Event()

    @contextmanager
    def admit(self, count: int = 1) -> Iterator[None]:
        """Hold places for some more generations, all or none, while they are stored and started.

        Raises `ShuttingDown` or `Busy` where they cannot be taken on.
        """
        if self._closing.is_set():
            raise ShuttingDown(retry_after=5)
        if len(self._live) + self._admitted + count > self._limits.running:
            raise Busy(retry_after=5)
        self._admitted += count
        try:
            yield
        finally:
            self._admitted -= count
            if not self._admitted:
                self._early.clear()

    def start(self, owner: OwnerId, generation: Generation, prepare: Prepare) -> None:
        """Run a generation that is stored, from now on and on its own."""
        frames = Frames(generation.conversation_id, generation.id)
        channel = self._bus.open(generation.id, 0)
        channel.publish(STARTED, frames.started(generation))
        live = Live(
            owner, generation, channel, frames, accepted=asyncio.get_running_loop().time(), size=generation.offset
        )
        self._live[generation.id] = live
        if early := self._early.pop(generation.id, None):
            live.end(*early)
        live.task = asyncio.create_task(self._run(live, prepare), name=f"generation {generation.id}")

    async def follow(self, owner: OwnerId, generation_id: str, after: int) -> Follower | None:
        """Read a generation after a cursor, running or ended; None at the end of one that ended.

        Raises `NotFound`, and `InvalidCursor` past the end.
        """
        generation = await self._store.generations.get(owner, generation_id)
        channel = self._bus.find(generation_id)
        running = generation.status is Status.STREAMING
        end = max(generation.seq, channel.seq if running and channel else 0)
        if after > end:
            raise InvalidCursor
        if after == end and not running:
            return None
        return Follower(self._store, self._bus, owner, generation, after)

    def follow_begun(self, owner: OwnerId, generation: Generation) -> Follower:
        """Read from its start a generation that was just begun."""
        return Follower(self._store, self._bus, owner, generation, 0)

    async def watch(self, owner: OwnerId, cursors: Mapping[str, int], *, follow: bool) -> Watch:
        """What changes from now on; `follow`: and every generation that runs or starts, each after its cursor.

        A cursor of a generation that ended meanwhile leads to its rest; one that leads nowhere is passed over.
        """
        subscription = self._feed.subscribe(owner)
        watch = Watch(self._feed, subscription, partial(self.follow_begun, owner) if follow else None)
        if follow:
            try:
                running = await self._store.generations.list_running(owner)
                for generation_id in dict.fromkeys([*cursors, *(generation.id for generation in running)]):
                    with suppress(NotFound, InvalidCursor):
                        follower = await self.follow(owner, generation_id, cursors.get(generation_id, 0))
                        watch.follow([(generation_id, follower)] if follower else [])
            except BaseException:
                watch.leave()
                raise
        return watch

    def stop(self, generation_id: str) -> None:
        """Have a running generation end as stopped, with the text so far."""
        self._end(generation_id, Status.STOPPED)

    def delete(self, generation_ids: Iterable[str]) -> None:
        """End generations whose rows were deleted; their viewers are told that nothing is there."""
        for generation_id in generation_ids:
            self._end(generation_id, Status.FAILED, NotFound())

    def begin_closing(self, *, at_once: bool = False) -> None:
        """Take on nothing new; `at_once`: and interrupt what runs."""
        self._closing.set()
        if at_once:
            self._interrupt()

    async def aclose(self, drain: float) -> None:
        """Wait `drain` seconds for what runs, settle the rest as interrupted, end."""
        self.begin_closing()
        tasks = [live.task for live in self._live.values() if live.task]
        if tasks:
            await asyncio.wait(tasks, timeout=drain)
            self._interrupt()
            _, late = await asyncio.wait(tasks, timeout=_LAST_MOMENTS)
            for task in late:
                _log.warning("generation.left", task=task.get_name())
                task.cancel()
        await self._log.aclose()

    def _end(self, generation_id: str, status: Status, error: HoldfastError | None = None) -> None:
        """End what runs; what is stored and about to be started ends when it is."""
        if live := self._live.get(generation_id):
            live.end(status, error)
        elif self._admitted:
            self._early[generation_id] = (status, error)

    def _interrupt(self) -> None:
        for live in list(self._live.values()):
            live.end(Status.INTERRUPTED, Interrupted())

    async def _run(self, live: Live, prepare: Prepare) -> None:
        """The whole life of one generation."""
        outcome = Outcome()
        completion: Completion | None = None
        total, silence = asyncio.timeout(self._limits.total), asyncio.timeout(self._limits.first_token)
        try:
            live.begin()
            request = await prepare()
            outcome = dataclasses.replace(outcome, left_out=request.prompt.left_out)
            live.overlap = Overlap(request.begun)
            async with total, silence, self._provider.stream(request) as completion:
                await self._read(live, completion, silence)
            ending: Ending = (Status.COMPLETE, None)
        except asyncio.CancelledError:
            ending = live.ending or (Status.INTERRUPTED, failure(Interrupted()))
        except TimeoutError:
            ending = (Status.FAILED, failure(TooLong() if total.expired() else Stalled()))
        except HoldfastError as error:
            ending = (Status.FAILED, failure(error))
        except Exception:  # noqa: BLE001 - the top of a task: whatever it was, the generation must be settled
            _log.exception("generation.crashed", generation_id=live.generation.id)
            ending = (Status.FAILED, failure(HoldfastError()))
        live.ending = ending  # From here on nothing else can end it.
        self._log.append(live, live.overlap.rest())
        if completion:
            outcome = dataclasses.replace(completion.outcome, left_out=outcome.left_out)
        await self._settle(live, self._timed(live, outcome))

    async def _read(self, live: Live, completion: Completion, silence: asyncio.Timeout) -> None:
        """Everything the provider sends, into the log. Raises `EmptyAnswer`, `TooLong` and the provider's errors."""
        time = asyncio.get_running_loop().time
        idle = self._limits.idle
        renew = 0.0
        identified = await self._identify(live, completion)
        async for pieces in completion:
            if not pieces:
                continue
            identified = identified or await self._identify(live, completion)
            now = time()
            if live.first_content is None:
                live.note_first(pieces, now)
            if now > renew:
                silence.reschedule(now + idle)
                self._pace.adjust()
                renew = now + idle * _GRANULARITY
            live.size += sum([len(text) if text.isascii() else len(text.encode()) for _, text in pieces])
            if live.size > self._limits.size:
                raise TooLong
            self._log.append(live, live.overlap.feed(pieces))
            if live.seq - live.channel.seq > _BACKLOG:
                await self._log.flush(live)
            if self._pace.tick and len(self._live) >= _CROWD:
                await self._pace.next()
        if live.first_content is None:
            raise EmptyAnswer

    async def _identify(self, live: Live, completion: Completion) -> bool:
        """Store the provider's id before the first token: after a crash it is the only handle on the cost."""
        upstream_id = completion.outcome.upstream_id
        if upstream_id:
            await self._store.generations.identify(live.generation.id, upstream_id)
        return upstream_id is not None

    def _timed(self, live: Live, outcome: Outcome) -> Outcome:
        thought, spoke = live.first_reasoning, live.first_content
        return dataclasses.replace(
            outcome,
            first_token_ms=_milliseconds(live.accepted, spoke if thought is None else thought),
            reasoning_ms=_milliseconds(thought, spoke),
            duration_ms=_milliseconds(live.accepted, asyncio.get_running_loop().time()),
        )

    async def _settle(self, live: Live, outcome: Outcome) -> None:
        """Store the end, tell it, forget the run."""
        try:
            try:
                await self._log.flush(live)
            except Exception as error:  # noqa: BLE001 - whatever it was, the end has to be stored
                live.lost = _storage_error(error)  # What was not written by now is not written any more.
                live.ending = (Status.FAILED, failure(live.lost))
            await self._store_end(live, outcome)
        finally:
            if not live.channel.ended:
                live.channel.end(complete=False)
            self._bus.close(live.generation.id)
            del self._live[live.generation.id]

    async def _store_end(self, live: Live, outcome: Outcome) -> None:
        """Try until it is stored. Viewers hear of a failing disk at once, whatever cannot be stored.

        At once is after a second try: the first may have been stored and only its acknowledgement lost.
        """
        is_first = True
        while True:
            status, failed = live.ending or (Status.COMPLETE, None)
            try:
                settled = await self._store.generations.settle(live.generation.id, status, outcome, failed)
            except NotFound as error:
                return self._tell_end(live, Status.FAILED, failure(error))
            except Exception as error:  # noqa: BLE001 - whatever it was, the end has to be stored and told
                _log.error("generation.not_settled", generation_id=live.generation.id, error=type(error).__name__)
                if is_first:
                    is_first = False
                    continue
                if not isinstance(error, StorageBusy):
                    live.ending = (Status.FAILED, failure(_storage_error(error)))
                    self._tell_end(live, *live.ending)
                if await self._closes_within(_RETRY_SETTLE):
                    return None  # The next start settles it.
            else:
                self._publish_end(live, settled)
                self._feed.announce(
                    live.owner, ChangeKind.GENERATION_ENDED, settled.conversation_id, generation=settled
                )
                return self._on_settled()

    async def _closes_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
        return self._closing.is_set()

    def _publish_end(self, live: Live, settled: Generation) -> None:
        channel = live.channel
        if channel.ended or settled.seq != channel.seq + 2:
            return  # Told already, or the store knows more than was published: followers read it there.
        channel.publish(settled.seq - 1, live.frames.metadata(settled.seq - 1, settled))
        channel.publish(settled.seq, live.frames.terminal(settled.seq, settled.status, settled.told.failure))
        channel.end(complete=True)

    def _tell_end(self, live: Live, status: Status, failed: Failure | None) -> None:
        """A terminal event of which nothing is stored."""
        channel = live.channel
        if not channel.ended:
            channel.publish(channel.seq + 1, live.frames.terminal(channel.seq + 1, status, failed))
            channel.end(complete=True)


def _storage_error(error: Exception) -> StorageError:
    return error if isinstance(error, StorageError) else StorageError()


def _milliseconds(start: float | None, end: float | None) -> int | None:
    return None if start is None or end is None else round((end - start) * 1000)
