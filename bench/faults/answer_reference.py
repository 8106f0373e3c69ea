"""What the bytes of an answer mean, told a second time: the whole body at once, slowly, by the standard library.

Written from the protocol's page and the promises, not from `holdfast.provider`, to compare that with. Nothing of
Holdfast is imported here.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import upstream  # noqa: F401 - puts the folder of the tests on the path

import sse_reference

CONTENT, REASONING = 0, 1
TOOL = "The model asked for a tool, which Holdfast does not offer."
LINE_END = re.compile(rb"\r\n|\r|\n")

UNREADABLE_FRAMES = 3
LABEL = 200
PROVIDER_CODES = frozenset(
    {
        "provider_unavailable",
        "provider_rejected",
        "provider_rate_limited",
        "out_of_credit",
        "context_too_long",
        "content_filtered",
        "upstream_protocol",
    }
)
_ENDED_BADLY = frozenset({"upstream_protocol"})
_BY_STATUS = {
    402: {"out_of_credit"},
    408: {"provider_unavailable"},
    413: {"context_too_long"},
    429: {"provider_rate_limited"},
}


@dataclass(frozen=True)
class Framed:
    """A body's events; what an empty line at its end would add; whether a cap cut it off, or would by that line.

    `retry` is the last reconnection time, that of an unfinished line included.
    """

    events: list[sse_reference.Event]
    rest: sse_reference.Event | None
    too_long: bool
    too_long_at_end: bool
    retry: int | None


@dataclass(frozen=True)
class Figure:
    """A number with a point or an exponent, as it was written."""

    digits: str

    def __bool__(self) -> bool:
        """Whether it is anything but zero."""
        return any(digit in "123456789" for digit in re.split("[eE]", self.digits)[0])

    @property
    def exact(self) -> Fraction | None:
        """Its value; None where it is so large or small that it is no figure of any kind."""
        mantissa, _, exponent = self.digits.lower().partition("e")
        if exponent and abs(int(exponent)) > 30:
            return Fraction(0) if not self or exponent.startswith("-") else None
        return Fraction(mantissa) * Fraction(10) ** int(exponent or 0)


@dataclass(frozen=True)
class Told:
    """Everything that an answer says. `codes`: how it may have failed; None where it did not."""

    runs: list[tuple[int, str]]
    model: str | None
    provider: str | None
    upstream_id: str | None
    finish_reason: str | None
    usage: dict[str, int]
    codes: frozenset[str] | None


def framed(body: bytes, max_line: int, max_event: int) -> Framed:
    """Read a whole body as the standard has it, up to the line that is past a cap."""
    kept, too_long, _ = _within(body, max_line, max_event, ended=False)
    _, too_long_at_end, unfinished = _within(body, max_line, max_event, ended=True)
    if too_long_at_end:
        events, retry = sse_reference.decode(kept)
        return Framed(events, None, too_long, too_long_at_end, retry)
    events, retry = sse_reference.decode(body + b"\r\r")
    return Framed(events, events.pop() if unfinished else None, too_long=False, too_long_at_end=False, retry=retry)


def _within(body: bytes, max_line: int, max_event: int, *, ended: bool) -> tuple[bytes, bool, bool]:
    """The lines before the first one past a cap, whether there is one, and whether an event is unfinished.

    An unfinished line counts as data only where the stream has `ended`.
    """
    start = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    size = 0
    lines = LINE_END.split(body[start:])
    for number, line in enumerate(lines):
        position = start
        end = LINE_END.search(body, start)
        start = end.end() if end else len(body)
        if len(line) > max_line:
            return body[:position], True, False
        if not line and number < len(lines) - 1:
            size = 0
        name, _, value = line.partition(b":")
        if name == b"data" and (ended or number < len(lines) - 1):
            size += len(value.removeprefix(b" ")) + 1
            if size - 1 > max_event:
                return body[:position], True, False
    return body, False, size > 0


@dataclass
class _Text:
    """Text in UTF-16 units, as JSON means it: half a pair waits for the next text of its kind."""

    runs: list[tuple[int, str]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=lambda: ["", ""])

    def add(self, kind: int, text: str) -> None:
        shown = ""
        for unit in text:
            first, self.waiting[kind] = self.waiting[kind], ""
            if first and "\udc00" <= unit <= "\udfff":
                shown += chr(0x10000 + ((ord(first) - 0xD800) << 10) + ord(unit) - 0xDC00)
                continue
            shown += "\ufffd" if first else ""
            if "\ud800" <= unit <= "\udbff":
                self.waiting[kind] = unit
            else:
                shown += "\ufffd" if unit == "\0" or "\udc00" <= unit <= "\udfff" else unit
        self._show(kind, shown)

    def end(self) -> None:
        for kind in (CONTENT, REASONING):
            self._show(kind, "\ufffd" if self.waiting[kind] else "")

    def _show(self, kind: int, text: str) -> None:
        if text and self.runs and self.runs[-1][0] == kind:
            self.runs[-1] = (kind, self.runs[-1][1] + text)
        elif text:
            self.runs.append((kind, text))


class _Reading:
    """The state of one answer while its chunks are read in order."""

    def __init__(self, upstream_id: str | None) -> None:
        self.text = _Text()
        self.model = self.provider = ""
        self.upstream_id = label(upstream_id)
        self.finish: str | None = None
        self.usage: dict[str, int] = {}
        self.content = self.refusal = self.tool = self.over = False
        self.codes: frozenset[str] | None = None
        self.unreadable = 0

    def frame(self, data: str) -> None:
        if data.strip() == "[DONE]":
            self.end(None)
            return
        body = parsed(data)
        if isinstance(body, dict):
            self.chunk(body)
        elif data.strip():
            self.unreadable += 1
            if self.unreadable > UNREADABLE_FRAMES:
                self.end(_ENDED_BADLY)

    def chunk(self, body: dict[str, Any]) -> None:
        self.model = _string(body.get("model")) or self.model
        self.provider = _string(body.get("provider")) or self.provider
        self.upstream_id = self.upstream_id or label(_string(body.get("id")))
        self.usage |= used(body.get("usage"))
        errors = [body.get("error")]
        if body.get("object") == "error" and not errors[0]:
            errors = [body]
        failed = False
        for choice in first_choice(body):
            self.delta(choice)
            errors.append(choice.get("error"))
            finish = _string(choice.get("finish_reason"))
            failed = failed or finish == "error"
            self.finish = self.finish or label(finish)
        error = next((each for each in errors if each), None)
        if error or failed:
            self.end(codes_of(error))

    def delta(self, choice: dict[str, Any]) -> None:
        delta = next((each for each in (choice.get("delta"), choice.get("message")) if isinstance(each, dict)), {})
        reasoning = _string(delta.get("reasoning")) or _string(delta.get("reasoning_content"))
        self.text.add(REASONING, reasoning)
        if content := _string(delta.get("content")):
            self.content = True
            self.text.add(CONTENT, content)
        elif (refusal := _string(delta.get("refusal"))) and not self.content:
            self.refusal = True
            self.text.add(CONTENT, refusal)
        self.tool = self.tool or bool(delta.get("tool_calls"))

    def end(self, codes: frozenset[str] | None) -> None:
        if codes == _ENDED_BADLY and self.finish is not None:
            codes = None  # The provider had said that it was whole.
        self.text.end()
        if codes is None and not (self.content or self.refusal):
            if self.tool or self.finish in ("tool_calls", "function_call"):
                self.text.add(CONTENT, TOOL)
            elif self.finish == "content_filter":
                codes = frozenset({"content_filtered"})
        self.codes, self.over = codes, True

    def told(self) -> Told:
        model, provider = label(self.model), label(self.provider)
        return Told(self.text.runs, model, provider, self.upstream_id, self.finish, self.usage, self.codes)


def streamed(body: bytes, frames: Framed, upstream_id: str | None, broken: str | None) -> Told:
    """What a streamed body says. `broken`: the code of the failure that its connection ended with, if one did."""
    reading = _Reading(upstream_id)
    for event in frames.events:
        reading.frame(event.data)
        if reading.over:
            return reading.told()
    if frames.too_long:
        reading.end(_ENDED_BADLY)
    elif broken:
        reading.end(frozenset({broken}))
    elif frames.too_long_at_end:
        reading.end(_ENDED_BADLY)
    elif frames.rest is not None:
        reading.unreadable = 0
        reading.frame(frames.rest.data)
    if not reading.over:
        reading.end(None if reading.finish or not body else _ENDED_BADLY)
    return reading.told()


def in_one_piece(body: bytes, upstream_id: str | None, broken: str | None, limit: int) -> Told:
    """What a body says that is one JSON object, though a stream was asked for."""
    reading = _Reading(upstream_id)
    found = parsed(body.decode("utf-8", "replace"))
    if len(body) > limit:
        reading.end(_ENDED_BADLY)
    elif broken:
        reading.end(frozenset({broken}))
    elif isinstance(found, dict) and (_objects(found.get("choices")) or _has_error(found)):
        reading.chunk(found)
    elif body:
        reading.end(_ENDED_BADLY)
    if not reading.over:
        reading.end(None)
    return reading.told()


def parsed(text: str) -> Any:
    """JSON as a lenient reader takes it; None for what is none."""
    try:
        return json.loads(
            text,
            parse_float=Figure,
            parse_int=lambda digits: int(digits) if len(digits) <= 40 else None,
            parse_constant=lambda _: None,
        )
    except (ValueError, RecursionError):
        return None


def first_choice(body: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The choices of index 0, where an index that makes no sense is as good as none."""
    for choice in _objects(body.get("choices")):
        index = choice.get("index")
        if index == 0 or not isinstance(index, int):
            yield choice


