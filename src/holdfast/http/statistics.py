"""How answers did, by preset and by model: ratings, cost, speed and failures."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Annotated, Final

from fastapi import Query
from pydantic import BaseModel

from holdfast.domain import dollars, now
from holdfast.http.parts import Owner, Wired
from holdfast.store.statistics import Found, Tally

ENOUGH: Final = 5
"""Ratings below which a share of good ones says nothing."""

_DAY: Final = 86_400_000_000
_MOST_DAYS: Final = 3660


class GoodShare(BaseModel):
    """The share of good ratings, and the bounds of its 95 % confidence interval after Wilson."""

    share: float
    low: float
    high: float


class Range(BaseModel):
    """The middle of some figures, and what nine of ten do not go beyond."""

    median: float
    p90: float


class FailureCount(BaseModel):
    """How many answers ended with an error."""

    code: str
    count: int


class Quality(BaseModel):
    """How some answers did."""

    answers: int
    good: int
    bad: int
    good_share: GoodShare | None
    cost: str
    cost_known: int
    cost_per_answer: str | None
    first_token_ms: Range | None
    tokens_per_second: float | None
    failures: int
    failure_share: float
    failure_codes: list[FailureCount]


class PresetQuality(BaseModel):
    """How the answers of a preset did."""

    preset_id: int | None
    quality: Quality


class AnsweringModelQuality(BaseModel):
    """How the answers did that a model gave, whatever it was asked for as."""

    model_id_used: str
    quality: Quality


class ModelQuality(BaseModel):
    """How the answers did that a model was asked for, and those among them of each model that gave them."""

    model: str
    quality: Quality
    answered_by: list[AnsweringModelQuality]


class Statistics(BaseModel):
    """How answers did."""

    days: int
    limited: bool
    enough_ratings: int
    by_preset: list[PresetQuality]
    by_model: list[ModelQuality]


async def get_statistics(
    parts: Wired, owner: Owner, days: Annotated[int, Query(ge=1, le=_MOST_DAYS)] = 30
) -> Statistics:
    """How the answers of the last days did, today included, in UTC; of the latest 10,000 at most.

    An answer is a message; where it was continued, it counts once, as its last part does, and costs what all do.
    """
    found = await parts.store.statistics.gather(owner, since=(now() // _DAY - days + 1) * _DAY)
    return Statistics(
        days=days,
        limited=found.limited,
        enough_ratings=ENOUGH,
        by_preset=[
            PresetQuality(preset_id=preset_id, quality=_quality(tally))
            for (preset_id,), tally in found.by_preset.items()
        ],
        by_model=_models(found),
    )


def _models(found: Found) -> list[ModelQuality]:
    return [
        ModelQuality(model=model, quality=_quality(tally), answered_by=list(_answering(model, found)))
        for (model,), tally in found.by_model.items()
    ]


def _answering(asked: str, found: Found) -> Iterable[AnsweringModelQuality]:
    for (model, used), tally in found.by_answering_model.items():
        if model == asked and used is not None:
            yield AnsweringModelQuality(model_id_used=used, quality=_quality(tally))


def _quality(tally: Tally) -> Quality:
    failures = sum(tally.failures.values())
    first, speed = tally.first_token_ms, tally.tokens_per_second
    return Quality(
        answers=tally.answers,
        good=tally.good,
        bad=tally.bad,
        good_share=_share(tally),
        cost=dollars(tally.cost),
        cost_known=tally.known,
        cost_per_answer=dollars(round(Fraction(tally.cost, tally.known))) if tally.known else None,
        first_token_ms=Range(median=first.median, p90=first.p90) if first else None,
        tokens_per_second=round(speed.median, 1) if speed else None,
        failures=failures,
        failure_share=round(failures / tally.answers, 4),
        failure_codes=[FailureCount(code=code, count=count) for code, count in tally.failures.items()],
    )


def _share(tally: Tally) -> GoodShare | None:
    if tally.good + tally.bad < ENOUGH:
        return None
    share, low, high = (round(each, 4) for each in tally.good_share)
    return GoodShare(share=share, low=low, high=high)
