"""Whatever is sent, the answer is a clear error in one shape, nothing is lost and nothing is quoted back."""

import asyncio
import json
from typing import Any

import pytest

from holdfast.text import MESSAGE_LIMIT
from openrouter import LoopbackOpenRouter
from replies import Hold, answer
from serving import JSON, Served, content

pytestmark = pytest.mark.anyio

UNKNOWN = "0" * 26
CANARY = "<script>canary</script>"

BODIES: dict[str, tuple[bytes, int, str]] = {
    "not JSON": (b'{"message": ' + CANARY.encode(), 400, "invalid_json"),
    "nothing": (b"", 400, "invalid_json"),
    "not UTF-8": (b'{"message": "\xff\xfe"}', 400, "invalid_utf8"),
    "NaN": (b'{"message": NaN}', 400, "invalid_json"),
    "infinity": (b'{"message": -Infinity}', 400, "invalid_json"),
    "a name twice": (b'{"message": "a", "message": "b"}', 400, "invalid_json"),
    "too deep": (b'{"message": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalid_json"),
    "a number of ten thousand digits": (b'{"preset_id": ' + b"1" * 10_000 + b"}", 400, "invalid_json"),
    "no object": (b'["message"]', 422, "invalid"),
    "null": (b"null", 422, "invalid"),
    "no message": (b"{}", 422, "invalid"),
    "a message that is a number": (b'{"message": 7}', 422, "invalid"),
    "a field nobody knows": (b'{"message": "x", "api_base": "http://evil"}', 422, "invalid"),
    "a provider's own field": (b'{"message": "x", "models": ["a/b"]}', 422, "invalid"),
    "preset 0": (b'{"message": "x", "preset_id": 0}', 422, "invalid"),
    "preset 7": (b'{"message": "x", "preset_id": 7}', 422, "invalid"),
    "a preset in words": (b'{"message": "x", "preset_id": "1"}', 422, "invalid"),
    "a comparison that is no list": (b'{"message": "x", "compare": {}}', 422, "invalid"),
    "a comparison with a name": (b'{"message": "x", "compare": ["a/b"]}', 422, "invalid"),
    "a key with a space": (b'{"message": "x", "client_message_id": "a b"}', 422, "invalid"),
    "a key of 65": (b'{"message": "x", "client_message_id": "%s"}' % (b"k" * 65), 422, "invalid"),
    "an empty message": (b'{"message": ""}', 422, "empty_message"),
    "only blanks": (b'{"message": " \\n\\t\\u00a0\\u200b\\u2060\\ufeff "}', 422, "empty_message"),
    "an unknown model": (b'{"message": "x", "model_id": "acme/chat-2"}', 422, "unknown_model"),
    "an empty model": (b'{"message": "x", "model_id": ""}', 422, "unknown_model"),
    "a model with a line end": (b'{"message": "x", "model_id": "openrouter/a\\nb"}', 422, "unknown_model"),
    "a model of 10 KB": (b'{"message": "x", "model_id": "openrouter/%s"}' % (b"m" * 10_000), 422, "unknown_model"),
    "a conversation that is not there": (
        b'{"message": "x", "conversation_id": "%s"}' % UNKNOWN.encode(),
        404,
        "not_found",
    ),
    "a conversation's id that cannot be": (b'{"message": "x", "conversation_id": "../\\u0000"}', 404, "not_found"),
    "a parent that is not there": (b'{"message": "x", "parent_message_id": "%s"}' % UNKNOWN.encode(), 422, "invalid"),
    "a parent's id that cannot be": (b'{"message": "x", "parent_message_id": "\\u0000"}', 422, "invalid"),
    "more than a body may have": (b'{"message": "%s"}' % (b"x" * 2_100_000), 413, "too_large"),
    "more than a message may have": (b'{"message": "%s"}' % (b"x" * (MESSAGE_LIMIT + 1)), 413, "too_large"),
}


def assert_refused(response: Any, status: int, code: str) -> None:
    """The one error shape, without an echo."""
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), response.text
    assert set(error) == {"code", "message", "retryable", "request_id"}
    assert error["message"].endswith((".", "?"))
    assert response.headers["content-type"] == "application/json"
    assert "canary" not in response.text


async def test_every_bad_body_is_refused_and_stores_nothing(served: Served, upstream: LoopbackOpenRouter) -> None:
    for name, (body, status, code) in BODIES.items():
        response = await served.http.post("/chat", content=body, headers=JSON)
        try:
            assert_refused(response, status, code)
        except (AssertionError, KeyError, ValueError) as error:
            raise AssertionError(name) from error
    assert (await served.get("/api/conversations"))["items"] == []
    assert upstream.completions == []


