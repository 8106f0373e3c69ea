"""Write conversations out into a file, and take them in from one, beside a server that may be running."""

import asyncio
import os
from pathlib import Path
from typing import BinaryIO, Final

import typer

from holdfast import config
from holdfast.commands.writing import written
from holdfast.domain import PERSONAL_OWNER
from holdfast.errors import StartRefused, StorageError
from holdfast.store import open_beside
from holdfast.store.transfers import Looking
from holdfast.transfer.export import export_all
from holdfast.transfer.form import Form
from holdfast.transfer.importing import import_all
from holdfast.transfer.read import Part, Reason
from holdfast.transfer.report import Report

_PATIENCE: Final = 2.0  # Seconds without a word.
_REASONS: Final = {
    Reason.KNOWN: "are here already",
    Reason.EMPTY: "have no message",
    Reason.MALFORMED: "are damaged",
    Reason.UNRECOGNISED: "are no conversations that Holdfast knows",
}
_PARTS: Final = {
    Part.HIDDEN: "hidden messages and instructions",
    Part.TOOL: "calls of tools and their results",
    Part.ATTACHMENT: "images and files",
}


def export(file: Path | None, form: Form, *, replace: bool) -> None:
    """Write to `file`, which appears whole or not at all, or to the standard output. Raises `StartRefused`."""
    settings = config.load()
    source = Looking(settings.database_path or settings.database_url.get_secret_value())
    with written(file, replace=replace) as target:
        asyncio.run(_write(source, form, target))
    if file is not None:
        typer.echo(f"{file}: {file.stat().st_size} bytes.")


async def _write(source: Looking, form: Form, target: BinaryIO) -> None:
    try:
        async for part in export_all(source, PERSONAL_OWNER, form):
            target.write(part)
    except StorageError as error:
        raise StartRefused(f"The conversations could not be read. {error.message}") from error


def take_in(file: Path, *, dry_run: bool) -> None:
    """Import a file. Raises `StartRefused`, `UnreadableFile` and `StorageError`; what is told before that is stored."""
    settings = config.load()
    database = settings.database_path or settings.database_url.get_secret_value()
    report = Report()
    try:
        with file.open("rb") as source:
            asyncio.run(_take_in(database, source, report, dry_run=dry_run))
    except OSError as error:
        raise StartRefused(f"{file} cannot be read ({error.strerror}).") from error
    finally:
        _tell(file, report, dry_run=dry_run)


async def _take_in(database: Path | str, source: BinaryIO, report: Report, *, dry_run: bool) -> None:
    store = await open_beside(database)
    telling = asyncio.create_task(_tell_progress(source, report))
    try:
        await import_all(store.transfers, PERSONAL_OWNER, source, report, dry_run=dry_run)
    finally:
        telling.cancel()
        await store.aclose()


async def _tell_progress(source: BinaryIO, report: Report) -> None:
    size = os.fstat(source.fileno()).st_size
    while True:
        await asyncio.sleep(_PATIENCE)
        read = os.lseek(source.fileno(), 0, os.SEEK_CUR)
        typer.echo(f"{100 * read // max(size, 1)} % read, {report.conversations} conversations …")


def _tell(file: Path, report: Report, *, dry_run: bool) -> None:
    took = "would be taken in" if dry_run else "taken in"
    typer.echo(f"{file}: {report.conversations} conversations with {report.messages} messages {took}.")
    for reason, count in report.left_out.items():
        typer.echo(f"  left out    {count} that {_REASONS[reason]}")
    for part, count in report.parts.items():
        typer.echo(f"  not taken   {count} {_PARTS[part]}")
