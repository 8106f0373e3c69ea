"""The files of conversations in a zip, read as streams: nothing is unpacked to a disk, and no name in it is a path.

Only what is stored or deflated is read, for other methods may unpack without a bound on what one read yields.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol

from holdfast.errors import UnreadableFile

UNPACKED_LIMIT: Final = 8 << 30
"""Bytes that are unpacked out of one file."""

_DIRECTORY_LIMIT: Final = 4 << 20
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_CONVERSATIONS: Final = re.compile(r"(?:[^/\\]*[/\\])*conversations(?:[-_]?\d{1,6})?\.json")
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
)


class JSON(Protocol):
    """A file that a parser reads."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""


def find_conversations(file: BinaryIO) -> Iterator[JSON]:
    """Each file of conversations in a zip, in the order of their names. Raises `UnreadableFile`."""
    try:
        archive = zipfile.ZipFile(_Bounded(file))
    except _DAMAGED as error:
        raise UnreadableFile("The zip file is damaged.") from error
    members = sorted(
        (member for member in archive.infolist() if _CONVERSATIONS.fullmatch(member.filename)),
        key=lambda member: member.filename,
    )
    if not members:
        raise UnreadableFile("There is no conversations.json in this zip file.")
    budget = _Budget()
    for member in members:
        if member.compress_type not in _METHODS or member.flag_bits & 1:
            raise UnreadableFile("The zip file is encrypted, or packed in a way that is not read here.")
        try:
            opened = archive.open(member)
        except _DAMAGED as error:
            raise UnreadableFile("The zip file is damaged.") from error
        yield _Member(opened, budget)


class _Bounded:
    """A file of which nobody reads very much at once: a directory of millions of names is refused, not loaded."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek = file.seek
        self.tell = file.tell
        self._file = file

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, _DIRECTORY_LIMIT + 1) if size >= 0 else _DIRECTORY_LIMIT + 1)
        if len(data) > _DIRECTORY_LIMIT:
            raise zipfile.BadZipFile("too much at once")
        return data


class _Budget:
    """What may still be unpacked."""

    left = UNPACKED_LIMIT


class _Member:
    """A file in the zip."""

    def __init__(self, file: JSON, budget: _Budget) -> None:
        self._file = file
        self._budget = budget

    def read(self, size: int = -1, /) -> bytes:
        try:
            data = self._file.read(size)
        except _DAMAGED as error:
            raise UnreadableFile("The zip file is damaged.") from error
        self._budget.left -= len(data)
        if self._budget.left < 0:
            raise UnreadableFile(f"The zip file holds more than {UNPACKED_LIMIT >> 30} GiB.")
        return data
