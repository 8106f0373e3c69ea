"""A generation while it runs: where it stands and why it is to end."""

import asyncio
from dataclasses import dataclass, field

from holdfast.bus import Channel
from holdfast.domain import Failure, Generation, Status
from holdfast.errors import HoldfastError
from holdfast.events import STARTED, Frames

Ending = tuple[Status, Failure | None]
"""How a generation ends."""


@dataclass(slots=True, eq=False)
class Live:
    """The state of one run. `seq` counts what was appended, `channel.seq` what is stored and published of it.

    `size` is in code points; `answered`: there was content, not only reasoning.
    """

    generation: Generation
    channel: Channel
    frames: Frames
    accepted: float
    seq: int = STARTED
    size: int = 0
    answered: bool = False
    first_token: float | None = None
    ending: Ending | None = None
    lost: HoldfastError | None = None
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)
    begun: bool = False

    def begin(self) -> None:
        """The task's first step. Raises `CancelledError` where the end was asked for before it."""
        self.begun = True
        if self.ending:
            raise asyncio.CancelledError

    def end(self, status: Status, error: HoldfastError | None = None) -> None:
        """Have it end like this, unless it is ending already: the first reason stands."""
        if self.ending is None:
            self.ending = (status, failure(error) if error else None)
            if self.task and self.begun:  # A task that is cancelled before its first step would never settle.
                self.task.cancel()


def failure(error: HoldfastError) -> Failure:
    """An error as it is kept with a generation."""
    wait = f" Try again in {error.retry_after} seconds." if error.retry_after else ""
    return Failure(error.code, error.message + wait, error.retryable)
