"""Read a database that a server may be using, of which nothing is changed, in short looks.

So no server waits, and its log can be folded in between two of them.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, StaticPool, create_engine, make_url
from sqlalchemy.exc import DBAPIError

from holdfast.errors import StartRefused
from holdfast.store.backup import refuse_missing
from holdfast.store.migrate import HEAD, find_revision, refuse_newer
from holdfast.store.peek import peek

R = TypeVar("R")


async def look(database: Path | str, work: Callable[[Connection], R]) -> R:
    """Run `work` on one snapshot, on a connection that cannot or does not write.

    Raises `StartRefused` where there is no database of this very shape, and `StorageError`.
    """

    def checked(connection: Connection) -> R:
        refuse_other(find_revision(connection))
        return work(connection)

    if isinstance(database, Path):
        refuse_missing(database)
        return peek(database, lambda opened: _through(opened, checked))
    from holdfast.store.postgresql import PostgreSQL  # noqa: PLC0415 - each database's driver only where it is used

    server = PostgreSQL(make_url(database))
    try:
        return await server.read(checked)
    finally:
        await server.aclose()


def refuse_other(revision: str | None) -> None:
    """Raises `StartRefused` for a shape that is not this program's."""
    if revision is None:
        raise StartRefused("This is no database of Holdfast.")
    refuse_newer(revision)
    if revision != HEAD:
        raise StartRefused(
            f"An older Holdfast wrote the database (its revision is {revision}, this program needs {HEAD}). Start "
            "this one once, which brings it up to date."
        )


def _through(opened: sqlite3.Connection, work: Callable[[Connection], R]) -> R:
    engine = create_engine("sqlite://", creator=lambda: opened, poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")  # Else each statement would see what was committed since the last one.
            return work(connection)
    except DBAPIError as error:
        raise error.orig or error from error
