"""PostgreSQL through asyncpg: every transaction on a connection of the pool, given back at once.

What is not durable commits with `synchronous_commit=off`: the server writes it to its disk within moments.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from holdfast.errors import StartRefused, StorageBusy, StorageError, StorageFull

R = TypeVar("R")

_POOL: Final = 10
_ATTEMPTS: Final = 3
_CLAIM: Final = int.from_bytes(b"holdfast", "big") >> 1  # An advisory lock is a signed number of 64 bits.
_REPEATABLE: Final = frozenset({"40001", "40P01"})  # Serialization failure, deadlock.
_FULL: Final = frozenset({"53100", "58030"})  # Disk full, I/O error.


class PostgreSQL:
    """A database on a server."""

    def __init__(self, url: URL) -> None:
        self._engine: AsyncEngine = create_async_engine(
            _for_asyncpg(url), pool_size=_POOL, max_overflow=0, pool_pre_ping=True
        )
        self._held: AsyncConnection | None = None

    async def claim(self) -> None:
        """Take the database for this process, until it ends. Raises `StartRefused` where another one has it.

        What streams at the start is taken for dead, so a second process would end the first one's answers.
        """
        try:
            self._held = await self._engine.connect()
            await self._held.execution_options(isolation_level="AUTOCOMMIT")
            claimed = await self._held.exec_driver_sql(f"SELECT pg_try_advisory_lock({_CLAIM})")
        except (DBAPIError, PoolTimeout, OSError) as error:
            raise _translated(error) from error
        if not claimed.scalar():
            raise StartRefused("DATABASE_URL: another Holdfast uses this database; end it or name another database")

    async def read(self, work: Callable[[Connection], R]) -> R:
        """Run `work` on one snapshot."""
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ")
                return await connection.run_sync(work)
        except (DBAPIError, PoolTimeout, OSError) as error:
            raise _translated(error) from error

    async def write(self, work: Callable[[Connection], R], *, durable: bool) -> R:
        """Run `work` and commit; again where another transaction came between."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._engine.begin() as connection:
                    if not durable:
                        await connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                    return await connection.run_sync(work)
            except (DBAPIError, PoolTimeout, OSError) as error:
                if attempt == _ATTEMPTS or not _repeatable(error):
                    raise _translated(error) from error
        raise AssertionError

    async def check(self) -> None:
        """Read something."""
        await self.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())

    async def aclose(self) -> None:
        """Close the pool, and give up the claim."""
        if self._held:
            await self._held.close()
        await self._engine.dispose()


def _for_asyncpg(url: URL) -> URL:
    """The address with asyncpg's name for what libpq, and so every hosting platform, calls sslmode."""
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return url.set(drivername="postgresql+asyncpg", query=query)


def _sqlstate(error: Exception) -> Any:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _repeatable(error: Exception) -> bool:
    """A conflict that a second look resolves: of two equal inserts the second finds the first one's row."""
    return isinstance(error, IntegrityError) or _sqlstate(error) in _REPEATABLE


def _translated(error: Exception) -> StorageError:
    """SQLSTATE as one of ours; https://www.postgresql.org/docs/current/errcodes-appendix.html."""
    if _sqlstate(error) in _FULL:
        return StorageFull(retry_after=30)
    if isinstance(error, IntegrityError):
        return StorageError()
    return StorageBusy("The database cannot be reached and nothing was stored. Try again.", retry_after=5)