def label(name: str | None) -> str | None:
    """A name of which only what is printable is kept."""
    kept = [each for each in (name or "")[:LABEL] if each == " " or unicodedata.category(each)[0] not in "CZ"]
    return "".join(kept) or None


def used(usage: object) -> dict[str, int]:
    """The valid figures of a usage object; one that says that nothing was used says nothing."""
    if not isinstance(usage, dict):
        return {}
    found = {name: _count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")}
    said = [value for value in found.values() if value is not None]
    if said and not any(said):
        return {}
    found["reasoning_tokens"] = _count(_inner(usage, "completion_tokens_details", "reasoning_tokens"))
    found["cached_tokens"] = _count(_inner(usage, "prompt_tokens_details", "cached_tokens"))
    own_key = usage.get("is_byok") is True
    cost = _exact(_inner(usage, "cost_details", "upstream_inference_cost") if own_key else usage.get("cost"))
    if cost is not None and 0 <= cost < 1_000_000:
        found["cost"] = round(cost * 10**12)  # To even, at the half.
    return {name: value for name, value in found.items() if value is not None}


def codes_of(error: object) -> frozenset[str]:
    """The codes that an error inside an answer may become; several where the page does not say which."""
    if not isinstance(error, dict):
        return frozenset({"provider_unavailable"})
    if error.keys() <= {"code", "message"}:
        code = error.get("code")
        if isinstance(code, str) and re.fullmatch("[45][0-9][0-9]", code):
            code = int(code)
        if code is None or isinstance(code, int):
            return _of_status(code)
    return PROVIDER_CODES - _ENDED_BADLY


def _of_status(status: int | None) -> frozenset[str]:
    if status is None or not 400 <= status < 500:
        return frozenset({"provider_unavailable"})
    return frozenset(_BY_STATUS.get(status, {"provider_rejected", "context_too_long"}))


def _has_error(body: dict[str, Any]) -> bool:
    return bool(body.get("error")) or body.get("object") == "error"


def _objects(value: object) -> Sequence[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _inner(body: dict[str, Any], name: str, key: str) -> object:
    inner = body.get(name)
    return inner.get(key) if isinstance(inner, dict) else None


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _exact(value: object) -> Fraction | None:
    if isinstance(value, Figure):
        return value.exact
    return Fraction(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _count(value: object) -> int | None:
    exact = _exact(value)
    return int(exact) if exact is not None and exact.denominator == 1 and 0 <= exact < 10**12 else None
