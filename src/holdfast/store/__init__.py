"""Persistence: short transactions in, frozen values out. Only here is SQLAlchemy imported.

Authorisation is the lookup: what concerns a person takes the owner, and there is no read without one.
"""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import make_url

from holdfast.store.conversations import Conversations
from holdfast.store.database import Database
from holdfast.store.generations import Generations
from holdfast.store.messages import Messages
from holdfast.store.migrate import migrate

__all__ = ["Store", "open_store"]


class Store:
    """Everything that is kept, a part per noun."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.conversations = Conversations(database)
        self.messages = Messages(database)
        self.generations = Generations(database)

    async def check(self) -> None:
        """Raises `StorageError` when the database does not answer."""
        await self._database.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())

    async def aclose(self) -> None:
        """Let go of the database."""
        await self._database.aclose()


async def open_store(url: str | Path, report: Callable[[str], None]) -> Store:
    """Open a SQLite file, or PostgreSQL by its address, in the shape that this program expects.

    Raises `StorageError` when it cannot be opened, `StartRefused` when a newer program wrote it.
    """
    database = _database(url)
    try:
        await database.claim()
        await database.write(lambda connection: migrate(connection, report), durable=True)
    except BaseException:
        await database.aclose()
        raise
    return Store(database)


def _database(url: str | Path) -> Database:
    if isinstance(url, Path):
        from holdfast.store.sqlite import SQLite  # noqa: PLC0415 - each database's driver only where it is used

        return SQLite(url)
    from holdfast.store.postgresql import PostgreSQL  # noqa: PLC0415

    return PostgreSQL(make_url(url))
