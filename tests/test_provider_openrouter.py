"""What is sent to OpenRouter and how a good answer comes back, over a real socket."""

from dataclasses import replace
from typing import Any

import pytest
from openai import AsyncOpenAI

from holdfast.domain import Kind, Outcome, Piece, Usage
from holdfast.errors import (
    ContentFiltered,
    ProviderRateLimited,
    ProviderUnavailable,
    UpstreamProtocol,
)
from holdfast.provider.openrouter import OpenRouter
from listening import KEY, asking, listen
from openrouter import LoopbackOpenRouter
from replies import (
    COMMENT,
    DONE,
    MID_STREAM_ERRORS,
    Close,
    Hold,
    Raw,
    Reply,
    Reset,
    Send,
    Silence,
    answer,
    broken_off,
    chunk,
    counted,
    ending,
    event,
    frames,
    spent,
    tokens,
)

pytestmark = pytest.mark.anyio
pytest_plugins = ["provider_fixtures"]


# What is sent


async def test_the_request_is_what_openrouter_documents(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    request = asking(
        fallback_models=("acme/chat-2",),
        parameters={
            "temperature": 0.5,
            "max_tokens": 99,
            "reasoning": {"effort": "low"},
            "model": "x",
            "stream": False,
        },
    )
    await listen(provider, request)
    (call,) = upstream.completions
    assert call.body == {
        "model": "acme/chat-1",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "reasoning": {"effort": "low"},
        "max_completion_tokens": 99,
        "session_id": "c1",
        "models": ["acme/chat-2"],
    }
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["accept-encoding"] == "identity"
    assert call.headers["x-openrouter-title"] == "Holdfast"
    assert call.headers["http-referer"].startswith("http")


async def test_other_servers_are_not_sent_openrouters_own_fields(upstream: LoopbackOpenRouter) -> None:
    provider = OpenRouter(upstream.base_url, None, is_openrouter=False, attribution=False)
    request = asking(
        fallback_models=("acme/chat-2",),
        parameters={"max_completion_tokens": 9, "reasoning": {}, "provider": {}, "top_p": 1},
    )
    assert (await listen(provider, request)).error is None
    await provider.aclose()
    (call,) = upstream.completions
    assert call.body.keys() == {"model", "messages", "stream", "stream_options", "top_p", "max_tokens"}
    assert call.headers.keys().isdisjoint({"authorization", "http-referer", "x-openrouter-title"})


async def test_a_cookie_is_not_sent_back(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    with_cookie = answer("x")
    upstream.script(replace(with_cookie, headers={**with_cookie.headers, "Set-Cookie": "who=you; Path=/"}))
    for _ in range(2):
        await listen(provider)
    assert all("cookie" not in call.headers for call in upstream.completions)


# What comes back


async def test_an_answer_comes_with_all_that_is_known_of_it(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    usage = {
        **spent(prompt=7, completion=5, cost=1.0e-7),
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    upstream.script(answer("Hello", " you", reasoning=["Hm", "m."], model="acme/other", usage=usage))
    heard = await listen(provider)
    assert heard.error is None
    assert (heard.text(), heard.text(Kind.REASONING)) == ("Hello you", "Hmm.")
    assert heard.outcome == Outcome(
        model_id_used="acme/other",
        provider="Acme",
        upstream_id=upstream.completions[0].generation_id,
        finish_reason="stop",
        usage=Usage(7, 5, 2, 3, 100_000),
    )


async def test_text_comes_as_it_is_sent(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    holds = {position: Hold() for position in range(3)}
    upstream.script(answer("a", "b", "c", holds=holds))
    async with provider.stream(asking()) as completion:
        reads = aiter(completion)
        for position, text in enumerate("abc"):
            holds[position].release()
            pieces: list[Piece] = []
            while not pieces:
                pieces = await anext(reads)
            assert pieces == [Piece(Kind.CONTENT, text)]


async def test_what_one_read_brought_is_one_list_of_joined_pieces(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    body = b"".join(
        event(chunk(delta))
        for delta in [
            {"reasoning": "a"},
            {"reasoning_content": "b"},
            {"content": "c"},
            {"content": "d"},
            {"reasoning": "e", "content": "f"},
        ]
    )
    upstream.script(Reply([Send(body + event(chunk(finish="stop")) + DONE.data)]))
    reads = [read for read in (await listen(provider)).reads if read]
    assert reads == [
        [
            Piece(Kind.REASONING, "ab"),
            Piece(Kind.CONTENT, "cd"),
            Piece(Kind.REASONING, "e"),
            Piece(Kind.CONTENT, "f"),
        ]
    ]


async def test_comments_are_reads_without_text(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    hold = Hold()
    upstream.script(Reply([COMMENT, hold, *tokens("x"), *ending()]))
    async with provider.stream(asking()) as completion:
        reads = aiter(completion)
        assert await anext(reads) == []
        hold.release()
        assert [piece async for pieces in reads for piece in pieces] == [Piece(Kind.CONTENT, "x")]


async def test_the_upstream_id_is_known_at_the_head(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(Reply([Silence()]))
    async with provider.stream(asking()) as completion:
        assert completion.outcome == Outcome(upstream_id=upstream.completions[0].generation_id)


async def test_without_a_header_the_chunks_give_the_id(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(replace(answer("x"), generation_id=False))
    heard = await listen(provider)
    assert heard.outcome.upstream_id == "gen-1790000000-AbC"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
async def test_a_torn_stream_reads_like_a_whole_one(
    upstream: LoopbackOpenRouter, provider: OpenRouter, size: int
) -> None:
    whole = answer("grüße ", "😀\u2028\u0085", "\tend", reasoning=["\x1b[1m"])
    upstream.script(replace(whole, slice_bytes=size))
    heard = await listen(provider)
    assert heard.error is None
    assert heard.text() == whole.text
    assert heard.text(Kind.REASONING) == "\x1b[1m"


async def test_a_huge_token_arrives_whole(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(answer("x" * 1_000_000, "y"))
    assert (await listen(provider)).text() == "x" * 1_000_000 + "y"


async def test_a_burst_of_tokens_arrives_whole(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(counted(5_000))
    heard = await listen(provider)
    assert heard.text() == upstream.completions[0].text_sent
    assert heard.text().split() == [f"t{number}" for number in range(5_000)]


async def test_the_openai_client_reads_the_same_text(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(counted(50), counted(50))
    async with AsyncOpenAI(base_url=upstream.base_url, api_key="x", max_retries=0) as official:
        stream = await official.chat.completions.create(
            model="acme/chat-1", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        text = "".join([part.choices[0].delta.content or "" async for part in stream if part.choices])
    assert text == (await listen(provider)).text() != ""


# How an answer ends


@pytest.mark.parametrize(
    "steps",
    [
        [Send(event(chunk(finish="stop")))],
        [Send(event(chunk(finish="stop"))), DONE, DONE, Send(event(chunk({"content": "late"})))],
        [DONE],
        [Send(b"data: [DONE]")],
        [Send(event(chunk(finish="stop")).rstrip())],
        [Send(event(chunk(finish="stop"))), Close()],
        [Send(event({"choices": [], "usage": spent()})), Send(event(chunk(finish="length"))), DONE],
    ],
)
async def test_a_finish_reason_or_done_makes_an_answer_complete(
    upstream: LoopbackOpenRouter, provider: OpenRouter, steps: list[Any]
) -> None:
    upstream.script(broken_off("Once ", "upon ", by=steps))
    heard = await listen(provider)
    assert heard.error is None
    assert heard.text() == "Once upon "


async def test_a_connection_that_breaks_after_the_finish_reason_does_no_harm(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    hold = Hold()
    upstream.script(Reply([*tokens("x"), Send(event(chunk(finish="stop"))), hold, Raw(b"zz\r\n"), Close()]))
    async with provider.stream(asking()) as completion:
        reads = aiter(completion)
        while completion.outcome.finish_reason is None:
            await anext(reads)
        hold.release()
        assert [pieces async for pieces in reads if pieces] == []


async def test_nobody_waits_for_a_server_that_stays_after_done(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    upstream.script(Reply([*tokens("x"), *ending(), Silence()]))
    heard = await listen(provider)
    assert heard.error is None
    await upstream.completions[0].left.wait()


async def test_nobody_waits_long_for_a_server_that_stays_after_the_finish_reason(
    upstream: LoopbackOpenRouter, provider: OpenRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.provider.answer._LAST_WORDS_SECONDS", 0.01)
    upstream.script(Reply([*tokens("x"), Send(event(chunk(finish="stop"))), Silence()]))
    heard = await listen(provider)
    assert (heard.error, heard.text(), heard.outcome.finish_reason) == (None, "x", "stop")


@pytest.mark.parametrize("framing", ["chunked", "close"])
async def test_an_end_without_finish_reason_and_done_is_truncated(
    upstream: LoopbackOpenRouter, provider: OpenRouter, framing: Any
) -> None:
    upstream.script(broken_off("Once ", by=[], framing=framing))
    heard = await listen(provider)
    assert isinstance(heard.error, UpstreamProtocol)
    assert heard.text() == "Once "


@pytest.mark.parametrize(
    "steps",
    [[Reset()], [Close()], [Raw(b"ff\r\ndata: {"), Close()], [Raw(b"zz\r\nx"), Close()], [Raw(b"-5\r\n"), Close()]],
)
async def test_a_connection_that_breaks_is_a_protocol_error(
    upstream: LoopbackOpenRouter, provider: OpenRouter, steps: list[Any]
) -> None:
    hold = Hold()
    upstream.script(broken_off("Once ", "upon ", by=[hold, *steps]))
    async with provider.stream(asking()) as completion:
        reads, text = aiter(completion), ""
        while text != "Once upon ":
            text += "".join(piece.text for piece in await anext(reads))
        hold.release()
        with pytest.raises(UpstreamProtocol):
            assert [pieces async for pieces in reads if pieces] == []
        assert completion.outcome.finish_reason is None


async def test_fewer_bytes_than_promised_are_a_protocol_error(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    headers = {"Content-Type": "text/event-stream", "Content-Length": "5000"}
    upstream.script(replace(broken_off("Once ", by=[Close()], framing="length"), headers=headers))
    heard = await listen(provider)
    assert isinstance(heard.error, UpstreamProtocol)
    assert heard.text() == "Once "


@pytest.mark.parametrize("error", MID_STREAM_ERRORS.values(), ids=MID_STREAM_ERRORS.keys())
async def test_an_error_inside_an_answer_fails_it_and_keeps_its_text(
    upstream: LoopbackOpenRouter, provider: OpenRouter, error: object
) -> None:
    upstream.script(Reply([Send(event(chunk({"content": "Once "})) + event(error) + event("[DONE]"))]))
    heard = await listen(provider)
    assert isinstance(heard.error, ProviderUnavailable)
    assert heard.text() == "Once "


async def test_an_error_as_the_first_event_fails_the_answer(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(frames({"error": {"code": 429, "message": "Slow down"}, "choices": []}))
    assert isinstance((await listen(provider)).error, ProviderRateLimited)


async def test_a_filter_that_left_nothing_is_an_error(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(Reply(ending("content_filter")), Reply([*tokens("Some"), *ending("content_filter")]))
    assert isinstance((await listen(provider)).error, ContentFiltered)
    heard = await listen(provider)
    assert (heard.error, heard.text()) == (None, "Some")
    assert heard.outcome.finish_reason == "content_filter"


async def test_a_call_for_a_tool_is_told_once_to_the_reader(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    call = {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": {"name": "look", "arguments": "{"}}]}
    upstream.script(
        frames(chunk(call), chunk(call), chunk(finish="tool_calls"), "[DONE]"),
        frames(chunk({"content": "Look: "}), chunk(call), chunk(finish="tool_calls"), "[DONE]"),
    )
    heard = await listen(provider)
    assert (heard.error, heard.text()) == (None, "The model asked for a tool, which Holdfast does not offer.")
    assert (await listen(provider)).text() == "Look: "


async def test_a_refusal_by_the_model_is_shown_in_place_of_an_answer(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    refusing = frames(chunk({"content": None, "refusal": "I "}), chunk({"refusal": "won't."}), chunk(finish="stop"))
    upstream.script(refusing)
    heard = await listen(provider)
    assert (heard.error, heard.text()) == (None, "I won't.")


async def test_an_answer_without_a_word_ends_properly(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(Reply(ending()), Reply(status=204, headers={}), Reply(framing="length"))
    for _ in range(3):
        heard = await listen(provider)
        assert (heard.error, heard.text()) == (None, "")
