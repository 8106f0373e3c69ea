"""Errors as HTTP answers, before the first byte of a stream. The one table of status codes."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import msgspec
import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from holdfast.errors import HoldfastError, Invalid, NotFound

_STATUS: Final[Mapping[str, int]] = {
    "invalid_json": 400,
    "invalid_utf8": 400,
    "invalid_cursor": 400,
    "forbidden": 403,
    "cross_origin": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "timeout": 408,
    "generation_running": 409,
    "comparison_open": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "empty_message": 422,
    "unknown_model": 422,
    "idempotency_conflict": 422,
    "invalid": 422,
    "unreadable_file": 422,
    "busy": 503,
    "shutting_down": 503,
    "storage_full": 507,
}
_log = structlog.get_logger(__name__)


class MethodNotAllowed(HoldfastError):
    """The path exists, the verb does not."""

    code = "method_not_allowed"
    sentence = "This address does not answer to that method."


def response(error: HoldfastError, request_id: str) -> Response:
    """The one error shape."""
    body = {
        "error": {
            "code": error.code,
            "message": error.message,
            "retryable": error.retryable,
            "request_id": request_id,
        }
    }
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    return Response(msgspec.json.encode(body), _STATUS.get(error.code, 500), headers, media_type="application/json")


async def on_holdfast_error(request: Request, error: HoldfastError) -> Response:
    """What was raised on purpose."""
    return response(error, request.scope["request_id"])


async def on_http_error(request: Request, error: HTTPException) -> Response:
    """What the router raises: no such path, no such method."""
    found = {404: NotFound(), 405: MethodNotAllowed()}.get(error.status_code, Invalid())
    answer = response(found, request.scope["request_id"])
    answer.headers.update(error.headers or {})  # Allow, which a 405 has to carry.
    return answer


async def on_invalid(request: Request, _error: Exception) -> Response:
    """A parameter in the path or the query that does not fit. What was sent is not repeated."""
    return response(Invalid("A parameter of this request is not valid."), request.scope["request_id"])


async def on_crash(request: Request, error: Exception) -> Response:
    """Whatever nobody foresaw. The log has the details, the answer has none."""
    request_id = request.scope["request_id"]
    _log.error("request.crashed", request_id=request_id, path=request.scope["path"], exc_info=error)
    return response(HoldfastError(), request_id)


HANDLERS: Final[Mapping[type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]] = {
    HoldfastError: on_holdfast_error,
    HTTPException: on_http_error,
    RequestValidationError: on_invalid,
    Exception: on_crash,
}
