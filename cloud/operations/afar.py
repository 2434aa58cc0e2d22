"""The owner's side: operations that this hub owns, whose kiosk another hub has, or may have had.

What can break, and what is done then, stands in `carrying`. Here is decided where an operation goes, and when again.

- A request belongs to one connection of its kiosk, here as at other hubs. Whenever the kiosk is seen on another one,
  the row is read; without an outcome in it the operation is given to where the kiosk is now.
- "Not executed" is told while nothing was sent, or every attempt was refused by the hub it was sent to.
- Before `unknown` is told the store is asked: the hub with the kiosk may have written the outcome.
"""

import asyncio
import logging
from collections.abc import Callable

from cloud.bus.bus import Bus
from cloud.errors import Refused, StorageError
from cloud.kiosks.elsewhere import Elsewhere
from cloud.kiosks.links import Links
from cloud.operations.attempts import Attempts, Place
from cloud.operations.counting import Counting
from cloud.operations.ending import Ending
from cloud.operations.errands import (
    LATE,
    MOVED,
    TOLD,
    Answered,
    Begun,
    Carried,
    Carry,
    Drop,
    Lost,
    Mine,
    NotCarried,
    NotMine,
    Settle,
    Went,
    Whose,
)
from cloud.operations.operation import Operation, State
from cloud.operations.places import UNREACHABLE, Places
from cloud.operations.running import Books, Running
from cloud.operations.settling import request_for
from cloud.operations.store import Store
from cloud.operations.tasks import Tasks
from wire.legacy import NO_JOURNAL

log = logging.getLogger(__name__)

FRESH = 3.0  # seconds for which a `Carry` is good
_LOOK_WITHIN = 1.0  # for the database, before `unknown` is told without it
_RETRY = 1.0
_STOOD_STILL = 8.0  # seconds; nobody is buried who stood still for less than ten
_LOOKS = 8  # at a time, when a hub with many kiosks is gone
_LATE_MAX = 3  # messages of one operation that came too late, before its kiosk counts as away
_WHILE_DOWN = 2.0  # seconds between two looks for outcomes in the store while no message gets through
_READ_AT_ONCE = 64


class Far:
    """A kiosk at another hub: see `ending.Voice`."""

    __slots__ = ("_bus", "_hub", "is_v1")

    def __init__(self, bus: Bus, hub: str, *, is_v1: bool) -> None:
        self._bus = bus
        self._hub = hub
        self.is_v1 = is_v1

    def settle(self, request_id: str) -> None:
        """See `Voice`."""
        self._bus.send(self._hub, Settle(request_id))


