"""Persistence: short transactions in, frozen values out. Only here is SQLAlchemy imported.

Authorisation is the lookup: what concerns a person takes the owner, and there is no read without one.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import make_url

from holdfast.errors import StartRefused
from holdfast.store.calls import Calls
from holdfast.store.comparisons import Comparisons
from holdfast.store.conversations import Conversations
from holdfast.store.database import Database
from holdfast.store.generations import Generations
from holdfast.store.look import look
from holdfast.store.messages import Messages
from holdfast.store.migrate import migrate
from holdfast.store.presence import expect, look_before_opening
from holdfast.store.presets import Presets
from holdfast.store.search import Search
from holdfast.store.statistics import Statistics
from holdfast.store.tasks import Tasks
from holdfast.store.titles import Titles
from holdfast.store.transfers import Transfers

__all__ = ["Store", "open_beside", "open_store"]


class Store:
    """Everything that is kept, a part per noun."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.conversations = Conversations(database)
        self.messages = Messages(database)
        self.generations = Generations(database)
        self.comparisons = Comparisons(database)
        self.calls = Calls(database)
        self.statistics = Statistics(database)
        self.tasks = Tasks(database)
        self.titles = Titles(database)
        self.search = Search(database)
        self.presets = Presets(database)
        self.transfers = Transfers(database)

    async def check(self) -> None:
        """Raises `StorageError` when the database cannot be read, or took no writing last and still takes none."""
        await self._database.check()

    async def aclose(self) -> None:
        """Let go of the database."""
        await self._database.aclose()


async def open_store(url: str | Path, report: Callable[[str], None]) -> Store:
    """Open a SQLite file, or PostgreSQL by its address, in the shape that this program expects.

    Raises `StorageError` when it cannot be opened, `StartRefused` when a newer program wrote it
    or it has gone.
    """
    database = _database(url)
    try:
        await database.claim()
        if isinstance(url, Path):
            look_before_opening(url)
        await database.write(lambda connection: migrate(connection, report), durable=True)
        if isinstance(url, Path):
            expect(url)
    except BaseException:
        await database.aclose()
        raise
    return Store(database)


async def open_beside(url: str | Path) -> Store:
    """Open a database that a server may be using, to add to it in short transactions; nothing of its shape changes.

    Where no server uses it, none can begin to until it is closed. Raises `StartRefused` where there is none of this
    very shape, and `StorageError`.
    """
    await look(url, lambda _connection: None)
    database = _database(url)
    try:
        with suppress(StartRefused):
            await database.claim()
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
