"""Brings a backend's wish to a kiosk and its outcome back, executed at most once whatever breaks in between.

The order of things is the promise. An operation with an Idempotency-Key, and one for the queue, stands in the store
before it is sent. A kiosk's outcome is stored before the kiosk hears `settled`. A caller hears "not executed" only
when nothing was put on a socket, or when the kiosk said so; all other doubt is `unknown`, which the kiosk settles
when it can: on every hello it is asked again for what it has not answered.
"""

import asyncio
import logging
import uuid
from collections.abc import Sequence

import msgspec

from cloud.backends.limits import RateLimit
from cloud.bus.bus import Alone, Bus
from cloud.errors import Refused, StorageError
from cloud.kiosks.elsewhere import Elsewhere, Nowhere
from cloud.kiosks.inbox import Inbox
from cloud.kiosks.links import Link, Links
from cloud.kiosks.registry import Registry
from cloud.metrics import Metrics
from cloud.operations import operation as rules
from cloud.operations.admission import Admission
from cloud.operations.afar import Afar
from cloud.operations.answers import Answer, answer_of
from cloud.operations.attempts import Place
from cloud.operations.carried import Ledger
from cloud.operations.carrying import Carrying, check_route
from cloud.operations.counting import Counting
from cloud.operations.delivery import Delivery
from cloud.operations.ending import Ending
from cloud.operations.everywhere import Everywhere
from cloud.operations.far_news import FarNews
from cloud.operations.feed import Feed
from cloud.operations.news import Item, News
from cloud.operations.operation import Operation, State
from cloud.operations.order import Order, operation_of
from cloud.operations.queue import Queue
from cloud.operations.queued_rows import QueuedRows
from cloud.operations.repeating import Repeating
from cloud.operations.resolutions import Resolutions
from cloud.operations.running import Books, Running
from cloud.operations.settling import Settling, request_for
from cloud.operations.shared_queue import SharedDelivery
from cloud.operations.store import Store
from cloud.operations.tasks import Tasks
from wire.legacy import NO_JOURNAL
from wire.messages import Accepted, Event, Events, Message, Progress, Response, Responses

log = logging.getLogger(__name__)

# A kiosk that was here this recently may be changing its socket: its operations wait for the grace.
_RECENT = 60.0
# Of a caller's time, what is kept back so that "could not be started in time" still reaches the caller in time.
_MARGIN, _MARGIN_PART = 1.0, 0.25
_STORE_RETRY = 1.0
_STORE_AT_STOP = 1.0
_PROGRESS_KEPT_BYTES = 4096  # of each operation under way


