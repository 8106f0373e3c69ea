"""Conversations as files: complete, safe to keep, and made while others write."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from holdfast.domain import Citation, Outcome, Rating, Status, Usage
from holdfast.store import Store
from holdfast.store import messages as messages_
from holdfast.store import transfers as transfers_
from holdfast.store.look import look
from holdfast.transfer.export import export_all, export_one
from holdfast.transfer.form import Form
from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import Served, serving
from stored import OWNER, add_stranger, ask, exchange, send, settle, write

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"


async def exported(store: Store, form: Form = Form.JSON) -> bytes:
    return b"".join([part async for part in export_all(store.transfers, OWNER, form)])


async def test_a_file_holds_every_branch_run_and_rating(store: Store) -> None:
    first = await exchange(store, "Hello?")
    again = (await store.generations.answer_again(OWNER, ask(), user_message_id=first.user_message_id)).generation
    await write(store, again, "Good ", "day.")
    usage = Usage(prompt_tokens=9, completion_tokens=2, cost=4_000_000)
    outcome = Outcome(model_id_used="acme/other", usage=usage, duration_ms=120)
    await store.generations.settle(again.id, Status.STOPPED, outcome, None)
    more = (await store.generations.continue_answer(OWNER, ask(), message_id=again.message_id)).generation
    await write(store, more, " Sir.")
    await settle(store, more)
    await store.messages.rate(OWNER, first.message_id, Rating(-1, ("wrong",), "No."))
    await store.conversations.pin(OWNER, first.conversation_id, pinned=True)
    (conversation,) = json.loads(await exported(store))["conversations"]
    question, one, other = conversation["messages"]
    assert (conversation["id"], conversation["pinned"]) == (first.conversation_id, True)
    assert conversation["current_message_id"] == other["id"] == again.message_id
    assert (question["role"], question["content"], "parent_id" in question) == ("user", "Hello?", False)
    assert [each["parent_id"] for each in (one, other)] == [question["id"]] * 2
    assert one["rating"] == {"value": -1, "reasons": ["wrong"], "comment": "No."}
    assert other["content"] == "Good day. Sir."
    stopped, completed = other["runs"]
    assert (stopped["status"], stopped["model_id_used"], stopped["cost"]) == ("stopped", "acme/other", "0.000004")
    assert (completed["status"], completed["offset"]) == ("complete", len("Good day."))


async def test_an_answer_that_is_being_written_is_there_as_far_as_it_is(store: Store) -> None:
    begun = (await send(store)).generation
    await write(store, begun, "So ", "far")
    (conversation,) = json.loads(await exported(store))["conversations"]
    assert conversation["messages"][1]["content"] == "So far"
    assert conversation["messages"][1]["status"] == "streaming"


async def test_the_command_sees_one_moment_while_an_answer_ends(
    store: Store, database: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = (await send(store)).generation
    await write(store, begun, "So ", "far")
    loop, real = asyncio.get_running_loop(), messages_.under_way

    def ended_between(*arguments: Any) -> Any:
        asyncio.run_coroutine_threadsafe(settle(store, begun), loop).result()
        return real(*arguments)

    monkeypatch.setattr(messages_, "under_way", ended_between)
    looking = transfers_.Looking(database).get(OWNER, begun.conversation_id)
    answered = (await asyncio.to_thread(asyncio.run, looking)).messages[-1]
    assert (answered.content, answered.status) == ("So far", Status.STREAMING)
    assert (await store.transfers.get(OWNER, begun.conversation_id)).messages[-1].status is Status.COMPLETE


async def test_whatever_looks_into_a_database_sees_one_moment(store: Store, database: Path | str) -> None:
    await exchange(store)
    loop = asyncio.get_running_loop()

    def count_twice(connection: Connection) -> tuple[Any, Any]:
        first = connection.exec_driver_sql("SELECT count(*) FROM messages").scalar()
        asyncio.run_coroutine_threadsafe(exchange(store), loop).result()
        return first, connection.exec_driver_sql("SELECT count(*) FROM messages").scalar()

    assert await asyncio.to_thread(asyncio.run, look(database, count_twice)) == (2, 2)


async def test_a_blind_comparison_is_not_unveiled_by_a_file(store: Store) -> None:
    first, second = (await compare(store)).answers
    (conversation,) = json.loads(await exported(store))["conversations"]
    assert conversation["comparisons"] == [
        {"user_message_id": conversation["messages"][0]["id"], "count": 2, "blind": True}
    ]
    assert b"acme" not in await exported(store) + await exported(store, Form.MARKDOWN)
    await store.comparisons.pick(OWNER, first.parent_id or "", second.id)
    assert b"acme" in await exported(store)


async def compare(store: Store) -> Any:
    begun = await store.generations.send(
        OWNER, ask(), content="?", conversation_id=None, parent=None, others=[ask()], blind=True
    )
    for generation in (begun.generation, *begun.others):
        await write(store, generation, "Yes.")
        await store.generations.settle(generation.id, Status.COMPLETE, Outcome(model_id_used="acme/x"), None)
    return await store.comparisons.get(OWNER, begun.generation.user_message_id)


async def test_a_file_of_all_has_nothing_of_others_and_skips_what_is_deleted_meanwhile(
    store: Store, database: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers_, "PAGE", 2)
    kept = [(await exchange(store, f"Question {number}")).conversation_id for number in range(5)]
    stranger = await add_stranger(database)
    await send(store, "secret", owner=stranger)
    parts = export_all(store.transfers, OWNER, Form.JSON)
    file = [await anext(parts), await anext(parts)]
    await store.conversations.delete(OWNER, kept.pop(1))
    file += [part async for part in parts]
    assert [each["id"] for each in json.loads(b"".join(file))["conversations"]] == kept
    assert b"secret" not in b"".join(file)


async def test_an_empty_file_is_a_file(store: Store) -> None:
    document = json.loads(await exported(store))
    assert (document["format"], document["version"], document["conversations"]) == ("holdfast", 1, [])
    assert await exported(store, Form.MARKDOWN) == b""


async def test_markdown_shows_the_current_branch(store: Store) -> None:
    first = await exchange(store, "What is *this*?")
    again = (await store.generations.answer_again(OWNER, ask(), user_message_id=first.user_message_id)).generation
    await write(store, again, "Half an")
    outcome = Outcome(model_id_used="acme/chat_2")
    await store.generations.settle(again.id, Status.STOPPED, outcome, None)
    await store.conversations.rename(OWNER, first.conversation_id, "Of [links](x) & <b>")
    whole = await store.transfers.get(OWNER, first.conversation_id)
    lines = export_one(whole, Form.MARKDOWN).decode().split("\n\n")
    assert lines[0] == r"# Of \[links\](x) \& \<b\>"
    assert lines[1].endswith("1 messages on other branches are not shown*")
    assert lines[2:] == ["## You", "What is *this*?", r"## acme/chat\_2", "Half an", "*(stopped)*\n"]


async def test_markdown_lists_what_an_answer_cites_with_the_host_that_each_leads_to(store: Store) -> None:
    begun = (await send(store)).generation
    await write(store, begun, "So it is.\n")
    found = [
        Citation("https://evil.example/a_(b)?c=d&lt;e", "[bank.example](https://bank.example)"),
        Citation("http://x.io:8/"),
    ]
    await store.generations.settle(begun.id, Status.STOPPED, Outcome(citations=tuple(found)), None)
    whole = await store.transfers.get(OWNER, begun.conversation_id)
    listed = [
        r"1. [\[bank.example\](https://bank.example)](<https://evil.example/a_(b)?c=d&amp;lt;e>) (evil.example)",
        "2. [x.io:8](<http://x.io:8/>)",
    ]
    parts = export_one(whole, Form.MARKDOWN).decode().split("\n\n")
    assert parts[-4:] == ["So it is.", "### Sources", "\n".join(listed), "*(stopped)*\n"]


async def test_a_file_comes_over_http_under_a_name_that_is_safe(served: Served, upstream: LoopbackOpenRouter) -> None:
    upstream.by_model[MODEL] = lambda: answer("Yes.", model=MODEL)
    started = (await served.send("Is it?", model_id=MODEL))[0].event
    path = f"/api/conversations/{started['conversation_id']}"
    title = '../..\\"; x="é\u202e'
    await served.http.patch(path, json={"title": title})
    response = await served.http.get(f"{path}/export")
    header = response.headers["content-disposition"]
    assert header == "attachment; filename=\"conversation.json\"; filename*=UTF-8''-..--%3B%20x%3D-%C3%A9.json"
    (conversation,) = response.json()["conversations"]
    assert [message["content"] for message in conversation["messages"]] == ["Is it?", "Yes."]
    assert response.headers["x-content-type-options"] == "nosniff"
    every = await served.http.get("/api/export")
    assert every.json()["conversations"] == [conversation]
    markdown = await served.http.get("/api/export?format=markdown")
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.text.endswith("## You\n\nIs it?\n\n## acme/chat-1\n\nYes.\n")
    assert (await served.http.get("/api/export?format=pdf")).status_code == 422


async def test_the_command_writes_beside_a_running_server_and_disturbs_nobody(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Hold()
    upstream.script(answer("some ", "more", holds={1: hold}))
    data, target = tmp_path / "data", tmp_path / "all.json"

    async def export(*arguments: object) -> "subprocess.CompletedProcess[bytes]":
        command = [sys.executable, "-m", "holdfast", "export", "conversations", *map(str, arguments)]
        environment = os.environ | {"HOLDFAST_DATA_DIR": str(data)}
        return await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, check=False)

    async with (
        serving(monkeypatch, data, OPENROUTER_BASE_URL=upstream.base_url) as served,
        served.sending("Go.", model_id=MODEL) as stream,
    ):
        await stream.until("content")
        assert (await export(target)).returncode == 0
        (conversation,) = json.loads(target.read_bytes())["conversations"]
        assert [message["content"] for message in conversation["messages"]] == ["Go.", "some "]
        assert (await export(target)).returncode == 1
        assert (await export(target, "--force", "--format", "markdown")).returncode == 0
        assert target.read_text().endswith("some \n\n*(still being written)*\n")
        hold.release()
        assert [frame async for frame in stream][-1].event["status"] == "complete"
    assert len(json.loads((await export()).stdout)["conversations"]) == 1
