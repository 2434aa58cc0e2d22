"""Rows of the history of connections: what one is, how they are numbered, and what a start reads of them."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection as Database
from sqlalchemy import Row, Update, case, func, or_, select, update

from cloud.db.tables import connections, fleet_figures, hubs, kiosk_versions, kiosks, presences
from cloud.kiosks.absence import Ended

HUB_DIED, HUB_STOPPED = "hub-died", "hub-stopped"
COLUMNS = tuple(column.name for column in connections.columns)
_MINUTE = 60
_SLOTS = 1024  # more hubs than ever share a database; with it numbers stay below 2⁵³


class Connection(msgspec.Struct, kw_only=True):
    """A connection of a kiosk, or, where `refused`, attempts at one. Times are Unix seconds.

    `ended_at` None: it is open. `why` as in `absence.Ended`, or `hub-stopped`, `hub-died`; `words` are what who ended
    it said. Of attempts `began_at` is the first, `ended_at` the last of `count` alike.
    """

    number: int
    kiosk_id: str
    refused: bool = False
    began_at: float
    ended_at: float | None = None
    why: str = ""
    code: int | None = None
    words: str = ""
    address: str = ""
    version: str = ""
    dialect: str = ""
    boot_id: str = ""
    hub: str | None = None  # the life of the hub that had it
    count: int = 1


def number_after(last: int, slot: int | None, now: float) -> int:
    """The number of the next row, greater than the `last` one that is known.

    Hubs that share the database (`slot`) cannot count together: theirs is the time in milliseconds, and then the slot.
    So rows of one kiosk lie in the order of time, whichever hub it was at, and no two hubs give the same number.
    """
    if slot is None:
        return last + 1
    at = max(int(now * 1000.0), last // _SLOTS + 1)
    return at * _SLOTS + slot % _SLOTS


def close_open(connection: Database, now: float, is_shared: bool) -> int:
    """Returns how many were open; where hubs share the database, of those that are gone without a trace."""
    c = connections.c
    lately = select(c.ended_at).order_by(c.number.desc()).limit(500).subquery()
    figure = select(func.max(fleet_figures.c.at + fleet_figures.c.width)).where(fleet_figures.c.width == _MINUTE)
    lived = [select(func.max(c.began_at)), select(func.max(lately.c.ended_at)), figure]
    known = [at for at in (connection.execute(each).scalar() for each in lived) if at is not None]
    until = min(now, max(known, default=now))
    closed = closing(until).where(c.ended_at.is_(None))
    if is_shared:
        living = select(hubs.c.life).where(hubs.c.ended_at.is_(None))
        closed = closed.where(or_(c.hub.is_(None), c.hub.not_in(living)))
    return connection.execute(closed).rowcount


def closing(until: float) -> Update:
    began_at = connections.c.began_at
    return update(connections).values(ended_at=case((began_at > until, began_at), else_=until), why=HUB_DIED)


def read_last(connection: Database, kiosk_ids: Sequence[str] | None = None) -> list[Connection]:
    """The last connection of each kiosk, or of these; of those from before there was a history, what was noted then."""
    its = connections.alias()
    number = select(func.max(its.c.number)).where(its.c.kiosk_id == kiosks.c.id, its.c.refused.is_(False))
    newest = select(number.correlate(kiosks).scalar_subquery()).select_from(kiosks)
    if kiosk_ids is not None:
        newest = newest.where(kiosks.c.id.in_(kiosk_ids))
    last = select(connections).where(connections.c.number.in_(newest))
    found = [connection_of(row) for row in connection.execute(last)]
    if kiosk_ids is not None:
        return found
    known = {row.kiosk_id for row in found}
    older = select(presences, kiosk_versions.c.running).outerjoin(
        kiosk_versions, kiosk_versions.c.kiosk_id == presences.c.kiosk_id
    )
    for row in connection.execute(older):
        if row.kiosk_id not in known:
            found.append(
                Connection(number=0, kiosk_id=row.kiosk_id, began_at=row.at, ended_at=row.at, version=row.running or "")
            )
    return found


def read_ends(connection: Database, since: float) -> list[Connection]:
    c = connections.c
    lately = select(connections).where(c.began_at >= since, c.ended_at.is_not(None), c.refused.is_(False))
    return [connection_of(row) for row in connection.execute(lately.order_by(c.number))]


def read_refused(connection: Database, kiosk_id: str) -> Ended | None:
    """The last attempt as this kiosk that was not let in."""
    c = connections.c
    its = select(connections).where(c.kiosk_id == kiosk_id, c.refused.is_(True), c.ended_at.is_not(None))
    row = connection.execute(its.order_by(c.ended_at.desc()).limit(1)).first()
    if row is None:
        return None
    return Ended(at=row.ended_at, why=row.why, code=row.code, address=row.address, words=row.words)


def connection_of(row: Row[tuple[object, ...]]) -> Connection:
    return Connection(**{name: getattr(row, name) for name in COLUMNS if name != "count"}, count=row._mapping["count"])
