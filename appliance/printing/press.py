"""One device's line of slips: who came first is printed first, and one that cannot be printed now waits.

What hinders is looked for again every second until the slip's time is over: paper, a closed cover, the line. From the
moment on at which a byte may have left, it ends as printed or as unclear.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from appliance.journal import Journal, StorageError
from appliance.printing import jobs
from appliance.printing.jobs import NOT_PRINTED, PRINTED, UNCLEAR, Order, Result
from appliance.printing.reading import marked
from appliance.supervisor import NoSuchDevice, Supervisor, Watched
from hardware.errors import DeviceError, DeviceFault, Refused, TransportError
from hardware.events import DeviceState
from hardware.roles import FiscalRegister, ReceiptPrinter

USE_S = 330.0  # above the 300 s within which every driver ends a slip
LOOK_AGAIN_S = 1.0
LATE_S = 15.0  # for the event that settles a slip whose call ended unclear
_LATE_AGAIN_S = 0.5

Tell = Callable[[dict[str, Any]], None]

_log = logging.getLogger(__name__)


class Job:
    """One slip on its way. `deadline` is monotonic."""

    def __init__(self, id: str, order: Order, deadline: float, tell: Tell) -> None:
        self.id = id
        self.order = order
        self.deadline = deadline
        self.begun = False  # its work stands in the journal
        self.given = False  # the driver has it, and nobody can take it back
        self.unwanted = ""  # why it is no longer to be printed
        self.words, self.problem = "", "device-fault"  # why it is not printed yet
        self._tell = tell
        self._told: dict[str, Any] = {}
        self._news = asyncio.Event()

    def cancel(self, reason: str) -> bool:
        """It is no longer wanted. False: too late."""
        if self.given:
            return False
        self.unwanted = self.unwanted or reason
        self._news.set()
        return True

    def waits(self, words: str, problem: str = "device-fault") -> None:
        """It cannot be printed now, because."""
        self.words, self.problem = words, problem
        self.say("waiting", words)

    def say(self, stage: str, words: str = "") -> None:
        """How far it is; told where it changes."""
        news = {"stage": stage, "device": self.order.device, **({"words": words} if words else {})}
        if news != self._told:
            self._told = news
            self._tell(news)

    async def pause(self, seconds: float) -> None:
        """Wait for something to change."""
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    def wake(self) -> None:
        """Something changed."""
        self._news.set()


class Press:
    """One device, by name."""

    def __init__(self, name: str, *, journal: Journal, supervisor: Supervisor, clock: Callable[[], float]) -> None:
        self._name = name
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock
        self._line: list[Job] = []

    async def carry_out(self, job: Job) -> Result:
        """Print it once, in its turn; or not at all."""
        self._line.append(job)
        try:
            while True:
                if self._line[0] is not job:
                    job.waits("other slips are before it", "kiosk-busy")
                elif not job.unwanted and (result := await self._try(job)) is not None:
                    return result
                if job.unwanted:
                    return await self._not_printed(job, f"it was cancelled ({job.unwanted})", "cancelled")
                left_s = job.deadline - time.monotonic()
                if left_s <= 0:
                    return await self._not_printed(job, job.words, job.problem)
                await job.pause(min(left_s, LOOK_AGAIN_S))
        finally:
            self._line.remove(job)
            if self._line:
                self._line[0].wake()

    async def _try(self, job: Job) -> Result | None:
        """Its end, or None when it cannot be printed now."""
        try:
            watched = self._supervisor.find(self._name)
        except NoSuchDevice as error:
            return await self._not_printed(job, str(error))
        if not watched.in_service:  # as its owner wants it, who may want so for long
            return await self._not_printed(job, f"{self._name} is {watched.hindrance}")
        if words := watched.hindrance:
            job.waits(words)
            return None
        status = watched.status
        if status.state is DeviceState.ABSENT:
            job.waits(status.words or f"{self._name} does not answer", "gateway-unreachable")
            return None
        if not job.begun and (result := await self._begin(job)) is not None:
            return result
        if job.unwanted:
            return None
        return await self._give(watched, job)

    async def _begin(self, job: Job) -> Result | None:
        """Write that it is begun. An end when it cannot be, or when it ended before."""
        begin = partial(jobs.begin, id=job.id, order=job.order, at=self._clock())
        try:
            work = await self._journal.write(begin, point="appliance.printing.begin", needs_room=True)
        except StorageError as error:
            return jobs.ended(job.id, job.order, NOT_PRINTED, str(error), "kiosk-storage")
        job.begun = True
        return jobs.result_of(work)

    async def _give(self, watched: Watched, job: Job) -> Result | None:
        """Have the driver print it."""
        if watched.testing:  # since it was looked at
            job.waits(f"{self._name}: {watched.testing}")
            return None
        device = watched.device
        is_printer = isinstance(device, ReceiptPrinter)
        if is_printer:  # a register moves money too, and belongs to its document
            watched.bind(job.id)
        job.given = True
        job.say("printing")
        try:
            fault = await watched.use(partial(_print, device, job), USE_S)
        except Refused as error:
            return await self._not_printed(job, str(error))
        except TransportError as error:
            job.waits(str(error), "gateway-unreachable")
            return None
        except DeviceError as error:
            return await self._unclear(job, str(error))
        finally:
            job.given = False
            if is_printer and watched.work == job.id:
                watched.bind("")
        if fault is not None:
            job.waits(str(fault))
            return None
        return await self._end(job, jobs.ended(job.id, job.order, PRINTED))

    async def _unclear(self, job: Job, words: str) -> Result:
        """Nobody knows yet; its event may come."""
        until = time.monotonic() + LATE_S
        while True:
            try:
                found = await self._journal.read(partial(jobs.told, id=job.id, order=job.order))
            except StorageError:
                found = None
            if found is not None or time.monotonic() >= until:
                return await self._end(job, found or jobs.ended(job.id, job.order, UNCLEAR, words))
            await asyncio.sleep(_LATE_AGAIN_S)

    async def _not_printed(self, job: Job, words: str, problem: str = "") -> Result:
        return await self._end(job, jobs.ended(job.id, job.order, NOT_PRINTED, words, problem))

    async def _end(self, job: Job, result: Result) -> Result:
        if job.begun:
            await write_end(self._journal, job.id, result)
        return result


async def write_end(journal: Journal, id: str, result: Result) -> None:
    """Write how it ended. Where the disk does not take it, the next start finds the same out by the device's event."""
    try:
        await journal.write(lambda book: book.end_work(id, result), point="appliance.printing.end")
    except StorageError as error:
        _log.error("the end of a slip could not be written", extra={"reference": id, "reason": str(error)})


async def _print(device: object, job: Job) -> DeviceFault | None:
    """A fault is a value here: that there is no paper does not mean that the device fails."""
    order = job.order
    try:
        if isinstance(device, ReceiptPrinter):
            await device.print_slip(order.slip, job.id, copy=order.copy)
        elif isinstance(device, FiscalRegister):
            await device.print_slip(marked(order.slip) if order.copy else order.slip, job.id)
        else:
            raise TransportError(f"{order.device} is being changed")
    except DeviceFault as fault:
        return fault
    return None
