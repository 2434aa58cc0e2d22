"""The figures as rows, and how they are counted from the operations' rows. Times are Unix seconds.

All raise SQLAlchemyError and OSError.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from sqlalchemy import Integer, and_, bindparam, case, cast, delete, func, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.db.dialect import FIGURES, insert_into, one_after_another
from cloud.db.tables import figures, fleet_figures, operations
from cloud.operations import figures as f
from cloud.operations.figures import DAY, HOUR, MINUTE, Bars, Count, Fleet, Span
from cloud.operations.operation import State
from wire.crashpoint import crash_point

MINUTES_KEPT, HOURS_KEPT = 3 * DAY // MINUTE, 400 * DAY // HOUR
_STOOD = ("here", "enabled", "unknown", "alerts")
_COUNTS = [figures.c.at, *(figures.c[name] for name in f.COUNTED), figures.c.took]

Key = tuple[int, int]  # width and beginning of a span of time


class FigureRows:
    """Reads and writes `figures` and `fleet_figures`, and reads `operations`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        number = operations.c.created_at / literal_column(f"{MINUTE}.0")
        # PostgreSQL's cast rounds; SQLite's cuts, and it may have no floor().
        self._minute = cast(func.floor(number) if engine.dialect.name == "postgresql" else number, Integer)
        self._by_minute = _grouped(self._minute)
        self._as_one = _grouped(literal_column("0"))

    # Operations.

    async def minutes(self, begin: int, end: int) -> dict[int, Count]:
        """The minutes from `begin` to `end`; those without operations are left out."""
        groups: dict[int, list[tuple[str, str | None, int | None, int]]] = {}
        for minute, state, executed, step, many in await self._rows(self._by_minute, begin=begin, end=end):
            groups.setdefault(minute * MINUTE, []).append((state, executed, step, many))
        return {at: f.count(some) for at, some in groups.items()}

    async def whole(self, begin: int, end: int) -> Count:
        """All from `begin` to `end` as one."""
        rows = await self._rows(self._as_one, begin=begin, end=end)
        return f.count((state, executed, step, many) for _, state, executed, step, many in rows)

    async def first_after(self, begin: float, end: float) -> float | None:
        """When the first operation from `begin` to `end` was begun."""
        c = operations.c.created_at
        found: float | None = await self._number(select(func.min(c)).where(c >= begin, c < end))
        return found

    async def last_before(self, end: float, begin: float) -> float | None:
        """When the last operation before `end` was begun, if not before `begin`."""
        c = operations.c.created_at
        found: float | None = await self._number(select(func.max(c)).where(c < end, c >= begin))
        return found

    async def open(self) -> dict[int, tuple[int, int]]:
        """How many operations stand unknown, and how many running, by the minute they were begun in."""
        c = operations.c
        is_unknown = (c.state == literal_column(f"'{State.UNKNOWN}'")).label("lost")
        groups = select(self._minute.label("span"), is_unknown, func.count().label("many")).where(c.final.is_(False))
        found: dict[int, tuple[int, int]] = {}
        for minute, lost, many in await self._rows(groups.group_by("span", "lost")):
            unknown, running = found.get(minute * MINUTE, (0, 0))
            found[minute * MINUTE] = (unknown + many, running) if lost else (unknown, running + many)
        return found

    # Figures.

    async def counted_open(self) -> dict[Key, tuple[int, int]]:
        """The spans of time in which operations were counted as unknown, or as running."""
        c = figures.c
        kept = select(c.width, c.at, c.unknown, c.running).where((c.unknown > 0) | (c.running > 0))
        return {(width, at): (unknown, running) for width, at, unknown, running in await self._rows(kept)}

    async def last_minute(self, before: int) -> int | None:
        """The last one that is counted."""
        c = figures.c
        found: int | None = await self._number(select(func.max(c.at)).where(c.width == MINUTE, c.at < before))
        return found

    async def first_hour(self, before: int) -> int | None:
        """The first one that is counted, if it is before that."""
        c = figures.c
        found: int | None = await self._number(select(func.min(c.at)).where(c.width == HOUR, c.at < before))
        return found

    async def put(self, width: int, counts: Mapping[int, Count], refused: Mapping[int, int] | None = None) -> None:
        """Keep these, and with minutes the sums of the hours they lie in. `refused` are so many more."""
        more = refused or {}
        async with self._writing() as connection:
            known = await _kept(connection, width, counts)
            new = {}
            for at, count in counts.items():
                before = known.get(at, Count())
                now = f.counted_again(before, count)
                now = msgspec.structs.replace(now, refused=now.refused + more.get(at, 0))
                if now != before:
                    new[at] = now
            if not new:
                return
            await self._upsert(connection, width, new)
            if width == MINUTE:
                hours = {f.floor(at, HOUR) for at in new}
                await self._upsert(connection, HOUR, {hour: await _sum(connection, hour) for hour in hours})

    async def put_fleet(self, stood: Mapping[int, Fleet]) -> None:
        """Keep how the fleet stood in these minutes, and the worst of it for their hours."""
        rows = [
            {"width": width, "at": f.floor(at, width), **{name: getattr(there, name) for name in _STOOD}}
            for at, there in stood.items()
            for width in (MINUTE, HOUR)
        ]
        insert = insert_into(self._engine, fleet_figures)
        new, old = insert.excluded, fleet_figures.c
        worst = {name: case((new[name] > old[name], new[name]), else_=old[name]) for name in _STOOD}
        worst["here"] = case((new.here < old.here, new.here), else_=old.here)
        statement = insert.on_conflict_do_update(index_elements=["width", "at"], set_=worst)
        async with self._writing() as connection:
            await connection.execute(statement, rows)

    async def forget(self) -> None:
        """Delete what lies before the last so many minutes, and hours, in which a hub ran: no clock has a say in it."""
        c = fleet_figures.c
        async with self._engine.begin() as connection:
            for width, kept in ((MINUTE, MINUTES_KEPT), (HOUR, HOURS_KEPT)):
                lived = select(c.at).where(c.width == width).order_by(c.at.desc()).limit(1).offset(kept)
                edge = (await connection.execute(lived)).scalar()
                for table in (figures, fleet_figures) if edge is not None else ():
                    await connection.execute(delete(table).where(table.c.width == width, table.c.at < edge))
            crash_point("hub.figures.forget.before")
        crash_point("hub.figures.forget.after")

    async def bars(self, span: Span, now: float) -> Bars:
        """What a chart is drawn from."""
        since, to = int(now) - span.seconds - span.step, int(now)
        at, there = figures.c.at, fleet_figures.c
        counted = select(*_COUNTS).where(figures.c.width == span.width, at >= since, at <= to)
        stood = select(there.at, *(there[name] for name in _STOOD)).where(
            there.width == span.width, there.at >= since, there.at <= to
        )
        async with self._engine.connect() as connection:
            counts = {row[0]: _count(tuple(row)) for row in await connection.execute(counted)}
            fleet = {
                row[0]: Fleet(**dict(zip(_STOOD, row[1:], strict=True))) for row in await connection.execute(stood)
            }
        return f.bars(span, counts, fleet, now)

    # Ours.

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.begin() as connection:
            await one_after_another(connection, FIGURES)  # hubs add what they refused to the same minutes
            yield connection
            crash_point("hub.figures.write.before")
        crash_point("hub.figures.write.after")

    async def _upsert(self, connection: AsyncConnection, width: int, counts: Mapping[int, Count]) -> None:
        insert = insert_into(self._engine, figures)
        changed = {name: insert.excluded[name] for name in (*f.COUNTED, "took")}
        statement = insert.on_conflict_do_update(index_elements=["width", "at"], set_=changed)
        rows = [
            {
                "width": width,
                "at": at,
                **{name: getattr(count, name) for name in f.COUNTED},
                "took": msgspec.json.encode(count.took).decode(),
            }
            for at, count in counts.items()
        ]
        await connection.execute(statement, rows)

    async def _rows(self, statement: Any, **values: float) -> list[Any]:
        async with self._engine.connect() as connection:
            return list(await connection.execute(statement, {name: float(value) for name, value in values.items()}))

    async def _number(self, statement: Any) -> Any:
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalar()


