"""One hub at a time on one PostgreSQL database, unless hubs share it (`cloud.db.shared_hold`).

The lock is a session's: PostgreSQL takes it back when that session is over, and no earlier. The session that has it is
the one that writes operations, so that no operation is written without it; and a group whose fate was lost with a
connection is decided before the next connection can write.

The lock says who may write now, not who has written since. So every hub that begins leaves a name of its own, its
life: one that comes back from an outage and finds another's there knows operations that are no longer as it believes,
and must begin anew.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

log = logging.getLogger(__name__)

# Beside the lock of migrations in cloud.db.migrate. A hub that is alone has it for itself; the others share it.
_LOCK = 0x6B696F74
LOOK_EVERY = 0.25
_ALONE_BY_ANOTHER = "another hub runs on this database; only one can at a time, unless all of them have REDIS_URL"
_ALONE_BY_SHARED = (
    "hubs with REDIS_URL run on this database; right would be: to give this one the same REDIS_URL, or to stop those"
)
_SHARED_BY_ALONE = (
    "another hub without REDIS_URL runs on this database; right would be: to give it the same REDIS_URL as this one,"
    " or to stop it"
)


class NotHeldError(OSError):
    """This hub may not write; the text is for who looks after it."""


class SupersededError(NotHeldError):
    """Another hub has begun on this database since: this one must end, and may begin anew."""


class Hold(Protocol):
    """A hub's right to write, over all the connections it needs in its life."""

    superseded: asyncio.Event

    async def take(self, connection: AsyncConnection, wait: float) -> None:
        """Have it for as long as this connection is open; wait up to `wait` seconds for another that has it.

        Raises `NotHeldError`, and `SupersededError` once this hub may not write any more at all.
        """

    async def give_back(self, connection: AsyncConnection) -> None:
        """Nothing is written after this; the connection is closed next. May raise what the database does."""


class OwnHold:
    """Of a hub that has the database for itself."""

    def __init__(self) -> None:
        self.superseded = asyncio.Event()
        self._life = uuid.uuid4().hex
        self._has_begun = False

    async def take(self, connection: AsyncConnection, wait: float) -> None:
        """See `Hold`."""
        if self.superseded.is_set():
            raise SupersededError("another hub has begun on this database: this one must be started anew")
        if not self._has_begun:
            await check_durability(connection)

        async def look() -> None:
            if self._has_begun and await self._another_began(connection):
                self._supersede()

        await take_lock(connection, wait, shared=False, meanwhile=look)
        if not self._has_begun:
            await self._begin(connection)
        elif await self._another_began(connection):
            self._supersede()

    async def give_back(self, connection: AsyncConnection) -> None:
        """See `Hold`."""

    async def _begin(self, connection: AsyncConnection) -> None:
        await leave_life(connection, self._life)
        # Hubs that shared it and did not say goodbye: one that comes back must know that this one was here.
        if (await connection.execute(text("SELECT to_regclass('hubs')"))).scalar() is not None:
            statement = "UPDATE hubs SET ended_at = extract(epoch FROM clock_timestamp()) WHERE ended_at IS NULL"
            await connection.execute(text(statement))
        await connection.commit()
        self._has_begun = True

    async def _another_began(self, connection: AsyncConnection) -> bool:
        life = (await connection.execute(text("SELECT life FROM hub_life"))).scalar()
        await connection.rollback()
        return life != self._life

    def _supersede(self) -> None:
        self.superseded.set()
        raise SupersededError("another hub has begun on this database: this one must be started anew")


async def take_lock(
    connection: AsyncConnection, wait: float, *, shared: bool, meanwhile: Callable[[], Awaitable[None]]
) -> None:
    """Take the lock for this session, and call `meanwhile` before each further try. Raises `NotHeldError`."""
    take = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
    until = time.monotonic() + wait
    told = False
    # A session's lock outlives the transaction it was asked for in.
    while not (await connection.execute(text(f"SELECT {take}({_LOCK})"))).scalar():
        await connection.rollback()
        await meanwhile()
        if time.monotonic() >= until:
            raise NotHeldError(_SHARED_BY_ALONE if shared else await _why_not_alone(connection))
        if not told:
            log.warning("another hub runs on this database: waiting for it to end")
            told = True
        await asyncio.sleep(LOOK_EVERY)
    await connection.commit()


async def leave_life(connection: AsyncConnection, life: str) -> None:
    """Name who has begun last, for a hub alone that comes back. In the caller's transaction, one at a time."""
    await connection.execute(
        text("CREATE TABLE IF NOT EXISTS hub_life (one BOOLEAN PRIMARY KEY CHECK (one), life TEXT NOT NULL)")
    )
    statement = "INSERT INTO hub_life VALUES (true, :life) ON CONFLICT (one) DO UPDATE SET life = :life"
    await connection.execute(text(statement), {"life": life})


async def check_durability(connection: AsyncConnection) -> None:
    """What is acknowledged must survive a power cut: `settled` lets the kiosk forget. Raises `NotHeldError`."""
    for name in ("fsync", "full_page_writes"):
        if (await connection.execute(text(f"SHOW {name}"))).scalar() != "on":
            raise NotHeldError(f"PostgreSQL runs with {name} = off: a power cut would undo what was acknowledged")
    await connection.rollback()


async def _why_not_alone(connection: AsyncConnection) -> str:
    modes = await connection.execute(
        text(
            "SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0"
            " AND objid = CAST(:lock AS oid) AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ),
        {"lock": _LOCK},
    )
    found = set(modes.scalars())
    await connection.rollback()
    return _ALONE_BY_SHARED if "ShareLock" in found else _ALONE_BY_ANOTHER
