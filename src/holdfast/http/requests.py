"""Read a JSON body: bounded in size and time, strict in form, and never quoted back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from holdfast.errors import Invalid, InvalidJson, InvalidUtf8, RequestTimeout, TooLarge, UnsupportedMediaType
from holdfast.text import without_surrogates

BODY_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of a request's body."""

BODY_DEADLINE: Final = 30.0
"""Seconds within which a body has to arrive, and of a file each piece."""

UPLOADED: Final = frozenset({"application/json", "application/octet-stream", "application/zip"})
"""What a file may say that it is; what it is, is looked at. No form of another site's page can say any of these."""

_SHOWN_PROBLEMS: Final = 3

M = TypeVar("M", bound="Body")


class Body(BaseModel):
    """A request's body: exact types, no field that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def body_of(model: type[M]) -> Callable[[Request], Coroutine[Any, Any, M]]:
    """A dependency that reads the body as `model`. Raises the errors of `read` and `Invalid`."""

    async def dependency(request: Request) -> M:
        check_media_type(request.headers)
        value = _parsed(await read(request))
        try:
            return model.model_validate(value)
        except ValidationError as error:
            raise Invalid(_problems(error)) from error

    return dependency


def documented(model: type[Body]) -> dict[str, Any]:
    """What OpenAPI is told of a body that `body_of` reads."""
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}},
    }


def check_media_type(headers: Headers, taken: Collection[str] = ("application/json",)) -> None:
    """Raises `UnsupportedMediaType` where a body does not say that it is JSON, or another one that is taken."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in taken:
        raise UnsupportedMediaType


def too_large(limit: int = BODY_LIMIT) -> TooLarge:
    """The refusal of a body, with the limit."""
    return TooLarge(f"The request's body is too large; at most {limit} bytes are taken.")


async def read(request: Request) -> bytes:
    """The body's bytes. Raises `TooLarge` as soon as it is, and `RequestTimeout`."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            async for chunk in request.stream():
                size += len(chunk)
                if size > BODY_LIMIT:
                    raise too_large()
                chunks.append(chunk)
    except (TimeoutError, ClientDisconnect) as error:
        raise RequestTimeout from error
    return b"".join(chunks)


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """A file as it comes. Raises `RequestTimeout` when it stops coming."""
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(BODY_DEADLINE):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except (TimeoutError, ClientDisconnect) as error:
            raise RequestTimeout from error
        yield piece  # Outside the deadline: what is done with a piece is not the sender's time.


def _parsed(body: bytes) -> object:
    """JSON without what RFC 8259 lacks or leaves open: NaN, infinities, a name twice. Lone surrogates become U+FFFD."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidUtf8 from error
    try:
        return _cleaned(json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique))
    except (ValueError, RecursionError) as error:
        raise InvalidJson from error


def _refuse(_name: str) -> None:
    raise ValueError


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(name): _cleaned(item) for name, item in value.items()}
    return value


def _problems(error: ValidationError) -> str:
    """Which known fields are wrong and how; what was sent is not repeated."""
    told = []
    for problem in error.errors(include_input=False, include_url=False)[:_SHOWN_PROBLEMS]:
        if problem["type"] == "extra_forbidden":
            told.append("There is a field that is not known.")
            continue
        place = ".".join(map(str, problem["loc"])) or "The body"
        told.append(f"{place}: {problem['msg']}.")
    return " ".join(told)
