"""The carrier's side: operations that another hub owns, on a socket here.

The owner (see `afar`) was asked by a backend, and has the row, the caller and the clock; the carrier has the kiosk's
socket. What can break between them, and what is done then:

- `Carry` is lost
    no `Carried` within half a second: the owner looks in the store, and sends it again, `again` set, to where the
    kiosk is then. Never to a v1 client: `unknown` at the deadline.
- `Carried` is lost
    the same. Who carries it already says so once more and puts nothing on the socket; a kiosk with a journal that is
    asked twice executes once.
- `NotCarried` is lost
    the same; the attempt that was refused stays in doubt, so "not executed" is not told.
- `Carry` is late (a hub stood still for 3, 20, 60 s; a slow Redis)
    past `until`, by the bus's clock, it is refused. So it is where the kiosk has had another connection since. What
    is put on a socket in time is started until `start_by` at the latest: the kiosk sees to it (`start_within`,
    `clock`).
- `Answered` is lost, `Settle` is lost, the owner writes slowly
    after 2 s it is told again, after 2 s more the carrier writes the outcome itself and settles: what is final stays
    as it is, so that both may write.
- Redis is gone, the owner is gone
    the carrier writes at once. The owner finds it in the store, where it looks before it says `unknown`.
- `Drop` is lost
    5 s past the owner's patience the kiosk is not asked any more. What it tells later is stored as late.
- `Lost` is lost
    the owner hears where the kiosk is from its hub's presence.
- The carrier dies before or after putting it on the socket
    the attempt is in doubt. The kiosk comes to another hub: carried there again. It does not: `kiosk-lost` after the
    grace, and the kiosk is asked at its next hello.
- The owner dies
    the kiosk answers: the carrier writes the whole row, also of an operation without a key, and with it the callback.
    Where its `Carry` never came, the kiosk is asked once the owner is buried, though it stays connected (`unheard`).
- The owner stands still, is buried, and goes on
    what it began long ago it looks up before it gives it away: its kiosk may have been asked.
- The kiosk moves: here → there, there → here, there → elsewhere
    a request is put on one connection, and forgotten with it; the owner carries it again on the next one, within the
    caller's time, once the store says that no outcome was told since.
- Two hubs hold the kiosk for a moment
    the greater epoch has it. What goes to the lesser one goes to a dead socket, and is carried again.
- The kiosk tells at a hub that does not carry it
    its row names the owner, which is told first; where there is no row all hubs are asked whose it is.
- The journal changed
    nothing is put on the socket. If nothing ever was, the key is free again; else `interrupted`.
- A v1 client
    gets a request on one connection once. Where it may have got it, the answer is its own or `unknown`.
- A host's clock jumps
    the bus's clock decides between hubs, steady clocks within one.
- Redis's clock jumps, or another Redis takes over
    each hub follows within a second, not all at once. What comes from ahead of the carrier's clock, or from so long
    before that it is late, is refused until they agree again.

Why it cannot be executed twice: a kiosk forgets an operation only after `settled`, and hears `settled` only once the
row says what came of it. Before an operation is put on another connection the owner reads the row, after it heard of
that connection. What is told on that connection later passes the hub that has it, which remembers it (`Lately`) for
longer than such a message is good.
"""

import asyncio
import contextlib
import itertools
import logging
import time

from cloud.bus.bus import Bus
from cloud.errors import Refused
from cloud.kiosks.link import Link
from cloud.kiosks.links import Links
from cloud.operations import operation as rules
from cloud.operations.admission import Admission
from cloud.operations.carried import Lately, Ledger, Next, Record
from cloud.operations.counting import Counting
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
from cloud.operations.settling import Settling, request_for
from cloud.operations.tasks import Tasks
from wire.messages import Accepted, Progress, Response

log = logging.getLogger(__name__)

