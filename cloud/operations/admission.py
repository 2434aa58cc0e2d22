"""Whether a new operation is taken now: the kiosk's standing and everybody's limits."""

import asyncio
import math

from cloud.backends.limits import RateLimit
from cloud.errors import Refused
from cloud.kiosks.registry import Registry
from cloud.operations.carried import Ledger
from cloud.operations.order import Order
from cloud.operations.queue import Queue
from cloud.operations.running import Books


class Admission:
    """Each check raises `Refused` with what stands against it.

    `closed`: nothing new is taken, and what was taken before goes on. `ended`: that does not either.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        books: Books,
        queue: Queue,
        ledger: Ledger,
        kiosk_limit: RateLimit,
        running_max: int,
        queue_max: int,
    ) -> None:
        self._registry = registry
        self._books = books
        self._queue = queue
        self._ledger = ledger
        self._kiosk_limit = kiosk_limit
        self._running_max = running_max
        self._queue_max = queue_max
        self._loop = asyncio.get_running_loop()
        self.closed = self.ended = False

    def check(self, order: Order, *, is_here: bool = True, is_taken: bool = False) -> None:
        """Whether this order may become an operation. Takes from the limits.

        Unless its kiosk `is_here`, the limits of that are the business of the hub that has it. See `check_kiosk`.
        """
        self.check_kiosk(order.kiosk_id, is_taken=is_taken)
        if order.over_limit:
            seconds = math.ceil(order.over_limit)
            raise Refused("rate-limited", "too many requests with this API key", retry_after=seconds)
        if order.expires is not None and self._queue.count_of(order.kiosk_id) >= self._queue_max:
            raise Refused("rate-limited", f"{self._queue_max} operations wait for this kiosk already", retry_after=60)
        if is_here:
            # With a key it is on the books by now itself.
            self._check_load(order.kiosk_id, itself=order.idempotency_key is not None)

    def give_back(self, order: Order) -> None:
        """What was taken from the kiosk's limit by an order that repeats another one."""
        self._kiosk_limit.give_back(order.kiosk_id)

    def check_carried(self, kiosk_id: str) -> None:
        """Whether an operation of another hub may go to a kiosk here. Takes from the kiosk's limits."""
        self.check_kiosk(kiosk_id)
        self._check_load(kiosk_id)

    def _check_load(self, kiosk_id: str, *, itself: bool = False) -> None:
        others = self._books.count_at(kiosk_id) + self._ledger.count_at(kiosk_id) - itself
        if others >= self._running_max:
            raise Refused("rate-limited", f"{self._running_max} operations run at this kiosk already", retry_after=1)
        wait = self._kiosk_limit.take(kiosk_id, self._loop.time())  # last: who is refused takes nothing
        if wait:
            raise Refused("rate-limited", "too many operations for this kiosk", retry_after=math.ceil(wait))

    def check_kiosk(self, kiosk_id: str, *, is_taken: bool = False) -> None:
        """Whether the kiosk exists and is enabled, and the hub stays: or at least waits for what `is_taken` already."""
        if self.ended or (self.closed and not is_taken):
            raise Refused("hub-stopping", "the hub is restarting", retry_after=2)
        kiosk = self._registry.get(kiosk_id)
        if kiosk is None:
            raise Refused("unknown-kiosk", f"there is no kiosk {kiosk_id}")
        if not kiosk.enabled:
            raise Refused("kiosk-disabled", f"kiosk {kiosk_id} is disabled")
