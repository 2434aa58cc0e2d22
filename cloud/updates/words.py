"""What kiosks say of their versions, kept: the one in their hello, and how an update went, from their events.

A kiosk has one row, whatever it says: no kiosk can fill the database with versions, or count as two.
"""

import time

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.dialect import insert_into
from cloud.db.tables import kiosk_versions
from cloud.db.writer import Write
from wire.messages import Event
from wire.release import version_key

RESULTS = {
    "update-installed": "installed",
    "update-confirmed": "confirmed",
    "update-failed": "failed",
    # It did not reach us, and is tried there again. A version that breaks the line is known by many of these.
    "update-put-off": "failed",
}
_REASON_MAX = 200
_VERSION_MAX = 32


class _Said(msgspec.Struct):
    version: str = ""
    to: str = ""  # how `update-installed` names it, which has a `from` too
    reason: str = ""


_said = msgspec.json.Decoder(_Said)


class Words:
    """Makes the rows that the writer takes with a kiosk's events and hellos."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        c = kiosk_versions.c
        names = ("kiosk_id", "tried", "result", "reason", "result_at")
        insert = insert_into(engine, kiosk_versions)
        told = insert.on_conflict_do_update(
            index_elements=[c.kiosk_id], set_={name: insert.excluded[name] for name in names[1:]}
        )
        self._told = Write(4, engine, told, names)  # with the event it comes from
        running = insert.on_conflict_do_update(
            index_elements=[c.kiosk_id], set_={"running": insert.excluded["running"]}
        )
        self._running = Write(4, engine, running, ("kiosk_id", "running"))

    def of(self, kiosk_id: str, event: Event) -> tuple[Write, tuple[object, ...]] | None:
        """The row that belongs to an event; None for one that says nothing about an update."""
        result = RESULTS.get(event.kind)
        if result is None:
            return None
        try:
            said = _said.decode(event.data)
            version = said.version or said.to
            version_key(version)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
            return None
        reason = "".join(c if c.isprintable() else " " for c in said.reason[:_REASON_MAX])
        return self._told, (kiosk_id, version[:_VERSION_MAX], result, reason, time.time())

    def runs(self, kiosk_id: str, version: str) -> tuple[Write, tuple[object, ...]]:
        """The row for what a hello says."""
        return self._running, (kiosk_id, version)

    async def known(self) -> dict[str, str]:
        """What each kiosk said last that it runs."""
        async with self._engine.connect() as connection:
            statement = select(kiosk_versions.c.kiosk_id, kiosk_versions.c.running)
            return {row.kiosk_id: row.running for row in await connection.execute(statement)}
