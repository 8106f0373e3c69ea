"""Before any route: who may knock. Host, origin and form of a request are checked; every answer gets its headers."""

from collections.abc import Collection
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.domain import new_id
from holdfast.errors import CrossOrigin, Forbidden, HoldfastError
from holdfast.http import errors
from holdfast.http.requests import BODY_LIMIT, UPLOADED, check_media_type, too_large
from holdfast.http.stream import RAW_SEND
from holdfast.transfer.imports import UPLOAD_LIMIT

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; worker-src 'self'; manifest-src 'self'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types app svelte-trusted-html"
)
"""For every answer. `base-uri` lets the page name its own base, for it may live under a sub-path."""

_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-DNS-Prefetch-Control": "off",
}
_UPLOADS: Final = "/api/imports"
"""The one address that takes a file."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FOREIGN: Final = frozenset({"cross-site", "same-site"})


class Guard:
    """Pure ASGI around the application. `prefix` is the path under which a proxy shows it, `origin` its address."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], origin: str | None, prefix: str) -> None:
        self._app = app
        self._hosts = hosts
        self._origin = origin
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let through with the answer's headers set."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["request_id"] = new_id()
        scope.setdefault("extensions", {})[RAW_SEND] = send
        self._strip_prefix(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Request-Id"] = request_id
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        try:
            self._check(scope)
        except HoldfastError as error:
            await errors.response(error, request_id)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _strip_prefix(self, scope: Scope) -> None:
        path: str = scope["path"]
        if self._prefix and (path == self._prefix or path.startswith(f"{self._prefix}/")):
            scope["path"] = path[len(self._prefix) :] or "/"
            scope["raw_path"] = scope["path"].encode()

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._believed(host):
            raise Forbidden(
                "This address is not one of Holdfast's own. Open it under the address it prints at its start, "
                "or list this host in HOLDFAST_ALLOWED_HOSTS."
            )
        unsafe = scope["method"] not in _SAFE
        site = headers.get("sec-fetch-site", "same-origin")
        if (unsafe and site != "same-origin") or (scope["path"].startswith("/api/") and site in _FOREIGN):
            raise CrossOrigin
        origin = headers.get("origin")
        if unsafe and origin is not None and origin not in {self._origin, f"{scope['scheme']}://{host}"}:
            raise CrossOrigin
        if scope["path"] == _UPLOADS and scope["method"] == "POST":
            _check_body(headers, UPLOAD_LIMIT, UPLOADED)
        else:
            _check_body(headers)

    def _believed(self, host: str) -> bool:
        """A loopback name or one that the operator listed; the port does not matter."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or name == "localhost" or _is_loopback(name)


def _check_body(
    headers: Headers, limit: int = BODY_LIMIT, media_types: Collection[str] = ("application/json",)
) -> None:
    """A body says what it is and is not longer than we take; one without a length is measured as it comes."""
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise too_large(limit)
    if length != "0" or "transfer-encoding" in headers:
        check_media_type(headers, media_types)


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
