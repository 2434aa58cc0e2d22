"""What is known of kiosks just now: a line for each, and everything for the page of one."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from cloud.accounts.account import Act
from cloud.alerts.alert import Alert
from cloud.dashboard.kiosk_rows import Line, State
from cloud.dashboard.kiosk_words import Verdict, left, refused, verdict
from cloud.dashboard.rooms import Rooms
from cloud.db.engine import explain
from cloud.errors import StorageError
from cloud.kiosks.audit import Line as Tried
from cloud.kiosks.devices import AILING
from cloud.kiosks.doubles import Double
from cloud.kiosks.history import Connection
from cloud.kiosks.proof import fingerprint
from cloud.kiosks.registry import Kiosk
from cloud.operations.facts import Collected, EventsPage, LevelSaid, Told, Updated
from cloud.operations.operation import Operation
from wire.messages import Device

log = logging.getLogger(__name__)

_PATIENCE = 3.0
_TURN = 500  # kiosks looked at before others have their turn
_SHOWN = 10  # of each list
_AUDIT_SHOWN = 20


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A device, and what was told of it."""

    name: str
    role: str
    driver: str
    state: str
    level: LevelSaid | None = None
    collected: Collected | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What only the database has is empty where that does not answer: `is_away`."""

    line: Line
    verdict: Verdict
    attention: int = 0  # things that need it: alerts, and devices that no alert is about yet
    why: str = ""  # key: how its last connection ended
    why_words: str = ""
    refused: Connection | None = None  # since it went
    why_refused: str = ""
    last: Connection | None = None
    double: Double | None = None
    flaps: int = 0
    uptime: float | None = None
    routes: Sequence[str] = ()
    boot_id: str = ""
    journal: str = ""
    dialect: str = ""
    hub: str = ""  # that holds it, of several
    told_unsettled: int | None = None
    key: str = ""
    code_until: float | None = None
    running: int = 0
    queued: int = 0
    parts: Sequence[Part] = ()
    alerts: Sequence[Alert] = ()
    updated: Updated = Updated()
    heard_at: float | None = None
    operations: Sequence[Operation] = ()
    events: EventsPage = EventsPage()
    connections: Sequence[Connection] = ()
    hubs: Mapping[str, str] = {}  # of several: what those of these connections are called, by their lives
    tried: Sequence[Tried] = ()
    acts: Sequence[Act] = ()
    unknown: int = 0
    is_away: bool = False


class _Rows(msgspec.Struct, kw_only=True):
    """What the database has."""

    told: Told = Told()
    updated: Updated = Updated()
    code_until: float | None = None
    operations: Sequence[Operation] = ()
    events: EventsPage = EventsPage()
    connections: Sequence[Connection] = ()
    hubs: Mapping[str, str] = {}
    tried: Sequence[Tried] = ()
    acts: Sequence[Act] = ()
    unknown: int = 0
    is_away: bool = False


async def look(rooms: Rooms, kiosk: Kiosk) -> Seen:
    """Ask everybody. Never raises what the database raises."""
    rows = await _read(rooms, kiosk.id)
    now = rooms.history.now()
    alerts = [alert for alert in rooms.alerts.standing() if alert.kiosk_id == kiosk.id]
    line = line_of(rooms, kiosk, len(alerts), now)
    place, last = rooms.where.of(kiosk.id), rooms.history.last(kiosk.id)
    is_here = place is not None
    attempt = next((row for row in rows.connections if row.refused), None)
    if attempt is not None and (is_here or (line.since is not None and (attempt.ended_at or 0.0) < line.since)):
        attempt = None
    running, queued = await rooms.operations.load_of(kiosk.id)
    parts = _parts(_devices(rooms.where.devices(kiosk.id), rows.told, is_here=is_here), rows.told)
    known = {alert.subject for alert in alerts}
    ailing = sum(part.state in AILING and part.name not in known for part in parts) if is_here else 0
    attention = len(alerts) + ailing
    return Seen(
        line=line,
        verdict=verdict(
            state=line.state,
            attention=attention,
            flaps=line.flaps,
            double=line.double,
            is_refused=attempt is not None,
            has_code=rows.code_until is not None,
        ),
        attention=attention,
        why="" if last is None or is_here or not last.why else left(last.why),
        why_words="" if last is None or is_here else last.words,
        refused=attempt,
        why_refused="" if attempt is None else refused(attempt.why),
        last=last,
        double=rooms.where.double(kiosk.id),
        flaps=rooms.history.flaps(kiosk.id, now),
        uptime=_uptime(place.uptime, line.since, now) if place is not None and place.uptime else None,
        routes=sorted(place.routes) if place is not None else (),
        boot_id=place.boot_id if place is not None else (last.boot_id if last is not None else ""),
        journal=place.journal if place is not None else "",
        dialect=place.dialect if place is not None else (last.dialect if last is not None else ""),
        told_unsettled=place.unsettled if place is not None else None,
        hub=rooms.where.hub_of(place) if place is not None else "",
        key=fingerprint(kiosk.public_key) if kiosk.public_key else "",
        code_until=rows.code_until,
        running=running,
        queued=queued,
        parts=parts,
        alerts=alerts,
        updated=rows.updated,
        heard_at=rows.told.heard_at,
        operations=await rooms.operations.latest(rows.operations),
        events=rows.events,
        connections=rows.connections,
        hubs=rows.hubs,
        tried=rows.tried,
        acts=rows.acts,
        unknown=rows.unknown,
        is_away=rows.is_away,
    )


async def lines_of(rooms: Rooms) -> list[Line]:
    """A line for each kiosk, out of memory alone."""
    now = rooms.history.now()
    alerts = Counter(alert.kiosk_id for alert in rooms.alerts.standing())
    found = []
    for number, kiosk in enumerate(rooms.registry.all(), 1):
        if number % _TURN == 0:
            await asyncio.sleep(0)
        found.append(line_of(rooms, kiosk, alerts[kiosk.id], now))
    return found


def line_of(rooms: Rooms, kiosk: Kiosk, alerts: int, now: float) -> Line:
    """How one stands."""
    where = rooms.where
    place, last = where.of(kiosk.id), rooms.history.last(kiosk.id)
    if not kiosk.enabled:
        state = State.DISABLED
    elif place is not None:
        state = State.CONNECTED
    else:
        state = State.AWAY if last is not None else State.NEVER
    since = None if last is None else last.ended_at
    address, version = (last.address, last.version) if last is not None else ("", "")
    if place is not None:
        # Of one at another hub the last row may be older than that.
        since = place.since if place.hub or last is None else last.began_at
        address, version = place.address or address, place.version if place.hub else version
    return Line(
        id=kiosk.id, name=kiosk.name, state=state, since=since, address=address, version=version,
        ailing=sum(each.state in AILING for each in where.devices(kiosk.id)) if place is not None else 0, alerts=alerts,
        flaps=rooms.history.is_flapping(kiosk.id, now), double=where.double(kiosk.id) is not None,
    )  # fmt: skip


async def _read(rooms: Rooms, kiosk_id: str) -> _Rows:
    rows = _Rows()
    try:
        async with asyncio.timeout(_PATIENCE):
            rows.connections = await rooms.history.page(kiosk_id, limit=_SHOWN)
            rows.hubs = await rooms.history.hubs_of(rows.connections)
            rows.code_until = await rooms.enrolment.open_until(kiosk_id)
            rows.told, rows.updated = await rooms.facts.told(kiosk_id), await rooms.facts.updated(kiosk_id)
            rows.operations = (await rooms.store.page(kiosk_id=kiosk_id, limit=_SHOWN)).operations
            rows.events = await rooms.facts.events(kiosk_id, limit=_SHOWN)
            rows.unknown = (await rooms.facts.unknown_of([kiosk_id])).get(kiosk_id, 0)
            rows.tried = await rooms.enrolment.audit(kiosk_id, _AUDIT_SHOWN)
            rows.acts = await rooms.audit.page(subject=kiosk_id, limit=_AUDIT_SHOWN)
    except (SQLAlchemyError, StorageError, TimeoutError, OSError) as error:
        log.warning("a kiosk's rows cannot be read", extra={"kiosk": kiosk_id, "error": explain(error)})
        rows.is_away = True
    return rows


def _uptime(told: float, since: float | None, now: float) -> float:
    """Of its program: what its hello said, and what has passed since."""
    return told if since is None else told + max(0.0, now - since)


def _devices(found: Sequence[Device], told: Told, *, is_here: bool) -> Sequence[Device]:
    """As the kiosk told of them last; of one that no hub that lives has heard, what its events say."""
    if found or is_here:
        return found
    return [Device(name=each.device, state=each.state) for each in told.states]


def _parts(devices: Sequence[Device], told: Told) -> list[Part]:
    levels = {each.device: each for each in told.levels}
    collections = {each.device: each for each in told.collections}
    found = []
    for device in devices:
        level, collected = levels.pop(device.name, None), collections.pop(device.name, None)
        if level is not None and collected is not None and level.at < collected.at:
            level = None  # it was emptied since
        found.append(Part(
            name=device.name, role=device.role, driver=device.driver, state=device.state, level=level,
            collected=collected,
        ))  # fmt: skip
    return sorted(found, key=lambda part: part.state not in AILING)  # those first; else as the kiosk has them
