"""Ticks come with load and go with it."""

import asyncio
import time

import pytest

from holdfast.generation.pace import LONGEST, SHORTEST, Pace

pytestmark = pytest.mark.anyio


class Clock:
    """Wall and processor time as a test says, in place of the module's `time`."""

    def __init__(self) -> None:
        self.wall = self.used = 0.0

    def monotonic(self) -> float:
        return self.wall

    def process_time(self) -> float:
        return self.used

    def pass_(self, seconds: float, share: float) -> None:
        self.wall += seconds
        self.used += seconds * share


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("holdfast.generation.pace.time", clock)
    return clock


async def test_a_process_with_time_to_spare_has_no_ticks(clock: Clock) -> None:
    pace = Pace()
    for _ in range(10):
        clock.pass_(1, 0.15)
        pace.adjust()
    assert pace.tick == 0


async def test_ticks_grow_under_load_to_a_limit_and_go_with_it(clock: Clock) -> None:
    pace, seen = Pace(), []
    for share in [0.9] * 8 + [0.15] * 3 + [0.02] * 8:
        clock.pass_(1, share)
        pace.adjust()
        seen.append(pace.tick)
    assert seen[0] == SHORTEST
    assert seen[7] == seen[10] == LONGEST
    assert seen[:8] == sorted(seen[:8])
    assert seen[-1] == 0


async def test_a_look_too_soon_after_the_last_changes_nothing(clock: Clock) -> None:
    pace = Pace()
    clock.pass_(0.01, 1.0)
    pace.adjust()
    assert pace.tick == 0


async def test_everybody_who_waits_goes_at_the_same_tick() -> None:
    pace = Pace()
    pace.tick = SHORTEST
    begun = time.monotonic()
    gone: list[int] = []

    async def wait(number: int) -> None:
        await pace.next()
        gone.append(number)

    leaver = asyncio.create_task(pace.next())
    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.gather(*waiting)
    assert gone == [0, 1, 2]
    assert time.monotonic() - begun >= SHORTEST * 0.9
