"""Forgets what is old enough: ended operations with their callbacks, and events. Open operations stay."""

import asyncio
import logging
import time

from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.tables import events, operations

log = logging.getLogger(__name__)

_EVERY = 3600.0
_AT_ONCE = 1000
_DAY = 86400.0


class Retention:
    """Runs once an hour, in small transactions."""

    def __init__(self, engine: AsyncEngine, keep_days: int) -> None:
        self._engine = engine
        self._keep = keep_days * _DAY
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first round comes at once."""
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def forget(self, now: float) -> int:
        """Delete what ended, or came, more than the kept days before `now`. Returns how many operations."""
        before, count = now - self._keep, 0
        old = select(operations.c.request_id).where(operations.c.final.is_(True), operations.c.created_at < before)
        while True:
            async with self._engine.begin() as connection:
                some = delete(operations).where(operations.c.request_id.in_(old.limit(_AT_ONCE)))
                deleted = (await connection.execute(some)).rowcount
            count += deleted
            if deleted < _AT_ONCE:
                break
        async with self._engine.begin() as connection:
            await connection.execute(delete(events).where(events.c.received_at < before))
        return count

    async def _run(self) -> None:
        while True:
            try:
                if count := await self.forget(time.time()):
                    log.info("old operations deleted", extra={"count": count})
            except (SQLAlchemyError, OSError) as error:
                log.warning("old operations could not be deleted", extra={"error": str(error)[:200]})
            await asyncio.sleep(_EVERY)
