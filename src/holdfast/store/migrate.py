"""Bring a database to the shape that this program expects, or refuse one that is newer than the program."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from holdfast.errors import StartRefused

HEAD: Final = "0001"
"""The newest step. Compared before Alembic is imported, which would cost a start that has nothing to do 0.2 s."""

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def migrate(connection: Connection, report: Callable[[str], None]) -> None:
    """Apply the steps that are missing, in one transaction. Raises `StartRefused` for an unknown revision."""
    current = _revision(connection)
    if current == HEAD:
        return
    from alembic import command, config, script  # noqa: PLC0415 - not needed by most starts, see HEAD

    settings = config.Config()
    settings.set_main_option("script_location", str(_SCRIPTS))
    settings.attributes["connection"] = connection
    known = {step.revision for step in script.ScriptDirectory.from_config(settings).walk_revisions()}
    if current is not None and current not in known:
        raise StartRefused(
            f"The database was written by a newer Holdfast (its revision is {current}, this program knows {HEAD}). "
            "Start the newer version, or restore a backup made by this one."
        )
    report(f"Bringing the database from revision {current or 'none'} to {HEAD} …")
    command.upgrade(settings, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision
