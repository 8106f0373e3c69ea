"""Messages as the store keeps them: where they hang in the tree, what a branch shows, the text under way."""

from pathlib import Path

import pytest

from holdfast.domain import Kind, Outcome, Role, Status, Turn, Usage
from holdfast.errors import GenerationRunning, Invalid
from holdfast.store import Store
from stored import OWNER, UNKNOWN, ask, contents, counts, exchange, send, settle, write

pytestmark = pytest.mark.anyio


async def test_a_message_without_a_parent_goes_to_the_end_of_the_branch(store: Store) -> None:
    first = await exchange(store, "first")
    second = await exchange(store, "second", first.conversation_id)
    branch = await store.messages.list(OWNER, first.conversation_id)
    assert [(message.id, message.parent_id) for message in branch] == [
        (first.user_message_id, None),
        (first.message_id, first.user_message_id),
        (second.user_message_id, first.message_id),
        (second.message_id, second.user_message_id),
    ]
    assert [message.role for message in branch] == [Role.USER, Role.ASSISTANT] * 2
    assert [message.content for message in branch] == ["first", "Hi.", "second", "Hi."]


async def test_the_first_message_of_an_empty_conversation_is_its_root(store: Store) -> None:
    conversation = await store.conversations.add(OWNER)
    generation = await exchange(store, conversation_id=conversation.id)
    assert (await store.messages.get(OWNER, generation.user_message_id)).parent_id is None


async def test_the_end_of_the_branch_is_the_end_of_the_branch_that_was_chosen(store: Store) -> None:
    first = await exchange(store)
    await exchange(store, "later", first.conversation_id)
    side = await send(store, "side", first.conversation_id, parent=first.message_id)
    await settle(store, side.generation)
    await exchange(store, "on the side", first.conversation_id)
    branch = await store.messages.list(OWNER, first.conversation_id)
    assert [message.content for message in branch] == ["Hello?", "Hi.", "side", "", "on the side", "Hi."]


async def test_a_message_at_the_root_begins_a_branch_of_its_own(store: Store) -> None:
    first = await exchange(store)
    begun = await send(store, "anew", first.conversation_id, parent=None)
    branch = await store.messages.list(OWNER, first.conversation_id)
    assert [message.content for message in branch] == ["anew", ""]
    assert branch[0].siblings == (first.user_message_id, begun.generation.user_message_id)


@pytest.mark.parametrize("place", ["unknown", "a user's", "another conversation's", "from a new conversation"])
async def test_only_an_answer_of_the_same_conversation_can_be_a_parent(
    store: Store, database: Path | str, place: str
) -> None:
    here, there = await exchange(store), await exchange(store)
    conversation_id, parent = {
        "unknown": (here.conversation_id, UNKNOWN),
        "a user's": (here.conversation_id, here.user_message_id),
        "another conversation's": (here.conversation_id, there.message_id),
        "from a new conversation": (None, here.message_id),
    }[place]
    before = await contents(database)
    with pytest.raises(Invalid):
        await send(store, "?", conversation_id, parent=parent)
    assert await contents(database) == before


async def test_an_answer_that_is_still_written_cannot_be_a_parent(store: Store, database: Path | str) -> None:
    generation = (await send(store)).generation
    before = await contents(database)
    with pytest.raises(GenerationRunning):
        await send(store, "at the end", generation.conversation_id)
    with pytest.raises(GenerationRunning):
        await send(store, "after it", generation.conversation_id, parent=generation.message_id)
    assert await contents(database) == before


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED, Status.INTERRUPTED])
async def test_an_answer_that_ended_badly_can_be_a_parent(store: Store, status: Status) -> None:
    generation = (await send(store)).generation
    await settle(store, generation, status)
    await exchange(store, "go on", generation.conversation_id)
    branch = await store.messages.list(OWNER, generation.conversation_id)
    assert [message.status for message in branch[1::2]] == [status, Status.COMPLETE]


