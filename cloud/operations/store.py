"""Operations as rows. Writes go through the grouped writer, reads through the engine's pool."""

import asyncio
import base64
import binascii
import itertools
import math
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Float,
    Row,
    Update,
    and_,
    bindparam,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.backends.keys import ApiKeys
from cloud.db.dialect import insert_into, insert_telling
from cloud.db.tables import api_keys, callbacks, hubs, operations
from cloud.db.writer import Write, Writer
from cloud.errors import StorageError
from cloud.operations.gathering import Gathering
from cloud.operations.operation import Operation, State
from wire.crashpoint import crash_point

_FIELDS = tuple(field.name for field in msgspec.structs.fields(Operation))
_WRITTEN = (*_FIELDS, "final")
_COLUMNS = [operations.c[name] for name in _FIELDS]
_PAGE_BYTES = 4 * 1024 * 1024  # of answers in one page; one operation is in it always
# What an outcome may change in a row that is there; a later message never takes a known time away.
_REPLACED = ("state", "final", "executed", "status", "answer", "problem", "detail", "elapsed", "finished_at")
_KEPT = ("sent_at", "accepted_at")


class Page(msgspec.Struct, frozen=True):
    """Some operations, newest first, and where the next page begins (None at the end)."""

    operations: list[Operation]
    cursor: str | None


class Waiting(msgspec.Struct, frozen=True):
    """What the queue must know of an operation; times are Unix seconds."""

    kiosk_id: str
    request_id: str
    created_at: float
    start_by: float


