"""What kiosks' events say is wrong there, kept in rows that are written with the event, or not at all.

What stands is what was told last **in the order it came**, and no clock has a say in it. A kiosk tells the events of
its journal in order and goes on to another journal only when the one before is lost, so that what arrives later
happened later, however late. Its clock may be a year ahead in one event and right in the next: by `at` that fault would
stand for a year. What was stored is never stored again (`kiosks.inbox`), so that no repetition opens what is over.

A kiosk is not trusted with room: it has `OPEN_MAX` open rows at most, and the oldest give way.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec
from sqlalchemy import Row, bindparam, case, delete, exists, func, literal_column, or_, select, update
from sqlalchemy import false as no
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.alerts import told
from cloud.alerts.alert import Condition
from cloud.cancelled import cancelled
from cloud.db.dialect import insert_into
from cloud.db.lease import Lease, Mine
from cloud.db.tables import kiosks, standing
from cloud.db.writer import Write
from wire.crashpoint import crash_point
from wire.messages import Event

log = logging.getLogger(__name__)

OPEN_MAX = 200  # rows of one kiosk
SHIFT_OLD = 23 * told.HOUR  # the law gives a shift 24
_NEW_MAX = 2 * OPEN_MAX  # different facts that one kiosk may open between two sweeps
_SWEEP_EVERY = 60.0
_KEEP_CLOSED = told.DAY
_GONE_AFTER = 120.0  # a device that the kiosk does not name any more; one that is new is told of before it is named
_BELIEVED = 7 * told.DAY  # a kiosk may have been away for so long; before that its clock is rather wrong
_TOGETHER = 10.0  # a cause and the fault it makes are told within so many seconds, in either order

_OPENED = ("kiosk_id", "kind", "subject", "open", "at", "received_at", "data")
_OVER = ("at", "received_at", "kiosk", "thing")
_OVER_ALL = ("at", "received_at", "kiosk")
# A device that is out of paper says so, and that it is out of service: people are told of the cause alone.
_CAUSES = ("paper-out", "cassette-out", "stacker-full")

_Row = tuple[Write, tuple[object, ...]]
_Key = tuple[str, str, str]


class Standing:
    """`opened` and `over` make the rows for the inbox, in the order in which both stand there: `over` first.

    Args:
        engine: of the hub's database.
        configured: the devices that each kiosk which is here names in its hello, by kiosk.
        clock: Unix seconds.
        jobs: who has this lease sweeps what is of all kiosks, where hubs share a database.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        configured: Callable[[], Mapping[str, Collection[str]]] = dict,
        clock: Callable[[], float] = time.time,
        jobs: Lease | None = None,
    ) -> None:
        self._engine = engine
        self._jobs = jobs or Mine()
        self._configured = configured
        self._clock = clock
        self._open = self._opening(anew=False)
        self._open_anew = self._opening(anew=True)
        self._overs: dict[tuple[tuple[str, ...], bool], Write] = {}  # as many as `told` has
        self._new: dict[str, set[tuple[str, str]]] = {}  # what each kiosk opened since the last sweep
        self._crowded: set[str] = set()
        self._read: tuple[Event, told.Said | None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep; the first time at once."""
        self._task = asyncio.create_task(self._run(), name="standing")

    async def stop(self) -> None:
        """Stop."""
        if self._task:
            await cancelled(self._task)

    # With an event

    def over(self, kiosk_id: str, event: Event) -> _Row | None:
        """The row for what holds no more by this event; None: nothing. Never raises."""
        said = self._said(event)
        if said is None or not said.over:
            return None
        key = said.over, said.of_all
        kind = self._overs.get(key)
        if kind is None:
            kind = self._overs[key] = self._ending(*key)
        subject = () if said.of_all else (said.subject,)
        return kind, (event.at, self._clock(), kiosk_id, *subject)

    def of(self, kiosk_id: str, event: Event) -> _Row | None:
        """The row for what holds from now on; None: nothing. Never raises."""
        said = self._said(event)
        if said is None or not said.fact or not self._may_open(kiosk_id, said):
            return None
        data = msgspec.json.encode(said.data).decode()
        values = (kiosk_id, said.fact, said.subject, True, event.at, self._clock(), data)
        return self._open_anew if said.anew else self._open, values

    @property
    def beside(self) -> list[Callable[[str, Event], _Row | None]]:
        """Both, for the inbox."""
        return [self.over, self.of]

    def _said(self, event: Event) -> told.Said | None:
        """What it comes to, read once for both."""
        if self._read is None or self._read[0] is not event:
            self._read = event, told.read(event)
        return self._read[1]

    def _may_open(self, kiosk_id: str, said: told.Said) -> bool:
        new = self._new.setdefault(kiosk_id, set())
        if len(new) < _NEW_MAX or (said.fact, said.subject) in new:
            new.add((said.fact, said.subject))
            return True
        self._say_crowded(kiosk_id)
        return False

    def _opening(self, *, anew: bool) -> Write:
        insert = insert_into(self._engine, standing)
        new, old = insert.excluded, standing.c
        # What held already goes on holding since then.
        since = {
            name: new[name] if anew else case((old.open.is_(True), old[name]), else_=new[name])
            for name in ("at", "received_at")
        }
        statement = insert.on_conflict_do_update(
            index_elements=["kiosk_id", "kind", "subject"], set_={"open": new.open, "data": new.data, **since}
        )
        return Write(4, self._engine, statement, _OPENED)  # with the event it comes from

    def _ending(self, over: tuple[str, ...], of_all: bool) -> Write:
        """Of the same rank as `_opening`: the writer keeps the order in which rows of one rank came."""
        c = standing.c
        kinds = or_(*(c.kind == literal_column(f"'{kind}'") for kind in over))
        statement = update(standing).where(c.kiosk_id == bindparam("kiosk"), kinds, c.open.is_(True)).values(open=no())
        if of_all:
            return Write(4, self._engine, statement, _OVER_ALL, key="kiosk")
        return Write(4, self._engine, statement.where(c.subject == bindparam("thing")), _OVER, key="kiosk")

    # What stands

    async def rows(self, shift_old: float = SHIFT_OLD) -> list[Condition]:
        """What is wrong now, by kiosk; shifts from `shift_old` seconds on. Raises SQLAlchemyError, OSError."""
        removed = select(kiosks.c.id).where(kiosks.c.removed.is_(True))
        statement = select(standing).where(standing.c.open.is_(True), standing.c.kiosk_id.not_in(removed))
        async with self._engine.connect() as connection:
            return conditions((await connection.execute(statement)).all(), self._clock(), shift_old)

    # Sweeping

    async def sweep(self) -> None:
        """Close what nobody will say is over, forget what is over, keep kiosks to their room.

        Raises SQLAlchemyError, OSError.
        """
        now = self._clock()
        async with self._engine.begin() as connection:
            await self._close_unknown(connection, now)  # of kiosks that are here
            crowded = await self._sweep_all(connection, now) if self._jobs.is_held else set()
            crash_point("hub.standing.sweep.before")
        crash_point("hub.standing.sweep.after")
        self._new.clear()
        for kiosk_id in crowded:
            self._say_crowded(kiosk_id)
        self._crowded &= crowded

    async def _sweep_all(self, connection: AsyncConnection, now: float) -> set[str]:
        """Returns the kiosks that have too much."""
        await self._close_ended(connection, now)
        removed = exists().where(kiosks.c.id == standing.c.kiosk_id, kiosks.c.removed.is_(True))
        c = standing.c
        # A clock that stood ahead must not keep them for longer.
        old = or_(c.received_at < now - _KEEP_CLOSED, c.received_at > now + _KEEP_CLOSED)
        await connection.execute(delete(standing).where(or_(removed, c.open.is_(False) & old)))
        return await self._make_room(connection)

    async def _close_ended(self, connection: AsyncConnection, now: float) -> None:
        c = standing.c
        ended = [(c.kind == kind) & (c.received_at < now - seconds) for kind, seconds in told.ENDS.items()]
        closed = update(standing).where(c.open.is_(True), or_(*ended)).values(open=False, received_at=now)
        await connection.execute(closed)

    async def _close_unknown(self, connection: AsyncConnection, now: float) -> None:
        """Devices that their kiosk does not have any more say nothing more, not even that they are well."""
        configured = self._configured()
        c = standing.c
        of_devices = select(c.kiosk_id, c.kind, c.subject).where(
            c.open.is_(True), c.kind.in_(sorted(told.OF_DEVICES)), c.received_at < now - _GONE_AFTER
        )
        names = {kiosk_id: {told.cut(name) for name in devices} for kiosk_id, devices in configured.items()}
        for row in (await connection.execute(of_devices)).all():
            if row.kiosk_id in names and row.subject not in names[row.kiosk_id]:
                this = (c.kiosk_id == row.kiosk_id) & (c.kind == row.kind) & (c.subject == row.subject)
                await connection.execute(update(standing).where(this).values(open=False, received_at=now))

    async def _make_room(self, connection: AsyncConnection) -> set[str]:
        """The oldest open rows of kiosks that have too many go; returns those kiosks."""
        c = standing.c
        many = select(c.kiosk_id).group_by(c.kiosk_id).having(func.count() > OPEN_MAX)
        crowded = set((await connection.execute(many.where(c.open.is_(True)))).scalars())
        for kiosk_id in crowded:
            await self._keep_newest(connection, kiosk_id, is_open=True)
        for kiosk_id in (await connection.execute(many.where(c.open.is_(False)))).scalars().all():
            await self._keep_newest(connection, kiosk_id, is_open=False)
        return crowded

    @staticmethod
    async def _keep_newest(connection: AsyncConnection, kiosk_id: str, *, is_open: bool) -> None:
        c = standing.c
        its = (c.kiosk_id == kiosk_id) & (c.open.is_(is_open))
        newest = select(c.kind, c.subject).where(its).order_by(c.received_at.desc()).offset(OPEN_MAX)
        for row in (await connection.execute(newest)).all():
            await connection.execute(delete(standing).where(its, c.kind == row.kind, c.subject == row.subject))

    def _say_crowded(self, kiosk_id: str) -> None:
        if kiosk_id not in self._crowded:
            self._crowded.add(kiosk_id)
            log.warning("a kiosk tells of more troubles than are kept", extra={"kiosk": kiosk_id, "kept": OPEN_MAX})

    async def _run(self) -> None:
        while True:
            try:
                await self.sweep()
            except (SQLAlchemyError, OSError) as error:
                log.warning("what stands could not be swept", extra={"error": str(error)[:200]})
            except Exception:  # the task must outlive any mistake of ours
                log.exception("what stands could not be swept")
            await asyncio.sleep(_SWEEP_EVERY)


def conditions(found: Iterable[Row[tuple[object, ...]]], now: float, shift_old: float) -> list[Condition]:
    """What open rows come to: one condition for each thing that people are told of. Pure."""
    rows = {(row.kiosk_id, row.kind, row.subject): row for row in found}
    made: dict[_Key, Condition] = {}
    for (kiosk_id, fact, subject), row in sorted(rows.items()):
        kind = told.ALERTS.get(fact)
        since = _since(row.at, row.received_at)
        if kind is None or (fact == "shift" and now - since < shift_old and not _is_expired(row)):
            continue
        if fact == "fault" and _has_cause(rows, row):
            continue
        one = Condition(kind=kind, kiosk_id=kiosk_id, subject=subject, since=since, data=_data(row))
        other = made.get(one.key)
        if other is None or one.since < other.since:
            made[one.key] = one
    return list(made.values())


def _since(at: float, received_at: float) -> float:
    """When it began: as the kiosk says, where that can be; it surely was when the hub heard of it."""
    return at if received_at - _BELIEVED <= at <= received_at else received_at


def _has_cause(rows: Mapping[_Key, Row[tuple[object, ...]]], fault: Row[tuple[object, ...]]) -> bool:
    causes = (rows.get((fault.kiosk_id, kind, fault.subject)) for kind in _CAUSES)
    return any(cause is not None and cause.received_at <= fault.received_at + _TOGETHER for cause in causes)


def _is_expired(row: Row[tuple[object, ...]]) -> bool:
    """Whether the register itself said that its shift is too old."""
    return _data(row).get("state") == "expired"


def _data(row: Row[tuple[object, ...]]) -> dict[str, str | int | float | None]:
    found: dict[str, str | int | float | None] = msgspec.json.decode(row.data)
    return found
