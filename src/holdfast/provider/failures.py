"""What a provider's refusals mean: the one place that turns them into our errors.

The sentences are ours. A provider's own words are at most quoted: short, without control characters, without keys.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from holdfast.errors import (
    ContentFiltered,
    ContextTooLong,
    OutOfCredit,
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    UpstreamProtocol,
)
from holdfast.provider import wire

_QUOTE_CHARACTERS = 300
_SHORTEST_KEY = 8
_LONGEST_WAIT = 86_400
"""Nobody is told to wait for more than a day, in seconds."""

_NO_KEY = "The provider did not accept the API key. Set OPENROUTER_API_KEY to a valid key and start Holdfast again."
_NO_MODEL = "The provider has nothing that can answer this. Choose another model, or check its data policy settings."
_REDIRECT = "The provider's address answers with a redirect, which is not followed. Check OPENROUTER_BASE_URL."

_BY_WORD: dict[str, type[ProviderError]] = {
    # OpenRouter's error_type
    "context_length_exceeded": ContextTooLong,
    "token_limit_exceeded": ContextTooLong,
    "string_too_long": ContextTooLong,
    "payload_too_large": ContextTooLong,
    "payment_required": OutOfCredit,
    "rate_limit_exceeded": ProviderRateLimited,
    "provider_overloaded": ProviderUnavailable,
    "provider_unavailable": ProviderUnavailable,
    "server": ProviderUnavailable,
    "timeout": ProviderUnavailable,
    "content_policy_violation": ContentFiltered,
    "refusal": ContentFiltered,
    "authentication": ProviderRejected,
    "permission_denied": ProviderRejected,
    "max_tokens_exceeded": ProviderRejected,
    "invalid_request": ProviderRejected,
    "invalid_prompt": ProviderRejected,
    "not_found": ProviderRejected,
    "precondition_failed": ProviderRejected,
    "unprocessable": ProviderRejected,
    "invalid_image": ProviderRejected,
    "image_too_large": ProviderRejected,
    "image_too_small": ProviderRejected,
    "unsupported_image_format": ProviderRejected,
    "image_not_found": ProviderRejected,
    "image_download_failed": ProviderRejected,
    # the `code` or `type` of OpenAI, vLLM, llama.cpp and LiteLLM
    "exceed_context_size_error": ContextTooLong,
    "insufficient_quota": OutOfCredit,
    "rate_limit_error": ProviderRateLimited,
    "server_error": ProviderUnavailable,
    "overloaded_error": ProviderUnavailable,
    "unavailable_error": ProviderUnavailable,
    "content_filter": ContentFiltered,
    "invalid_api_key": ProviderRejected,
    "authentication_error": ProviderRejected,
    "model_not_found": ProviderRejected,
}

_BY_STATUS: dict[int, type[ProviderError]] = {
    HTTPStatus.PAYMENT_REQUIRED: OutOfCredit,
    HTTPStatus.REQUEST_TIMEOUT: ProviderUnavailable,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ContextTooLong,
    HTTPStatus.TOO_MANY_REQUESTS: ProviderRateLimited,
}

_KEY_WORDS = frozenset({"authentication", "invalid_api_key", "authentication_error"})
_MODEL_WORDS = frozenset({"not_found", "model_not_found"})
_CONTEXT = re.compile(r"context (length|window|size)|maximum context|prompt is too long", re.IGNORECASE)
_STATUS = re.compile(r"[45][0-9][0-9]")
_ERRORS = range(400, 600)
_SECRET = re.compile(r"\b(sk|pk|rk)-[\w*.-]{6,}|(?<=Bearer )\S+", re.IGNORECASE)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_EMPTY_WORDS = re.compile(r"provider returned error|none|null|error", re.IGNORECASE)


def refused(status: int, headers: Mapping[str, str], body: bytes, api_key: str | None) -> ProviderError:
    """Translate an HTTP answer that is no success. `body` may be cut, empty or no JSON at all."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return ProviderRejected(_REDIRECT)
    try:
        report = wire.plain(body)
    except ValueError:
        report = None
    return _translate(_error_of(report), status, _wait(headers.get("retry-after")), api_key)


def erred(error: object, native_finish_reason: str | None, api_key: str | None) -> ProviderError:
    """Translate an error that came inside an answer; None where only the finish reason says that there was one."""
    if not error:
        words = quote(native_finish_reason, api_key)
        return ProviderUnavailable(f"The model broke off with an error ({words})." if words else None)
    return _translate(error if isinstance(error, dict) else {"message": error}, None, None, api_key)


