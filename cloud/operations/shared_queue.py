"""`Header-Delivery: queue` where several hubs share it: the hub that holds the kiosk sends what waits for it.

The queue is the rows; nothing of it is in any hub's memory. The hub asked writes the row, answers 202, and nudges the
hub that holds the kiosk. That one makes the row its own by an update that asks whether it still waits (`QueuedRows`),
and only then sends it: so no two hubs send it, and none sends it twice. A nudge may be lost, a kiosk may move, a
database may fail meanwhile: what is queued is looked for when a kiosk is ready, and again every few seconds.

Why a hub's wrong clock does no harm: `created_at` and `start_by` of such a row are dated by the database's clock, and
compared with it, in the database. How long a row that was taken may still be started is counted by the steady clock
from there, and never longer than it was given at first; so a database that is moved to a machine whose clock is behind
revives nothing, and what had expired has ended for good.

A hub that dies between taking and sending leaves a row that is sent: whoever buries that hub makes it unknown, and the
kiosk is asked for it, as for all that it never answered. So it is where the answer to the taking is lost, and it is
committed only after the hub has looked and found it waiting still: see `unheard`.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import msgspec

from cloud.bus.bus import Bus
from cloud.errors import Refused, StorageError
from cloud.kiosks.elsewhere import Elsewhere
from cloud.kiosks.links import Link, Links
from cloud.operations import operation as rules
from cloud.operations.counting import Counting
from cloud.operations.operation import Operation, State
from cloud.operations.queued_rows import Open, QueuedRows
from cloud.operations.running import Books, Running
from cloud.operations.settling import Settling
from cloud.operations.store import Store
from cloud.operations.unheard import Unheard

log = logging.getLogger(__name__)

_AT_ONCE = 16  # see `delivery`
_RETRY = 1.0  # seconds after which a database that failed is tried again
_LOOK_EVERY = 2.0  # seconds, or up to half of it less, so that not all hubs look at once
_LOOK_MAX = 2000  # rows, or kiosks, a look
_NEXT_AFTER = 0.3  # seconds, where there are more
_EXPIRE_MAX = 200  # rows that are read at a time, without their bodies


class KioskQueued(msgspec.Struct, frozen=True):
    """To the hub that holds a kiosk: something was queued for it."""

    kiosk_id: str


class SharedDelivery:
    """Delivers what waits for the kiosks that are here. `launch` puts a running operation on its kiosk's socket."""

    def __init__(
        self,
        *,
        rows: QueuedRows,
        bus: Bus,
        elsewhere: Elsewhere,
        links: Links,
        store: Store,
        books: Books,
        counting: Counting,
        settling: Settling,
        launch: Callable[[Link, Running], None],
        spawn: Callable[[Coroutine[object, object, None]], object],
        queue_max: int,
    ) -> None:
        self._rows = rows
        self._bus = bus
        self._elsewhere = elsewhere
        self._links = links
        self._store = store
        self._books = books
        self._counting = counting
        self._settling = settling
        self._launch = launch
        self._spawn = spawn
        self._queue_max = queue_max
        self._count = 0
        self.closed = False  # the hub stops: what waits is for the others
        self._adding: Counter[str] = Counter()  # being queued here just now, by kiosk
        # Kiosks here for which something may wait: to be asked of the database, many at a time; and surely does.
        self._asked: dict[str, None] = {}
        self._unheard = Unheard(rows=rows, links=links, books=books, settling=settling, spawn=spawn)
        self._wanted: set[str] = set()
        self._delivering: set[str] = set()
        self._wake = asyncio.Event()
        bus.hear(KioskQueued, self._nudged)

    def __len__(self) -> int:
        """How many wait at all hubs together, as the database said a few seconds ago."""
        return self._count

    # What callers want.

    @asynccontextmanager
    async def admitted(self, operation: Operation) -> AsyncIterator[None]:
        """Within the context an operation that is to be queued is written. Dates it by the database's clock.

        Raises `Refused` where too many wait, and `StorageError`. They are counted in the database, and those that are
        being written here with them, but not in one transaction with the row: hubs that are asked for one kiosk in the
        same moment may together go past the limit by as many as they take in at a time.
        """
        kiosk_id, given = operation.kiosk_id, (operation.start_by or 0.0) - operation.created_at
        adding = self._adding[kiosk_id]
        self._adding[kiosk_id] += 1
        try:
            try:
                count, now = await self._rows.room(kiosk_id, self._queue_max)
            except StorageError as error:
                raise Refused("hub-storage", f"nothing was queued: {error}", retry_after=5) from error
            if count + adding >= self._queue_max:
                detail = f"{self._queue_max} operations wait for this kiosk already"
                raise Refused("rate-limited", detail, retry_after=60)
            operation.created_at, operation.start_by = now, now + given
            yield
        finally:
            self._adding[kiosk_id] -= 1
            if not self._adding[kiosk_id]:
                del self._adding[kiosk_id]

    def add(self, operation: Operation) -> None:
        """Its row is written: whoever holds its kiosk is to know."""
        kiosk_id = operation.kiosk_id
        link = self._links.get(kiosk_id)
        if link is not None and link.ready:
            self._wanted.add(kiosk_id)
        elif (seen := self._elsewhere.get(kiosk_id)) is not None:
            self._bus.send(seen.hub, KioskQueued(kiosk_id))

    async def cancel(self, operation: Operation) -> bool:
        """Take an operation out of the queue for good; False if it does not wait there. Raises `StorageError`."""
        if operation.state is not State.QUEUED or operation.delivery != "queue":
            return False
        if (running := self._books.get(operation.request_id)) is not None and running.operation is operation:
            return False  # being taken just now
        ended = msgspec.structs.replace(operation)
        if not await self._end(ended, "cancelled", "cancelled while it waited for its kiosk", if_overdue=False):
            return False
        _become(operation, ended)
        return True

    async def count_of(self, kiosk_id: str) -> int:
        """How many wait for one kiosk."""
        return (await self._rows.room(kiosk_id, self._queue_max + 1))[0]

    # What happens to kiosks.

    def came(self, kiosk_id: str) -> None:
        """A kiosk is ready here: what waits for it is looked for."""
        self._asked[kiosk_id] = None
        self._wake.set()

    def _nudged(self, _sender: str, message: KioskQueued) -> None:
        if self._is_here(message.kiosk_id):
            self._want(message.kiosk_id)

    def is_due(self, kiosk_id: str) -> bool:
        """Whether something waits for this kiosk, it is here, and nobody sees to it yet."""
        return (
            kiosk_id in self._wanted
            and not self.closed
            and kiosk_id not in self._delivering
            and self._is_here(kiosk_id)
            and self._books.count_at(kiosk_id) < _AT_ONCE
        )

    async def deliver(self, kiosk_id: str) -> None:
        """Send a kiosk what waits for it, oldest first, a few at a time; the end of each sends the next."""
        self._delivering.add(kiosk_id)
        try:
            while kiosk_id in self._wanted and not self.closed:
                link = self._links.get(kiosk_id)
                if link is None or not link.ready:
                    self._wanted.discard(kiosk_id)  # looked for again when it is ready, wherever that is
                    return
                if self._books.count_at(kiosk_id) >= _AT_ONCE:
                    return
                try:
                    await self._deliver_some(link)
                except StorageError as error:
                    log.error("the queue waits for the database", extra={"kiosk": kiosk_id, "error": str(error)[:200]})
                    self._wanted.add(kiosk_id)
                    await asyncio.sleep(_RETRY)
        finally:
            self._delivering.discard(kiosk_id)

    async def _deliver_some(self, link: Link) -> None:
        kiosk_id = link.kiosk_id
        room = _AT_ONCE - self._books.count_at(kiosk_id)
        self._wanted.discard(kiosk_id)  # what is queued from here on says so again
        found = await self._rows.oldest(kiosk_id, room)
        if len(found) == room:
            self._wanted.add(kiosk_id)
        found = [it for it in found if self._books.get(it.request_id) is None]
        if not found or not link.ready:
            self._wanted.discard(kiosk_id)  # being queued here just now; or it went, and is looked for when it comes
            return
        now, wall = self._links.now(), self._rows.clock.now()
        # On the books before it is taken: its kiosk must not be asked for it as for one that nobody has under way.
        waiting = {
            it.request_id: Running(it, now, now + rules.seconds_left(it.created_at, it.start_by or 0.0, wall, wall))
            for it in found
        }
        for running in waiting.values():
            self._books.add(running)
        journal = link.journal
        try:
            taken = await self._take(found, journal)
        except BaseException:
            for running in waiting.values():
                self._books.remove(running)
            raise
        for request_id, running in waiting.items():
            if request_id not in taken:  # another hub has it, or it has ended
                self._books.remove(running)
                continue
            running.operation.journal, running.operation.hub = running.operation.journal or journal, self._bus.me
            rules.sent(running.operation, taken[request_id])
            self._launch(link, running)

    async def _take(self, found: list[Operation], journal: str) -> dict[str, float]:
        """As `QueuedRows.take`; a database that fails in the middle is asked until it tells what came of it."""
        try:
            return await self._rows.take(found, journal)
        except StorageError as error:
            log.error("the queue waits for the database", extra={"error": str(error)[:200]})
        while True:
            await asyncio.sleep(_RETRY)
            try:
                return await self._rows.taken([it.request_id for it in found])
            except StorageError:
                continue

    # What happens by itself.

    async def take_up(self) -> None:
        """At the start: nothing, the queue is in the database. How late it is there is good to know."""
        await self._rows.tell_time()

    async def expire(self) -> None:
        """Every second or two, end what may not be started any more, find what nudges lost, and have kiosks asked for
        what nobody has under way any more. Until cancelled.

        All that is open is gone through, a stretch at a time: a long queue is told late that it expired, and still
        none of it is started late.
        """
        self._spawn(self._find_wanted())
        last: Open | None = None
        count = 0
        while True:
            pause = _LOOK_EVERY
            try:
                found = await self._rows.open_after(last, _LOOK_MAX)
                over = [it.request_id for it in found if it.is_over]
                for at in range(0, len(over), _EXPIRE_MAX):
                    for operation in await self._rows.named(over[at : at + _EXPIRE_MAX]):
                        detail = "its kiosk did not come back before it expired"
                        await self._end(operation, "expired", detail, if_overdue=True)
                waiting = [it.kiosk_id for it in found if it.waits and not it.is_over]
                for kiosk_id in filter(self._is_here, set(waiting)):
                    self._want(kiosk_id)
                count += len(waiting)
                last = found[-1] if len(found) == _LOOK_MAX else None
                if not self.closed:
                    self._unheard.seen(found, is_last=last is None)
                if last is None:
                    self._count, count = count, 0
                else:
                    pause = _NEXT_AFTER
            except StorageError as error:
                log.error("the queue waits for the database", extra={"error": str(error)[:200]})
            pause *= random.uniform(0.5, 1.0)  # noqa: S311 - no secret: so that not all hubs look at once
            await asyncio.sleep(pause)

    async def _find_wanted(self) -> None:
        """Ask the database for which kiosks that are here anything waits: for all that came together at once."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._asked:
                some = list(self._asked)[:_LOOK_MAX]
                for kiosk_id in some:
                    del self._asked[kiosk_id]
                try:
                    wanted = await self._rows.wanted(some)
                except StorageError as error:
                    log.error("the queue waits for the database", extra={"error": str(error)[:200]})
                    self._asked = {**dict.fromkeys(some), **self._asked}
                    await asyncio.sleep(_RETRY)
                    continue
                for kiosk_id in some:
                    if kiosk_id in wanted:
                        self._want(kiosk_id)

    def _want(self, kiosk_id: str) -> None:
        self._wanted.add(kiosk_id)
        if self.is_due(kiosk_id):
            self._spawn(self.deliver(kiosk_id))

    def _is_here(self, kiosk_id: str) -> bool:
        link = self._links.get(kiosk_id)
        return link is not None and link.ready

    async def _end(self, operation: Operation, problem: str, detail: str, *, if_overdue: bool) -> bool:
        rules.given_up(operation, problem, detail, self._rows.clock.now())
        more = self._store.callback_of(operation)
        if not await self._rows.end(operation, *more, if_overdue=if_overdue):
            return False
        self._counting.ended(operation)
        self._settling.tell(operation)
        return True


def _become(operation: Operation, other: Operation) -> None:
    for name in Operation.__struct_fields__:
        setattr(operation, name, getattr(other, name))
