"""What one of several hubs does for all: who has the lease, a row that its holder renews.

Nobody trusts a clock that another keeps, the database's included: it may be set, and a fail-over may bring another one.
The holder takes itself for that only until its own time is over, counted from before it asked the database the last
time. Another hub takes the lease when it has seen the same row for as long as that and a little more, by its own clock.
So two never both have it: not when a hub stands still, the database is away, restarted or replaced, or a clock is set.
Who stops gives it back, and another has it within a second.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Protocol

import msgspec
from sqlalchemy import ColumnElement, Select, delete, insert, literal_column, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.cancelled import cancelled
from cloud.db.shared_hold import NOW
from cloud.db.tables import leases
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

SECONDS = 9.0  # how long after its holder's death another can have it
_RENEWALS = 4  # in that time
_TAKE_EVERY = 0.5
_MARGIN = 0.1  # of that time, by which its holder gives up earlier than another takes it
_RELEASE_WITHIN = 2.0


class Lease(Protocol):
    """As those ask who do it."""

    @property
    def is_held(self) -> bool:
        """Whether this hub has it."""

    @property
    def is_shared(self) -> bool:
        """Whether other hubs can have it."""

    def start(self) -> None:
        """Begin to try for it."""

    async def stop(self) -> None:
        """Give it back, so that another has it at once."""

    def doubt(self) -> None:
        """Another seems to do what only the holder may."""

    async def wait_until(self, *, held: bool) -> None:
        """Return once this hub has it, or has it no more."""


class Mine:
    """The lease of a hub that is alone."""

    is_held = True
    is_shared = False

    def start(self) -> None:
        """See `Lease`."""

    async def stop(self) -> None:
        """See `Lease`."""

    def doubt(self) -> None:
        """See `Lease`."""

    async def wait_until(self, *, held: bool) -> None:
        """See `Lease`."""
        if not held:
            await asyncio.Event().wait()


class _Row(msgspec.Struct, frozen=True):
    life: str
    until: float  # another one with each renewal


class SharedLease:
    """Of hubs that share a database. `name` is for all of them the same, `life` this hub's own.

    `clock` must count on while the machine sleeps.
    """

    is_shared = True

    def __init__(
        self,
        engine: AsyncEngine,
        name: str,
        life: str,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._engine = engine
        self._name = name
        self._life = life
        self._seconds = seconds
        self._clock = clock or _since_boot
        self._held_until = float("-inf")
        self._seen: _Row | None = None
        self._seen_at = 0.0
        self._was_held = False  # as was told last
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_held(self) -> bool:
        """See `Lease`."""
        return self._clock() < self._held_until

    def start(self) -> None:
        """See `Lease`."""
        self._task = asyncio.create_task(self._run(), name=f"lease {self._name}")

    async def stop(self) -> None:
        """See `Lease`."""
        if self._task is None:
            return
        await cancelled(self._task)
        self._hold(float("-inf"))
        with contextlib.suppress(SQLAlchemyError, OSError):  # then its time ends it
            async with asyncio.timeout(_RELEASE_WITHIN), self._engine.begin() as connection:
                await connection.execute(delete(leases).where(self._is_mine))
                crash_point("hub.lease.release.before")
            crash_point("hub.lease.release.after")

    def doubt(self) -> None:
        """See `Lease`. Its time is no matter of doubt."""

    async def wait_until(self, *, held: bool) -> None:
        """See `Lease`."""
        while self.is_held is not held:
            self._changed.clear()
            # What is held ends by itself, be it that nobody says so.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if held else max(0.0, self._held_until - self._clock())):
                    await self._changed.wait()

    async def fence(self, connection: AsyncConnection) -> bool:
        """Whether this hub has it; if so, none other takes it before the transaction on this connection is over."""
        mine: Select[tuple[int]] = select(literal_column("1")).select_from(leases).where(self._is_mine)
        return self.is_held and (await connection.execute(mine.with_for_update(read=True))).first() is not None

    @property
    def _is_mine(self) -> ColumnElement[bool]:
        return (leases.c.name == self._name) & (leases.c.life == self._life)

    async def _run(self) -> None:
        while True:
            asked_at = self._clock()
            is_answered = False
            try:
                async with asyncio.timeout(self._seconds / 2):
                    is_held = await self._renew() if self.is_held else await self._take()
                is_answered = True
                self._hold(asked_at + self._seconds * (1 - _MARGIN) if is_held else float("-inf"))
            except (SQLAlchemyError, OSError) as error:  # what is held runs out by itself
                log.debug("the lease could not be asked for", extra={"lease": self._name, "error": str(error)[:200]})
            except Exception:  # the task must outlive any mistake of ours
                log.exception("the lease could not be asked for", extra={"lease": self._name})
            if self._was_held and not self.is_held:
                self._hold(float("-inf"))
            await asyncio.sleep(self._seconds / _RENEWALS if self.is_held and is_answered else _TAKE_EVERY)

    async def _renew(self) -> bool:
        async with self._engine.begin() as connection:
            return (
                await connection.execute(update(leases).where(self._is_mine).values(until=self._until))
            ).rowcount == 1

    async def _take(self) -> bool:
        """Take it where nobody has it, or its holder has not renewed it for its time."""
        async with self._engine.connect() as connection:
            found = (await connection.execute(select(leases).where(leases.c.name == self._name))).first()
        row = None if found is None else _Row(found.life, found.until)
        if row != self._seen:
            self._seen, self._seen_at = row, self._clock()
        if row is not None and self._clock() - self._seen_at < self._seconds:
            return False
        async with self._engine.begin() as connection:
            if row is None:
                try:
                    mine = insert(leases).values(name=self._name, life=self._life, until=self._until)
                    await connection.execute(mine)
                except IntegrityError:  # another was quicker
                    await connection.rollback()
                    return False
                taken = 1
            else:
                same = leases.c.name == self._name, leases.c.life == row.life, leases.c.until == row.until
                change = update(leases).where(*same).values(life=self._life, until=self._until)
                taken = (await connection.execute(change)).rowcount
            crash_point("hub.lease.take.before")
        crash_point("hub.lease.take.after")
        return taken == 1

    @property
    def _until(self) -> ColumnElement[float]:
        """For people who look: when it ends by the database's clock."""
        return NOW + self._seconds

    def _hold(self, until: float) -> None:
        self._held_until = until
        if self.is_held is not self._was_held:
            self._was_held = not self._was_held
            self._changed.set()
            log.info("has the lease now" if self._was_held else "has the lease no more", extra={"lease": self._name})


def _since_boot() -> float:
    """Seconds, those included that the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
