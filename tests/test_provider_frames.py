"""Frames that make no sense, in part or at all: what is valid is taken, and nothing is invented."""

import contextlib
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain import Kind, Usage
from holdfast.errors import (
    ProviderError,
    UpstreamProtocol,
)
from holdfast.provider.answer import Answer
from holdfast.provider.openrouter import OpenRouter
from listening import listen
from openrouter import LoopbackOpenRouter
from replies import (
    Reply,
    Send,
    chunk,
    ending,
    event,
    frames,
    spent,
)

pytestmark = pytest.mark.anyio
pytest_plugins = ["provider_fixtures"]

KEYS = st.sampled_from(
    ["content", "reasoning", "refusal", "tool_calls", "code", "message", "metadata", "cost", "prompt_tokens"]
)
OWN_KEY = {"is_byok": True, "cost_details": {"upstream_inference_cost": 2}}


@pytest.mark.parametrize(
    "nonsense",
    [
        chunk(None),
        {"id": 5, "choices": None},
        {"choices": "none"},
        {"choices": [None, 1, "x"]},
        {"object": "ping"},
        chunk({"content": 5}),
        chunk({"content": ["a", {"type": "text", "text": "b"}]}),
        chunk({"content": None, "reasoning": {"a": 1}, "refusal": 0, "images": [], "annotations": "x"}),
        chunk(["content"]),
        {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]},
        chunk(None, finish=""),
        {"usage": "much", "choices": []},
        "",
        {"error": None, "choices": []},
    ],
)
async def test_a_frame_that_says_nothing_is_no_harm(
    upstream: LoopbackOpenRouter, provider: OpenRouter, nonsense: object
) -> None:
    good = [chunk({"content": "a"}), nonsense, nonsense, nonsense, nonsense, chunk({"content": "b"}, finish="stop")]
    upstream.script(frames(*good, "[DONE]"))
    heard = await listen(provider)
    assert (heard.error, heard.text()) == (None, "ab")


async def test_a_valid_part_of_an_odd_frame_is_taken(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    odd = chunk({"content": "a", "reasoning": 7}, finish="stop", usage=spent())
    upstream.script(frames({**odd, "model": ["x"], "provider": "Odd", "logprobs": float("nan")}, "[DONE]"))
    heard = await listen(provider)
    assert (heard.error, heard.text()) == (None, "a")
    assert (heard.outcome.provider, heard.outcome.model_id_used) == ("Odd", None)
    assert (heard.outcome.finish_reason, heard.outcome.usage.prompt_tokens) == ("stop", 20)


@pytest.mark.parametrize("line", ["{", "null", "[]", '"x"', "1", "[done]", "[" * 100_000, '{"choices":[' + "9" * 5000])
async def test_three_unreadable_frames_are_skipped_and_a_fourth_ends_it(
    upstream: LoopbackOpenRouter, provider: OpenRouter, line: str
) -> None:
    start, end = chunk({"content": "a"}), chunk({"content": "b"}, finish="stop")
    upstream.script(frames(start, *[line] * 3, end), frames(start, *[line] * 4, end))
    heard = await listen(provider)
    assert (heard.error, heard.text()) == (None, "ab")
    heard = await listen(provider)
    assert isinstance(heard.error, UpstreamProtocol)
    assert heard.text() == "a"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([r"\ud83d", r"\ude00"], "😀"),
        ([r"a\ud83d", "", r"\ude00b"], "a😀b"),
        ([r"\ud83d\ud83d", r"\ude00"], "\ufffd😀"),
        ([r"\ud83d", "x"], "\ufffdx"),
        ([r"\ude00", "x"], "\ufffdx"),
        (["x", r"\ud83d"], "x\ufffd"),
        ([r"a\u0000b", "\\u0000"], "a\ufffdb\ufffd"),
        ([r"\ud83d\ude00"], "😀"),
    ],
)
async def test_halves_of_a_character_are_rejoined_and_what_no_store_keeps_is_replaced(
    upstream: LoopbackOpenRouter, provider: OpenRouter, sent: list[str], expected: str
) -> None:
    raw = ['{"choices":[{"delta":{"content":"@","reasoning":"@"}}]}'.replace("@", text) for text in sent]
    upstream.script(frames(*raw, chunk(finish="stop")))
    heard = await listen(provider)
    assert heard.error is None
    assert (heard.text(), heard.text(Kind.REASONING)) == (expected, expected)


