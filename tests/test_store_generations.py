"""Generations as the store keeps them: begun once, ended once, and nobody's but their owner's."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection

from holdfast.domain import Citation, Failure, Generation, Kind, Outcome, OwnerId, Rating, Status, Usage
from holdfast.errors import GenerationRunning, HoldfastError, IdempotencyConflict, Invalid, NotFound
from holdfast.events import unpack
from holdfast.store import Store
from holdfast.store.database import Noun
from holdfast.store.generations import SIBLINGS, AtEnd, Begun, Key
from stored import OWNER, UNKNOWN, add_stranger, ask, contents, counts, exchange, send, settle, write

pytestmark = pytest.mark.anyio

COPIES = 8
"""Parallel duplicates of one request."""


async def again(store: Store, generation: Generation, key: str | None = None) -> Generation:
    begun = await store.generations.answer_again(OWNER, ask(key), user_message_id=generation.user_message_id)
    return begun.generation


async def test_a_send_makes_conversation_messages_and_generation_in_one_go(store: Store, database: Path | str) -> None:
    generation = (await send(store, "Hello?")).generation
    assert await counts(database) == {"conversations": 1, "messages": 2, "generations": 1, "pieces": 0}
    conversation = await store.conversations.get(OWNER, generation.conversation_id)
    assert (conversation.current_message_id, conversation.running) == (generation.message_id, True)
    question, answer = await store.messages.list(OWNER, generation.conversation_id)
    assert (question.id, question.content, question.status) == (generation.user_message_id, "Hello?", Status.COMPLETE)
    assert (answer.id, answer.content, answer.status) == (generation.message_id, "", Status.STREAMING)
    assert answer.generation == generation == await store.generations.get(OWNER, generation.id)


async def test_the_same_key_and_body_again_is_the_same_generation(store: Store, database: Path | str) -> None:
    first = await send(store, key="k")
    assert not first.replayed
    before = await contents(database)
    assert await send(store, key="k") == Begun(first.generation, replayed=True)
    assert await store.generations.find_by_key(OWNER, Key("k", b"body")) == first.generation
    assert await contents(database) == before
    settled = await settle(store, first.generation)
    assert await send(store, key="k") == Begun(settled, replayed=True)


async def test_the_same_key_with_another_body_is_a_conflict(store: Store, database: Path | str) -> None:
    generation = (await send(store, key="k")).generation
    before = await contents(database)
    other = ask("k", b"other body")
    with pytest.raises(IdempotencyConflict):
        await store.generations.send(OWNER, other, content="?", conversation_id=None, parent=AtEnd())
    with pytest.raises(IdempotencyConflict):
        await store.generations.answer_again(OWNER, other, user_message_id=generation.user_message_id)
    with pytest.raises(IdempotencyConflict):
        await store.generations.find_by_key(OWNER, Key("k", b"other body"))
    assert await contents(database) == before


async def test_a_key_is_looked_up_before_anything_is_refused(store: Store) -> None:
    generation = (await send(store, key="k")).generation
    assert (await send(store, conversation_id=UNKNOWN, parent=UNKNOWN, key="k")).generation == generation
    replayed = await store.generations.answer_again(OWNER, ask("k"), user_message_id=UNKNOWN)
    assert replayed == Begun(generation, replayed=True)


async def test_without_a_key_every_send_is_its_own(store: Store) -> None:
    assert (await send(store)).generation.id != (await send(store)).generation.id


async def test_a_key_is_its_owners_alone(store: Store, database: Path | str) -> None:
    stranger = await add_stranger(database)
    mine = await send(store, key="k")
    theirs = await send(store, key="k", owner=stranger)
    assert not theirs.replayed
    assert theirs.generation.id != mine.generation.id


async def test_parallel_copies_of_a_send_begin_one_generation(store: Store, database: Path | str) -> None:
    begun = await asyncio.gather(*(send(store, key="k") for _ in range(COPIES)))
    assert len({one.generation.id for one in begun}) == 1
    assert sum(not one.replayed for one in begun) == 1
    assert await counts(database) == {"conversations": 1, "messages": 2, "generations": 1, "pieces": 0}


async def test_parallel_copies_of_a_send_into_a_conversation_begin_one_generation(store: Store) -> None:
    conversation_id = (await exchange(store)).conversation_id
    begun = await asyncio.gather(*(send(store, "?", conversation_id, key="k") for _ in range(COPIES)))
    assert len({one.generation.id for one in begun}) == 1
    assert sum(not one.replayed for one in begun) == 1
    assert len(await store.messages.list(OWNER, conversation_id)) == 4


async def test_parallel_copies_of_answering_again_begin_one_generation(store: Store) -> None:
    first = await exchange(store)
    running = [await again(store, first) for _ in range(SIBLINGS - 1)]
    begun = await asyncio.gather(*(again(store, first, "k") for _ in range(COPIES)))
    assert len({generation.id for generation in begun}) == 1
    assert begun[0].id not in {generation.id for generation in running}


async def test_of_parallel_sends_into_one_conversation_exactly_one_is_taken(store: Store) -> None:
    conversation_id = (await exchange(store)).conversation_id
    sends = (send(store, f"{n}", conversation_id) for n in range(COPIES))
    found = await asyncio.gather(*sends, return_exceptions=True)
    assert sum(isinstance(one, Begun) for one in found) == 1
    assert sum(isinstance(one, GenerationRunning) for one in found) == COPIES - 1
    assert len(await store.messages.list(OWNER, conversation_id)) == 4


async def test_at_most_four_answers_to_a_message_are_written_at_once(store: Store) -> None:
    first = (await send(store)).generation
    asked = (again(store, first) for _ in range(COPIES))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, Generation) for one in found) == SIBLINGS - 1 == 3
    assert sum(isinstance(one, GenerationRunning) for one in found) == COPIES - 3
    await settle(store, first)
    await again(store, first)
    with pytest.raises(GenerationRunning):
        await again(store, first)


async def test_only_a_users_message_can_be_answered_again(store: Store) -> None:
    first = await exchange(store)
    with pytest.raises(Invalid):
        await store.generations.answer_again(OWNER, ask(), user_message_id=first.message_id)
    with pytest.raises(NotFound):
        await store.generations.answer_again(OWNER, ask(), user_message_id=UNKNOWN)


async def test_the_log_is_read_after_a_cursor_in_bounded_steps(store: Store) -> None:
    generation = (await send(store)).generation
    await write(store, generation, "a", "b", "c", "d")

    async def read(after: int, limit: int, size: int = 100) -> list[tuple[int, str]]:
        log = await store.generations.list_pieces(OWNER, generation.id, after=after, limit=limit, size=size)
        return [(stored.seq, stored.piece.text) for stored in log]

    assert await read(0, 10, size=2) == [(2, "a"), (3, "b")]
    assert await read(0, 10, size=0) == [(2, "a")]
    assert await read(0, 10) == [(2, "a"), (3, "b"), (4, "c"), (5, "d")]
    assert await read(2, 2) == [(3, "b"), (4, "c")]
    assert await read(5, 10) == []


async def test_settling_keeps_the_text_and_the_way_to_every_seq_and_drops_the_log(
    store: Store, database: Path | str
) -> None:
    generation = (await send(store)).generation
    await write(store, generation, "Hm", "\U0001f642", kind=Kind.REASONING)
    await write(store, generation, "Yes", ".", after=3)
    await write(store, generation, "!", kind=Kind.REASONING, after=5)
    outcome = Outcome("acme/chat-1b", "acme", "gen-1", "stop", Usage(1, 2, 3, 4, 5), 6, 7, 8)
    settled = await store.generations.settle(generation.id, Status.COMPLETE, outcome, None)

    assert (settled.status, settled.outcome, settled.failure) == (Status.COMPLETE, outcome, None)
    assert settled.seq == 1 + 5 + 2
    assert list(unpack(settled.spans)) == [
        (Kind.REASONING, 2),
        (Kind.REASONING, 1),
        (Kind.CONTENT, 3),
        (Kind.CONTENT, 1),
        (Kind.REASONING, 1),
    ]
    assert settled.ended_at is not None
    assert await store.generations.get(OWNER, generation.id) == settled
    message = await store.messages.get(OWNER, generation.message_id)
    assert (message.content, message.reasoning, message.status) == ("Yes.", "Hm\U0001f642!", Status.COMPLETE)
    assert (await counts(database))["pieces"] == 0


async def test_what_an_answer_cites_is_kept_and_what_goes_on_with_it_cites_that_too(store: Store) -> None:
    one, two, other = (Citation(f"https://example.org/{name}", name) for name in ("\u05e9 \U0001f642", '<b>"', ""))
    generation = (await send(store)).generation
    await write(store, generation, "Yes")
    settled = await store.generations.settle(generation.id, Status.STOPPED, Outcome(citations=(one, two)), None)
    assert await store.generations.get(OWNER, generation.id) == settled
    assert settled.outcome.citations == (one, two)

    async def go_on(*citations: Citation, status: Status = Status.STOPPED, text: str = "!") -> Generation:
        more = (await store.generations.continue_answer(OWNER, ask(), message_id=generation.message_id)).generation
        assert (await shown()) == more.outcome.citations
        if text:
            await write(store, more, text)
        return await store.generations.settle(more.id, status, Outcome(citations=citations), None)

    async def shown() -> tuple[Citation, ...]:
        message = await store.messages.get(OWNER, generation.message_id)
        assert message.generation
        return message.generation.outcome.citations

    await go_on(status=Status.FAILED, text="")
    assert await shown() == (one, two)
    last = await go_on(other, Citation(one.url, "Another"))
    assert last.outcome.citations == await shown() == (one, two, other)
    await store.generations.continue_answer(OWNER, ask(), message_id=generation.message_id)
    await store.generations.settle_abandoned()
    assert await shown() == (one, two, other)


async def test_a_failure_is_kept_word_for_word(store: Store) -> None:
    generation = (await send(store)).generation
    failure = Failure("stalled", "The provider fell silent.", retryable=True)
    await store.generations.settle(generation.id, Status.FAILED, Outcome(), failure)
    assert (await store.generations.get(OWNER, generation.id)).failure == failure


async def test_settling_again_changes_nothing(store: Store, database: Path | str) -> None:
    generation = (await send(store)).generation
    await write(store, generation, "once")
    settled = await settle(store, generation, Status.STOPPED)
    before = await contents(database)
    failure = Failure("internal", "No.", retryable=False)
    assert await store.generations.settle(generation.id, Status.FAILED, Outcome("x"), failure) == settled
    assert await contents(database) == before


async def test_of_parallel_settles_one_counts_and_all_hear_of_it(store: Store) -> None:
    generation = (await send(store)).generation
    await write(store, generation, "once")
    ends = [Status.COMPLETE, Status.STOPPED, Status.FAILED, Status.INTERRUPTED]
    settled = await asyncio.gather(*(settle(store, generation, end) for end in ends))
    assert all(one == settled[0] for one in settled)
    message = await store.messages.get(OWNER, generation.message_id)
    assert (message.content, message.status) == ("once", settled[0].status)


async def test_what_comes_after_the_end_is_dropped(store: Store, database: Path | str) -> None:
    generation = (await send(store)).generation
    await settle(store, generation, Status.STOPPED)
    before = await contents(database)
    await write(store, generation, "late")
    assert await contents(database) == before


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_piece_that_waits_while_its_generation_is_settled_is_dropped(store: Store, database: str) -> None:
    generation = (await send(store)).generation
    other, watch = await asyncpg.connect(database), await asyncpg.connect(database)
    async with other.transaction():
        await other.execute("SELECT * FROM generations FOR UPDATE")
        late = asyncio.create_task(write(store, generation, "late"))
        while not late.done() and not await watch.fetch("SELECT * FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - can only be asked
            await asyncio.sleep(0.01)
        await other.execute("UPDATE generations SET status = 'stopped'")
    await late
    await asyncio.gather(other.close(), watch.close())
    assert (await counts(database))["pieces"] == 0


async def test_what_a_dead_process_left_running_is_settled_as_interrupted(store: Store) -> None:
    ended = await exchange(store)
    left = (await send(store)).generation
    await write(store, left, "so", " far")
    await store.generations.identify(left.id, "gen-1")
    empty = (await send(store)).generation

    assert await store.generations.settle_abandoned() == 2
    for generation, text in ((left, "so far"), (empty, "")):
        found = await store.generations.get(OWNER, generation.id)
        assert found.status is Status.INTERRUPTED
        assert found.failure
        assert (found.failure.code, found.failure.retryable) == ("interrupted", True)
        message = await store.messages.get(OWNER, generation.message_id)
        assert (message.content, message.status) == (text, Status.INTERRUPTED)
    assert (await store.generations.get(OWNER, left.id)).outcome.upstream_id == "gen-1"
    assert await store.generations.get(OWNER, ended.id) == ended
    assert await store.generations.settle_abandoned() == 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_postgresql_answers_before_its_disk_does_only_for_what_is_not_durable(store: Store) -> None:
    def commit(connection: Connection) -> object:
        return connection.exec_driver_sql("SHOW synchronous_commit").scalar()

    assert await store._database.write(commit, durable=False) == "off"
    assert await store._database.write(commit, durable=True) == "on"


Ids = Generation
Call = Callable[[Store, OwnerId, Ids], Awaitable[object]]
"""A method called by an owner, with the ids of somebody's generation and what belongs to it."""

