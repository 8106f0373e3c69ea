"""Writes what is made from the code: docs/configuration.md, .env.example and docs/protocol.md. `make docs` runs it.

tests/test_docs.py fails when a file here is not what this would write. Nothing is started and nothing is asked for:
the protocol comes from the routes, the shapes, the encoder of events and the tree of errors themselves.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from words import WORDS

from holdfast import __version__
from holdfast.config import SECRETS, Settings, names, rule
from holdfast.domain import Failure, Generation, Kind, Outcome, Piece, Status, Usage
from holdfast.errors import (
    GenerationError,
    HoldfastError,
    NotFound,
    StartRefused,
    StorageError,
    UpstreamProtocol,
)
from holdfast.events import STARTED, Frames, pack, replay
from holdfast.http import errors
from holdfast.http.requests import BODY_LIMIT
from holdfast.http.routes import routes
from holdfast.http.server import HEAD_LIMIT
from holdfast.store.generations import SIBLINGS

ROOT = Path(__file__).parent.parent

_PAGE = """\
# Configuration

Holdfast is configured by environment variables; a `.env` file in the working directory is read too
([.env.example](../.env.example) is one to start from). The environment beats the file, and an empty value counts as
not set. A setting that is wrong stops the start with one line for each: its name, its value, what is allowed. An
unknown variable that begins with `HOLDFAST_` is named in a warning.

This page is made from `src/holdfast/config.py` by `make docs`.
"""

_EXAMPLE = """\
# Settings of Holdfast: copy this file to .env and set what you need. docs/configuration.md tells more.
# The environment beats this file. Made from src/holdfast/config.py by `make docs`.
"""

_PROTOCOL = """\
# Protocol

What a program may rely on when it talks to Holdfast. This page is made from the code by `make docs`; a running server
tells the same at `/openapi.json` and `/docs`.

- Names on this page stay. New fields, events and addresses may come, so ignore what you do not know.
- Ids are opaque strings, times RFC 3339 in UTC, `cost` an exact decimal string in USD. What is not known is `null`.
- A body is a JSON object with `Content-Type: application/json`, at most {body} bytes; a field that is not known is
  refused. A request's line and headers together are at most {head} bytes.
- In personal mode whoever reaches the address is the owner, and there is nothing to sign in to. The `Host` header must
  be a loopback name or one that was configured. A browser's request that changes something must come from Holdfast's
  own page (`Origin`, `Sec-Fetch-Site`); a program that sends neither header is let through.
- Every answer carries `X-Request-Id`, and an error repeats it.

