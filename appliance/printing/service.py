"""Prints each slip once, on a receipt printer or on a fiscal register; finds out what the run before left open.

A slip's work is begun in the journal before its first byte goes out, under the request's id. What may be on paper is
never printed again but as a marked copy.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from appliance.journal import Journal, StorageError, Work
from appliance.printing import jobs
from appliance.printing.jobs import KIND, NOT_PRINTED, UNCLEAR, Order, Result
from appliance.printing.press import Job, Press, Tell, write_end
from appliance.printing.reading import plain
from appliance.printing.target import PrintTarget
from appliance.routes import Route
from appliance.supervisor import NoSuchDevice, Supervisor
from hardware.errors import DeviceError
from hardware.roles import FiscalRegister, Paper, ReceiptPrinter

SETTLE_S = 600.0  # for a device to come back that may know of a slip of the run before
STEADY_S = 15.0  # a device that was ready for so long has told what it knows
READY_S = 5.0
_AGAIN_S = 1.0
_ATTEMPTS_MAX = 100
_ROLES = ("receipt printer", "fiscal register")

_log = logging.getLogger(__name__)


class PrintDesk:
    """The desk for paper. `recover` before the devices are opened, `close` after the last operation."""

    def __init__(self, *, journal: Journal, supervisor: Supervisor, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock
        self._presses: dict[str, Press] = {}
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[Result]] = {}

    def target(self, route: Route | None) -> PrintTarget:
        """Who carries a route's operations out; without one, who finds out what became of them."""
        return PrintTarget(self, route)

    async def recover(self) -> None:
        """Bring what the run before left open to its end, as soon as its device tells."""
        try:
            works = await self._journal.read(lambda book: book.open_works(KIND))
        except StorageError as error:  # who asks after one of them has it looked for again
            _log.error("slips of the run before cannot be looked for", extra={"reason": str(error)})
            return
        for work in works:
            self._launch(work.id, self._settle(work.id))

    async def close(self) -> None:
        """Wait for no more; what is being printed is found again at the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def print_lines(
        self, *, reference: str, printer: str, lines: Sequence[str], within_s: float
    ) -> dict[str, Any]:  # fmt: skip
        """Print plain lines, once for a reference however often this is called; never raises for a device's trouble.

        Returns:
            `status`: "printed", "unclear" (never printed again by itself) or "not-printed" (another call tries again);
            `reference` of the slip, by which a copy can be asked for; `words`.
        """
        try:
            return (await self._print_lines(reference, printer, lines, within_s)).shown()
        except (StorageError, TimeoutError) as error:
            words = str(error) or f"{printer} has not told what became of it"
            return Result(status=UNCLEAR, reference=f"{reference}/slip", device=printer, words=words).shown()

    # For its targets

    def paper_of(self, device: str) -> Paper:
        """What goes into a line. Raises `NoSuchDevice`, also for one that prints nothing."""
        watched = self._supervisor.find(device)
        if watched.role not in _ROLES:
            raise NoSuchDevice(f"{device} is a {watched.role}, and prints nothing")
        found = watched.device
        return found.paper if isinstance(found, ReceiptPrinter | FiscalRegister) else Paper()

    async def print(self, id: str, order: Order, within_s: float, tell: Tell) -> Result:
        """Print it once, or say that nothing was printed. When the caller is cancelled it goes on."""
        task = self._tasks.get(id)
        if task is None:
            job = self._jobs[id] = Job(id, order, time.monotonic() + within_s, tell)
            press = self._presses.get(order.device)
            if press is None:
                press = self._presses[order.device] = Press(
                    order.device, journal=self._journal, supervisor=self._supervisor, clock=self._clock
                )
            task = self._launch(id, press.carry_out(job))
        return await asyncio.shield(task)

    async def outcome(self, id: str) -> Result | None:
        """What became of one that was begun, as soon as it is known; None: it never was. Raises `StorageError`."""
        if id not in self._tasks:
            work, result, _ = await self._find(id)
            if work is None:
                return None
            if work.result is not None and result is not None:
                return result
        return await asyncio.shield(self._tasks.get(id) or self._launch(id, self._settle(id)))

    async def known(self, id: str) -> tuple[Order, Result | None] | None:
        """What stood on a slip of before, and how it ended (None: not yet). Raises `StorageError`."""
        for each in (id, f"{id}/slip"):
            work, result, _ = await self._journal.read(partial(jobs.find, id=each))
            if work is not None:
                return jobs.order_of(work), None if each in self._tasks else result
        return None

    def cancel(self, id: str, reason: str) -> bool:
        """Have one that waits not printed at all."""
        job = self._jobs.get(id)
        return job is not None and job.cancel(reason)

    # Within

    async def _print_lines(self, reference: str, printer: str, lines: Sequence[str], within_s: float) -> Result:
        until = time.monotonic() + within_s
        for attempt in range(1, _ATTEMPTS_MAX):
            id = f"{reference}/slip" if attempt == 1 else f"{reference}/slip-{attempt}"
            async with asyncio.timeout(max(0.1, until - time.monotonic())):
                result = await self.outcome(id)
            if result is not None and result.status != NOT_PRINTED:
                return result
            if result is None:
                break
        order = Order(device=printer, slip=plain(lines))
        return await self.print(id, order, until - time.monotonic(), lambda _news: None)

    def _launch(self, id: str, work: Any) -> asyncio.Task[Result]:
        task: asyncio.Task[Result] = asyncio.create_task(work, name=f"slip-{id}")
        self._tasks[id] = task
        task.add_done_callback(partial(self._over, id))
        return task

    def _over(self, id: str, task: asyncio.Task[Result]) -> None:
        self._tasks.pop(id, None)
        self._jobs.pop(id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a slip failed within the appliance", extra={"reference": id}, exc_info=error)

    async def _settle(self, id: str) -> Result:
        """Bring one that was left open to its end."""
        until = time.monotonic() + SETTLE_S
        ready_since: float | None = None
        while True:
            work, result, _may_tell = await self._find(id)
            assert work is not None, "works are kept while they are open"
            order, now = jobs.order_of(work), time.monotonic()
            if result is None and ready_since is not None and now - ready_since >= STEADY_S:
                result = jobs.ended(id, order, NOT_PRINTED, f"{order.device} knows nothing of it")
            if result is None and (now >= until or not self._is_there(order.device)):
                result = jobs.ended(id, order, UNCLEAR, f"{order.device} did not tell what became of it")
            if result is not None:
                if work.is_open:
                    await write_end(self._journal, id, result)
                return result
            ready = await self._is_ready(order.device)
            ready_since = (ready_since or now) if ready else None
            await asyncio.sleep(_AGAIN_S)

    async def _find(self, id: str) -> tuple[Work | None, Result | None, bool]:
        """See `jobs.find`. A disk that does not say is asked again for a while; raises `StorageError` after that."""
        until = time.monotonic() + SETTLE_S
        while True:
            try:
                return await self._journal.read(partial(jobs.find, id=id))
            except StorageError:
                if time.monotonic() >= until:
                    raise
            await asyncio.sleep(_AGAIN_S)

    def _is_there(self, device: str) -> bool:
        try:
            self._supervisor.find(device)
        except NoSuchDevice:
            return False
        return True

    async def _is_ready(self, device: str) -> bool:
        try:
            await self._supervisor.find(device).device.ready(READY_S)
        except (DeviceError, NoSuchDevice):
            return False
        return True
