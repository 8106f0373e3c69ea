"""Conversations as the store keeps them: the list, titles, branches, and that deleting leaves nothing behind."""

from pathlib import Path

import pytest

from holdfast.domain import Conversation, Kind, Outcome, Role, Status, TitleSource, new_id
from holdfast.errors import Invalid, NotFound
from holdfast.store import Store, messages
from holdfast.store.conversations import Place
from stored import OWNER, UNKNOWN, counts, exchange, rows, send, settle, write

pytestmark = pytest.mark.anyio

DEPTH = 3000
"""Messages in one branch: beyond what any database lets triggers or foreign keys descend."""


async def pages(store: Store, limit: int) -> list[list[str]]:
    """The whole list, page by page, as ids."""
    found: list[list[str]] = []
    place: Place | None = None
    while True:
        page, place = await store.conversations.list(OWNER, limit=limit, after=place)
        found.append([conversation.id for conversation in page])
        if place is None:
            return found


async def deep(store: Store) -> tuple[Conversation, list[str]]:
    """A conversation of `DEPTH` messages below each other, and their ids."""
    conversation = await store.conversations.add(OWNER)
    ids = [new_id() for _ in range(DEPTH)]
    chain = [(own, parent, Role.USER, "x") for own, parent in zip(ids, [None, *ids], strict=False)]
    await store._database.write(lambda connection: messages.add(connection, conversation.id, chain), durable=True)
    return await store.conversations.choose(OWNER, conversation.id, ids[0]), ids


async def test_a_new_conversation_is_empty_and_bears_the_default_title(store: Store) -> None:
    conversation = await store.conversations.add(OWNER)
    assert (conversation.title, conversation.title_source) == ("New Conversation", TitleSource.DEFAULT)
    assert (conversation.current_message_id, conversation.running) == (None, False)
    assert await store.conversations.get(OWNER, conversation.id) == conversation
    assert await store.messages.list(OWNER, conversation.id) == []


async def test_the_list_is_complete_and_in_order_when_all_times_are_equal(store: Store, database: Path | str) -> None:
    made = [(await store.conversations.add(OWNER)).id for _ in range(10)]
    await rows(database, "UPDATE conversations SET updated_at = 7")
    assert await pages(store, 3) == [made[9:6:-1], made[6:3:-1], made[3:0:-1], made[:1]]
    assert await pages(store, 5) == [made[:4:-1], made[4::-1]]
    assert await pages(store, 10) == [made[::-1]]


async def test_the_next_page_is_the_same_whatever_came_before_it_meanwhile(store: Store) -> None:
    made = [(await store.conversations.add(OWNER)).id for _ in range(6)]
    _, place = await store.conversations.list(OWNER, limit=3)
    await store.conversations.add(OWNER)
    await store.conversations.delete(OWNER, made[3])
    page, more = await store.conversations.list(OWNER, limit=3, after=place)
    assert ([conversation.id for conversation in page], more) == (made[2::-1], None)


async def test_a_message_makes_its_conversation_the_latest_and_running_until_it_is_answered(store: Store) -> None:
    first, second = [(await store.conversations.add(OWNER)).id for _ in range(2)]
    begun = await send(store, conversation_id=first)
    listed, _ = await store.conversations.list(OWNER, limit=10)
    assert [(conversation.id, conversation.running) for conversation in listed] == [(first, True), (second, False)]
    await settle(store, begun.generation)
    listed, _ = await store.conversations.list(OWNER, limit=10)
    assert [(conversation.id, conversation.running) for conversation in listed] == [(first, False), (second, False)]


async def test_a_title_that_a_person_gives_is_the_persons(store: Store, database: Path | str) -> None:
    conversation = await store.conversations.add(OWNER)
    renamed = await store.conversations.rename(OWNER, conversation.id, "Tea")
    assert (renamed.title, renamed.title_source) == ("Tea", TitleSource.USER)
    assert await store.conversations.get(OWNER, conversation.id) == renamed
    assert await rows(database, "SELECT title_revision FROM conversations") == [(1,)]


async def test_an_empty_title_brings_the_default_back_and_stays_the_persons_choice(store: Store) -> None:
    conversation = await store.conversations.add(OWNER)
    await store.conversations.rename(OWNER, conversation.id, "Tea")
    renamed = await store.conversations.rename(OWNER, conversation.id, "")
    assert (renamed.title, renamed.title_source) == ("New Conversation", TitleSource.USER)


async def test_only_the_renamed_conversation_is_renamed(store: Store) -> None:
    renamed, other = [await store.conversations.add(OWNER) for _ in range(2)]
    await store.conversations.rename(OWNER, renamed.id, "Tea")
    assert await store.conversations.get(OWNER, other.id) == other


