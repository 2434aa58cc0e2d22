"""The queue as rows, where several hubs share it: what each says of a row, another may have said before.

Every change is an update with a condition, and who made it is read from the row afterwards: a row is taken, cancelled
or ended by one hub, once. All times are the database's clock, which is one for all of them: a hub whose own is wrong
dates nothing, ends nothing and starts nothing by it.
"""

import time
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Float, and_, bindparam, cast, extract, func, literal_column, select, true, tuple_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.tables import operations
from cloud.db.writer import Write, Writer
from cloud.errors import StorageError
from cloud.operations.operation import Operation, State
from wire.legacy import NO_JOURNAL

_FIELDS = tuple(field.name for field in msgspec.structs.fields(Operation))
_COLUMNS = [operations.c[name] for name in _FIELDS]
_NOW = cast(extract("epoch", func.clock_timestamp()), Float)
_SLOW = 1.0  # seconds that a question takes
_QUEUED = and_(operations.c.state == literal_column("'queued'"), operations.c.final.is_(False))
_UNHEARD = and_(
    operations.c.state == State.UNKNOWN,
    operations.c.executed.is_(None),
    operations.c.sent_at.is_not(None),
    operations.c.journal != NO_JOURNAL,
)
_NOT_HERE = "its row says that a hub has it under way, and that one does not"


class DatabaseClock:
    """The database's time, by this machine's steady clock between two looks. Never behind it, but for its own steps."""

    def __init__(self) -> None:
        self._ahead: float | None = None  # of the steady clock, at most

    def note(self, now: float, asked_at: float) -> None:
        """The database said `now` to who asked at `asked_at`, by the steady clock. One that took its time is not news.

        It may have said so at once, and the rest been the way: so this clock is ahead by that, and never behind.
        """
        if self._ahead is None or time.monotonic() - asked_at < _SLOW:
            self._ahead = now - asked_at

    def now(self) -> float:
        """Unix seconds; by this machine's clock until the database has been asked once."""
        return time.time() if self._ahead is None else time.monotonic() + self._ahead


class Open(msgspec.Struct, frozen=True):
    """One that has not ended: whether it waits, and whether it does though it may not be started any more.

    `is_mine`: its row says that this hub has it under way. `is_unheard`: it is unknown, and its kiosk, which has a
    journal, has told nothing of it.
    """

    kiosk_id: str
    created_at: float
    request_id: str
    waits: bool
    is_over: bool
    is_mine: bool = False
    is_unheard: bool = False