CALLS: dict[str, Call] = {
    "Conversations.list": lambda store, owner, _: store.conversations.list(owner, limit=10),
    "Conversations.get": lambda store, owner, ids: store.conversations.get(owner, ids.conversation_id),
    "Conversations.rename": lambda store, owner, ids: store.conversations.rename(owner, ids.conversation_id, "x"),
    "Conversations.choose": lambda store, owner, ids: store.conversations.choose(
        owner, ids.conversation_id, ids.message_id
    ),
    "Conversations.delete": lambda store, owner, ids: store.conversations.delete(owner, ids.conversation_id),
    "Titles.wish": lambda store, owner, ids: store.titles.wish(owner, ids.conversation_id),
    "Messages.get": lambda store, owner, ids: store.messages.get(owner, ids.message_id),
    "Conversations.pin": lambda store, owner, ids: store.conversations.pin(owner, ids.conversation_id, pinned=True),
    "Messages.rate": lambda store, owner, ids: store.messages.rate(owner, ids.message_id, Rating(1)),
    "Generations.list_running": lambda store, owner, _: store.generations.list_running(owner),
    "Search.list": lambda store, owner, _: store.search.list(owner, "secret", limit=10),
    "Messages.list": lambda store, owner, ids: store.messages.list(owner, ids.conversation_id),
    "Messages.list_turns": lambda store, owner, ids: store.messages.list_turns(owner, ids.message_id),
    "Generations.get": lambda store, owner, ids: store.generations.get(owner, ids.id),
    "Generations.continue_answer": lambda store, owner, ids: store.generations.continue_answer(
        owner, ask(), message_id=ids.message_id
    ),
    "Generations.find_by_key": lambda store, owner, _: store.generations.find_by_key(owner, Key("k", b"body")),
    "Generations.send": lambda store, owner, ids: send(store, "?", ids.conversation_id, owner=owner),
    "Generations.answer_again": lambda store, owner, ids: store.generations.answer_again(
        owner, ask(), user_message_id=ids.user_message_id
    ),
    "Comparisons.list_branch": lambda store, owner, ids: store.comparisons.list_branch(owner, ids.conversation_id),
    "Comparisons.get": lambda store, owner, ids: store.comparisons.get(owner, ids.user_message_id),
    "Comparisons.pick": lambda store, owner, ids: store.comparisons.pick(owner, ids.user_message_id, ids.message_id),
    "Transfers.list_ids": lambda store, owner, _: store.transfers.list_ids(owner, after=0),
    "Transfers.get": lambda store, owner, ids: store.transfers.get(owner, ids.conversation_id),
    "Generations.list_pieces": lambda store, owner, ids: store.generations.list_pieces(
        owner, ids.id, after=0, limit=10, size=100
    ),
}
"""How to ask each method for what is somebody else's."""

