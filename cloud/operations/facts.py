"""What the database knows of kiosks and operations that no service has at hand. Reads only, each within bounds.

Raises what the database raises; who asks says so and shows the rest.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.db.tables import callbacks, events, kiosk_versions, kiosks, operations, presences

_EVENTS_LOOKED_AT = 3000  # of a kiosk, the newest
_DATA_MAX = 8192  # bytes; ours have some hundreds
_JOURNALS_MAX = 20  # a kiosk has one, and one more for each disk it lost
_COLLECTION = "collection"
_LEVELS = (
    "level-normal", "level-near-full", "level-full", "level-near-empty", "level-empty", "level-set", "level-refilled",
)  # fmt: skip
_STATE = "state-changed"
_DAY = 86400.0


class Updated(msgspec.Struct, frozen=True, kw_only=True):
    """What a kiosk said last of versions. `result` is installed, confirmed, failed, or empty; `at` Unix seconds."""

    running: str = ""
    tried: str = ""
    result: str = ""
    reason: str = ""
    at: float | None = None


class LevelSaid(msgspec.Struct, frozen=True, kw_only=True):
    """What a kiosk told of the level of a device. `count` is of notes or coins, None where it is not known."""

    device: str
    at: float
    kind: str
    count: int | None = None
    capacity: int | None = None


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """Money taken out of a device: `total` in minor units of `currency`, `pieces` notes or coins."""

    device: str
    at: float
    total: int
    currency: str
    pieces: int


class StateSaid(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a device as its kiosk told it. `received_at` is the hub's time."""

    device: str
    state: str
    received_at: float


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a kiosk's events: the last of each device, and when the hub heard anything last."""

    states: list[StateSaid] = []
    levels: list[LevelSaid] = []
    collections: list[Collected] = []
    heard_at: float | None = None


class EventSaid(msgspec.Struct, frozen=True, kw_only=True):
    """An event as a kiosk told it; `at` by its clock. `data` is JSON as it came."""

    at: float
    received_at: float
    seq: int
    kind: str
    device: str
    data: bytes


class EventsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some events, the newest first, and where the next page begins; empty at the end."""

    events: list[EventSaid] = []
    cursor: str = ""


class _Data(msgspec.Struct):
    count: int | None = None
    capacity: int | None = None
    level: int | None = None
    total: int = 0
    currency: str = ""
    counts: dict[str, int] = {}
    state: str = ""


_data = msgspec.json.Decoder(_Data)


class Facts:
    """Looks them up."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def last_here(self, kiosk_id: str | None = None) -> dict[str, float | None]:
        """The kiosks that have ever been here, and since when they are gone, Unix seconds; None: that is not known.
        Of all of them, or of one.

        What earlier versions of the hub did not note is seen in a kiosk's version, and in what was sent to it.
        """
        version = select(kiosk_versions.c.kiosk_id).where(
            kiosk_versions.c.kiosk_id == kiosks.c.id, kiosk_versions.c.running != ""
        )
        sent = select(operations.c.request_id).where(
            operations.c.kiosk_id == kiosks.c.id, operations.c.sent_at.is_not(None)
        )
        gone = case((presences.c.here.is_(False), presences.c.at))
        statement = (
            select(kiosks.c.id, gone)
            .select_from(kiosks.outerjoin(presences, presences.c.kiosk_id == kiosks.c.id))
            .where(kiosks.c.removed.is_(False), or_(presences.c.kiosk_id.is_not(None), version.exists(), sent.exists()))
        )
        if kiosk_id is not None:
            statement = statement.where(kiosks.c.id == kiosk_id)
        async with self._engine.connect() as connection:
            return {row[0]: row[1] for row in await connection.execute(statement)}

    async def updated(self, kiosk_id: str) -> Updated:
        """What it said of versions."""
        statement = select(kiosk_versions).where(kiosk_versions.c.kiosk_id == kiosk_id)
        async with self._engine.connect() as connection:
            row = (await connection.execute(statement)).first()
        if row is None:
            return Updated()
        return Updated(running=row.running, tried=row.tried, result=row.result, reason=row.reason, at=row.result_at)

    async def told(self, kiosk_id: str) -> Told:
        """What it told of states, levels and collections, as far as its newest events go, and when anything."""
        async with self._engine.connect() as connection:
            found = [await self._newest(connection, kiosk_id, each) for each in await _journals(connection, kiosk_id)]
            newest = max((row for row in found if row is not None), key=lambda row: row.received_at, default=None)
            if newest is None:
                return Told()
            since = newest.seq - _EVENTS_LOOKED_AT
            statement = select(events).where(
                events.c.kiosk_id == kiosk_id,
                events.c.journal == newest.journal,
                events.c.seq > since,
                events.c.kind.in_((*_LEVELS, _COLLECTION, _STATE)),
                func.length(events.c.data) <= _DATA_MAX,
            )
            rows = (await connection.execute(statement.order_by(events.c.seq.desc()))).all()
        states: dict[str, StateSaid] = {}
        levels: dict[str, LevelSaid] = {}
        collections: dict[str, Collected] = {}
        of_kinds: dict[str, dict[str, Any]] = {_COLLECTION: collections, _STATE: states}
        for row in rows:
            known = of_kinds.get(row.kind, levels)
            if row.device not in known and (read := _read(row)) is not None:
                known[row.device] = read
        return Told(
            states=sorted(states.values(), key=lambda each: each.device),
            levels=sorted(levels.values(), key=lambda each: each.device),
            collections=sorted(collections.values(), key=lambda each: each.device),
            heard_at=newest.received_at,
        )

    async def events(self, kiosk_id: str, *, cursor: str = "", limit: int = 50) -> EventsPage:
        """Its events, journal after journal, of each the newest first. A cursor that is none begins anew."""
        number, _, seq = cursor.partition(".")
        is_one = all(part.isascii() and part.isdigit() and len(part) < 19 for part in (number, seq))
        skip, before = (int(number), int(seq)) if is_one else (0, None)
        said: list[EventSaid] = []
        async with self._engine.connect() as connection:
            heads = [await self._newest(connection, kiosk_id, each) for each in await _journals(connection, kiosk_id)]
            ordered = sorted((row for row in heads if row is not None), key=lambda row: row.received_at, reverse=True)
            for place, head in enumerate(ordered[skip:], skip):
                its = select(events).where(events.c.kiosk_id == kiosk_id, events.c.journal == head.journal)
                if before is not None:
                    its = its.where(events.c.seq < before)
                before = None
                wanted = limit + 1 - len(said)
                rows = await connection.execute(its.order_by(events.c.seq.desc()).limit(wanted))
                found = [_event(row) for row in rows]
                if len(found) == wanted:
                    # The one too many tells that there is more: from the one before it on.
                    kept = found[:-1]
                    last = kept[-1].seq if kept else found[-1].seq + 1
                    return EventsPage(events=said + kept, cursor=f"{place}.{last}")
                said += found
        return EventsPage(events=said)

    async def unknown_of(self, kiosk_ids: Sequence[str]) -> dict[str, int]:
        """How many operations of each of these have an outcome that nobody knows; who has none is not among them."""
        if not kiosk_ids:
            return {}
        c = operations.c
        statement = select(c.kiosk_id, func.count()).where(
            c.final.is_(False), c.state == "unknown", c.kiosk_id.in_(kiosk_ids)
        )
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement.group_by(c.kiosk_id))
            return {row[0]: row[1] for row in rows}

    async def open_operations(self) -> dict[str, int]:
        """How many operations are not final, by state, however old."""
        statement = select(operations.c.state, func.count()).where(operations.c.final.is_(False))
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement.group_by(operations.c.state))
            return {row[0]: row[1] for row in rows}

    async def callbacks_waiting(self) -> int:
        """How many callbacks are still to be delivered."""
        statement = select(func.count()).select_from(callbacks).where(callbacks.c.next_at.is_not(None))
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalar() or 0

    @staticmethod
    async def _newest(connection: AsyncConnection, kiosk_id: str, journal: str) -> Any:
        """The last event of a journal."""
        columns = (events.c.journal, events.c.seq, events.c.received_at)
        of_it = select(*columns).where(events.c.kiosk_id == kiosk_id, events.c.journal == journal)
        return (await connection.execute(of_it.order_by(events.c.seq.desc()).limit(1))).first()


async def _journals(connection: AsyncConnection, kiosk_id: str) -> list[str]:
    """One after the other by the primary key: to look through all of its events would take long."""
    found: list[str] = []
    next_one = select(func.min(events.c.journal)).where(events.c.kiosk_id == kiosk_id)
    statement = next_one
    while len(found) < _JOURNALS_MAX:
        journal = (await connection.execute(statement)).scalar()
        if journal is None:
            break
        found.append(journal)
        statement = next_one.where(events.c.journal > journal)
    return found


def _event(row: Any) -> EventSaid:
    return EventSaid(
        at=row.at, received_at=row.received_at, seq=row.seq, kind=row.kind, device=row.device,
        data=bytes(row.data[:_DATA_MAX]),
    )  # fmt: skip


def _read(row: Any) -> StateSaid | LevelSaid | Collected | None:
    """An event's data, as far as it is what it should be."""
    try:
        data = _data.decode(row.data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if row.kind == _STATE:
        return StateSaid(device=row.device, state=data.state, received_at=row.received_at) if data.state else None
    # A kiosk's clock may be wrong, and what it tells late happened earlier.
    at = row.at if row.received_at - 90 * _DAY <= row.at <= row.received_at + _DAY else row.received_at
    if row.kind == _COLLECTION:
        pieces = sum(data.counts.values())
        return Collected(device=row.device, at=at, total=data.total, currency=data.currency, pieces=pieces)
    count = data.level if row.kind == "level-refilled" else data.count
    return LevelSaid(device=row.device, at=at, kind=row.kind, count=count, capacity=data.capacity)