async def test_answers_to_one_message_are_siblings_in_the_order_they_were_begun(store: Store) -> None:
    first = await exchange(store)
    second, third = [
        (await store.generations.answer_again(OWNER, ask(), user_message_id=first.user_message_id)).generation
        for _ in range(2)
    ]
    siblings = (first.message_id, second.message_id, third.message_id)
    for message_id in siblings:
        message = await store.messages.get(OWNER, message_id)
        assert (message.siblings, message.parent_id) == (siblings, first.user_message_id)
    assert (await store.messages.list(OWNER, first.conversation_id))[-1].id == third.message_id


async def test_an_answer_under_way_shows_its_text_so_far_and_the_seq_it_covers(store: Store) -> None:
    generation = (await send(store)).generation
    assert await under_way(store, generation.message_id) == ("", "", 1)
    await write(store, generation, "Let me", " think.", kind=Kind.REASONING)
    await write(store, generation, "Well", ", no.", after=3)
    assert await under_way(store, generation.message_id) == ("Well, no.", "Let me think.", 5)
    listed = (await store.messages.list(OWNER, generation.conversation_id))[-1]
    assert listed == await store.messages.get(OWNER, generation.message_id)
    assert listed.status is Status.STREAMING
    assert (await store.generations.get(OWNER, generation.id)).seq == 5


async def under_way(store: Store, message_id: str) -> tuple[str, str, int]:
    message = await store.messages.get(OWNER, message_id)
    assert message.generation
    return message.content, message.reasoning, message.generation.seq


async def test_the_texts_of_siblings_under_way_are_kept_apart(store: Store) -> None:
    one = (await send(store)).generation
    two = (await store.generations.answer_again(OWNER, ask(), user_message_id=one.user_message_id)).generation
    await write(store, one, "one")
    await write(store, two, "two")
    await write(store, one, ", more", after=2)
    assert await under_way(store, one.message_id) == ("one, more", "", 3)
    assert await under_way(store, two.message_id) == ("two", "", 2)


async def test_a_settled_message_tells_of_its_generation_and_what_it_took(store: Store) -> None:
    generation = (await send(store)).generation
    usage = Usage(prompt_tokens=10, completion_tokens=0, cost=4_000_000)
    settled = await store.generations.settle(generation.id, Status.COMPLETE, Outcome("acme/chat-1b", usage=usage), None)
    message = await store.messages.get(OWNER, generation.message_id)
    assert (message.generation, message.usage) == (settled, usage)
    question = await store.messages.get(OWNER, generation.user_message_id)
    assert (question.generation, question.usage) == (None, Usage())


async def test_turns_are_what_was_said_up_to_a_message(store: Store) -> None:
    first = await exchange(store, "first")
    stopped = (await send(store, "second", first.conversation_id)).generation
    await write(store, stopped, "half")
    await settle(store, stopped, Status.STOPPED)
    last = (await send(store, "third", first.conversation_id)).generation
    assert await store.messages.list_turns(OWNER, last.user_message_id) == [
        Turn(Role.USER, "first", Status.COMPLETE),
        Turn(Role.ASSISTANT, "Hi.", Status.COMPLETE),
        Turn(Role.USER, "second", Status.COMPLETE),
        Turn(Role.ASSISTANT, "half", Status.STOPPED),
        Turn(Role.USER, "third", Status.COMPLETE),
    ]


async def test_hostile_text_comes_back_as_it_was_stored(store: Store) -> None:
    text = "\ufeff'; DROP TABLE messages; --\x01\x7f\x85\u2028\u202e\U0001f468\u200d\U0001f469%s:x?1$1\\ \t\n"
    generation = (await send(store, text)).generation
    await write(store, generation, text, text)
    assert (await store.messages.get(OWNER, generation.message_id)).content == text * 2
    await settle(store, generation)
    branch = await store.messages.list(OWNER, generation.conversation_id)
    assert [message.content for message in branch] == [text, text * 2]


async def test_a_refused_message_makes_no_conversation(store: Store, database: Path | str) -> None:
    with pytest.raises(Invalid):
        await send(store, parent=UNKNOWN)
    assert set((await counts(database)).values()) == {0}