async def test_invalid_utf8_becomes_the_replacement_character(
    upstream: LoopbackOpenRouter, provider: OpenRouter
) -> None:
    broken = event(chunk({"content": "a@b"})).replace(b"@", b"\xff\xf0\x9f")
    upstream.script(Reply([Send(broken), *ending()]))
    assert (await listen(provider)).text() == "a\ufffd\ufffdb"


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([], Usage()),
        ([spent(1, 2, 0.00014250000000000002), None, "x"], Usage(1, 2, 0, 0, 142_500_000)),
        ([spent(1, 2, 0.1), spent(3, 4, 0.2)], Usage(3, 4, 0, 0, 200_000_000_000)),
        ([spent(3, 4, 0.2), spent(0, 0, 0)], Usage(3, 4, 0, 0, 200_000_000_000)),
        ([spent(3, 4, 1), {"prompt_tokens": -1, "completion_tokens": "4", "cost": -1}], Usage(3, 4, 0, 0, 10**12)),
        ([{"prompt_tokens": True, "completion_tokens": 4.0, "cost": "0.1"}], Usage(None, 4, None, None, None)),
        ([{"prompt_tokens": 10**40, "cost": 1e300, "prompt_tokens_details": []}], Usage()),
        ([{"cost": 2}], Usage(cost=2_000_000_000_000)),
        ([{"prompt_tokens": 3, "cost": 0}], Usage(prompt_tokens=3, cost=0)),
        ([spent(3, 4, 0.05) | OWN_KEY], Usage(3, 4, 0, 0, 2 * 10**12)),
        ([spent(3, 4, 0.05) | OWN_KEY | {"cost_details": None}], Usage(3, 4, 0, 0, None)),
    ],
)  # fmt: skip
async def test_the_last_valid_usage_counts_and_nothing_is_invented(
    upstream: LoopbackOpenRouter, provider: OpenRouter, objects: list[object], expected: Usage
) -> None:
    upstream.script(frames(*(chunk(None, usage=each) for each in objects), chunk(finish="stop"), "[DONE]"))
    heard = await listen(provider)
    assert (heard.error, heard.outcome.usage) == (None, expected)


async def test_the_last_model_that_answered_is_named(upstream: LoopbackOpenRouter, provider: OpenRouter) -> None:
    upstream.script(frames(chunk(model="a/1"), chunk(model="b/\u202e2\n" + "x" * 500), chunk(finish="stop", model="")))
    heard = await listen(provider)
    assert heard.outcome.model_id_used is not None
    assert heard.outcome.model_id_used.startswith("b/2xxx")
    assert len(heard.outcome.model_id_used) <= 200


strange = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\ud83d", "\ude00", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | KEYS, inner, max_size=4),
    max_leaves=8,
)
deltas = st.dictionaries(KEYS, strange, max_size=3)
choices = st.lists(
    strange
    | st.fixed_dictionaries(
        {}, optional={"delta": strange | deltas, "index": strange, "finish_reason": strange, "error": strange}
    ),
    max_size=2,
)
odd_frames = st.fixed_dictionaries(
    {},
    optional={
        "choices": strange | choices,
        "usage": strange | st.dictionaries(KEYS, strange),
        "error": strange,
        "model": strange,
        "object": strange,
    },
)


@given(st.lists(strange | odd_frames | st.text(max_size=5), max_size=6), st.booleans())
async def test_whatever_comes_ends_in_text_that_can_be_kept_and_at_most_a_typed_error(
    sent: list[object],
    streamed: bool,  # noqa: FBT001
) -> None:
    frames_sent = [json.dumps(each).encode("utf-8", "surrogatepass") for each in sent]
    body = [b"data: %b\n\n" % each for each in frames_sent] if streamed else frames_sent[:1]
    parts = iter([*body, b""])

    async def read() -> bytes:
        return next(parts, b"")

    completion = Answer(read, streamed=streamed, upstream_id=None, api_key=None)
    with contextlib.suppress(ProviderError):
        async for pieces in completion:
            for piece in pieces:
                assert piece.text.encode()
                assert "\0" not in piece.text
    outcome = completion.outcome
    figures = [getattr(outcome.usage, field.name) for field in dataclasses.fields(outcome.usage)]
    assert all(each is None or 0 <= each < 10**18 for each in figures)
    assert all(each is None or each.isprintable() for each in (outcome.model_id_used, outcome.finish_reason))


@pytest.mark.parametrize("number", ["1e999999999999999999999", "1e-999999999999999999999", "9" * 5000, "-0.0", "1E400"])
async def test_numbers_past_all_bounds_are_no_harm(
    upstream: LoopbackOpenRouter, provider: OpenRouter, number: str
) -> None:
    usage = '{"choices":[],"usage":{"prompt_tokens":@,"completion_tokens":7,"cost":@}}'.replace("@", number)
    upstream.script(frames(chunk({"content": "a"}), usage, chunk(finish="stop"), "[DONE]"))
    heard = await listen(provider)
    assert (heard.error, heard.text()) == (None, "a")
    assert heard.outcome.usage.prompt_tokens in (None, 0)
