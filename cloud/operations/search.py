"""Operations as people look for them: newest first, by kiosk, name, outcome, time, beginning of the id.

Only kiosk and time have an index, and what is not final; an index for every filter would be paid for by every
operation. So the rest is looked for in steps down the index of time, each of some thousand rows, until a page is full
or patience is over. Then the page says how far back it has looked, and its cursor goes on from there: however rare
what is looked for, and however many rows there are, a page costs no more than that.
"""

import base64
import binascii
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, func, literal_column, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.db.tables import api_keys, events, operations, resolutions
from cloud.errors import StorageError
from cloud.operations.operation import BY_HAND, Operation, State

STEP = 2500  # rows: some 5 ms
PATIENCE = 0.08  # seconds of looking, after which a page is given as it is
_FEW = 1000  # ids that are asked for by name
_EVENTS_MAX, _EVENT_MAX = 2000, 8192  # events, and bytes of one: ours have some hundreds, a message may have a million
_LISTED = (
    "request_id", "kiosk_id", "operation", "method", "created_at", "state", "delivery", "api_key_id",
    "idempotency_key", "executed", "status", "problem", "elapsed", "journal", "start_by", "sent_at", "accepted_at",
    "finished_at",
)  # fmt: skip
_COLUMNS: list[ColumnElement[Any]] = [operations.c[name] for name in _LISTED]

c = operations.c
UNDER_WAY = (State.QUEUED, State.SENT, State.ACCEPTED)
# What may be looked for, in the order in which it is offered; states as they are may be asked for as well.
OUTCOMES: dict[str, Callable[[], ColumnElement[bool]]] = {
    "succeeded": lambda: c.state == State.SUCCEEDED,
    "refused": lambda: and_(c.state == State.FAILED, c.executed == "yes"),
    "not-executed": lambda: or_(c.state == State.EXPIRED, and_(c.state == State.FAILED, c.executed != "yes")),
    "unknown": lambda: c.state == State.UNKNOWN,
    "under-way": lambda: c.state.in_(UNDER_WAY),
    "by-hand": lambda: c.problem.in_(BY_HAND),
    "contradicted": lambda: c.problem.in_(BY_HAND),
}
_OPEN = {"unknown", "under-way", *UNDER_WAY}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; empty is all. Times are Unix seconds, `until` excluded."""

    kiosk_id: str = ""
    operation: str = ""
    outcome: str = ""  # of OUTCOMES, or a state
    since: float | None = None
    until: float | None = None
    beginning: str = ""  # of the request id

    @property
    def is_plain(self) -> bool:
        """Whether an index gives all of it."""
        return not (self.operation or self.outcome or self.beginning)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A page, without bodies and details. `looked_to` is set where looking ended before the page was full."""

    operations: list[Operation]
    cursor: str | None = None
    looked_to: float | None = None


class KioskEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Of a kiosk, about one operation. `at` is by the kiosk's clock."""

    at: float
    received_at: float
    kind: str
    device: str
    data: bytes