def incomprehensible(content_type: str) -> UpstreamProtocol:
    """Say that a success came as something that is no answer, such as a proxy's page."""
    shown = quote(content_type, None) or "nothing"
    return UpstreamProtocol(f"The provider answered with {shown} instead of a stream. Check OPENROUTER_BASE_URL.")


def quote(words: object, api_key: str | None) -> str:
    """Return a provider's words fit to be shown: one line, nothing invisible, no keys, at most 300 characters."""
    if not isinstance(words, str):
        return ""
    # What can become of a key or a sentence lies in the first few thousand characters; a message may have a million.
    visible = "".join(
        character if unicodedata.category(character) not in _HIDDEN else " " if character in "\n\t\r" else ""
        for character in words[:4000]
    )
    if api_key and len(api_key) >= _SHORTEST_KEY:
        visible = visible.replace(api_key, "[key]")
    visible = " ".join(_SECRET.sub("[key]", visible).split())
    return visible if len(visible) <= _QUOTE_CHARACTERS else visible[: _QUOTE_CHARACTERS - 1] + "…"


def _error_of(report: object) -> dict[str, Any]:
    """Find the error in a body: {"error": {…}}, {"error": "…"}, {"detail": …} (FastAPI), {"message": …} (vLLM)."""
    if not isinstance(report, dict):
        return {}
    error = report.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {"message": error}
    return report if "message" in report else {"message": report.get("detail")}


def _translate(error: dict[str, Any], status: int | None, wait: int | None, api_key: str | None) -> ProviderError:
    metadata, availability = _object(error, "metadata"), _object(error, "availability")
    words = [each for each in (metadata.get("error_type"), error.get("code"), error.get("type")) if each]
    named = next((each for each in words if isinstance(each, str) and each in _BY_WORD), None)
    number = status or _number(error.get("code"))
    message = _message(error, metadata)
    kind = _BY_WORD[named] if named else _kind(number, metadata)
    if kind is ProviderRejected and _CONTEXT.search(message):
        kind = ContextTooLong
    wait = wait if wait is not None else _seconds(availability.get("retry_after"))
    retryable = availability.get("retryable")
    if not isinstance(retryable, bool):
        retryable = wait is not None if kind is OutOfCredit else None
    sentence = kind.sentence
    if kind is ProviderRejected:
        sentence = _sentence(named, number)
    if kind not in (ContentFiltered, ContextTooLong) and (said := quote(message, api_key)):
        sentence += f" It says: {said}"
    return kind(sentence, retryable=retryable, retry_after=wait)


def _kind(number: int | None, metadata: dict[str, Any]) -> type[ProviderError]:
    if number == HTTPStatus.FORBIDDEN:
        if metadata.keys() & {"reasons", "flagged_input", "patterns"}:
            return ContentFiltered
        if "limit_source" in metadata:
            return OutOfCredit
    if number is None or number >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderUnavailable
    return _BY_STATUS.get(number, ProviderRejected)


def _sentence(named: str | None, number: int | None) -> str:
    if named in _KEY_WORDS or (named is None and number == HTTPStatus.UNAUTHORIZED):
        return _NO_KEY
    if named in _MODEL_WORDS or (named is None and number == HTTPStatus.NOT_FOUND):
        return _NO_MODEL
    return ProviderRejected.sentence


def _message(error: dict[str, Any], metadata: dict[str, Any]) -> str:
    """Return the most telling words: often `message` says nothing and the provider's own error hides in `raw`."""
    message = error.get("message")
    if isinstance(message, str) and not _EMPTY_WORDS.fullmatch(message.strip(" .")):
        return message
    raw = metadata.get("raw")
    try:
        report = wire.plain(raw) if isinstance(raw, str) else raw
    except ValueError:
        return ""
    inner = _error_of(report).get("message")
    return inner if isinstance(inner, str) else ""


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    inner = body.get(name)
    return inner if isinstance(inner, dict) else {}


def _number(code: object) -> int | None:
    """Read an HTTP status out of an error's code, which is an int or a string in the wild."""
    if isinstance(code, str) and _STATUS.fullmatch(code):
        code = int(code)
    return code if isinstance(code, int) and code in _ERRORS else None


def _wait(header: str | None) -> int | None:
    """Read `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    header = header.strip()
    if header.isascii() and header.isdigit():
        return min(int(header[:9]), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # no date; a year that no clock will show
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _seconds(int((moment - datetime.now(UTC)).total_seconds()) + 1)


def _seconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return max(0, min(value, _LONGEST_WAIT))
