"""Which kiosks were ever here, and since when those are gone that are not: known over a restart of the hub.

A kiosk that was registered and never came is no trouble yet; one that came once is missed from then on.
"""

from collections.abc import Callable, Iterable

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.dialect import insert_into
from cloud.db.tables import presences
from cloud.kiosks.links import Link
from wire.crashpoint import crash_point

_AT_ONCE = 500


class Presence:
    """Looks at the links again and again, and notes what has changed."""

    def __init__(self, engine: AsyncEngine, started_at: float) -> None:
        """`started_at` is when the hub began to look, Unix seconds."""
        self._engine = engine
        self._started_at = started_at
        self._known: dict[str, tuple[bool, float]] | None = None  # whether it was here, and since when it was or not
        insert = insert_into(engine, presences)
        changes = {name: insert.excluded[name] for name in ("here", "at")}
        self._upsert = insert.on_conflict_do_update(index_elements=["kiosk_id"], set_=changes)

    def gone_since(self, kiosk_id: str, enrolled_at: float | None) -> float | None:
        """Since when a kiosk is gone that was not here since the hub started; None: it has never been here."""
        was = (self._known or {}).get(kiosk_id)
        if was is None:
            # Who traded a code for a key was here, if not for long.
            return None if enrolled_at is None else max(enrolled_at, self._started_at)
        here, at = was
        return self._started_at if here else at

    async def note(self, links: Iterable[Link], is_kiosk: Callable[[str], bool], now: float, monotonic: float) -> None:
        """Write who came and who went, forget who is no kiosk any more. `monotonic` is the loop's time.

        Raises SQLAlchemyError, OSError.
        """
        known = self._known
        if known is None:
            known = self._known = await self._read()
        await self._forget([kiosk_id for kiosk_id in known if not is_kiosk(kiosk_id)][:_AT_ONCE])
        changed = {}
        for link in links:
            if not is_kiosk(link.kiosk_id):
                continue
            was = known.get(link.kiosk_id)
            if link.ready and (was is None or not was[0] or was[1] < self._started_at):
                changed[link.kiosk_id] = (True, link.connected_at)
            elif not link.ready and link.lost_at is not None and (was is None or was[0]):
                changed[link.kiosk_id] = (False, now - (monotonic - link.lost_at))
        await self._write(changed)

    async def leave(self, links: Iterable[Link], now: float, monotonic: float) -> None:
        """The hub stops: who is here is seen no longer. Raises SQLAlchemyError, OSError."""
        if self._known is None:
            return
        gone = {}
        for link in links:
            was = self._known.get(link.kiosk_id)
            if link.ready:
                gone[link.kiosk_id] = (False, now)
            elif link.lost_at is not None and (was is None or was[0]):
                gone[link.kiosk_id] = (False, now - (monotonic - link.lost_at))
        await self._write(gone)

    async def _read(self) -> dict[str, tuple[bool, float]]:
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(presences))
            return {row.kiosk_id: (row.here, row.at) for row in rows}

    async def _forget(self, kiosk_ids: list[str]) -> None:
        """One that is registered again under its name has never been here."""
        if not kiosk_ids or self._known is None:
            return
        async with self._engine.begin() as connection:
            await connection.execute(delete(presences).where(presences.c.kiosk_id.in_(kiosk_ids)))
            crash_point("hub.alerts.presence_forget.before")
        crash_point("hub.alerts.presence_forget.after")
        for kiosk_id in kiosk_ids:
            del self._known[kiosk_id]

    async def _write(self, changed: dict[str, tuple[bool, float]]) -> None:
        items = list(changed.items())
        for start in range(0, len(items), _AT_ONCE):
            some = items[start : start + _AT_ONCE]
            async with self._engine.begin() as connection:
                rows = [{"kiosk_id": kiosk_id, "here": here, "at": at} for kiosk_id, (here, at) in some]
                await connection.execute(self._upsert, rows)
                crash_point("hub.alerts.presence.before")
            crash_point("hub.alerts.presence.after")
            if self._known is not None:
                self._known.update(some)
