"""How a generation ends: final text, outcome, state, the ledger's line and what is left to do, in one transaction.

The rows of its log become the message's text and a map from every seq to a place in it. Whoever comes second finds
that it has ended: there is exactly one end.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, bindparam, delete, select, update

from holdfast.domain import (
    Call,
    CostSource,
    Failure,
    Generation,
    Kind,
    Outcome,
    OwnerId,
    Piece,
    Purpose,
    Status,
    TaskKind,
    cited,
    completed,
    now,
    standing,
)
from holdfast.errors import NotFound
from holdfast.events import STARTED, pack
from holdfast.store import calls as calls_
from holdfast.store import conversations as conversations_
from holdfast.store import rows
from holdfast.store import tasks as tasks_
from holdfast.store import titles as titles_
from holdfast.store.schema import conversations, generations, messages, pieces

_id = generations.c.id == bindparam("generation_id")

_GET_TO_SETTLE: Final = select(generations).where(_id).with_for_update()
_HOLD_CONVERSATION: Final = (
    select(conversations.c.id)
    .join(generations, generations.c.conversation_id == conversations.c.id)
    .where(_id)
    .with_for_update(of=conversations)
)
_LOG: Final = (
    select(pieces.c.kind, pieces.c.text)
    .where(pieces.c.generation_id == bindparam("generation_id"))
    .order_by(pieces.c.seq)
)
_RUNS: Final = (
    select(generations).where(generations.c.message_id == bindparam("of_message")).order_by(generations.c.number)
)
_DROP_LOG: Final = delete(pieces).where(pieces.c.generation_id == bindparam("generation_id"))
_END: Final = update(generations).where(_id)
_END_MESSAGE: Final = (
    update(messages)
    .where(messages.c.id == bindparam("message_id"))
    .values(
        content=messages.c.content + bindparam("more_content"),
        reasoning=messages.c.reasoning + bindparam("more_reasoning"),
        status=bindparam("end_status"),
    )
)


def get_row(connection: Connection, generation_id: str) -> RowMapping:
    """A row to be changed, whosever it is. Raises `NotFound`."""
    row = connection.execute(_GET_TO_SETTLE, {"generation_id": generation_id}).mappings().first()
    if row is None:
        raise NotFound
    return row


def settle(
    connection: Connection, generation_id: str, status: Status, outcome: Outcome, failure: Failure | None
) -> Generation:
    """End a running generation, once. Raises `NotFound` where it was deleted."""
    connection.execute(_HOLD_CONVERSATION, {"generation_id": generation_id})  # In the order in which a deletion does.
    row = get_row(connection, generation_id)
    if row["status"] != Status.STREAMING:
        return rows.generation(row)  # Settled before: there is exactly one end.
    found = connection.execute(_LOG, {"generation_id": generation_id})
    log = [Piece(Kind(kind), text) for kind, text in found]
    begun = rows.generation(row)
    settled = dataclasses.replace(
        begun,
        status=status,
        seq=STARTED + len(log) + 2,  # The metadata and the terminal event.
        spans=pack(log),
        outcome=dataclasses.replace(outcome, citations=cited((*begun.outcome.citations, *outcome.citations))),
        failure=failure,
        ended_at=now(),
    )
    _write_end(connection, settled, log, _left_as(connection, settled))
    connection.execute(_DROP_LOG, {"generation_id": generation_id})
    conversations_.touch(connection, settled.conversation_id)
    _follow_up(connection, row["owner_id"], settled)
    return settled


def _follow_up(connection: Connection, owner: OwnerId, settled: Generation) -> None:
    """The ledger's line, and what is left to do."""
    outcome = settled.outcome
    if settled.may_cost:
        calls_.add(
            connection,
            Call(
                owner,
                Purpose.ANSWER,
                settled.conversation_id,
                settled.id,
                settled.preset_id,
                settled.model,
                outcome,
            ),
        )
    if outcome.upstream_id and not outcome.settled:
        tasks_.add(connection, TaskKind.RECONCILE, settled.id)
    if settled.status is Status.COMPLETE and titles_.awaits_name(connection, settled):
        tasks_.add(connection, TaskKind.TITLE, settled.id)


def _left_as(connection: Connection, settled: Generation) -> Status:
    """How the answer ends: as this run, or as it had where the run was to go on and added nothing."""
    if settled.wrote:
        return settled.status
    found = connection.execute(_RUNS, {"of_message": settled.message_id}).mappings()
    runs = [settled if row["id"] == settled.id else rows.generation(row) for row in found]
    return standing(runs).status


def _write_end(connection: Connection, settled: Generation, log: Sequence[Piece], status: Status) -> None:
    text = {kind: "".join(piece.text for piece in log if piece.kind is kind) for kind in Kind}
    message = {
        "message_id": settled.message_id,
        "more_content": text[Kind.CONTENT],
        "more_reasoning": text[Kind.REASONING],
        "end_status": status,
    }
    connection.execute(_END_MESSAGE, message)
    failure = settled.failure
    generation = {
        "generation_id": settled.id,
        "status": settled.status,
        "seq": settled.seq,
        "spans": settled.spans,
        "error_code": failure and failure.code,
        "error_message": failure and failure.message,
        "error_retryable": failure and failure.retryable,
        "error_retry_after": failure and failure.retry_after,
        "ended_at": settled.ended_at,
    }
    connection.execute(_END, generation | rows.outcome_columns(settled.outcome))


def fill(connection: Connection, generation_id: str, found: Outcome) -> tuple[OwnerId, str]:
    """Complete an ended generation, and its line in the ledger, with what was found afterwards. Raises `NotFound`.

    Returns whose it is and the id of its conversation.
    """
    row = get_row(connection, generation_id)
    outcome = completed(rows.generation(row).outcome, found)
    source = CostSource.GENERATION if row["cost"] is None else CostSource.STREAM
    if outcome.usage.cost is None:
        source = CostSource.UNKNOWN
    connection.execute(_END, {"generation_id": generation_id} | rows.call_columns(outcome))
    calls_.fill(connection, generation_id, outcome, source)
    return row["owner_id"], row["conversation_id"]
