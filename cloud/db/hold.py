"""One hub at a time on one PostgreSQL database.

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

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

log = logging.getLogger(__name__)

# Beside the lock of migrations in cloud.db.migrate.
_LOCK = 0x6B696F74
_LOOK_EVERY = 0.25


class NotHeldError(OSError):
    """This hub may not write; the text is for who looks after it."""


class SupersededError(NotHeldError):
    """Another hub has begun on this database since: this one must end, and may begin anew."""


class Hold:
    """A hub's right to write, over all the connections it needs in its life."""

    def __init__(self) -> None:
        self.superseded = asyncio.Event()
        self._life = uuid.uuid4().hex
        self._has_begun = False

    async def take(self, connection: AsyncConnection, wait: float) -> None:
        """Have it for as long as this connection is open; wait up to `wait` seconds for another that has it.

        Raises `NotHeldError`, and `SupersededError` once another hub has begun.
        """
        if self.superseded.is_set():
            raise SupersededError("another hub has begun on this database: this one must be started anew")
        if not self._has_begun:
            await _check_durability(connection)
        # A session's lock outlives the transaction it was asked for in.
        until = time.monotonic() + wait
        told = False
        while not (await connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK})).scalar():
            await connection.rollback()
            if self._has_begun and await self._another_began(connection):
                self._supersede()
            if time.monotonic() >= until:
                raise NotHeldError("another hub runs on this database; only one can at a time")
            if not told:
                log.warning("another hub runs on this database: waiting for it to end")
                told = True
            await asyncio.sleep(_LOOK_EVERY)
        await connection.commit()
        if not self._has_begun:
            await self._begin(connection)
        elif await self._another_began(connection):
            self._supersede()

    async def _begin(self, connection: AsyncConnection) -> None:
        await connection.execute(
            text("CREATE TABLE IF NOT EXISTS hub_life (one BOOLEAN PRIMARY KEY CHECK (one), life TEXT NOT NULL)")
        )
        statement = "INSERT INTO hub_life VALUES (true, :life) ON CONFLICT (one) DO UPDATE SET life = :life"
        await connection.execute(text(statement), {"life": self._life})
        await connection.commit()
        self._has_begun = True

    async def _another_began(self, connection: AsyncConnection) -> bool:
        life = (await connection.execute(text("SELECT life FROM hub_life"))).scalar()
        await connection.rollback()
        return life != self._life

    def _supersede(self) -> None:
        self.superseded.set()
        raise SupersededError("another hub has begun on this database: this one must be started anew")


async def _check_durability(connection: AsyncConnection) -> None:
    """What is acknowledged must survive a power cut: `settled` lets the kiosk forget."""
    for name in ("fsync", "full_page_writes"):
        if (await connection.execute(text(f"SHOW {name}"))).scalar() != "on":
            raise NotHeldError(f"PostgreSQL runs with {name} = off: a power cut would undo what was acknowledged")
    await connection.rollback()
