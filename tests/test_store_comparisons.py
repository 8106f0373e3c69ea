"""Comparisons as the store keeps them: begun whole, picked one at a time, veiled until then where they are blind."""

from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.domain import Citation, Comparison, Failure, Generation, Outcome, Rating, Status, Usage
from holdfast.errors import ComparisonOpen, GenerationRunning, Invalid
from holdfast.store import Store
from holdfast.store.comparisons import PICKED
from holdfast.store.generations import Ask, AtEnd, Begun
from holdfast.store.ratings import read_rated
from stored import OWNER, ask, contents, counts, exchange, send, settle, write

pytestmark = pytest.mark.anyio

MODELS = ("acme/a", "acme/b", "acme/c", "acme/d")


async def compare(
    store: Store, count: int = 3, conversation_id: str | None = None, *, blind: bool = False, key: str | None = None
) -> list[Generation]:
    """A message to several models; their generations in the order in which they are shown."""
    begun = await begin(store, count, conversation_id, blind=blind, key=key)
    return [begun.generation, *begun.others]


async def begin(
    store: Store, count: int, conversation_id: str | None, *, blind: bool = False, key: str | None = None
) -> Begun:
    first = Ask(MODELS[0], None, ask(key).key)
    others = [Ask(model) for model in MODELS[1:count]]
    return await store.generations.send(
        OWNER, first, content="?", conversation_id=conversation_id, parent=AtEnd(), others=others, blind=blind
    )


async def ended(store: Store, count: int = 3, *, blind: bool = False) -> list[Generation]:
    """One whose answers, "acme/a" and so on, are all complete."""
    runs = await compare(store, count, blind=blind)
    for run in runs:
        await write(store, run, run.model)
    return [await settle(store, run) for run in runs]


async def pick(store: Store, run: Generation) -> Comparison:
    return await store.comparisons.pick(OWNER, run.user_message_id, run.message_id)


async def ratings(store: Store, runs: list[Generation]) -> list[Rating | None]:
    return [(await store.messages.get(OWNER, run.message_id)).rating for run in runs]


@pytest.mark.parametrize("count", [2, 3, 4])
async def test_all_answers_begin_in_one_go_and_stand_at_the_end(store: Store, database: Path | str, count: int) -> None:
    runs = await compare(store, count)
    assert await counts(database) == {"conversations": 1, "messages": 1 + count, "generations": count, "pieces": 0}
    branch, (comparison,) = await store.comparisons.list_branch(OWNER, runs[0].conversation_id)
    ids = tuple(run.message_id for run in runs)
    assert [message.id for message in branch] == [runs[0].user_message_id, runs[0].message_id]
    assert (comparison.message_ids, comparison.picked_message_id, comparison.blind) == (ids, None, False)
    assert [answer.generation for answer in comparison.answers] == runs
    assert [run.model for run in runs] == list(MODELS[:count])


async def test_the_same_key_again_begins_nothing_more(store: Store, database: Path | str) -> None:
    runs = await compare(store, key="k")
    before = await contents(database)
    again = await begin(store, 3, None, key="k")
    assert again == Begun(runs[0], replayed=True)
    assert await contents(database) == before


async def test_nothing_follows_an_answer_before_one_is_picked(store: Store) -> None:
    runs = await ended(store)
    conversation_id = runs[0].conversation_id
    for parent in (AtEnd(), runs[0].message_id, runs[2].message_id):
        with pytest.raises(ComparisonOpen):
            await send(store, "And?", conversation_id, parent=parent)
    assert (await pick(store, runs[1])).picked_message_id == runs[1].message_id
    following = (await send(store, "And?", conversation_id)).generation
    turns = await store.messages.list_turns(OWNER, following.user_message_id)
    assert [turn.content for turn in turns] == ["?", "acme/b", "And?"]
    _, (comparison,) = await store.comparisons.list_branch(OWNER, conversation_id)
    assert (comparison.picked_message_id, comparison.answers) == (runs[1].message_id, ())
    await settle(store, following)
    await send(store, "Elsewhere?", conversation_id, parent=runs[0].message_id)


async def test_another_answer_to_the_same_message_is_no_part_of_it(store: Store) -> None:
    runs = await ended(store)
    begun = await store.generations.answer_again(OWNER, ask(), user_message_id=runs[0].user_message_id)
    later = await settle(store, begun.generation)
    _, (comparison,) = await store.comparisons.list_branch(OWNER, later.conversation_id)
    assert (len(comparison.message_ids), comparison.answers) == (3, ())
    with pytest.raises(Invalid):
        await pick(store, later)
    await send(store, "And?", later.conversation_id)


async def test_a_pick_counts_as_a_rating_moves_with_it_and_yields_to_a_persons_own(store: Store) -> None:
    runs = await ended(store)
    await pick(store, runs[0])
    await pick(store, runs[0])
    assert await ratings(store, runs) == [PICKED, None, None]
    await store.messages.rate(OWNER, runs[0].message_id, None)
    await pick(store, runs[0])  # A late copy of the request.
    assert await ratings(store, runs) == [None, None, None]
    own = Rating(-1, ("wrong",), "No.")
    await store.messages.rate(OWNER, runs[1].message_id, own)
    await pick(store, runs[2])
    await pick(store, runs[1])
    assert await ratings(store, runs) == [None, own, None]
    assert (await store.conversations.get(OWNER, runs[0].conversation_id)).current_message_id == runs[1].message_id


async def test_only_an_answer_of_it_that_has_ended_can_be_picked(store: Store, database: Path | str) -> None:
    runs = await compare(store)
    alone = await exchange(store)
    before = await contents(database)
    with pytest.raises(GenerationRunning):
        await pick(store, runs[0])
    with pytest.raises(Invalid):
        await store.comparisons.pick(OWNER, runs[0].user_message_id, alone.message_id)
    with pytest.raises(Invalid):
        await pick(store, alone)
    assert await contents(database) == before
    await settle(store, runs[1], Status.FAILED)
    await pick(store, runs[1])
    assert await ratings(store, runs) == [None, None, None]  # There is nothing in it to be rated.


async def test_blind_ratings_are_written_out_once_one_is_picked(store: Store, database: Path | str) -> None:
    runs = await compare(store, blind=True)
    for run in runs:
        await settle(store, run)
    await store.messages.rate(OWNER, runs[1].message_id, Rating(-1))

    async def written() -> set[str]:
        return {rated.run.model async for rated in read_rated(database, with_history=False)}

    assert await written() == set()
    await pick(store, runs[0])
    assert await written() == {runs[1].model}


async def test_who_wrote_what_is_veiled_until_one_is_picked(store: Store) -> None:
    runs = await compare(store, blind=True)
    await write(store, runs[0], "Yes.")
    citations = (Citation("https://a.example"),)
    outcome = Outcome("acme/a-0924", "Acme", "gen-1", "stop", Usage(1, 2, 3, 4, 5), 6, 7, 8, citations=citations)
    settled = await store.generations.settle(runs[0].id, Status.INTERRUPTED, outcome, None)
    assert (settled.model, settled.outcome) == ("acme/a", outcome)
    assert (settled.told.model, settled.told.outcome) == ("", Outcome())
    failure = Failure("provider_rate_limited", "Acme takes no more requests just now.", retryable=True, retry_after=7)
    told = replace(settled, failure=failure).told.failure
    assert told
    assert "Acme" not in told.message
    assert told.retry_after is None
    more = (await store.generations.continue_answer(OWNER, ask(), message_id=runs[0].message_id)).generation
    assert (await store.generations.get(OWNER, more.id)).veiled
    await settle(store, more)
    comparison = await pick(store, runs[0])
    assert [answer.generation and answer.generation.told.model for answer in comparison.answers] == [
        "acme/chat-1",
        "acme/b",
        "acme/c",
    ]
    assert (await store.generations.get(OWNER, runs[0].id)).told.outcome == outcome
    assert not (await settle(store, runs[1])).veiled


async def test_it_goes_with_its_conversation(store: Store, database: Path | str) -> None:
    runs = await ended(store)
    await store.conversations.delete(OWNER, runs[0].conversation_id)
    assert (await contents(database))["comparisons"] == []
