"""A long conversation is deleted: gone for everybody at once, and its rows in steps, whatever ends in between."""

from pathlib import Path

import pytest

from holdfast.clearing import Clearing
from holdfast.domain import Generation, Outcome, Rating, Role, Status, new_id
from holdfast.errors import IdempotencyConflict, NotFound
from holdfast.store import Store, messages, open_store, statistics
from holdfast.store.check import check
from holdfast.store.generations import Key
from holdfast.store.ratings import read_rated
from holdfast.store.transfers import Whole
from openrouter import LoopbackOpenRouter
from serving import serving
from stored import OWNER, UNKNOWN, ask, contents, counts, exchange, rows, send, settle, write
from test_store_generations import CALLS, NOT_FOUND, met

pytestmark = pytest.mark.anyio

MANY = 600
"""Messages: three times as many as any step takes away."""

STEP = 200
NOTHING = {"conversations": 0, "messages": 0, "generations": 0, "pieces": 0}


async def long(store: Store, key: str | None = None) -> Generation:
    """A conversation that begins with an answer that was stopped, its generation."""
    first = (await send(store, "secret", key=key)).generation
    await write(store, first, "secret, too")
    await settle(store, first, Status.STOPPED)
    await lengthen(store, first)
    return first


async def lengthen(store: Store, first: Generation) -> None:
    """Add messages below an answer, each below the one before."""
    ids = [new_id() for _ in range(MANY)]
    chain = [(own, parent, Role.USER, "x") for own, parent in zip(ids, [first.message_id, *ids], strict=False)]
    await store._database.write(lambda connection: messages.add(connection, first.conversation_id, chain), durable=True)


async def mark(database: Path | str) -> None:
    """What is there is deleted, and every row of it is left."""
    await rows(database, "UPDATE conversations SET deleted_at = 1, origin = NULL")


@pytest.mark.parametrize("name", CALLS)
async def test_what_is_left_of_a_deleted_conversation_is_found_by_nobody(
    store: Store, database: Path | str, name: str
) -> None:
    mine = (await send(store, "secret", key="k")).generation
    await write(store, mine, "secret")
    await settle(store, mine, Status.STOPPED)
    await mark(database)
    before = await contents(database)
    assert await met(CALLS[name], store, OWNER, mine) in (NOT_FOUND, [], ([], None))
    assert await contents(database) == before


async def test_a_page_of_hits_is_full_although_newer_ones_are_left(store: Store, database: Path | str) -> None:
    kept = await exchange(store, "An unusual question")
    await store.conversations.rename(OWNER, kept.conversation_id, "An unusual title")
    deleted = await exchange(store, "Another unusual question")
    await store.conversations.rename(OWNER, deleted.conversation_id, "Another unusual title")
    await rows(database, f"UPDATE conversations SET deleted_at = 1 WHERE id = '{deleted.conversation_id}'")
    (title,), place = await store.search.list(OWNER, "unusual", limit=1)
    assert (title.conversation.id, title.message_id) == (kept.conversation_id, None)
    (message,), end = await store.search.list(OWNER, "unusual", limit=1, after=place)
    assert (message.message_id, end) == (kept.user_message_id, None)


