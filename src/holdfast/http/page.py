"""The browser application: one page for every address that is the page's own, and its hashed assets."""

from html import escape

from fastapi import Response
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from holdfast.http.parts import Wired

_BASE = '<base href="/">'
_NOT_BUILT = "The page is not built. Start Holdfast with ./run, which builds it."


async def page(parts: Wired) -> Response:
    """The page, told where it lives so that all its addresses work under a sub-path too."""
    index = parts.static / "index.html"
    if not index.exists():
        return PlainTextResponse(_NOT_BUILT, 503)
    html = index.read_text("utf-8").replace(_BASE, f'<base href="{escape(parts.prefix)}/">')
    return HTMLResponse(html, headers={"Cache-Control": "no-cache"})


class Assets(StaticFiles):
    """Files whose names carry a hash of what is in them, so that they never change."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, to be kept for good."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
