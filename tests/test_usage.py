"""What a stream did not tell is asked for afterwards, and never made up."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain import Call, CompletionRequest, Outcome, Prompt, Purpose, Task, TaskKind, Totals, Usage, now
from holdfast.feed import Feed
from holdfast.provider import record
from holdfast.provider.openrouter import OpenRouter
from holdfast.store import Store
from holdfast.usage import FIRST_PAUSE, LONGEST_PAUSE, PATIENCE, Reconciling
from listening import KEY
from openrouter import LoopbackOpenRouter
from replies import Close, Hold, Reply, Silence, answer, broken_off, refusal, spent
from serving import Served, process, serving
from stored import OWNER, add_stranger, rows, send, write

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"
SPENT = spent(20, 7, 0.0000123)


async def until(served: Served, conversation_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The answer, asked for again and again until something holds of it."""
    while True:
        message = (await served.messages(conversation_id))[-1]
        if holds(message):
            return message


async def test_an_answer_that_was_cut_learns_its_cost(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.generation_lag = 0
    hold = Hold()
    upstream.script(broken_off("Once ", by=[hold, Close()]))
    async with served.sending("Tell me.", model_id=MODEL) as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
        upstream.completions[0].usage = SPENT  # The ledger knows what the stream never told.
        hold.release()
        metadata = (await stream.until("metadata")).event["metadata"]
        assert (metadata["cost"], metadata["completion_tokens"]) == (None, None)
        await stream.until("error")
    message = await until(served, started["conversation_id"], lambda message: message["cost"] is not None)
    assert Decimal(message["cost"]) == Decimal("0.0000123")
    assert (message["prompt_tokens"], message["completion_tokens"]) == (20, 7)
    frames = await served.follow(started["generation_id"], 0)
    assert frames[-2].event["metadata"]["cost"] == message["cost"]
    ledger = await rows(served.data / "holdfast.sqlite3", "SELECT cost, cost_source FROM calls")
    assert ledger == [(12_300_000, "generation")]
    assert await rows(served.data / "holdfast.sqlite3", "SELECT count(*) FROM tasks") == [(0,)]


async def test_a_stopped_answer_learns_its_cost(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.generation_lag = 0
    upstream.script(answer("Once ", "never", holds={1: Hold()}, usage=SPENT))
    async with served.sending("Tell me.", model_id=MODEL) as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
        await served.http.delete(f"/api/generations/{started['generation_id']}")
        await stream.until("done")
    message = await until(served, started["conversation_id"], lambda message: message["cost"] is not None)
    assert (message["status"], message["content"]) == ("stopped", "Once ")
    assert Decimal(message["cost"]) == Decimal(str(SPENT["cost"]))


async def test_an_answer_that_a_kill_broke_off_learns_its_cost(upstream: LoopbackOpenRouter, tmp_path: Path) -> None:
    upstream.generation_lag = 0
    upstream.script(answer("Once ", "never", holds={1: Hold()}, usage=SPENT))
    async with (
        process(tmp_path, upstream.base_url) as (served, running),
        served.sending("Go.", model_id=MODEL) as stream,
    ):
        started = (await stream.until("started")).event
        await stream.until("content")
        running.kill()
        await running.wait()
    async with process(tmp_path, upstream.base_url) as (served, _):
        message = await until(served, started["conversation_id"], lambda message: message["cost"] is not None)
        assert (message["status"], message["provider"]) == ("interrupted", "Acme")
    assert len(upstream.completions) == 1


@pytest.mark.parametrize("how", ["stopped", "deleted"])
async def test_a_call_that_is_left_before_it_says_anything_is_not_called_free(
    served: Served, upstream: LoopbackOpenRouter, how: str
) -> None:
    hold = Hold()
    upstream.script(Reply(before=[hold, Silence()]), refusal(429))
    async with served.sending("Tell me.", model_id=MODEL) as stream:
        started = (await stream.until("started")).event
        await hold.reached.wait()
        place = "generations" if how == "stopped" else "conversations"
        await served.http.delete(f"/api/{place}/{started[f'{place[:-1]}_id']}")
        await stream.until("done" if how == "stopped" else "error")
    await served.send("And now?", model_id=MODEL)
    total = (await served.get("/api/usage"))["total"]
    assert (total["calls"], total["unknown"]) == (1, 1)
    assert await rows(served.data / "holdfast.sqlite3", "SELECT cost_source FROM calls") == [("unknown",)]


@pytest.mark.parametrize("limit", ["HOLDFAST_FIRST_TOKEN_LIMIT", "HOLDFAST_ANSWER_LIMIT"])
async def test_nor_is_one_that_says_nothing_until_it_is_given_up(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    async with serving(monkeypatch, tmp_path, **{"OPENROUTER_BASE_URL": upstream.base_url, limit: "0.3"}) as served:
        upstream.script(Reply(before=[Silence()]))
        await served.send("Tell me.", model_id=MODEL)
        total = (await served.get("/api/usage"))["total"]
    assert (total["calls"], total["unknown"]) == (1, 1)


@pytest.mark.parametrize("stopped", [False, True])
async def test_what_a_deleted_answer_took_is_asked_for_too(
    served: Served, upstream: LoopbackOpenRouter, *, stopped: bool
) -> None:
    upstream.script(answer("Once ", "never", holds={1: Hold()}, usage=SPENT))
    async with served.sending("Tell me.", model_id=MODEL) as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
        if stopped:
            await served.http.delete(f"/api/generations/{started['generation_id']}")
            await stream.until("done")
        await served.http.delete(f"/api/conversations/{started['conversation_id']}")
    while (total := (await served.get("/api/usage"))["total"])["unknown"]:
        pass
    assert (total["calls"], Decimal(total["cost"])) == (1, Decimal("0.0000123"))
    assert (total["prompt_tokens"], total["completion_tokens"]) == (20, 7)
    assert await rows(served.data / "holdfast.sqlite3", "SELECT count(*) FROM tasks") == [(0,)]


async def test_an_answer_that_is_deleted_while_its_cost_is_asked_for_is_asked_about_at_once(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.generation_lag = 0
    hold = Hold()
    upstream.generation_before = [hold]
    upstream.script(answer("Once ", "never", holds={1: Hold()}, usage=SPENT))
    async with served.sending("Tell me.", model_id=MODEL) as stream:
        started = (await stream.until("started")).event
        await stream.until("content")
        await served.http.delete(f"/api/generations/{started['generation_id']}")
        await stream.until("done")
    await hold.reached.wait()
    await served.http.delete(f"/api/conversations/{started['conversation_id']}")
    hold.release()
    while (total := (await served.get("/api/usage"))["total"])["unknown"]:
        pass
    assert Decimal(total["cost"]) == Decimal("0.0000123")


async def test_what_the_stream_told_stands(store: Store) -> None:
    run = (await send(store)).generation
    await write(store, run, "Hi.")
    told = Outcome(model_id_used="a", upstream_id="gen-1", usage=Usage(prompt_tokens=1, completion_tokens=2))
    await store.generations.settle(run.id, run.status.COMPLETE, told, None)
    (task,) = [task for task in (await store.tasks.list_due(now(), limit=9))[0] if task.kind is TaskKind.RECONCILE]
    found = Outcome(model_id_used="b", provider="P", usage=Usage(prompt_tokens=9, completion_tokens=9, cost=5))
    await store.generations.reconcile(task, found)
    outcome = (await store.generations.get(OWNER, run.id)).outcome
    assert (outcome.model_id_used, outcome.provider) == ("a", "P")
    assert outcome.usage == Usage(prompt_tokens=1, completion_tokens=2, cost=5)


async def test_a_record_that_is_not_there_yet_is_asked_for_less_and_less_and_not_for_ever(
    store: Store, upstream: LoopbackOpenRouter
) -> None:
    provider = OpenRouter(upstream.base_url, KEY, is_openrouter=True)
    feed = Feed(store)
    reconciling = Reconciling(store, feed, provider)
    run = (await send(store)).generation
    await store.generations.settle(run.id, run.status.STOPPED, Outcome(upstream_id="gen-7"), None)
    (task,) = (await store.tasks.list_due(now(), limit=9))[0]
    pauses = [
        await reconciling.answer(Task(task.number, task.kind, task.generation_id, attempts, task.created_at))
        for attempts in (0, 1, 2, 30)
    ]
    assert pauses == [1, 2, 4, LONGEST_PAUSE]
    late = Task(task.number, task.kind, task.generation_id, 30, now() - round((PATIENCE + 1) * 1_000_000))
    assert await reconciling.answer(late) is None
    assert (await store.tasks.list_due(now(), limit=9))[0] == []
    assert (await store.generations.get(OWNER, run.id)).outcome.usage == Usage()
    await feed.aclose()
    await provider.aclose()


@pytest.mark.parametrize(
    ("data", "usage"),
    [
        (
            {"total_cost": 0.1, "tokens_prompt": 3, "native_tokens_prompt": 4, "native_tokens_completion": 5},
            Usage(4, 5, None, None, 100_000_000_000),
        ),
        ({"total_cost": 0, "tokens_prompt": 3, "tokens_completion": 2}, Usage(3, 2, None, None, 0)),
        ({"total_cost": "1", "native_tokens_prompt": -1}, Usage()),
        (
            {"total_cost": 0.01, "is_byok": True, "upstream_inference_cost": 0.5, "native_tokens_reasoning": 2},
            Usage(None, None, 2, None, 500_000_000_000),
        ),
        ({}, Usage()),
    ],
)
def test_a_record_is_read_with_what_makes_sense_in_it(data: dict[str, Any], usage: Usage) -> None:
    assert record.read(json.dumps({"data": data}).encode()).usage == usage


async def test_a_call_that_is_never_told_of_keeps_no_other_from_being_known(
    store: Store, database: Path | str, upstream: LoopbackOpenRouter
) -> None:
    upstream.generation_lag = 0
    upstream.script(answer("A name", usage=SPENT))
    provider = OpenRouter(upstream.base_url, KEY, is_openrouter=True)
    feed = Feed(store)
    run = (await send(store)).generation
    async with provider.stream(CompletionRequest(MODEL, Prompt(()), run.conversation_id)) as completion:
        told = completion.outcome.upstream_id
    for upstream_id in ("gen-lost", told):
        outcome = Outcome(upstream_id=upstream_id)
        await store.titles.note(Call(OWNER, Purpose.TITLE, run.conversation_id, run.id, None, MODEL, outcome))
    (task,) = (await store.tasks.list_due(2**62, limit=9))[0]
    assert await Reconciling(store, feed, provider).lines(task) == FIRST_PAUSE
    costs = "SELECT cost, cost_source FROM calls ORDER BY number"
    assert await rows(database, costs) == [(None, "unknown"), (12_300_000, "generation")]
    assert (await store.tasks.list_due(2**62, limit=9))[0] == [task]
    await feed.aclose()
    await provider.aclose()


async def test_a_server_that_keeps_no_records_is_not_asked(store: Store, upstream: LoopbackOpenRouter) -> None:
    provider = OpenRouter(upstream.base_url, KEY, is_openrouter=False)
    run = (await send(store)).generation
    await store.generations.settle(run.id, run.status.STOPPED, Outcome(upstream_id="chatcmpl-7"), None)
    (task,) = (await store.tasks.list_due(now(), limit=9))[0]
    feed = Feed(store)
    assert await Reconciling(store, feed, provider).answer(task) is None
    assert (await store.tasks.list_due(now(), limit=9))[0] == []
    assert upstream.ledger == []
    await feed.aclose()
    await provider.aclose()


async def test_a_server_that_lists_as_openrouter_does_keeps_records(upstream: LoopbackOpenRouter) -> None:
    provider = OpenRouter(upstream.base_url, KEY, is_openrouter=None)
    assert provider.keeps_records is None
    await provider.list_models()
    assert provider.keeps_records is True
    upstream.models = [{"id": "llama3:8b", "object": "model", "owned_by": "library"}]
    other = OpenRouter(upstream.base_url, KEY, is_openrouter=None)
    await other.list_models()
    assert other.keeps_records is False
    for each in (provider, other):
        await each.aclose()


async def test_what_was_spent_is_added_up_by_day_model_and_purpose(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.script(answer("A.", usage=spent(10, 1, 0.1)), answer("B.", usage=spent(20, 2, 0.2)))
    first = (await served.send("One.", model_id=MODEL))[0].event
    await served.send("Two.", model_id=MODEL)
    upstream.script(broken_off("Half", by=[Close()]))
    await served.send("Three.", model_id=MODEL)
    usage = await served.get("/api/usage?days=2")
    (line,) = usage["items"]
    assert (line["model"], line["purpose"], line["calls"], line["unknown"]) == (MODEL, "answer", 3, 1)
    assert (line["prompt_tokens"], line["completion_tokens"], line["cost"]) == (30, 3, "0.3")
    assert usage["total"] == {name: line[name] for name in usage["total"]}
    one = await served.get(f"/api/usage?conversation_id={first['conversation_id']}")
    assert one["total"]["cost"] == "0.1"
    await served.http.delete(f"/api/conversations/{first['conversation_id']}")
    assert (await served.get("/api/usage"))["total"]["cost"] == "0.3"
    assert (await served.http.get("/api/usage?days=0")).status_code == 422
    assert (await served.http.get(f"/api/usage?conversation_id={'0' * 26}")).status_code == 404


async def test_sums_are_exact_and_nobody_elses(store: Store, database: Path | str) -> None:
    assert await store.calls.sum_by_day(OWNER, since=0) == []
    for cost in (1, 10**17, 3):
        run = (await send(store)).generation
        outcome = Outcome(model_id_used="m", upstream_id="gen", usage=Usage(1, 2, None, None, cost))
        await store.generations.settle(run.id, run.status.COMPLETE, outcome, None)
    (spending,) = await store.calls.sum_by_day(OWNER, since=0)
    assert spending.totals == Totals(3, 0, 3, 6, 0, 0, 10**17 + 4)
    assert await store.calls.sum_by_day(await add_stranger(database), since=0) == []
    assert await store.calls.sum_by_day(OWNER, since=now() + 1_000_000) == []