On this page: [requests](#requests), [events](#events), [shapes](#shapes), [errors](#errors).

## Requests
"""

_EVENTS = """\

## Events

`POST /chat`, `POST /api/messages/{{id}}/generations` and `GET /api/generations/{{id}}/events` answer with the same
stream of server-sent events: a line `id:` with a number, a line `data:` with JSON, an empty line. A whole one, whose
model shows its reasoning:

{example}

- `seq`, the number in `id:`, counts what is stored of one generation, from 1. It only grows, and it is the cursor:
  follow with `Last-Event-ID: n` or `?after=n` and you get everything after `n`, once and in order, whether the
  generation runs, ends meanwhile or ended long ago. 0, the default, is the start.
- A frame may cover several stored pieces; its number is then the last one's. So numbers may skip, and the same
  generation read later comes in fewer frames. A cursor from the middle stays good. The same generation, read after 3:

{later}

- Exactly one terminal event, `done` or `error`, is the last one. `metadata` comes before it, and all that they say is
  stored before it is sent. Only two ends come alone, since they cannot be stored just then: that of a conversation
  which was deleted (`not_found`) and that on a disk which fails (`storage_full`).
- Where the process was killed before the end, times stay `null` and `citations` empty; the cost may be found later.
- Once `started` is there the message is stored. What the provider does from then on is an event, not an HTTP status.
- A stream that ends without a terminal event was cut: follow again after the last number you got. At a shutdown the
  server writes `retry:` with milliseconds before it closes.
- A line that begins with a colon is a comment. One comes first, and then whenever the stream would be silent for too
  long (`HOLDFAST_HEARTBEAT`).
- Text comes as the provider sent it; only NUL and lone surrogates become U+FFFD.
- Whoever sends the same `client_message_id` with the same body again is attached to the same generation from its
  start, and the provider is not asked again.

An answer that broke off:

{broken}

### The live feed

`GET /api/events` is a stream of its own kind: what changes for the account from now on. Its frames have no `id:`, and
nothing is told twice: a client fetches the list when it connects, and again when it comes back.

| `type` | further fields, beside `conversation_id` |
|---|---|
| `conversation_created`, `conversation_updated` | `conversation` as it is now; updated also by a cost found later |
| `conversation_updated` by a rating | that, `message_id`, `rating`, `rating_reasons`, `rating_comment` |
| `conversation_deleted` | |
| `generation_started`, `generation_ended` | that, `generation_id`, `message_id`, `user_message_id`, `model`, `status` |

With `follow=running` the same connection carries the frames of every generation that runs or starts, as its own stream
would: with `id:`, in order, from its start or after the cursor that `after=<generation id>:<cursor>` gives. So one
connection serves all tabs of a browser. A generation that ended meanwhile is told to its end; one that is gone is
passed over.
"""

_ERRORS = """\

## Errors

Before the first byte of a stream an error is an HTTP status with this body, and `Retry-After` where waiting helps:

{example}

In a stream it is the `error` event, with the same `code` and, for who follows as it ends, `retry_after` (seconds) where
waiting helps. Rely on the code; the sentence is for people and may say more than here. `retryable` says whether the
same request may succeed later; the one in the answer counts.

| code | HTTP status | in a stream | retryable | sentence |
|---|---|---|---|---|
"""

_CONVERSATION, _GENERATION, _QUESTION, _ANSWER = (
    f"01m7yhpd4{part}0qb13b35sk93e" for part in ("wjry", "wrxc", "wkvc", "w477")
)
_ANSWERS = {
    "GET /api/generations/{id}/events": "200, a stream of [events](#events); 204 at the end of one that ended",
    "DELETE /api/generations/{id}": "202 or 200, [Generation](#generation)",
    "GET /api/conversations/{id}/export": "200, a file",
    "GET /api/export": "200, a file",
}
"""What the OpenAPI document does not know: answers that the routes make themselves."""

_THOUGHT = ("Seven times", " six.")
_TEXT = ("It is", " 42.")


def default(field: FieldInfo) -> str:
    """The default as an operator would write it, or in words."""
    if words := rule(field).default:
        return words
    value = field.default
    assert value is not PydanticUndefined, "a default that is computed needs words in its Rule"
    return f"`{written(value)}`"


def written(value: object) -> str:
    """A value in the form that a variable takes."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def section(field: FieldInfo) -> str:
    """A field's part of the page."""
    name, *others = names(field)
    facts = [f"Default: {default(field)}.", f"Allowed: {rule(field).allowed}."]
    if name in SECRETS:
        facts.append(f"Secret: never shown, and also read from the file that `{name}_FILE` names.")
    if others:
        facts.append(f"Also: {', '.join(f'`{other}`' for other in others)}.")
    return "\n".join([f"\n## `{name}`\n", field.description or "", "", *(f"- {fact}" for fact in facts), ""])


def example(field: FieldInfo) -> str:
    """A field's part of the example."""
    words = " ".join((field.description or "").replace("`", "").split())
    value = "" if rule(field).default else written(field.default)
    return "\n".join(["", *(f"# {line}" for line in textwrap.wrap(words, 110)), f"# {names(field)[0]}={value}", ""])


def kind_of(schema: dict[str, Any]) -> str:
    """What a JSON schema asks for, in words; a shape of its own as a link."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if choices := schema.get("anyOf"):
        return " or ".join(kind_of(choice) for choice in choices)
    if schema.get("type") == "array":
        return f"array of {kind_of(schema['items'])}"
    low, high = schema.get("minimum"), schema.get("maximum")
    return str(schema.get("type", "any")) + (f", {low} to {high}" if high is not None else "")


def fields(schema: dict[str, Any], shape: str = "") -> Iterator[str]:
    """The rows of a table about an object's fields: a request's, or those of a named shape."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        words = WORDS.get(f"{shape}.{name}", "") if shape else WORDS[name]
        must = " Required." if not shape and name in required else ""
        yield f"| `{name}` | {kind_of(field)} | {words}{must} |"


def parameters(operation: dict[str, Any]) -> Iterator[str]:
    """The rows of a table about what an operation takes beside its body; the path's id goes without saying."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] != "path":
            value = parameter["schema"].get("default")
            default_ = "" if value is None else f" Default: {value}."
            name, words = parameter["name"], WORDS[parameter["name"]]
            yield f"| `{name}` ({parameter['in']}) | {kind_of(parameter['schema'])} | {words}{default_} |"


def answers(call: str, operation: dict[str, Any]) -> Iterator[str]:
    """What comes back when all goes well."""
    if call in _ANSWERS:
        yield _ANSWERS[call]
        return
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if not status.startswith("2"):
            continue
        if "text/event-stream" in content:
            yield f"{status}, a stream of [events](#events)"
        elif schema := content.get("application/json", {}).get("schema"):
            yield f"{status}, {kind_of(schema)}"
        else:
            yield status


def operation_section(call: str, operation: dict[str, Any]) -> str:
    """One operation's part of the page."""
    parts = [f"\n### `{call}`\n", operation["description"], ""]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    rows = [*parameters(operation), *(fields(body) if body else ())]
    if rows:
        parts += [f"| {'field' if body else 'parameter'} | | |\n|---|---|---|", *rows, ""]
    parts += [f"Answer: {'; '.join(answers(call, operation))}.", ""]
    return "\n".join(parts)


def shape_section(name: str, schema: dict[str, Any]) -> str:
    """One shape's part of the page."""
    head = f"\n### {name}\n\n{schema.get('description', '')}\n\n"
    if "enum" in schema:
        return head + f"One of {', '.join(f'`{value}`' for value in schema['enum'])}.\n"
    return head + "| field | | |\n|---|---|---|\n" + "\n".join(fields(schema, name)) + "\n"


def generation(status: Status, failure: HoldfastError | None = None) -> Generation:
    """A generation as it is in the store after it ended: the one in the examples."""
    whole = status is Status.COMPLETE
    pieces = [Piece(Kind.REASONING, part) for part in _THOUGHT]
    pieces += [Piece(Kind.CONTENT, part) for part in (_TEXT if whole else _TEXT[:1])]
    return Generation(
        id=_GENERATION,
        conversation_id=_CONVERSATION,
        user_message_id=_QUESTION,
        message_id=_ANSWER,
        status=status,
        model="openrouter/auto",
        preset_id=1,
        seq=STARTED + len(pieces) + 2,
        offset=0,
        reasoning_offset=0,
        spans=pack(pieces),
        outcome=Outcome(
            model_id_used="acme/thinker",
            provider="Acme",
            upstream_id="gen-1790000000-AbC",
            finish_reason="stop" if whole else None,
            usage=Usage(12, 9, 5, 0, 4_000_000) if whole else Usage(),
            first_token_ms=180,
            reasoning_ms=240,
            duration_ms=510,
            left_out=0,
        ),
        failure=Failure(failure.code, failure.message, failure.retryable) if failure else None,
        created_at=0,
        ended_at=0,
    )


def as_it_runs() -> list[bytes]:
    """The frames of the example as somebody who follows live gets them."""
    run = generation(Status.COMPLETE)
    frames = Frames(run.conversation_id, run.id)
    pieces = [(Kind.REASONING, part) for part in _THOUGHT] + [(Kind.CONTENT, part) for part in _TEXT]
    texts = [frames.text(seq, kind, part) for seq, (kind, part) in enumerate(pieces, STARTED + 1)]
    end = [frames.metadata(run.seq - 1, run), frames.terminal(run.seq, run.status, run.failure)]
    return [frames.started(run), *texts, *end]


def broken_off() -> list[bytes]:
    """The last frames of an answer that its provider did not finish."""
    return list(replay(generation(Status.FAILED, UpstreamProtocol()), _TEXT[0], "".join(_THOUGHT), after=3))


def block(frames: Iterable[bytes]) -> str:
    """Frames as they are on the wire, in a block of code."""
    return f"```\n{b''.join(frames).decode().rstrip()}\n```"


def event_table() -> str:
    """Each type of event with its own fields, as the encoder writes them."""
    found: dict[str, list[str]] = {}
    for frame in [*as_it_runs(), *broken_off()]:
        event = json.loads(frame.partition(b"data: ")[2])
        own = [name for name in event if name not in {"type", "conversation_id", "generation_id"}]
        found.setdefault(event["type"], own)
    rows = [f"| `{kind}` | {', '.join(f'`{name}`' for name in own)} | {WORDS[kind]} |" for kind, own in found.items()]
    head = "\nEvery event carries `type`, `conversation_id` and `generation_id`. Its own fields:\n\n"
    return head + "| type | fields | |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def error_classes(root: type[HoldfastError] = HoldfastError) -> Iterator[type[HoldfastError]]:
    """Every error that a program can meet, in the order of the tree; of those without a code only the root."""
    told = root is HoldfastError or root.code != HoldfastError.code
    if told and root is not StartRefused:
        yield root
    for child in root.__subclasses__():
        if child.__module__.startswith("holdfast."):
            yield from error_classes(child)


def error_row(error: type[HoldfastError]) -> str:
    """An error's row of the table."""
    only_in_streams = issubclass(error, GenerationError)
    in_streams = only_in_streams or issubclass(error, StorageError) or error in {NotFound, HoldfastError}
    status = "" if only_in_streams else errors.response(error(), "").status_code
    marks = ["yes" if each else "" for each in (in_streams, error.retryable)]
    return f"| `{error.code}` | {status} | {marks[0]} | {marks[1]} | {error.sentence} |\n"


def protocol() -> str:
    """The page about the protocol."""
    api = FastAPI(title="Holdfast", version=__version__)
    api.include_router(routes())
    document = api.openapi()
    operations = [
        operation_section(f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    shapes = [
        shape_section(name, schema)
        for name, schema in document["components"]["schemas"].items()
        if "ValidationError" not in name  # FastAPI's own, which is never sent: `http.errors` answers instead.
    ]
    refused = errors.response(NotFound(), "01m7yhp1gz1maetqbr07y0dhex").body
    return "".join(
        [
            _PROTOCOL.format(body=BODY_LIMIT, head=HEAD_LIMIT),
            *operations,
            f"\nUp to {SIBLINGS} answers to one message may be written at the same time.\n",
            _EVENTS.format(
                example=block(as_it_runs()),
                later=block(replay(generation(Status.COMPLETE), "".join(_TEXT), "".join(_THOUGHT), after=3)),
                broken=block(broken_off()),
            ),
            event_table(),
            "\n## Shapes\n",
            *shapes,
            _ERRORS.format(example=f"```\n{bytes(refused).decode()}\n```"),
            *map(error_row, error_classes()),
        ]
    )


def generate() -> dict[Path, str]:
    """Every file that is made here, with its text."""
    settings = Settings.model_fields.values()
    return {
        ROOT / "docs" / "configuration.md": _PAGE + "".join(section(field) for field in settings),
        ROOT / ".env.example": _EXAMPLE + "".join(example(field) for field in settings),
        ROOT / "docs" / "protocol.md": protocol(),
    }


if __name__ == "__main__":
    for path, content in generate().items():
        path.write_text(content, encoding="utf-8")
