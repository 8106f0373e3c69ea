"""The browser application: one page for every address that is the page's own, and its hashed assets."""

import asyncio
import gzip
from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi import Response
from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from holdfast.http.parts import Wired

_BASE = '<base href="/">'
_SHARED = "frame/"
"""The folder of what the frame without an origin loads; nothing in it belongs to anybody."""

FRAME_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)
"""For the frame that draws diagrams. Mermaid writes styles into its drawings, so they are allowed, and nothing else.

The sandbox holds also where somebody opens the address by itself: the document has no origin, thus no cookies.
"""
_NOT_BUILT = "The page is not built. Start Holdfast with ./run, which builds it."


async def page(parts: Wired) -> Response:
    """The page, told where it lives so that all its addresses work under a sub-path too."""
    index = parts.static / "index.html"
    if not index.exists():
        return PlainTextResponse(_NOT_BUILT, 503)
    html = index.read_text("utf-8").replace(_BASE, f'<base href="{escape(parts.prefix)}/">')
    return HTMLResponse(html, headers={"Cache-Control": "no-cache"})


async def diagram(parts: Wired) -> Response:
    """The document of the frame that draws diagrams, with a policy of its own."""
    document = parts.static / "diagram.html"
    if not document.exists():
        return PlainTextResponse(_NOT_BUILT, 503)
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": FRAME_POLICY}
    return HTMLResponse(document.read_text("utf-8"), headers=headers)


class Assets(StaticFiles):
    """Files whose names carry a hash of what is in them, so that they never change.

    They are sent compressed where that is understood; each is compressed once. Nothing else here is: a stream must not
    wait in a compressor, and an answer beside a secret must not tell its length.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, to be kept for good."""
        response = await super().get_response(path, scope)
        if response.status_code == HTTPStatus.OK and isinstance(response, FileResponse):
            if "gzip" in Headers(scope=scope).get("accept-encoding", "") and _is_text(response.media_type):
                small = await asyncio.to_thread(_compressed, str(response.path))
                response = Response(small, media_type=response.media_type, headers={"Content-Encoding": "gzip"})
            response.headers["Vary"] = "Accept-Encoding"
        if path.startswith(_SHARED):
            response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _is_text(media_type: str | None) -> bool:
    return (media_type or "").startswith(("text/", "application/javascript", "application/json", "image/svg"))


@cache
def _compressed(path: str) -> bytes:
    return gzip.compress(Path(path).read_bytes(), mtime=0)
