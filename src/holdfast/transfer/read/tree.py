"""Grow a conversation as Holdfast has them from what another program has: questions and answers in turn.

What is not shown there (instructions, calls of tools) makes way for what follows it; the parts of one answer become
one message; a question under a question gets an empty answer between them. No branch and no order is lost, and
nothing here recurses: a file may be as deep as it likes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.domain import (
    Citation,
    Conversation,
    Generation,
    Outcome,
    Rating,
    Role,
    Status,
    TitleSource,
    Usage,
    cited,
    new_id,
    now,
)
from holdfast.store.conversations import DEFAULT_TITLE
from holdfast.store.transfers import Whole, WholeMessage
from holdfast.text import canonical
from holdfast.transfer.read.item import Item, LeftOut, Part, Reason, Taken
from holdfast.transfer.read.values import kept, moment, name, origin, title_or_first_words


@dataclass(slots=True)
class Node:
    """A message of another program. `role` is None for one that is not shown; `status` concerns an answer."""

    id: str
    parent: str | None
    role: Role | None = None
    content: str = ""
    reasoning: str = ""
    at: int | None = None
    model: str | None = None
    usage: Usage = field(default_factory=Usage)
    status: Status = Status.COMPLETE
    rating: Rating | None = None
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of a conversation as a whole. `current` is the id of the message that was looked at last."""

    program: str
    id: Any
    title: Any
    created_at: Any = None
    updated_at: Any = None
    current: Any = None
    pinned: bool = False


@dataclass(slots=True)
class _Grown:
    """A message of ours in the making. `parts`: how many of theirs are in it."""

    node: Node
    parent: "_Grown | None"
    at: int
    parts: int = 1
    has_children: bool = False


def ordered(roots: Iterable[str], children: Mapping[str, Sequence[str]]) -> list[str]:
    """Every id that has children, be it none, each once, no other than a root before its parent, siblings in order.

    What follows itself in a circle is reached from no root; the first of it becomes one.
    """
    found: dict[str, None] = {}
    for begin in (*roots, *children):
        waiting = [begin]
        while waiting:
            id_ = waiting.pop()
            if id_ not in found:
                found[id_] = None
                waiting.extend(reversed(children.get(id_, ())))
    return list(found)


def taken(about: About, nodes: Sequence[Node], parts: Counter[Part]) -> Item:
    """A conversation from its messages, none of which stands before its parent. Raises `ValueError` for an id twice."""
    if len({node.id for node in nodes}) < len(nodes):
        raise ValueError
    created_at = moment(about.created_at) or next((node.at for node in nodes if node.at), None) or now()
    grown, stands_for = _grow(nodes, created_at)
    if not grown:
        return LeftOut(Reason.EMPTY)
    messages = tuple(_message(each) for each in grown)
    current = stands_for.get(about.current) if isinstance(about.current, str) else None
    first = next((each.content for each in messages if each.role is Role.USER), messages[0].content)
    conversation = Conversation(
        id="",
        title=title_or_first_words(about.title, first) or DEFAULT_TITLE,
        title_source=TitleSource.USER,
        current_message_id=current.node.id if current else messages[-1].id,
        created_at=created_at,
        updated_at=moment(about.updated_at) or max(each.created_at for each in messages),
        running=False,
        pinned=about.pinned,
    )
    came_from = origin(about.program, about.id, conversation.title, *(each.content for each in messages))
    return Taken(Whole(conversation, messages, (), came_from), parts)


def _grow(nodes: Sequence[Node], at: int) -> tuple[list[_Grown], dict[str | None, _Grown | None]]:
    """Our messages in order, and which of them stands for each of theirs."""
    grown: list[_Grown] = []
    stands_for: dict[str | None, _Grown | None] = {}
    last_part: dict[str | None, int] = {}
    gaps: dict[int, _Grown] = {}

    def add(node: Node, parent: _Grown | None) -> _Grown:
        new = _Grown(node, parent, node.at or (parent.at if parent else at))
        if parent:
            parent.has_children = True
        grown.append(new)
        return new

    for node in nodes:
        above = stands_for.get(node.parent)
        if node.role is None:
            new = above
        elif above is None or above.node.role is not node.role:
            new = add(node, above)
        elif node.role is Role.USER:
            if id(above) not in gaps:
                gap = Node(new_id(), None, Role.ASSISTANT, status=Status.INTERRUPTED, at=above.at)
                gaps[id(above)] = add(gap, above)
            new = add(node, gaps[id(above)])
        elif above.has_children or above.parts != last_part.get(node.parent):
            new = add(node, above.parent)  # Another answer beside it, for it goes on in another way already.
        else:
            new = _joined(above, node)
        stands_for[node.id] = new
        last_part[node.id] = new.parts if new else 0
    return grown, stands_for


def _joined(answer: _Grown, more: Node) -> _Grown:
    """One part more of an answer."""
    node = answer.node
    node.content = "\n\n".join(filter(None, (node.content, more.content)))
    node.reasoning = "\n\n".join(filter(None, (node.reasoning, more.reasoning)))
    node.model = more.model or node.model
    node.status = more.status
    node.rating = more.rating or node.rating
    node.usage = more.usage
    node.citations = cited((*node.citations, *more.citations))
    answer.parts += 1
    return answer


def _message(grown: _Grown) -> WholeMessage:
    node = grown.node
    assert node.role is not None
    answer = node.role is Role.ASSISTANT
    run = Generation(
        id="",
        conversation_id="",
        user_message_id="",
        message_id="",
        status=node.status,
        model=name(node.model) or "",
        preset_id=None,
        seq=0,
        offset=0,
        reasoning_offset=0,
        spans=b"",
        outcome=Outcome(model_id_used=name(node.model), usage=node.usage, citations=node.citations),
        failure=None,
        created_at=grown.at,
        ended_at=grown.at,
    )
    return WholeMessage(
        id=node.id,
        parent_id=grown.parent.node.id if grown.parent else None,
        role=node.role,
        content=kept(node.content) if answer else canonical(node.content),
        reasoning=kept(node.reasoning),
        status=node.status if answer else Status.COMPLETE,
        created_at=grown.at,
        rating=node.rating if answer else None,
        generations=(run,) if answer and (node.model or node.citations) else (),
    )
