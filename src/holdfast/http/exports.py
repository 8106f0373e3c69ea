"""Conversations as files to keep."""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from fastapi import Response
from starlette.responses import StreamingResponse

from holdfast.http.parts import Owner, PathId, Wired
from holdfast.transfer.export import export_all, export_one
from holdfast.transfer.form import Form

FILE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A file.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/markdown": {"schema": {"type": "string"}},
        },
    }
}
_UNSAFE: Final = frozenset('<>:"/\\|?*')
"""Characters that one system or another takes for more than a part of a name."""


async def export_conversation(
    parts: Wired,
    owner: Owner,
    conversation_id: PathId,
    format: Form = Form.JSON,  # noqa: A002 - the parameter's name
) -> Response:
    """One conversation as a file: complete as `json`, its current branch to be read as `markdown`."""
    whole = await parts.store.transfers.get(owner, conversation_id)
    headers = _attached(whole.conversation.title, format)
    return Response(export_one(whole, format), headers=headers, media_type=format.media_type)


async def export_all_conversations(
    parts: Wired,
    owner: Owner,
    format: Form = Form.JSON,  # noqa: A002 - the parameter's name
) -> Response:
    """All conversations as one file, oldest first, sent as it is made. A file that breaks off is not whole."""
    headers = _attached(f"Holdfast {datetime.now(UTC).date().isoformat()}", format)
    return StreamingResponse(
        export_all(parts.store.transfers, owner, format), headers=headers, media_type=format.media_type
    )


def _attached(title: str, form: Form) -> dict[str, str]:
    """Headers by which a browser keeps the file under a name, which RFC 6266 has in ASCII and in full."""
    name = "".join("-" if character in _UNSAFE else character for character in title).strip(". ") or "conversation"
    full = quote(name + form.suffix, safe="")
    return {"Content-Disposition": f"attachment; filename=\"conversation{form.suffix}\"; filename*=UTF-8''{full}"}