async def test_choosing_a_message_leads_to_the_newest_end_below_it(store: Store) -> None:
    first = await exchange(store)
    conversation_id = first.conversation_id
    old = await send(store, "old branch", conversation_id)
    await settle(store, old.generation)
    newer = await send(store, "newer branch", conversation_id, parent=first.message_id)
    await settle(store, newer.generation)
    again = await send(store, "another root", conversation_id, parent=None)

    for chosen, end in (
        (first.user_message_id, newer.generation.message_id),
        (first.message_id, newer.generation.message_id),
        (old.generation.user_message_id, old.generation.message_id),
        (again.generation.message_id, again.generation.message_id),
    ):
        conversation = await store.conversations.choose(OWNER, conversation_id, chosen)
        assert conversation.current_message_id == end
        assert (await store.messages.list(OWNER, conversation_id))[-1].id == end


async def test_the_newest_end_may_lie_in_the_older_of_two_branches(store: Store) -> None:
    first = await exchange(store)
    old = await exchange(store, "old branch", first.conversation_id)
    newer = await send(store, "newer branch", first.conversation_id, parent=first.message_id)
    await settle(store, newer.generation)
    newest = await send(store, "on the old branch", first.conversation_id, parent=old.message_id)
    conversation = await store.conversations.choose(OWNER, first.conversation_id, first.message_id)
    assert conversation.current_message_id == newest.generation.message_id


async def test_a_message_of_another_conversation_cannot_be_chosen(store: Store) -> None:
    here, there = await exchange(store), await exchange(store)
    for message_id in (there.message_id, UNKNOWN):
        with pytest.raises(Invalid):
            await store.conversations.choose(OWNER, here.conversation_id, message_id)
    kept = await store.conversations.get(OWNER, here.conversation_id)
    assert kept.current_message_id == here.message_id


async def test_deleting_leaves_no_row_and_says_what_was_running(store: Store, database: Path | str) -> None:
    ended = await exchange(store)
    running = await send(store, "more", ended.conversation_id, key="k")
    await write(store, running.generation, "so", " far")
    assert await store.conversations.delete(OWNER, ended.conversation_id) == [running.generation.id]
    assert await counts(database) == {"conversations": 0, "messages": 0, "generations": 0, "pieces": 0}


async def test_deleting_one_conversation_leaves_the_others(store: Store) -> None:
    kept, deleted = await exchange(store), await exchange(store)
    await store.conversations.delete(OWNER, deleted.conversation_id)
    assert [message.content for message in await store.messages.list(OWNER, kept.conversation_id)] == ["Hello?", "Hi."]
    assert await pages(store, 10) == [[kept.conversation_id]]


async def test_nothing_brings_a_deleted_conversation_back(store: Store, database: Path | str) -> None:
    generation = (await send(store)).generation
    conversation_id = generation.conversation_id
    await store.conversations.delete(OWNER, conversation_id)

    await write(store, generation, "late")
    await store.generations.identify(generation.id, "gen-late")
    assert await store.generations.settle_abandoned() == 0
    for late in (
        store.generations.settle(generation.id, Status.COMPLETE, Outcome(), None),
        store.conversations.get(OWNER, conversation_id),
        store.conversations.rename(OWNER, conversation_id, "late"),
        store.conversations.choose(OWNER, conversation_id, generation.message_id),
        store.conversations.delete(OWNER, conversation_id),
        store.messages.list(OWNER, conversation_id),
        store.messages.get(OWNER, generation.message_id),
        store.generations.get(OWNER, generation.id),
        send(store, "late", conversation_id),
    ):
        with pytest.raises(NotFound):
            await late
    assert await store.generations.list_pieces(OWNER, generation.id, after=0, limit=10, size=100) == []
    assert await store.messages.list_turns(OWNER, generation.message_id) == []
    assert await counts(database) == {"conversations": 0, "messages": 0, "generations": 0, "pieces": 0}


async def test_an_append_for_a_deleted_conversation_does_not_hold_up_the_others(store: Store) -> None:
    deleted, kept = (await send(store)).generation, (await send(store)).generation
    await store.conversations.delete(OWNER, deleted.conversation_id)
    content = int(Kind.CONTENT)
    await store.generations.append([(deleted.id, 2, content, "late"), (kept.id, 2, content, "in time")])
    assert (await store.messages.get(OWNER, kept.message_id)).content == "in time"


async def test_a_branch_of_thousands_of_messages_is_chosen_and_read_whole(store: Store) -> None:
    conversation, ids = await deep(store)
    assert conversation.current_message_id == ids[-1]
    assert [message.id for message in await store.messages.list(OWNER, conversation.id)] == ids
    assert len(await store.messages.list_turns(OWNER, ids[-1])) == DEPTH


async def test_a_branch_of_thousands_of_messages_is_deleted_whole(store: Store, database: Path | str) -> None:
    conversation, _ = await deep(store)
    await store.conversations.delete(OWNER, conversation.id)
    while await store.conversations.clear():
        pass
    assert (await counts(database))["messages"] == 0
