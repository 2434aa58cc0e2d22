"""Whether the hub can serve, for `/health`: looked at in the background, answered from memory."""

import asyncio
import contextlib
import time

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.bus.redis import RedisWatch
from cloud.db.engine import explain
from cloud.db.writer import Writer
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Registry
from cloud.metrics import Metrics
from cloud.operations.service import Operations

_EVERY = 2.0
_TIMEOUT = 2.0
_LAG_EVERY = 0.5


class Health:
    """The hub's verdict on itself."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        writer: Writer,
        redis: RedisWatch,
        registry: Registry,
        links: Links,
        operations: Operations,
        metrics: Metrics,
        version: str,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._redis = redis
        self._registry = registry
        self._links = links
        self._operations = operations
        self._metrics = metrics
        self._version = version
        self._started = time.monotonic()
        self._database: str | None = None  # why it does not answer
        self.stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [
            asyncio.create_task(self._look(), name="health"),
            asyncio.create_task(self._watch_loop(), name="loop-lag"),
        ]

    async def stop(self) -> None:
        """Stop looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def report(self) -> tuple[int, dict[str, object]]:
        """HTTP status (503 when operations cannot be served) and the report."""
        reasons = []
        database = self._database or self._writer.error
        if database:
            reasons.append(f"the database does not work: {database}")
        if self._redis.state == "unreachable":
            reasons.append("Redis is not reached")
        duplicated = self._links.duplicated
        if duplicated:
            reasons.append(f"two boxes were seen with one kiosk's identity: {duplicated} kiosks, see /admin/kiosks")
        if self.stopping:
            reasons.append("the hub is stopping")
        report: dict[str, object] = {
            "status": "degraded" if reasons else "healthy",
            "reasons": reasons,
            "version": self._version,
            "redis": self._redis.state,
            "database": "unreachable" if database else "connected",
            "active_kiosks": self._links.connected,
            "total_kiosks": len(self._registry),
            "duplicated_kiosks": duplicated,
            "operations_running": self._operations.running,
            "operations_queued": self._operations.queued,
            "uptime": round(time.monotonic() - self._started, 1),
        }
        return (503 if database or self.stopping else 200), report

    async def _look(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_TIMEOUT), self._engine.connect() as connection:
                    await connection.execute(text("SELECT 1 FROM kiosks LIMIT 1"))
                self._database = None
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                self._database = explain(error)
            if self._writer.error is not None:
                # Whoever looks here may send nothing more until this is well: it must be found out without them.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_TIMEOUT):
                        await self._writer.probe()
            await asyncio.sleep(_EVERY)

    async def _watch_loop(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_LAG_EVERY)
            self._metrics.tasks.set(len(asyncio.all_tasks()))
            self._metrics.loop_lag.set(max(0.0, time.perf_counter() - before - _LAG_EVERY))
