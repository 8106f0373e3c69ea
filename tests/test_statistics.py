"""What statistics say is what a slow look at every row says, on both databases."""

import random
import statistics
from collections import defaultdict
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain import Failure, Outcome, Rating, Status, Usage, now
from holdfast.store import Store
from holdfast.store.generations import Ask, Begun
from holdfast.store.statistics import Tally, wilson
from openrouter import LoopbackOpenRouter
from replies import refusal
from serving import Served
from stored import OWNER, add_stranger, rows, send

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"
ANSWERS = 60


async def answered(store: Store, rng: random.Random) -> dict[str, Any]:
    """A message and how its answer ended, by chance, with what a row should count as."""
    model, preset = rng.choice(("acme/a", "acme/b")), rng.choice((None, 1, 2))
    begun: Begun = await store.generations.send(
        OWNER, Ask(model, preset, None), content="?", conversation_id=None, parent=None
    )
    failed = rng.random() < 0.2
    cost = None if rng.random() < 0.3 else rng.randrange(10**9)
    first, length = rng.randrange(100, 900), rng.randrange(1, 3000)
    used = None if failed else rng.choice((model, "acme/other"))
    outcome = Outcome(
        used,
        upstream_id="gen",
        usage=Usage(1, 500, cost=cost),
        first_token_ms=None if failed else first,
        duration_ms=first + length,
    )
    failure = Failure(rng.choice(("stalled", "too_long")), "No.", retryable=False) if failed else None
    await store.generations.settle(begun.generation.id, Status.FAILED if failed else Status.COMPLETE, outcome, failure)
    rating = rng.choice((None, 1, 1, -1))
    if rating:
        await store.messages.rate(OWNER, begun.generation.message_id, Rating(rating))
    return {
        "preset": (preset,),
        "model": (model,),
        "used": (model, used),
        "rating": rating,
        "cost": cost,
        "first": None if failed else first,
        "speed": None if failed else 500_000 / length,
        "failure": failure and failure.code,
    }


def tally(group: list[dict[str, Any]]) -> dict[str, Any]:
    """The slow look."""

    def spread(name: str) -> tuple[float, float] | None:
        values = sorted(each[name] for each in group if each[name] is not None)
        return (statistics.median(values), values[ceil(0.9 * len(values)) - 1]) if values else None

    costs = [each["cost"] for each in group if each["cost"] is not None]
    failures = [each["failure"] for each in group if each["failure"]]
    return {
        "answers": len(group),
        "good": sum(each["rating"] == 1 for each in group),
        "bad": sum(each["rating"] == -1 for each in group),
        "cost": (sum(costs), len(costs)),
        "failures": {code: failures.count(code) for code in failures},
        "first": spread("first"),
        "speed": pytest.approx(spread("speed")),
    }


def told(found: Tally) -> dict[str, Any]:
    def spread(value: Any) -> tuple[float, float] | None:
        return value and (value.median, value.p90)

    return {
        "answers": found.answers,
        "good": found.good,
        "bad": found.bad,
        "cost": (found.cost, found.known),
        "failures": found.failures,
        "first": spread(found.first_token_ms),
        "speed": spread(found.tokens_per_second),
    }


async def test_they_say_what_a_look_at_every_answer_says(store: Store, database: Path | str) -> None:
    rng = random.Random(7)
    answers = [await answered(store, rng) for _ in range(ANSWERS)]
    await rows(database, "UPDATE generations SET created_at = created_at - 1000000000 WHERE number <= 10")
    await send(store, "Still being written")
    await send(store, "Somebody else's", owner=await add_stranger(database))
    for since, counted in ((0, answers), (now() - 900_000_000, answers[10:])):
        found = await store.statistics.gather(OWNER, since=since)
        assert not found.limited
        for name, tallies in (
            ("preset", found.by_preset),
            ("model", found.by_model),
            ("used", found.by_answering_model),
        ):
            groups = defaultdict(list)
            for each in counted:
                groups[each[name]].append(each)
            assert {key: told(value) for key, value in tallies.items()} == {
                key: tally(group) for key, group in groups.items()
            }


@pytest.mark.parametrize("change", ["veiled = true", "model = ''"])
async def test_answers_of_which_the_model_is_not_told_are_not_counted(
    store: Store, database: Path | str, change: str
) -> None:
    rng = random.Random(7)
    for _ in range(3):
        await answered(store, rng)
    await rows(database, f"UPDATE generations SET {change} WHERE number > 1")
    found = await store.statistics.gather(OWNER, since=0)
    assert [each.answers for each in (*found.by_preset.values(), *found.by_model.values())] == [1, 1]


async def test_an_answer_that_was_continued_counts_once_and_costs_what_all_its_parts_do(
    store: Store, database: Path | str
) -> None:
    first = (await send(store)).generation
    await store.generations.settle(first.id, Status.STOPPED, Outcome("a", usage=Usage(cost=7)), None)
    ask = Ask(MODEL, 2, None)
    second = await store.generations.continue_answer(OWNER, ask, message_id=first.message_id)
    await store.generations.settle(second.generation.id, Status.COMPLETE, Outcome("a", usage=Usage(cost=5)), None)
    found = (await store.statistics.gather(OWNER, since=0)).by_preset
    assert {key: (each.answers, each.cost, each.known) for key, each in found.items()} == {(2,): (1, 12, 1)}
    await rows(database, f"UPDATE generations SET cost = NULL WHERE id = '{first.id}'")
    found = (await store.statistics.gather(OWNER, since=0)).by_preset
    assert {key: (each.answers, each.cost, each.known) for key, each in found.items()} == {(2,): (1, 0, 0)}


async def test_more_answers_than_are_looked_at_are_said_to_be_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.store.statistics.LIMIT", 3)
    for seed in range(4):
        await answered(store, random.Random(seed))
    found = await store.statistics.gather(OWNER, since=0)
    assert found.limited
    assert sum(each.answers for each in found.by_preset.values()) == 3


def test_the_interval_is_wilsons() -> None:
    assert wilson(8, 10) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((1.0, 0.7225, 1.0), abs=1e-4)


async def test_the_endpoint_tells_a_share_only_of_enough_ratings(served: Served, upstream: LoopbackOpenRouter) -> None:
    assert (await served.get("/api/statistics"))["by_model"] == []
    for _ in range(5):
        started = (await served.send("Hi.", model_id=MODEL))[0].event
        (item,) = (await served.get("/api/statistics?days=1"))["by_model"]
        assert item["quality"]["good_share"] is None
        await served.http.put(f"/api/messages/{started['message_id']}/rating", json={"rating": 1})
    upstream.script(refusal(500))
    await served.send("Hi.", model_id=MODEL)
    found = await served.get("/api/statistics?days=1")
    (item,) = found["by_model"]
    assert (item["model"], [each["model_id_used"] for each in item["answered_by"]]) == (MODEL, [MODEL])
    quality = item["quality"]
    assert quality["good_share"] == {"share": 1.0, "low": 0.5655, "high": 1.0}
    assert (quality["answers"], quality["failures"], quality["failure_share"]) == (6, 1, 0.1667)
    assert quality["failure_codes"] == [{"code": "provider_unavailable", "count": 1}]
    assert (quality["cost"], quality["cost_known"], quality["cost_per_answer"]) == ("0.00002", 5, "0.000004")
    assert (found["by_preset"][0]["preset_id"], found["enough_ratings"], found["limited"]) == (None, 5, False)
    for days in ("0", "3661", "x"):
        assert (await served.http.get(f"/api/statistics?days={days}")).status_code == 422
