"""LibreChat's export: one conversation, its messages in a list or, with `recursive`, as a tree of `children`.

A message's text stands in `text` or, in newer versions, in `content` as parts. Who is whose child says
`parentMessageId`, in which a root has an id of zeros; a list has its messages in the order of their making.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from holdfast.domain import Role, Status
from holdfast.transfer.read.item import Item, Part
from holdfast.transfer.read.tree import About, Node, ordered, taken
from holdfast.transfer.read.values import moment


class Said(msgspec.Struct):
    """A message."""

    messageId: str  # noqa: N815 - the file's name for it
    parentMessageId: str | None = None  # noqa: N815
    isCreatedByUser: bool = False  # noqa: N815
    text: Any = None
    content: list[Any] | None = None
    model: Any = None
    createdAt: Any = None  # noqa: N815
    error: bool | None = None
    unfinished: bool | None = None
    files: list[Any] | None = None
    children: Any = None


class Exported(msgspec.Struct):
    """A conversation."""

    conversationId: Any = None  # noqa: N815
    title: Any = None
    createdAt: Any = None  # noqa: N815
    updatedAt: Any = None  # noqa: N815
    options: dict[str, Any] | None = None
    messages: list[Any] | None = None
    messagesTree: list[Any] | None = None  # noqa: N815


def recognises(value: Mapping[str, Any]) -> bool:
    """Whether this is a conversation of LibreChat's."""
    return "conversationId" in value and ("messages" in value or "messagesTree" in value)


def convert(value: Mapping[str, Any]) -> Item:
    """A conversation. Raises `ValueError` for what is damaged."""
    found = msgspec.convert(value, Exported)
    messages = list(_flat(found.messagesTree or found.messages or []))
    said = {each.messageId: each for each in messages}
    if len(said) < len(messages):
        raise ValueError
    children: dict[str, list[str]] = {id_: [] for id_ in said}
    for id_, each in said.items():
        if each.parentMessageId in children:
            children[each.parentMessageId].append(id_)
    roots = [id_ for id_, each in said.items() if each.parentMessageId not in said]
    parts: Counter[Part] = Counter()
    model = (found.options or {}).get("model")
    nodes = [_node(said[id_], model, parts) for id_ in ordered(roots, children)]
    about = About(
        program="librechat",
        id=found.conversationId,
        title=found.title,
        created_at=found.createdAt,
        updated_at=found.updatedAt,
    )
    return taken(about, nodes, parts)


def _flat(messages: list[Any]) -> Iterator[Said]:
    """Every message of a list or a tree, parents first, those of one parent in their order."""
    waiting: list[tuple[Any, str | None]] = [(each, None) for each in reversed(messages)]
    while waiting:
        value, parent = waiting.pop()
        said = msgspec.convert(value, Said)
        if parent is not None:
            said.parentMessageId = parent
        if isinstance(said.children, list):
            waiting.extend((each, said.messageId) for each in reversed(said.children))
        yield said


def _node(said: Said, default_model: Any, parts: Counter[Part]) -> Node:
    node = Node(said.messageId, said.parentMessageId, at=moment(said.createdAt))
    text, reasoning = _text(said, parts)
    parts.update([Part.ATTACHMENT] * len(said.files or ()))
    if said.isCreatedByUser:
        node.content = text or ("[file]" if said.files else "")
        node.role = Role.USER if node.content else None
        return node
    node.role, node.content, node.reasoning = Role.ASSISTANT, text, reasoning
    model = said.model or default_model
    node.model = model if isinstance(model, str) else None
    if said.error:
        node.status = Status.FAILED
    elif said.unfinished:
        node.status = Status.INTERRUPTED
    return node


def _text(said: Said, parts: Counter[Part]) -> tuple[str, str]:
    """What a message says, and the reasoning before it."""
    found: dict[str, list[str]] = {"text": [], "think": []}
    for part in said.content or ():
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or kind not in found:
            parts[Part.TOOL if kind == "tool_call" else Part.ATTACHMENT] += 1
            continue
        value = part.get(kind)
        value = value.get("value") if isinstance(value, dict) else value
        if isinstance(value, str) and value:
            found[kind].append(value)
    own = said.text if isinstance(said.text, str) else ""
    return "\n\n".join(found["text"]) or own, "\n\n".join(found["think"])
