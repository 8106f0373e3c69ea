"""Conversations out of files of Holdfast's and of other programs."""

from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Request, Response
from pydantic import BaseModel

from holdfast.domain import timestamp
from holdfast.http import shapes
from holdfast.http.parts import Owner, PathId, Wired
from holdfast.http.requests import UPLOADED, Body, body_of, pieces
from holdfast.transfer import imports
from holdfast.transfer.read import Part, Reason

DOCUMENTED: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in sorted(UPLOADED)},
    }
}


class LeftOut(BaseModel):
    """Entries of a file that were left out, by the reason."""

    known: int
    empty: int
    malformed: int
    unrecognised: int


class NotTaken(BaseModel):
    """What was not taken along of conversations that were."""

    hidden: int
    tool: int
    attachment: int


class Import(BaseModel):
    """A file that is, or would be, taken in."""

    id: str
    status: imports.Stage
    dry_run: bool
    size: int
    position: int
    conversations: int
    messages: int
    left_out: LeftOut
    not_taken: NotTaken
    error: shapes.Failure | None
    created_at: str


class TakeIn(Body):
    """To take in what was looked through."""

    dry_run: Literal[False]


async def begin(request: Request, parts: Wired, owner: Owner, *, dry_run: bool = False) -> Import:
    """Take in the conversations of a file, which is the body: what Holdfast, ChatGPT, Open WebUI or LibreChat wrote.

    Ask with the id how far it is. What is here already stays as it is, so a file may come again.
    """
    return _told(await parts.imports.begin(owner, pieces(request), dry_run=dry_run))


async def get_import(parts: Wired, owner: Owner, import_id: PathId) -> Import:
    """How far it is, and what it did."""
    return _told(parts.imports.get(owner, import_id))


async def take_in(
    parts: Wired, owner: Owner, import_id: PathId, _body: Annotated[TakeIn, Depends(body_of(TakeIn))]
) -> Import:
    """Take in what a dry run has looked through; the file is kept for it for an hour."""
    return _told(parts.imports.take_in(owner, import_id))


async def cancel(parts: Wired, owner: Owner, import_id: PathId) -> Response:
    """End it and forget its file. What it has stored stays, and is found as known the next time."""
    await parts.imports.cancel(owner, import_id)
    return Response(status_code=204)


def _told(value: imports.Import) -> Import:
    error = value.error
    return Import(
        id=value.id,
        status=value.stage,
        dry_run=value.dry_run,
        size=value.size,
        position=value.position,
        conversations=value.report.conversations,
        messages=value.report.messages,
        left_out=LeftOut(**{reason: value.report.left_out[reason] for reason in Reason}),
        not_taken=NotTaken(**{part: value.report.parts[part] for part in Part}),
        error=shapes.Failure(code=error.code, message=error.message, retryable=error.retryable) if error else None,
        created_at=timestamp(value.created_at),
    )
