"""What every provider keeps to, whoever it is: the port's contract, over each adapter."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from holdfast.domain import CompletionRequest, Kind, Model, Prompt
from holdfast.errors import ProviderError
from holdfast.provider import Provider
from holdfast.provider.openrouter import OpenRouter
from holdfast.provider.scripted import Scripted
from listening import KEY, asking, listen
from openrouter import LoopbackOpenRouter

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["aiohttp", "httpx", "scripted"])
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    if request.param == "scripted":
        yield Scripted(word_seconds=0)
        return
    async with LoopbackOpenRouter() as upstream:
        made = OpenRouter(upstream.base_url, KEY, is_openrouter=True, transport=request.param)
        yield made
        await made.aclose()


@pytest.fixture
async def model(provider: Provider) -> Model:
    return (await provider.list_models())[0]


async def thinking(provider: Provider) -> str:
    return next(model.id for model in await provider.list_models() if "thinker" in model.id)


async def test_an_answer_is_text_and_then_its_outcome(provider: Provider, model: Model) -> None:
    heard = await listen(provider, asking(model.id))
    assert heard.error is None
    assert heard.text()
    assert heard.outcome.finish_reason == "stop"
    assert heard.outcome.model_id_used
    assert heard.outcome.provider
    usage = heard.outcome.usage
    assert usage.prompt_tokens
    assert usage.completion_tokens
    assert usage.cost is not None


async def quick(provider: Provider) -> list[str]:
    """Name the models that answer without dawdling or failing."""
    listed = [model.id for model in await provider.list_models()]
    return [each for each in listed if each.startswith("demo/")] or ["acme/chat-1", "acme/thinker"]


async def test_pieces_are_never_empty_and_neighbours_differ_in_kind(provider: Provider) -> None:
    for model_id in await quick(provider):
        heard = await listen(provider, asking(model_id))
        assert all(piece.text for read in heard.reads for piece in read)
        assert all(one.kind is not other.kind for read in heard.reads for one, other in pairwise(read))


async def test_reasoning_comes_apart_from_the_answer(provider: Provider) -> None:
    heard = await listen(provider, asking(await thinking(provider)))
    assert heard.text(Kind.REASONING)
    assert heard.text()
    kinds = [piece.kind for read in heard.reads for piece in read]
    assert kinds == sorted(kinds, reverse=True)


async def test_the_upstream_id_is_known_from_the_start(provider: Provider, model: Model) -> None:
    async with provider.stream(asking(model.id)) as completion:
        begun = completion.outcome
        assert begun.upstream_id
        assert begun.finish_reason is None
        async for _ in completion:
            pass
        assert completion.outcome.upstream_id == begun.upstream_id


async def test_a_model_that_is_not_offered_is_a_provider_error(provider: Provider) -> None:
    heard = await listen(provider, asking("acme/status-404"))
    assert isinstance(heard.error, ProviderError)
    assert not heard.error.retryable


async def test_an_answer_may_be_left_before_during_and_after(provider: Provider, model: Model) -> None:
    async with provider.stream(asking(model.id)):
        pass
    async with provider.stream(asking(model.id)) as completion:
        async for pieces in completion:
            if pieces:
                break
    async with provider.stream(asking(model.id)) as completion:
        assert [pieces async for pieces in completion]


async def test_an_answer_that_ended_stays_ended(provider: Provider, model: Model) -> None:
    async with provider.stream(asking(model.id)) as completion:
        reads = aiter(completion)
        assert [pieces async for pieces in reads]
        assert [pieces async for pieces in reads] == []


async def test_cancelling_reaches_the_reader(provider: Provider, model: Model) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async with provider.stream(asking(model.id)) as completion:
            async for _ in completion:
                begun.set()
                await asyncio.Event().wait()

    reading = asyncio.create_task(read())
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_many_answers_at_once_do_not_mix(provider: Provider) -> None:
    heard = await asyncio.gather(*(listen(provider, asking(each)) for each in await quick(provider) * 10))
    texts = {each.outcome.model_id_used: each.text() for each in heard}
    assert all(texts[each.outcome.model_id_used] == each.text() for each in heard)


async def test_listed_models_have_unique_ids_and_names(provider: Provider) -> None:
    models = await provider.list_models()
    assert models
    assert len({model.id for model in models}) == len(models)
    assert all(model.name for model in models)


async def test_the_demo_says_what_it_is_and_how_to_go_on() -> None:
    heard = await listen(Scripted(word_seconds=0), asking("demo/guide:free", text="What is {this}?"))
    text = heard.text()
    for expected in ("demo", "OPENROUTER_API_KEY", "What is {this}?", "\n| ", "\n1. ", "\n```python\n"):
        assert expected in text
    assert heard.outcome.usage.cost == 0


async def test_the_demo_costs_nothing_and_answers_alike() -> None:
    demo = Scripted(word_seconds=0)
    for model in await demo.list_models():
        assert model.free
        assert await listen(demo, asking(model.id)) == await listen(demo, asking(model.id))


async def test_the_demo_echoes_exactly() -> None:
    text = "  two  spaces\n\n\ttab 😀 "
    assert (await listen(Scripted(word_seconds=0), asking("demo/echo:free", text=text))).text() == text
    nothing = CompletionRequest("demo/echo:free", Prompt(()), "c1")
    assert (await listen(Scripted(word_seconds=0), nothing)).text() == "…"
