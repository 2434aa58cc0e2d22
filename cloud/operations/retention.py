"""Forgets what is old enough: ended operations with their callbacks, and events; of the audit what is older than 400
days. Open operations stay.

With an operation goes its Idempotency-Key, so that forgetting too early is paying twice. A clock that stands a year
ahead, for want of a battery or by a mistake, must therefore make nothing old: a row goes only if every look during
the last `PROOF_DAYS` of the hub's own running, counted by the monotonic clock and kept in the database, has found it
old. Whoever sets the clock right within that time has lost nothing.
"""

import asyncio
import logging
import time
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.cancelled import cancelled
from cloud.db.lease import Lease, Mine
from cloud.db.tables import audit, events, lived_days, operations, resolutions
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

PROOF_DAYS = 7
AUDIT_DAYS = 400  # a year, and the time it takes to ask about it
_EVERY = 3600.0
_AT_ONCE = 1000
_DAY = 86400.0


class Retention:
    """Looks once an hour, where hubs share a database at the one that has the lease of jobs; deletes in small
    transactions."""

    def __init__(self, engine: AsyncEngine, keep_days: int, jobs: Lease | None = None) -> None:
        self._jobs = jobs or Mine()
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
            await cancelled(self._task)

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
        # Where the batch before ended: what was deleted stays in indexes for a while, and is not passed again.
        since = float("-inf")
        while True:
            began = time.monotonic()
            async with self._engine.begin() as connection:
                batch = (await connection.execute(_old(before, since))).all()
                ids = [row.request_id for row in batch]
                some = delete(operations).where(operations.c.request_id.in_(ids), operations.c.final.is_(True))
                count += (await connection.execute(some)).rowcount if ids else 0
                crash_point("hub.retention.operations.before")
            crash_point("hub.retention.operations.after")
            if len(batch) < _AT_ONCE:
                break
            since = batch[-1].created_at
            await _let_others(began)
        while True:
            began = time.monotonic()
            async with self._engine.begin() as connection:
                is_last = await _delete_some(connection, events, events.c.received_at, before)
                crash_point("hub.retention.events.before")
            crash_point("hub.retention.events.after")
            if is_last:
                break
            await _let_others(began)
        # By the same proof: `before` is so many days before a day that has come for sure.
        while True:
            began = time.monotonic()
            async with self._engine.begin() as connection:
                is_last = await _delete_some(connection, audit, audit.c.at, before + self._keep - AUDIT_DAYS * _DAY)
                crash_point("hub.retention.audit.before")
            crash_point("hub.retention.audit.after")
            if is_last:
                break
            await _let_others(began)
        return count

    async def _run(self) -> None:
        while True:
            if not self._jobs.is_held:
                self._looked_at = None  # what another hub has run is counted by that
                await self._jobs.wait_until(held=True)
            try:
                before = await self.look(time.time(), time.monotonic())
                if before is not None and (count := await self.forget(before)):
                    log.info("old operations deleted", extra={"count": count})
            except (SQLAlchemyError, OSError) as error:
                log.warning("old operations could not be deleted", extra={"error": str(error)[:200]})
            await asyncio.sleep(_EVERY)


def _old(before: float, since: float) -> Select[Any]:
    """The next batch, the oldest first."""
    # What was open for long and then settled by hand would go at once, and with it its callback and who said so.
    lately = select(resolutions.c.request_id).where(resolutions.c.at >= before)
    table = operations.c
    old = select(table.request_id, table.created_at).where(
        table.final.is_(True), table.created_at < before, table.request_id.not_in(lately)
    )
    if since > float("-inf"):
        old = old.where(table.created_at >= since)
    return old.order_by(table.created_at).limit(_AT_ONCE)


async def _delete_some(connection: AsyncConnection, table: Table, at: Column[float], before: float) -> bool:
    """Delete the oldest thousand, and those of the same moment, of what is older; tells whether these were the last."""
    moments = select(at).where(at < before).order_by(at).offset(_AT_ONCE - 1).limit(1)
    last = (await connection.execute(moments)).scalar()
    await connection.execute(delete(table).where(at < before if last is None else at <= last))
    return last is None


async def _let_others(began: float) -> None:
    """Work half of the time at most: operations are written meanwhile."""
    await asyncio.sleep(min(1.0, time.monotonic() - began))


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
