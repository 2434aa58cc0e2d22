"""The history of connections: when each kiosk came and went and why, and who was not let in; kept in rows.

What links tell is noted in memory and written behind by one task, through the grouped writer and a few rows at a time,
so that neither a storm of reconnects nor a slow database is in any kiosk's way. A row is written when a connection
begins and again when it ends; what changes before it was written costs nothing. While `WAITING_MAX` rows wait, new
ones are not noted, and counted (`kioskwire_connection_history_dropped_total`); ends of connections that were noted
always are. What a failed write held is written again.

Rows that a hub left open with its death are closed at the next start. When it died nobody wrote down: what is said is
the latest moment at which it is known to have lived.

Of refusals, which any box with an old token may cause as often as it likes, alike ones within an hour are one row with
a count, and a kiosk has few rows of them at a time.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.cancelled import cancelled
from cloud.db.dialect import insert_into
from cloud.db.engine import explain
from cloud.db.hubs_seen import names_of
from cloud.db.lease import Lease, Mine
from cloud.db.tables import connections
from cloud.db.writer import Write, Writer
from cloud.errors import StorageError
from cloud.kiosks import flapping
from cloud.kiosks.absence import Came, Ended
from cloud.kiosks.history_rows import (
    COLUMNS,
    HUB_DIED,
    HUB_STOPPED,
    Connection,
    close_open,
    closing,
    connection_of,
    number_after,
    read_ends,
    read_last,
    read_refused,
)
from cloud.metrics import Metrics
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

WAITING_MAX = 20_000  # rows; each kiosk of a large fleet may come and go once while the database is away
KEEP, KEPT, REFUSALS_KEPT = 90 * 86400.0, 1000, 200  # seconds; rows of each kiosk
_AT_ONCE = 200  # rows in one transaction: operations wait for no more than that
_GATHER = 0.25  # seconds
_AGAIN_FIRST, _AGAIN_MOST, _TRIES = 1.0, 30.0, 3  # after a write that failed
_STOP_WITHIN = 3.0
_TRIM_EVERY = 3600.0
_OTHERS_EVERY, _OTHERS_AT_ONCE, _OTHERS_TIMES = 2.0, 2000, 8  # the last look comes when a dead hub is buried
_TRIM_AT_ONCE = 1000
_ALIKE_FOR, _ALIKE_EVERY = 3600.0, 60.0  # refusals alike: one row for so long, written so often
_REFUSED_MAX, _REFUSALS_OF_ONE = 2000, 20  # kiosks whose refusals are at hand, and addresses told apart of one
_TEXT_MAX, _WORDS_MAX, _VERSION_MAX = 64, 200, 100
_LIFE_LETTERS = 8  # of a hub that is forgotten
_CHANGED = ("ended_at", "why", "code", "words", "count")
__all__ = ["HUB_DIED", "HUB_STOPPED", "SEVERAL", "Connection", "History"]
SEVERAL = "…"  # the address of refusals that came from more places than are told apart


class History:
    """All of it. `start` after the writer's, before the first kiosk; `stop` after the last one, before the writer's."""

    def __init__(
        self,
        engine: AsyncEngine,
        writer: Writer,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        *,
        hub: str | None = None,
        slot: int | None = None,
        jobs: Lease | None = None,
    ) -> None:
        """`hub` is this hub's life. Where others share the database `slot` is a small number that none of them has, and
        who has the lease of `jobs` forgets what is old."""
        self._hub = hub
        self._slot = slot
        self._jobs = jobs or Mine()
        self._engine = engine
        self._writer = writer
        self._metrics = metrics
        self._clock = clock
        insert = insert_into(engine, connections)
        changes = {name: insert.excluded[name] for name in _CHANGED}
        upsert = insert.on_conflict_do_update(index_elements=["number"], set_=changes)
        self._put = Write(5, engine, upsert, COLUMNS, point="hub.kiosks.history")
        self._number = 0
        self._last: dict[str, Connection] = {}  # of each kiosk, open or ended
        self._ends: dict[str, deque[float]] = {}  # those that count as flapping
        self._refusals: OrderedDict[str, dict[tuple[str, str], Connection]] = OrderedDict()  # by kiosk; why and where
        self._waiting: OrderedDict[int, Connection] = OrderedDict()  # to be written, oldest first
        self._later: OrderedDict[int, Connection] = OrderedDict()  # refusals of which only the count has grown
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._elsewhere: dict[str, int] = {}  # kiosks whose row another hub has changed, and how often it was read
        self._is_stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Close what an earlier life left open, and know of each kiosk when it was here last.

        Raises SQLAlchemyError, OSError.
        """
        async with self._engine.begin() as connection:
            died = await connection.run_sync(close_open, self._clock(), self._slot is not None)
            crash_point("hub.kiosks.history_start.before")
        crash_point("hub.kiosks.history_start.after")
        if died:
            log.warning("the hub before did not stop in order: its connections are closed", extra={"count": died})
        async with self._engine.connect() as connection:
            self._number = (await connection.execute(select(func.max(connections.c.number)))).scalar() or 0
            for row in await connection.run_sync(read_last):
                self._last[row.kiosk_id] = row
            lately = self._clock() - 2 * flapping.WITHIN
            for row in await connection.run_sync(read_ends, lately):
                self._note_end(row)
        self._tasks = [
            asyncio.create_task(self._write_all(), name="connection-history"),
            asyncio.create_task(self._trim_all(), name="connection-history-trim"),
        ]
        if self._slot is not None:
            self._tasks.append(asyncio.create_task(self._read_others(), name="connection-history-others"))

    async def stop(self) -> None:
        """Write what waits. Whoever is connected still was so until now."""
        now = self._clock()
        for row in self._last.values():
            if row.ended_at is None and row.number and row.hub == self._hub:
                row.ended_at, row.why = now, HUB_STOPPED
                self._waiting[row.number] = row
        self._is_stopped = True
        self._waiting.update(self._later)
        self._wake_up()
        if self._tasks:
            try:
                async with asyncio.timeout(_STOP_WITHIN):
                    await self._idle.wait()
            except TimeoutError:
                log.warning("the history of connections could not be written", extra={"rows": len(self._waiting)})
        await cancelled(*self._tasks)

    async def bury(self, connection: AsyncConnection, life: str, seen_at: float) -> int:
        """A hub is dead: its connections ended when it was seen last. See `cloud.db.shared_hold.Burials`."""
        its = connections.c.hub == life, connections.c.ended_at.is_(None)
        return (await connection.execute(closing(seen_at).where(*its))).rowcount

    # What links tell. None of these waits or raises.

    def began(self, kiosk_id: str, came: Came) -> None:
        """A kiosk is welcome."""
        row = Connection(
            number=0, kiosk_id=kiosk_id, began_at=came.at, address=_cut(came.address),
            version=_cut(came.version, _VERSION_MAX), dialect=came.dialect, boot_id=_cut(came.boot_id), hub=self._hub,
        )  # fmt: skip
        self._last[kiosk_id] = row
        self._note(row)

    def ended(self, kiosk_id: str, ended: Ended) -> None:
        """A connection on which it was welcome has ended."""
        row = self._last.get(kiosk_id)
        if row is None or row.ended_at is not None or row.hub != self._hub or self._is_stopped:
            return
        row.ended_at, row.why, row.code = ended.at, ended.why, ended.code
        row.words = _cut(ended.words, _WORDS_MAX)
        self._note_end(row)
        if row.number:
            self._waiting[row.number] = row
            self._wake_up()

    def refused(self, kiosk_id: str, ended: Ended) -> None:
        """Somebody came as this kiosk and was not let in."""
        its = self._refusals.setdefault(kiosk_id, {})
        self._refusals.move_to_end(kiosk_id)
        if len(self._refusals) > _REFUSED_MAX:
            self._refusals.popitem(last=False)
        key = ended.why, _cut(ended.address)
        if key not in its and len(its) >= _REFUSALS_OF_ONE:
            for other in [each for each, row in its.items() if ended.at - row.began_at >= _ALIKE_FOR]:
                del its[other]
            if len(its) >= _REFUSALS_OF_ONE:
                key = ended.why, SEVERAL
        row = its.get(key)
        if row is not None and 0 <= ended.at - row.began_at < _ALIKE_FOR:
            row.ended_at, row.count, row.words = ended.at, row.count + 1, _cut(ended.words, _WORDS_MAX)
            if row.number and row.number not in self._waiting:
                self._later[row.number] = row
            return
        its[key] = row = Connection(
            number=0, kiosk_id=kiosk_id, refused=True, began_at=ended.at, ended_at=ended.at, why=ended.why,
            code=ended.code, words=_cut(ended.words, _WORDS_MAX), address=key[1], hub=self._hub,
        )  # fmt: skip
        self._note(row)

    # What is asked.

    def now(self) -> float:
        """The time that its rows tell, Unix seconds."""
        return self._clock()

    def last(self, kiosk_id: str) -> Connection | None:
        """Its connection now, or the last one it had, whichever hub held it; None: it was never here."""
        return self._last.get(kiosk_id)

    def flaps(self, kiosk_id: str, now: float) -> int:
        """How often its connection has ended by itself within `flapping.WITHIN`."""
        ends = self._ends.get(kiosk_id)
        return 0 if ends is None else flapping.count(ends, now)

    def is_flapping(self, kiosk_id: str, now: float) -> bool:
        """Whether that was too often."""
        return flapping.is_flapping(self._ends.get(kiosk_id, ()), now)

    def look_again(self, kiosk_id: str) -> None:
        """It came to another hub, or left it: its last row is read anew, soon."""
        self._elsewhere.setdefault(kiosk_id, 0)

    async def page(self, kiosk_id: str, *, before: int | None = None, limit: int = 50) -> list[Connection]:
        """The newest first; `before` is the number of the last one of the page before. What the last second brought
        may be missing. Raises SQLAlchemyError, OSError."""
        statement = select(connections).where(connections.c.kiosk_id == kiosk_id)
        if before is not None:
            statement = statement.where(connections.c.number < before)
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement.order_by(connections.c.number.desc()).limit(limit))
            return [connection_of(row) for row in rows]

    async def last_refused(self, kiosk_id: str) -> Ended | None:
        """The last attempt that was not let in, at whichever hub. Raises SQLAlchemyError, OSError."""
        async with self._engine.connect() as connection:
            return await connection.run_sync(read_refused, kiosk_id)

    async def hubs_of(self, rows: Iterable[Connection]) -> dict[str, str]:
        """What their hubs are called, by life; nothing where there is one hub. Raises SQLAlchemyError, OSError."""
        lives = {row.hub for row in rows if row.hub} if self._slot is not None else set()
        if not lives:
            return {}
        names = await names_of(self._engine, lives)
        return {life: names.get(life, life[:_LIFE_LETTERS]) for life in lives}

    async def written(self) -> None:
        """Wait until nothing waits to be written."""
        await self._idle.wait()

    # Ours.

    def _note(self, row: Connection) -> None:
        if self._is_stopped:
            return
        if len(self._waiting) >= WAITING_MAX:
            self._metrics.history_dropped.inc()
            return
        self._number = row.number = number_after(self._number, self._slot, self._clock())
        self._waiting[row.number] = row
        self._wake_up()

    def _note_end(self, row: Connection) -> None:
        if row.ended_at is not None and flapping.breaks_off(row.why):
            self._ends.setdefault(row.kiosk_id, deque(maxlen=4 * flapping.ENDS)).append(row.ended_at)

    def _wake_up(self) -> None:
        if self._waiting:
            self._idle.clear()
            self._wake.set()

    async def _write_all(self) -> None:
        counted_at = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ALIKE_EVERY):
                    await self._wake.wait()
            self._wake.clear()
            if not self._is_stopped:
                await asyncio.sleep(_GATHER)
            if self._later and time.monotonic() - counted_at >= _ALIKE_EVERY:
                counted_at = time.monotonic()
                self._waiting.update(self._later)
                self._later.clear()
            try:
                await self._write_waiting()
            except Exception:  # the task must outlive any mistake of ours; what waits is bounded
                log.exception("the history of connections is not written")
                await asyncio.sleep(_AGAIN_FIRST)
                self._wake_up()
            if not self._waiting:
                self._idle.set()

    async def _write_waiting(self) -> None:
        again, fails = _AGAIN_FIRST, 0
        while self._waiting:
            # One that cannot be written must not keep the others: after some tries each goes alone, and only once.
            is_alone = fails >= _TRIES and self._writer.error is None
            count = 1 if is_alone else min(_AT_ONCE, len(self._waiting))
            some = [self._waiting.popitem(last=False)[1] for _ in range(count)]
            try:
                await self._write(some)
            except StorageError as error:
                fails += 1
                if is_alone:
                    self._metrics.history_dropped.inc()
                    told = {"kiosk": some[0].kiosk_id, "error": str(error)[:200]}
                    log.error("a connection cannot be noted", extra=told)
                    continue
                for row in reversed(some):
                    self._waiting[row.number] = row
                    self._waiting.move_to_end(row.number, last=False)
                await asyncio.sleep(again)
                again = min(2 * again, _AGAIN_MOST)
            else:
                again, fails = _AGAIN_FIRST, fails if is_alone else 0

    async def _write(self, rows: list[Connection]) -> None:
        (put, first), *more = [(self._put, msgspec.structs.astuple(row)) for row in rows]
        async with self._writer.turns:
            await self._writer.write(put, first, *more)

    async def trim(self, now: float) -> int:
        """Forget what is old, and of each kiosk what is too much. Returns how many rows. Raises SQLAlchemyError,
        OSError."""
        gone = 0
        c = connections.c
        old = select(c.number).where(c.began_at < now - KEEP, c.ended_at.is_not(None)).limit(_TRIM_AT_ONCE)
        while some := await self._delete(old):
            gone += some
        per_kiosk = select(c.kiosk_id, c.refused, func.count().label("rows")).group_by(c.kiosk_id, c.refused)
        async with self._engine.connect() as connection:
            crowded = (await connection.execute(per_kiosk.having(func.count() > REFUSALS_KEPT))).all()
        for kiosk_id, refused, rows in crowded:
            spare = rows - (REFUSALS_KEPT if refused else KEPT)
            its = select(c.number).where(c.kiosk_id == kiosk_id, c.refused.is_(refused), c.ended_at.is_not(None))
            while spare > 0 and (some := await self._delete(its.order_by(c.number).limit(min(spare, _TRIM_AT_ONCE)))):
                gone, spare = gone + some, spare - some
        return gone

    async def _delete(self, numbers: Select[tuple[int]]) -> int:
        async with self._engine.begin() as connection:
            found = (await connection.execute(numbers)).scalars().all()
            deleted = await connection.execute(delete(connections).where(connections.c.number.in_(found)))
            crash_point("hub.kiosks.history_trim.before")
        crash_point("hub.kiosks.history_trim.after")
        return deleted.rowcount

    async def _read_others(self) -> None:
        """Rows are written behind: what another hub says is looked for once more, and of what ends with that hub's
        death when it is buried."""
        while True:
            await asyncio.sleep(_OTHERS_EVERY)
            some = list(self._elsewhere)[:_OTHERS_AT_ONCE]
            if not some:
                continue
            try:
                async with self._engine.connect() as connection:
                    for row in await connection.run_sync(read_last, some):
                        self._take(row)
            except (SQLAlchemyError, OSError) as error:
                log.debug("connections at other hubs cannot be read", extra={"error": explain(error)})
                continue
            for kiosk_id in some:
                times = self._elsewhere.pop(kiosk_id) + 1
                if times < _OTHERS_TIMES:
                    self._elsewhere[kiosk_id] = times

    def _take(self, row: Connection) -> None:
        """A row that another hub has written."""
        known = self._last.get(row.kiosk_id)
        if row.hub == self._hub or (known is not None and known.hub == self._hub and known.ended_at is None):
            return
        if known is None or known.number < row.number or (known.number == row.number and known.ended_at is None):
            self._last[row.kiosk_id] = row
            self._note_end(row)

    async def _trim_all(self) -> None:
        while True:
            await asyncio.sleep(_TRIM_EVERY)
            try:
                if self._jobs.is_held:
                    await self.trim(self._clock())
            except (SQLAlchemyError, OSError) as error:
                log.warning("old connections could not be forgotten", extra={"error": explain(error)})
            except Exception:  # or the table grows for ever
                log.exception("old connections could not be forgotten")


def _cut(text: str, most: int = _TEXT_MAX) -> str:
    """As it can be kept, whatever a kiosk sent."""
    return text[:most].encode("utf-8", "replace").decode()