_TICK = 0.5
_ALL_EVERY = 10  # ticks
_CLOCKS_APART = 1.0  # seconds: the bus's clock is one for all hubs, but for the second after Redis's was set
_WHOSE_WITHIN = 0.3  # seconds for the others to say that it is theirs
_UNDER_WAY = frozenset({State.SENT, State.ACCEPTED})


class _Claims:
    """What the others say is theirs."""

    def __init__(self, request_ids: list[str]) -> None:
        self.found: dict[str, tuple[str, Operation]] = {}
        self.are_all = asyncio.Event()
        self._wanted = set(request_ids)

    def add(self, operation: Operation, owner: str) -> None:
        """One of them. What was not asked for here does not count."""
        if operation.request_id in self._wanted:
            self.found[operation.request_id] = owner, operation
            if len(self.found) == len(self._wanted):
                self.are_all.set()


class Carrying:
    """What this hub carries. It is what `settling` knows of the others: see `abroad.Abroad`."""

    is_anybody = True

    def __init__(
        self,
        *,
        bus: Bus,
        links: Links,
        settling: Settling,
        admission: Admission,
        ledger: Ledger,
        counting: Counting,
        tasks: Tasks,
    ) -> None:
        self._bus = bus
        self._links = links
        self._settling = settling
        self._admission = admission
        self._ledger = ledger
        self._counting = counting
        self._tasks = tasks
        self._lately = Lately()
        self._is_idle = asyncio.Event()
        self._claims: list[_Claims] = []  # of each `Whose` that waits
        self._loop = asyncio.get_running_loop()
        bus.hear(Carry, self._carry)
        bus.hear(Settle, self._settle)
        bus.hear(NotMine, self._not_mine)
        bus.hear(Drop, self._drop)
        bus.hear(Mine, self._mine)
        bus.when_gone(self._gone)

    def __len__(self) -> int:
        return len(self._ledger)

    async def idle(self, timeout: float) -> None:
        """Return when nothing is carried any more, or after `timeout` seconds."""
        if not len(self._ledger):
            return
        self._is_idle.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._is_idle.wait()

    async def run(self) -> None:
        """Twice a second, see to what waits too long. Runs until cancelled."""
        for tick in itertools.count():
            await asyncio.sleep(_TICK)
            now = self._loop.time()
            # Only what was told is in a hurry.
            for record in self._ledger if tick % _ALL_EVERY == 0 else list(self._ledger.told.values()):
                self._act(record, record.due(now, owner_lives=self._bus.lives(record.owner)))

    # What owners want.

    def _carry(self, owner: str, carry: Carry) -> None:
        operation, now = carry.operation, self._loop.time()
        request_id = operation.request_id
        record = self._ledger.get(request_id)
        link = self._links.get(operation.kiosk_id)
        is_put = record is not None and link is not None and record.epoch == link.epoch == carry.epoch
        if record is not None and (record.response is not None or is_put):
            record.owner = owner
            self._bus.send(owner, Carried(request_id, carry.attempt))
            if record.response is not None:
                self._tell(record)
            return
        refused = self._refused(link, carry, now)
        if refused is not None or link is None:
            self._bus.send(owner, refused or NotCarried(request_id, carry.attempt, MOVED))
            return
        bus_now = max(self._bus.now(), carry.sent_at)  # it was not on its way for less than no time
        # What it accepted is in its journal: it is only asked what became of it.
        only_ask = operation.accepted_at is not None
        left = 0.0 if only_ask else carry.start_by - bus_now
        record = Record(operation, owner, carry.epoch, now + carry.wait_until - bus_now)
        rules.sent(operation, time.time())
        self._ledger.add(record)
        self._counting.carried()
        # Bytes may leave even where the attempt fails; then `Lost` comes after this.
        self._bus.send(owner, Carried(request_id, carry.attempt))
        self._links.request(link, request_for(operation, only_ask=left <= 0), now + left, lasting=False)

    def _refused(self, link: Link | None, carry: Carry, now: float) -> NotCarried | None:
        operation = carry.operation

        def no(kind: str, detail: str = "", retry_after: int | None = None) -> NotCarried:
            return NotCarried(operation.request_id, carry.attempt, kind, detail, retry_after)

        if self._lately.has(operation.request_id, now) or self._settling.is_being_stored(operation):
            return no(TOLD)
        is_there = link is not None and link.ready and link.epoch == carry.epoch and link.journal == carry.journal
        if link is None or not is_there or (carry.again and link.is_v1):
            return no(MOVED, f"kiosk {operation.kiosk_id} is not connected")
        at = self._bus.now()
        if at > carry.until or (not carry.again and at >= carry.start_by):
            return no(LATE, "the hub with the kiosk heard of it too late")
        if carry.sent_at > at + _CLOCKS_APART:  # and could be begun so much after its time
            return no(LATE, "the hub with the kiosk goes by another clock")
        try:
            if carry.again or operation.delivery == "queue":
                self._admission.check_kiosk(operation.kiosk_id)
            else:
                self._admission.check_carried(operation.kiosk_id)
                check_route(link.hello.routes if link.hello else [], operation)
        except Refused as refused:
            # A hub that stops closes its sockets in a moment: its kiosks come to another.
            kind = MOVED if refused.problem == "hub-stopping" else refused.problem
            return no(kind, refused.detail, refused.retry_after)
        return None

    def _settle(self, _owner: str, settle: Settle) -> None:
        record = self._ledger.get(settle.request_id)
        if record is None:  # settled here meanwhile, or told by its kiosk at another hub
            return
        self._remove(record)
        self.settled(settle.request_id)
        link = self._links.get(record.operation.kiosk_id)
        if link is not None and record.response is not None:
            self._links.perform(link, link.session.settle(settle.request_id))

    def _not_mine(self, _owner: str, message: NotMine) -> None:
        record = self._ledger.get(message.request_id)
        if record is not None and record.response is not None and not record.is_storing:
            self._store(record, counts=True)

    def _drop(self, owner: str, drop: Drop) -> None:
        record = self._ledger.get(drop.request_id)
        if record is not None and record.owner == owner and record.response is None:
            self._forget(record)

    def _gone(self, life: str) -> None:
        for record in self._ledger:
            if record.owner == life:
                self._act(record, record.due(self._loop.time(), owner_lives=False))

    # What kiosks say.

    def ready(self, link: Link) -> None:
        """It has a new connection here."""
        self._forget_connection(link.kiosk_id, link.epoch)

    def lost(self, link: Link) -> None:
        """It has none."""
        self._forget_connection(link.kiosk_id, -1)

    def told(self, link: Link, response: Response) -> bool:
        """Whether this outcome is of one that is carried here, and its owner hears it."""
        record = self._ledger.get(response.request_id)
        if record is None or record.operation.kiosk_id != link.kiosk_id:
            return False
        if record.response is None:
            self._ledger.answered(record, response)
            self._tell(record)
        return True

    def went_on(self, link: Link, message: Accepted | Progress) -> None:
        """It has written it down, or says how far it is."""
        record = self._ledger.get(message.request_id)
        if record is None or record.operation.kiosk_id != link.kiosk_id:
            return
        if isinstance(message, Progress):
            self._bus.send(record.owner, Went(message.request_id, link.kiosk_id, bytes(message.data)))
        else:
            rules.accepted(record.operation, time.time())
            self._bus.send(record.owner, Begun(message.request_id, link.kiosk_id))

    # What is told of late: see `settling.Abroad`.

    def ids_at(self, kiosk_id: str) -> set[str]:
        """What is carried for a kiosk: its owner asks for it."""
        return set(self._ledger.ids_at(kiosk_id))

    def owner_of(self, operation: Operation) -> str:
        """The other hub that has it under way, and lives; empty: none."""
        if operation.state not in _UNDER_WAY or operation.hub in {None, self._bus.me}:
            return ""
        return operation.hub if operation.hub is not None and self._bus.lives(operation.hub) else ""

    async def whose(self, kiosk_id: str, request_ids: list[str]) -> dict[str, tuple[str, Operation]]:
        """Of outcomes that have no row: the hub that has each under way, and what it knows of it."""
        if not request_ids or not self._bus.peers() or not self._bus.tell_all(Whose(kiosk_id, request_ids)):
            return {}
        claims = _Claims(request_ids)
        self._claims.append(claims)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WHOSE_WITHIN):
                    await claims.are_all.wait()
        finally:
            self._claims.remove(claims)
        return claims.found

    def _mine(self, owner: str, mine: Mine) -> None:
        for operation in mine.operations:
            for claims in self._claims:
                claims.add(operation, owner)

    def hand_over(self, link: Link, operation: Operation, response: Response, owner: str) -> bool:
        """Tell the owner what its kiosk told here, though it is not carried here. False if it cannot be reached."""
        if self._ledger.get(response.request_id) is not None:
            return self.told(link, response)
        record = Record(operation, owner, link.epoch, self._loop.time())
        if not self._bus.send(owner, Answered.of(link.kiosk_id, response, is_v1=link.is_v1)):
            return False
        self._ledger.add(record)
        self._ledger.answered(record, response)
        record.told_at, record.tells = self._loop.time(), 1
        return True

    def settled(self, request_id: str) -> None:
        """A kiosk heard here that it may forget this."""
        self._lately.add(request_id, self._loop.time())

    # One record.

    def _act(self, record: Record, what: Next) -> None:
        if what is Next.TELL:
            self._tell(record)
        elif what is Next.STORE:
            self._store(record, counts=not self._bus.lives(record.owner))
        elif what is Next.FORGET:
            self._forget(record)

    def _tell(self, record: Record) -> None:
        response, operation = record.response, record.operation
        assert response is not None
        link = self._links.get(operation.kiosk_id)
        message = Answered.of(operation.kiosk_id, response, is_v1=link is not None and link.is_v1)
        if self._bus.lives(record.owner) and self._bus.send(record.owner, message):
            record.told_at = self._loop.time()
            record.tells += 1
        elif not record.is_storing:
            self._store(record, counts=not self._bus.lives(record.owner))

    def _store(self, record: Record, *, counts: bool) -> None:
        """Write the outcome here, and let the kiosk forget it."""
        record.is_storing = True
        self._tasks.store(self._write(record, counts))

    async def _write(self, record: Record, counts: bool) -> None:
        operation, response = record.operation, record.response
        link = self._links.get(operation.kiosk_id)
        assert response is not None
        assert link is not None
        try:
            if await self._settling.store_carried(link, operation, response, counts=counts):
                if self._ledger.get(operation.request_id) is record:
                    self._remove(record)
                return
            await asyncio.sleep(_TICK)  # and then it is due again
        finally:
            record.is_storing = False

    def _forget(self, record: Record) -> None:
        """It is not asked for here any more."""
        self._remove(record)
        if link := self._links.get(record.operation.kiosk_id):
            link.session.forget(record.operation.request_id)

    def _remove(self, record: Record) -> None:
        self._ledger.remove(record)
        if not len(self._ledger):
            self._is_idle.set()

    def _forget_connection(self, kiosk_id: str, epoch: int) -> None:
        """What was put on an earlier connection than this is its owner's to ask for again."""
        gone: dict[str, list[str]] = {}
        for record in self._ledger.at(kiosk_id):
            if record.response is None and record.epoch != epoch:
                self._forget(record)
                gone.setdefault(record.owner, []).append(record.operation.request_id)
        for owner, request_ids in gone.items():
            self._bus.send(owner, Lost(kiosk_id, request_ids))


def check_route(routes: "list[str] | tuple[str, ...]", operation: Operation) -> None:
    """Raise `Refused` if the kiosk says that it knows no such operation."""
    if routes and operation.operation not in routes and "default" not in routes:
        detail = f"kiosk {operation.kiosk_id} has no route {operation.operation} and no default"
        raise Refused("unknown-operation", detail)
