"""A plain page over the OpenAPI document. It loads nothing from anywhere."""

from html import escape
from typing import Any

from fastapi import Request
from starlette.responses import HTMLResponse


async def page(request: Request) -> HTMLResponse:
    """Every operation with its parameters; the whole of it is in openapi.json."""
    document = request.app.openapi()
    operations = [
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<h1>{title}</h1><p>The whole document: <a href="openapi.json">openapi.json</a>.</p>{"".join(operations)}'
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{escape(parameter['name'])}</code> in {escape(parameter['in'])}"
        for parameter in operation.get("parameters", ())
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    fields = "".join(f"<li><code>{escape(name)}</code> in the body" for name in body.get("properties", ()))
    head = f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation.get('description', ''))}"
    return f"{head}<ul>{parameters}{fields}</ul>"
