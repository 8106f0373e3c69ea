"""A channel: exact bytes after any cursor that its tail reaches, and nobody sleeps through news."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.bus import READ_LIMIT, TAIL_LIMIT, Bus, Channel

pytestmark = pytest.mark.anyio

SIZES = st.sampled_from([1, 50, READ_LIMIT // 2, READ_LIMIT, READ_LIMIT + 1, TAIL_LIMIT + 1])


def filled(sizes: list[int], start: int = 0) -> tuple[Channel, list[bytes]]:
    """A channel on which frames of these sizes were published, and the frames."""
    channel = Channel(start)
    frames = [bytes([n % 251]) * size for n, size in enumerate(sizes)]
    for seq, frame in enumerate(frames, start + 1):
        channel.publish(seq, frame)
    return channel, frames


@given(st.lists(SIZES, max_size=60), st.integers(0, 3))
def test_reading_on_from_any_cursor_gives_every_later_byte_once(sizes: list[int], start: int) -> None:
    channel, frames = filled(sizes, start)
    assert channel.seq == start + len(frames)
    for after in range(start, channel.seq + 1):
        cursor, taken = after, b""
        while cursor < channel.seq and (found := channel.read(cursor)):
            assert found[0] > cursor
            assert len(found[1]) <= READ_LIMIT or found[0] == cursor + 1
            cursor, taken = found[0], taken + found[1]
        assert cursor in {after, channel.seq}  # From where the tail reaches, it reaches to the end.
        assert taken == b"".join(frames[after - start : cursor - start])
    assert channel.read(channel.seq) == (channel.seq, b"")


@given(st.lists(SIZES, max_size=60), st.integers(0, 50))
def test_a_channel_keeps_a_bounded_tail_and_always_its_newest_frame(sizes: list[int], tiny: int) -> None:
    channel, frames = filled([1] * tiny + sizes)
    kept = sum(map(len, channel._frames))
    assert kept == channel._size
    assert kept <= max(TAIL_LIMIT, len(frames[-1]) if frames else 0)
    assert channel._frames == frames[len(frames) - len(channel._frames) :]
    assert bool(channel._frames) == bool(frames)


def test_a_cursor_before_the_tail_is_not_answered() -> None:
    channel, _ = filled([TAIL_LIMIT // 2] * 3)
    assert channel.read(0) is None
    assert channel.read(2) is not None


def test_a_cursor_before_the_channel_began_is_not_answered() -> None:
    channel, _ = filled([1], start=5)
    assert channel.read(4) is None
    assert channel.read(5) == (6, b"\0")


async def test_everybody_who_waits_is_woken_by_what_is_published() -> None:
    channel = Channel(0)
    waiting = [channel.news() for _ in range(3)]
    assert not any(future.done() for future in waiting)
    channel.publish(1, b"x")
    assert all(future.done() for future in waiting)
    assert not channel.news().done()


async def test_the_end_wakes_everybody_and_says_whether_it_was_told() -> None:
    for complete in (True, False):
        channel = Channel(0)
        waiting = channel.news()
        channel.end(complete=complete)
        assert waiting.done()
        assert (channel.ended, channel.complete) == (True, complete)


async def test_a_reader_who_left_disturbs_nobody() -> None:
    channel = Channel(0)
    left, stays = channel.news(), channel.news()
    left.cancel()
    channel.publish(1, b"x")
    assert stays.done()


async def test_a_follower_gets_everything_however_its_turns_fall() -> None:
    channel = Channel(0)
    frames = [b"%d," % n for n in range(200)]

    async def follow() -> bytes:
        cursor, taken = 0, b""
        while cursor < len(frames):
            if cursor == channel.seq:
                await channel.news()
            found = channel.read(cursor)
            assert found
            cursor, data = found
            taken += data
        return taken

    followers = [asyncio.create_task(follow()) for _ in range(5)]
    for seq, frame in enumerate(frames, 1):
        channel.publish(seq, frame)
        for _ in range(seq % 3):
            await asyncio.sleep(0)
    assert await asyncio.gather(*followers) == [b"".join(frames)] * 5


def test_a_channel_is_found_until_it_is_closed_and_read_afterwards() -> None:
    bus = Bus()
    channel = bus.open("g", 3)
    assert (bus.find("g"), bus.find("other"), channel.seq) == (channel, None, 3)
    channel.publish(4, b"x")
    bus.close("g")
    assert bus.find("g") is None
    assert channel.read(3) == (4, b"x")