class Store:
    """The operations table and the making of callback rows."""

    def __init__(self, engine: AsyncEngine, writer: Writer, keys: ApiKeys, *, is_shared: bool = False) -> None:
        """`is_shared`: other hubs may write to this database."""
        self._engine = engine
        self._keys = keys
        self._is_shared = is_shared
        self._writer = writer
        claim = insert_telling(engine, operations, _WRITTEN, "request_id")
        self._insert = Write(0, engine, claim, _WRITTEN, point="hub.store.claim", locks="idempotency_key", tells=True)
        statement = insert_into(engine, operations)
        new = statement.excluded
        changes = {name: new[name] for name in _REPLACED}
        changes |= {name: func.coalesce(operations.c[name], new[name]) for name in _KEPT}
        changes["hub"] = func.coalesce(new.hub, operations.c.hub)  # whoever has it now
        # An operation sent to a journal is asked for there only: the first name stays.
        changes["journal"] = func.coalesce(func.nullif(operations.c.journal, literal_column("''")), new.journal)
        self._put = Write(
            1,
            engine,
            statement.on_conflict_do_update(
                index_elements=["request_id"],
                set_=changes,
                where=and_(
                    operations.c.final.is_(False),
                    operations.c.kiosk_id == new.kiosk_id,
                    # What its kiosk told stands against who gave it up without having heard that, at another hub.
                    or_(operations.c.executed.is_(None), new.executed.is_not(None)),
                ),
            ),
            _WRITTEN,
            point="hub.store.put",
        )
        # Only the row's own state makes a callback, whatever was believed when it was asked for.
        at = cast(bindparam("now"), Float)
        self._call_back = Write(
            2,
            engine,
            insert_into(engine, callbacks)
            .from_select(
                ["request_id", "api_key_id", "created_at", "next_at", "attempts"],
                select(operations.c.request_id, operations.c.api_key_id, at, at, literal_column("0"))
                .join(api_keys, api_keys.c.id == operations.c.api_key_id)
                .where(
                    operations.c.request_id == bindparam("id"),
                    operations.c.final.is_(True),
                    api_keys.c.callback_url.is_not(None),
                    api_keys.c.revoked.is_(False),
                ),
            )
            .on_conflict_do_nothing(),
            ("id", "now"),
            point="hub.store.call_back",
        )
        unsent = delete(operations).where(operations.c.request_id == bindparam("id"), operations.c.final.is_(False))
        self._open = Gathering(self._with_open)
        self._release = Write(1, engine, unsent, ("id",), point="hub.store.release")

    async def claim(self, operation: Operation) -> Operation | None:
        """Write a new operation before it is sent. None if it is the first with its key, else the one that was.

        Raises `StorageError`; then nothing may be sent.
        """
        is_new = await self._writer.write(self._insert, _row(operation))
        if is_new or operation.idempotency_key is None:
            return None
        found = await self.find_by_key(operation.idempotency_key)
        if found is None:
            raise StorageError("the first operation with its key has just been undone")
        return None if found.request_id == operation.request_id else found

    def put(self, operation: Operation) -> asyncio.Future[Any]:
        """Write an operation's present state, unless its row is final already. A final one calls its backend back.

        The future ends when it is on disk, or with `StorageError`.
        """
        # Together: the kiosk tells no more once the outcome stands there, so nobody would ask for the callback again.
        return self._writer.write(self._put, _row(operation), *self.callback_of(operation))

    def callback_of(self, operation: Operation) -> list[tuple[Write, tuple[Any, ...]]]:
        """What is written with a final state, so that its backend is called back; nothing where it wants none."""
        key = self._keys.get(operation.api_key_id) if operation.api_key_id and operation.is_final else None
        if key is None or not key.callback_url:
            return []
        return [(self._call_back, (operation.request_id, operation.finished_at))]

    async def release(self, request_id: str) -> None:
        """Forget an operation that never was sent, and with it the claim on its key."""
        await self._writer.write(self._release, (request_id,))

    async def flush(self) -> None:
        """Return when everything that was to be written before has been, or has failed."""
        await self._writer.probe()

    async def find(self, request_id: str) -> Operation | None:
        """One operation."""
        return await self._one(operations.c.request_id == request_id)

    async def find_by_key(self, key: str) -> Operation | None:
        """The operation that an Idempotency-Key stands for."""
        return await self._one(operations.c.idempotency_key == key)

    def turn(self) -> AbstractAsyncContextManager[None]:
        """To be had by whoever writes many rows at once, while it does."""
        return self._writer.turns

    async def find_all(self, request_ids: Sequence[str]) -> dict[str, Operation]:
        """Those operations of these that there are, by id."""
        found = await self._all(select(*_COLUMNS).where(operations.c.request_id.in_(request_ids)))
        return {operation.request_id: operation for operation in found}

    async def unanswered(
        self, kiosk_id: str, journal: str, limit: int = 500, after: tuple[float, str] | None = None
    ) -> list[Operation]:
        """Operations that were sent to a kiosk and of which it never said anything, oldest first.

        Among them those that were lost with this very journal, as it seemed: its box has come back. `after` is
        `created_at` and the id of the last one of the page before.
        """
        if after is None and not await self._open.is_true_of(kiosk_id):  # as of nearly all kiosks
            return []
        c = operations.c
        has_come_back = and_(c.journal == journal, c.elapsed.is_(None))  # a kiosk that says anything says `elapsed`
        statement = select(*_COLUMNS).where(
            c.kiosk_id == kiosk_id,
            c.final.is_(False),
            or_(c.executed.is_(None), has_come_back),
            c.sent_at.is_not(None),
        )
        if after is not None:
            at, request_id = after
            statement = statement.where(
                c.created_at >= at, or_(c.created_at > at, and_(c.created_at == at, c.request_id > request_id))
            )
        return await self._all(statement.order_by(c.created_at, c.request_id).limit(limit))

    async def _with_open(self, kiosk_ids: Sequence[str]) -> set[str]:
        """Those of these kiosks that something was sent to which is not final."""
        c = operations.c
        statement = select(c.kiosk_id).distinct().where(c.final.is_(False), c.sent_at.is_not(None))
        return {row.kiosk_id for row in await self._rows(statement.where(c.kiosk_id.in_(kiosk_ids)))}

    async def queued(self) -> list[Waiting]:
        """Every operation that waits for its kiosk, oldest first."""
        columns = (operations.c.kiosk_id, operations.c.request_id, operations.c.created_at, operations.c.start_by)
        statement = select(*columns).where(operations.c.final.is_(False), operations.c.state == State.QUEUED)
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement.order_by(operations.c.created_at))
            return [Waiting(row.kiosk_id, row.request_id, row.created_at, row.start_by or 0.0) for row in rows]

    async def newest(self) -> float:
        """The latest time at which any operation was begun, Unix seconds; 0 if there is none."""
        async with self._engine.connect() as connection:
            return float((await connection.execute(select(func.max(operations.c.created_at)))).scalar() or 0.0)

    async def abandon(self, detail: str) -> int:
        """At the start: what an earlier life of the hub had under way is unknown now. Returns how many.

        Where others live, only of hubs of which there is no trace any more: a life that ends is buried.
        """
        c = operations.c
        statement = _abandoning(detail)
        if self._is_shared:
            living = select(hubs.c.life).where(hubs.c.ended_at.is_(None))
            statement = statement.where(or_(c.hub.is_(None), c.hub.not_in(living)))
        async with self._engine.begin() as connection:
            result = await connection.execute(statement)
            crash_point("hub.store.abandon.before")
        crash_point("hub.store.abandon.after")
        return int(result.rowcount)

    async def bury(self, connection: AsyncConnection, life: str, _seen_at: float) -> int:
        """A hub is dead: what it had under way is unknown now. See `cloud.db.shared_hold.Burials`."""
        statement = _abandoning("the hub that had it under way is gone").where(operations.c.hub == life)
        return int((await connection.execute(statement)).rowcount)

    async def page(
        self,
        *,
        kiosk_id: str | None = None,
        state: State | None = None,
        since: float | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Operations, newest first, without their bodies; fewer than `limit` where their answers are large.

        Raises `ValueError` for a cursor that is none.
        """
        size = func.coalesce(func.length(operations.c.answer), 0).label("size")
        statement = select(operations.c.request_id, operations.c.created_at, size)
        if kiosk_id is not None:
            statement = statement.where(operations.c.kiosk_id == kiosk_id)
        if state is not None:
            statement = statement.where(operations.c.state == state)
        if since is not None:
            statement = statement.where(operations.c.created_at >= since)
        if cursor is not None:
            at, request_id = _read_cursor(cursor)
            statement = statement.where(
                or_(
                    operations.c.created_at < at,
                    and_(operations.c.created_at == at, operations.c.request_id < request_id),
                )
            )
        order = (operations.c.created_at.desc(), operations.c.request_id.desc())
        # What is in the page first, so that no more of it is read than fits.
        rows = await self._rows(statement.order_by(*order).limit(limit + 1))
        sizes = itertools.accumulate(row.size for row in rows)
        count = max(1, min(limit, sum(size <= _PAGE_BYTES for size in sizes)))
        ids = [row.request_id for row in rows[:count]]
        told = [column for column in _COLUMNS if column is not operations.c.body]
        found = [
            _operation(row, told) for row in await self._rows(select(*told).where(operations.c.request_id.in_(ids)))
        ]
        found.sort(key=lambda operation: ids.index(operation.request_id))
        return Page(found, _cursor(rows[count - 1].created_at, ids[-1]) if len(rows) > count else None)

    async def unknown(self, limit: int = 50, cursor: str | None = None) -> Page:
        """Operations nobody knows the outcome of, oldest first, without their bodies.

        Raises `ValueError` for a cursor that is none.
        """
        c = operations.c
        # As a sum it has no index: SQLite would rather walk down the index of time, through all that is final.
        began = c.created_at + literal_column("0")
        told = [column for column in _COLUMNS if column is not c.body]
        statement = select(*told).where(c.final.is_(False), c.state == State.UNKNOWN)
        if cursor is not None:
            at, request_id = _read_cursor(cursor)
            statement = statement.where(began >= at, or_(began > at, and_(began == at, c.request_id > request_id)))
        rows = await self._rows(statement.order_by(began, c.request_id).limit(limit + 1))
        found = [_operation(row, told) for row in rows[:limit]]
        return Page(found, _cursor(found[-1].created_at, found[-1].request_id) if len(rows) > limit else None)

    def cursor_after(self, operation: Operation) -> str:
        """The cursor of the page that begins after this one."""
        return _cursor(operation.created_at, operation.request_id)

    def name_of_key(self, key_id: str) -> str:
        """What an API key is called; empty where it is in force no more."""
        key = self._keys.get(key_id)
        return key.name if key is not None else ""

    async def ids_like(self, beginning: str, limit: int = 5) -> list[str]:
        """Ids that begin so, newest first."""
        c = operations.c.request_id
        # By bytes, as an index of each database has them; no id has a `~` or what sorts after it.
        least, below = ("~>=~", "~<~") if self._engine.dialect.name == "postgresql" else (">=", "<")
        statement = select(c).where(c.bool_op(least)(beginning), c.bool_op(below)(beginning + "~"))
        found = await self._rows(statement.order_by(operations.c.created_at.desc()).limit(limit))
        return [row.request_id for row in found]

    async def counts(self, since: float) -> dict[str, int]:
        """How many operations were begun since then, by state."""
        statement = select(operations.c.state, func.count()).where(operations.c.created_at >= since)
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement.group_by(operations.c.state))
            return {row[0]: row[1] for row in rows}

    async def _one(self, condition: Any) -> Operation | None:
        found = await self._all(select(*_COLUMNS).where(condition))
        return found[0] if found else None

    async def _all(self, statement: Any) -> list[Operation]:
        return [_operation(row, _COLUMNS) for row in await self._rows(statement)]

    async def _rows(self, statement: Any) -> list[Row[Any]]:
        try:
            async with self._engine.connect() as connection:
                return list(await connection.execute(statement))
        except (SQLAlchemyError, OSError) as error:
            raise StorageError(f"the database does not answer: {type(error).__name__}") from error


def _row(operation: Operation) -> tuple[object, ...]:
    return (*msgspec.structs.astuple(operation), operation.is_final)


def _abandoning(detail: str) -> Update:
    is_under_way = operations.c.final.is_(False), operations.c.state.in_([State.SENT, State.ACCEPTED])
    return update(operations).where(*is_under_way).values(state=State.UNKNOWN, problem="timeout", detail=detail)


def _operation(row: Row[Any], columns: Sequence[Column[Any]]) -> Operation:
    values: Sequence[Any] = row
    operation = Operation(**dict(zip((column.name for column in columns), values, strict=True)))
    operation.state = State(operation.state)
    return operation


def _cursor(created_at: float, request_id: str) -> str:
    return base64.urlsafe_b64encode(f"{created_at!r} {request_id}".encode()).decode()


def _read_cursor(text: str) -> tuple[float, str]:
    try:
        at, request_id = base64.urlsafe_b64decode(text.encode()).decode().split(" ", 1)
        if not math.isfinite(float(at)):
            raise ValueError(at)
        return float(at), request_id
    except (ValueError, binascii.Error) as error:
        raise ValueError("the cursor is not one that was given out") from error
