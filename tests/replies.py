"""What the loopback OpenRouter answers: a reply is a head and a list of steps, each one bytes or an event in time.

The builders make the wire's shapes, good and bad, from what a test cares about. `for_model` lets a person choose
among them by model id.
"""

import asyncio
import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Framing = Literal["chunked", "length", "close"]


@dataclass(frozen=True)
class Send:
    """Bytes of the body. `text` is the content in them, for the ledger."""

    data: bytes
    text: str = ""


@dataclass(frozen=True)
class Raw:
    """Bytes past the framing, to break it."""

    data: bytes


@dataclass(frozen=True)
class Pause:
    """A wait by the clock, for slow servers; never to synchronise."""

    seconds: float


@dataclass(frozen=True)
class Hold:
    """A place where the reply waits for the test."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        self.released.set()


class Silence:
    """Nothing more, until the client goes."""


class Reset:
    """The connection is reset."""


class Close:
    """The connection is closed, whatever was promised."""


Step = Send | Raw | Pause | Hold | Silence | Reset | Close


@dataclass(frozen=True)
class Reply:
    """An HTTP answer: the steps `before` its head, the head, and those of its body.

    `slice_bytes` cuts everything, head and framing included, into writes of that size.
    """

    steps: Sequence[Step] = ()
    before: Sequence[Step] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/event-stream"})
    framing: Framing = "chunked"
    slice_bytes: int | None = None
    usage: Mapping[str, Any] | None = None
    generation_id: bool = True

    @property
    def text(self) -> str:
        """All the content it sends."""
        return "".join(step.text for step in self.steps if isinstance(step, Send))


def event(payload: object) -> bytes:
    """One SSE frame; a str goes out as it is."""
    text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    return f"data: {text}\n\n".encode("utf-8", "surrogatepass")


def chunk(
    delta: object = None,
    *,
    finish: str | None = None,
    native: str | None = None,
    model: str = "acme/chat-1",
    upstream_id: str = "gen-1790000000-AbC",
    **more: object,
) -> dict[str, Any]:
    """A `chat.completion.chunk` with one choice."""
    return {
        "id": upstream_id,
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": model,
        "provider": "Acme",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "native_finish_reason": native}],
        **more,
    }


def spent(prompt: int = 20, completion: int = 2, cost: float = 0.000004) -> dict[str, Any]:
    """A `usage` object as OpenRouter sends it."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost": cost,
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
        "cost_details": {"upstream_inference_cost": cost},
    }


COMMENT = Send(b": OPENROUTER PROCESSING\n\n")
DONE = Send(b"data: [DONE]\n\n")


def tokens(*texts: str, kind: str = "content", model: str = "acme/chat-1") -> list[Step]:
    """One chunk for each text."""
    return [
        Send(event(chunk({"role": "assistant", kind: text}, model=model)), text if kind == "content" else "")
        for text in texts
    ]


def ending(
    finish: str | None = "stop", usage: Mapping[str, Any] | None = None, *, model: str = "acme/chat-1"
) -> list[Step]:
    """The finish reason, the usage and `[DONE]`."""
    empty = {"role": "assistant", "content": ""}
    steps: list[Step] = []
    if finish is not None:
        steps.append(Send(event(chunk(empty, finish=finish, model=model))))
    if usage is not None:
        steps.append(Send(event(chunk(empty, finish=finish, model=model, usage=usage))))
    return [*steps, DONE]


def url_citation(url: object, title: object = None) -> dict[str, Any]:
    """An annotation that cites a page on the web; without a title it has none."""
    fields = {"url": url, "start_index": 0, "end_index": 1} | ({} if title is None else {"title": title})
    return {"type": "url_citation", "url_citation": fields}


def answer(
    *texts: str,
    reasoning: Sequence[str] = (),
    model: str = "acme/chat-1",
    finish: str | None = "stop",
    usage: Mapping[str, Any] | None = None,
    holds: Mapping[int, Hold] | None = None,
    pace: float = 0.0,
    citations: Sequence[object] = (),
) -> Reply:
    """A good answer. `holds[k]` stops it before its k-th text, `holds[len(texts)]` before its end.

    `citations` are the `annotations` of as many chunks after the texts.
    """
    usage = spent(completion=len(texts) + len(reasoning)) if usage is None else usage
    steps: list[Step] = [COMMENT, *tokens(*reasoning, kind="reasoning", model=model)]
    for position, step in enumerate(tokens(*texts, model=model)):
        if holds and position in holds:
            steps.append(holds[position])
        if pace:
            steps.append(Pause(pace))
        steps.append(step)
    steps += [Send(event(chunk({"content": "", "annotations": each}, model=model))) for each in citations]
    if holds and len(texts) in holds:
        steps.append(holds[len(texts)])
    return Reply([*steps, *ending(finish, usage, model=model)], usage=usage)


def counted(count: int, **options: Any) -> Reply:
    """The predictable text `t0 t1 …`, in which no lost or doubled token can hide."""
    return answer(*(f"t{number} " for number in range(count)), **options)


def broken_off(*texts: str, by: Sequence[Step], framing: Framing = "chunked") -> Reply:
    """An answer that starts well and goes on with these steps."""
    return Reply([COMMENT, *tokens(*texts), *by], framing=framing)


def frames(*payloads: object) -> Reply:
    """An answer of exactly these frames."""
    return Reply([Send(event(payload)) for payload in payloads])


