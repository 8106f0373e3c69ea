"""Conversations name themselves once, in nobody's way, and never over a name that a person gave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain import Call, Exchange, Outcome, Purpose, Status, Task, TaskKind, TitleSource, now
from holdfast.errors import NotFound
from holdfast.feed import Feed
from holdfast.presets import Presets
from holdfast.provider.catalogue import Catalogue
from holdfast.provider.openrouter import OpenRouter
from holdfast.store import Store
from holdfast.store.conversations import DEFAULT_TITLE
from holdfast.store.generations import Ask
from holdfast.tasks import AT_ONCE
from holdfast.titles import Titles
from listening import KEY
from openrouter import LoopbackOpenRouter
from replies import Hold, answer, broken_off, counted, refusal, spent
from serving import Served, process, serving
from stored import OWNER, exchange, rows, send, settle, write

pytestmark = pytest.mark.anyio

MODEL, NAMER, FREE = "acme/chat-1", "acme/thinker", "acme/free-1:free"


@pytest.fixture
async def naming(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    """A Holdfast that asks NAMER for titles."""
    async with serving(
        monkeypatch, tmp_path / "data", OPENROUTER_BASE_URL=upstream.base_url, HOLDFAST_TITLE_MODEL=NAMER
    ) as running:
        yield running


async def conversation(served: Served, started: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await served.get(f"/api/conversations/{started['conversation_id']}")
    return found


async def until(served: Served, started: dict[str, Any], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The conversation, asked for again and again until something holds of it."""
    while True:
        found = await conversation(served, started)
        if holds(found):
            return found


async def until_named(served: Served, started: dict[str, Any]) -> str:
    found = await until(served, started, lambda found: found["title_source"] != "default")
    assert found["title_source"] == "auto"
    title: str = found["title"]
    return title


def titled(text: str) -> Callable[[], Any]:
    return lambda: answer(text, model=NAMER)


