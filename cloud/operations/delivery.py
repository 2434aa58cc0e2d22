"""`Header-Delivery: queue`: operations that the hub keeps until their kiosk is there, or they expire.

An operation stands in the store before its caller hears 202, and that it may have been sent stands there before it
is: a hub that dies in between asks the kiosk, and never expires what was executed.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from cloud.errors import StorageError
from cloud.kiosks.links import Link, Links
from cloud.operations import operation as rules
from cloud.operations.counting import Counting
from cloud.operations.operation import Operation, State
from cloud.operations.queue import Queue
from cloud.operations.running import Books, Running
from cloud.operations.settling import Settling
from cloud.operations.store import Store
from wire.crashpoint import crash_point

log = logging.getLogger(__name__)

# Sent and not yet answered: the kiosk works them off one by one, and a hub's restart leaves few in doubt.
_AT_ONCE = 16
_RETRY = 1.0  # seconds after which a database that failed is tried again


class Delivery:
    """Owns the queue. `launch` puts a running operation on its kiosk's socket."""

    def __init__(
        self,
        *,
        links: Links,
        store: Store,
        books: Books,
        queue: Queue,
        counting: Counting,
        settling: Settling,
        launch: Callable[[Link, Running], None],
    ) -> None:
        self._links = links
        self._store = store
        self._books = books
        self._queue = queue
        self._counting = counting
        self._settling = settling
        self._launch = launch
        self._delivering: set[str] = set()

    async def take_up(self) -> None:
        """At the start: what an earlier life of the hub had queued."""
        newest = await self._store.newest()
        now, wall = self._links.now(), time.time()
        if newest > wall:
            log.error("the clock is behind what the database holds; is it right?", extra={"by_s": round(newest - wall)})
        for waiting in await self._store.queued():
            left = rules.seconds_left(waiting.created_at, waiting.start_by, wall, newest)
            self._queue.add(waiting.kiosk_id, waiting.request_id, now + left)

    def is_due(self, kiosk_id: str) -> bool:
        """Whether something waits for this kiosk, it is there, and nobody sees to it yet."""
        link = self._links.get(kiosk_id)
        there = link is not None and link.ready
        return there and self._queue.count_of(kiosk_id) > 0 and kiosk_id not in self._delivering

    async def deliver(self, kiosk_id: str) -> None:
        """Send a kiosk what waits for it, oldest first, a few at a time; the end of each sends the next."""
        self._delivering.add(kiosk_id)
        try:
            while True:
                if await self._deliver_some(kiosk_id):
                    return
                await asyncio.sleep(_RETRY)
        finally:
            self._delivering.discard(kiosk_id)

    async def _deliver_some(self, kiosk_id: str) -> bool:
        """False if the database failed, and the rest is to be tried again."""
        try:
            for request_id, start_by in self._queue.of(kiosk_id):
                link = self._links.get(kiosk_id)
                if link is None or not link.ready or self._books.count_at(kiosk_id) >= _AT_ONCE:
                    return True
                operation = await self._store.find(request_id)
                if self._links.now() >= start_by or not self._queue.remove(kiosk_id, request_id):
                    continue
                if operation is not None and operation.state is State.QUEUED:
                    await self._send(link, operation, start_by)
        except StorageError as error:
            log.error("the queue waits for the database", extra={"kiosk": kiosk_id, "error": str(error)[:200]})
            return False
        return True

    async def cancel(self, operation: Operation) -> bool:
        """Take an operation out of the queue for good; False if it is not there. Raises `StorageError`."""
        kiosk_id, request_id = operation.kiosk_id, operation.request_id
        start_by = dict(self._queue.of(kiosk_id)).get(request_id)
        if start_by is None:
            return False
        self._queue.remove(kiosk_id, request_id)
        try:
            await self._end(operation, "cancelled", "cancelled while it waited for its kiosk")
        except StorageError:
            self._queue.add(kiosk_id, request_id, start_by)  # it waits on
            raise
        return True

    async def expire(self) -> None:
        """Once a second, end what may not be started any more. Runs until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            for kiosk_id, request_id in self._queue.overdue(self._links.now()):
                try:
                    operation = await self._store.find(request_id)
                    if self._queue.remove(kiosk_id, request_id):  # nobody cancelled it meanwhile
                        await self._expire(operation)
                except StorageError as error:
                    log.error("the queue waits for the database", extra={"error": str(error)[:200]})
                    break

    async def _expire(self, operation: Operation | None) -> None:
        if operation is None or operation.state is not State.QUEUED:
            return
        try:
            await self._end(operation, "expired", "its kiosk did not come back before it expired")
        except StorageError:
            self._queue.add(operation.kiosk_id, operation.request_id, self._links.now())
            raise

    async def _send(self, link: Link, operation: Operation, start_by: float) -> None:
        running = Running(operation, self._links.now(), start_by)
        self._books.add(running)
        operation.journal = link.journal
        rules.sent(operation, time.time())
        crash_point("hub.queue.sent.before")
        try:
            await self._store.put(operation)
        except StorageError:
            self._books.remove(running)
            self._queue.add(operation.kiosk_id, operation.request_id, start_by)
            raise
        crash_point("hub.queue.sent.after")
        self._launch(link, running)

    async def _end(self, operation: Operation, problem: str, detail: str) -> None:
        rules.given_up(operation, problem, detail, time.time())
        await self._store.put(operation)
        self._counting.ended(operation)
        self._settling.tell(operation)
