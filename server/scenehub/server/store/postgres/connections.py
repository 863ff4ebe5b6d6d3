"""Connections to Postgres: the one typed seam to asyncpg.

Commits have connections of their own that are held: a pool would reset each at every release, which costs more than
a small commit. Readings share a pool. Both connect when they are first used and again after the server was away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import asyncpg

from scenehub.server.store.port import StoreAway
from scenehub.server.store.postgres.failures import CONNECT_ERRORS, Cause, cause_of

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Own: TypeAlias = asyncpg.Connection[asyncpg.Record]
    Row: TypeAlias = asyncpg.Record

ResultT = TypeVar("ResultT")

READ_ATTEMPTS = 3
"""A reading whose connection broke is tried again: the first two may meet connections from before a restart."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a database; times in seconds.

    `prepare` False keeps no prepared statements, as a pooler in transaction mode needs it.
    """

    url: str
    prepare: bool = True
    connect_timeout: float = 5.0
    statement_timeout: float = 10.0
    answer_timeout: float = 15.0
    """How long an answer may take before the connection counts as broken; above `statement_timeout`."""

    async def connect(self) -> Own:
        """A new connection. Raises one of CONNECT_ERRORS."""
        connection = await asyncpg.connect(
            self.url,
            timeout=self.connect_timeout,
            command_timeout=self.answer_timeout,
            statement_cache_size=100 if self.prepare else 0,
        )
        try:
            await self.settle(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def settle(self, connection: Connection) -> None:
        """Set what every session of ours has; by statement, since poolers refuse start parameters they do not know."""
        milliseconds = int(self.statement_timeout * 1000)
        await connection.execute(
            f"SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds // 2};"
            " SET idle_in_transaction_session_timeout = 30000; SET TimeZone = 'UTC'; SET synchronous_commit = on;"
        )


class HeldConnections:
    """A fixed number of places for a connection each; who enters a place finds its connection open or opens it."""

    def __init__(self, access: Access, places: int) -> None:
        self._access = access
        self._free: asyncio.LifoQueue[Own | None] = asyncio.LifoQueue()
        for _ in range(places):
            self._free.put_nowait(None)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Own]:
        """An open connection for this block alone. Raises one of CONNECT_ERRORS, only before the block."""
        connection = await self._free.get()
        try:
            if connection is None or connection.is_closed():
                connection = None
                connection = await self._access.connect()
            yield connection
        except asyncio.CancelledError:
            if connection is not None:
                connection.terminate()  # what it was doing is not known
            raise
        finally:
            self._free.put_nowait(connection)

    async def close(self) -> None:
        """Close those that nobody is in; the places stay usable."""
        held = [self._free.get_nowait() for _ in range(self._free.qsize())]
        for connection in held:
            self._free.put_nowait(None)
            if connection is not None:
                await _close(connection)


class ReadingPool:
    """Connections for readings, opened as they are needed."""

    def __init__(self, access: Access, size: int) -> None:
        self._access = access
        self._size = size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def run(self, reading: Callable[[Connection], Awaitable[ResultT]]) -> ResultT:
        """Do a reading, again on another connection if the first one broke. Raises StoreAway."""
        for attempt in range(READ_ATTEMPTS):
            try:
                async with (await self._opened()).acquire(timeout=self._access.connect_timeout) as connection:
                    return await reading(connection)
            except CONNECT_ERRORS as error:
                if not _is_away(error):
                    raise
                if attempt == READ_ATTEMPTS - 1:
                    raise StoreAway(str(error)) from error
        raise AssertionError

    async def close(self) -> None:
        """Close all connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), self._access.connect_timeout)
            except CONNECT_ERRORS:
                pool.terminate()

    async def _opened(self) -> asyncpg.Pool[asyncpg.Record]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._access.url,
                    min_size=0,
                    max_size=self._size,
                    timeout=self._access.connect_timeout,
                    command_timeout=self._access.answer_timeout,
                    statement_cache_size=100 if self._access.prepare else 0,
                    init=self._access.settle,
                    reset=_keep_settings,
                )
            return self._pool


async def _keep_settings(_: Connection) -> None:
    """A reading leaves nothing behind in its session: there is nothing to reset."""


def _is_away(error: BaseException) -> bool:
    return cause_of(error) in (Cause.WIRE, Cause.SERVER)


async def _close(connection: Own) -> None:
    try:
        await connection.close(timeout=1.0)
    except CONNECT_ERRORS:
        connection.terminate()
