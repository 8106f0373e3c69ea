"""Put the web face together: the application with its routes and errors, and the guard around it."""

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from holdfast.http import shapes
from holdfast.http.errors import HANDLERS
from holdfast.http.guard import Guard
from holdfast.http.page import Assets
from holdfast.http.parts import Parts
from holdfast.http.routes import routes


def build(parts: Parts) -> ASGIApp:
    """The ASGI application that serves `parts`."""
    api = FastAPI(
        title="Holdfast",
        version=parts.version,
        summary="A self-hosted chat in which the answer is never lost and never doubled.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api.state.parts = parts
    for error, handler in HANDLERS.items():
        api.add_exception_handler(error, handler)
    refusal: dict[str, Any] = {"model": shapes.Refusal, "description": "Refused; the error says why."}
    api.include_router(routes(), responses={"4XX": refusal, "5XX": refusal})
    if (parts.static / "assets").is_dir():
        api.mount("/assets", Assets(directory=parts.static / "assets"))
    return Guard(api, hosts=parts.hosts, origin=parts.origin, prefix=parts.prefix)
