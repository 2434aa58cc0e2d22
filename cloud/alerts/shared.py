"""What is said of alerts at several hubs: one of them has the book, the others read it and write what people do there.

Who has the book writes behind, and only while it has the lease; the others write at once, and only what nobody takes
back: that somebody has taken note, that something is muted. Both are read again at each look.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.alerts.alert import Mute
from cloud.db import tables
from cloud.db.dialect import insert_into
from cloud.db.engine import explain
from cloud.errors import StorageError
from wire.crashpoint import crash_point

_a, _m = tables.alerts.c, tables.mutes.c


class Done(msgspec.Struct, frozen=True):
    """What people did, wherever: of what stands who took note and when, by number; what is muted, by scope."""

    acknowledged: Mapping[int, tuple[float, str]]
    mutes: Mapping[str, Mute]


class SharedRows:
    """Of one hub. All of it raises `StorageError`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def signature(self) -> object:
        """Another one where what stands, or is muted, is no longer as it was."""
        changing = (_a.number, _a.acknowledged_at, _a.gone_at, _a.escalated_at, _a.since, _a.raised_at)
        figures = [figure(column) for column in changing for figure in (func.count, func.max, func.sum)]
        try:
            async with self._engine.connect() as connection:
                alerts = (await connection.execute(select(*figures).where(_a.cleared_at.is_(None)))).one()
                mutes = (await connection.execute(select(func.count(), func.max(_m.at), func.sum(_m.until)))).one()
        except (SQLAlchemyError, OSError) as error:
            raise StorageError(explain(error)) from error
        return tuple(alerts), tuple(mutes)

    async def done(self) -> Done:
        """What people did."""
        taken = select(_a.number, _a.acknowledged_at, _a.acknowledged_by).where(
            _a.cleared_at.is_(None), _a.acknowledged_at.is_not(None)
        )
        try:
            async with self._engine.connect() as connection:
                acknowledged = {row[0]: (row[1], row[2]) for row in await connection.execute(taken)}
                mutes = [_mute(row) for row in await connection.execute(select(tables.mutes))]
        except (SQLAlchemyError, OSError) as error:
            raise StorageError(explain(error)) from error
        return Done(acknowledged, {mute.scope: mute for mute in mutes})

    async def acknowledge(self, numbers: Iterable[int], by: str, now: float) -> list[int]:
        """Somebody has taken note; returns those that nobody had before."""
        these = _a.number.in_(sorted(set(numbers))), _a.cleared_at.is_(None), _a.acknowledged_at.is_(None)
        statement = update(tables.alerts).where(*these).values(acknowledged_at=now, acknowledged_by=by)
        found = await self._write(statement.returning(_a.number))
        return sorted(row.number for row in found)

    async def mute(self, mute: Mute) -> None:
        """Nothing is told of it until then."""
        values = {name: getattr(mute, name) for name in Mute.__struct_fields__}
        insert = insert_into(self._engine, tables.mutes).values(values)
        changed = {name: insert.excluded[name] for name in values if name != "scope"}
        await self._write(insert.on_conflict_do_update(index_elements=["scope"], set_=changed))

    async def unmute(self, scope: str) -> None:
        """Tell of it again."""
        await self._write(delete(tables.mutes).where(_m.scope == scope))

    async def _write(self, statement: Any) -> list[Any]:
        try:
            async with self._engine.begin() as connection:
                result = await connection.execute(statement)
                found = list(result) if result.returns_rows else []
                crash_point("hub.alerts.elsewhere.before")
            crash_point("hub.alerts.elsewhere.after")
        except (SQLAlchemyError, OSError) as error:
            raise StorageError(explain(error)) from error
        return found


def _mute(row: Any) -> Mute:
    return Mute(scope=row.scope, until=row.until, at=row.at, by=row.by)
