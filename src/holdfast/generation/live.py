"""A generation while it runs: where it stands and why it is to end."""

import asyncio
from dataclasses import dataclass, field

from holdfast.bus import Channel
from holdfast.domain import Failure, Generation, Kind, OwnerId, Piece, Status
from holdfast.errors import HoldfastError, StorageBusy, StorageFull
from holdfast.events import STARTED, Frames
from holdfast.generation.overlap import Overlap

Ending = tuple[Status, Failure | None]
"""How a generation ends."""


@dataclass(slots=True, eq=False)
class Live:
    """The state of one run. `seq` counts what was appended, `channel.seq` what is stored and published of it.

    `size` is in bytes of UTF-8, times are those of the event loop.
    """

    owner: OwnerId
    generation: Generation
    channel: Channel
    frames: Frames
    accepted: float
    seq: int = STARTED
    size: int = 0
    first_content: float | None = None
    first_reasoning: float | None = None
    ending: Ending | None = None
    lost: HoldfastError | None = None
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)
    begun: bool = False
    overlap: Overlap = field(default_factory=Overlap)

    def begin(self) -> None:
        """The task's first step. Raises `CancelledError` where the end was asked for before it."""
        self.begun = True
        if self.ending:
            raise asyncio.CancelledError

    def note_first(self, pieces: list[Piece], now: float) -> None:
        """Remember when reasoning and content began."""
        kinds = {piece.kind for piece in pieces}
        if Kind.REASONING in kinds and self.first_reasoning is None:
            self.first_reasoning = now
        if Kind.CONTENT in kinds:
            self.first_content = now

    def end(self, status: Status, error: HoldfastError | None = None) -> None:
        """Have it end like this, unless it is ending already: the first reason stands."""
        if self.ending is None:
            self.ending = (status, failure(error) if error else None)
            if self.task and self.begun:  # A task that is cancelled before its first step would never settle.
                self.task.cancel()


def failure(error: HoldfastError) -> Failure:
    """An error as it is kept with a generation."""
    if isinstance(error, StorageBusy):
        error = StorageFull("The database could not be written to, so the answer was ended. Try again.")
    message = error.message
    if error.retry_after:
        message = f"{message.rstrip('.')}. Try again in {error.retry_after} seconds."
    return Failure(error.code, message, error.retryable, error.retry_after or None)
