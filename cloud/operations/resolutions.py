"""What people settled, as rows: written with the operation they settle, read for its record and for alerts."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Float, Select, Text, bindparam, cast, exists, func, literal_column, select, true, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.dialect import insert_into
from cloud.db.tables import operations, resolutions
from cloud.db.writer import Write, Writer
from cloud.errors import StorageError
from cloud.operations.by_hand import Resolution, contradiction, is_by_hand, told_of
from cloud.operations.operation import Operation, State
from wire.messages import Response

_COLUMNS = [resolutions.c[name] for name in Resolution.__struct_fields__]


class Contradiction:
    """An operation of which its kiosk tells something else than a person said."""

    __slots__ = ("kiosk_id", "resolution")

    def __init__(self, kiosk_id: str, resolution: Resolution) -> None:
        self.kiosk_id = kiosk_id
        self.resolution = resolution


class Resolutions:
    """The table. Reads raise `StorageError`."""

    def __init__(self, engine: AsyncEngine, writer: Writer) -> None:
        self._engine = engine
        self._writer = writer
        is_open = (
            operations.c.request_id == bindparam("its_id"),
            operations.c.state == literal_column("'unknown'"),
            operations.c.final.is_(False),
        )

        def text(name: str) -> Any:
            return cast(bindparam(name), Text)

        kept = ("request_id", "at", "by", "why", "state", "before")
        # In the group's order: what is kept of it, the operation, its callback. Each only where the one before was.
        self._keep = Write(
            1,
            engine,
            insert_into(engine, resolutions)
            .from_select(
                kept,
                select(
                    operations.c.request_id,
                    cast(bindparam("its_at"), Float),
                    *(text(f"its_{name}") for name in ("by", "why", "state", "before")),
                ).where(*is_open),
            )
            .on_conflict_do_nothing(),
            ("its_id", "its_at", "its_by", "its_why", "its_state", "its_before"),
            point="hub.resolutions.keep",
        )
        own = exists(literal_column("1")).where(
            resolutions.c.request_id == operations.c.request_id,
            resolutions.c.at == bindparam("its_at"),
            resolutions.c.state == bindparam("its_state"),
        )
        self._settle = Write(
            1,
            engine,
            update(operations)
            .where(*is_open, own)
            .values(
                state=bindparam("its_state"),
                final=true(),
                executed=bindparam("its_executed"),
                problem=bindparam("its_problem"),
                detail=bindparam("its_detail"),
                finished_at=bindparam("its_at"),
            ),
            ("its_id", "its_at", "its_state", "its_executed", "its_problem", "its_detail"),
        )
        self._tell = Write(
            2,
            engine,
            update(resolutions)
            .where(resolutions.c.request_id == bindparam("its_id"), resolutions.c.told_at.is_(None))
            .values(
                told_at=bindparam("its_at"),
                told=bindparam("its_told"),
                contradicted_at=bindparam("its_contradicted_at"),
                contradiction=bindparam("its_contradiction"),
            ),
            ("its_id", "its_at", "its_told", "its_contradicted_at", "its_contradiction"),
            point="hub.resolutions.tell",
        )

    async def settle(self, operation: Operation, kept: Resolution, *more: tuple[Write, tuple[Any, ...]]) -> bool:
        """Write what a person said, if its row is still unknown; says whether it was. `more` is its callback.

        Raises `StorageError`; then it may be written or not, and `of` tells.
        """
        values = (kept.request_id, kept.at, kept.by, kept.why, kept.state, kept.before)
        settled = (
            *(operation.request_id, kept.at, operation.state.value),
            *(operation.executed, operation.problem, operation.detail),
        )
        await self._writer.write(self._keep, values, (self._settle, settled), *more)
        written = await self.of(operation.request_id)
        return written is not None and (written.at, written.by, written.state) == (kept.at, kept.by, kept.state)

    def tell(self, operation: Operation, response: Response, now: float) -> tuple[Any, str]:
        """Write what the kiosk of one settled by hand told after all: when that is on disk, and how it contradicts."""
        words = contradiction(operation, response)
        values = (operation.request_id, now, told_of(response), now if words else None, words)
        return self._writer.write(self._tell, values), words

    async def of(self, request_id: str) -> Resolution | None:
        """Who settled this one, and how; None where nobody did."""
        return (await self._read(select(*_COLUMNS).where(resolutions.c.request_id == request_id))).get(request_id)

    async def of_all(self, found: Iterable[Operation]) -> dict[str, Resolution]:
        """The same of those among these that a person settled, by id."""
        return await self.of_ids([operation.request_id for operation in found if is_by_hand(operation)])

    async def of_ids(self, ids: Sequence[str]) -> dict[str, Resolution]:
        """The same of those among these ids that a person settled."""
        return await self._read(select(*_COLUMNS).where(resolutions.c.request_id.in_(ids))) if ids else {}

    async def contradictions(self, since: float, limit: int = 100) -> list[Contradiction]:
        """Those whose kiosk told something else since then (Unix seconds), newest first."""
        statement = (
            select(operations.c.kiosk_id, *_COLUMNS)
            .join(operations, operations.c.request_id == resolutions.c.request_id)
            .where(resolutions.c.contradicted_at >= since)
            .order_by(resolutions.c.contradicted_at.desc())
            .limit(limit)
        )
        return [Contradiction(row.kiosk_id, _resolution(row)) for row in await self._rows(statement)]

    async def count_unknown(self) -> int:
        """How many operations nobody knows the outcome of."""
        c = operations.c
        statement = select(func.count()).where(c.final.is_(False), c.state == State.UNKNOWN)
        return int((await self._rows(statement))[0][0])

    async def _read(self, statement: Select[Any]) -> dict[str, Resolution]:
        return {row.request_id: _resolution(row) for row in await self._rows(statement)}

    async def _rows(self, statement: Select[Any]) -> list[Any]:
        try:
            async with self._engine.connect() as connection:
                return list(await connection.execute(statement))
        except (SQLAlchemyError, OSError) as error:
            raise StorageError(f"the database does not answer: {type(error).__name__}") from error


def _resolution(row: Any) -> Resolution:
    return Resolution(**{column.name: getattr(row, column.name) for column in _COLUMNS})
