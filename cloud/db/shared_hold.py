"""Several hubs write to one PostgreSQL: each has a row of `hubs` and, for as long as its session lasts, a lock.

A life is what a hub has from its start to its end. It has a slot, a small number that names the lock which the session
has that writes. Whoever has that lock is the hub; so a hub is buried only by one that has taken its lock, and a hub
that has it and is not buried knows that nobody else has written in its name, or given up what it has under way.

Hubs that share a database all have the one lock of `cloud.db.hold` together, which a hub without `REDIS_URL` wants for
itself: so both kinds never run at once.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from sqlalchemy import Float, cast, delete, extract, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.db.hold import LOOK_EVERY, NotHeldError, SupersededError, check_durability, leave_life, take_lock
from cloud.db.tables import hubs
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

# The first half of the locks of slots: those have two numbers, and never meet one that has a single one.
SLOTS = 0x6B696F76
NOW = cast(extract("epoch", func.clock_timestamp()), Float)  # the one clock of all hubs
# Whoever begins has it until its row stands there: no two choose the same slot.
_REGISTER = 0x6B696F77
_MINE_LEFT_AFTER = 1.0  # seconds: a session of this hub that is dead may be held by the server for half a minute
_KEPT = 30 * 86400.0  # seconds that a life which is over can be looked up

# What is done for a hub that is dead, in the transaction that says so. It is given the connection, the life, and the
# Unix seconds at which that was seen last; it returns how many rows it changed, and must not commit.
Burial = Callable[[AsyncConnection, str, float], Awaitable[int]]


class SharedHold:
    """A life among others. `name` is for people: host and process."""

    def __init__(self, life: str, name: str, version: str) -> None:
        self.superseded = asyncio.Event()
        self.life = life
        self.slot = -1  # until it has begun
        self.burials: dict[str, Burial] = {}  # by what their rows are
        self._name = name
        self._version = version

    async def take(self, connection: AsyncConnection, wait: float) -> None:
        """See `Hold`."""
        if self.superseded.is_set():
            self.supersede()
        has_begun = self.slot >= 0
        if not has_begun:
            await check_durability(connection)

        async def look() -> None:
            if has_begun:
                await self._check_living(connection)

        await take_lock(connection, wait, shared=True, meanwhile=look)
        if not has_begun:
            await self._begin(connection)
        else:
            await self._go_on(connection, wait)

    async def give_back(self, connection: AsyncConnection) -> None:
        """See `Hold`. The others know at once, and what could not be told otherwise is unknown from now on."""
        if self.superseded.is_set():
            return
        async with connection.begin():
            seen = select(hubs.c.seen_at).where(hubs.c.life == self.life, hubs.c.ended_at.is_(None)).with_for_update()
            seen_at = await connection.scalar(seen)
            if seen_at is None:
                return
            await self.bury(connection, self.life, seen_at)
            crash_point("hub.lives.goodbye.before")
        crash_point("hub.lives.goodbye.after")

    async def bury(self, connection: AsyncConnection, life: str, seen_at: float) -> dict[str, int]:
        """Write that a life is over, and what follows, in the caller's transaction, which has the lock of its slot.
        Returns how many rows changed, by what they are."""
        counts = {what: await call(connection, life, seen_at) for what, call in self.burials.items()}
        await connection.execute(
            update(hubs).values(ended_at=NOW).where(hubs.c.life == life, hubs.c.ended_at.is_(None))
        )
        return counts

    def supersede(self) -> None:
        """It was found dead. Raises `SupersededError`."""
        self.superseded.set()
        raise SupersededError("the other hubs found this one dead and gave up what it had: it must be started anew")

    async def _begin(self, connection: AsyncConnection) -> None:
        await connection.execute(select(func.pg_advisory_xact_lock(_REGISTER)))
        await leave_life(connection, self.life)
        await connection.execute(delete(hubs).where(hubs.c.ended_at < NOW - _KEPT))
        used = set((await connection.execute(select(hubs.c.slot).where(hubs.c.ended_at.is_(None)))).scalars())
        slot = 0
        # One that said goodbye may have its lock for the moment that its session takes to end.
        while slot in used or not await self._try(connection, slot):
            slot += 1
        row = {"life": self.life, "slot": slot, "name": self._name, "version": self._version}
        await connection.execute(insert(hubs).values(**row, began_at=NOW, seen_at=NOW))
        crash_point("hub.lives.begin.before")
        await connection.commit()
        crash_point("hub.lives.begin.after")
        self.slot = slot

    async def _go_on(self, connection: AsyncConnection, wait: float) -> None:
        """After a connection was lost."""
        began = time.monotonic()
        while not await self._try(connection, self.slot):
            await self._check_living(connection)
            waited = time.monotonic() - began
            if waited >= wait:
                raise NotHeldError("the session that this hub lost is not over yet at the database")
            if waited >= _MINE_LEFT_AFTER:
                await end_sessions_of(connection, self.slot)
                await connection.rollback()
            await asyncio.sleep(LOOK_EVERY)
        await self._check_living(connection)  # nobody buries it from here on

    async def _try(self, connection: AsyncConnection, slot: int) -> bool:
        return bool(await connection.scalar(select(func.pg_try_advisory_lock(SLOTS, slot))))

    async def _check_living(self, connection: AsyncConnection) -> None:
        is_living = await connection.scalar(select(hubs.c.ended_at.is_(None)).where(hubs.c.life == self.life))
        await connection.rollback()
        if not is_living:
            self.supersede()


async def end_sessions_of(connection: AsyncConnection, slot: int) -> None:
    """End whatever other session has a slot's lock: what it was writing is decided then."""
    await connection.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = CAST(:slots AS oid) AND objid = CAST(CAST(:slot AS integer) AS oid) AND objsubid = 2"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND pid <> pg_backend_pid()"
        ),
        {"slots": SLOTS, "slot": slot},
    )
