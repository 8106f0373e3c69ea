"""Following at the moments between two things: stored and not yet published, published and not yet settled."""

import asyncio
from pathlib import Path

import pytest

from holdfast.bus import Bus
from holdfast.domain import PERSONAL_OWNER, Kind, Outcome, Status
from holdfast.events import Frames
from holdfast.generation import Follower
from holdfast.store import Store, open_store
from holdfast.store.generations import Ask, AtEnd

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> Store:
    return await open_store(tmp_path / "holdfast.sqlite3", lambda _line: None)


async def test_a_cursor_that_is_stored_and_not_yet_published_waits_for_what_follows(store: Store) -> None:
    begun = await store.generations.send(
        PERSONAL_OWNER, Ask("acme/chat-1"), content="Go.", conversation_id=None, parent=AtEnd()
    )
    run = begun.generation
    bus = Bus()
    frames, channel = Frames(run.conversation_id, run.id), bus.open(run.id, 1)
    await store.generations.append([(run.id, 2, Kind.CONTENT, "a"), (run.id, 3, Kind.CONTENT, "b")])
    stored = await store.generations.get(PERSONAL_OWNER, run.id)
    follower = Follower(store, bus, PERSONAL_OWNER, stored, stored.seq)
    reading = asyncio.create_task(follower.read())
    await asyncio.sleep(0)
    assert not reading.done()
    channel.publish(2, frames.text(2, Kind.CONTENT, "a"))
    channel.publish(3, frames.text(3, Kind.CONTENT, "b"))
    assert await reading == b""
    channel.publish(4, frames.text(4, Kind.CONTENT, "c"))
    assert await follower.read() == frames.text(4, Kind.CONTENT, "c")
    await store.aclose()


async def test_a_channel_that_ends_without_its_terminal_event_leads_to_the_store(store: Store) -> None:
    begun = await store.generations.send(
        PERSONAL_OWNER, Ask("acme/chat-1"), content="Go.", conversation_id=None, parent=AtEnd()
    )
    run = begun.generation
    bus = Bus()
    channel = bus.open(run.id, 2)
    await store.generations.append([(run.id, 2, Kind.CONTENT, "a")])
    follower = Follower(store, bus, PERSONAL_OWNER, run, 2)
    await store.generations.settle(run.id, Status.COMPLETE, Outcome(), None)
    channel.end(complete=False)
    rest = await follower.read()
    assert rest is not None
    assert [line for line in rest.split(b"\n") if line.startswith(b"id:")] == [b"id: 3", b"id: 4"]
    assert await follower.read() is None
    await store.aclose()


async def test_a_reader_that_leaves_is_let_go_at_once(store: Store) -> None:
    begun = await store.generations.send(
        PERSONAL_OWNER, Ask("acme/chat-1"), content="Go.", conversation_id=None, parent=AtEnd()
    )
    bus = Bus()
    bus.open(begun.generation.id, 1)
    follower = Follower(store, bus, PERSONAL_OWNER, begun.generation, 1)
    reading = asyncio.create_task(follower.read())
    await asyncio.sleep(0)
    follower.leave()
    assert await reading is None
    assert await follower.read() is None
    await store.aclose()
