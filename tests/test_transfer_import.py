"""What Holdfast wrote out comes in again: equal, once, whole or not at all, whatever was done to the file."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from holdfast.domain import Citation, Status
from holdfast.errors import UnreadableFile
from holdfast.events import replay
from holdfast.store import Store, open_store
from holdfast.transfer.export import export_all
from holdfast.transfer.form import Form
from holdfast.transfer.read import Reason, files
from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import serving
from stored import OWNER, add_stranger, contents, exchange, send, write
from transferred import alike, document_of, stored, take_in, whole

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"
SEED = 20261121


async def exported(store: Store) -> bytes:
    return b"".join([part async for part in export_all(store.transfers, OWNER, Form.JSON)])


async def test_random_trees_come_in_as_they_went_out(store: Store) -> None:
    random = Random(SEED)
    before = sorted((whole(random) for _ in range(40)), key=lambda each: each.conversation.id)
    report = await take_in(store, document_of(*before))
    assert (report.conversations, report.messages) == (40, sum(len(each.messages) for each in before))
    assert not report.left_out
    after = sorted(await stored(store), key=lambda each: each.origin or "")  # Several are stored at a time.
    assert [alike(each) for each in after] == [alike(each) for each in before]
    again = await take_in(store, await exported(store))
    assert (again.conversations, again.left_out) == (0, {Reason.KNOWN: 40})


async def test_an_imported_answer_can_be_followed_and_read_on_the_page(store: Store) -> None:
    random = Random(SEED)
    await take_in(store, document_of(*(whole(random) for _ in range(10))))
    answers = 0
    for each in await stored(store):
        for message in each.messages:
            for run in message.generations:
                frames = b"".join(replay(run, message.content, message.reasoning, 0))
                assert frames.endswith(b"\n\n")
                answers += 1
    assert answers > 20


async def test_of_what_an_answer_cites_only_the_web_comes_in(store: Store) -> None:
    generation = await exchange(store)
    (conversation,) = json.loads(await exported(store))["conversations"]
    urls = ["https://a.example/", "javascript:alert(1)", "https://me:secret@a.example/", "https://a.example/\u202e"]
    (run,) = conversation["messages"][1]["runs"]
    run["citations"] = [{"url": url, "title": "\u202eA\0\n"} for url in [*urls, *urls]]
    await store.conversations.delete(OWNER, generation.conversation_id)
    file = {"format": "holdfast", "version": 1, "conversations": [conversation]}
    assert (await take_in(store, json.dumps(file).encode())).conversations == 1
    (back,) = await stored(store)
    assert back.messages[1].generations[0].outcome.citations == (Citation("https://a.example/", "A"),)


async def test_the_same_file_twice_adds_nothing(store: Store, database: Path | str) -> None:
    random = Random(SEED)
    file = document_of(*(whole(random) for _ in range(5)))
    would = await take_in(store, file, dry_run=True)
    assert (await contents(database))["conversations"] == []
    did = await take_in(store, file)
    assert (would.conversations, would.messages) == (did.conversations, did.messages) == (5, did.messages)
    before = await contents(database)
    for dry_run in (True, False):
        again = await take_in(store, file, dry_run=dry_run)
        assert (again.conversations, again.messages, again.left_out) == (0, 0, {Reason.KNOWN: 5})
    assert await contents(database) == before


async def test_what_a_file_says_twice_is_taken_once(store: Store) -> None:
    one = whole(Random(SEED))
    for dry_run in (True, False):
        report = await take_in(store, document_of(one, one), dry_run=dry_run)
        assert (report.conversations, report.left_out) == (1, {Reason.KNOWN: 1})


async def test_what_was_begun_here_is_not_doubled_by_its_own_export(store: Store, database: Path | str) -> None:
    await exchange(store)
    before = await contents(database)
    report = await take_in(store, await exported(store))
    assert (report.conversations, report.left_out) == (0, {Reason.KNOWN: 1})
    assert await contents(database) == before


async def test_what_was_begun_here_is_not_doubled_when_it_comes_back_from_elsewhere(
    store: Store, database: Path | str, tmp_path: Path
) -> None:
    await exchange(store)
    before = await contents(database)
    elsewhere = await open_store(tmp_path / "elsewhere.sqlite3", lambda _line: None)
    try:
        assert (await take_in(elsewhere, await exported(store))).conversations == 1
        back = await exported(elsewhere)
    finally:
        await elsewhere.aclose()
    for dry_run in (True, False):
        report = await take_in(store, back, dry_run=dry_run)
        assert (report.conversations, report.left_out) == (0, {Reason.KNOWN: 1})
    assert await contents(database) == before


async def test_a_deleted_conversation_comes_back_and_keeps_what_it_was_called(store: Store) -> None:
    generation = await exchange(store)
    file = await exported(store)
    await store.conversations.delete(OWNER, generation.conversation_id)
    assert (await take_in(store, file)).conversations == 1
    (back,) = await stored(store)
    assert back.conversation.id != generation.conversation_id
    assert back.origin == f"holdfast:{generation.conversation_id}"
    assert (await take_in(store, await exported(store))).conversations == 0


async def test_an_id_of_somebody_else_tells_and_changes_nothing(store: Store, database: Path | str) -> None:
    stranger = await add_stranger(database)
    theirs = (await send(store, "secret", owner=stranger)).generation
    file = json.loads(document_of(whole(Random(SEED))))
    (conversation,) = file["conversations"]
    conversation["id"] = theirs.conversation_id
    for old, new in zip([each["id"] for each in conversation["messages"]], [theirs.message_id, "x"], strict=False):
        conversation = json.loads(json.dumps(conversation).replace(old, new))
    before = await store.transfers.get(stranger, theirs.conversation_id)
    assert (await take_in(store, json.dumps(file | {"conversations": [conversation]}).encode())).conversations == 1
    assert await store.transfers.get(stranger, theirs.conversation_id) == before


async def test_an_answer_that_was_being_written_is_interrupted(store: Store) -> None:
    begun = (await send(store)).generation
    await write(store, begun, "So far")
    file = await exported(store)
    await store.conversations.delete(OWNER, begun.conversation_id)
    await take_in(store, file)
    (back,) = await stored(store)
    message = back.messages[-1]
    assert (message.content, message.status) == ("So far", Status.INTERRUPTED)
    assert message.generations[-1].failure
    assert await store.generations.settle_abandoned() == 0


def spoiled(**changes: Any) -> bytes:
    """A file whose one conversation has other values at some places, given as a path with dashes."""
    (file,) = [json.loads(document_of(whole(Random(SEED))))]
    for path, value in changes.items():
        at: Any = file["conversations"][0]
        *way, last = [int(step) if step.isdigit() else step for step in path.split("__")]
        for step in way:
            at = at[step]
        at[last] = value
    return json.dumps(file).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": {}},
        {"messages__0__id": 7},
        {"messages__0__role": "system"},
        {"messages__0__parent_id": "nobody"},
        {"messages__0__role": "assistant", "messages__0__runs": [{"status": "done"}]},
        {"messages__0__created_at": "yesterday"},
        {"comparisons": [{"user_message_id": "nobody", "count": 2}]},
        {"title": None},
        {"messages__0__rating": {"value": 1, "reasons": ["wrong\n"]}},
    ],
    ids=str,
)
async def test_a_conversation_that_makes_no_sense_is_left_out_and_costs_no_other(
    store: Store, changes: dict[str, Any]
) -> None:
    file = json.loads(spoiled(**changes))
    good = whole(Random(1))
    file["conversations"].append(json.loads(document_of(good))["conversations"][0])
    report = await take_in(store, json.dumps(file).encode())
    assert (report.conversations, sum(report.left_out.values())) == (1, 1)
    assert [alike(each) for each in await stored(store)] == [alike(good)]


async def test_a_long_origin_and_a_long_id_are_kept_short_and_apart(store: Store) -> None:
    for changes in ({"origin": "\u4e00" * 100_000}, {"origin": "x" * 301}, {"id": "y" * 9000}, {"id": "z" * 9000}):
        file = spoiled(**changes)
        assert (await take_in(store, file)).conversations == 1
        assert (await take_in(store, file)).left_out == {Reason.KNOWN: 1}
    found = await stored(store)
    assert len({each.origin for each in found}) == 4
    assert all(len(each.origin or "") < 100 for each in found)
    assert (await take_in(store, await exported(store))).conversations == 0


async def test_a_comparison_that_lost_its_answers_is_dropped(store: Store) -> None:
    question: dict[str, Any] = {"id": "q", "role": "user", "content": "?", "created_at": "2024-05-01T16:35:11Z"}
    answer = question | {"id": "a", "role": "assistant", "parent_id": "q"}
    lost: dict[str, Any] = {"user_message_id": "q", "count": 2, "blind": True}
    alone = spoiled(messages=[question], comparisons=[lost])
    single = spoiled(id="other", messages=[question, answer], comparisons=[lost | {"picked_message_id": "a"}])
    for file in (alone, single):
        assert (await take_in(store, file)).conversations == 1
    assert [each.comparisons for each in await stored(store)] == [(), ()]


async def test_times_and_titles_of_nonsense_are_made_sane(store: Store) -> None:
    future, title = "9999-12-31T23:59:59Z", "a\u202eb\x00\n<img src=x>" + "c" * 500
    await take_in(store, spoiled(created_at=future, updated_at="0001-01-01T00:00:00Z", title=title))
    (found,) = await stored(store)
    assert found.conversation.title == "ab <img src=x>" + "c" * 66
    page, _ = await store.conversations.list(OWNER, limit=10)
    assert page[0].updated_at < 2_000_000_000_000_000
    assert found.conversation.created_at < 2_000_000_000_000_000


@pytest.mark.parametrize(
    "file",
    [b"", b"PDF", b"[]", b"{}", b"[1, 2]", b'{"a": 1}', b"[[[[", b"\xff\xfe", b'["\\ud800"]', b"nul", b"[{}] x"],
)
async def test_a_file_with_nothing_in_it_is_never_done(store: Store, file: bytes) -> None:
    for dry_run in (True, False):
        with pytest.raises(UnreadableFile):
            await take_in(store, file, dry_run=dry_run)
    assert await stored(store) == []


async def test_a_newer_holdfasts_file_is_refused(store: Store) -> None:
    with pytest.raises(UnreadableFile, match="newer"):
        await take_in(store, document_of(whole(Random(SEED))).replace(b'"version":1', b'"version":2'))


async def test_fields_in_another_order_and_a_byte_order_mark_are_no_obstacle(store: Store) -> None:
    one = whole(Random(SEED))
    file = json.dumps(json.loads(document_of(one)), sort_keys=True, indent=2)
    assert (await take_in(store, b"\xef\xbb\xbf" + file.encode())).conversations == 1
    assert [alike(each) for each in await stored(store)] == [alike(one)]


async def test_what_is_too_large_ends_the_import_and_leaves_what_came_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ITEM_LIMIT", 1 << 20)
    one = whole(Random(SEED))
    endless = document_of(one)[: -len(b"\n]}\n")] + b',\n{"id":"' + b"x" * (3 << 20)
    with pytest.raises(UnreadableFile, match="larger than 1 MiB"):
        await take_in(store, endless)
    assert [alike(each) for each in await stored(store)] == [alike(one)]


async def test_a_file_that_was_cut_or_spoiled_anywhere_leaves_only_whole_conversations(tmp_path: Path) -> None:
    random = Random(SEED)
    before = [whole(random) for _ in range(6)]
    file = document_of(*before)
    known = [alike(each) for each in before]
    store = await open_store(tmp_path / "holdfast.sqlite3", lambda _line: None)
    for trial in range(60):
        at = random.randrange(len(file))
        cut = trial % 2 == 0
        spoilt = file[:at] if cut else file[:at] + bytes([random.randrange(256)]) + file[at + 1 :]
        with suppress(UnreadableFile):
            report = await take_in(store, spoilt)
            assert report.conversations
            assert not cut or not file[at:].strip()
        found = await stored(store)
        if cut:
            assert all(alike(each) in known for each in found), f"cut at {at}, seed {SEED}"
        for each in found:
            assert {message.parent_id for message in each.messages} <= {None, *(m.id for m in each.messages)}
            await store.messages.list(OWNER, each.conversation.id)
            await store.conversations.delete(OWNER, each.conversation.id)
    await store.aclose()


async def test_the_command_takes_in_beside_a_running_server_which_goes_on(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Hold()
    upstream.script(answer("some ", "more", holds={1: hold}))
    data, file = tmp_path / "data", tmp_path / "all.json"
    random = Random(SEED)
    file.write_bytes(document_of(*(whole(random) for _ in range(20))))

    async def take(*arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "holdfast", "import", *map(str, arguments)]
        environment = os.environ | {"HOLDFAST_DATA_DIR": str(data)}
        return await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, check=False, text=True
        )

    refused = await take(file)
    assert (refused.returncode, "There is no database" in refused.stderr) == (1, True)
    async with (
        serving(monkeypatch, data, OPENROUTER_BASE_URL=upstream.base_url) as served,
        served.sending("Go.", model_id=MODEL) as stream,
    ):
        await stream.until("content")
        would = await take(file, "--dry-run")
        assert "20 conversations with" in would.stdout
        assert "would be taken in" in would.stdout
        assert len((await served.get("/api/conversations"))["items"]) == 1
        assert (await take(file)).returncode == 0
        assert len((await served.get("/api/conversations?limit=100"))["items"]) == 21
        again = await take(file)
        assert (again.returncode, "left out    20 that are here already" in again.stdout) == (0, True)
        hold.release()
        assert [frame async for frame in stream][-1].event["status"] == "complete"
    file.write_bytes(b"[]")
    nothing = await take(file)
    assert (nothing.returncode, nothing.stderr) == (1, "holdfast: There is no conversation in this file.\n")
    assert (await take(tmp_path / "nowhere")).returncode == 1