class Afar:
    """Of a hub that shares its kiosks with others. `accepted` and `progress` as the service has them of kiosks here."""

    def __init__(
        self,
        *,
        bus: Bus,
        links: Links,
        elsewhere: Elsewhere,
        books: Books,
        store: Store,
        counting: Counting,
        ending: Ending,
        tasks: Tasks,
        accepted: Callable[[Running], None],
        progress: Callable[[Running, bytes], None],
    ) -> None:
        self._bus = bus
        self._links = links
        self._elsewhere = elsewhere
        self._books = books
        self._store = store
        self._counting = counting
        self._ending = ending
        self._tasks = tasks
        self._accepted = accepted
        self._progress = progress
        self._loop = asyncio.get_running_loop()
        self._looks = asyncio.Semaphore(_LOOKS)
        self.places = Places(bus, links, elsewhere)
        elsewhere.when_changed(self.moved)
        bus.hear(Carried, self._carried)
        bus.hear(NotCarried, self._not_carried)
        bus.hear(Begun, self._begun)
        bus.hear(Went, self._went)
        bus.hear(Answered, self._answered)
        bus.hear(Lost, self._lost)
        bus.hear(Whose, self._whose)
        bus.when_gone(self._gone)

    # Where a kiosk is.

    def moved(self, kiosk_id: str) -> None:
        """It came to a hub, here or elsewhere, or left one."""
        place = self.places.moved(kiosk_id)
        for running in self._books.at(kiosk_id):
            self._see_to(running, place)

    def _see_to(self, running: Running, place: Place | None) -> None:
        """Its kiosk is there now."""
        attempts = running.attempts
        if attempts is None or running.answered:
            return
        if place is None:
            self._ending.away(running)
        elif place.is_same(attempts.place) and attempts.is_there:
            _is_back(running)  # it was not away
        elif not _is_once(running, place):
            _is_back(running)
            self._resume(running)

    # Giving.

    def launch(self, running: Running) -> None:
        """Give a new operation to where its kiosk is; see `resume` for what is done if it is nowhere."""
        running.attempts = Attempts()
        if self._is_old(running):
            self._resume(running)
            return
        place = self.places.get(running.operation.kiosk_id)
        if place is None:
            self._ending.away(running)
        else:
            self._give(running, running.attempts, place)

    def _give(self, running: Running, attempts: Attempts, place: Place) -> None:
        operation, again = running.operation, attempts.may_be_put
        if not again and self._loop.time() >= running.start_by:
            self._ending.take_back(running)
            return
        # Its row names the journal; without a row, and never sent, it may go to any.
        is_bound = again or operation.idempotency_key is not None or operation.delivery == "queue"
        if is_bound and operation.journal not in {"", place.journal}:
            self._other_journal(running, again=again)
            return
        operation.journal = place.journal
        # What it accepted is in its journal, or was: one that came back with an older one must not start it again.
        only_ask = again and operation.accepted_at is not None
        if place.hub == self._bus.me:
            attempts.carried(attempts.begin(place))
            running.sent = True
            link = self._links.get(operation.kiosk_id)
            assert link is not None
            start_by = self._loop.time() if only_ask else running.start_by
            self._links.request(link, request_for(operation, only_ask=only_ask), start_by, lasting=False)
            return
        now, bus_now = self._loop.time(), self._bus.now()
        start_by = bus_now + running.start_by - now
        wait_until = bus_now + max(0.0, (running.deadline.when() if running.deadline else running.start_by) - now)
        attempt = attempts.begin(place)
        running.sent = True
        carry = Carry(
            operation=operation,
            attempt=attempt,
            epoch=place.epoch,
            journal=place.journal,
            start_by=bus_now if only_ask else start_by,
            until=bus_now + FRESH,
            wait_until=wait_until,
            again=again,
            sent_at=bus_now,
        )
        if not self._bus.send(place.hub, carry):
            attempts.unsent(attempt)
            self._not_sent(running, attempts)
            return
        self._counting.given()
        if not place.is_v1:
            self._loop.call_later(attempts.wait(), self._unheard, running, attempt)

    def _not_sent(self, running: Running, attempts: Attempts) -> None:
        running.sent = attempts.may_be_put
        if not running.sent and running.operation.delivery == "now":
            self._ending.take_back(running, Refused("kiosk-offline", UNREACHABLE, retry_after=5))
        else:
            self._loop.call_later(_RETRY, self._try_again, running)

    def _other_journal(self, running: Running, *, again: bool) -> None:
        """The kiosk came back without the memory that this was, or would have been, sent to."""
        operation = running.operation
        if again:
            operation.executed = "unknown"
            self._counting.orphaned(operation)
            detail = "the kiosk came back without the journal that it had when this was sent"
            self._ending.give_up(running, "interrupted", detail)
        else:
            detail = f"kiosk {operation.kiosk_id} came back with another journal before this was sent"
            self._ending.take_back(running, Refused("kiosk-offline", detail, retry_after=1))

    def _unheard(self, running: Running, attempt: int) -> None:
        """No word of it from the hub it was sent to."""
        attempts = running.attempts
        if attempts is not None and attempt == attempts.count and attempt in attempts.doubts:
            self._try_again(running)

    def _try_again(self, running: Running) -> None:
        if running.attempts is None or not self._is_open(running):
            return
        place = self.places.get(running.operation.kiosk_id)
        if place is None:
            self._ending.away(running)
        elif not _is_once(running, place):
            self._resume(running)

    def _resume(self, running: Running) -> None:
        """Give it to where its kiosk is now, unless its outcome has been told meanwhile."""
        if running.attempts is not None and not running.attempts.is_resuming:
            running.attempts.is_resuming = True
            self._tasks.spawn(self._give_again(running, running.attempts))

    async def _give_again(self, running: Running, attempts: Attempts) -> None:
        operation = running.operation
        try:
            while self._is_open(running):
                # The connection first, then the row: what is told on that one passes the hub that has it.
                place = self.places.get(operation.kiosk_id)
                if place is None:
                    self._ending.away(running)
                    return
                if _is_once(running, place):
                    return
                if attempts.may_be_put or self._is_old(running):
                    try:
                        async with self._looks:
                            if await self._take_from_store(running):
                                return
                    except StorageError:
                        await asyncio.sleep(_RETRY)
                        continue
                if place.is_same(self.places.get(operation.kiosk_id)):
                    if self._is_open(running):
                        self._give(running, attempts, place)
                    return
        finally:
            attempts.is_resuming = False

    def _is_old(self, running: Running) -> bool:
        """This hub may have stood still since, and been buried, and the kiosk been asked by another."""
        return self._loop.time() - running.started >= _STOOD_STILL

    def _is_open(self, running: Running) -> bool:
        return not running.answered and self._books.get(running.operation.request_id) is running

    # What the store knows.

    async def _take_from_store(self, running: Running) -> bool:
        """Whether its outcome is there: then its caller has it. Raises `StorageError`."""
        found = await self._store.find(running.operation.request_id)
        return found is not None and self._take_found(running, found)

    def _take_found(self, running: Running, found: Operation) -> bool:
        if not found.is_final and found.executed is None:
            return False
        if self._is_open(running):
            self._ending.found(running, found)
        return True

    async def look_first(self, running: Running, otherwise: Callable[[], None]) -> None:
        """Before `unknown` is told: the hub with the kiosk may have written the outcome."""
        try:
            async with asyncio.timeout(_LOOK_WITHIN):
                if await self._take_from_store(running):
                    return
        except (StorageError, TimeoutError):
            log.warning("the store was not asked for an outcome", extra={"request_id": running.operation.request_id})
        if self._is_open(running):
            otherwise()

    async def run(self) -> None:
        """While no message gets through, look for outcomes in the store. Runs until cancelled."""
        while True:
            await asyncio.sleep(_WHILE_DOWN)
            if self._bus.is_up:
                continue
            far = [running for running in self._books if self._is_far(running)]
            for at in range(0, len(far), _READ_AT_ONCE):
                some = {running.operation.request_id: running for running in far[at : at + _READ_AT_ONCE]}
                try:
                    found = await self._store.find_all(list(some))
                except StorageError:
                    break
                for request_id, operation in found.items():
                    self._take_found(some[request_id], operation)

    def _is_far(self, running: Running) -> bool:
        """Whether another hub may hear what its kiosk says."""
        if running.attempts is None or running.answered:
            return False
        place = running.attempts.place
        return running.lost is not None or (place is not None and place.hub != self._bus.me)

    # What carriers tell.

    def _carried(self, _hub: str, message: Carried) -> None:
        running = self._books.get(message.request_id)
        if running is not None and running.attempts is not None:
            running.attempts.carried(message.attempt)
            if running.attempts.is_there:
                _is_back(running)

    def _not_carried(self, _hub: str, message: NotCarried) -> None:
        running = self._books.get(message.request_id)
        if running is None or running.attempts is None or not running.attempts.refused(message.attempt):
            return
        attempts = running.attempts
        running.sent = attempts.may_be_put
        if running.answered:
            return
        if message.kind == TOLD:
            attempts.is_put = running.sent = True
            self._loop.call_later(_RETRY, self._try_again, running)
        elif message.kind in {MOVED, LATE} or running.operation.delivery == "queue":
            self._refused_there(running, attempts, message)
        elif not running.sent:
            refused = Refused(message.kind, message.detail, retry_after=message.retry_after)
            self._ending.take_back(running, refused)

    def _refused_there(self, running: Running, attempts: Attempts, message: NotCarried) -> None:
        """It may be put elsewhere."""
        place = self.places.get(running.operation.kiosk_id)
        attempts.refusals += message.kind == LATE
        if message.kind == LATE and attempts.refusals <= _LATE_MAX:
            self._loop.call_later(_RETRY / 4, self._try_again, running)
        elif place is not None and not place.is_same(attempts.place):
            self._see_to(running, place)
        else:  # it will be heard of soon, or is away; or no two clocks agree just now
            self._ending.away(running)
            if message.kind == LATE:
                self._loop.call_later(_RETRY, self._try_again, running)

    def _begun(self, hub: str, message: Begun) -> None:
        running = self._heard_of(hub, message.request_id, message.kiosk_id)
        if running is not None:
            self._accepted(running)

    def _went(self, hub: str, message: Went) -> None:
        running = self._heard_of(hub, message.request_id, message.kiosk_id)
        if running is not None:
            self._progress(running, message.data)

    def _answered(self, hub: str, message: Answered) -> None:
        running = self._heard_of(hub, message.request_id, message.kiosk_id)
        if running is None:
            self._bus.send(hub, NotMine(message.request_id))
            return
        if link := self._links.get(message.kiosk_id):
            link.session.forget(message.request_id)
        self._ending.told(running, message.response(), Far(self._bus, hub, is_v1=message.is_v1))

    def _heard_of(self, hub: str, request_id: str, kiosk_id: str) -> Running | None:
        """Its kiosk has it."""
        running = self._books.get(request_id)
        if running is None or running.operation.kiosk_id != kiosk_id or running.operation.state is State.QUEUED:
            return None
        if running.attempts is not None:
            running.attempts.heard(hub)
            running.sent = True
        return running

    def _lost(self, hub: str, message: Lost) -> None:
        place = self.places.get(message.kiosk_id)
        for request_id in message.request_ids:
            running = self._books.get(request_id)
            if running is None or running.attempts is None or running.operation.kiosk_id != message.kiosk_id:
                continue
            last = running.attempts.place
            if last is not None and last.hub == hub:
                # Its hub may tell all others a little later that it is gone.
                self._see_to(running, None if last.is_same(place) else place)

    def _gone(self, life: str) -> None:
        for running in self._books:
            last = running.attempts.place if running.attempts is not None else None
            if last is not None and last.hub == life:
                place = self.places.get(running.operation.kiosk_id)
                self._see_to(running, None if last.is_same(place) else place)

    def _whose(self, hub: str, message: Whose) -> None:
        found = [self._books.get(request_id) for request_id in message.request_ids]
        mine = [
            running.operation
            for running in found
            if running is not None
            and running.operation.kiosk_id == message.kiosk_id
            and running.operation.state is not State.QUEUED
        ]
        if mine:
            self._bus.send(hub, Mine(mine))

    # What is told carriers.

    def forget(self, running: Running) -> None:
        """It is not to be asked for any more, wherever it is."""
        last = running.attempts.place if running.attempts is not None else None
        if last is not None and last.hub != self._bus.me:
            self._bus.send(last.hub, Drop(running.operation.request_id))


def _is_back(running: Running) -> None:
    if running.lost is not None:
        running.lost.cancel()
        running.lost = None


def _is_once(running: Running, place: Place) -> bool:
    """Whether it may not be given there: it was, or may have been, put on a socket, and nothing is sent to v1 twice."""
    attempts = running.attempts
    assert attempts is not None
    is_v1 = place.is_v1 or running.operation.journal == NO_JOURNAL
    return is_v1 and attempts.may_be_put