class Operations:
    """All operations of this hub, and the owner of its links."""

    def __init__(
        self,
        *,
        registry: Registry,
        links: Links,
        inbox: Inbox,
        store: Store,
        resolutions: Resolutions,
        news: News,
        feed: Feed,
        metrics: Metrics,
        grace: float,
        default_timeout: float,
        kiosk_limit: RateLimit,
        running_max: int,
        queue_max: int,
        bus: Bus | None = None,
        elsewhere: Elsewhere | None = None,
        rows: QueuedRows | None = None,
    ) -> None:
        """`rows` is the queue of hubs that share it; without, this hub's is its own."""
        self._bus: Bus = bus or Alone(uuid.uuid4().hex)
        # Hubs that share a database go by its clock: one of them that is wrong about the time is wrong for itself.
        self._unix = self._bus.now if rows is None else rows.clock.now
        self._elsewhere: Elsewhere = elsewhere or Nowhere()
        self._links = links
        self._inbox = inbox
        self._store = store
        self._news = news
        self._feed = feed
        self._grace = grace
        self._default_timeout = default_timeout
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._books = Books()
        metrics.running.set_function(self._books.__len__)
        self._queue = Queue()
        metrics.queued.set_function(lambda: self.queued)
        ledger = Ledger()
        metrics.carrying.set_function(ledger.__len__)
        self._admission = Admission(
            registry=registry,
            books=self._books,
            ledger=ledger,
            queue=self._queue,
            kiosk_limit=kiosk_limit,
            running_max=running_max,
            queue_max=queue_max,
        )
        self._counting = Counting(metrics, feed)
        # Also of use to who settles by hand what nobody else can.
        self.settling = self._settling = Settling(
            links=links,
            store=store,
            resolutions=resolutions,
            books=self._books,
            news=news,
            counting=self._counting,
            wall=None if rows is None else rows.clock.now,
            is_shared=rows is not None,
        )
        self._shared = None if rows is None else self._share(rows, queue_max)
        self._delivery: Delivery | SharedDelivery = (
            self._shared
            if self._shared is not None
            else Delivery(
                links=links,
                store=store,
                books=self._books,
                queue=self._queue,
                counting=self._counting,
                settling=self._settling,
                launch=self._launch_queued,
            )
        )
        self._ending = Ending(
            links=links,
            store=store,
            books=self._books,
            counting=self._counting,
            settling=self._settling,
            tasks=self._tasks,
            grace=grace,
            ended=self._deliver,
            unix=self._unix,
        )
        self._settling.is_being_freed = self._ending.freeing.__contains__
        self._carrying: Carrying | None = None
        self._afar: Afar | None = None
        if self._bus.is_shared:
            self._carrying = self._carry_for_others(ledger)
            self._afar = self._reach_afar()
        # Of use too to who looks at operations, and settles them, whichever hub has them.
        self.everywhere = Everywhere(
            bus=self._bus,
            elsewhere=self._elsewhere,
            links=links,
            books=self._books,
            store=store,
            freeing=self._ending.freeing,
            settling=self._settling,
        )
        self._far_news = FarNews(bus=self._bus, news=news, books=self._books, store=store, resolutions=resolutions)
        self._repeating = Repeating(
            bus=self._bus,
            elsewhere=self._elsewhere,
            links=links,
            store=store,
            news=news,
            everywhere=self.everywhere,
            freeing=self._ending.freeing,
        )

    def _carry_for_others(self, ledger: Ledger) -> Carrying:
        carrying = Carrying(
            bus=self._bus,
            links=self._links,
            settling=self._settling,
            admission=self._admission,
            ledger=ledger,
            counting=self._counting,
            tasks=self._tasks,
        )
        self._settling.abroad = carrying
        self._ending.carried = carrying.told
        return carrying

    def _reach_afar(self) -> Afar:
        afar = Afar(
            bus=self._bus,
            links=self._links,
            elsewhere=self._elsewhere,
            books=self._books,
            store=self._store,
            counting=self._counting,
            ending=self._ending,
            tasks=self._tasks,
            accepted=self._accepted,
            progress=self._progressed,
        )
        self._ending.forget, self._ending.look_first = afar.forget, afar.look_first
        return afar

    def _share(self, rows: QueuedRows, queue_max: int) -> SharedDelivery:
        return SharedDelivery(
            rows=rows,
            bus=self._bus,
            elsewhere=self._elsewhere,
            links=self._links,
            store=self._store,
            books=self._books,
            counting=self._counting,
            settling=self._settling,
            launch=self._launch_queued,
            spawn=self._tasks.spawn,
            queue_max=queue_max,
        )

    async def start(self) -> None:
        """Take up what an earlier life of the hub left."""
        left = await self._store.abandon("the hub was restarted while it waited for the answer")
        if left:
            log.warning(
                "operations of the hub's earlier life are unknown until their kiosk tells", extra={"count": left}
            )
        await self._delivery.take_up()
        self._tasks.spawn(self._delivery.expire())
        if self._bus.is_shared:
            self._tasks.spawn(self._far_news.run())
        if self._carrying is not None and self._afar is not None:
            self._tasks.spawn(self._carrying.run())
            self._tasks.spawn(self._afar.run())

    async def stop(self, timeout: float) -> None:
        """Take nothing new, let what runs end for up to `timeout` seconds, tell the rest the truth, store all."""
        self._ending.is_stopping = self._admission.closed = True
        if self._shared is not None:
            self._shared.closed = True
        # Nobody waits for what was queued: the kiosk is asked for it by the hub's next life.
        now = [running for running in self._books if running.operation.delivery == "now"]
        waiting = [running.answer for running in now if not running.answered]
        until = self._loop.time() + timeout
        if waiting:
            await asyncio.wait(waiting, timeout=timeout)
        if self._carrying is not None:
            await self._carrying.idle(until - self._loop.time())
        self._admission.ended = True
        for running in self._books:
            self._ending.give_up(running, "timeout", "the hub restarts and could not wait for the answer any longer")
        await self._tasks.stop(_STORE_AT_STOP)

    @property
    def running(self) -> int:
        """How many operations are under way."""
        return len(self._books)

    @property
    def queued(self) -> int:
        """How many operations wait for their kiosk; of a queue that is shared, at all hubs together."""
        return len(self._queue if self._shared is None else self._shared)

    def running_at(self, kiosk_id: str) -> int:
        """How many operations of one kiosk this hub has under way."""
        return self._books.count_at(kiosk_id)

    def is_busy(self, kiosk_id: str) -> bool:
        """Whether anything goes on at a kiosk here: this hub's operations, or what is carried for others."""
        return bool(self._books.count_at(kiosk_id) or (self._carrying and self._carrying.ids_at(kiosk_id)))

    async def load_of(self, kiosk_id: str) -> tuple[int, int]:
        """How many operations of one kiosk are under way, and how many wait for it. At all hubs, as far as they answer.

        A queue in a database that does not answer counts as empty.
        """
        here = self._books.count_at(kiosk_id)
        if self._shared is None:
            return here, self._queue.count_of(kiosk_id)
        waiting = asyncio.ensure_future(self._shared.count_of(kiosk_id))
        running = here + await self.everywhere.load_of(kiosk_id)
        try:
            return running, await waiting
        except StorageError:
            return running, 0

    # What backends want.

    async def send(self, order: Order) -> Answer:
        """Have an order carried out and wait for its answer, or for the certainty that it is queued.

        Raises `Refused` when it did not become an operation; then nothing was and nothing will be executed.
        """
        try:
            return await self._send(order)
        except Refused as refused:
            self._feed.refused(order, refused)
            raise

    async def _send(self, order: Order) -> Answer:
        operation = operation_of(order, self._unix(), self._bus.me)
        is_taken = not self._admission.closed  # from now on a hub that begins to end waits for it
        is_here = self._afar is None or not self._afar.places.is_elsewhere(order.kiosk_id)
        if order.idempotency_key is None:
            self._admission.check(order, is_here=is_here)
        elif (first := self._books.with_key(order.idempotency_key)) is not None:
            return await self._repeating.join(first, operation, order.timeout)
        now = self._loop.time()
        patience = order.timeout - min(_MARGIN, order.timeout * _MARGIN_PART)
        running = Running(operation, now, now + (order.expires if order.expires is not None else patience))
        self._books.add(running)
        # Of an operation that its key stands for "not executed" would be false: before anything is refused, the first
        # with it is looked for. Where the kiosk is at hand nothing mostly is, and the claim finds that first one.
        has_looked = order.idempotency_key is None or not self._is_at_hand(order)
        is_counted = False  # it took from its kiosk's limit, and a repetition is to give that back
        try:
            if has_looked and order.idempotency_key is not None:
                earlier = await self._repeating.first_with(order.idempotency_key)
                if earlier is not None:
                    return self._ending.early(running, await self._repeating.replay(earlier, operation, order.timeout))
            try:
                if order.idempotency_key is not None:
                    self._admission.check(order, is_here=is_here, is_taken=is_taken)
                    is_counted = is_here
                reached = await self._reach(order, operation) if order.expires is None else None
            except Refused:
                # Where it was looked for, another hub may have begun it since.
                earlier = None if has_looked and not self._bus.is_shared else await self._first(order)
                if earlier is None:
                    raise
                if is_counted:
                    self._admission.give_back(order)
                return self._ending.early(running, await self._repeating.replay(earlier, operation, order.timeout))
            if reached is None:
                return await self._enqueue(running)
            if order.idempotency_key is not None:
                earlier = await self._claim(running, reached)
                if earlier is not None:
                    operation.state, operation.sent_at = State.QUEUED, None  # or a stop would give it up, and store it
                    if is_counted:
                        self._admission.give_back(order)
                    return self._ending.early(running, await self._repeating.replay(earlier, operation, order.timeout))
        except StorageError as error:
            refused = self._not_claimed(running, error)
            self._ending.early(running, refused)
            raise refused from error
        except BaseException as error:
            self._ending.early(running, error)
            raise
        running.deadline = self._loop.call_at(now + order.timeout, self._ending.deadline, running)
        if isinstance(reached, Link):
            self._put_on_socket(reached, running)
        else:
            self._give(running)
        return await running.answer

    def _is_at_hand(self, order: Order) -> bool:
        """Whether it can be put on a socket, or given to the hub that has one, without waiting."""
        if order.expires is not None:
            return False
        if self._afar is not None:
            return self._afar.places.get(order.kiosk_id) is not None
        link = self._links.get(order.kiosk_id)
        return link is not None and link.ready

    async def _first(self, order: Order) -> Operation | None:
        """What its key stands for, where it has one. Raises `Refused`."""
        return None if order.idempotency_key is None else await self._repeating.first_with(order.idempotency_key)

    async def find(self, request_id: str) -> Operation:
        """An operation as it stands, whichever hub has it. Raises `Refused` (not-found), `StorageError`."""
        return (await self.look(request_id))[0]

    async def look(self, request_id: str) -> tuple[Operation, msgspec.Raw | None]:
        """The same, and what its kiosk last told of one under way; None: nothing, or too much to be kept."""
        known = await self.everywhere.look(request_id)
        if known.operation is None:
            detail = f"there is no operation {request_id}"
            raise Refused("not-found", detail, request_id=request_id, fact="no-operation", id=request_id)
        self._far_news.seen(request_id, known.operation.state)
        return known.operation, None if known.progress is None else msgspec.Raw(known.progress)

    async def under_way(self, kiosk_id: str = "", operation: str = "", beginning: str = "") -> list[Operation]:
        """What is under way, here and at the other hubs, as far as they answer; of what is there no bodies.

        Without an Idempotency-Key it has no row before it has ended. Of one kiosk, of one name, with ids that begin so.
        """
        here = [running.operation for running in self._books]
        return here + await self.everywhere.under_way(kiosk_id, operation, beginning)

    async def latest(self, operations: Sequence[Operation]) -> list[Operation]:
        """What is known of operations read from the store: those under way are ahead of their rows."""
        return await self.everywhere.latest(operations)

    async def cancel(self, request_id: str) -> Operation:
        """Wish that it be not executed. What the kiosk has begun over HTTP goes on; its outcome tells.

        Raises `Refused`: not-found, or conflict if it has ended.
        """
        operation = await self.find(request_id)
        if operation.is_final:
            raise Refused("conflict", f"the operation has ended: {operation.state}", request_id=request_id)
        if not await self._delivery.cancel(operation):
            await self.everywhere.cancel(operation)
        return operation

    # What kiosks say: `links.Owner`.

    def kiosk_ready(self, link: Link) -> None:
        """A kiosk takes requests: what waits for it goes out, what it never answered is asked for."""
        if self._carrying is not None and self._afar is not None:
            self._carrying.ready(link)
            self._afar.moved(link.kiosk_id)
        elif not link.is_v1:  # to a v1 client nothing is sent twice; its answer may still come
            for running in self._books.at(link.kiosk_id):
                if running.operation.journal == NO_JOURNAL:  # sent to the v1 client that was here before
                    continue
                running.operation.journal = running.operation.journal or link.journal
                running.sent = True  # the session has just sent again all that was outstanding
                if running.lost is not None:
                    running.lost.cancel()
                    running.lost = None
        if not link.is_v1:
            self._tasks.spawn(self._settling.ask_again(link))
        if self._shared is not None:
            self._shared.came(link.kiosk_id)
        self._deliver(link.kiosk_id)

    def kiosk_lost(self, link: Link) -> None:
        """Its socket broke: callers are told after the grace, unless it comes back before."""
        if self._carrying is not None and self._afar is not None:
            self._carrying.lost(link)
            self._afar.moved(link.kiosk_id)
            return
        for running in self._books.at(link.kiosk_id):
            self._ending.away(running)

    def kiosk_said(self, link: Link, message: Message) -> None:
        """A kiosk's news."""
        if isinstance(message, Response):
            self._ending.answered(link, message)
        elif isinstance(message, Responses):
            self._ending.answered_together(link, message)
        elif isinstance(message, Event | Events):
            self._inbox.take(link, message)
        elif isinstance(message, Accepted | Progress):
            running = self._books.get(message.request_id)
            if running is None or running.operation.kiosk_id != link.kiosk_id:
                if self._carrying is not None:
                    self._carrying.went_on(link, message)
            elif isinstance(message, Progress):
                self._progressed(running, bytes(message.data))
            else:
                self._accepted(running)

    def _accepted(self, running: Running) -> None:
        if rules.accepted(running.operation, self._unix()):
            self._settling.tell(running.operation)

    def _progressed(self, running: Running, data: bytes) -> None:
        running.progress = msgspec.Raw(data) if len(data) <= _PROGRESS_KEPT_BYTES else None
        self._news.tell(running.operation.request_id, Item("progress", msgspec.Raw(data)))

    def orphaned(self, link: Link, request_id: str) -> None:
        """The kiosk cannot know any more: the journal it had when this was sent is gone."""
        detail = "the kiosk came back without the journal that it had when this was sent"
        running = self._books.get(request_id)
        if running is not None:
            running.operation.executed = "unknown"
            self._ending.give_up(running, "interrupted", detail)
        else:
            self._tasks.store(self._settling.orphaned(link.kiosk_id, request_id, detail))

    # Sending.

    async def _claim(self, running: Running, reached: Link | Place) -> Operation | None:
        """Write it before it is sent. Returns the first with its key where it is not that itself. Raises `Refused`."""
        operation = running.operation
        operation.journal = reached.journal
        operation.state, operation.sent_at = State.SENT, self._unix()
        try:
            return await self._store.claim(operation)
        except StorageError as error:
            refused = self._not_claimed(running, error)
            if refused.problem == "hub-storage" and operation.idempotency_key is not None:
                first = await self._repeating.first_with(operation.idempotency_key)  # of that nothing was said yet
                if first is not None and first.request_id != operation.request_id:
                    return first
            raise refused from error

    def _not_claimed(self, running: Running, error: StorageError) -> Refused:
        """Its row could not be written and read back. It may stand there all the same."""
        operation = running.operation
        has_key = operation.idempotency_key is not None
        if operation.delivery == "queue" and (has_key or self._shared is not None or error.may_stand):
            self._tasks.spawn(self._take_up(running))
            # Where it stands in the queue of all, another hub may send it by now. What stands in this hub's own, and
            # could not be taken out before the hub ends, its next life sends.
            if not has_key:
                return Refused("timeout", "it may be queued; its id tells", request_id=operation.request_id)
            return Refused("key-unchecked", "it may be queued; repeat with the same key", retry_after=5)
        if operation.delivery == "queue" or has_key:
            self._ending.free(operation)
        if has_key and self._bus.is_shared:
            # Another hub may have been asked with this key in the same moment, and have sent it.
            return Refused("key-unchecked", "nothing was sent from here; repeat with the same key", retry_after=5)
        return Refused("hub-storage", "nothing was sent to the kiosk", retry_after=5)

    async def _take_up(self, running: Running) -> None:
        """Queue an operation of which it is not known whether it stands in the store, once that is known."""
        operation = running.operation
        while True:
            try:
                await self._store.flush()  # the session that was lost is over then, and its commit decided
                found = await self._store.find(operation.request_id)
            except StorageError:
                await asyncio.sleep(_STORE_RETRY)
                continue
            if found is not None and found.state is State.QUEUED:
                self._add(running)
                self._deliver(operation.kiosk_id)
            return

    async def _reach(self, order: Order, operation: Operation) -> Link | Place:
        link = self._links.get(order.kiosk_id)
        recent = link is not None and (
            link.socket is not None or (link.lost_at is not None and self._loop.time() - link.lost_at < _RECENT)
        )
        wait = min(self._grace, order.timeout)
        if self._afar is not None:
            place = await self._afar.places.reach(operation, wait, is_recent=recent)
            self._admission.check_kiosk(order.kiosk_id, is_taken=True)
            return place
        if link is None or not link.ready:
            link = await self._links.wait_ready(order.kiosk_id, wait) if recent and wait else None
            if link is None:
                raise Refused("kiosk-offline", f"kiosk {order.kiosk_id} is not connected", retry_after=10)
            self._admission.check_kiosk(order.kiosk_id, is_taken=True)
        check_route(link.hello.routes if link.hello else (), operation)
        return link

    def _give(self, running: Running) -> None:
        """Have it put on a socket, here or at another hub."""
        assert self._afar is not None
        rules.sent(running.operation, self._unix())
        self._settling.tell(running.operation)
        self._feed.begun(running.operation)
        self._afar.launch(running)

    def _put_on_socket(self, link: Link, running: Running) -> None:
        operation = running.operation
        operation.journal = link.journal
        # Bytes may have left even where the attempt failed. Where there was no socket at all, none have: the next
        # hello sends it, or `_lost` takes it back.
        running.sent = link.ready
        rules.sent(operation, self._unix())
        self._links.request(link, request_for(operation), running.start_by)
        self._settling.tell(operation)
        self._feed.begun(operation)
        if not link.ready:
            self.kiosk_lost(link)

    # The queue.

    async def _enqueue(self, running: Running) -> Answer:
        operation = running.operation
        if self._shared is None:
            earlier = await self._store.claim(operation)
        else:
            async with self._shared.admitted(operation):
                earlier = await self._store.claim(operation)
        if earlier is not None:
            return self._ending.early(running, await self._repeating.replay(earlier, operation, self._default_timeout))
        self._add(running)
        answer = self._ending.early(running, answer_of(operation))
        self._feed.begun(operation)
        self._deliver(operation.kiosk_id)
        return answer

    def _add(self, running: Running) -> None:
        operation = running.operation
        if self._shared is None:
            self._queue.add(operation.kiosk_id, operation.request_id, running.start_by)
        else:
            self._shared.add(operation)

    def _deliver(self, kiosk_id: str) -> None:
        if self._delivery.is_due(kiosk_id) and not self._ending.is_stopping:
            self._tasks.spawn(self._delivery.deliver(kiosk_id))

    def _launch_queued(self, link: Link, running: Running) -> None:
        # Started in time at the latest, it has as long to answer as any other.
        at = running.start_by + self._default_timeout
        running.deadline = self._loop.call_at(at, self._ending.deadline, running)
        if self._afar is not None:
            self._give(running)
        else:
            self._put_on_socket(link, running)
