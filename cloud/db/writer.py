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
from cloud.db.hold import Hold
from cloud.db.target import Batch, is_conflict, target_for
from cloud.errors import StorageError
from cloud.metrics import Metrics
from wire.crashpoint import crash_points

log = logging.getLogger(__name__)

_GROUP_MAX = 500
_WAITING_MAX = 50_000
_TURNS = 4
_CONFLICTS_MAX = 5


class Write:
    """A statement of one kind, compiled once: binding a row costs no more than its tuple.

    `names` are its parameters in the order of the rows' values; `key` is the one by which the row it writes is found,
    the first unless it is named; `locks` is the one on which hubs that write the same wait for each other, `key` unless
    it is named. `rank` orders kinds within a group: rows another kind refers to come first. `point` names its commit
    among the crash points. A kind that `tells` whether a row was new is an `insert_telling`.
    """

    __slots__ = ("_is_in_order", "_key_at", "_locks_at", "_order", "_takes_nul", "point", "rank", "sql", "tells")

    def __init__(
        self,
        rank: int,
        engine: AsyncEngine,
        statement: ClauseElement,
        names: Sequence[str],
        *,
        point: str = "",
        key: str = "",
        locks: str = "",
        tells: bool = False,
    ) -> None:
        self.point = point
        self.tells = tells
        compiled = statement.compile(dialect=engine.dialect, column_keys=list(names))
        self.rank = rank
        self.sql = str(compiled)
        self._order = [names.index(name) for name in getattr(compiled, "positiontup", None) or ()]
        self._is_in_order = self._order == list(range(len(names)))
        self._takes_nul = engine.dialect.name == "sqlite"
        self._key_at = self._place(names.index(key) if key else 0)
        self._locks_at = self._place(names.index(locks)) if locks else self._key_at

    def _place(self, at: int) -> int:
        return at if self._is_in_order or not self._order else self._order.index(at)

    def row(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The values as the statement binds them."""
        if not self._takes_nul:  # of what a kiosk says, too: its outcome must not be refused for a character
            values = tuple([without_nul(value) for value in values])
        return values if self._is_in_order else tuple([values[at] for at in self._order])

    def locks(self, row: tuple[Any, ...]) -> str:
        """By what rows are sorted before they are written where others write too."""
        return str(row[self._locks_at]) if row else ""

    def batch(self, rows: Sequence[tuple[Any, ...]]) -> Batch:
        """These rows of this kind, for the database."""
        return Batch(self.sql, rows, self._key_at if self.tells else None)


def without_nul(value: Any) -> Any:
    """The value as PostgreSQL takes it: it keeps any character but that one."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value


_Row = tuple[Write, tuple[Any, ...]]
_Waiting = tuple[list[_Row], asyncio.Future[bool]]  # rows that are written together or not at all


class Writer:
    """Owns the one connection that writes operations, callbacks and events."""

    def __init__(self, engine: AsyncEngine, metrics: Metrics, hold: Hold | None = None) -> None:
        """`hold`: how it has the database, if not for itself."""
        self._target = target_for(engine, hold)
        self._is_shared = hold is not None
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
        """Have the database, for this hub alone or with those that share it. Raises OSError where others have it."""
        await self._target.open()

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="database-writer")

    async def stop(self) -> None:
        """Write what waits, then end. Where the database does not take writes, that is tried once."""
        self._closing = True
        self._wake.set()
        if self._task:
            await self._task

    def write(self, kind: Write, values: tuple[Any, ...], *more: _Row) -> asyncio.Future[bool]:
        """Have a row written, its values in the order of the kind's names, and with it, or not at all, `more`.

        The future ends when it is on disk, or with `StorageError`; its result is False where the kind tells that the
        row was there already. More than 50,000 rows waiting are refused at once: the database does not keep up, and
        whoever asked must know. A row that cannot be written fails alone.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
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
                    if self._closing and self.error is not None:  # each group would wait for it, 10 s or more
                        self._give_up()
        finally:
            await self._target.close()

    def _give_up(self) -> None:
        """The hub ends, and the database does not take writes."""
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            _fail(item, StorageError("the database does not take writes, and the hub ends"), may_stand=False)

    async def _write_group(self, group: list[_Waiting]) -> None:
        started = time.perf_counter()
        try:
            crash_points((kind.point for rows, _ in group for kind, _ in rows), "before")
            known = await self._commit(group)
            crash_points((kind.point for rows, _ in group for kind, _ in rows), "after")
        except Exception as error:
            may_stand = self._target.may_stand
            self._metrics.write_failures.inc()
            if len(group) > 1 and not is_away(error):
                await self._write_singly(group, may_stand=may_stand)
                return
            self._failed(error)
            for item in group:
                _fail(item, error, may_stand=may_stand)
        else:
            if self.error is not None:
                log.info("the database takes writes again")
            self.error = None
            self._metrics.write_seconds.observe(time.perf_counter() - started)
            for item in group:
                _written(item, known)

    async def _commit(self, group: list[_Waiting]) -> set[int]:
        """Write them all. Returns the `id` of each row that was there already, as far as its kind tells."""
        batches = _batches(group, is_ordered=self._is_shared)
        for _ in range(_CONFLICTS_MAX):
            try:
                return _known(batches, await self._target.commit(batches))
            except Exception as error:
                if not is_conflict(error):
                    raise
                log.debug("another hub wrote the same rows: tried again")
        return _known(batches, await self._target.commit(batches))

    async def _write_singly(self, group: list[_Waiting], *, may_stand: bool) -> None:
        """One of these rows cannot be written; find it, and write the others. `may_stand`: all may be there by now."""
        for position, item in enumerate(group):
            try:
                known = await self._commit([item])
            except Exception as error:
                log.error("a row cannot be written", extra={"error": str(error)[:300]})
                _fail(item, error, may_stand=may_stand or self._target.may_stand)
                if is_away(error):
                    self._failed(error)
                    for other in group[position + 1 :]:
                        _fail(other, error, may_stand=may_stand)
                    return
            else:
                _written(item, known)

    def _failed(self, error: Exception) -> None:
        if not is_away(error):
            log.error("a row cannot be written", extra={"error": str(error)[:300]})
            return
        if self.error is None:
            log.error("the database does not take writes", extra={"error": str(error)[:300]})
        self.error = explain(error)


def _batches(group: list[_Waiting], *, is_ordered: bool) -> list[Batch]:
    """By kind. `is_ordered`: by what they lock, too: two hubs that lock the same must do so in one order."""
    ordered = [row for rows, _ in group for row in rows]
    if is_ordered:
        ordered.sort(key=lambda row: (row[0].rank, row[0].locks(row[1])))
    else:
        ordered.sort(key=lambda row: row[0].rank)
    kinds = itertools.groupby(ordered, key=lambda row: row[0])
    return [kind.batch([values for _, values in rows]) for kind, rows in kinds]


def _known(batches: Sequence[Batch], told: Sequence[Sequence[bool]]) -> set[int]:
    return {
        id(row)
        for batch, news in zip(batches, told, strict=True)
        if news
        for row, is_new in zip(batch.rows, news, strict=True)
        if not is_new
    }


def _written(item: _Waiting, known: set[int]) -> None:
    rows, future = item
    if not future.done():
        future.set_result(id(rows[0][1]) not in known)


def _fail(item: _Waiting, error: Exception, *, may_stand: bool) -> None:
    if not item[1].done():
        text = f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"[:500]
        item[1].set_exception(StorageError(text, may_stand=may_stand))
