"""Brings a backend's wish to a kiosk and its outcome back, executed at most once whatever breaks in between.

The order of things is the promise. An operation with an Idempotency-Key, and one for the queue, stands in the store
before it is sent. A kiosk's outcome is stored before the kiosk hears `settled`. A caller hears "not executed" only
when nothing was put on a socket, or when the kiosk said so; all other doubt is `unknown`, which the kiosk settles
when it can: on every hello it is asked again for what it has not answered.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

import msgspec

from cloud.backends.limits import RateLimit
from cloud.errors import Refused, StorageError
from cloud.kiosks.inbox import Inbox
from cloud.kiosks.links import Link, Links
from cloud.kiosks.registry import Registry
from cloud.metrics import Metrics
from cloud.operations import operation as rules
from cloud.operations.admission import Admission
from cloud.operations.answers import Answer, answer_of
from cloud.operations.counting import Counting
from cloud.operations.delivery import Delivery
from cloud.operations.freeing import Freeing
from cloud.operations.news import Item, News
from cloud.operations.operation import Operation, State
from cloud.operations.order import Order, operation_of
from cloud.operations.queue import Queue
from cloud.operations.running import Books, Running
from cloud.operations.settling import Settling, request_for
from cloud.operations.store import Store
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
        news: News,
        metrics: Metrics,
        grace: float,
        default_timeout: float,
        kiosk_limit: RateLimit,
        running_max: int,
        queue_max: int,
    ) -> None:
        self._links = links
        self._inbox = inbox
        self._store = store
        self._news = news
        self._grace = grace
        self._default_timeout = default_timeout
        self._loop = asyncio.get_running_loop()
        self._books = Books()
        metrics.running.set_function(self._books.__len__)
        self._queue = Queue()
        metrics.queued.set_function(self._queue.__len__)
        self._admission = Admission(
            registry=registry,
            books=self._books,
            queue=self._queue,
            kiosk_limit=kiosk_limit,
            running_max=running_max,
            queue_max=queue_max,
        )
        self._counting = Counting(metrics)
        self._settling = Settling(links=links, store=store, books=self._books, news=news, counting=self._counting)
        self._delivery = Delivery(
            links=links,
            store=store,
            books=self._books,
            queue=self._queue,
            counting=self._counting,
            settling=self._settling,
            launch=self._launch_queued,
        )
        self._freeing = Freeing(store)
        self._tasks: set[asyncio.Task[None]] = set()
        self._storing: set[asyncio.Future[Any]] = set()
        self._unwritten: set[asyncio.Future[Any]] = set()
        self._stopping = False

    async def start(self) -> None:
        """Take up what an earlier life of the hub left."""
        left = await self._store.abandon("the hub was restarted while it waited for the answer")
        if left:
            log.warning(
                "operations of the hub's earlier life are unknown until their kiosk tells", extra={"count": left}
            )
        await self._delivery.take_up()
        self._spawn(self._delivery.expire())

    async def stop(self, timeout: float) -> None:
        """Take nothing new, let what runs end for up to `timeout` seconds, tell the rest the truth, store all."""
        self._stopping = self._admission.closed = True
        # Nobody waits for what was queued: the kiosk is asked for it by the hub's next life.
        now = [running for running in self._books if running.operation.delivery == "now"]
        waiting = [running.answer for running in now if not running.answered]
        if waiting:
            await asyncio.wait(waiting, timeout=timeout)
        for running in self._books:
            self._give_up(running, "timeout", "the hub restarts and could not wait for the answer any longer")
        if pending := self._storing | self._unwritten:
            await asyncio.wait(pending, timeout=_STORE_AT_STOP)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def running(self) -> int:
        """How many operations are under way."""
        return len(self._books)

    @property
    def queued(self) -> int:
        """How many operations wait for their kiosk."""
        return len(self._queue)

    # What backends want.

    async def send(self, order: Order) -> Answer:
        """Have an order carried out and wait for its answer, or for the certainty that it is queued.

        Raises `Refused` when it did not become an operation; then nothing was and nothing will be executed.
        """
        operation = operation_of(order)
        if order.idempotency_key is None:
            self._admission.check(order)
        elif (first := self._books.with_key(order.idempotency_key)) is not None:
            return await self._join(first, operation, order.timeout)
        now = self._loop.time()
        patience = order.timeout - min(_MARGIN, order.timeout * _MARGIN_PART)
        running = Running(operation, now, now + (order.expires if order.expires is not None else patience))
        self._books.add(running)
        try:
            if order.idempotency_key is not None:
                # Before anything is refused: "not executed" would be false of an operation this key stands for.
                earlier = await self._find_by_key(order.idempotency_key)
                if earlier is not None:
                    return self._end_early(running, await self._replay(earlier, operation, order.timeout))
                self._admission.check(order)
            if order.expires is not None:
                return await self._enqueue(running)
            link = await self._reach(order)
            if order.idempotency_key is not None:
                operation.journal = link.journal
                operation.state, operation.sent_at = State.SENT, time.time()
                earlier = await self._store.claim(operation)
                if earlier is not None:
                    return self._end_early(running, await self._replay(earlier, operation, order.timeout))
        except StorageError as error:
            refused = self._not_claimed(running)
            self._end_early(running, refused)
            raise refused from error
        except BaseException as error:
            self._end_early(running, error)
            raise
        running.deadline = self._loop.call_at(now + order.timeout, self._deadline, running)
        self._put_on_socket(link, running)
        return await running.answer

    async def find(self, request_id: str) -> Operation:
        """An operation as it stands. Raises `Refused` (not-found)."""
        running = self._books.get(request_id)
        found = running.operation if running else await self._store.find(request_id)
        if found is None:
            raise Refused("not-found", f"there is no operation {request_id}", request_id=request_id)
        return found

    def latest(self, operation: Operation) -> Operation:
        """What is known here of an operation read from the store: one under way is ahead of its row."""
        running = self._books.get(operation.request_id)
        return running.operation if running else operation

    def progress(self, request_id: str) -> msgspec.Raw | None:
        """What its kiosk last told of one under way; None: nothing, or too much to be kept."""
        running = self._books.get(request_id)
        return None if running is None else running.progress

    async def cancel(self, request_id: str) -> Operation:
        """Wish that it be not executed. What the kiosk has begun over HTTP goes on; its outcome tells.

        Raises `Refused`: not-found, or conflict if it has ended.
        """
        operation = await self.find(request_id)
        if operation.is_final:
            raise Refused("conflict", f"the operation has ended: {operation.state}", request_id=request_id)
        link = self._links.get(operation.kiosk_id)
        if not await self._delivery.cancel(operation) and link is not None:
            self._links.perform(link, link.session.cancel(request_id))
        return operation

    # What kiosks say: `links.Owner`.

    def kiosk_ready(self, link: Link) -> None:
        """A kiosk takes requests: what waits for it goes out, what it never answered is asked for."""
        if not link.is_v1:  # to a v1 client nothing is sent twice; its answer may still come
            for running in self._books.at(link.kiosk_id):
                if running.operation.journal == NO_JOURNAL:  # sent to the v1 client that was here before
                    continue
                running.operation.journal = running.operation.journal or link.journal
                running.sent = True  # the session has just sent again all that was outstanding
                if running.lost is not None:
                    running.lost.cancel()
                    running.lost = None
            self._spawn(self._settling.ask_again(link))
        self._deliver(link.kiosk_id)

    def kiosk_lost(self, link: Link) -> None:
        """Its socket broke: callers are told after the grace, unless it comes back before."""
        for running in self._books.at(link.kiosk_id):
            waits = running.deadline is not None and running.lost is None and not running.answered
            if waits and running.operation.delivery == "now":  # what was queued has time until it expires
                running.lost = self._loop.call_later(self._grace, self._lost, running)

    def kiosk_said(self, link: Link, message: Message) -> None:
        """A kiosk's news."""
        if isinstance(message, Response):
            self._answered(link, message)
        elif isinstance(message, Responses):
            self._answered_together(link, message)
        elif isinstance(message, Event | Events):
            self._inbox.take(link, message)
        elif isinstance(message, Accepted | Progress):
            running = self._books.get(message.request_id)
            if running is None or running.operation.kiosk_id != link.kiosk_id:
                return
            if isinstance(message, Progress):
                short = len(bytes(message.data)) <= _PROGRESS_KEPT_BYTES
                running.progress = msgspec.Raw(bytes(message.data)) if short else None
                self._news.tell(message.request_id, Item("progress", message.data))
            elif rules.accepted(running.operation, time.time()):
                self._settling.tell(running.operation)

    def orphaned(self, link: Link, request_id: str) -> None:
        """The kiosk cannot know any more: the journal it had when this was sent is gone."""
        detail = "the kiosk came back without the journal that it had when this was sent"
        running = self._books.get(request_id)
        if running is not None:
            running.operation.executed = "unknown"
            self._give_up(running, "interrupted", detail)
        else:
            self._store_later(self._settling.orphaned(link.kiosk_id, request_id, detail))

    # Sending.

    async def _find_by_key(self, key: str) -> Operation | None:
        try:
            return await self._store.find_by_key(key)
        except StorageError as error:
            raise Refused("key-unchecked", f"{error}; repeat with the same key", retry_after=5) from error

    def _not_claimed(self, running: Running) -> Refused:
        """Its row could not be written and read back. It may stand there all the same."""
        operation = running.operation
        if operation.delivery == "queue" and operation.idempotency_key is not None:
            self._spawn(self._take_up(running))
            return Refused("key-unchecked", "it may be queued; repeat with the same key", retry_after=5)
        if operation.delivery == "queue" or operation.idempotency_key is not None:
            self._free(operation)
        return Refused("hub-storage", "nothing was sent to the kiosk", retry_after=5)

    async def _take_up(self, running: Running) -> None:
        """Queue an operation of which it is not known whether it stands in the store, once that is known."""
        operation = running.operation
        while True:
            try:
                found = await self._store.find(operation.request_id)
            except StorageError:
                await asyncio.sleep(_STORE_RETRY)
                continue
            if found is not None and found.state is State.QUEUED:
                self._queue.add(operation.kiosk_id, operation.request_id, running.start_by)
                self._deliver(operation.kiosk_id)
            return

    async def _reach(self, order: Order) -> Link:
        link = self._links.get(order.kiosk_id)
        if link is None or not link.ready:
            recent = link is not None and (
                link.socket is not None or (link.lost_at is not None and self._loop.time() - link.lost_at < _RECENT)
            )
            wait = min(self._grace, order.timeout)
            link = await self._links.wait_ready(order.kiosk_id, wait) if recent and wait else None
            if link is None:
                raise Refused("kiosk-offline", f"kiosk {order.kiosk_id} is not connected", retry_after=10)
            self._admission.check_kiosk(order.kiosk_id)
        hello = link.hello
        if hello and hello.routes and order.operation not in hello.routes and "default" not in hello.routes:
            raise Refused("unknown-operation", f"kiosk {order.kiosk_id} has no route {order.operation} and no default")
        return link

    def _put_on_socket(self, link: Link, running: Running) -> None:
        operation = running.operation
        operation.journal = link.journal
        # Bytes may have left even where the attempt failed. Where there was no socket at all, none have: the next
        # hello sends it, or `_lost` takes it back.
        running.sent = link.ready
        rules.sent(operation, time.time())
        self._links.request(link, request_for(operation), running.start_by)
        self._settling.tell(operation)
        if not link.ready:
            self.kiosk_lost(link)

    # The ways an operation ends.

    def _answered(self, link: Link, response: Response) -> None:
        running = self._books.get(response.request_id)
        self._settling.heard(link, response.request_id)
        if running is None:
            if storing := self._settling.late(link, response):
                self._store_later(storing)
            return
        if running.operation.kiosk_id != link.kiosk_id:
            self._settling.not_its_own(link, response.request_id)
            return
        if rules.is_forgotten(running.operation, response):
            self._counting.forgotten(running.operation)
        is_news = rules.answered(running.operation, response, time.time())
        if is_news:
            if running.answered:  # the caller was told that it is unknown, and now it is known
                self._counting.ended(running.operation)
                self._settling.tell(running.operation)
            elif not link.is_v1:
                self._resolve(running)
        if is_news or not running.settling:
            self._store_outcome(running, link)

    def _answered_together(self, link: Link, message: Responses) -> None:
        late: list[Response] = []
        for response in message.responses:
            if self._books.get(response.request_id) is None:
                self._settling.heard(link, response.request_id)
                late.append(response)
            else:
                self._answered(link, response)
        if storing := self._settling.late_batch(link, late):
            self._store_later(storing)
        if not message.more:
            self._settling.told_all(link)

    def _deadline(self, running: Running) -> None:
        if running.sent:
            waited = self._loop.time() - running.started
            self._give_up(running, "timeout", f"sent to the kiosk, and no answer within {waited:.0f} s")
        else:
            self._take_back(running)

    def _lost(self, running: Running) -> None:
        running.lost = None
        if running.sent:
            detail = f"the kiosk's connection broke and it did not come back within {self._grace:g} s"
            self._give_up(running, "kiosk-lost", detail)
        else:
            self._take_back(running)

    def _take_back(self, running: Running) -> None:
        """It never was put on a socket: it is not executed, and its key is free again."""
        operation = running.operation
        if operation.delivery == "queue":  # its caller was given its id, and may ask what became of it
            self._give_up(running, "expired", f"kiosk {operation.kiosk_id} went away before it was sent")
            return
        if link := self._links.get(operation.kiosk_id):
            link.session.forget(operation.request_id)
        if operation.idempotency_key is not None:
            self._free(operation)
        operation.state, operation.problem = State.EXPIRED, "kiosk-offline"
        self._counting.ended(operation, self._loop.time() - running.started)
        self._settling.tell(operation)
        detail = f"kiosk {operation.kiosk_id} is not connected"
        self._end_early(running, Refused("kiosk-offline", detail, retry_after=10, request_id=operation.request_id))

    def _give_up(self, running: Running, problem: str, detail: str) -> None:
        """Wait no longer. What the kiosk says later still counts."""
        operation = running.operation
        if running.answered or operation.state is State.QUEUED:
            return
        if link := self._links.get(operation.kiosk_id):
            link.session.forget(operation.request_id)
        rules.given_up(operation, problem, detail, time.time())
        self._settling.gave_up(running)
        self._resolve(running)
        self._store_outcome(running, None)

    def _resolve(self, running: Running) -> None:
        """Tell whoever waits."""
        running.answered = True
        if not running.answer.done():
            running.answer.set_result(answer_of(running.operation))
        self._counting.ended(running.operation, self._loop.time() - running.started)
        self._settling.tell(running.operation)

    def _store_outcome(self, running: Running, link: Link | None) -> None:
        """Write the outcome, then let the kiosk forget it; try again until it is written."""

        def written(future: asyncio.Future[Any]) -> None:
            self._unwritten.discard(future)
            error = None if future.cancelled() else future.exception()
            if error is None:
                self._stored(running, link)
                return
            extra = {"request_id": running.operation.request_id, "error": str(error)[:200]}
            log.error("an outcome could not be stored, trying again", extra=extra)
            if not self._stopping:
                self._loop.call_later(_STORE_RETRY, self._store_outcome, running, link)

        running.settling = running.settling or link is not None
        future = self._store.put(running.operation)
        self._unwritten.add(future)
        future.add_done_callback(written)

    def _stored(self, running: Running, link: Link | None) -> None:
        operation = running.operation
        if link is not None:
            if not running.answered:  # a v1 client has no journal: its outcome is told only once it is safe here
                self._resolve(running)
            self._links.perform(link, link.session.settle(operation.request_id))
        self._books.remove(running)
        self._deliver(operation.kiosk_id)

    def _free(self, operation: Operation) -> None:
        if self._freeing.free(operation.request_id):
            self._store_later(self._freeing.run())

    # Repetitions.

    async def _join(self, running: Running, operation: Operation, timeout: float) -> Answer:
        """The same key while the first still runs: wait with it."""
        first = running.operation
        if first.fingerprint != operation.fingerprint and operation.idempotency_key is not None:
            # The first itself may be the one that is not what the key stands for, and not have been told yet.
            earlier = await self._find_by_key(operation.idempotency_key)
            if earlier is not None:
                return await self._replay(earlier, operation, timeout)
        _check_same(first, operation)
        try:
            async with asyncio.timeout(timeout):
                answer = await asyncio.shield(running.answer)
        except TimeoutError:
            detail = f"the operation with this key still runs after {timeout:.0f} s"
            raise Refused("timeout", detail, request_id=first.request_id) from None
        return msgspec.structs.replace(answer, replayed=True)

    async def _replay(self, earlier: Operation, operation: Operation, timeout: float) -> Answer:
        """The same key after the first ended, or while its outcome is open."""
        _check_same(earlier, operation)
        if earlier.request_id in self._freeing:
            raise Refused("key-unchecked", "its first use is being undone; repeat with the same key", retry_after=2)
        try:
            return await self._replay_known(earlier, timeout)
        except StorageError as error:  # "not executed" would be said of the first
            detail = f"{error}; repeat with the same key"
            raise Refused("key-unchecked", detail, retry_after=5, request_id=earlier.request_id) from error

    async def _replay_known(self, earlier: Operation, timeout: float) -> Answer:
        link = self._links.get(earlier.kiosk_id)
        if earlier.delivery == "now" and not earlier.is_final and earlier.executed is None and link and link.ready:
            # The kiosk is there and has not said anything yet: it may do so within the caller's time.
            with self._news.subscribe(earlier.request_id) as news:
                earlier = await self._store.find(earlier.request_id) or earlier  # it may have come before the watch
                if not earlier.is_final:
                    await news.wait_outcome(timeout)
            earlier = await self._store.find(earlier.request_id) or earlier
        return answer_of(earlier, replayed=True)

    # The queue.

    async def _enqueue(self, running: Running) -> Answer:
        operation = running.operation
        earlier = await self._store.claim(operation)
        if earlier is not None:
            return self._end_early(running, await self._replay(earlier, operation, self._default_timeout))
        self._queue.add(operation.kiosk_id, operation.request_id, running.start_by)
        answer = self._end_early(running, answer_of(operation))
        self._deliver(operation.kiosk_id)
        return answer

    def _deliver(self, kiosk_id: str) -> None:
        if self._delivery.is_due(kiosk_id) and not self._stopping:
            self._spawn(self._delivery.deliver(kiosk_id))

    def _launch_queued(self, link: Link, running: Running) -> None:
        # Started in time at the latest, it has as long to answer as any other.
        at = running.start_by + self._default_timeout
        running.deadline = self._loop.call_at(at, self._deadline, running)
        self._put_on_socket(link, running)

    # Keeping count.

    def _end_early(self, running: Running, ending: "Answer | BaseException") -> Answer:
        """It did not come to run: off the books, and whoever joined it gets the same ending."""
        self._books.remove(running)
        running.end(ending)
        return ending  # type: ignore[return-value] # of use only where it is an answer

    def _store_later(self, work: Coroutine[object, object, None]) -> None:
        task = self._spawn(work)
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)

    def _spawn(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a task failed", exc_info=error)


def _check_same(first: Operation, again: Operation) -> None:
    if first.fingerprint != again.fingerprint:
        detail = "this Idempotency-Key was used for another request"
        raise Refused("idempotency-conflict", detail, request_id=first.request_id)
