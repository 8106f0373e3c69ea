"""Bring the conversations of a file in, each in a short transaction of its own, whole or not at all.

The same file again adds nothing. Reading happens on a thread, so that whoever streams meanwhile goes on.
"""

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, Final, Protocol

from holdfast.domain import OwnerId
from holdfast.errors import UnreadableFile
from holdfast.store.transfers import Whole
from holdfast.transfer.read import Item, Taken, read
from holdfast.transfer.report import Report

_TOGETHER: Final = 4
"""Conversations that are stored at a time: one sync of the disk serves them all, and nobody waits for long."""


class Target(Protocol):
    """Where conversations go."""

    async def is_known(self, owner: OwnerId, whole: Whole) -> bool:
        """Whether it is there already."""

    async def add(self, owner: OwnerId, whole: Whole) -> str | None:
        """Its new id; None where it is there already."""


async def import_all(target: Target, owner: OwnerId, file: BinaryIO, report: Report, *, dry_run: bool) -> None:
    """Take in what is in a file, and count it; with `dry_run` only say what would be taken.

    Raises `UnreadableFile` where there is nothing, or nothing further, to take, and `StorageError`. What was counted
    before that is there.
    """
    items = read(file)
    seen: set[int] = set()
    error: UnreadableFile | None = None
    while not error:
        batch, error = await asyncio.to_thread(_take, items)
        found = await asyncio.gather(
            *(_is_known(target, owner, each, seen, dry_run=dry_run) for each in batch), return_exceptions=True
        )
        for known, item in zip(found, batch, strict=True):
            if not isinstance(known, BaseException):
                report.count(item, known=known)
        failed = [known for known in found if isinstance(known, BaseException)]
        if failed:
            raise failed[0]
        if not batch:
            break
    if error:
        raise error
    if not report.says_something:
        raise UnreadableFile(_nothing(report))


def _take(items: Iterator[Item]) -> tuple[list[Item], UnreadableFile | None]:
    """Some more, and why there is no more after them where that is no ordinary end."""
    batch: list[Item] = []
    try:
        for item in islice(items, _TOGETHER):
            batch.append(item)  # noqa: PERF402 - what came before an error counts
    except UnreadableFile as error:
        return batch, error
    return batch, None


async def _is_known(target: Target, owner: OwnerId, item: Item, seen: set[int], *, dry_run: bool) -> bool:
    """Store a conversation unless it is there; whether it was. A dry run remembers what it would have stored."""
    if not isinstance(item, Taken):
        return False
    if not dry_run:
        return await target.add(owner, item.whole) is None
    key = hash(item.whole.origin)
    again = key in seen
    seen.add(key)
    return again or await target.is_known(owner, item.whole)


def _nothing(report: Report) -> str:
    if not report.left_out:
        return "There is no conversation in this file."
    told = ", ".join(f"{count} {reason}" for reason, count in report.left_out.items())
    return f"None of the entries in this file is a conversation that can be taken in ({told})."