async def test_a_conversation_is_named_after_its_first_answer(naming: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.by_model[NAMER] = titled('**Title:** "Sailing to Byzantium."')
    started = (await naming.send("How do I get there? " + "x" * 900, model_id=MODEL))[0].event
    assert await until_named(naming, started) == "Sailing to Byzantium"
    asked = upstream.completions[-1].body
    assert asked["max_completion_tokens"] <= 100
    assert asked["reasoning"] == {"effort": "none"}
    assert len(asked["messages"][-1]["content"]) < 600
    ledger = await rows(naming.data / "holdfast.sqlite3", "SELECT purpose, cost_source FROM calls ORDER BY number")
    assert ledger == [("answer", "stream"), ("title", "stream")]


async def test_only_the_first_answer_names_it(naming: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.by_model[NAMER] = titled("First")
    started = (await naming.send("One.", model_id=MODEL))[0].event
    await until_named(naming, started)
    await naming.send("Two.", model_id=MODEL, conversation_id=started["conversation_id"])
    assert await rows(naming.data / "holdfast.sqlite3", "SELECT count(*) FROM tasks") == [(0,)]
    assert [call.model for call in upstream.completions] == [MODEL, NAMER, MODEL]


async def test_an_answer_that_is_not_complete_names_nothing_and_the_next_one_does(
    naming: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.by_model[NAMER] = titled("Second time lucky")
    upstream.script(refusal(500))
    started = (await naming.send("One.", model_id=MODEL))[0].event
    assert await rows(naming.data / "holdfast.sqlite3", "SELECT count(*) FROM tasks") == [(0,)]
    async with naming.open("POST", f"/api/messages/{started['user_message_id']}/generations", json={}) as stream:
        async for _ in stream:
            pass
    assert await until_named(naming, started) == "Second time lucky"


async def test_done_does_not_wait_for_a_title(naming: Served, upstream: LoopbackOpenRouter) -> None:
    hold = Hold()
    upstream.by_model[NAMER] = lambda: answer("Late", model=NAMER, holds={0: hold})
    started = (await naming.send("One.", model_id=MODEL))[0].event
    await hold.reached.wait()
    assert (await conversation(naming, started))["title_source"] == "default"
    await naming.send("Two.", model_id=MODEL, conversation_id=started["conversation_id"])
    hold.release()
    assert await until_named(naming, started) == "Late"


@pytest.mark.parametrize("given_title", ["Mine", ""])
async def test_a_name_that_was_given_meanwhile_stays(
    naming: Served, upstream: LoopbackOpenRouter, given_title: str
) -> None:
    hold = Hold()
    upstream.by_model[NAMER] = lambda: answer("Theirs", model=NAMER, holds={0: hold})
    started = (await naming.send("One.", model_id=MODEL))[0].event
    await hold.reached.wait()
    path = f"/api/conversations/{started['conversation_id']}"
    await naming.http.patch(path, json={"title": given_title})
    hold.release()
    while await rows(naming.data / "holdfast.sqlite3", "SELECT 1 FROM tasks"):
        await naming.get("/health")
    found = await conversation(naming, started)
    assert (found["title"], found["title_source"]) == (given_title or DEFAULT_TITLE, "user")
    assert await rows(naming.data / "holdfast.sqlite3", "SELECT purpose FROM calls ORDER BY number") == [
        ("answer",),
        ("title",),
    ]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(lambda: refusal(503), id="refused"),
        pytest.param(lambda: answer("I'm sorry, I cannot name that.", model=NAMER), id="refusal in words"),
        pytest.param(lambda: answer('""', model=NAMER), id="empty"),
        pytest.param(lambda: broken_off("Half a ti", by=[]), id="broken off"),
        pytest.param(lambda: counted(10_000, model=NAMER), id="endless"),
    ],
)
async def test_a_second_free_model_is_asked_and_then_the_first_words_do(
    naming: Served, upstream: LoopbackOpenRouter, reply: Callable[[], Any]
) -> None:
    upstream.by_model[NAMER] = reply
    upstream.by_model[FREE] = lambda: answer("Spare name", model=FREE)
    started = (await naming.send("Why is the sky so very blue today?", model_id=MODEL))[0].event
    assert await until_named(naming, started) == "Spare name"
    upstream.by_model[FREE] = lambda: refusal(429)
    started = (await naming.send("Why is the sky so very blue today?", model_id=MODEL))[0].event
    assert await until_named(naming, started) == "Why is the sky so…"


async def test_the_first_words_give_way_to_a_later_try_and_each_call_is_a_line_of_its_own(
    naming: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.by_model[NAMER] = lambda: answer("I'm sorry, no.", model=NAMER, usage=spent(9, 5, 0.000001))
    upstream.by_model[FREE] = lambda: answer('""', model=FREE, usage=spent(9, 1, 0.0))
    started = (await naming.send("Why is the sky so very blue today?", model_id=MODEL))[0].event
    assert await until_named(naming, started) == "Why is the sky so…"
    upstream.by_model[NAMER] = lambda: answer("Blue skies", model=NAMER, usage=spent(9, 2, 0.000002))
    await name_again(naming, started)
    await until(naming, started, lambda found: found["title"] == "Blue skies")
    ledger = "SELECT model, cost FROM calls WHERE purpose = 'title' ORDER BY number"
    assert await rows(naming.data / "holdfast.sqlite3", ledger) == [(NAMER, 1_000_000), (FREE, 0), (NAMER, 2_000_000)]


async def test_without_a_title_model_the_first_words_do(served: Served, upstream: LoopbackOpenRouter) -> None:
    started = (await served.send("Hello there, General Kenobi.", model_id=MODEL))[0].event
    assert await until_named(served, started) == "Hello there, General Kenobi."
    assert len(upstream.completions) == 1


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        pytest.param(["llama3:8b", "mistral:7b"], ["mistral:7b", "mistral:7b"], id="whoever answered"),
        pytest.param([MODEL, "openrouter/free"], [MODEL, "openrouter/free"], id="the free router"),
    ],
)
async def test_where_no_title_model_is_set_the_free_router_names_or_whoever_answered_where_there_is_none(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: list[str], asked: list[str]
) -> None:
    upstream.models = [{"id": model_id} for model_id in listed]
    environment = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_TITLE_MODEL": ""}
    async with serving(monkeypatch, tmp_path, **environment) as served:
        upstream.script(answer("North."), answer("Sailing north"))
        started = (await served.send("Where to?", model_id=asked[0]))[0].event
        assert await until_named(served, started) == "Sailing north"
    assert [call.model for call in upstream.completions] == asked


