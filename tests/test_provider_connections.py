"""Connections: lost, never made, kept, left behind. None leaks and no call is repeated."""

import asyncio
import gc
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from holdfast.errors import ProviderUnavailable, UpstreamProtocol
from holdfast.provider.openrouter import OpenRouter
from holdfast.provider.transport import TransportName, never_connected
from listening import KEY, asking, listen
from openrouter import LoopbackOpenRouter, no_server
from replies import (
    Close,
    Hold,
    Raw,
    Reply,
    Reset,
    Silence,
    answer,
    broken_off,
    frames,
    page,
    redirect,
    refusal,
    tokens,
)

pytestmark = pytest.mark.anyio
pytest_plugins = ["provider_fixtures"]


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
async def test_a_server_that_is_not_there_is_unavailable(transport: TransportName) -> None:
    async with no_server() as nobody:
        for base_url in (nobody, "http://nowhere.invalid/v1"):
            provider = OpenRouter(base_url, KEY, is_openrouter=True, transport=transport)
            assert isinstance((await listen(provider)).error, ProviderUnavailable)
            with pytest.raises(ProviderUnavailable):
                await provider.list_models()
            await provider.aclose()


async def test_a_refused_connection_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = asyncio.Event()

    def watch(failure: Exception) -> bool:
        failed.set()
        return never_connected(failure)

    monkeypatch.setattr("holdfast.provider.openrouter.never_connected", watch)
    monkeypatch.setattr("holdfast.provider.openrouter._RECONNECT_SECONDS", 1.0)
    async with no_server() as base_url:
        provider = OpenRouter(base_url, KEY, is_openrouter=True)
        reading = asyncio.create_task(listen(provider))
        await failed.wait()
    async with LoopbackOpenRouter(urlsplit(base_url).port or 0) as upstream:
        assert (await reading).error is None
        assert len(upstream.completions) == 1
        await provider.aclose()


async def test_a_server_that_speaks_no_tls_is_unavailable() -> None:
    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        provider = OpenRouter(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", KEY, is_openrouter=True)
        assert isinstance((await listen(provider)).error, ProviderUnavailable)
        await provider.aclose()


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
async def test_a_server_that_never_finishes_connecting_is_given_up(
    transport: TransportName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.provider.transport.CONNECT_SECONDS", 0.1)
    attempts: list[asyncio.StreamWriter] = []

    async def keep_silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(writer)

    async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as server:
        base_url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        provider = OpenRouter(base_url, KEY, is_openrouter=True, transport=transport)
        assert isinstance((await listen(provider)).error, ProviderUnavailable)
        await provider.aclose()
        for writer in attempts:
            writer.close()
    assert len(attempts) == 1


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
async def test_the_proxy_that_the_environment_names_is_used(
    upstream: LoopbackOpenRouter, transport: TransportName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", upstream.base_url.removesuffix("/api/v1"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for base_url in ("http://provider.invalid/api/v1", upstream.base_url):
        provider = OpenRouter(base_url, KEY, is_openrouter=True, transport=transport)
        assert (await listen(provider)).error is None
        await provider.aclose()
    assert [call.headers["host"].partition(":")[0] for call in upstream.completions] == [
        "provider.invalid",
        "127.0.0.1",
    ]


@pytest.mark.parametrize("steps", [[Close()], [Reset()]])
async def test_a_call_that_may_have_been_seen_is_never_repeated(
    upstream: LoopbackOpenRouter, provider: OpenRouter, steps: list[Any]
) -> None:
    await listen(provider)  # so that the next one goes out on a connection that was kept
    upstream.script(Reply(before=steps))
    heard = await listen(provider)
    assert isinstance(heard.error, ProviderUnavailable)
    assert len(upstream.completions) == 2


async def test_a_connection_serves_again_after_a_complete_answer(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    for _ in range(5):
        assert (await listen(provider)).error is None
    assert upstream.connections_opened == 1


async def test_leaving_early_closes_the_connection(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(Reply([*tokens("a"), Silence()]), Reply([Silence()]))
    async with provider.stream(asking()) as completion:
        await anext(aiter(completion))
    async with provider.stream(asking()):
        pass
    await upstream.until(lambda: all(call.left.is_set() for call in upstream.completions))
    await upstream.until(lambda: upstream.connections_open == 0)


async def test_cancelling_the_reader_closes_the_connection(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    hold = Hold()
    upstream.script(Reply([*tokens("a"), hold, Silence()]))
    reading = asyncio.create_task(listen(provider))
    await hold.reached.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await upstream.completions[0].left.wait()
    assert not upstream.completions[0].done


async def test_cancelling_before_the_head_closes_the_connection(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    hold = Hold()
    upstream.script(Reply(before=[hold, Silence()]))
    reading = asyncio.create_task(listen(provider))
    await hold.reached.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await upstream.completions[0].left.wait()


async def test_three_hundred_answers_stream_at_once(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    hold = Hold()
    upstream.script(*(answer("a", "b", holds={1: hold}) for _ in range(300)))
    reading = [asyncio.create_task(listen(provider)) for _ in range(300)]
    await upstream.until(lambda: sum(call.text_sent == "a" for call in upstream.completions) == 300)
    hold.release()
    assert {(await each).text() for each in reading} == {"ab"}


async def test_a_thousand_cancelled_answers_leave_no_connection(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    for _ in range(20):
        holds = [Hold() for _ in range(50)]
        upstream.script(*(answer("a", "b", holds={1: hold}) for hold in holds))
        reading = [asyncio.create_task(listen(provider)) for _ in range(50)]
        for hold in holds:
            await hold.reached.wait()
        for each in reading:
            each.cancel()
        await asyncio.wait(reading)
    assert len(upstream.completions) == 1_000
    await upstream.until(lambda: upstream.connections_open == 0)
    gc.collect()
    assert (await listen(provider)).error is None


async def test_a_failed_answer_leaves_no_connection(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(refusal(500), page(), frames({"error": {"code": 500}}), broken_off("a", by=[]), redirect("/x"))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(provider.aclose)
        for _ in range(5):
            assert (await listen(provider)).error is not None
    await upstream.until(lambda: upstream.connections_open == 0)


@pytest.mark.parametrize("steps", [[Close()], [Raw(b"zz\r\n"), Close()]])
async def test_text_that_arrived_before_a_break_is_kept_though_nobody_was_reading(
    upstream: LoopbackOpenRouter, provider: OpenRouter, steps: list[Any]
) -> None:
    hold = Hold()
    upstream.script(Reply([hold, *tokens("Once ", "upon "), *steps]))
    async with provider.stream(asking()) as completion:
        hold.release()
        await upstream.until(lambda: upstream.connections_open == 0)
        await listen(provider)  # meanwhile the break has reached our side as well
        reads, text = aiter(completion), ""
        while text != "Once upon ":
            text += "".join(piece.text for piece in await anext(reads))
        with pytest.raises(UpstreamProtocol):
            await anext(reads)