async def test_lists_figures_and_files_pass_over_what_is_left(
    store: Store, database: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = await exchange(store, "An unusual question")
    conversation_id = answered.conversation_id
    await store.conversations.pin(OWNER, conversation_id, pinned=True)
    await store.conversations.rename(OWNER, conversation_id, "An unusual title")
    await store.messages.rate(OWNER, answered.message_id, Rating(1))
    (task,), _ = await store.tasks.list_due(2**62, limit=1)
    whole = await store.transfers.get(OWNER, conversation_id)
    imported = Whole(whole.conversation, whole.messages, (), "elsewhere:1")
    assert await store.transfers.is_known(OWNER, imported)
    await mark(database)
    assert await store.conversations.list_pinned(OWNER, limit=10) == []
    assert (await store.search.list(OWNER, "unusual", limit=10)) == ([], None)
    found = await store.statistics.gather(OWNER, since=0)
    assert (found.by_model, found.by_preset) == ({}, {})
    monkeypatch.setattr(statistics, "LIMIT", 0)
    assert not (await store.statistics.gather(OWNER, since=0)).limited
    assert [rated async for rated in read_rated(database, with_history=True)] == []
    with pytest.raises(NotFound):
        await store.titles.get_exchange(task)
    assert not await store.transfers.is_known(OWNER, imported)
    again = await store.transfers.add(OWNER, imported)
    assert again
    hits, _ = await store.search.list(OWNER, "unusual", limit=10)
    assert {hit.conversation.id for hit in hits} == {again}


async def test_a_step_takes_away_some_and_others_write_in_between(store: Store, database: Path | str) -> None:
    deleted = await long(store)
    kept = await exchange(store, "This stays.")
    await store.conversations.delete(OWNER, deleted.conversation_id)
    left = (await counts(database))["messages"] - 2
    assert MANY + 2 > left >= MANY + 2 - STEP
    assert await store.conversations.clear()
    await exchange(store, "So does this.", kept.conversation_id)
    left = (await counts(database))["messages"] - 4
    while await store.conversations.clear():
        before, left = left, (await counts(database))["messages"] - 4
        assert max(0, before - STEP) <= left
    assert await counts(database) == {"conversations": 1, "messages": 4, "generations": 2, "pieces": 0}
    assert len((await store.search.list(OWNER, "this", limit=10))[0]) == 2


async def test_what_runs_at_its_beginning_ends_and_its_keys_stay_spent(store: Store, database: Path | str) -> None:
    first = await long(store, key="first")
    body = ask("more")
    running = (await store.generations.continue_answer(OWNER, body, message_id=first.message_id)).generation
    await write(store, running, " and more")
    assert await store.conversations.delete(OWNER, first.conversation_id) == [running.id]
    await write(store, running, "late", after=2)
    with pytest.raises(NotFound):
        await store.generations.settle(running.id, Status.COMPLETE, Outcome(), None)
    assert await store.generations.list_running(OWNER) == []
    assert await store.generations.settle_abandoned() == 0
    if isinstance(database, Path):
        assert check(database).problems == []
    for _ in range(2):
        for key in ("first", "more"):
            with pytest.raises(NotFound):
                await store.generations.find_by_key(OWNER, Key(key, b"body"))
            with pytest.raises(IdempotencyConflict):
                await store.generations.find_by_key(OWNER, Key(key, b"another"))
        while await store.conversations.clear():
            pass
    assert await counts(database) == NOTHING


async def test_its_tasks_go_with_it(store: Store) -> None:
    answered = await exchange(store)
    await lengthen(store, answered)
    other = await exchange(store)
    await store.conversations.delete(OWNER, answered.conversation_id)
    due, _ = await store.tasks.list_due(2**62, limit=10)
    assert [task.generation_id for task in due] == [other.id]


async def test_the_rest_goes_by_itself_also_after_the_process_ended(database: Path | str) -> None:
    first = await open_store(database, lambda _line: None)
    await first.conversations.delete(OWNER, (await long(first)).conversation_id)
    await first.aclose()
    store = await open_store(database, lambda _line: None)
    clearing = Clearing(store)
    try:
        await clearing.idle()
        assert await counts(database) == NOTHING
        await store.conversations.delete(OWNER, (await long(store)).conversation_id)
        clearing.wake()
        await clearing.idle()
        assert await counts(database) == NOTHING
    finally:
        await clearing.aclose()
        await store.aclose()


async def test_a_server_that_starts_does_not_know_it_and_takes_the_rest_away(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "holdfast.sqlite3"
    store = await open_store(path, lambda _line: None)
    gone, kept = await long(store), await long(store)
    await store.conversations.delete(OWNER, gone.conversation_id)
    await store.aclose()
    assert (await counts(path))["conversations"] == 2
    async with serving(monkeypatch, tmp_path, OPENROUTER_BASE_URL=upstream.base_url) as served:
        listed = (await served.get("/api/conversations"))["items"]
        assert [item["id"] for item in listed] == [kept.conversation_id]
        for address in (f"conversations/{gone.conversation_id}", f"generations/{gone.id}", f"generations/{UNKNOWN}"):
            assert (await served.http.get(f"/api/{address}")).status_code == 404
        assert (await served.http.delete(f"/api/conversations/{kept.conversation_id}")).status_code == 204
        while (await counts(path))["conversations"]:
            await served.get("/health")
    assert await counts(path) == NOTHING
