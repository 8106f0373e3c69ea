"""Statistics: how answers did, by preset and by model, over an owner's latest ones.

Everything is counted by the database, in a handful of statements whose work is bounded by `LIMIT`. An answer is a
message: where several runs wrote it, it is that of the last one, and its cost that of all of them in the time asked
for.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    CTE,
    Connection,
    Float,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)

from holdfast.domain import LEFT, OwnerId, Status
from holdfast.store.database import Noun, reading
from holdfast.store.schema import deleted, generations, messages

LIMIT: Final = 10_000
"""Runs that are looked at, the latest first."""

GROUPS: Final = 100
"""Presets or models that are told of, those with the most answers first."""

_TAIL: Final = 90
Key = tuple[Any, ...]

_counted: Final = (
    generations.c.owner_id == bindparam("owner"),
    generations.c.created_at >= bindparam("since"),
    generations.c.status != Status.STREAMING,
    generations.c.veiled.is_(False),  # A rating would tell whose a blind answer is.
    generations.c.model != "",  # Of what came from elsewhere it is not always known.
    generations.c.conversation_id.not_in(deleted),
)


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some figures, and what nine of ten do not go beyond."""

    median: float
    p90: float


@dataclass(frozen=True, slots=True)
class Tally:
    """How some answers did. `cost` is that of the `known` ones of them, `failures` counts by an error's code."""

    answers: int
    good: int
    bad: int
    cost: int
    known: int
    failures: Mapping[str, int] = field(default_factory=dict)
    first_token_ms: Spread | None = None
    tokens_per_second: Spread | None = None

    @property
    def good_share(self) -> tuple[float, float, float]:
        """The share of good ratings with its 95 % confidence interval after Wilson; there must be a rating."""
        return wilson(self.good, self.good + self.bad)


@dataclass(frozen=True, slots=True)
class Found:
    """Tallies by preset, by model asked, and by model asked and model that answered.

    `limited`: there are more answers than were looked at.
    """

    limited: bool
    by_preset: Mapping[Key, Tally]
    by_model: Mapping[Key, Tally]
    by_answering_model: Mapping[Key, Tally]


def wilson(good: int, ratings: int, z: float = 1.959964) -> tuple[float, float, float]:
    """A share with the bounds between which it lies in 95 of 100 cases, which holds for few ratings too."""
    share = good / ratings
    centre = (share + z * z / (2 * ratings)) / (1 + z * z / ratings)
    reach = z / (1 + z * z / ratings) * math.sqrt(share * (1 - share) / ratings + z * z / (4 * ratings * ratings))
    return share, max(0.0, centre - reach), min(1.0, centre + reach)


def _answers() -> CTE:
    """One row for each answer."""
    may_cost = or_(
        generations.c.upstream_id.is_not(None),
        generations.c.model_id_used.is_not(None),
        generations.c.spans != b"",
        generations.c.error_code.is_(None),
        generations.c.error_code.in_(LEFT),
    )
    writing = generations.c.duration_ms - generations.c.first_token_ms
    kept = ("number", "message_id", "preset_id", "model", "model_id_used", "error_code", "cost")
    runs = (
        select(
            *(generations.c[name] for name in kept),
            case((and_(may_cost, generations.c.cost.is_(None)), 1), else_=0).label("unknown"),
            cast(generations.c.first_token_ms, Float).label("first_token_ms"),
            case((writing > 0, generations.c.completion_tokens * 1000.0 / writing)).label("tokens_per_second"),
        )
        .where(*_counted)
        .order_by(generations.c.created_at.desc())
        .limit(bindparam("limit", type_=Integer))
        .cte("runs")
    )
    summed = (
        select(
            func.max(runs.c.number).label("last"),
            func.sum(runs.c.cost).label("cost"),
            func.sum(runs.c.unknown).label("unknown"),
        )
        .group_by(runs.c.message_id)
        .cte("summed")
    )
    return (
        select(
            runs.c.preset_id,
            runs.c.model,
            runs.c.model_id_used,
            runs.c.error_code,
            messages.c.rating,
            case((summed.c.unknown == 0, summed.c.cost)).label("cost"),
            runs.c.first_token_ms,
            runs.c.tokens_per_second,
        )
        .select_from(summed)
        .join(runs, runs.c.number == summed.c.last)
        .join(messages, messages.c.id == runs.c.message_id)
        .cte("answers")
    )