def _grouped(span: Any) -> Any:
    """Operations from `begin` to `end`: span, state, executed, step, how many. The index of created_at finds them."""
    c = operations.c
    # What waited for its kiosk took as long as that was away: nothing to learn from.
    waited = and_(c.finished_at.is_not(None), c.delivery == literal_column("'now'"))
    step = case((waited, _step(c.finished_at - c.created_at, 0, len(f.STEPS)))).label("step")
    found = select(span.label("span"), c.state, c.executed, step, func.count().label("many"))
    within = found.where(c.created_at >= bindparam("begin"), c.created_at < bindparam("end"))
    return within.group_by(literal_column("span"), c.state, c.executed, literal_column("step"))


def _step(seconds: Any, low: int, high: int) -> Any:
    """As `figures.step_of`, in SQL: found by halves, without a logarithm, which SQLite may not have."""
    if low == high:
        return literal_column(str(low), Integer)
    middle = (low + high) // 2
    lower = seconds <= literal_column(repr(f.STEPS[middle]))
    return case((lower, _step(seconds, low, middle)), else_=_step(seconds, middle + 1, high))


async def _kept(connection: AsyncConnection, width: int, which: Iterable[int]) -> dict[int, Count]:
    statement = select(*_COUNTS).where(figures.c.width == literal(width), figures.c.at.in_(list(which)))
    return {row[0]: _count(tuple(row)) for row in await connection.execute(statement)}


async def _sum(connection: AsyncConnection, hour: int) -> Count:
    c = figures.c
    its = select(*_COUNTS).where(c.width == MINUTE, c.at >= hour, c.at < hour + HOUR)
    return f.total([_count(tuple(row)) for row in await connection.execute(its)])


_read_took: Callable[[str], tuple[int, ...]] = msgspec.json.Decoder(tuple[int, ...]).decode


def _count(row: tuple[Any, ...]) -> Count:
    _, *numbers, took = row
    return Count(**dict(zip(f.COUNTED, numbers, strict=True)), took=_read_took(took))