class Search:
    """Reads; raises `StorageError`, and `ValueError` for a cursor that is none."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.perf_counter) -> None:
        self._engine = engine
        self._clock = clock

    async def page(self, wanted: Wanted, cursor: str = "", limit: int = 50) -> Found:
        """One page, from where the cursor says."""
        top = read_cursor(cursor) if cursor else None
        try:
            async with self._engine.connect() as connection:
                return await self._page(connection, wanted, top, limit)
        except (SQLAlchemyError, OSError) as error:
            raise StorageError(f"the database does not answer: {type(error).__name__}") from error

    async def details(self, ids: Sequence[str]) -> dict[str, str]:
        """What was said of them for people, by id."""
        statement = select(c.request_id, c.detail).where(c.request_id.in_(ids))
        return {row.request_id: row.detail or "" for row in await self._rows(statement)}

    async def all(self, wanted: Wanted, limit: int) -> AsyncIterator[list[Operation]]:
        """All of them in pages, `limit` at most and one more where there are more. No connection is held between."""
        cursor, count = "", 0
        while count <= limit:
            found = await self.page(wanted, cursor, min(500, limit + 1 - count))
            count += len(found.operations)
            yield found.operations
            if not found.cursor:
                return
            cursor = found.cursor

    async def names_of_keys(self) -> dict[str, str]:
        """What each API key is called, or was."""
        return {row.id: row.name for row in await self._rows(select(api_keys.c.id, api_keys.c.name))}

    async def events_of(self, operation: Operation, until: float) -> tuple[list[KioskEvent], int]:
        """What its kiosk told about it, by the time it was done, and how many other events came meanwhile."""
        e = events.c
        statement = (
            select(e.at, e.received_at, e.kind, e.device, e.data)
            .where(
                e.kiosk_id == operation.kiosk_id,
                e.received_at.between(operation.created_at - 1, until),
                func.length(e.data) <= _EVENT_MAX,
            )
            .order_by(e.received_at, e.journal, e.seq)
            .limit(_EVENTS_MAX)
        )
        rows = await self._rows(statement)
        named = operation.request_id.encode()
        mine = [KioskEvent(**row._mapping) for row in rows if named in row.data]
        return mine, len(rows) - len(mine)

    async def _page(
        self, connection: AsyncConnection, wanted: Wanted, top: tuple[float, str] | None, limit: int
    ) -> Found:
        conditions = await self._conditions(connection, wanted)
        if conditions is None:
            return Found(operations=[])
        until = self._clock() + PATIENCE
        is_in_steps = not (wanted.is_plain or _is_open(wanted) or wanted.outcome in {"by-hand", "contradicted"})
        rows: list[Row[Any]] = []
        while True:
            around = _within(wanted, top)
            floor = await self._floor(connection, around) if is_in_steps else None
            statement = select(*_COLUMNS).where(*conditions, *around)
            if floor is not None:
                statement = statement.where(c.created_at >= floor)
            rows += await connection.execute(_newest_first(statement, wanted).limit(limit + 1 - len(rows)))
            if len(rows) > limit:
                last = rows[limit - 1]
                return Found(operations=_operations(rows[:limit]), cursor=cursor_of(last.created_at, last.request_id))
            if floor is None:
                return Found(operations=_operations(rows))
            top = (floor, "")
            if self._clock() > until:
                return Found(operations=_operations(rows), cursor=cursor_of(*top), looked_to=floor)

    async def _floor(self, connection: AsyncConnection, around: list[ColumnElement[bool]]) -> float | None:
        """When the last row of the next step was begun; None: there is no row below this step."""
        step = select(c.created_at).where(*around).order_by(c.created_at.desc()).offset(STEP - 1).limit(1)
        return (await connection.execute(step)).scalar()

    async def _conditions(self, connection: AsyncConnection, wanted: Wanted) -> list[ColumnElement[bool]] | None:
        """Beside kiosk and time; None: there is nothing."""
        found: list[ColumnElement[bool]] = []
        if wanted.operation:
            found.append(c.operation == wanted.operation)
        if wanted.outcome:
            known = OUTCOMES.get(wanted.outcome)
            found.append(known() if known else c.state == wanted.outcome)
        if _is_open(wanted):
            found.append(c.final.is_(False))
        if wanted.outcome in {"by-hand", "contradicted"}:
            r = resolutions.c
            settled = select(r.request_id).order_by(r.at.desc()).limit(_FEW)
            if wanted.outcome == "contradicted":
                settled = settled.where(r.contradicted_at.is_not(None))
            found.append(c.request_id.in_(list((await connection.execute(settled)).scalars())))
        if wanted.beginning:
            ids = list((await connection.execute(self._beginning(wanted.beginning))).scalars())
            if not ids:
                return None
            # Where many begin so, it is looked for as any other thing, by no index.
            few = len(ids) <= _FEW
            found.append(
                c.request_id.in_(ids)
                if few
                else func.substr(c.request_id, 1, len(wanted.beginning)) == wanted.beginning
            )
        return found

    def _beginning(self, beginning: str) -> Select[tuple[str]]:
        # By bytes, as an index of each database has them; no id has a `~` or what sorts after it.
        least, below = ("~>=~", "~<~") if self._engine.dialect.name == "postgresql" else (">=", "<")
        begins = (c.request_id.bool_op(least)(beginning), c.request_id.bool_op(below)(beginning + "~"))
        return select(c.request_id).where(*begins).limit(_FEW + 1)

    async def _rows(self, statement: Any) -> list[Row[Any]]:
        try:
            async with self._engine.connect() as connection:
                return list(await connection.execute(statement))
        except (SQLAlchemyError, OSError) as error:
            raise StorageError(f"the database does not answer: {type(error).__name__}") from error


def cursor_of(created_at: float, request_id: str) -> str:
    """Names a place in the list; with an empty id the one above all that was begun before."""
    return base64.urlsafe_b64encode(f"{created_at!r} {request_id}".encode()).decode()


def read_cursor(text: str) -> tuple[float, str]:
    """Raises `ValueError`."""
    try:
        at, request_id = base64.urlsafe_b64decode(text.encode("ascii")).decode().split(" ", 1)
        if not math.isfinite(float(at)):
            raise ValueError(at)
        return float(at), request_id
    except (ValueError, binascii.Error) as error:
        raise ValueError("the cursor is not one that was given out") from error


def _is_open(wanted: Wanted) -> bool:
    return wanted.outcome in _OPEN


def _within(wanted: Wanted, top: tuple[float, str] | None) -> list[ColumnElement[bool]]:
    """What the index of time, or of a kiosk's times, gives."""
    found: list[ColumnElement[bool]] = []
    if wanted.kiosk_id:
        found.append(c.kiosk_id == wanted.kiosk_id)
    begun = _time(wanted)
    if wanted.since is not None:
        found.append(begun >= wanted.since)
    if wanted.until is not None:
        found.append(begun < wanted.until)
    if top is not None:
        at, request_id = top
        if request_id:
            found += [begun <= at, or_(begun < at, c.request_id < request_id)]
        else:
            found.append(begun < at)
    return found


def _newest_first(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    return statement.order_by(_time(wanted).desc(), c.request_id.desc())


def _time(wanted: Wanted) -> ColumnElement[float]:
    """When it was begun. As a sum it has no index: of what is open SQLite would rather walk down the index of time,
    for the sake of the order, through all that is final.
    """
    return c.created_at + literal_column("0") if _is_open(wanted) else c.created_at


def _operations(rows: Sequence[Row[Any]]) -> list[Operation]:
    found = []
    for row in rows:
        operation = Operation(**row._mapping)
        operation.state = State(operation.state)
        found.append(operation)
    return found
