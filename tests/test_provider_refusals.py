"""Heads and bodies that are no answer, and what each refusal means."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from holdfast.domain import Kind
from holdfast.errors import (
    ContentFiltered,
    ContextTooLong,
    OutOfCredit,
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    UpstreamProtocol,
)
from holdfast.provider.openrouter import OpenRouter
from listening import KEY, listen
from openrouter import LoopbackOpenRouter
from replies import (
    Close,
    Raw,
    Reply,
    Send,
    answer,
    chunk,
    compressed,
    document,
    endless_line,
    event,
    frames,
    many_headers,
    page,
    redirect,
    refusal,
    spent,
)

pytestmark = pytest.mark.anyio
pytest_plugins = ["provider_fixtures"]


# Heads and bodies that are no stream


async def test_a_json_answer_without_streaming_is_taken_in_one_piece(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    message = {"role": "assistant", "content": "Hello \ud83d\ude00", "reasoning": "Hm."}
    upstream.script(
        document(
            {
                "id": "x",
                "object": "chat.completion",
                "model": "acme/whole",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": spent(),
            }
        )
    )
    heard = await listen(provider)
    assert heard.error is None
    assert (heard.text(), heard.text(Kind.REASONING)) == ("Hello 😀", "Hm.")
    assert (heard.outcome.model_id_used, heard.outcome.usage.cost) == ("acme/whole", 4_000_000)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (document({"error": {"code": 402, "message": "Pay"}}), OutOfCredit),
        (document({"ok": True}), UpstreamProtocol),
        (document([]), UpstreamProtocol),
        (page(), UpstreamProtocol),
        (page(status=502), ProviderUnavailable),
        (compressed(event(chunk({"content": "x"}))), UpstreamProtocol),
        (compressed(b"x" * 10_000_000), UpstreamProtocol),
        (endless_line(), UpstreamProtocol),
        (many_headers(10_000), UpstreamProtocol),
        (replace(answer("x"), headers={"X-Long": "y" * 200_000}), UpstreamProtocol),
        (replace(answer("x"), headers={"Content-Type": "image/png"}), UpstreamProtocol),
        (Reply(before=[Raw(b"SSH-2.0-OpenSSH\r\n\r\n"), Close()]), UpstreamProtocol),
    ],
)
async def test_what_is_no_answer_is_refused_with_a_type(
    upstream: LoopbackOpenRouter, provider: OpenRouter, reply: Reply, error: type[ProviderError]
) -> None:
    upstream.script(reply)
    heard = await listen(provider)
    assert isinstance(heard.error, error)
    assert heard.text() == ""


async def test_a_redirect_is_never_followed(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    async with LoopbackOpenRouter() as elsewhere:
        upstream.script(redirect(f"{elsewhere.base_url}/chat/completions"))
        heard = await listen(provider)
        assert isinstance(heard.error, ProviderRejected)
        assert (len(upstream.ledger), len(elsewhere.ledger)) == (1, 0)


# Refusals


@pytest.mark.parametrize(
    ("status", "error", "retryable"),
    [
        (400, ProviderRejected, False),
        (401, ProviderRejected, False),
        (402, OutOfCredit, False),
        (403, ProviderRejected, False),
        (404, ProviderRejected, False),
        (408, ProviderUnavailable, True),
        (413, ContextTooLong, False),
        (422, ProviderRejected, False),
        (429, ProviderRateLimited, True),
        *((status, ProviderUnavailable, True) for status in (500, 502, 503, 504, 524, 529)),
    ],
)
async def test_each_status_has_its_error_and_is_asked_once(
    upstream: LoopbackOpenRouter,
    provider: OpenRouter,
    status: int,
    error: type[ProviderError],
    retryable: bool,  # noqa: FBT001
) -> None:
    upstream.script(refusal(status))
    heard = await listen(provider)
    assert heard.error is not None
    assert (type(heard.error), heard.error.retryable) == (error, retryable)
    assert len(upstream.completions) == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(400, error_type="context_length_exceeded"), ContextTooLong),
        (refusal(400, "This model's maximum context length is 8192 tokens."), ContextTooLong),
        (refusal(400, error_type="content_policy_violation"), ContentFiltered),
        (refusal(403, metadata={"reasons": ["violence"], "flagged_input": "x"}), ContentFiltered),
        (refusal(403, metadata={"limit_source": "openrouter_key_limit"}), OutOfCredit),
        (refusal(500, error_type="rate_limit_exceeded"), ProviderRateLimited),
        (refusal(429, code="insufficient_quota"), OutOfCredit),
        (refusal(400, code="provider_overloaded"), ProviderUnavailable),
        (refusal(418, error_type="something_new"), ProviderRejected),
    ],
)
async def test_what_a_refusal_says_counts_more_than_its_status(
    upstream: LoopbackOpenRouter, provider: OpenRouter, reply: Reply, error: type[ProviderError]
) -> None:
    upstream.script(reply)
    assert type((await listen(provider)).error) is error


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "999999999999"}, 86_400),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": f"Wed, 21 Oct {10**30} 07:28:00 GMT"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({}, None),
    ],
)
async def test_the_time_to_wait_is_passed_on(
    upstream: LoopbackOpenRouter, provider: OpenRouter, headers: Mapping[str, str], seconds: int | None
) -> None:
    upstream.script(refusal(429, headers=headers))
    error = (await listen(provider)).error
    assert error is not None
    assert error.retry_after == seconds


async def test_the_time_to_wait_may_be_a_date(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    upstream.script(refusal(503, headers={"Retry-After": moment}))
    error = (await listen(provider)).error
    assert error is not None
    assert error.retry_after is not None
    assert 200 < error.retry_after <= 301


async def test_availability_says_whether_to_try_again(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(
        refusal(400, availability={"code": "model_not_found", "retryable": True, "retry_after": 12}),
        refusal(503, availability={"retryable": False}),
        refusal(402, headers={"Retry-After": "3"}),
    )
    errors = [(await listen(provider)).error for _ in range(3)]
    assert [error and (error.retryable, error.retry_after) for error in errors] == [
        (True, 12),
        (False, None),
        (True, 3),
    ]


async def test_a_missing_key_says_what_to_do(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(refusal(401, "No auth credentials found"))
    error = (await listen(provider)).error
    assert error is not None
    assert "OPENROUTER_API_KEY" in error.message


@pytest.mark.parametrize("mid_stream", [False, True])
async def test_a_providers_words_are_short_clean_and_without_the_key(
    upstream: LoopbackOpenRouter,
    provider: OpenRouter,
    mid_stream: bool,  # noqa: FBT001
) -> None:
    words = f"Bad\x00\x1b[31m\u202e key\n{KEY} and sk-abcdef123456 " + "x" * 1_000_000
    upstream.script(frames({"error": {"code": 500, "message": words}}) if mid_stream else refusal(500, words))
    error = (await listen(provider)).error
    assert error is not None
    assert "It says: Bad[31m key [key] and [key] xxx" in error.message
    assert len(error.message) < 500
    assert KEY not in error.message
    assert error.message.isprintable()


async def test_the_words_behind_provider_returned_error_are_found(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    raw = '{"error": {"message": "The GPU is on fire"}}'
    upstream.script(refusal(502, "Provider returned error", metadata={"provider_name": "Acme", "raw": raw}))
    error = (await listen(provider)).error
    assert error is not None
    assert "The GPU is on fire" in error.message


@pytest.mark.parametrize(
    "body", [{"detail": "Not today"}, {"error": "Not today"}, {"object": "error", "message": "Not today"}]
)
async def test_other_servers_refusals_are_understood(
    upstream: LoopbackOpenRouter, provider: OpenRouter, body: object
) -> None:
    upstream.script(document(body, status=422))
    error = (await listen(provider)).error
    assert isinstance(error, ProviderRejected)
    assert "Not today" in error.message


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b"null", b'{"error": 5}', b'{"error":{"message":{"a":1},"code":[],"metadata":3}}']
)
async def test_a_refusal_without_sense_goes_by_its_status(
    upstream: LoopbackOpenRouter, provider: OpenRouter, body: bytes
) -> None:
    upstream.script(Reply([Send(body)], status=503, headers={}, framing="length"))
    error = (await listen(provider)).error
    assert isinstance(error, ProviderUnavailable)
    assert error.message == ProviderUnavailable.sentence
