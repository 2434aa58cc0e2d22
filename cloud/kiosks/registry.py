"""The kiosks that exist, in the database and at hand.

Every hub keeps the whole registry in memory and reads what changed twice a second, so a request needs no query and
the command line's changes are in force at once.
"""

import time
from collections.abc import Callable
from functools import partial

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.changes import Changes
from cloud.db.dialect import one_after_another
from cloud.db.tables import codes, kiosks
from cloud.errors import Refused
from cloud.kiosks import audit
from cloud.kiosks.codes import Reason, Result
from wire.crashpoint import crash_point

_NO_KEY = {"public_key": None, "enrolled_at": None, "enrolled_from": None}
# What else is written about a kiosk, with the change or not at all.
Also = Callable[[Connection, str], None]

next_revision = select(func.coalesce(func.max(kiosks.c.revision), 0) + 1).scalar_subquery()


class Kiosk(msgspec.Struct, frozen=True, kw_only=True):
    """A kiosk as registered. Times are Unix seconds; `generation` is of the token in force.

    With a `public_key` the token alone lets nobody in: see `proof`.
    """

    id: str
    name: str
    enabled: bool
    generation: int
    created_at: float
    public_key: str = ""
    enrolled_at: float | None = None
    enrolled_from: str = ""


class Registry:
    """All kiosks. `start` needs a migrated database; the writing methods work without it (the command line's way)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._kiosks: dict[str, Kiosk] = {}
        self._revision = 0
        self._changes = Changes("kiosks", self._read_changes)
        self._changed: Callable[[str], None] = lambda _kiosk_id: None
        self.told: Callable[[], None] = lambda: None  # called when a kiosk was changed by this program

    async def start(self, changed: Callable[[str], None]) -> None:
        """Read all kiosks, then keep up. `changed` is called with the id of each kiosk that is no longer as it was."""
        self._changed = changed
        await self._changes.start()

    async def stop(self) -> None:
        """Stop keeping up."""
        await self._changes.stop()

    def get(self, kiosk_id: str) -> Kiosk | None:
        """The kiosk as last read."""
        return self._kiosks.get(kiosk_id)

    def all(self) -> list[Kiosk]:
        """All kiosks as last read, by id."""
        return sorted(self._kiosks.values(), key=lambda kiosk: kiosk.id)

    def __len__(self) -> int:
        return len(self._kiosks)

    async def refresh(self) -> None:
        """Read at once what changed."""
        await self._changes.now()

    async def add(self, kiosk_id: str, name: str = "", also: Also | None = None) -> Kiosk:
        """Register a kiosk. One that was removed comes back with a new generation: its old tokens stay dead.

        Raises `Refused` (conflict) if it exists.
        """
        async with self._engine.begin() as connection:
            await one_after_another(connection)
            row = (await connection.execute(select(kiosks).where(kiosks.c.id == kiosk_id))).one_or_none()
            values = {"name": name, "enabled": True, "removed": False, "revision": next_revision}
            if row is None:
                new = insert(kiosks).values(id=kiosk_id, generation=0, created_at=time.time(), **values)
                await connection.execute(new)
            elif row.removed:
                statement = update(kiosks).where(kiosks.c.id == kiosk_id)
                await connection.execute(statement.values(generation=row.generation + 1, **values))
            else:
                raise Refused("conflict", f"kiosk {kiosk_id} exists already", fact="kiosk-exists", kiosk=kiosk_id)
            if also is not None:
                await connection.run_sync(also, kiosk_id)
            crash_point("hub.registry.add.before")
        crash_point("hub.registry.add.after")
        return await self._after_change(kiosk_id)

    async def rename(self, kiosk_id: str, name: str) -> Kiosk:
        """Give it another name."""
        return await self._update(kiosk_id, name=name)

    async def enable(self, kiosk_id: str, enabled: bool) -> Kiosk:
        """Let it in, or keep it out and close its socket."""
        return await self._update(kiosk_id, enabled=enabled)

    async def renew_token(self, kiosk_id: str) -> Kiosk:
        """Put the next generation in force: tokens issued before are dead, and sockets opened with them are closed.

        The kiosk's key is forgotten and its code ends: from now on the new token is enough.
        """
        return await self._update(kiosk_id, partial(_withdraw, "token"), generation=kiosks.c.generation + 1, **_NO_KEY)

    async def remove(self, kiosk_id: str) -> None:
        """Take it out of service for good. Its operations stay."""
        await self._update(kiosk_id, partial(_withdraw, "removal"), removed=True, enabled=False, **_NO_KEY)

    async def find(self, kiosk_id: str) -> Kiosk | None:
        """The kiosk as it stands in the database."""
        async with self._engine.connect() as connection:
            statement = select(kiosks).where(kiosks.c.id == kiosk_id, kiosks.c.removed.is_(False))
            row = (await connection.execute(statement)).one_or_none()
        return _kiosk(row) if row else None

    async def read_all(self) -> list[Kiosk]:
        """All kiosks as they stand in the database, by id."""
        async with self._engine.connect() as connection:
            statement = select(kiosks).where(kiosks.c.removed.is_(False)).order_by(kiosks.c.id)
            return [_kiosk(row) for row in await connection.execute(statement)]

    async def _update(self, kiosk_id: str, also: Also | None = None, **values: object) -> Kiosk:
        async with self._engine.begin() as connection:
            await one_after_another(connection)
            statement = update(kiosks).where(kiosks.c.id == kiosk_id, kiosks.c.removed.is_(False))
            result = await connection.execute(statement.values(revision=next_revision, **values))
            if result.rowcount == 0:
                raise Refused("unknown-kiosk", f"there is no kiosk {kiosk_id}", fact="no-kiosk", kiosk=kiosk_id)
            if also is not None:
                await connection.run_sync(also, kiosk_id)
            row = (await connection.execute(select(kiosks).where(kiosks.c.id == kiosk_id))).one()
            crash_point("hub.registry.change.before")
        crash_point("hub.registry.change.after")
        await self._after_change(kiosk_id)
        return _kiosk(row)

    async def _after_change(self, kiosk_id: str) -> Kiosk:
        self.told()
        await self._changes.now()
        return self._kiosks.get(kiosk_id) or await self._found(kiosk_id)

    async def _found(self, kiosk_id: str) -> Kiosk:
        async with self._engine.connect() as connection:
            return _kiosk((await connection.execute(select(kiosks).where(kiosks.c.id == kiosk_id))).one())

    async def _read_changes(self) -> None:
        # `>=`: two changes may share a revision where transactions run side by side.
        async with self._engine.connect() as connection:
            rows = await connection.run_sync(self._read, self._revision)
        for row in rows:
            self._revision = max(self._revision, row.revision)
            new = None if row.removed else _kiosk(row)
            if new == self._kiosks.get(row.id):
                continue
            if new is None:
                del self._kiosks[row.id]
            else:
                self._kiosks[row.id] = new
            self._changed(row.id)

    @staticmethod
    def _read(connection: Connection, revision: int) -> list[Row[tuple[object, ...]]]:
        return list(connection.execute(select(kiosks).where(kiosks.c.revision >= revision)))


def _kiosk(row: Row[tuple[object, ...]]) -> Kiosk:
    return Kiosk(
        id=row.id,
        name=row.name,
        enabled=row.enabled,
        generation=row.generation,
        created_at=row.created_at,
        public_key=row.public_key or "",
        enrolled_at=row.enrolled_at,
        enrolled_from=row.enrolled_from or "",
    )


def _withdraw(why: str, connection: Connection, kiosk_id: str) -> None:
    """What a code was good for is over; what the audit says of it stays."""
    ended = update(codes).where(codes.c.kiosk_id == kiosk_id, codes.c.ended.is_(None))
    connection.execute(ended.values(ended=str(Reason.WITHDRAWN)))
    audit.note(connection, time.time(), kiosk_id=kiosk_id, result=Result.WITHDRAWN, reason=why)
