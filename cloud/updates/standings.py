"""The rollouts as the database has them, at hand, and what the hub does by itself: it holds one that goes wrong.

Every change is kept with who made it, `KEPT` of them, and logged.
"""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, Row, case, delete, func, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.cancelled import cancelled
from cloud.db.changes import Changes
from cloud.db.dialect import insert_into, one_after_another
from cloud.db.lease import Lease, Mine
from cloud.db.tables import kiosk_versions, kiosks, rollout_changes, rollouts
from cloud.errors import Refused
from cloud.metrics import Metrics
from cloud.updates.rollouts import NONE, Change, Counts, Standing, decide, held, hold
from wire.release import Rollout, parse_channel

log = logging.getLogger(__name__)

KEPT = 1000
_LOOK_EVERY = 2.0
_SILENT_AFTER = 3600.0  # a trial takes minutes: who has said nothing for so long after an update has failed with it
_FAILURES_SHOWN = 100


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a rollout. `at` is Unix seconds; `by` is for people."""

    at: float
    by: str
    words: str


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A kiosk that went back from a version, or was not heard of again. `at` is Unix seconds."""

    kiosk: str
    version: str
    reason: str
    at: float


class Rollouts:
    """All rollouts. `start` has them at hand; the other methods work without it (the command line's way)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._standings: dict[str, Standing] = {}
        self._changes = Changes("rollouts", self._read)

    async def start(self) -> None:
        """Read all, then keep up."""
        await self._changes.start()

    async def stop(self) -> None:
        """Stop keeping up."""
        await self._changes.stop()

    def told(self, channel: str, offered: list[str]) -> Rollout | None:
        """What kiosks are told: before an operator begins a rollout nobody gets anything. None: nothing is known."""
        standing = self._standings.get(channel)
        if standing is not None:
            return standing.told()
        return Rollout(version=offered[-1], percent=0, paused=True) if offered else None

    async def read_all(self) -> list[Standing]:
        """All as they stand in the database, by channel."""
        async with self._engine.connect() as connection:
            return [_standing(row) for row in await connection.execute(select(rollouts).order_by(rollouts.c.channel))]

    async def change(self, channel: str, change: Change, *, offered: list[str], by: str) -> Standing:
        """Change one, or begin it. Raises `Refused`."""
        try:
            parse_channel(channel)
        except ValueError as error:
            raise Refused("bad-request", str(error)) from error
        now = time.time()
        async with self._engine.begin() as connection:
            await one_after_another(connection)
            old = await self._find(connection, channel)
            bad = (await self._counts(connection, now)).get(old.version, NONE).bad if old else 0
            new, words = decide(channel, old, change, offered=offered, bad=bad, now=now, by=by)
            await self._put(connection, old, new, words)
        await self._changes.now()
        return new

    async def hold_bad(self, most: int, percent: float) -> list[Standing]:
        """Pause what went wrong too often; returns those."""
        now, found = time.time(), []
        async with self._engine.begin() as connection:
            await one_after_another(connection)
            counts = await self._counts(connection, now)
            for row in (await connection.execute(select(rollouts).where(rollouts.c.paused.is_(False)))).all():
                standing = _standing(row)
                reason = hold(standing, counts.get(standing.version, NONE), most, percent)
                if reason:
                    new, words = held(standing, reason, now)
                    await self._put(connection, standing, new, words)
                    found.append(new)
        if found:
            await self._changes.now()
        return found

    async def counts(self) -> dict[str, Counts]:
        """By version."""
        async with self._engine.connect() as connection:
            return await self._counts(connection, time.time())

    async def running(self) -> dict[str, int]:
        """How many kiosks said last that they run which version; those that never said are under the empty name."""
        said = func.coalesce(kiosk_versions.c.running, "")
        statement = (
            select(said, func.count())
            .select_from(kiosks.outerjoin(kiosk_versions, kiosk_versions.c.kiosk_id == kiosks.c.id))
            .where(kiosks.c.removed.is_(False))
            .group_by(said)
        )
        async with self._engine.connect() as connection:
            return {row[0]: row[1] for row in await connection.execute(statement)}

    async def failures(self, version: str) -> list[Failure]:
        """Kiosks that failed with a version or were not heard of again, the latest first."""
        c = kiosk_versions.c
        silent = (c.result == "installed") & (c.result_at < time.time() - _SILENT_AFTER)
        statement = (
            select(kiosk_versions)
            .join(kiosks, kiosks.c.id == c.kiosk_id)
            .where(kiosks.c.removed.is_(False), c.tried == version, or_(c.result == "failed", silent))
            .order_by(c.result_at.desc())
            .limit(_FAILURES_SHOWN)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
        return [
            Failure(
                kiosk=row.kiosk_id,
                version=row.tried,
                reason=row.reason if row.result == "failed" else "not heard of since it was installed",
                at=row.result_at or 0.0,
            )
            for row in rows
        ]

    async def acts(self, channel: str, most: int = 50) -> list[Act]:
        """What was changed, the latest first."""
        c = rollout_changes.c
        statement = select(rollout_changes).where(c.channel == channel).order_by(c.number.desc()).limit(most)
        async with self._engine.connect() as connection:
            return [Act(at=row.at, by=row.by, words=row.words) for row in await connection.execute(statement)]

    async def _read(self) -> None:
        self._standings = {standing.channel: standing for standing in await self.read_all()}

    @staticmethod
    async def _find(connection: AsyncConnection, channel: str) -> Standing | None:
        row = (await connection.execute(select(rollouts).where(rollouts.c.channel == channel))).one_or_none()
        return _standing(row) if row else None

    @staticmethod
    async def _counts(connection: AsyncConnection, now: float) -> dict[str, Counts]:
        return await connection.run_sync(_count, now)

    async def _put(self, connection: AsyncConnection, old: Standing | None, new: Standing, words: str) -> None:
        """Write it over what it was made from. Raises `Refused` (conflict) where that is no longer there."""
        values = {**msgspec.structs.asdict(new), "hours": new.window}
        del values["window"]
        if old is None:
            fresh = insert_into(self._engine, rollouts).values(values).on_conflict_do_nothing()
            written = await connection.execute(fresh)
        else:
            c = rollouts.c
            same = (c.channel == old.channel) & (c.version == old.version) & (c.changed_at == old.changed_at)
            written = await connection.execute(update(rollouts).where(same).values(values))
        if written.rowcount != 1:
            raise Refused("conflict", f"somebody else changed the rollout of {new.channel} just now; look again")
        line = {"at": new.changed_at, "by": new.changed_by, "channel": new.channel, "words": words}
        await connection.execute(insert(rollout_changes).values(**line))
        newest = select(func.max(rollout_changes.c.number)).scalar_subquery()
        await connection.execute(delete(rollout_changes).where(rollout_changes.c.number <= newest - KEPT))
        extra = {"channel": new.channel, "by": new.changed_by, "change": words}
        log.info("rollout changed", extra=extra)


class Watch:
    """Looks every two seconds whether a rollout has to be held; notes which versions kiosks run."""

    def __init__(
        self,
        rollouts: Rollouts,
        note: Callable[[], None],
        metrics: Metrics,
        *,
        most: int,
        percent: float,
        jobs: Lease | None = None,
    ) -> None:
        """Held is what more than `most` kiosks failed with, and more than `percent` of those that took it; where hubs
        share a database by the one that has the lease of `jobs`."""
        self._jobs = jobs or Mine()
        self._rollouts = rollouts
        self._note = note
        self._metrics = metrics
        self._most = most
        self._percent = percent
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="rollouts")

    async def stop(self) -> None:
        """Stop."""
        if self._task:
            await cancelled(self._task)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                self._note()
                if not self._jobs.is_held:
                    continue
                for standing in await self._rollouts.hold_bad(self._most, self._percent):
                    self._metrics.rollouts_held.inc()
                    log.warning(
                        "rollout held: too many kiosks failed with it",
                        extra={"channel": standing.channel, "version": standing.version, "reason": standing.reason},
                    )
            except (SQLAlchemyError, OSError, Refused) as error:
                log.warning("rollouts could not be looked at", extra={"error": str(error)[:200]})


def _count(connection: Connection, now: float) -> dict[str, Counts]:
    c = kiosk_versions.c
    late = case((c.result_at < now - _SILENT_AFTER, 1), else_=0)
    statement = (
        select(c.tried, c.result, func.count(), func.sum(late))
        .select_from(kiosk_versions.join(kiosks, kiosks.c.id == c.kiosk_id))
        .where(kiosks.c.removed.is_(False), c.tried != "")
        .group_by(c.tried, c.result)
    )
    found: dict[str, dict[str, int]] = {}
    for version, result, count, silent in connection.execute(statement):
        words = found.setdefault(version, {})
        words[result] = count
        if result == "installed":
            words["silent"] = int(silent)
    return {version: msgspec.convert(words, Counts) for version, words in found.items()}


def _standing(row: Row[tuple[object, ...]]) -> Standing:
    return Standing(
        channel=row.channel,
        version=row.version,
        percent=row.percent,
        window=row.hours,
        paused=row.paused,
        reason=row.reason,
        forgiven=row.forgiven,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )
