"""Where a group of rows is committed: one transaction on one connection, kept open between groups."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.db.engine import open_blocking
from cloud.db.place import Log, Place

Batch = tuple[str, Sequence[tuple[Any, ...]]]  # a statement and the rows for it


class Target(Protocol):
    """A database that takes groups."""

    async def commit(self, batches: Sequence[Batch]) -> None:
        """Write all batches, or none; they are on disk when this returns."""

    async def close(self) -> None:
        """Let the connection go."""


def target_for(engine: AsyncEngine) -> Target:
    """The target that suits an engine."""
    return ThreadTarget(engine) if engine.dialect.name == "sqlite" else ConnectionTarget(engine)


class ConnectionTarget:
    """Through the engine's own connection."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None

    async def commit(self, batches: Sequence[Batch]) -> None:
        """See `Target`."""
        if self._connection is None:
            self._connection = await self._engine.connect()
        try:
            async with self._connection.begin():
                for statement, rows in batches:
                    await self._connection.exec_driver_sql(statement, list(rows))
        except BaseException:
            connection, self._connection = self._connection, None
            await connection.invalidate()
            await connection.close()
            raise

    async def close(self) -> None:
        """See `Target`."""
        if self._connection is not None:
            await self._connection.close()


class ThreadTarget:
    """SQLite in a thread of its own: one way there and back a group, where aiosqlite takes one a call."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._place = Place(engine.url.database or "")
        self._log: Log | None = None
        self._engine = open_blocking(engine, self._place)
        self._thread = ThreadPoolExecutor(1, "database-writer")
        self._connection: Connection | None = None

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
