"""Comparisons: answers of several models to one message, of which one is picked to go on with.

Nothing follows an answer of an open one, so an open comparison stands at the end of its branch.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Integer, bindparam, insert, select, update

from holdfast.domain import Comparison, Message, OwnerId, Rating, Status
from holdfast.errors import ComparisonOpen, GenerationRunning, Invalid
from holdfast.store import conversations as conversations_
from holdfast.store import messages as messages_
from holdfast.store import rows
from holdfast.store.database import Noun, reading, writing
from holdfast.store.schema import comparisons, generations, messages

PICKED: Final = Rating(1, ("picked",))
"""What a pick says of an answer. A rating that a person gave says more, and stays."""

_of_message = comparisons.c.user_message_id == bindparam("of_message")

_GET: Final = select(comparisons).where(_of_message)
_GET_OPEN: Final = _GET.where(comparisons.c.picked_message_id.is_(None))
_LIST: Final = select(comparisons).where(comparisons.c.conversation_id == bindparam("conversation_id"))
_ANSWER_IDS: Final = (
    select(messages.c.id)
    .where(messages.c.parent_id == bindparam("parent_id"))
    .order_by(messages.c.number)
    .limit(bindparam("limit", type_=Integer))
)
_ADD: Final = insert(comparisons)
_PICK: Final = update(comparisons).where(_of_message).values(picked_message_id=bindparam("picked"))
_UNVEIL: Final = (
    update(generations).where(generations.c.user_message_id == bindparam("of_message")).values(veiled=False)
)


class Comparisons(Noun):
    """What was asked of several models at once."""

    @reading
    def list_branch(
        self, connection: Connection, owner: OwnerId, conversation_id: str
    ) -> tuple[Sequence[Message], Sequence[Comparison]]:
        """The current branch, root first, and the comparisons on it; that at its end with answers while it is open.

        Raises `NotFound`.
        """
        branch = messages_.list_branch(connection, owner, conversation_id)
        siblings = {message.parent_id: message.siblings for message in branch}
        found = []
        for row in connection.execute(_LIST, {"conversation_id": conversation_id}).mappings():
            if row["user_message_id"] in siblings:
                ids = siblings[row["user_message_id"]][: row["count"]]
                comparison = Comparison(row["user_message_id"], bool(row["blind"]), ids, row["picked_message_id"])
                is_open = comparison.picked_message_id is None and branch[-1].id in ids
                found.append(_answered(connection, comparison) if is_open else comparison)
        return branch, found

    @reading
    def get(self, connection: Connection, owner: OwnerId, user_message_id: str) -> Comparison:
        """One with its answers. Raises `NotFound`, and `Invalid` for a message that was sent to one model."""
        messages_.get_row(connection, owner, user_message_id)
        return _answered(connection, _get(connection, user_message_id))

    @writing()
    def pick(self, connection: Connection, owner: OwnerId, user_message_id: str, message_id: str) -> Comparison:
        """Go on with an answer: its branch becomes the current one, it counts as rated, all of them are told.

        Raises `NotFound`, `Invalid` for what is no answer of a comparison, `GenerationRunning` for one that is being
        written.
        """
        conversation_id = messages_.get_row(connection, owner, user_message_id)["conversation_id"]
        conversations_.lock(connection, owner, conversation_id)
        comparison = _get(connection, user_message_id)
        if message_id not in comparison.message_ids:
            raise Invalid("message_id is not one of the answers side by side.")
        if messages_.get_row(connection, owner, message_id)["status"] == Status.STREAMING:
            raise GenerationRunning
        if message_id != comparison.picked_message_id:
            _rate(connection, owner, comparison, message_id)
            connection.execute(_PICK, {"of_message": user_message_id, "picked": message_id})
            connection.execute(_UNVEIL, {"of_message": user_message_id})
        conversations_.choose(connection, owner, conversation_id, message_id)
        return _answered(connection, replace(comparison, picked_message_id=message_id))


def add(connection: Connection, conversation_id: str, user_message_id: str, *, count: int, blind: bool) -> None:
    """The first `count` answers to a message are to be compared."""
    values = {"conversation_id": conversation_id, "user_message_id": user_message_id, "count": count, "blind": blind}
    connection.execute(_ADD, values)


def check_picked(connection: Connection, message_id: str, user_message_id: str) -> None:
    """Raises `ComparisonOpen` for an answer beside which others stand, and none is picked."""
    row = connection.execute(_GET_OPEN, {"of_message": user_message_id}).mappings().first()
    if row is not None and message_id in _answer_ids(connection, user_message_id, row["count"]):
        raise ComparisonOpen


def _get(connection: Connection, user_message_id: str) -> Comparison:
    row = connection.execute(_GET, {"of_message": user_message_id}).mappings().first()
    if row is None:
        raise Invalid("This message was not sent to several models.")
    ids = _answer_ids(connection, user_message_id, row["count"])
    return Comparison(user_message_id, bool(row["blind"]), ids, row["picked_message_id"])


def _answer_ids(connection: Connection, user_message_id: str, count: int) -> tuple[str, ...]:
    found: Any = connection.execute(_ANSWER_IDS, {"parent_id": user_message_id, "limit": count}).scalars()
    return tuple(found)


def _answered(connection: Connection, comparison: Comparison) -> Comparison:
    count = len(comparison.message_ids)
    answers = messages_.list_answers(connection, comparison.user_message_id, limit=count)
    return replace(comparison, answers=tuple(answers))


def _rate(connection: Connection, owner: OwnerId, comparison: Comparison, message_id: str) -> None:
    """The pick counts as a rating where there is something to rate and nobody did; the one before counts no more."""
    picked = messages_.get_row(connection, owner, message_id)
    if rows.rating(picked) is None and picked["content"]:
        messages_.rate(connection, message_id, PICKED)
    before = comparison.picked_message_id
    if before and rows.rating(messages_.get_row(connection, owner, before)) == PICKED:
        messages_.rate(connection, before, None)
