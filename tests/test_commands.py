"""The command line: what it says, what it leaves alone, and the status it ends with."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdfast import commands
from holdfast.store import Store, open_store
from holdfast.store.ratings import read_rated
from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import Served, content, serving
from stored import exchange, rows, send, write

pytestmark = pytest.mark.anyio

MODEL = "acme/chat-1"
WELL, REFUSED, USAGE, PROBLEMS = 0, 1, 2, 3


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def path(data: Path) -> Path:
    return data / "holdfast.sqlite3"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, as the program does."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["holdfast", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            commands.main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 10)


def told(ended: Ended) -> dict[str, int]:
    """The problems that `check --json` found, by their codes."""
    return {problem["code"]: problem["count"] for problem in json.loads(ended.out)["problems"]}


async def make(path: Path, message: str = "Hello?") -> None:
    store = await open_store(path, lambda _line: None)
    await exchange(store, message)
    await store.aclose()


async def test_help_lists_every_command(run: Run) -> None:
    listed = run("--help")
    assert listed.status == WELL
    for name in ("serve", "backup", "restore", "check", "export", "import"):
        assert f" {name} " in listed.out


def test_keeping_a_database_needs_no_web_server() -> None:
    script = (
        "import sys, holdfast.commands.keeping, holdfast.commands.ratings, holdfast.commands.transferring\n"
        "found = {'fastapi', 'uvicorn', 'uvloop', 'alembic', 'aiohttp', 'httpx2'} & sys.modules.keys()\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("arguments", [("backup",), ("restore",), ("check", "--loudly"), ("back",)])
async def test_wrong_usage_has_a_status_of_its_own(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).status == USAGE


async def test_a_backup_in_the_middle_of_an_answer_holds_what_was_shown_and_marks_it(
    upstream: LoopbackOpenRouter, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    hold = Hold()
    upstream.script(answer(*(f"t{number} " for number in range(50)), "end", holds={50: hold}))
    address = {"OPENROUTER_BASE_URL": upstream.base_url}
    shown: list[str] = []
    async with serving(monkeypatch, data, **address) as served, served.sending("Go.", model_id=MODEL) as stream:
        started = (await stream.until("started")).event
        while "t49 " not in "".join(shown):
            shown.append((await stream.until("content")).event["content"])
        made = run("backup", tmp_path / "one.backup")
        assert (made.status, made.err) == (WELL, "")
        hold.release()
        rest = [frame async for frame in stream]  # The server was not disturbed.
        assert content(rest) == "end"
        assert rest[-1].event["status"] == "complete"
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(tmp_path / "new"))
    assert run("restore", tmp_path / "one.backup").status == WELL
    async with serving(monkeypatch, tmp_path / "new", **address) as served:
        user, assistant = await served.messages(started["conversation_id"])
        assert user["content"] == "Go."
        assert (assistant["content"], assistant["status"]) == ("".join(shown), "interrupted")
        frames = await served.follow(started["generation_id"])
        assert content(frames) == "".join(shown)
        assert frames[-1].event["status"] == "interrupted"
    assert len(upstream.completions) == 1


async def test_a_backup_that_is_there_is_replaced_only_with_force(path: Path, tmp_path: Path, run: Run) -> None:
    await make(path)
    target = tmp_path / "one.backup"
    assert run("backup", target).status == WELL
    refused = run("backup", target)
    assert refused.status == REFUSED
    assert "--force" in refused.err
    assert run("backup", "--force", target).status == WELL


async def test_a_backup_that_fails_says_why_and_leaves_no_file(path: Path, tmp_path: Path, run: Run) -> None:
    await make(path, "x" * 100_000)
    damage(path)
    failed = run("backup", tmp_path / "one.backup")
    assert failed.status == REFUSED
    assert failed.err.startswith("holdfast: No backup was made. The database is damaged (")
    assert list(files(tmp_path)) == []


async def test_a_restore_waits_until_no_server_uses_the_directory(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    assert run("backup", tmp_path / "one.backup").status == WELL
    refused = run("restore", tmp_path / "one.backup")
    assert refused.status == REFUSED
    assert f"is in use by another Holdfast, process {os.getpid()};" in refused.err
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{served.data / 'holdfast.sqlite3'}")
    refused = run("restore", tmp_path / "one.backup")
    assert refused.status == REFUSED
    assert f"process {os.getpid()};" in refused.err
    assert not [name for name in files(served.data) if "replaced" in name or "incoming" in name]


async def test_a_restore_says_where_the_database_before_is(path: Path, tmp_path: Path, run: Run) -> None:
    await make(path)
    assert run("backup", tmp_path / "one.backup").status == WELL
    restored = run("restore", tmp_path / "one.backup")
    (aside,) = path.parent.glob("*.replaced-*")
    assert restored.status == WELL
    assert f"What was there before is kept: {aside}" in restored.out
    refused = run("restore", tmp_path / "two.backup")
    assert (refused.status, refused.out) == (REFUSED, "")


async def test_a_database_that_is_well_is_told_so_and_left_alone(path: Path, data: Path, run: Run) -> None:
    await make(path)
    before = files(data)
    found = run("check")
    assert found.status == WELL
    assert found.out.startswith(f"{path}: all is well.\n")
    assert found.out.splitlines()[-1].split(maxsplit=1) == ["server", "none runs"]
    assert files(data) == before
    as_json = json.loads(run("check", "--json").out)
    assert as_json["size"] == len(before[path.name])
    assert (as_json["problems"], as_json["process"], as_json["streaming"]) == ([], None, 0)
    assert as_json["revision"] == as_json["expected_revision"]
    assert as_json["free"] > 0


async def test_answers_that_are_being_written_are_counted_and_no_problem(
    served: Served, upstream: LoopbackOpenRouter, run: Run
) -> None:
    hold = Hold()
    upstream.script(answer("some ", "more", holds={1: hold}))
    async with served.sending("Go.", model_id=MODEL) as stream:
        await stream.until("content")
        found = run("check")
        assert found.status == WELL
        assert f"process {os.getpid()}, 1 answers being written" in found.out
        as_json = json.loads(run("check", "--json").out)
        assert (as_json["streaming"], as_json["process"]) == (1, str(os.getpid()))
        assert as_json["wal_size"] > 0
        hold.release()
        assert [frame async for frame in stream][-1].event["status"] == "complete"


async def test_answers_that_nobody_writes_any_more_are_a_problem_until_the_next_start(path: Path, run: Run) -> None:
    store = await open_store(path, lambda _line: None)
    begun = await send(store)
    await write(store, begun.generation, "Hi.")
    await store.aclose()
    found = run("check")
    assert found.status == PROBLEMS
    assert "problem     1 answers were cut off when the server ended; the next start settles them" in found.out
    assert told(run("check", "--json")) == {"stuck_generations": 1}
    store = await open_store(path, lambda _line: None)
    await store.generations.settle_abandoned()
    await store.aclose()
    assert run("check").status == WELL


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("DELETE FROM conversations", "damaged"),
        ("UPDATE messages SET status = 'streaming' WHERE role = 'assistant'", "messages_nobody_writes"),
        ("INSERT INTO pieces SELECT id, 2, 0, 'x' FROM generations", "pieces_of_ended_generations"),
        ("UPDATE alembic_version SET version_num = '9999'", "newer_revision"),
        ("DROP TABLE alembic_version", "no_holdfast_database"),
    ],
)
async def test_what_should_not_be_there_is_found(path: Path, run: Run, harm: str, found: str) -> None:
    await make(path)
    await rows(path, harm)
    checked = run("check", "--json")
    assert checked.status == PROBLEMS
    assert set(told(checked)) == {found}
    assert run("check").out.count("problem     ") >= 1


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("DELETE FROM conversations", {"messages_without_conversation": 2}),
        ("DELETE FROM messages WHERE role = 'user'", {"generations_without_message": 1}),
    ],
)
async def test_rows_that_have_lost_what_they_belong_to_are_counted(
    path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, harm: str, found: dict[str, int]
) -> None:
    """Even where SQLite would not notice, as in a table that forgot its references."""
    await make(path)
    await rows(path, harm)
    monkeypatch.setattr("holdfast.store.check.damage", lambda *_: [])
    assert told(run("check", "--json")) == found


async def test_damage_is_found(path: Path, run: Run) -> None:
    await make(path, "x" * 100_000)
    damage(path)
    before = files(path.parent)
    checked = run("check", "--json")
    assert checked.status == PROBLEMS
    assert set(told(checked)) == {"damaged"}
    assert files(path.parent) == before


async def test_what_cannot_be_checked_has_a_status_of_its_own_and_nothing_is_made(data: Path, run: Run) -> None:
    missing = run("check")
    assert missing.status == REFUSED
    assert "There is no database at" in missing.err
    assert files(data) == {}
    (data / "holdfast.sqlite3").write_text("Dear diary, " * 1000)
    assert run("check").status == REFUSED
    assert list(files(data)) == ["holdfast.sqlite3"]


async def test_a_check_while_somebody_writes_holds_nobody_up(path: Path, run: Run) -> None:
    await make(path)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE messages SET content = 'changed'")
        assert run("check").status == WELL
        other.execute("COMMIT")


@pytest.mark.parametrize(
    ("arguments", "tool"),
    [(("backup", "x"), "pg_dump"), (("restore", "x"), "pg_restore"), (("check",), "pg_amcheck")],
)
async def test_postgresql_is_left_to_its_own_tools(
    data: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], tool: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somebody:canary@127.0.0.1/holdfast")
    refused = run(*arguments)
    assert refused.status == REFUSED
    assert tool in refused.err
    assert "canary" not in refused.err + refused.out
    assert files(data) == {}


async def test_a_wrong_setting_stops_a_command_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")
    refused = run("check")
    assert (refused.status, refused.err.splitlines()[0][:15]) == (REFUSED, "holdfast: PORT=")


async def test_rated_answers_are_written_out_beside_a_running_server(
    upstream: LoopbackOpenRouter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(monkeypatch, data, OPENROUTER_BASE_URL=upstream.base_url) as served:
        upstream.by_model[MODEL] = lambda: answer("Yes.", model="acme/other")
        started = (await served.send("One?", model_id=MODEL))[0].event
        second = (await served.send("Two?", model_id=MODEL, conversation_id=started["conversation_id"]))[0].event
        await served.send("Not rated.", model_id=MODEL)
        rating = {"rating": -1, "reasons": ["wrong"], "comment": "No\nway."}
        await served.http.put(f"/api/messages/{second['message_id']}/rating", json=rating)
        environment = os.environ | {"HOLDFAST_DATA_DIR": str(data)}
        command = [sys.executable, "-m", "holdfast", "export", "ratings"]

        async def export(*arguments: str) -> list[dict[str, Any]]:
            ended = await asyncio.to_thread(
                subprocess.run, [*command, *arguments], env=environment, capture_output=True, check=True
            )
            return [json.loads(line) for line in ended.stdout.splitlines()]

        (line,) = await export()
        assert {"history", "owner_id"} & set(line) == set()
        told = ("prompt", "answer", "rating", "reasons", "comment", "model", "model_id_used", "preset_id", "cost")
        assert [line[name] for name in told] == [
            *("Two?", "Yes.", -1, ["wrong"], "No\nway.", MODEL, "acme/other", None, "0.000004"),
        ]
        (line,) = await export("--history")
        assert line["history"] == [
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "Yes."},
        ]
        assert (await served.messages(started["conversation_id"]))[-1]["content"] == "Yes."


def test_a_file_of_ratings_is_replaced_only_with_force(path: Path, tmp_path: Path, run: Run) -> None:
    target = tmp_path / "ratings.jsonl"
    assert run("export", "ratings", target).status == REFUSED  # There is no database.
    asyncio.run(make(path))
    asyncio.run(rows(path, "UPDATE messages SET rating = 1 WHERE role = 'assistant'"))
    before = files(path.parent)
    assert run("export", "ratings", target).out.endswith("1 rated answers.\n")
    assert run("export", "ratings", target).status == REFUSED
    assert run("export", "ratings", target, "--force").status == WELL
    assert json.loads(target.read_bytes())["prompt"] == "Hello?"
    assert run("export", "ratings", tmp_path / "nowhere" / "x").status == REFUSED
    assert files(path.parent) == before
    asyncio.run(rows(path, "UPDATE alembic_version SET version_num = '0001'"))
    assert "older Holdfast" in run("export", "ratings").err


async def test_every_page_of_ratings_is_read(
    store: Store, database: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.store.ratings._PAGE", 2)
    made = [await exchange(store, f"{number}") for number in range(5)]
    await rows(database, "UPDATE messages SET rating = 1 WHERE role = 'assistant'")
    found = [rated async for rated in read_rated(database, with_history=True)]
    assert [rated.message_id for rated in found] == [run.message_id for run in made]
    assert [(rated.prompt, rated.answer, rated.history) for rated in found[:2]] == [("0", "Hi.", []), ("1", "Hi.", [])]
