"""Where a group of rows is committed: one transaction on one connection, kept open between groups."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.db.engine import open_blocking
from cloud.db.hold import Hold
from cloud.db.place import Log, Place

Batch = tuple[str, Sequence[tuple[Any, ...]]]  # a statement and the rows for it


# A hub that is replaced has up to 10 s to end, and its successor may have been started before it.
_BEGIN_WITHIN, _GO_ON_WITHIN = 20.0, 5.0


class Target(Protocol):
    """A database that takes groups."""

    superseded: asyncio.Event  # another hub writes there since: this one must end

    async def open(self) -> None:
        """Be ready to commit. Raises what a commit would raise, and where another hub writes there."""

    async def commit(self, batches: Sequence[Batch]) -> None:
        """Write all batches, or none; they are on disk when this returns."""

    async def close(self) -> None:
        """Let the connection go."""


def target_for(engine: AsyncEngine) -> Target:
    """The target that suits an engine."""
    return ThreadTarget(engine) if engine.dialect.name == "sqlite" else ConnectionTarget(engine)


class ConnectionTarget:
    """Through a connection of the engine, which holds the database for this hub."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._hold = Hold()
        self.superseded = self._hold.superseded

    async def open(self) -> None:
        """See `Target`."""
        if self._connection is None:
            self._connection = await self._connect(_BEGIN_WITHIN)

    async def commit(self, batches: Sequence[Batch]) -> None:
        """See `Target`."""
        if self._connection is None:
            self._connection = await self._connect(_GO_ON_WITHIN)
        try:
            async with self._connection.begin():
                for statement, rows in batches:
                    await self._connection.exec_driver_sql(statement, list(rows))
        except BaseException:
            connection, self._connection = self._connection, None
            await _drop(connection)
            raise

    async def close(self) -> None:
        """See `Target`."""
        if self._connection is not None:
            await _drop(self._connection)  # not back into the pool: its session has the lock

    async def _connect(self, wait: float) -> AsyncConnection:
        connection = await self._engine.connect()
        try:
            await self._hold.take(connection, wait)
        except BaseException:
            await _drop(connection)
            raise
        return connection


async def _drop(connection: AsyncConnection) -> None:
    """Close the session with the connection."""
    await connection.invalidate()
    await connection.close()


class ThreadTarget:
    """SQLite in a thread of its own: one way there and back a group, where aiosqlite takes one a call."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._place = Place(engine.url.database or "")
        self._log: Log | None = None
        self._engine = open_blocking(engine, self._place)
        self._thread = ThreadPoolExecutor(1, "database-writer")
        self._connection: Connection | None = None
        self.superseded = asyncio.Event()  # never: whoever has the file writes to it

    async def open(self) -> None:
        """See `Target`."""

    async def commit(self, batches: Sequence[Batch]) -> None:
        """See `Target`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, batches)

    async def close(self) -> None:
        """See `Target`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _commit(self, batches: Sequence[Batch]) -> None:
        is_new = self._connection is None or self._log is None
        if self._connection is None or self._log is None:
            self._connection, self._log = self._engine.connect(), self._place.log()
        try:
            self._check(self._log)
            if is_new:  # a sync may have failed on the one before, or in an earlier life
                with self._connection.begin():
                    self._connection.exec_driver_sql("BEGIN IMMEDIATE")
                    self._log.rewrite()
            with self._connection.begin():
                for statement, rows in batches:
                    self._connection.exec_driver_sql(statement, list(rows))
            self._check(self._log)  # what went into a file without a name is not on disk for who starts next
        except BaseException:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()
            raise

    def _check(self, log: Log) -> None:
        self._place.check()
        log.check()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()