PRESETS = {f"Presets.{name}" for name in ("list", "put", "remove", "choose_default")}
TRANSFERS = {"Transfers.add", "Transfers.is_known"}
ADDS = {"Conversations.add", "Conversations.list_pinned", "Calls.sum_by_day", "Statistics.gather", *PRESETS, *TRANSFERS}
"""Methods that take an owner and no id."""

OWN_PROCESS = {
    "Conversations.clear",
    "Generations.append",
    "Generations.identify",
    "Generations.settle",
    "Generations.settle_abandoned",
    "Generations.get_outcome",
    "Generations.reconcile",
    "Calls.list_open",
    "Calls.complete",
    "Titles.get_exchange",
    "Titles.name",
    "Titles.note",
    "Titles.leave",
    "Tasks.list_due",
    "Tasks.attempt",
    "Tasks.postpone",
    "Tasks.remove",
}
"""Methods for the tasks of the program, which no request of a person leads to."""


NOT_FOUND = (NotFound, NotFound.sentence, False)


def methods() -> Iterator[tuple[str, Any]]:
    """Every public method of every noun."""
    for noun in Noun.__subclasses__():
        for name, method in vars(noun).items():
            if not name.startswith("_"):
                yield f"{noun.__name__}.{name}", method


async def met(call: Call, store: Store, owner: OwnerId, ids: Ids) -> object:
    """What an owner gets: a value, or the kind and words of a refusal."""
    try:
        return await call(store, owner, ids)
    except HoldfastError as error:
        return type(error), error.message, error.retryable


