"""Calls: the ledger, a line for every call to a provider, whoever made it and whatever for.

A line is written in the transaction that stores what the call brought, and outlives the conversation it was made for.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, RowMapping, Text, bindparam, case, func, insert, or_, select, update

from holdfast.domain import Call, CostSource, Outcome, OwnerId, Purpose, Spending, Task, TaskKind, Totals, now
from holdfast.store import rows
from holdfast.store import tasks as tasks_
from holdfast.store.database import Noun, reading, writing
from holdfast.store.schema import calls

_ADD: Final = insert(calls).returning(calls.c.number)
_REPLACE: Final = update(calls).where(calls.c.number == bindparam("line"))
_FILL: Final = update(calls).where(
    calls.c.generation_id == bindparam("of_generation"), calls.c.purpose == Purpose.ANSWER
)
_OPEN: Final = (
    select(calls)
    .where(
        calls.c.generation_id == bindparam("of_generation"),
        calls.c.purpose == bindparam("for_purpose"),
        calls.c.upstream_id.is_not(None),
    )
    .order_by(calls.c.number)
)
_COMPLETE: Final = (
    update(calls)
    .where(calls.c.number == bindparam("line"))
    .values(cost_source=case((calls.c.cost.is_(None), bindparam("source")), else_=calls.c.cost_source))
)

_RECONCILED: Final = {TaskKind.RECONCILE: Purpose.ANSWER, TaskKind.RECONCILE_TITLE: Purpose.TITLE}
_MICROSECONDS: Final = 86_400_000_000
_SUMMED: Final = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens", "cost")

_conversation = bindparam("in_conversation", type_=Text)
_day = (calls.c.created_at - calls.c.created_at % _MICROSECONDS).label("day_begin")
_model = func.coalesce(calls.c.model_id_used, calls.c.model).label("model_used")

_TOTALS: Final = (
    select(
        _day,
        _model,
        calls.c.purpose,
        func.count().label("calls"),
        func.count(calls.c.cost).label("known"),
        *[func.coalesce(func.sum(calls.c[name]), 0).label(name) for name in _SUMMED],
    )
    .where(
        calls.c.owner_id == bindparam("owner"),
        calls.c.created_at >= bindparam("since"),
        or_(_conversation.is_(None), calls.c.conversation_id == _conversation),
    )
    .group_by(_day, _model, calls.c.purpose)
    .order_by(_day.desc(), _model, calls.c.purpose)
)


class OpenCall(NamedTuple):
    """A line of the ledger by its number, with what is known of the call."""

    number: int
    outcome: Outcome


class Calls(Noun):
    """What was spent."""

    @reading
    def sum_by_day(
        self, connection: Connection, owner: OwnerId, *, since: int, conversation_id: str | None = None
    ) -> list[Spending]:
        """By day, model that answered and purpose, latest day first. `since` is a time in microseconds."""
        values = {"owner": owner, "since": since, "in_conversation": conversation_id}
        found = connection.execute(_TOTALS, values).mappings()
        return [
            Spending(row["day_begin"] // _MICROSECONDS, row["model_used"], Purpose(row["purpose"]), _totals(row))
            for row in found
        ]

    @reading
    def list_open(self, connection: Connection, task: Task) -> list[OpenCall]:
        """The lines of an answer, or of its naming, of which something is not known."""
        return list_open(connection, task.generation_id, _RECONCILED[task.kind])

    @writing()
    def complete(self, connection: Connection, task: Task, found: Sequence[OpenCall], *, is_done: bool) -> None:
        """Fill in what the provider's records know of them, and end the task where it is done."""
        for line in found:
            known = line.outcome.usage.cost is not None
            source = CostSource.GENERATION if known else CostSource.UNKNOWN
            connection.execute(_COMPLETE, {"line": line.number, "source": source} | rows.call_columns(line.outcome))
        if is_done:
            tasks_.remove(connection, task)


def _totals(row: RowMapping) -> Totals:
    figures = {name: int(row[name]) for name in _SUMMED}  # PostgreSQL adds integers up to a decimal.
    return Totals(calls=row["calls"], unknown=row["calls"] - row["known"], **figures)


def list_open(connection: Connection, generation_id: str, purpose: Purpose) -> list[OpenCall]:
    """What `Calls.list_open` does."""
    found = connection.execute(_OPEN, {"of_generation": generation_id, "for_purpose": purpose}).mappings()
    lines = [OpenCall(row["number"], rows.call_outcome(row)) for row in found]
    return [line for line in lines if not line.outcome.settled]


def add(connection: Connection, call: Call) -> int:
    """Write a line, or what is known by now into the one that is there; its number."""
    source = CostSource.UNKNOWN if call.outcome.usage.cost is None else CostSource.STREAM
    if call.number is not None:
        connection.execute(_REPLACE, {"line": call.number, "cost_source": source} | rows.call_columns(call.outcome))
        return call.number
    values: dict[str, Any] = {
        "owner_id": call.owner_id,
        "purpose": call.purpose,
        "conversation_id": call.conversation_id,
        "generation_id": call.generation_id,
        "preset_id": call.preset_id,
        "model": call.model,
        "cost_source": source,
        "created_at": now(),
    }
    number: int = connection.execute(_ADD, values | rows.call_columns(call.outcome)).scalar_one()
    return number


def fill(connection: Connection, generation_id: str, outcome: Outcome, source: CostSource) -> None:
    """Complete the line of an answer with what the provider's records say."""
    connection.execute(_FILL, {"of_generation": generation_id, "cost_source": source} | rows.call_columns(outcome))
