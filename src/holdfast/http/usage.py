"""What was spent, by day, model and purpose."""

from typing import Annotated, Final

from fastapi import Query

from holdfast.domain import Totals, now
from holdfast.http import shapes
from holdfast.http.parts import Owner, Wired, checked_id

_DAY: Final = 86_400_000_000
_MOST_DAYS: Final = 3660


async def get_usage(
    parts: Wired,
    owner: Owner,
    days: Annotated[int, Query(ge=1, le=_MOST_DAYS)] = 30,
    conversation_id: str | None = None,
) -> shapes.Usage:
    """What was spent in the last days, today included, in UTC; `conversation_id`: in that one alone."""
    if conversation_id is not None:
        await parts.store.conversations.get(owner, checked_id(conversation_id))
    since = (now() // _DAY - days + 1) * _DAY
    spent = await parts.store.calls.sum_by_day(owner, since=since, conversation_id=conversation_id)
    total = sum((each.totals for each in spent), Totals())
    return shapes.Usage(items=[shapes.spending(each) for each in spent], total=shapes.totals(total))