async def test_a_title_that_a_restart_interrupted_is_asked_for_once_more(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"OPENROUTER_BASE_URL": upstream.base_url, "HOLDFAST_TITLE_MODEL": NAMER}
    hold = Hold()
    upstream.by_model[NAMER] = lambda: answer("Late", model=NAMER, holds={0: hold})
    async with serving(monkeypatch, tmp_path, **environment) as served:
        started = (await served.send("One.", model_id=MODEL))[0].event
        await hold.reached.wait()
    await rows(tmp_path / "holdfast.sqlite3", "UPDATE tasks SET due_at = 0")  # Rather than wait a minute.
    upstream.by_model[NAMER] = titled("Named at last")
    async with serving(monkeypatch, tmp_path, **environment) as served:
        assert await until_named(served, started) == "Named at last"
    assert [call.model for call in upstream.completions] == [MODEL, NAMER, NAMER]


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_what_a_title_took_that_the_end_of_the_process_broke_off_is_asked_for(
    upstream: LoopbackOpenRouter, tmp_path: Path, end: str
) -> None:
    upstream.generation_lag = 0
    hold = Hold()
    upstream.by_model[NAMER] = lambda: answer("Late", model=NAMER, holds={0: hold}, usage=spent(7, 3, 0.000123))
    async with process(tmp_path, upstream.base_url, HOLDFAST_TITLE_MODEL=NAMER) as (served, running):
        started = (await served.send("One.", model_id=MODEL))[0].event
        await hold.reached.wait()
        while len(await rows(tmp_path / "holdfast.sqlite3", "SELECT 1 FROM calls")) < 2:
            await served.get("/health")
        getattr(running, end)()
        await running.wait()
    await rows(tmp_path / "holdfast.sqlite3", "UPDATE tasks SET due_at = 0")  # Rather than wait a minute.
    upstream.by_model[NAMER] = titled("Named at last")
    async with process(tmp_path, upstream.base_url, HOLDFAST_TITLE_MODEL=NAMER) as (served, _):
        assert await until_named(served, started) == "Named at last"
        while await rows(tmp_path / "holdfast.sqlite3", "SELECT 1 FROM tasks"):
            await served.get("/health")
        total = (await served.get("/api/usage"))["total"]
    assert (total["calls"], total["unknown"], total["cost"]) == (3, 0, "0.000131")


async def test_a_model_that_brings_the_process_down_is_not_asked_for_ever(
    store: Store, upstream: LoopbackOpenRouter
) -> None:
    provider = OpenRouter(upstream.base_url, KEY, is_openrouter=True)
    catalogue = Catalogue(provider)
    feed = Feed(store)
    titles = Titles(store, feed, provider, catalogue, Presets(store, catalogue), model=NAMER, ask_nobody=False)
    run = await exchange(store, "Once upon a time there was")
    (task,) = (await store.tasks.list_due(now(), limit=9))[0]
    await titles(Task(task.number, task.kind, task.generation_id, 2, task.created_at))
    assert (await store.conversations.get(OWNER, run.conversation_id)).title == "Once upon a time there…"
    assert upstream.completions == []
    await feed.aclose()
    await catalogue.aclose()
    await provider.aclose()


