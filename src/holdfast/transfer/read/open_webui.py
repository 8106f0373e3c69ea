"""Open WebUI's export: a list of chats, each with its messages in `chat.history`, by id, and their order in it.

Reasoning and calls of tools stand in an answer's text as HTML, `<details type="reasoning">`.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from holdfast.domain import Rating, Role, Status, Usage
from holdfast.transfer.read.item import Item, Part
from holdfast.transfer.read.tree import About, Node, ordered, taken
from holdfast.transfer.read.values import citations, kept, moment

_OPENING: Final = re.compile(r'<details type="(\w{1,40})"[^>]{0,2000}>')
_CLOSING: Final = "</details>"
_SUMMARY: Final = re.compile(r"\s*<summary>[^<]{0,400}</summary>")
_QUOTE: Final = re.compile(r"^> ?", re.MULTILINE)
_COMMENT_LIMIT: Final = 2000
_MOST_TOKENS: Final = 1 << 53


class Said(msgspec.Struct):
    """A message."""

    role: str = ""
    content: Any = None
    parentId: str | None = None  # noqa: N815 - the file's name for it
    childrenIds: list[str] | None = None  # noqa: N815
    timestamp: Any = None
    model: Any = None
    done: bool | None = None
    error: Any = None
    files: list[Any] | None = None
    usage: dict[str, Any] | None = None
    annotation: dict[str, Any] | None = None
    sources: Any = None


class History(msgspec.Struct):
    """The messages, and the end of the branch that is shown."""

    messages: dict[str, Said]
    currentId: Any = None  # noqa: N815


class Chat(msgspec.Struct):
    """What the page of Open WebUI keeps."""

    history: History
    title: Any = None
    timestamp: Any = None


class Exported(msgspec.Struct):
    """A chat with what the server keeps of it."""

    chat: Chat
    id: Any = None
    title: Any = None
    created_at: Any = None
    updated_at: Any = None
    pinned: bool | None = None


def recognises(value: Mapping[str, Any]) -> bool:
    """Whether this is a chat of Open WebUI's."""
    return isinstance(value.get("chat"), dict) and "history" in value["chat"]


def convert(value: Mapping[str, Any]) -> Item:
    """A chat. Raises `ValueError` for what is damaged."""
    found = msgspec.convert(value, Exported)
    history = found.chat.history
    places = history.messages
    roots = [id_ for id_, said in places.items() if said.parentId not in places]
    children: dict[str, list[str]] = {id_: [] for id_ in places}
    for id_, said in places.items():
        children[id_] = [each for each in said.childrenIds or () if each in places]
    for id_, said in places.items():  # A parent may have forgotten a child.
        if said.parentId in children:
            children[said.parentId].append(id_)
    parts: Counter[Part] = Counter()
    nodes = [_node(id_, places[id_], parts) for id_ in ordered(roots, children)]
    about = About(
        program="open_webui",
        id=found.id,
        title=found.title or found.chat.title,
        created_at=found.created_at or found.chat.timestamp,
        updated_at=found.updated_at,
        current=history.currentId,
        pinned=bool(found.pinned),
    )
    return taken(about, nodes, parts)


def _node(id_: str, said: Said, parts: Counter[Part]) -> Node:
    node = Node(id_, said.parentId, at=moment(said.timestamp))
    content = said.content if isinstance(said.content, str) else _joined(said.content)
    if said.role == "user":
        named = [_named(file) for file in said.files or ()]
        parts.update([Part.ATTACHMENT] * len(named))
        node.content = "\n\n".join(filter(None, (*named, content)))
        node.role = Role.USER if node.content else None
    elif said.role == "assistant":
        node.role = Role.ASSISTANT
        node.content, node.reasoning = _apart(content, parts)
        node.model = said.model if isinstance(said.model, str) else None
        node.status = _status(said)
        node.usage = _usage(said.usage or {})
        node.rating = _rating(said.annotation or {})
        node.citations = citations(_pages(said.sources))
        parts.update([Part.ATTACHMENT] * len(said.files or ()))
    elif content:
        parts[Part.HIDDEN] += 1
    return node


def _joined(content: Any) -> str:
    """The text of a message that comes as a list of parts."""
    found = [each.get("text") for each in content if isinstance(each, dict)] if isinstance(content, list) else []
    return "\n\n".join(each for each in found if isinstance(each, str))


def _named(file: Any) -> str:
    kind = file.get("type") if isinstance(file, dict) else None
    called = file.get("name") if isinstance(file, dict) else None
    words = [each[:100] for each in (kind, called) if isinstance(each, str) and each]
    return f"[{': '.join(words) or 'file'}]"


def _apart(content: str, parts: Counter[Part]) -> tuple[str, str]:
    """An answer's text, and the reasoning that stood in it."""
    reasoning: list[str] = []
    rest: list[str] = []
    at = 0
    while (opening := _OPENING.search(content, at)) and (end := content.find(_CLOSING, opening.end())) >= 0:
        rest.append(content[at : opening.start()])
        if opening[1] == "reasoning":
            text = _SUMMARY.sub("", content[opening.end() : end], count=1)
            reasoning.append(_QUOTE.sub("", html.unescape(text)).strip())
        else:
            parts[Part.TOOL] += 1
        at = end + len(_CLOSING)
    text = "".join((*rest, content[at:]))
    return text.strip() if at else text, "\n\n".join(reasoning)


def _status(said: Said) -> Status:
    if said.error:
        return Status.FAILED
    return Status.INTERRUPTED if said.done is False else Status.COMPLETE


def _usage(usage: Mapping[str, Any]) -> Usage:
    def count(*names: str) -> int | None:
        found = [usage[name] for name in names if type(usage.get(name)) is int and 0 <= usage[name] <= _MOST_TOKENS]
        return found[0] if found else None

    return Usage(count("prompt_tokens", "input_tokens"), count("completion_tokens", "output_tokens"))


def _pages(sources: Any) -> Iterator[tuple[Any, Any]]:
    """Address and title of what was looked up for an answer, piece by piece; files among it have no address."""
    for source in sources if isinstance(sources, list) else ():
        pieces = source.get("metadata") if isinstance(source, dict) else None
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict):
                yield piece.get("source"), piece.get("title")


def _rating(annotation: Mapping[str, Any]) -> Rating | None:
    value, comment = annotation.get("rating"), annotation.get("comment")
    if type(value) is not int or value not in (1, -1):
        return None
    return Rating(value, (), (kept(comment)[:_COMMENT_LIMIT] or None))
