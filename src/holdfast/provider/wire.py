"""The JSON of the chat completions protocol, as typed as it deserves.

A strict decoder takes what every server sends nearly always. What it refuses is read again as plain objects, from
which `loosely` picks what is valid; a key that makes no sense is as good as absent. Money never passes through a float.
"""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.domain import Usage, picodollars

_MAX_DIGITS = 40
"""Longer integers are no figure of any kind, and reading them takes quadratic time."""

_MAX_TOKENS = 10**12
"""More tokens than that are a lie, and would not fit everywhere they are kept."""


class Delta(msgspec.Struct, gc=False):
    """What a chunk adds to the answer."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: Any = None
    annotations: Any = None


class Choice(msgspec.Struct, gc=False):
    """One of the answers that a chunk speaks of; only index 0 is ever asked for. `message` holds an unstreamed one."""

    index: int | None = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    error: Any = None


class Chunk(msgspec.Struct, gc=False):
    """A `chat.completion.chunk`, a whole `chat.completion`, or an error in its place."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    provider: str | None = None
    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None


def _exact(digits: str) -> Decimal | None:
    try:
        return Decimal(digits)
    except ArithmeticError:  # an exponent past what a Decimal holds
        return None


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None


def _nothing(_constant: str) -> None:
    """Stand in for NaN and Infinity, which some servers send as log probabilities."""


strictly = msgspec.json.Decoder(Chunk, float_hook=_exact).decode
"""Read a chunk in 1 µs, or raise `msgspec.MsgspecError` or `RecursionError`. Never yields a lone surrogate."""


def plain(text: str | bytes) -> Any:
    """Read JSON as a lenient reader does: NaN is null, a lone surrogate escape stays one, numbers are exact.

    Raises ValueError.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    try:
        return json.loads(text, parse_float=_exact, parse_int=_integer, parse_constant=_nothing)
    except RecursionError as hostile:
        raise ValueError("JSON that is nested too deeply to be meant") from hostile


def loosely(text: str | bytes) -> Chunk | None:
    """Read whatever is valid in a chunk; None where it is no JSON object. Texts may hold lone surrogates."""
    try:
        body = plain(text)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    choices = body.get("choices")
    chunk = Chunk(
        id=_text(body.get("id")),
        object=_text(body.get("object")),
        model=_text(body.get("model")),
        provider=_text(body.get("provider")),
        choices=[_choice(each) for each in choices if isinstance(each, dict)] if isinstance(choices, list) else None,
        usage=body.get("usage"),
        error=body.get("error"),
    )
    if chunk.object == "error" and not chunk.error:  # older vLLM: the body itself is the error
        chunk.error = body
    return chunk


def _choice(body: dict[str, Any]) -> Choice:
    index = body.get("index")
    return Choice(
        index=index if isinstance(index, int) else 0,
        delta=_delta(body.get("delta")),
        message=_delta(body.get("message")),
        finish_reason=_text(body.get("finish_reason")),
        native_finish_reason=_text(body.get("native_finish_reason")),
        error=body.get("error"),
    )


def _delta(body: object) -> Delta | None:
    if not isinstance(body, dict):
        return None
    return Delta(
        content=_text(body.get("content")),
        reasoning=_text(body.get("reasoning")),
        reasoning_content=_text(body.get("reasoning_content")),
        refusal=_text(body.get("refusal")),
        tool_calls=body.get("tool_calls"),
        annotations=body.get("annotations"),
    )


def merge_usage(known: Usage, body: object) -> Usage:
    """Take over from a `usage` object what is valid in it; the last valid figure of each kind wins.

    An answer cannot have taken no tokens at all, so an object that says so says nothing.
    """
    if not isinstance(body, dict):
        return known
    prompt, completion = _count(body.get("prompt_tokens")), _count(body.get("completion_tokens"))
    if not any(figures := [each for each in (prompt, completion) if each is not None]) and figures:
        return known
    found = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "reasoning_tokens": _count(_member(body, "completion_tokens_details", "reasoning_tokens")),
        "cached_tokens": _count(_member(body, "prompt_tokens_details", "cached_tokens")),
        "cost": _cost(body),
    }
    return replace(known, **{name: value for name, value in found.items() if value is not None})


def _cost(body: dict[str, Any]) -> int | None:
    """Return what was really paid. With a key of one's own that is the upstream's bill; `cost` is only the fee."""
    paid = body.get("cost")
    if body.get("is_byok") is True:
        paid = _member(body, "cost_details", "upstream_inference_cost")
    if isinstance(paid, bool) or not isinstance(paid, int | Decimal):
        return None
    return picodollars(Decimal(paid))


def _count(value: object) -> int | None:
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < _MAX_TOKENS and value == value.to_integral():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_TOKENS:
        return None
    return value


def _member(body: dict[str, Any], name: str, key: str) -> object:
    inner = body.get(name)
    return inner.get(key) if isinstance(inner, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def whole(text: str) -> str:
    """Join surrogate pairs and replace what is left of them, and NUL, by U+FFFD."""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\0", "\ufffd")