_ANSWERS: Final = _answers()
_METRICS: Final = ("tokens_per_second", "first_token_ms")
_GROUPINGS: Final = (("preset_id",), ("model",), ("model", "model_id_used"))


def _counts(keys: Sequence[str]) -> Select[Any]:
    columns = [_ANSWERS.c[key] for key in keys]
    rating = _ANSWERS.c.rating
    counted = func.count().label("answers")
    return (
        select(
            *columns,
            counted,
            func.count(case((rating == 1, 1))).label("good"),
            func.count(case((rating == -1, 1))).label("bad"),
            func.coalesce(func.sum(_ANSWERS.c.cost), 0).label("cost"),
            func.count(_ANSWERS.c.cost).label("known"),
        )
        .group_by(*columns)
        .order_by(counted.desc(), *columns)
        .limit(GROUPS)
    )


def _failures(keys: Sequence[str]) -> Select[Any]:
    columns = [*(_ANSWERS.c[key] for key in keys), _ANSWERS.c.error_code]
    return (
        select(*columns, func.count().label("count"))
        .where(_ANSWERS.c.error_code.is_not(None))
        .group_by(*columns)
        .order_by(func.count().desc(), _ANSWERS.c.error_code)
    )


def _spreads(keys: Sequence[str]) -> Select[Any]:
    """The figures in the middle of each group, one or two, and the one at its ninetieth hundredth."""
    columns = [_ANSWERS.c[key] for key in keys]
    ranked = union_all(*(_ranked(columns, metric) for metric in _METRICS)).subquery()
    place, count = ranked.c.place, ranked.c.count
    middle = or_(place == (count + 1) // 2, place == (count + 2) // 2)
    return select(ranked).where(or_(middle, place == (count * _TAIL + 99) // 100))


def _ranked(columns: Sequence[Any], metric: str) -> Select[Any]:
    value = _ANSWERS.c[metric]
    return select(
        *columns,
        literal(metric).label("metric"),
        value.label("value"),
        func.row_number().over(partition_by=columns, order_by=value).label("place"),
        func.count().over(partition_by=columns).label("count"),
    ).where(value.is_not(None))


_Statements = tuple[Sequence[str], Select[Any], Select[Any], Select[Any]]
_STATEMENTS: Final[list[_Statements]] = [(keys, _counts(keys), _failures(keys), _spreads(keys)) for keys in _GROUPINGS]
_COUNT_RUNS: Final = select(func.count()).select_from(generations).where(*_counted)


class Statistics(Noun):
    """How answers did."""

    @reading
    def gather(self, connection: Connection, owner: OwnerId, *, since: int) -> Found:
        """Of an owner's answers since a time in microseconds."""
        values = {"owner": owner, "since": since, "limit": LIMIT}
        tallies = [_tallies(connection, values, statements) for statements in _STATEMENTS]
        runs = connection.execute(_COUNT_RUNS, values).scalar_one()
        return Found(runs > LIMIT, *tallies)


def _tallies(connection: Connection, values: Mapping[str, Any], statements: _Statements) -> dict[Key, Tally]:
    keys, counts, failures, spreads = statements
    failed: dict[Key, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(failures, values):
        *group, code, count = tuple(row)
        failed[tuple(group)][code] = count
    ranked: dict[tuple[Key, str], dict[int, float]] = defaultdict(dict)
    sizes: dict[tuple[Key, str], int] = {}
    for row in connection.execute(spreads, values):
        *group, metric, value, place, count = tuple(row)
        ranked[tuple(group), metric][place] = value
        sizes[tuple(group), metric] = count
    found: dict[Key, Tally] = {}
    for tallied in connection.execute(counts, values).mappings():
        key = tuple(tallied[name] for name in keys)
        speed, first = ((ranked[key, metric], sizes.get((key, metric), 0)) for metric in _METRICS)
        found[key] = Tally(
            answers=tallied["answers"],
            good=tallied["good"],
            bad=tallied["bad"],
            cost=int(tallied["cost"]),  # PostgreSQL adds integers up to a decimal.
            known=tallied["known"],
            failures=failed[key],
            first_token_ms=_spread(*first),
            tokens_per_second=_spread(*speed),
        )
    return found


def _spread(ranked: Mapping[int, float], size: int) -> Spread | None:
    if not size:
        return None
    middle = (ranked[(size + 1) // 2] + ranked[(size + 2) // 2]) / 2
    return Spread(middle, ranked[(size * _TAIL + 99) // 100])