async def test_a_slow_title_model_is_left_alone_when_its_conversation_is_deleted(
    naming: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.by_model[NAMER] = lambda: answer("Gone", model=NAMER, holds={0: hold})
    started = (await naming.send("One.", model_id=MODEL))[0].event
    await hold.reached.wait()
    await naming.http.delete(f"/api/conversations/{started['conversation_id']}")
    hold.release()
    while len(await rows(naming.data / "holdfast.sqlite3", "SELECT 1 FROM calls")) < 2:
        await naming.get("/health")
    while await rows(naming.data / "holdfast.sqlite3", "SELECT 1 FROM tasks"):  # Until the name has come, and too late.
        await naming.get("/health")
    assert await rows(naming.data / "holdfast.sqlite3", "SELECT count(*) FROM conversations") == [(0,)]


async def test_a_name_that_comes_after_a_deletion_ends_no_task_of_another_conversation(
    store: Store, database: Path | str
) -> None:
    run = await exchange(store)
    (task,) = (await store.tasks.list_due(now(), limit=9))[0]
    seen = await store.titles.get_exchange(task)
    await store.conversations.delete(OWNER, run.conversation_id)
    other = await exchange(store)
    await store.titles.name(task, seen, "Gone", [])
    assert await rows(database, "SELECT generation_id FROM tasks") == [(other.id,)]


async def test_models_that_think_long_of_names_hold_up_no_cost(naming: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.generation_lag = 0
    holds = [Hold() for _ in range(AT_ONCE[TaskKind.TITLE] + 1)]
    waiting = iter(holds)
    upstream.by_model[NAMER] = lambda: answer("Named", model=NAMER, holds={0: next(waiting)})
    begun = [(await naming.send(f"{number}.", model_id=MODEL))[0].event for number in range(len(holds))]
    for hold in holds[:-1]:
        await hold.reached.wait()
    upstream.script(answer("Once ", "never", holds={1: Hold()}, usage=spent(7, 3, 0.000123)))
    async with naming.sending("Tell me.", model_id=MODEL) as stream:
        stopped = (await stream.until("started")).event
        await stream.until("content")
        await naming.http.delete(f"/api/generations/{stopped['generation_id']}")
        await stream.until("done")
    messages = f"/api/conversations/{stopped['conversation_id']}/messages"
    while (await naming.get(messages))["items"][-1]["cost"] is None:
        pass
    assert not holds[-1].reached.is_set()
    for hold in holds:
        hold.release()
    assert {await until_named(naming, started) for started in begun} == {"Named"}


async def _rename(store: Store, run: Any, _task: Task, _seen: Exchange) -> None:
    await store.conversations.rename(OWNER, run.conversation_id, "Mine")


async def _name(store: Store, run: Any, task: Task, seen: Exchange) -> None:
    call = Call(OWNER, Purpose.TITLE, run.conversation_id, run.id, None, NAMER, Outcome())
    await store.titles.name(task, seen, "Theirs", [call])


async def _answer(store: Store, run: Any, _task: Task, _seen: Exchange) -> None:
    begun = await send(store, "More.", run.conversation_id)
    await write(store, begun.generation, "Yes.")
    await settle(store, begun.generation, Status.COMPLETE)


def _in_order(order: tuple[Callable[..., Any], ...]) -> str:
    return "".join(step.__name__ for step in order)


@pytest.mark.parametrize("order", list(permutations((_rename, _name, _answer))), ids=_in_order)
async def test_in_every_order_the_name_that_was_given_stays(
    store: Store, database: Path | str, order: tuple[Callable[..., Any], ...]
) -> None:
    run = await exchange(store)
    (task,) = (await store.tasks.list_due(now(), limit=9))[0]
    seen = await store.titles.get_exchange(task)
    for step in order:
        await step(store, run, task, seen)
    found = await store.conversations.get(OWNER, run.conversation_id)
    assert (found.title, found.title_source) == ("Mine", TitleSource.USER)
    assert await rows(database, "SELECT count(*) FROM tasks") == [(0,)]


async def test_at_the_same_time_the_name_that_was_given_stays(store: Store) -> None:
    for _ in range(20):
        run = await exchange(store)
        (task,) = (await store.tasks.list_due(now(), limit=9))[0]
        seen = await store.titles.get_exchange(task)
        await asyncio.gather(_name(store, run, task, seen), _rename(store, run, task, seen))
        assert (await store.conversations.get(OWNER, run.conversation_id)).title == "Mine"


async def test_what_a_broken_call_for_a_title_took_is_asked_for(naming: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.generation_lag = 0
    upstream.by_model[NAMER] = lambda: replace(broken_off("Half a ti", by=[]), usage=spent(7, 3, 0.000123))
    started = (await naming.send("One.", model_id=MODEL))[0].event
    await until_named(naming, started)
    statement = "SELECT model, cost, prompt_tokens, cost_source FROM calls WHERE purpose = 'title' ORDER BY number"
    while (found := await rows(naming.data / "holdfast.sqlite3", statement))[0][1] is None:
        await naming.get("/health")
    assert found == [(NAMER, 123_000_000, 7, "generation"), (FREE, 4_000_000, 20, "stream")]
    assert await rows(naming.data / "holdfast.sqlite3", "SELECT count(*) FROM tasks") == [(0,)]


async def name_again(served: Served, started: dict[str, Any]) -> dict[str, Any]:
    response = await served.http.post(f"/api/conversations/{started['conversation_id']}/title")
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_conversation_is_named_again_also_over_a_name_that_was_given(
    naming: Served, upstream: LoopbackOpenRouter
) -> None:
    upstream.by_model[NAMER] = titled("First")
    started = (await naming.send("How do I sail?", model_id=MODEL))[0].event
    await until_named(naming, started)
    await naming.send("And how do I stop?", model_id=MODEL, conversation_id=started["conversation_id"])
    path = f"/api/conversations/{started['conversation_id']}"
    await naming.http.patch(path, json={"title": "Mine"})
    upstream.by_model[NAMER] = titled("Second")
    async with naming.open("GET", "/api/events") as feed:
        assert (await name_again(naming, started))["title"] == "Mine"
        told = (await feed.until("conversation_updated")).event["conversation"]
    assert (told["title"], told["title_source"]) == ("Second", "auto")
    shown = upstream.completions[-1].body["messages"][-1]["content"]
    assert "How do I sail?" in shown
    assert "And how do I stop?" in shown
    ledger = await rows(naming.data / "holdfast.sqlite3", "SELECT purpose, cost FROM calls ORDER BY number")
    assert [purpose for purpose, _ in ledger] == ["answer", "title", "answer", "title"]
    assert ledger[-1][1] == 4_000_000


async def test_wishes_for_a_name_that_is_being_looked_for_ask_no_second_time(
    naming: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.by_model[NAMER] = lambda: answer("One", model=NAMER, holds={0: hold})
    started = (await naming.send("One.", model_id=MODEL))[0].event
    await hold.reached.wait()
    await naming.http.patch(f"/api/conversations/{started['conversation_id']}", json={"title": "Mine"})
    await asyncio.gather(*(name_again(naming, started) for _ in range(5)))
    hold.release()
    assert (await until(naming, started, lambda found: found["title"] != "Mine"))["title"] == "One"
    assert [call.model for call in upstream.completions] == [MODEL, NAMER]
    assert await rows(naming.data / "holdfast.sqlite3", "SELECT count(*) FROM tasks") == [(0,)]


async def test_what_cannot_be_named_says_why(naming: Served, upstream: LoopbackOpenRouter) -> None:
    empty = (await naming.http.post("/api/conversations")).json()
    refused = await naming.http.post(f"/api/conversations/{empty['id']}/title")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid")
    hold = Hold()
    upstream.by_model[MODEL] = lambda: answer("Late", holds={0: hold})
    async with naming.sending("One.", model_id=MODEL, conversation_id=empty["id"]) as stream:
        await stream.until("started")
        refused = await naming.http.post(f"/api/conversations/{empty['id']}/title")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "generation_running")
        hold.release()


async def test_a_name_stays_where_no_model_has_another_one(naming: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.by_model[NAMER] = titled("First")
    started = (await naming.send("One.", model_id=MODEL))[0].event
    await until_named(naming, started)
    upstream.by_model[NAMER] = upstream.by_model[FREE] = lambda: refusal(503)
    async with naming.open("GET", "/api/events") as feed:
        await name_again(naming, started)
        told = (await feed.until("conversation_updated")).event["conversation"]
    assert (told["title"], told["title_source"]) == ("First", "auto")


async def test_without_a_title_model_the_first_words_are_the_name_again(served: Served) -> None:
    started = (await served.send("Hello there, General Kenobi.", model_id=MODEL))[0].event
    path = f"/api/conversations/{started['conversation_id']}"
    await served.http.patch(path, json={"title": "Mine"})
    await name_again(served, started)
    assert await until(served, started, lambda found: found["title"] == "Hello there, General Kenobi.")


async def _wish(store: Store, run: Any, _task: Task, _seen: Exchange) -> None:
    await store.titles.wish(OWNER, run.conversation_id)


@pytest.mark.parametrize("order", list(permutations((_rename, _wish, _name))), ids=_in_order)
async def test_of_a_wish_and_a_rename_the_later_one_wins_in_every_order(
    store: Store, order: tuple[Callable[..., Any], ...]
) -> None:
    run = await exchange(store)
    (task,) = (await store.tasks.list_due(now(), limit=9))[0]
    seen = await store.titles.get_exchange(task)
    for step in order:
        await step(store, run, task, seen)
    left = (await store.tasks.list_due(now(), limit=9))[0]
    for again in left:  # Wished after the name was given: it is looked for once more.
        exchanged = await store.titles.get_exchange(again)
        if exchanged.may_be_named:
            await store.titles.name(again, exchanged, "Another", [])
    found = await store.conversations.get(OWNER, run.conversation_id)
    ours = order.index(_rename) > order.index(_wish)
    assert len(left) == (order.index(_wish) > order.index(_name))
    assert found.title == ("Mine" if ours else "Another" if left else "Theirs")
    assert found.title_source is (TitleSource.USER if ours else TitleSource.AUTO)


async def test_a_wish_that_comes_while_there_was_nothing_to_name_is_not_lost(store: Store) -> None:
    run = await exchange(store)
    (task,) = (await store.tasks.list_due(now(), limit=9))[0]
    await store.conversations.rename(OWNER, run.conversation_id, "Mine")
    seen = await store.titles.get_exchange(task)
    assert not seen.may_be_named
    await store.titles.wish(OWNER, run.conversation_id)
    assert not await store.titles.leave(task, seen)
    assert (await store.titles.get_exchange(task)).may_be_named


async def test_an_answer_that_is_completed_twice_is_named_once(store: Store, database: Path | str) -> None:
    run = await exchange(store)
    await rows(database, f"UPDATE generations SET finish_reason = 'length' WHERE id = '{run.id}'")
    more = await store.generations.continue_answer(OWNER, Ask(MODEL, None, None), message_id=run.message_id)
    await settle(store, more.generation)
    assert await rows(database, "SELECT count(*) FROM tasks") == [(1,)]


async def test_what_a_deleted_conversation_began_with_is_gone(store: Store) -> None:
    run = await exchange(store)
    (task,) = (await store.tasks.list_due(now(), limit=9))[0]
    await store.conversations.delete(OWNER, run.conversation_id)
    with pytest.raises(NotFound):
        await store.titles.get_exchange(task)
    assert (await store.tasks.list_due(now(), limit=9))[0] == []
