"""Back up the database, put a backup in its place, look it through: for the database that the settings name."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import typer

from holdfast import config
from holdfast.errors import StartRefused, StorageError
from holdfast.store import backup as backing_up
from holdfast.store import check as checking
from holdfast.store import restore as restoring
from holdfast.store.lock import hold_database, hold_directory

PROBLEMS: Final = 3
"""The status when `check` found something. 1 is a refusal, and 2 the command line's own for wrong usage."""

_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")


def backup(file: Path, *, replace: bool) -> None:
    """Copy the database to `file`. Raises `StartRefused` and `StorageError`."""
    path = _sqlite(f'pg_dump --format=custom --file="{file}" "$DATABASE_URL"', config.load())
    try:
        backing_up.backup(path, file.absolute(), _report, replace=replace)
    except StorageError as error:
        raise StartRefused(f"No backup was made. {error.message}") from error
    _report(f"{file}: a verified copy of {path}, {_size(file.stat().st_size)}.")


def restore(file: Path) -> None:
    """Make `file` the database. Raises `StartRefused` and `StorageError`."""
    settings = config.load()
    path = _sqlite(f'pg_restore --clean --if-exists --dbname="$DATABASE_URL" "{file}"', settings)
    try:
        with hold_directory(settings.data_dir), hold_database(path):
            restoring.restore(file.absolute(), path, _report)
    except StorageError as error:
        raise StartRefused(f"{file} was not restored. {error.message}") from error


def check(*, as_json: bool) -> None:
    """Tell how the database is. Raises `StartRefused` where that cannot be found out, else ends with `PROBLEMS`."""
    path = _sqlite('pg_amcheck "$DATABASE_URL"', config.load())
    try:
        found = checking.check(path)
    except StorageError as error:
        raise StartRefused(f"The database at {path} could not be checked. {error.message}") from error
    if as_json:
        _report(json.dumps(asdict(found)))
    else:
        _tell(found)
    if found.problems:
        raise typer.Exit(PROBLEMS)


def _sqlite(instead: str, settings: config.Settings) -> Path:
    if settings.database_path is None:
        raise StartRefused(f"DATABASE_URL names a PostgreSQL database, which has tools of its own: {instead}")
    return settings.database_path


def _tell(found: checking.Report) -> None:
    server = f"process {found.process}, {found.streaming} answers being written" if found.process else "none runs"
    expected = (
        "" if found.revision == found.expected_revision else f"; this program brings it to {found.expected_revision}"
    )
    _report(f"{found.path}: {'problems were found' if found.problems else 'all is well'}.")
    _report(f"  revision    {found.revision or 'unknown'}{expected}")
    _report(f"  size        {_size(found.size)}, and {_size(found.wal_size)} in the log beside it")
    _report(f"  disk        {_size(found.free)} free")
    _report(f"  server      {server}")
    for problem in found.problems:
        _report(f"  problem     {problem.message}")


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1024:  # noqa: PLR2004 - what each unit is of the next
            return f"{count:.1f} {unit}" if unit != _UNITS[0] else f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} {_UNITS[-1]}"


def _report(line: str) -> None:
    """A line for the operator, at once."""
    typer.echo(line)
