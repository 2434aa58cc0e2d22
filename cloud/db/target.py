"""Where a group of rows is committed: one transaction on one connection, kept open between groups."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.db.engine import open_blocking
from cloud.db.hold import Hold, OwnHold
from cloud.db.place import Log, Place

Row = tuple[Any, ...]


class Batch(NamedTuple):
    """A statement and the rows for it. Where `key_at` says which value of a row is its key, which were new is told."""

    sql: str
    rows: Sequence[Row]
    key_at: int | None = None


# A hub that is replaced has up to 10 s to end, and its successor may have been started before it.
_BEGIN_WITHIN, _GO_ON_WITHIN = 20.0, 5.0
_GIVE_BACK_WITHIN = 3.0
# The driver makes room for an array bit by bit, and copies what is in it each time: 150 MiB took it over 10 s.
_BYTES_AT_ONCE = 1024 * 1024
_CONFLICTS = ("40P01", "40001")  # a deadlock; what could not be put in an order


class Target(Protocol):
    """A database that takes groups."""

    superseded: asyncio.Event  # another hub writes there since: this one must end
    may_stand: bool  # the group whose commit failed last may be there all the same: that it be kept was asked for

    async def open(self) -> None:
        """Be ready to commit. Raises what a commit would raise, and where another hub writes there."""

    async def commit(self, batches: Sequence[Batch]) -> list[Sequence[bool]]:
        """Write all batches, or none; they are on disk when this returns.

        Of each batch: whether each of its rows was written, or was there; nothing where that was not asked.
        """

    async def close(self) -> None:
        """Let the connection go."""


def target_for(engine: AsyncEngine, hold: Hold | None = None) -> Target:
    """The target that suits an engine. `hold` is how it has a PostgreSQL; for itself unless it is given."""
    if engine.dialect.name == "sqlite":
        return ThreadTarget(engine)
    return ConnectionTarget(engine, hold or OwnHold())


def is_conflict(error: BaseException) -> bool:
    """Whether the database took back a transaction for the sake of another one's: the same may be tried at once."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in _CONFLICTS


class ConnectionTarget:
    """Through a connection of the engine, whose session has what `hold` says."""

    def __init__(self, engine: AsyncEngine, hold: Hold) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._hold = hold
        self.superseded = self._hold.superseded
        self.may_stand = False

    async def open(self) -> None:
        """See `Target`."""
        if self._connection is None:
            self._connection = await self._connect(_BEGIN_WITHIN)

    async def commit(self, batches: Sequence[Batch]) -> list[Sequence[bool]]:
        """See `Target`."""
        self.may_stand = False
        if self._connection is None:
            self._connection = await self._connect(_GO_ON_WITHIN)
        try:
            async with self._connection.begin():
                told = [await self._execute(self._connection, batch) for batch in batches]
                self.may_stand = True
        except BaseException as error:
            if not is_conflict(error):  # it is rolled back, and the session is well
                connection, self._connection = self._connection, None
                await _drop(connection)
            raise
        self.may_stand = False
        return told

    @staticmethod
    async def _execute(connection: AsyncConnection, batch: Batch) -> Sequence[bool]:
        if batch.key_at is None:
            await connection.exec_driver_sql(batch.sql, list(batch.rows))
            return ()
        new: set[Any] = set()
        for some in stretches(batch.rows):
            columns = tuple(list(values) for values in zip(*some, strict=True))
            new |= set((await connection.exec_driver_sql(batch.sql, columns)).scalars())
        told = []
        for row in batch.rows:  # of two with one key the first was written
            told.append(row[batch.key_at] in new)
            new.discard(row[batch.key_at])
        return told

    async def close(self) -> None:
        """See `Target`."""
        if self._connection is not None:
            # Who cannot say goodbye is found dead.
            with contextlib.suppress(SQLAlchemyError, OSError):
                async with asyncio.timeout(_GIVE_BACK_WITHIN):
                    await self._hold.give_back(self._connection)
            await _drop(self._connection)  # not back into the pool: its session has the lock

    async def _connect(self, wait: float) -> AsyncConnection:
        connection = await self._engine.connect()
        try:
            await self._hold.take(connection, wait)
        except BaseException:
            await _drop(connection)
            raise
        return connection


def stretches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows, so many at a time that their bodies are a MiB or few more."""
    begin = size = 0
    for end, row in enumerate(rows, 1):
        size += sum([len(value) for value in row if isinstance(value, bytes)])
        if size >= _BYTES_AT_ONCE or end == len(rows):
            yield rows[begin:end]
            begin, size = end, 0


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
        self.may_stand = False

    async def open(self) -> None:
        """See `Target`."""

    async def commit(self, batches: Sequence[Batch]) -> list[Sequence[bool]]:
        """See `Target`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, batches)

    async def close(self) -> None:
        """See `Target`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _commit(self, batches: Sequence[Batch]) -> list[Sequence[bool]]:
        self.may_stand = False
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
                told = [self._execute(self._connection, batch) for batch in batches]
                self.may_stand = True
            self._check(self._log)  # what went into a file without a name is not on disk for who starts next
        except BaseException:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()
            raise
        self.may_stand = False
        return told

    @staticmethod
    def _execute(connection: Connection, batch: Batch) -> Sequence[bool]:
        if batch.key_at is None:
            connection.exec_driver_sql(batch.sql, list(batch.rows))
            return ()
        return [connection.exec_driver_sql(batch.sql, row).rowcount > 0 for row in batch.rows]

    def _check(self, log: Log) -> None:
        self._place.check()
        log.check()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()
