"""Bring a database to the shape that this program expects, or refuse one that is newer than the program.

Before steps touch a SQLite file that holds anything, a verified copy of it is laid beside it: no copy, no step.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from holdfast.errors import StartRefused, StorageError
from holdfast.store.backup import backup

HEAD: Final = "0014"
"""The newest step. Compared before Alembic is imported, which would cost a start that has nothing to do 0.2 s."""

SNAPSHOTS: Final = 3
"""Copies from before an upgrade that are kept."""

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def migrate(connection: Connection, report: Callable[[str], None]) -> None:
    """Apply the steps that are missing, in one transaction.

    Raises `StartRefused` for an unknown revision, and where no copy could be made first.
    """
    current = find_revision(connection)
    if current == HEAD:
        return
    if current is not None:
        refuse_newer(current)
    from alembic import command, config  # noqa: PLC0415 - not needed by most starts, see HEAD

    settings = config.Config()
    settings.set_main_option("script_location", str(_SCRIPTS))
    settings.attributes["connection"] = connection
    with nullcontext("") if current is None else _copied(connection, report) as told:
        report(f"Bringing the database from revision {current or 'none'} to {HEAD} …{told}")
        command.upgrade(settings, "head")


def refuse_newer(revision: str, what: str = "The database") -> None:
    """Raises `StartRefused` for a revision that this program does not know."""
    if revision not in known():
        raise StartRefused(
            f"{what} was written by a newer Holdfast (its revision is {revision}, this program knows {HEAD}). "
            "Start the newer version, or restore a backup made by this one."
        )


def known() -> set[str]:
    """The revisions that this program knows, by the names of its steps."""
    return {step.name.partition("_")[0] for step in (_SCRIPTS / "versions").glob("[0-9]*_*.py")}


@contextmanager
def _copied(connection: Connection, report: Callable[[str], None]) -> Iterator[str]:
    """Around the steps: lay a copy beside a SQLite file, and take it away again if they fail."""
    if connection.dialect.name != "sqlite":
        yield " No copy is made of a PostgreSQL database; pg_dump makes one."
        return
    path = Path(str(connection.engine.url.database))
    snapshot = path.with_name(f"{path.name}.before-{HEAD}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.bak")
    try:
        backup(path, snapshot, report, replace=True)
    except StorageError as error:
        raise StartRefused(
            f"The database at {path} has to be upgraded, and no copy of it could be made first. {error.message} "
            "Nothing was changed."
        ) from error
    _drop_old_snapshots(path)
    try:
        yield ""
    except BaseException:
        # Nothing was changed, and a start that fails again and again must not fill the disk.
        snapshot.unlink(missing_ok=True)
        raise
    report(f"A copy of the database from before its upgrade is kept: {snapshot}")


def _drop_old_snapshots(path: Path) -> None:
    found = [file for file in path.parent.iterdir() if file.name.startswith(f"{path.name}.before-")]
    found = [file for file in found if file.suffix == ".bak"]
    for old in sorted(found, key=lambda file: file.stem.rpartition("-")[2])[:-SNAPSHOTS]:
        old.unlink()


def find_revision(connection: Connection) -> str | None:
    """The newest step that was applied to an open database, or None where no Holdfast ever was."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision
