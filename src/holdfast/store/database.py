"""The port to a database: short transactions in, values out.

A transaction is an ordinary function that takes a SQLAlchemy `Connection` first, so one text serves both databases.
It must be safe to run twice: a database may have to repeat it. No connection outlives the function, so none can be
held while something else is waited for.
"""

import functools
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from sqlalchemy import Connection

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Noun")


class Database(Protocol):
    """Runs transactions. Both methods raise `StorageError` when nothing was done."""

    async def read(self, work: Callable[[Connection], R]) -> R:
        """Run `work` on one consistent snapshot."""

    async def write(self, work: Callable[[Connection], R], *, durable: bool) -> R:
        """Run `work` in a write transaction and return once it is committed.

        `durable`: also survives a power cut from then on; otherwise it does within 250 ms, on a disk that syncs in 50.
        """

    async def claim(self) -> None:
        """Make sure that no other process uses the database. Raises `StartRefused` and `StorageError`."""

    async def check(self) -> None:
        """Raises `StorageError` where it cannot be read, or where the last write failed and another one fails too."""

    async def aclose(self) -> None:
        """Let go of all connections."""


def raw(connection: Connection) -> sqlite3.Connection:
    """SQLite's own connection, for what would cost more than it does on the way through SQLAlchemy."""
    return cast(sqlite3.Connection, connection.connection.driver_connection)


class Noun:
    """A part of the store: the methods that concern one noun."""

    def __init__(self, database: Database) -> None:
        self._database = database


def reading(
    work: Callable[Concatenate[S, Connection, P], R],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Make a method that reads on a `Connection` one that is awaited without it."""

    @functools.wraps(work)
    async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._database.read(lambda connection: work(self, connection, *args, **kwargs))

    return method


def writing(
    *, durable: bool = True
) -> Callable[[Callable[Concatenate[S, Connection, P], R]], Callable[Concatenate[S, P], Coroutine[Any, Any, R]]]:
    """The same for a method that writes."""

    def decorate(
        work: Callable[Concatenate[S, Connection, P], R],
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
        @functools.wraps(work)
        async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
            outcome: Awaitable[R] = self._database.write(
                lambda connection: work(self, connection, *args, **kwargs), durable=durable
            )
            return await outcome

        return method

    return decorate