async def test_a_body_without_a_length_is_measured_as_it_comes(served: Served) -> None:
    async def endless() -> Any:
        for _ in range(1024):
            yield b"x" * 65536

    response = await served.http.post("/chat", content=endless(), headers=JSON)
    assert_refused(response, 413, "too_large")


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_body_that_is_not_json_by_its_own_word_is_415(served: Served, media: str) -> None:
    headers = {"Content-Type": media} if media else {}
    for method, path in (("POST", "/chat"), ("PATCH", f"/api/conversations/{UNKNOWN}"), ("DELETE", "/chat")):
        response = await served.http.request(method, path, content=b'{"message": "x"}', headers=headers)
        assert_refused(response, 415, "unsupported_media_type")


async def test_a_post_without_a_body_needs_no_media_type_but_chat_always_does(served: Served) -> None:
    assert (await served.http.post("/api/conversations")).status_code == 201
    assert_refused(await served.http.post("/chat"), 415, "unsupported_media_type")


async def test_a_message_at_the_limit_is_taken_in_ascii_and_in_emoji(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    for message in ("x" * MESSAGE_LIMIT, "\N{GRINNING FACE}" * (MESSAGE_LIMIT // 4)):
        frames = await served.send(message, model_id="acme/chat-1")
        assert frames[-1].type == "done"
        assert upstream.completions[-1].body["messages"][-1]["content"] == message


async def test_controls_become_visible_and_surrogates_are_replaced(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    body = b'{"message": "a\\u0000b\\u001b\\r\\nc\\ud83d\\u0085\\u2028\\ud83d\\ude00", "model_id": "acme/chat-1"}'
    response = await served.http.post("/chat", content=body, headers=JSON)
    assert response.status_code == 200
    stored = "a\ufffdb\u241b\nc\ufffd\ufffd\u2028\N{GRINNING FACE}"
    conversation = (await served.get("/api/conversations"))["items"][0]["id"]
    assert (await served.messages(conversation))[0]["content"] == stored
    assert upstream.completions[0].body["messages"][-1]["content"] == stored


async def test_what_is_not_there_looks_the_same_everywhere(served: Served) -> None:
    bodies = set()
    for id_ in (UNKNOWN, "x", "..%2f..%2fetc", "%00", "a" * 4000):
        for method, path in (
            ("GET", f"/api/conversations/{id_}"),
            ("PATCH", f"/api/conversations/{id_}"),
            ("DELETE", f"/api/conversations/{id_}"),
            ("GET", f"/api/conversations/{id_}/messages"),
            ("GET", f"/api/generations/{id_}"),
            ("DELETE", f"/api/generations/{id_}"),
            ("GET", f"/api/generations/{id_}/events"),
            ("POST", f"/api/messages/{id_}/generations"),
            ("POST", f"/api/conversations/{id_}/title"),
            ("GET", f"/api/conversations/{id_}/export"),
            ("GET", f"/api/imports/{id_}"),
            ("DELETE", f"/api/imports/{id_}"),
        ):
            body = {"content": b'{"title": "x"}'} if method == "PATCH" else {}
            body = {"content": b"{}"} if method == "POST" else body
            response = await served.http.request(method, path, headers=JSON, **body)  # type: ignore[arg-type]
            assert_refused(response, 404, "not_found")
            bodies.add(response.json()["error"]["message"])
    assert len(bodies) == 1


@pytest.mark.parametrize("cursor", ["x", "MTIz", "....", "%00", "MS4y MS4y", "9" * 500])
async def test_a_lists_cursor_that_was_never_given_out_is_refused(served: Served, cursor: str) -> None:
    assert_refused(await served.http.get("/api/conversations", params={"cursor": cursor}), 400, "invalid_cursor")


async def test_a_page_size_out_of_range_is_refused(served: Served) -> None:
    for limit in ("0", "101", "x", "1e3"):
        assert_refused(await served.http.get("/api/conversations", params={"limit": limit}), 422, "invalid")


async def test_titles_are_one_line_of_eighty_characters(served: Served) -> None:
    conversation = (await served.http.post("/api/conversations")).json()["id"]
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
    for given, kept in (
        ("  two\nlines\there ", "two lines here"),
        ("\u202eevil\u2066", "evil"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("x" * 10_000, "x" * 80),
        ("x" * 78 + family, "x" * 78),
        ("", "New Conversation"),
        ("   ", "New Conversation"),
    ):
        changed = await served.http.patch(f"/api/conversations/{conversation}", json={"title": given})
        assert (changed.json()["title"], changed.json()["title_source"]) == (kept, "user")
    refused = await served.http.patch(f"/api/conversations/{conversation}", json={"title": "x", "owner_id": "me"})
    assert_refused(refused, 422, "invalid")
    assert_refused(await served.http.patch(f"/api/conversations/{conversation}", json={}), 422, "invalid")
    other = {"current_message_id": UNKNOWN}
    assert_refused(await served.http.patch(f"/api/conversations/{conversation}", json=other), 422, "invalid")


async def test_a_parent_of_another_conversation_or_a_question_is_refused(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    first = (await served.send("One.", model_id="acme/chat-1"))[0].event
    second = (await served.send("Two.", model_id="acme/chat-1"))[0].event
    for parent in (second["message_id"], first["user_message_id"]):
        fields = {"conversation_id": first["conversation_id"], "parent_message_id": parent, "message": "x"}
        assert_refused(await served.http.post("/chat", json=fields), 422, "invalid")
    path = f"/api/messages/{first['message_id']}/generations"
    assert_refused(await served.http.post(path, json={}), 422, "invalid")
    assert len(upstream.completions) == 2


async def test_four_answers_to_one_message_may_run_and_a_fifth_may_not(
    served: Served, upstream: LoopbackOpenRouter
) -> None:
    hold = Hold()
    upstream.script(*(answer("x", holds={0: hold}) for _ in range(4)))
    first = asyncio.create_task(served.send("Race.", model_id="acme/chat-1"))
    await upstream.until(lambda: len(upstream.completions) == 1)
    conversation = (await served.get("/api/conversations"))["items"][0]["id"]
    question = (await served.messages(conversation))[0]["id"]
    path = f"/api/messages/{question}/generations"

    async def again() -> list[Any]:
        async with served.open("POST", path, json={"model_id": "acme/chat-1"}) as stream:
            return [frame async for frame in stream]

    others = [asyncio.create_task(again()) for _ in range(3)]
    await upstream.until(lambda: len(upstream.completions) == 4)
    assert_refused(await served.http.post(path, json={"model_id": "acme/chat-1"}), 409, "generation_running")
    hold.release()
    assert {content(frames) for frames in await asyncio.gather(first, *others)} == {"x"}


async def test_a_foreign_host_or_origin_is_refused(served: Served) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "[::1", "", "localhost.evil"):
        response = await served.http.get("/api/session", headers={"Host": host})
        assert response.status_code in {400, 403}, host
    for good in ("localhost", "LOCALHOST:9", "127.0.0.2:8000", "[::1]:8000"):
        assert (await served.http.get("/api/session", headers={"Host": good})).status_code == 200
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        response = await served.http.post("/chat", json={"message": "x"}, headers=headers)
        assert_refused(response, 403, "cross_origin")
    assert_refused(
        await served.http.get("/api/conversations", headers={"Sec-Fetch-Site": "cross-site"}), 403, "cross_origin"
    )
    own = await served.http.post("/api/conversations", headers={"Origin": served.url, "Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 201


async def test_unknown_paths_and_methods_keep_the_one_shape(served: Served) -> None:
    assert_refused(await served.http.get("/api/nothing"), 404, "not_found")
    assert_refused(await served.http.get("/chat"), 405, "method_not_allowed")
    assert_refused(await served.http.request("TRACE", "/api/session"), 405, "method_not_allowed")


async def test_a_head_too_large_or_cut_is_refused(served: Served) -> None:
    response = await served.http.get("/api/session", headers={"X-Noise": "x" * 70_000})
    assert response.status_code == 400
    for head in (b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01", b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
        writer.write(head)
        assert b" 400 " in await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_every_answer_carries_the_security_headers(served: Served) -> None:
    for path in ("/", "/health", "/api/session", "/api/nothing", "/docs"):
        headers = (await served.http.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


async def test_the_openapi_document_lists_the_whole_contract(served: Served) -> None:
    document = json.loads((await served.http.get("/openapi.json")).text)
    assert set(document["paths"]) == {
        "/chat",
        "/api/messages/{id}/generations",
        "/api/generations/{id}/events",
        "/api/generations/{id}",
        "/api/conversations",
        "/api/conversations/{id}",
        "/api/conversations/{id}/messages",
        "/api/conversations/{id}/title",
        "/api/conversations/{id}/export",
        "/api/export",
        "/api/imports",
        "/api/imports/{id}",
        "/api/messages/{id}/comparison",
        "/api/messages/{id}/pick",
        "/api/messages/{id}/rating",
        "/api/events",
        "/api/search",
        "/api/usage",
        "/api/statistics",
        "/api/session",
        "/api/models",
        "/api/presets",
        "/api/presets/{id}",
        "/health",
        "/ready",
    }


async def test_a_request_that_does_not_arrive_is_408(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.http.server.HEAD_DEADLINE", 0.2)
    monkeypatch.setattr("holdfast.http.requests.BODY_DEADLINE", 0.2)
    head = b"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for sent in (head, head + b'Content-Length: 99\r\n\r\n{"mess'):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
        writer.write(sent)
        answered = await reader.readuntil(b"}}")
        assert b" 408 " in answered
        assert b'"code":"timeout"' in answered
        writer.close()
        await writer.wait_closed()


async def test_a_site_that_a_browser_does_not_call_its_own_is_refused(served: Served) -> None:
    for site in ("none", "bogus", "cross-site"):
        assert_refused(
            await served.http.post("/api/conversations", headers={"Sec-Fetch-Site": site}), 403, "cross_origin"
        )


async def test_a_405_names_what_is_allowed(served: Served) -> None:
    assert (await served.http.get("/chat")).headers["allow"] == "POST"
