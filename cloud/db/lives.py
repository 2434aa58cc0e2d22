"""Who lives of the hubs that share a PostgreSQL: this one says so, and looks whether the others do.

A hub is dead when its lock was free at every look for ten seconds, and its row was not renewed meanwhile. The looker
counts by its own monotonic clock, and only while the database answers it: after a restart or a fail-over of
PostgreSQL all locks are free at first, and every hub has ten seconds to have its own again. Who finds one dead says so
once for all, and in the same transaction gives up what it had under way.

A hub that has its lock and says nothing for half a minute stands still: it was stopped, its machine sleeps, or its
network is gone and the server has not noticed. Its session is ended. If it goes on within the ten seconds after that,
it takes its lock again and nothing has happened; later it finds itself dead, and begins anew.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.cancelled import cancelled
from cloud.db.engine import explain
from cloud.db.shared_hold import NOW, SLOTS, Burial, SharedHold, end_sessions_of
from cloud.db.tables import hubs
from cloud.db.writer import Write, Writer
from cloud.errors import StorageError
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

_EVERY = 2.0
_FREE_FOR = 10.0
_SILENT_FOR = 30.0
_GAP_MAX = 6.0  # between two looks; after a longer one nobody knows what was in between
_BURY_WITHIN = 30.0


class Sight(msgspec.Struct, frozen=True):
    """A hub as the database shows it: when it was seen last by the database's clock, and whether its lock is taken."""

    life: str
    slot: int
    name: str
    seen_at: float
    is_held: bool


class _Kept(msgspec.Struct):
    """Since when, by the looker's clock, its row is as it is, and its lock free (None: it is not)."""

    seen_at: float
    silent_since: float
    free_since: float | None = None


class Watch:
    """The rule, apart from the database. Times are seconds by a monotonic clock."""

    def __init__(self) -> None:
        self._known: dict[str, _Kept] = {}
        self._looked_at = float("-inf")

    def blind(self) -> None:
        """The database did not answer, or this hub stood still: what was seen before proves nothing."""
        self._known.clear()

    def look(self, sights: Iterable[Sight], now: float) -> tuple[list[Sight], list[Sight]]:
        """Those that are dead, and those that stand still."""
        if now - self._looked_at > _GAP_MAX:
            self.blind()
        self._looked_at = now
        dead, still, known = [], [], {}
        for sight in sights:
            kept = self._known.get(sight.life)
            if kept is None or kept.seen_at != sight.seen_at:
                kept = _Kept(sight.seen_at, now)
            if sight.is_held:
                kept.free_since = None
                if now - kept.silent_since >= _SILENT_FOR:
                    still.append(sight)
            elif kept.free_since is None:
                kept.free_since = now
            elif now - kept.free_since >= _FREE_FOR:
                dead.append(sight)
            known[sight.life] = kept
        self._known = known
        return dead, still


class Lives:
    """`start` after the writer's, `watch` once the rooms are there that give up what a dead hub had."""

    def __init__(
        self, engine: AsyncEngine, writer: Writer, hold: SharedHold, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._hold = hold
        self._clock = clock
        self._watch = Watch()
        self._is_watching = False
        self._task: asyncio.Task[None] | None = None
        mine = hubs.c.life == bindparam("mine"), hubs.c.ended_at.is_(None)
        # Before all others in its group: whoever buries a hub locks its row first, too.
        self._beat = Write(-1, engine, update(hubs).values(seen_at=NOW).where(*mine), ("mine",))

    @property
    def slot(self) -> int:
        """A small number that no other living hub has."""
        return self._hold.slot

    def start(self) -> None:
        """Begin to say that this hub lives."""
        self._task = asyncio.create_task(self._run(), name="lives of hubs")

    def watch(self, burials: Mapping[str, Burial]) -> None:
        """Look after the others from here on. `burials` are done for a dead one, and for this one at its goodbye."""
        self._hold.burials.update(burials)
        self._is_watching = True

    async def stop(self) -> None:
        """Say no more. The goodbye comes with the writer's end."""
        if self._task:
            await cancelled(self._task)

    async def _run(self) -> None:
        while True:
            began = self._clock()
            try:
                # On the writer's session: what it says is true of the lock that this session has.
                await self._writer.write(self._beat, (self._hold.life,))
                if self._is_watching:
                    await self._look()
            except (StorageError, SQLAlchemyError, OSError) as error:
                self._watch.blind()
                log.debug("cannot look after the other hubs", extra={"error": explain(error)})
            except Exception:  # or this hub would count as standing still
                self._watch.blind()
                log.exception("cannot look after the other hubs")
            await asyncio.sleep(max(0.1, _EVERY - (self._clock() - began)))

    async def _look(self) -> None:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(text(_LOOK), {"me": self._hold.life, "slots": SLOTS})).all()
        mine = [row for row in rows if row.life == self._hold.life]
        if not mine or mine[0].ended_at is not None:
            self._writer.superseded.set()
            return
        others = [
            Sight(row.life, row.slot, row.name, row.seen_at, row.is_held) for row in rows if row.life != self._hold.life
        ]
        dead, still = self._watch.look(others, self._clock())
        for sight in still:
            log.warning("a hub stands still: its session with the database is ended", extra={"hub": sight.name})
            async with self._engine.connect() as connection:
                await end_sessions_of(connection, sight.slot)
        for sight in dead:
            async with asyncio.timeout(_BURY_WITHIN):
                await self._bury(sight)

    async def _bury(self, sight: Sight) -> None:
        """Unless another does, or it came back."""
        async with self._engine.begin() as connection:
            if not await connection.scalar(select(func.pg_try_advisory_xact_lock(SLOTS, sight.slot))):
                return
            c = hubs.c
            same = select(c.life).where(c.life == sight.life, c.ended_at.is_(None), c.seen_at == sight.seen_at)
            if (await connection.execute(same.with_for_update(skip_locked=True))).scalar() is None:
                return
            counts = await self._hold.bury(connection, sight.life, sight.seen_at)
            crash_point("hub.lives.bury.before")
        crash_point("hub.lives.bury.after")
        log.warning("a hub is dead: what it had under way is unknown now", extra={"hub": sight.name, **counts})


_LOOK = """
SELECT h.life, h.slot, h.name, h.seen_at, h.ended_at, EXISTS (
    SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.classid = CAST(:slots AS oid)
    AND l.objid = CAST(h.slot AS oid) AND l.objsubid = 2
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS is_held
FROM hubs h WHERE h.ended_at IS NULL OR h.life = :me
"""
