"""Write conversations out, one after the other: never more than one of them is in memory."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from holdfast.domain import OwnerId, now
from holdfast.errors import NotFound
from holdfast.store.transfers import Whole
from holdfast.transfer import document, markdown
from holdfast.transfer.form import Form


class Source(Protocol):
    """Where conversations are read from: the store, or a database that a server may be using."""

    async def list_ids(self, owner: OwnerId, *, after: int) -> Sequence[tuple[int, str]]:
        """A page of (number, id) beyond a number; empty at the end."""

    async def get(self, owner: OwnerId, conversation_id: str) -> Whole:
        """One conversation. Raises `NotFound`."""


async def export_all(source: Source, owner: OwnerId, form: Form) -> AsyncIterator[bytes]:
    """Every conversation of an owner, oldest first; what is deleted meanwhile is left out."""
    joined = _Joined(form)
    after = 0
    yield joined.opening
    while page := await source.list_ids(owner, after=after):
        for number, conversation_id in page:
            after = number
            try:
                yield joined.add(await source.get(owner, conversation_id))
            except NotFound:
                continue
    yield joined.closing


def export_one(whole: Whole, form: Form) -> bytes:
    """A file with one conversation."""
    joined = _Joined(form)
    return joined.opening + joined.add(whole) + joined.closing


class _Joined:
    """The pieces of a file. `count`: how many conversations are in it so far."""

    def __init__(self, form: Form) -> None:
        self._encode = document.encode if form is Form.JSON else markdown.encode
        self._between = b",\n" if form is Form.JSON else b"\n---\n\n"
        self._first = True
        self.opening = document.opening(now()) if form is Form.JSON else b""
        self.closing = document.CLOSING if form is Form.JSON else b""

    def add(self, whole: Whole) -> bytes:
        encoded = self._encode(whole)
        if self._first:
            self._first = False
            return encoded
        return self._between + encoded
