"""Wake whoever follows a generation, and hand them its newest events. Nothing is here that is not in the store.

A channel keeps a bounded tail of encoded frames, shared by all who follow; who is behind it reads the store.
"""

import asyncio
from typing import Final

TAIL_LIMIT: Final = 256 * 1024
"""Bytes of frames that a channel keeps."""

READ_LIMIT: Final = 64 * 1024
"""Bytes that one read of a channel returns, unless a single frame is longer."""


class Channel:
    """The live end of one generation's events. `seq` is the last one published.

    `ended`: nothing more will come; `complete`: and the terminal event was the last that came.
    """

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.ended = False
        self.complete = False
        self._frames: list[bytes] = []
        self._size = 0
        self._waiting: list[asyncio.Future[None]] = []

    def publish(self, seq: int, frame: bytes) -> None:
        """Add the next frame and wake everybody. `seq` follows the last one: a frame is one number here."""
        self._frames.append(frame)
        self._size += len(frame)
        self.seq = seq
        if self._size > TAIL_LIMIT:
            self._drop()
        self.wake()

    def end(self, *, complete: bool) -> None:
        """Nothing more will come."""
        self.ended = True
        self.complete = complete
        self.wake()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def read(self, after: int) -> tuple[int, bytes] | None:
        """What came after a cursor, up to `READ_LIMIT`, and the new cursor. None: the tail no longer reaches back."""
        missing = self.seq - after
        if missing > len(self._frames):
            return None
        if missing == 1:  # The usual case: a follower that keeps up.
            return self.seq, self._frames[-1]
        taken: list[bytes] = []
        size = 0
        for frame in self._frames[len(self._frames) - missing :]:
            if taken and size + len(frame) > READ_LIMIT:
                break
            taken.append(frame)
            size += len(frame)
        return after + len(taken), b"".join(taken)

    def news(self) -> "asyncio.Future[None]":
        """Something to await until there may be more to read. Read first: what was there before wakes nobody."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def _drop(self) -> None:
        """Forget the older half of the bytes, so that forgetting stays cheap, but never the newest frame."""
        dropped = 0
        while self._size > TAIL_LIMIT // 2 and dropped < len(self._frames) - 1:
            self._size -= len(self._frames[dropped])
            dropped += 1
        del self._frames[:dropped]


class Bus:
    """The channels of the generations that run in this process."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}

    def open(self, generation_id: str, seq: int) -> Channel:
        """A new channel, found from now on."""
        channel = self._channels[generation_id] = Channel(seq)
        return channel

    def find(self, generation_id: str) -> Channel | None:
        """The channel of a generation that runs here."""
        return self._channels.get(generation_id)

    def close(self, generation_id: str) -> None:
        """Forget a channel; who holds it may read it to its end."""
        del self._channels[generation_id]