def refusal(
    status: int,
    message: str = "No.",
    *,
    code: object = None,
    error_type: str | None = None,
    headers: Mapping[str, str] | None = None,
    metadata: Mapping[str, object] | None = None,
    availability: Mapping[str, object] | None = None,
) -> Reply:
    """A refusal before the answer."""
    details = dict(metadata or {}) | ({"error_type": error_type} if error_type else {})
    error: dict[str, object] = {"code": status if code is None else code, "message": message}
    if details:
        error["metadata"] = details
    if availability:
        error["availability"] = dict(availability)
    return document({"error": error}, status=status, headers=headers)


def document(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON document."""
    data = json.dumps(body).encode()
    return Reply(
        [Send(data)], status=status, headers={"Content-Type": "application/json", **(headers or {})}, framing="length"
    )


def page(html: str = "<html><h1>Sign in to the hotel's network</h1></html>", *, status: int = 200) -> Reply:
    """A proxy's page."""
    return Reply([Send(html.encode())], status=status, headers={"Content-Type": "text/html"}, framing="length")


def redirect(location: str) -> Reply:
    """A redirect, which must not be followed."""
    return Reply(status=302, headers={"Location": location}, framing="length")


def compressed(body: bytes) -> Reply:
    """A stream in gzip, which nobody asked for."""
    headers = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}
    return Reply([Send(gzip.compress(body))], headers=headers)


def endless_line(pieces: int = 64) -> Reply:
    """A line of `pieces` times 64 KiB without an end in sight."""
    return Reply([Send(b"data: "), *[Send(b"x" * 65536)] * pieces, Silence()])


def many_headers(count: int) -> Reply:
    """A head with so many fields."""
    return replace(answer("x"), headers={f"X-Noise-{number}": "y" for number in range(count)})


_ERROR = {"code": 502, "message": "Provider disconnected", "metadata": {"error_type": "provider_unavailable"}}

MID_STREAM_ERRORS: Mapping[str, dict[str, Any]] = {
    "a top-level error beside a choice": chunk({"content": ""}, finish="error", error=_ERROR),
    "a top-level error alone": {"error": _ERROR},
    "an error inside the choice": {"choices": [{"index": 0, "delta": {}, "finish_reason": None, "error": _ERROR}]},
    "only a finish reason": chunk({"content": ""}, finish="error", native="MALFORMED_FUNCTION_CALL"),
    "a code that is a string": chunk(None, error={**_ERROR, "code": "server_error"}),
    "a code that is null": {"error": {**_ERROR, "code": None}},
    "an error that is a string": {"error": "boom"},
    "the shape of older vLLM": {"object": "error", "message": "boom", "code": 500, "type": "InternalServerError"},
}

_BY_MODEL: Mapping[str, Callable[[], Reply]] = {
    "acme/thinker": lambda: answer("Forty", "-two", ".", reasoning=["Let me ", "think. "], model="acme/thinker"),
    "acme/cites": lambda: answer(
        "It is so.", model="acme/cites", citations=[[url_citation("https://example.org/so", "Why it is so")]]
    ),
    "acme/slow": lambda: counted(60, pace=0.5, model="acme/slow"),
    "acme/other-answers": lambda: counted(5, model="acme/somebody-else"),
    "acme/comments": lambda: Reply([COMMENT, *[step for _ in range(600) for step in (Pause(1.0), COMMENT)]]),
    "acme/silent": lambda: Reply([*tokens("And then "), Silence()]),
    "acme/torn": lambda: replace(counted(50, model="acme/torn"), slice_bytes=3),
    "acme/resets": lambda: broken_off("Once ", "upon ", by=[Reset()]),
    "acme/truncated": lambda: broken_off("Once ", "upon ", by=[Send(b"")], framing="close"),
    "acme/half-chunk": lambda: broken_off("Once ", by=[Raw(b"ff\r\ndata: {"), Close()]),
    "acme/bad-chunk": lambda: broken_off("Once ", by=[Raw(b"zz\r\n"), Close()]),
    "acme/errs": lambda: broken_off("Once ", by=[Send(event(MID_STREAM_ERRORS["a top-level error beside a choice"]))]),
    "acme/page": page,
    "acme/gzip": lambda: compressed(event(chunk({"content": "x"}))),
    "acme/endless-line": endless_line,
    "acme/filtered": lambda: Reply(ending("content_filter")),
    "acme/empty": lambda: Reply(ending("stop", spent(completion=0))),
    "acme/tool": lambda: frames(
        chunk({"tool_calls": [{"index": 0, "function": {"name": "look", "arguments": "{"}}]}, finish="tool_calls"),
        "[DONE]",
    ),
}


def for_model(model: object) -> Reply:
    """Choose by model id: those above, `acme/status-429`, and `acme/t300-r30` for 300 tokens at 30 a second."""
    model = model if isinstance(model, str) else ""
    if found := re.fullmatch(r"acme/status-(\d{3})", model):
        headers = {"Retry-After": "7"} if found[1] in ("429", "503") else None
        return refusal(int(found[1]), f"You asked for {found[1]}.", headers=headers)
    if found := re.fullmatch(r"acme/t(\d+)-r(\d+)", model):
        rate = int(found[2])
        return counted(int(found[1]), pace=1 / rate if rate else 0.0, model=model)
    return _BY_MODEL.get(model, lambda: counted(20, model=model or "acme/chat-1"))()


LISTED_MODELS: Sequence[Mapping[str, Any]] = [
    {
        "id": model_id,
        "name": model_id.partition("/")[2].title(),
        "created": 1790000000,
        "context_length": 128_000,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        "pricing": {"prompt": price, "completion": price},
    }
    for model_id, price in [
        ("acme/chat-1", "0.000001"),
        ("acme/free-1:free", "0"),
        ("openrouter/auto", "-1"),
        *((model_id, "0.000002") for model_id in [*_BY_MODEL, "acme/t300-r30", "acme/status-429"]),
    ]
]
