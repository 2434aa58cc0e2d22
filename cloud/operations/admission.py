"""Whether a new operation is taken now: the kiosk's standing and everybody's limits."""

import asyncio
import math

from cloud.backends.limits import RateLimit
from cloud.errors import Refused
from cloud.kiosks.registry import Registry
from cloud.operations.order import Order
from cloud.operations.queue import Queue
from cloud.operations.running import Books


class Admission:
    """Each check raises `Refused` with what stands against it. `close` ends all taking."""

    def __init__(
        self,
        *,
        registry: Registry,
        books: Books,
        queue: Queue,
        kiosk_limit: RateLimit,
        running_max: int,
        queue_max: int,
    ) -> None:
        self._registry = registry
        self._books = books
        self._queue = queue
        self._kiosk_limit = kiosk_limit
        self._running_max = running_max
        self._queue_max = queue_max
        self._loop = asyncio.get_running_loop()
        self.closed = False

    def check(self, order: Order) -> None:
        """Whether this order may become an operation. Takes from the limits."""
        self.check_kiosk(order.kiosk_id)
        if order.over_limit:
            seconds = math.ceil(order.over_limit)
            raise Refused("rate-limited", "too many requests with this API key", retry_after=seconds)
        wait = self._kiosk_limit.take(order.kiosk_id, self._loop.time())
        if wait:
            raise Refused("rate-limited", "too many operations for this kiosk", retry_after=math.ceil(wait))
        # With a key it is on the books by now itself.
        others = self._books.count_at(order.kiosk_id) - (order.idempotency_key is not None)
        if others >= self._running_max:
            raise Refused("rate-limited", f"{self._running_max} operations run at this kiosk already", retry_after=1)
        if order.expires is not None and self._queue.count_of(order.kiosk_id) >= self._queue_max:
            raise Refused("rate-limited", f"{self._queue_max} operations wait for this kiosk already", retry_after=60)

    def check_kiosk(self, kiosk_id: str) -> None:
        """Whether the kiosk exists and is enabled, and the hub stays."""
        if self.closed:
            raise Refused("hub-stopping", "the hub is restarting", retry_after=2)
        kiosk = self._registry.get(kiosk_id)
        if kiosk is None:
            raise Refused("unknown-kiosk", f"there is no kiosk {kiosk_id}")
        if not kiosk.enabled:
            raise Refused("kiosk-disabled", f"kiosk {kiosk_id} is disabled")
