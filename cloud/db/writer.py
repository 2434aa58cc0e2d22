"""Many waiting rows, one transaction: durability costs one disk sync a group, not one a row.

Whoever needs a row written waits for `write`; while one transaction runs, the next group gathers. A group that fails
is tried again row by row, so that one bad row does not take the others with it.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ClauseElement, column, table, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.engine import explain, is_away
from cloud.db.target import Batch, target_for
from cloud.errors import StorageError
from cloud.metrics import Metrics
from wire.crashpoint import crash_points

log = logging.getLogger(__name__)

_GROUP_MAX = 500
_WAITING_MAX = 50_000
_TURNS = 4


class Write:
    """A statement of one kind, compiled once: binding a row costs no more than its tuple.

    `names` are its parameters in the order of the rows' values. `rank` orders kinds within a group: rows another kind
    refers to come first. `point` names its commit among the crash points.
    """

    __slots__ = ("_is_in_order", "_order", "_takes_nul", "point", "rank", "sql")

    def __init__(
        self, rank: int, engine: AsyncEngine, statement: ClauseElement, names: Sequence[str], *, point: str = ""
    ) -> None:
        self.point = point
        compiled = statement.compile(dialect=engine.dialect, column_keys=list(names))
        self.rank = rank
        self.sql = str(compiled)
        self._order = [names.index(name) for name in getattr(compiled, "positiontup", None) or ()]
        self._is_in_order = self._order == list(range(len(names)))
        self._takes_nul = engine.dialect.name == "sqlite"

    def row(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The values as the statement binds them."""
        if not self._takes_nul:  # of what a kiosk says, too: its outcome must not be refused for a character
            values = tuple([without_nul(value) for value in values])
        return values if self._is_in_order else tuple([values[at] for at in self._order])


def without_nul(value: Any) -> Any:
    """The value as PostgreSQL takes it: it keeps any character but that one."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value


_Row = tuple[Write, tuple[Any, ...]]
_Waiting = tuple[list[_Row], asyncio.Future[None]]  # rows that are written together or not at all


class Writer:
    """Owns the one connection that writes operations, callbacks and events."""

    def __init__(self, engine: AsyncEngine, metrics: Metrics) -> None:
        self._target = target_for(engine)
        version = table("alembic_version", column("version_num"))
        self._nothing = Write(0, engine, update(version).values(version_num=version.c.version_num), ())
        self._metrics = metrics
        self._waiting: list[_Waiting] = []
        metrics.writes_waiting.set_function(lambda: len(self._waiting))
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        # Whoever brings many rows at once waits for a turn: new operations must not wait behind all that many kiosks
        # tell after an outage.
        self.turns = asyncio.Semaphore(_TURNS)
        self.error: str | None = None  # why the last group failed; None when it did not

    @property
    def superseded(self) -> asyncio.Event:
        """Set once another hub writes to this database: nothing can be written any more, and the hub must end."""
        return self._target.superseded

    async def open(self) -> None:
        """Have the database for this hub alone. Raises OSError where another has it."""
        await self._target.open()

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="database-writer")

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._closing = True
        self._wake.set()
        if self._task:
            await self._task

    def write(self, kind: Write, values: tuple[Any, ...], *more: _Row) -> asyncio.Future[None]:
        """Have a row written, its values in the order of the kind's names, and with it, or not at all, `more`.

        The future ends when it is on disk, or with `StorageError`. More than 50,000 rows waiting are refused at once:
        the database does not keep up, and whoever asked must know. A row that cannot be written fails alone.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= _WAITING_MAX or self._closing:
            future.set_exception(StorageError("too many rows wait for the database"))
            return future
        rows = [(kind, kind.row(values)), *((other, other.row(its)) for other, its in more)]
        self._waiting.append((rows, future))
        self._wake.set()
        return future

    async def probe(self) -> None:
        """Write nothing, to find out whether the database takes writes; `error` tells."""
        with contextlib.suppress(StorageError):
            await self.write(self._nothing, ())

    async def _run(self) -> None:
        try:
            while self._waiting or not self._closing:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    group, self._waiting = self._waiting[:_GROUP_MAX], self._waiting[_GROUP_MAX:]
                    await self._write_group(group)
        finally:
            await self._target.close()

    async def _write_group(self, group: list[_Waiting]) -> None:
        started = time.perf_counter()
        try:
            crash_points((kind.point for rows, _ in group for kind, _ in rows), "before")
            await self._target.commit(_batches(group))
            crash_points((kind.point for rows, _ in group for kind, _ in rows), "after")
        except Exception as error:
            self._metrics.write_failures.inc()
            if len(group) > 1 and not is_away(error):
                await self._write_singly(group)
                return
            self._failed(error)
            for item in group:
                _fail(item, error)
        else:
            if self.error is not None:
                log.info("the database takes writes again")
            self.error = None
            self._metrics.write_seconds.observe(time.perf_counter() - started)
            for _, future in group:
                if not future.done():
                    future.set_result(None)

    async def _write_singly(self, group: list[_Waiting]) -> None:
        """One of these rows cannot be written; find it, and write the others."""
        for position, item in enumerate(group):
            try:
                await self._target.commit(_batches([item]))
            except Exception as error:
                log.error("a row cannot be written", extra={"error": str(error)[:300]})
                _fail(item, error)
                if is_away(error):
                    self._failed(error)
                    for other in group[position + 1 :]:
                        _fail(other, error)
                    return
            else:
                if not item[1].done():
                    item[1].set_result(None)

    def _failed(self, error: Exception) -> None:
        if not is_away(error):
            log.error("a row cannot be written", extra={"error": str(error)[:300]})
            return
        if self.error is None:
            log.error("the database does not take writes", extra={"error": str(error)[:300]})
        self.error = explain(error)


def _batches(group: list[_Waiting]) -> list[Batch]:
    ordered = sorted((row for rows, _ in group for row in rows), key=lambda row: row[0].rank)
    kinds = itertools.groupby(ordered, key=lambda row: row[0])
    return [(kind.sql, [values for _, values in rows]) for kind, rows in kinds]


def _fail(item: _Waiting, error: Exception) -> None:
    if not item[1].done():
        item[1].set_exception(StorageError(f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"[:500]))
