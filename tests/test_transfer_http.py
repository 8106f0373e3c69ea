"""Imports over HTTP: looked through first, taken in then, with progress, limits and nothing left behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fastapi import Request

from holdfast.errors import Busy
from holdfast.feed import Feed
from holdfast.http import requests
from holdfast.store import Store
from holdfast.transfer import importing, imports
from openrouter import LoopbackOpenRouter
from replies import answer
from serving import Served, serving
from stored import OWNER
from transferred import document_of, whole

pytestmark = pytest.mark.anyio

FILE = {"Content-Type": "application/octet-stream"}
SEED = 20261121


def conversations(count: int) -> bytes:
    random = Random(SEED)
    return document_of(*(whole(random) for _ in range(count)))


async def begin(served: Served, file: bytes, *, dry_run: bool = False) -> dict[str, Any]:
    response = await served.http.post(f"/api/imports?dry_run={dry_run}", content=file, headers=FILE)
    assert response.status_code == 202, response.text
    started: dict[str, Any] = response.json()
    return started


async def ended(served: Served, started: dict[str, Any]) -> dict[str, Any]:
    """An import once it is over. It is asked for again and again, as the page does."""
    async with asyncio.timeout(300):
        while (found := await served.get(f"/api/imports/{started['id']}"))["status"] == "reading":
            assert 0 <= found["position"] <= found["size"]
            await asyncio.sleep(0.02)  # Without a pause the questions would take the reader's time.
    assert isinstance(found, dict)
    return found


def waiting(served: Served) -> list[Path]:
    folder = served.data / "imports"
    return list(folder.iterdir()) if folder.exists() else []


async def listed(served: Served) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await served.get("/api/conversations?limit=100"))["items"]
    return items


async def test_a_file_is_looked_through_then_taken_in_and_the_list_is_fetched_anew(served: Served) -> None:
    file = conversations(12)
    looked = await ended(served, await begin(served, file, dry_run=True))
    assert (looked["status"], looked["dry_run"], looked["conversations"]) == ("done", True, 12)
    assert looked["position"] == looked["size"] == len(file)
    assert await listed(served) == []
    async with served.open("GET", "/api/events") as feed:
        address = f"/api/imports/{looked['id']}"
        response = await served.http.patch(address, json={"dry_run": False})
        assert response.status_code == 202
        taken = await ended(served, looked)
        assert (taken["status"], taken["conversations"], taken["messages"]) == ("done", 12, looked["messages"])
        assert [frame async for frame in feed] == []  # It ends, and who comes back fetches the list.
    assert len(await listed(served)) == 12
    assert waiting(served) == []
    assert (await served.http.patch(address, json={"dry_run": False})).json() == taken
    again = await ended(served, await begin(served, file))
    assert (again["status"], again["conversations"], again["left_out"]["known"]) == ("done", 0, 12)
    for item in await listed(served):
        await served.messages(item["id"])


async def test_what_comes_out_over_http_goes_in_over_http(served: Served) -> None:
    await ended(served, await begin(served, conversations(3)))
    file = (await served.http.get("/api/export")).content
    for item in await listed(served):
        await served.http.delete(f"/api/conversations/{item['id']}")
    assert (await ended(served, await begin(served, file)))["conversations"] == 3
    before = json.loads(file)["conversations"]
    after = (await served.http.get("/api/export")).json()["conversations"]
    assert [each["title"] for each in after] == [each["title"] for each in before]


@pytest.mark.parametrize("file", [b"[]", b"%PDF-1.7", b"[{}]", conversations(2)[:-400]])
async def test_a_file_that_is_none_is_told_with_what_came_before(served: Served, file: bytes) -> None:
    for dry_run in (True, False):
        failed = await ended(served, await begin(served, file, dry_run=dry_run))
        assert (failed["status"], failed["error"]["code"]) == ("failed", "unreadable_file")
        assert "canary" not in failed["error"]["message"]
        assert len(await listed(served)) == (0 if dry_run else failed["conversations"])


async def test_an_upload_that_is_no_file_too_large_or_too_slow_is_refused_and_leaves_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "UPLOAD_LIMIT", 1 << 20)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"[" * 65536

    for media in ("text/plain", "multipart/form-data", "application/x-www-form-urlencoded"):
        response = await served.http.post("/api/imports", content=b"[]", headers={"Content-Type": media})
        assert response.status_code == 415
    response = await served.http.post("/api/imports", content=endless(), headers=FILE)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    monkeypatch.setattr("holdfast.http.requests.BODY_DEADLINE", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    head = (
        b"POST /api/imports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/zip\r\nContent-Length: 9\r\n\r\nPK"
    )
    writer.write(head)
    assert b" 408 " in await reader.readuntil(b"}}")
    writer.close()
    await writer.wait_closed()
    headers = FILE | {"Sec-Fetch-Site": "cross-site"}
    assert (await served.http.post("/api/imports", content=b"[]", headers=headers)).status_code == 403
    monkeypatch.setattr(imports, "_RESERVE", 1 << 60)
    response = await served.http.post("/api/imports", content=b"[]", headers=FILE)
    assert (response.status_code, response.json()["error"]["code"]) == (507, "storage_full")
    assert waiting(served) == []


async def test_one_import_at_a_time_which_can_be_cancelled(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = asyncio.Event()
    real = importing._is_known

    async def held(*arguments: Any, **options: Any) -> bool:
        await go_on.wait()
        return await real(*arguments, **options)

    monkeypatch.setattr(importing, "_is_known", held)
    started = await begin(served, conversations(3), dry_run=True)
    address = f"/api/imports/{started['id']}"
    for refused in (
        await served.http.post("/api/imports", content=b"[]", headers=FILE),
        await served.http.patch(address, json={"dry_run": False}),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
    assert len(waiting(served)) == 1
    assert (await served.http.delete(address)).status_code == 204
    assert (await served.http.get(address)).status_code == 404
    assert waiting(served) == []
    go_on.set()
    assert (await ended(served, await begin(served, conversations(3))))["conversations"] == 3


async def test_what_is_taken_in_while_another_file_comes_is_not_cut_short(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiving, come, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    real = importing._is_known

    async def held(*arguments: Any, **options: Any) -> bool:
        await go_on.wait()
        return await real(*arguments, **options)

    async def at_once() -> AsyncIterator[bytes]:
        yield conversations(3)

    async def slow() -> AsyncIterator[bytes]:
        receiving.set()
        yield b"["
        await come.wait()

    feed, folder = Feed(store), tmp_path / "imports"
    running = imports.Imports(store, feed, folder)
    looked = await running.begin(OWNER, at_once(), dry_run=True)
    assert looked.task
    await looked.task
    monkeypatch.setattr(importing, "_is_known", held)
    second = asyncio.create_task(running.begin(OWNER, slow(), dry_run=True))
    await receiving.wait()
    running.take_in(OWNER, looked.id)
    come.set()
    with pytest.raises(Busy):
        await second
    assert [looked.path] == list(folder.iterdir())
    go_on.set()
    await looked.task
    assert (looked.stage, looked.report.conversations) == (imports.Stage.DONE, 3)
    assert list(folder.iterdir()) == []
    await running.aclose()
    await feed.aclose()


async def test_what_is_done_with_a_piece_is_not_the_senders_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BODY_DEADLINE", 0.05)
    messages = [{"type": "http.request", "body": b"x", "more_body": more} for more in (True, True, False)]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    taken = 0
    async for piece in requests.pieces(Request({"type": "http", "headers": []}, receive)):
        await asyncio.sleep(0.1)  # A disk that is slower than the deadline.
        taken += len(piece)
    assert taken == 3


async def test_what_came_in_goes_on_where_it_answers_something(served: Served, upstream: LoopbackOpenRouter) -> None:
    at = "2026-11-21T12:00:00Z"
    cut = {"role": "assistant", "content": "Once ", "status": "interrupted", "created_at": at}
    run = {"status": "interrupted", "created_at": at}  # Which model it was is not told.
    told: dict[str, Any] = {"title": "A tale", "title_source": "user", "created_at": at, "updated_at": at}
    told["messages"] = [
        cut | {"id": "greeting", "runs": [run]},
        {"id": "question", "role": "user", "content": "Tell me.", "created_at": at},
        cut | {"id": "answer", "parent_id": "question", "runs": [run]},
    ]
    file = {"format": "holdfast", "version": 1, "exported_at": at, "conversations": [told | {"id": "tale"}]}
    assert (await ended(served, await begin(served, json.dumps(file).encode())))["conversations"] == 1
    (conversation,) = (await served.get("/api/export"))["conversations"]
    greeting, _, cut_off = (each["id"] for each in conversation["messages"])
    response = await served.http.post(f"/api/messages/{greeting}/generations", json={"continue": True})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")
    assert "answers no message" in response.json()["error"]["message"]
    upstream.script(answer("upon a time."))
    async with served.open("POST", f"/api/messages/{cut_off}/generations", json={"continue": True}) as stream:
        assert [frame async for frame in stream][-1].event["status"] == "complete"
    assert upstream.completions[-1].model == (await served.get("/api/presets"))["items"][0]["model_id"]


async def test_a_file_that_waits_is_forgotten_after_a_while_and_with_the_process(
    upstream: LoopbackOpenRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "data" / "imports" / "left"
    left.parent.mkdir(parents=True)
    left.touch()
    async with serving(monkeypatch, tmp_path / "data", OPENROUTER_BASE_URL=upstream.base_url) as served:
        assert waiting(served) == []
        monkeypatch.setattr(imports, "KEPT", 0.1)
        address = f"/api/imports/{(await begin(served, conversations(1), dry_run=True))['id']}"
        async with asyncio.timeout(60):
            while (await served.http.get(address)).status_code == 200:
                pass
        assert waiting(served) == []
        monkeypatch.setattr(imports, "KEPT", 3600.0)
        await ended(served, await begin(served, conversations(1), dry_run=True))
        assert len(waiting(served)) == 1
    assert waiting(served) == []
