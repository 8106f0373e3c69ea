"""ChatGPT's export: `conversations.json`, a list of conversations, or several such files in a zip.

A conversation is a tree, `mapping`, of nodes whose message may be null. What is shown is what users wrote and what an
assistant said to all; the rest are instructions, calls of tools and their results. Reasoning comes as nodes of its own.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from holdfast.domain import Role
from holdfast.transfer.read.item import Item, Part
from holdfast.transfer.read.tree import About, Node, ordered, taken
from holdfast.transfer.read.values import citations, moment

_TEXT: Final = frozenset({"text", "multimodal_text"})
_MARKERS: Final = re.compile("\ue200[^\ue200\ue201]{0,1000}\ue201")
"""References to what a search found, in a private alphabet: only its page can say what they stand for."""


class Content(msgspec.Struct):
    """What a message says, depending on its type."""

    content_type: str = ""
    parts: list[Any] | None = None
    text: Any = None
    language: Any = None
    thoughts: list[Any] | None = None


class Author(msgspec.Struct):
    """Who says it."""

    role: str = ""


class Message(msgspec.Struct):
    """A message."""

    author: Author
    content: Content | None = None
    create_time: Any = None
    metadata: dict[str, Any] | None = None
    recipient: str | None = None


class Place(msgspec.Struct):
    """A place in the tree."""

    message: Message | None = None
    parent: str | None = None
    children: list[str] | None = None


class Tree(msgspec.Struct):
    """A conversation."""

    mapping: dict[str, Place]
    title: Any = None
    create_time: Any = None
    update_time: Any = None
    current_node: Any = None
    conversation_id: Any = None
    id: Any = None
    is_starred: bool | None = None
    default_model_slug: Any = None


def recognises(value: Mapping[str, Any]) -> bool:
    """Whether this is a conversation of ChatGPT's."""
    return "mapping" in value


def convert(value: Mapping[str, Any]) -> Item:
    """A conversation. Raises `ValueError` for what is damaged."""
    tree = msgspec.convert(value, Tree)
    places = tree.mapping
    roots = [id_ for id_, place in places.items() if place.parent not in places]
    children = {id_: [each for each in place.children or () if each in places] for id_, place in places.items()}
    for id_, place in places.items():  # A parent may have forgotten a child.
        if place.parent in children:
            children[place.parent].append(id_)
    parts: Counter[Part] = Counter()
    order = ordered(roots, children)
    nodes = [_node(id_, places[id_], tree.default_model_slug, parts) for id_ in order]
    about = About(
        program="chatgpt",
        id=tree.conversation_id or tree.id,
        title=tree.title,
        created_at=tree.create_time,
        updated_at=tree.update_time,
        current=tree.current_node,
        pinned=bool(tree.is_starred),
    )
    return taken(about, nodes, parts)


def _node(id_: str, place: Place, default_model: Any, parts: Counter[Part]) -> Node:
    node = Node(id_, place.parent)
    message = place.message
    if message is None or message.content is None:
        return node
    content, metadata = message.content, message.metadata or {}
    node.at = moment(message.create_time)
    if metadata.get("is_visually_hidden_from_conversation") or message.author.role == "system":
        if content.text or any(content.parts or ()):
            parts[Part.HIDDEN] += 1
        return node
    if message.author.role == "user" and content.content_type in _TEXT:
        node.content = "\n\n".join(_said(content, parts))
        node.role = Role.USER if node.content else None
    elif message.author.role == "assistant" and message.recipient in {None, "all"}:
        _answer(node, content, parts)
        slug = metadata.get("model_slug") or default_model
        node.model = slug if isinstance(slug, str) else None
        node.citations = citations(_pages(metadata))
    else:
        parts[Part.TOOL if message.author.role in {"tool", "assistant"} else Part.HIDDEN] += 1
    return node


def _answer(node: Node, content: Content, parts: Counter[Part]) -> None:
    if content.content_type == "thoughts":
        node.reasoning = "\n\n".join(_thoughts(content))
    elif content.content_type in _TEXT:
        node.content = _MARKERS.sub("", "\n\n".join(_said(content, parts)))
    elif content.content_type == "code" and isinstance(content.text, str):
        language = content.language if isinstance(content.language, str) and content.language != "unknown" else ""
        node.content = f"```{language}\n{content.text}\n```"
    if node.content or node.reasoning:
        node.role = Role.ASSISTANT
    elif content.content_type not in {"thoughts", "reasoning_recap", *_TEXT}:
        parts[Part.TOOL] += 1


def _pages(metadata: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Address and title of the pages that an answer refers to: in one of three places, depending on its age."""
    for reference in _objects(metadata.get("content_references")):
        for page in (reference, *_objects(reference.get("items")), *_objects(reference.get("sources"))):
            yield page.get("url"), page.get("title")
    for citation in _objects(metadata.get("citations")):
        for page in _objects([citation.get("metadata")]):
            yield page.get("url"), page.get("title")


def _objects(values: Any) -> list[dict[str, Any]]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _said(content: Content, parts: Counter[Part]) -> Iterator[str]:
    """The text of a message; what is an image, a sound or a file is named in its place."""
    for part in content.parts or ():
        if isinstance(part, str):
            if part:
                yield part
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]  # What was said aloud.
        elif isinstance(part, dict):
            parts[Part.ATTACHMENT] += 1
            yield f"[{_kind(part.get('content_type')).removesuffix('_asset_pointer').replace('_', ' ')[:40]}]"


def _kind(value: Any) -> str:
    return value if isinstance(value, str) and value else "file"


def _thoughts(content: Content) -> Iterator[str]:
    for thought in content.thoughts or ():
        if isinstance(thought, dict):
            said = (thought.get("summary"), thought.get("content"))
            yield "\n\n".join(each for each in said if isinstance(each, str) and each)
