"""PostgreSQL through asyncpg: every transaction on a connection of the pool, given back at once.

What is not durable commits with `synchronous_commit=off`: the server writes it to its disk within moments.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from holdfast.errors import StorageBusy, StorageError, StorageFull

R = TypeVar("R")

_POOL: Final = 10
_ATTEMPTS: Final = 3
_REPEATABLE: Final = frozenset({"40001", "40P01"})  # Serialization failure, deadlock.
_FULL: Final = frozenset({"53100", "58030"})  # Disk full, I/O error.


class PostgreSQL:
    """A database on a server."""

    def __init__(self, url: URL) -> None:
        self._engine: AsyncEngine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"), pool_size=_POOL, max_overflow=0, pool_pre_ping=True
        )

    async def read(self, work: Callable[[Connection], R]) -> R:
        """Run `work` on one snapshot."""
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ")
                return await connection.run_sync(work)
        except (DBAPIError, OSError) as error:
            raise _translated(error) from error

    async def write(self, work: Callable[[Connection], R], *, durable: bool) -> R:
        """Run `work` and commit; again where another transaction came between."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._engine.begin() as connection:
                    if not durable:
                        await connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                    return await connection.run_sync(work)
            except (DBAPIError, OSError) as error:
                if attempt == _ATTEMPTS or not _repeatable(error):
                    raise _translated(error) from error
        raise AssertionError

    async def aclose(self) -> None:
        """Close the pool."""
        await self._engine.dispose()


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
