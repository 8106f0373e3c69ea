"""Find out what a file is and take it apart, conversation by conversation, never more than one of them in memory.

A conversation is at most `ITEM_LIMIT` bytes, so what is in memory is bounded whatever the file says it is.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, Final

import ijson

from holdfast.errors import UnreadableFile
from holdfast.transfer.document import FORMAT, VERSION
from holdfast.transfer.read import chatgpt, librechat, open_webui, own
from holdfast.transfer.read.archive import JSON, find_conversations
from holdfast.transfer.read.bounds import Bounds
from holdfast.transfer.read.item import Item, LeftOut, Reason, Taken
from holdfast.transfer.read.surrogates import Mended

Conversation = Mapping[str, Any]
"""A conversation as it stands in a file."""

ITEM_LIMIT: Final = 64 << 20
"""Bytes of one conversation in a file."""

MESSAGE_LIMIT: Final = 20_000
"""Messages of one conversation: it is stored in one go, while everybody else's writing waits."""

_READ: Final = 64 << 10
_HEAD: Final = 4096
_ZIP: Final = b"PK\x03\x04"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_READERS: Final[tuple[tuple[Callable[[Conversation], bool], Callable[[Conversation], Item]], ...]] = (
    (own.recognises, own.convert),
    (chatgpt.recognises, chatgpt.convert),
    (open_webui.recognises, open_webui.convert),
    (librechat.recognises, librechat.convert),
)
_STRANGE: Final = (ValueError, TypeError, ArithmeticError, RecursionError)
_OURS: Final = re.compile(rb'\{\s*"format"\s*:\s*"holdfast"\s*,\s*"version"\s*:\s*(\d{1,9})')


def read(file: BinaryIO) -> Iterator[Item]:
    """What is in a file, in its order. Raises `UnreadableFile` where it ends to be readable; what came before holds."""
    if file.read(len(_ZIP)) == _ZIP:
        for member in find_conversations(file):
            yield from _read_json(member)
    else:
        file.seek(0)
        yield from _read_json(file)


def _read_json(file: JSON) -> Iterator[Item]:
    metered = _Metered(file)
    head = metered.head.lstrip()
    if ours := _OURS.match(head):
        if int(ours[1]) > VERSION:
            raise UnreadableFile("A newer Holdfast wrote this file, in a form that this one does not know.")
        yield from _converted(metered, "conversations.item")
    elif head.startswith(b"["):
        yield from _converted(metered, "item")
    elif head.startswith(b"{"):
        yield from _converted(metered, "")
    else:
        raise UnreadableFile("This is neither JSON nor a zip file.")


def _converted(metered: "_Metered", prefix: str) -> Iterator[Item]:
    count = 0
    try:
        for value in ijson.items(metered, prefix, buf_size=_READ):
            metered.begin_item()
            for each in _expanded(value):
                count += 1
                yield _convert(each)
    except (ijson.JSONError, UnicodeDecodeError, ArithmeticError) as error:
        raise UnreadableFile(f"The file is damaged or breaks off after {count} conversations.") from error


def _expanded(value: Any) -> Iterator[Any]:
    """A document of ours whose fields stand in another order came as one value."""
    if isinstance(value, dict) and value.get("format") == FORMAT and isinstance(value.get("conversations"), list):
        yield from value["conversations"]
    else:
        yield value


def _convert(value: Any) -> Item:
    if isinstance(value, dict):
        for recognises, convert in _READERS:
            if recognises(value):
                try:
                    item = convert(value)
                except _STRANGE:
                    return LeftOut(Reason.MALFORMED)
                return item if _is_short(item) else LeftOut(Reason.MALFORMED)
    return LeftOut(Reason.UNRECOGNISED)


def _is_short(item: Item) -> bool:
    return not isinstance(item, Taken) or len(item.whole.messages) <= MESSAGE_LIMIT


class _Metered:
    """A file that is given up where too much of it is read without the end of a conversation, or it asks too much.

    `head` is what it begins with, which is read all the same.
    """

    def __init__(self, file: JSON) -> None:
        self._file = Mended(file)
        self._since = 0
        self._bounds = Bounds()
        self.head = self._file.read(_HEAD).removeprefix(_BYTE_ORDER_MARK)
        self._ahead = self.head

    def begin_item(self) -> None:
        """A conversation came to its end."""
        self._since = 0
        self._bounds.begin_item()

    def read(self, size: int = -1) -> bytes:
        """What a parser asks for. Raises `UnreadableFile`."""
        if size == 0:
            return b""
        data, self._ahead = self._ahead or self._file.read(size), b""
        self._since += len(data)
        self._bounds.add(data)
        if self._since > ITEM_LIMIT:
            raise UnreadableFile(
                f"A conversation in the file is larger than {ITEM_LIMIT >> 20} MiB. The import ends there."
            )
        return data
