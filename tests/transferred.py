"""What tests of imports share: random conversations, and two conversations compared but for their ids."""

import dataclasses
import io
from random import Random
from typing import Any

from holdfast.domain import (
    Citation,
    Comparison,
    Conversation,
    Failure,
    Generation,
    Outcome,
    Rating,
    Role,
    Status,
    TitleSource,
    Usage,
    new_id,
)
from holdfast.store import Store
from holdfast.store.transfers import Whole, WholeMessage
from holdfast.transfer import document
from holdfast.transfer.importing import import_all
from holdfast.transfer.report import Report
from stored import OWNER

LETTERS = "aZ \n\té\u0085\u2028\N{GRINNING FACE}\u0634<b>`$[](javascript:)"
ENDED = [Status.COMPLETE, Status.STOPPED, Status.FAILED, Status.INTERRUPTED]
AT = 1_700_000_000_000_000


async def take_in(store: Store, file: bytes, *, dry_run: bool = False) -> Report:
    report = Report()
    await import_all(store.transfers, OWNER, io.BytesIO(file), report, dry_run=dry_run)
    return report


async def stored(store: Store) -> list[Whole]:
    """Every conversation that is there, oldest first."""
    ids = await store.transfers.list_ids(OWNER, after=0)
    return [await store.transfers.get(OWNER, id_) for _, id_ in ids]


def document_of(*conversations: Whole) -> bytes:
    return document.opening(AT) + b",\n".join(map(document.encode, conversations)) + document.CLOSING


def words(random: Random, most: int = 30) -> str:
    return "x" + "".join(random.choices(LETTERS, k=random.randint(0, most)))


def whole(random: Random) -> Whole:
    """A tree as Holdfast grows one: questions under answers or at the root, answers under questions."""
    messages: list[WholeMessage] = []
    for _ in range(random.randint(1, 12)):
        parent = random.choice([None, *messages])
        messages.append(_answer(random, parent) if parent and parent.role is Role.USER else _question(random, parent))
    conversation = Conversation(
        id=new_id(),
        title=f"Title {random.randint(0, 99)}",
        title_source=random.choice([TitleSource.AUTO, TitleSource.USER]),
        current_message_id=random.choice(messages).id,
        created_at=AT + random.randint(0, 10**9),
        updated_at=AT + random.randint(10**9, 10**10),
        running=False,
        pinned=random.random() < 0.3,
    )
    return Whole(conversation, tuple(messages), tuple(_comparisons(random, messages)))


def _question(random: Random, parent: WholeMessage | None) -> WholeMessage:
    content = words(random).replace("\u0085", "")
    at = AT + random.randint(0, 10**9)
    parent_id = parent.id if parent else None
    return WholeMessage(new_id(), parent_id, Role.USER, content, "", Status.COMPLETE, at, None, ())


def _answer(random: Random, parent: WholeMessage) -> WholeMessage:
    id_, content, reasoning = new_id(), words(random, 300), random.choice(["", words(random)])
    at = AT + random.randint(0, 10**9)
    rating = random.choice([None, Rating(1), Rating(-1, ("wrong", "too_long"), "No.")])
    ends = sorted(random.randint(0, len(content)) for _ in range(random.randint(0, 2)))
    runs = [_run(random, id_, parent.id, offset) for offset in (0, *ends)]
    return WholeMessage(id_, parent.id, Role.ASSISTANT, content, reasoning, runs[-1].status, at, rating, tuple(runs))


def _run(random: Random, message_id: str, question_id: str, offset: int) -> Generation:
    status = random.choice(ENDED)
    usage = Usage(random.choice([None, 9]), 7, None, 0, random.choice([None, 123_456_789_012]))
    citations = tuple(
        Citation(f"https://example.org/{each}", f"<{each}>" * each) for each in range(random.choice([0, 2]))
    )
    return Generation(
        id=new_id(),
        conversation_id="",
        user_message_id=question_id,
        message_id=message_id,
        status=status,
        model=random.choice(["acme/chat-1", "acme/other"]),
        preset_id=random.choice([None, 3]),
        seq=0,
        offset=offset,
        reasoning_offset=0,
        spans=b"",
        outcome=Outcome(
            "acme/chat-1", "Acme", "gen-1", "stop", usage, 12, None, 345, random.choice([None, 2]), citations
        ),
        failure=Failure("stalled", "It stopped.", retryable=True) if status is Status.FAILED else None,
        created_at=AT + random.randint(0, 10**9),
        ended_at=AT + random.randint(10**9, 10**10),
    )


def _comparisons(random: Random, messages: list[WholeMessage]) -> list[Comparison]:
    found = []
    for question in messages:
        ids = tuple(each.id for each in messages if each.parent_id == question.id and question.role is Role.USER)[:4]
        if len(ids) > 1 and random.random() < 0.5:
            found.append(Comparison(question.id, random.random() < 0.5, ids, random.choice(ids)))
    return found


def alike(conversation: Whole) -> dict[str, Any]:
    """A conversation without the ids, which are other ones after an import, and without the map of old cursors."""
    places: dict[str | None, int | None] = {message.id: place for place, message in enumerate(conversation.messages)}
    places[None] = None
    said = dataclasses.asdict(conversation.conversation)
    told = [said[name] for name in ("title", "title_source", "created_at", "updated_at", "pinned")]
    return {
        "told": [*told, places[conversation.conversation.current_message_id]],
        "messages": [_alike(message, places) for message in conversation.messages],
        "comparisons": sorted(
            (places[each.user_message_id], each.blind, len(each.message_ids), places[each.picked_message_id])
            for each in conversation.comparisons
        ),
    }


def _alike(message: WholeMessage, places: dict[str | None, int | None]) -> list[Any]:
    said = dataclasses.asdict(message)
    names = ("role", "content", "reasoning", "status", "created_at", "rating")
    passing = dict.fromkeys(("id", "conversation_id", "user_message_id", "message_id", "seq", "spans"))
    runs = [dataclasses.asdict(run) | passing for run in message.generations]
    return [places[message.parent_id], *(said[name] for name in names), runs]
