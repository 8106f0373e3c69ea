"""Under load, let text gather: each generation reads once a tick, so that one commit and one write serve more tokens.

While the process has time to spare there are no ticks and every token goes at once.
"""

import asyncio
import time
from typing import Final

BUSY: Final = 0.2
"""The share of a processor's time above which ticks grow longer, and below half of which they shrink."""

SHORTEST: Final = 0.032
LONGEST: Final = 0.1
"""Seconds between two ticks: below, few models have written two tokens; above, a reader would see text jump."""

_STEP: Final = 2.0  # Halving or doubling changes the share by less than that, so it settles instead of swinging.
_MEASURED_EVERY: Final = 0.2


class Pace:
    """One clock for all generations of a process. `tick` is its length in seconds, 0 while there is none."""

    def __init__(self) -> None:
        self.tick = 0.0
        self._loop = asyncio.get_running_loop()
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._measured = (time.monotonic(), time.process_time())

    def adjust(self) -> None:
        """Look at the load now and then and set the tick by it."""
        wall, used = time.monotonic(), time.process_time()
        since, used_then = self._measured
        if wall - since < _MEASURED_EVERY:
            return
        share = (used - used_then) / (wall - since)
        self._measured = (wall, used)
        if share > BUSY:
            self.tick = min(max(self.tick * _STEP, SHORTEST), LONGEST)
        elif share < BUSY / 2:
            self.tick = self.tick / _STEP if self.tick > SHORTEST else 0.0

    async def next(self) -> None:
        """Wait for the next tick, with everybody else."""
        if self._timer is None:
            self._timer = self._loop.call_later(self.tick, self._go)
        future = self._loop.create_future()
        self._waiting.append(future)
        await future

    def _go(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
