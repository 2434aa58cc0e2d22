"""The hubs that share the database, as people see them: those that live, and those that died lately.

A hub that is dead is one that others buried: it had been silent for ten seconds then. One that stopped in order was
seen just before.
"""

from collections.abc import Iterable

import msgspec
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.tables import hubs

LATELY = 86400.0  # seconds
_SILENT = 8.0  # before it is buried; one that says goodbye has written every two seconds
_MOST = 200  # hubs that are over
# A death that is made good by a hub begun since then is told for so long all the same.
_TOLD_FOR = 600.0


class HubSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A life of a hub. Times are Unix seconds by the database's clock; `ended_at` None: it lives."""

    life: str
    name: str
    version: str
    began_at: float
    seen_at: float
    ended_at: float | None = None

    @property
    def has_died(self) -> bool:
        """It ended without a goodbye."""
        return self.ended_at is not None and self.ended_at - self.seen_at >= _SILENT


async def hubs_lately(engine: AsyncEngine, now: float) -> list[HubSeen]:
    """Those that live, and those that ended within a day; the newest first. Raises SQLAlchemyError, OSError."""
    c = hubs.c
    columns = (c.life, c.name, c.version, c.began_at, c.seen_at, c.ended_at)
    wanted = or_(c.ended_at.is_(None), c.ended_at > now - LATELY)
    statement = select(*columns).where(wanted).order_by(c.ended_at.is_not(None), c.began_at.desc()).limit(_MOST)
    async with engine.connect() as connection:
        return [HubSeen(**row._mapping) for row in await connection.execute(statement)]


async def names_of(engine: AsyncEngine, lives: Iterable[str]) -> dict[str, str]:
    """What these lives of hubs were called; one that was over a month ago is not known any more. Raises
    SQLAlchemyError, OSError."""
    statement = select(hubs.c.life, hubs.c.name).where(hubs.c.life.in_(sorted(lives)))
    async with engine.connect() as connection:
        return {row.life: row.name for row in await connection.execute(statement)}


def missed(seen: Iterable[HubSeen], now: float) -> list[HubSeen]:
    """Those that died and are missed: for a day, or for ten minutes if another has begun in its place. Pure."""
    all_seen = list(seen)
    successors = sorted((each.began_at for each in all_seen if each.ended_at is None), reverse=True)
    found = []
    for dead in sorted((each for each in all_seen if each.has_died), key=lambda each: each.seen_at, reverse=True):
        ended_at = dead.ended_at or now
        if successors and successors[0] >= dead.seen_at - 1.0:
            successors.pop(0)
            if now - ended_at < _TOLD_FOR:
                found.append(dead)
        elif now - ended_at < LATELY:
            found.append(dead)
    return found
