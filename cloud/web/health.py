"""Whether the hub can serve, for `/health`: looked at in the background, answered from memory."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.bus.bus import Bus, Peer
from cloud.bus.redis import RedisSeen
from cloud.cancelled import cancelled
from cloud.db.engine import explain
from cloud.db.writer import Writer
from cloud.kiosks.registry import Registry
from cloud.kiosks.whereabouts import Whereabouts
from cloud.metrics import Metrics
from cloud.operations.service import Operations
from wire.version import VERSION

_EVERY = 2.0
_TIMEOUT = 2.0
_LAG_EVERY = 0.5
_STOPPING = "the hub is stopping"
_ID_LETTERS = 8


class Health:
    """The hub's verdict on itself."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        writer: Writer,
        redis: RedisSeen,
        registry: Registry,
        where: Whereabouts,
        operations: Operations,
        metrics: Metrics,
        version: str,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._redis = redis
        self._registry = registry
        self._where = where
        self._operations = operations
        self._metrics = metrics
        self._version = version
        self._started = time.monotonic()
        self._database: str | None = None  # why it does not answer
        self.stopping = False
        self.telegram: Callable[[], str] = lambda: "disabled"  # the bot's state, where there is one
        self.telemetry: Callable[[], str] = lambda: "disabled"  # of what is pushed elsewhere; no part of the verdict
        self.hubs: Callable[[], list[dict[str, object]]] | None = None  # where there can be others
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [
            asyncio.create_task(self._look(), name="health"),
            asyncio.create_task(self._watch_loop(), name="loop-lag"),
        ]

    async def stop(self) -> None:
        """Stop looking."""
        await cancelled(*self._tasks)

    def troubles(self) -> dict[str, str]:
        """What is wrong with the hub itself: `database`, `redis`, each with a sentence."""
        found = {}
        if database := self._database or self._writer.error:
            found["database"] = f"the database does not work: {database}"
        if trouble := self._redis.trouble:
            found["redis"] = trouble
        return found

    def ails(self) -> dict[str, str]:
        """What is wrong with this hub alone, for the others: its troubles, its `clock`, that it is `stopping`."""
        found = self.troubles()
        if clock := self._redis.clock_trouble:
            found["clock"] = clock
        if self.stopping:
            found["stopping"] = _STOPPING
        return found

    def report(self) -> tuple[int, dict[str, object]]:
        """HTTP status (503 when operations cannot be served) and the report."""
        reasons = list(self.troubles().values())
        reasons += [reason for reason in self._redis.reasons() if reason not in reasons]
        database = self._database or self._writer.error
        duplicated = len(self._where.doubles())
        if duplicated:
            reasons.append(f"two boxes were seen with one kiosk's identity: {duplicated} kiosks, see /admin/kiosks")
        if self.stopping:
            reasons.append(_STOPPING)
        report: dict[str, object] = {
            "status": "degraded" if reasons else "healthy",
            "reasons": reasons,
            "version": self._version,
            "redis": self._redis.state,
            "telegram": self.telegram(),
            "telemetry": self.telemetry(),
            "database": "unreachable" if database else "connected",
            "active_kiosks": self._where.connected(),
            "total_kiosks": len(self._registry),
            "duplicated_kiosks": duplicated,
            "operations_running": self._operations.running,
            "operations_queued": self._operations.queued,
            "uptime": round(time.monotonic() - self._started, 1),
        }
        if self.hubs is not None:
            report["hubs"] = hubs = self.hubs()
            report["operations_running"] = sum(int(str(each["operations_running"])) for each in hubs)
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


def hubs_of(
    bus: Bus, names: Mapping[str, str], kiosks: int, running: int, ails: Mapping[str, str]
) -> list[dict[str, object]]:
    """All hubs that live, as this one sees them: itself first; what the others tell is of a second ago, or, while
    the bus is down, of before that. `names` are by life."""
    here = Peer(life=bus.me, name="", version=VERSION, since=0.0, kiosks=kiosks, running=running, ails=ails)
    others = sorted(bus.peers(), key=lambda each: names.get(each.life, each.name))
    return [
        {
            "id": each.life[:_ID_LETTERS],
            "name": names.get(each.life, each.name),
            "version": each.version,
            "kiosks": each.kiosks,
            "operations_running": each.running,
            "status": "unknown" if not (bus.is_up or each is here) else "degraded" if each.ails else "healthy",
            "troubles": dict(each.ails),
            "is_this": each is here,
        }
        for each in [here, *others]
    ]
