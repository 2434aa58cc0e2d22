"""Forgets what is old enough: ended operations with their callbacks, and events. Open operations stay.

With an operation goes its Idempotency-Key, so that forgetting too early is paying twice. A clock that stands a year
ahead, for want of a battery or by a mistake, must therefore make nothing old: a row goes only if every look during
the last `PROOF_DAYS` of the hub's own running, counted by the monotonic clock and kept in the database, has found it
old. Whoever sets the clock right within that time has lost nothing.
"""

import asyncio
import logging
import time

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.tables import events, lived_days, operations
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

PROOF_DAYS = 7
_EVERY = 3600.0
_AT_ONCE = 1000
_DAY = 86400.0


class Retention:
    """Looks once an hour; deletes in small transactions."""

    def __init__(self, engine: AsyncEngine, keep_days: int) -> None:
        self._engine = engine
        self._keep = keep_days * _DAY
        self._looked_at: float | None = None  # monotonic
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first look comes at once."""
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self, now: float, monotonic: float) -> float | None:
        """Note where the boundary is by the wall clock `now`; returns the one that is proved, None before there is one.

        `monotonic` says how long the hub has run since the last look.
        """
        # A program that stood still, or a machine that slept, has not lived through that.
        ran = 0.0 if self._looked_at is None else min(monotonic - self._looked_at, 2 * _EVERY)
        async with self._engine.begin() as connection:
            proved = await connection.run_sync(_note, now - self._keep, ran)
            crash_point("hub.retention.look.before")
        crash_point("hub.retention.look.after")
        self._looked_at = monotonic
        return proved

    async def forget(self, before: float) -> int:
        """Delete what began, or came, before then and has ended. Returns how many operations."""
        count = 0
        old = select(operations.c.request_id).where(operations.c.final.is_(True), operations.c.created_at < before)
        while True:
            async with self._engine.begin() as connection:
                some = delete(operations).where(operations.c.request_id.in_(old.limit(_AT_ONCE)))
                deleted = (await connection.execute(some)).rowcount
                crash_point("hub.retention.operations.before")
            crash_point("hub.retention.operations.after")
            count += deleted
            if deleted < _AT_ONCE:
                break
        async with self._engine.begin() as connection:
            await connection.execute(delete(events).where(events.c.received_at < before))
            crash_point("hub.retention.events.before")
        crash_point("hub.retention.events.after")
        return count

    async def _run(self) -> None:
        while True:
            try:
                before = await self.look(time.time(), time.monotonic())
                if before is not None and (count := await self.forget(before)):
                    log.info("old operations deleted", extra={"count": count})
            except (SQLAlchemyError, OSError) as error:
                log.warning("old operations could not be deleted", extra={"error": str(error)[:200]})
            await asyncio.sleep(_EVERY)


def _note(connection: Connection, boundary: float, ran: float) -> float | None:
    """Count the time that was lived, and this look's boundary; returns the least of the last days."""
    table = lived_days
    last = connection.execute(select(table).order_by(table.c.day.desc()).limit(1)).first()
    if last is None or last.seconds + ran >= _DAY:
        day = 0 if last is None else last.day + 1
        connection.execute(insert(table).values(day=day, seconds=0.0, boundary=boundary))
    else:
        day = last.day
        values = {"seconds": last.seconds + ran, "boundary": min(last.boundary, boundary)}
        connection.execute(update(table).where(table.c.day == day).values(values))
    connection.execute(delete(table).where(table.c.day < day - PROOF_DAYS))
    boundaries = list(connection.execute(select(table.c.boundary)).scalars())
    return min(boundaries) if len(boundaries) > PROOF_DAYS else None
