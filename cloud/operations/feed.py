"""What becomes of operations, told to whoever reads along: the operation log.

Telling costs nothing where nobody reads, and never waits for a reader: one that does not keep up loses the oldest, and
is told how many.
"""

import asyncio
import time
from collections import deque
from typing import Literal

import msgspec

from cloud.errors import Refused
from cloud.operations.operation import Operation
from cloud.operations.order import Order

_KEPT = 5000
_KEPT_BYTES = 32 * 1024 * 1024


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about one operation.

    `at` is Unix seconds, `seconds` from the request to its answer, `kiosk_seconds` what of them passed at the kiosk.

    `begun`: it went to its kiosk, or was queued for it. `ended`: its caller was told a state, which `unknown` may be;
    then a second `ended` follows once it is known. `refused`: it did not become an operation; `problem` and
    `detail` say why, and the problem's outcome whether that is all (a repetition may have met one that runs).
    """

    what: Literal["begun", "ended", "refused"]
    at: float
    request_id: str
    kiosk_id: str
    operation: str
    method: str
    body: bytes = b""
    state: str = ""
    executed: str | None = None
    status: int | None = None
    answer: bytes = b""
    problem: str | None = None
    detail: str | None = None
    seconds: float | None = None
    kiosk_seconds: float | None = None
    api_key_id: str | None = None

    @property
    def size(self) -> int:
        """Bytes it holds, about."""
        return len(self.body) + len(self.answer) + 500


class Reader:
    """One who reads along. What was lost since the last look stands in `lost`."""

    def __init__(self) -> None:
        self._told: deque[Told] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self.lost = 0

    @property
    def waiting(self) -> int:
        """How many there are to be taken."""
        return len(self._told)

    def put(self, told: Told) -> None:
        """Add one, dropping the oldest when full."""
        while self._told and (len(self._told) >= _KEPT or self._bytes + told.size > _KEPT_BYTES):
            self._bytes -= self._told.popleft().size
            self.lost += 1
        self._told.append(told)
        self._bytes += told.size
        self._news.set()

    def take(self) -> list[Told]:
        """All there is."""
        found = list(self._told)
        self._told.clear()
        self._bytes = 0
        self._news.clear()
        return found

    def wake(self) -> None:
        """Let `wait` return."""
        self._news.set()

    async def wait(self, timeout: float) -> bool:
        """Return once there is something; False after `timeout` seconds without."""
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return False
        return True


class Feed:
    """Those who read along."""

    def __init__(self) -> None:
        self._readers: list[Reader] = []
        self.refusals = 0  # ever: what was refused leaves no row to be counted

    def open(self) -> Reader:
        """Read along from now on."""
        reader = Reader()
        self._readers.append(reader)
        return reader

    def close(self, reader: Reader) -> None:
        """Read no more; whoever waits at it is woken."""
        self._readers.remove(reader)
        reader.wake()

    def begun(self, operation: Operation) -> None:
        """It is on its way, or queued."""
        if self._readers:
            self._put(_told("begun", operation, None))

    def ended(self, operation: Operation, seconds: float | None) -> None:
        """Its caller was told a state, or what was unknown is known."""
        if self._readers:
            self._put(_told("ended", operation, seconds))

    def refused(self, order: Order, refused: Refused) -> None:
        """It did not become an operation."""
        self.refusals += 1
        if self._readers:
            self._put(
                Told(
                    what="refused",
                    at=time.time(),
                    request_id=refused.request_id or order.request_id,
                    kiosk_id=order.kiosk_id,
                    operation=order.operation,
                    method=order.method,
                    body=bytes(order.body),
                    problem=refused.problem,
                    detail=refused.detail,
                    api_key_id=order.api_key_id,
                )
            )

    def _put(self, told: Told) -> None:
        for reader in self._readers:
            reader.put(told)


def _told(what: Literal["begun", "ended"], operation: Operation, seconds: float | None) -> Told:
    return Told(
        what=what,
        at=time.time(),
        request_id=operation.request_id,
        kiosk_id=operation.kiosk_id,
        operation=operation.operation,
        method=operation.method,
        body=bytes(operation.body),
        state=operation.state.value,
        executed=operation.executed,
        status=operation.status,
        answer=bytes(operation.answer or b""),
        problem=operation.problem,
        detail=operation.detail,
        seconds=seconds,
        kiosk_seconds=operation.elapsed,
        api_key_id=operation.api_key_id,
    )