def test_every_method_takes_the_owner_first_or_is_the_programs_own() -> None:
    found = dict(methods())
    assert set(found) == set(CALLS) | ADDS | OWN_PROCESS
    for name, method in found.items():
        parameters = list(inspect.signature(method).parameters)[2:3]  # After the instance and the connection.
        assert (parameters == ["owner"]) == (name not in OWN_PROCESS), name


@pytest.mark.parametrize("name", CALLS)
async def test_what_is_somebody_elses_looks_like_what_does_not_exist(
    store: Store, database: Path | str, name: str
) -> None:
    stranger = await add_stranger(database)
    mine = (await send(store, "secret", key="k")).generation
    await write(store, mine, "secret")
    before = await contents(database)
    nothing = Generation(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, *[None] * 11)  # type: ignore[arg-type]
    refused = await met(CALLS[name], store, stranger, mine)
    assert refused == await met(CALLS[name], store, stranger, nothing)
    assert refused in (NOT_FOUND, None, [], ([], None))
    assert await contents(database) == before
    assert await met(CALLS[name], store, OWNER, mine) != refused  # The owner does get it.


async def test_somebody_elses_answer_cannot_be_a_parent(store: Store, database: Path | str) -> None:
    stranger = await add_stranger(database)
    mine = await exchange(store)
    own = (await send(store, owner=stranger)).generation
    await settle(store, own)
    with pytest.raises(Invalid):
        await send(store, "?", own.conversation_id, parent=mine.message_id, owner=stranger)
    with pytest.raises(Invalid):
        await store.conversations.choose(stranger, own.conversation_id, mine.message_id)
