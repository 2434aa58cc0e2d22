"""Callbacks as people look at them: what waits, what fails, what was given up, what was delivered."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, func, literal_column, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.tables import callbacks, operations
from cloud.errors import StorageError
from cloud.operations.search import cursor_of, read_cursor

c = callbacks.c
_IS_OVER = and_(c.next_at.is_(None), c.delivered_at.is_(None))
STANDS: dict[str, ColumnElement[bool]] = {
    "failing": and_(c.next_at.is_not(None), c.attempts > 0),
    "given-up": _IS_OVER,
    "waiting": and_(c.next_at.is_not(None), c.attempts == 0),
    "delivered": c.delivered_at.is_not(None),
}
_STEP = 20_000  # operations
COUNTED_TO = 10_000  # who is told a number above that is told "more"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A callback of one operation. Times are Unix seconds; `begun_at` is the operation's."""

    request_id: str
    api_key_id: str
    attempts: int
    next_at: float | None
    delivered_at: float | None
    last_error: str | None
    created_at: float
    kiosk_id: str = ""
    operation: str = ""
    state: str = ""
    begun_at: float = 0.0

    @property
    def stand(self) -> str:
        """One of `STANDS`."""
        if self.delivered_at is not None:
            return "delivered"
        if self.next_at is None:
            return "given-up"
        return "failing" if self.attempts else "waiting"


class DeliveriesPage(msgspec.Struct, frozen=True):
    """Some of them, and where the next page begins; `looked_to` where looking ended before the page was full."""

    deliveries: list[Delivery]
    cursor: str | None
    looked_to: float | None = None


_COLUMNS = [
    *(c[name] for name in Delivery.__struct_fields__[:7]),
    operations.c.kiosk_id,
    operations.c.operation,
    operations.c.state,
    operations.c.created_at.label("begun_at"),
]


class Deliveries:
    """Reads; raises `StorageError`, and `ValueError` for a cursor that is none."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(self, stand: str, key_id: str = "", cursor: str = "", limit: int = 50) -> DeliveriesPage:
        """Of one stand, of one API key or of all.

        What waits or fails: the soonest next try first; else the newest first. No index has what was delivered: it is
        looked for among so many operations at a time.
        """
        soonest = stand in {"failing", "waiting"}
        by = c.next_at if soonest else operations.c.created_at if stand == "delivered" else c.created_at
        statement = select(*_COLUMNS, by.label("place")).join(operations, operations.c.request_id == c.request_id)
        statement = statement.where(STANDS[stand])
        if key_id:
            statement = statement.where(c.api_key_id == key_id)
        top = read_cursor(cursor) if cursor else None
        if top is not None:
            at, last = top
            beyond = by > at if soonest else by < at
            after = c.request_id > last if soonest else c.request_id < last
            statement = statement.where(or_(beyond, and_(by == at, after)))
        floor = await self._floor(top) if stand == "delivered" else None
        if floor is not None:
            statement = statement.where(by >= floor)
        order = (by, c.request_id) if soonest else (by.desc(), c.request_id.desc())
        rows = await self._rows(statement.order_by(*order).limit(limit + 1))
        found = [_delivery(row) for row in rows[:limit]]
        if len(rows) > limit:
            return DeliveriesPage(found, cursor_of(rows[limit - 1].place, found[-1].request_id))
        return DeliveriesPage(found, None if floor is None else cursor_of(floor, ""), floor)

    async def _floor(self, top: tuple[float, str] | None) -> float | None:
        begun = operations.c.created_at
        step = select(begun).order_by(begun.desc()).offset(_STEP).limit(1)
        rows = await self._rows(step if top is None else step.where(begun <= top[0]))
        return float(rows[0][0]) if rows else None

    async def counts(self, key_id: str = "") -> dict[str, int]:
        """How many there are of what is not delivered, counted up to `COUNTED_TO`."""
        found = {}
        for stand in ("failing", "given-up", "waiting"):
            some: Select[Any] = select(literal_column("1")).select_from(callbacks).where(STANDS[stand])
            if key_id:
                some = some.where(c.api_key_id == key_id)
            counted = select(func.count()).select_from(some.limit(COUNTED_TO).subquery())
            found[stand] = int((await self._rows(counted))[0][0])
        return found

    async def of(self, request_id: str) -> Delivery | None:
        """The callback of one operation; None where there is none."""
        statement = select(*_COLUMNS).join(operations, operations.c.request_id == c.request_id)
        rows = await self._rows(statement.where(c.request_id == request_id))
        return _delivery(rows[0]) if rows else None

    async def _rows(self, statement: Any) -> list[Row[Any]]:
        try:
            async with self._engine.connect() as connection:
                return list(await connection.execute(statement))
        except (SQLAlchemyError, OSError) as error:
            raise StorageError(f"the database does not answer: {type(error).__name__}") from error


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(**{name: getattr(row, name) for name in Delivery.__struct_fields__})