class QueuedRows:
    """The rows that wait. `me` is this hub's life. Reads and writes raise `StorageError`."""

    def __init__(self, engine: AsyncEngine, writer: Writer, me: str) -> None:
        self._engine = engine
        self._writer = writer
        self._me = me
        self.clock = DatabaseClock()
        its = operations.c.request_id == bindparam("its_id")
        self._take = Write(
            1,
            engine,
            update(operations)
            .where(its, _QUEUED, operations.c.start_by > _NOW)
            .values(
                state=literal_column("'sent'"), sent_at=_NOW, hub=bindparam("its_hub"), journal=bindparam("its_journal")
            ),
            ("its_id", "its_hub", "its_journal"),
            point="hub.queue.take",
        )
        values = {
            "state": literal_column("'expired'"), "final": true(), "problem": bindparam("its_problem"),
            "detail": bindparam("its_detail"), "finished_at": bindparam("its_at"), "hub": bindparam("its_hub"),
        }  # fmt: skip
        names = ("its_id", "its_problem", "its_detail", "its_at", "its_hub")
        ending = update(operations).where(its, _QUEUED).values(values)
        self._cancel = Write(1, engine, ending, names, point="hub.queue.cancel")
        is_over = operations.c.start_by <= _NOW
        self._expire = Write(1, engine, ending.where(is_over), names, point="hub.queue.expire")
        c = operations.c
        self._is_mine = and_(c.state.in_([State.SENT, State.ACCEPTED]), c.hub == me)
        self._give_up = Write(
            1,
            engine,
            update(operations)
            .where(c.request_id == bindparam("its_id"), c.final.is_(False), c.hub == bindparam("its_hub"))
            .where(c.state.in_([literal_column("'sent'"), literal_column("'accepted'")]))
            .values(
                state=literal_column("'unknown'"), problem=bindparam("its_problem"), detail=bindparam("its_detail")
            ),
            ("its_id", "its_hub", "its_problem", "its_detail"),
            point="hub.queue.give_up",
        )

    async def room(self, kiosk_id: str, limit: int) -> tuple[int, float]:
        """How many wait for a kiosk, `limit` at most, and the database's time, Unix seconds."""
        some = select(literal_column("1")).where(operations.c.kiosk_id == kiosk_id, _QUEUED).limit(limit).subquery()
        row = (await self._read(select(select(func.count()).select_from(some).scalar_subquery())))[0]
        return int(row[0]), float(row.its_now)

    async def wanted(self, kiosk_ids: Sequence[str]) -> set[str]:
        """For which of these kiosks anything waits."""
        statement = select(operations.c.kiosk_id).distinct().where(operations.c.kiosk_id.in_(kiosk_ids), _QUEUED)
        return {row[0] for row in await self._read(statement, tells_time=False)}

    async def open_after(self, last: Open | None, limit: int) -> list[Open]:
        """A stretch of all that has not ended, in the order of its index; from the beginning, or after `last`."""
        c = operations.c
        key = tuple_(c.kiosk_id, c.created_at, c.request_id)
        statement = select(
            c.kiosk_id,
            c.created_at,
            c.request_id,
            _QUEUED.label("waits"),
            (c.start_by <= _NOW).label("is_over"),
            self._is_mine.label("is_mine"),
            _UNHEARD.label("is_unheard"),
        ).where(c.final.is_(False))
        if last is not None:
            statement = statement.where(key > tuple_(last.kiosk_id, last.created_at, last.request_id))
        rows = await self._read(statement.order_by(c.kiosk_id, c.created_at, c.request_id).limit(limit))
        return [
            Open(
                row.kiosk_id,
                row.created_at,
                row.request_id,
                bool(row.waits),
                bool(row.waits and row.is_over),
                bool(row.is_mine),
                bool(row.is_unheard),
            )
            for row in rows
        ]

    async def oldest(self, kiosk_id: str, limit: int) -> list[Operation]:
        """What may still be started of what waits for a kiosk."""
        c = operations.c
        statement = select(*_COLUMNS).where(c.kiosk_id == kiosk_id, _QUEUED, c.start_by > _NOW)
        rows = await self._read(statement.order_by(c.created_at, c.request_id).limit(limit))
        return [_operation(row) for row in rows]

    async def named(self, request_ids: Sequence[str]) -> list[Operation]:
        """Those of these that wait, without bodies."""
        columns = [literal_column("''::bytea").label("body") if it.name == "body" else it for it in _COLUMNS]
        statement = select(*columns).where(operations.c.request_id.in_(request_ids), _QUEUED)
        return [_operation(row) for row in await self._read(statement)]

    async def tell_time(self) -> float:
        """The database's time, Unix seconds."""
        return float((await self._read(select(literal_column("1"))))[0].its_now)

    async def take(self, some: Sequence[Operation], journal: str) -> dict[str, float]:
        """Make this hub the one that sends these. Ids and times of those that it may send; the others it may not.

        Raises `StorageError`: then nobody knows, and `taken` tells once the database answers.
        """
        for future in [self._writer.write(self._take, (it.request_id, self._me, journal)) for it in some]:
            await future
        return await self.taken([it.request_id for it in some])

    async def taken(self, request_ids: Sequence[str]) -> dict[str, float]:
        """Which of these this hub has to send, and when it took them. For those that it tried to take, and not sent."""
        c = operations.c
        statement = select(c.request_id, c.sent_at).where(
            c.request_id.in_(request_ids), c.state == State.SENT, c.final.is_(False), c.hub == self._me
        )
        return {row[0]: float(row[1]) for row in await self._read(statement)}

    async def give_up(self, request_ids: Sequence[str]) -> None:
        """Make these unknown, where their rows say that this hub has them under way."""
        for future in [self._writer.write(self._give_up, (it, self._me, "timeout", _NOT_HERE)) for it in request_ids]:
            await future

    async def end(self, operation: Operation, *more: tuple[Write, tuple[Any, ...]], if_overdue: bool) -> bool:
        """Write the end that `operation` has by now, if it still waits; says whether it was this hub that wrote it.

        `more` is its callback.
        """
        kind = self._expire if if_overdue else self._cancel
        at = operation.finished_at
        values = (operation.request_id, operation.problem, operation.detail, at, self._me)
        await self._writer.write(kind, values, *more)
        c = operations.c
        mine = select(c.hub, c.finished_at, c.problem).where(c.request_id == operation.request_id, c.final.is_(True))
        found = await self._read(mine, tells_time=False)
        return [tuple(row) for row in found] == [(self._me, at, operation.problem)]

    async def _read(self, statement: Any, *, tells_time: bool = True) -> list[Any]:
        if tells_time:
            statement = statement.add_columns(_NOW.label("its_now"))
        asked_at = time.monotonic()
        try:
            async with self._engine.connect() as connection:
                rows = list(await connection.execute(statement))
        except (SQLAlchemyError, OSError) as error:
            raise StorageError(f"the database does not answer: {type(error).__name__}") from error
        if rows and tells_time:
            self.clock.note(float(rows[0].its_now), asked_at)
        return rows


def _operation(row: Any) -> Operation:
    operation = Operation(**{name: getattr(row, name) for name in _FIELDS})
    operation.state = State(operation.state)
    return operation
