"""Keeps one device: opens its driver, looks whether it lives, builds it anew when it does not, probes its circuit.

Drivers reopen ports by themselves. What is left for the keeper: a driver that cannot be built or opened (a journal that
does not say what is remembered), and one that ended by a mistake of ours. Each device has a keeper of its own, so that
none waits for another's.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping

from appliance.journal import JournalError
from appliance.supervisor.standing import STARTING_S
from appliance.supervisor.watched import NotBuilt, Watched
from hardware.errors import DeviceError
from hardware.events import DeviceState, StateChanged
from hardware.roles import FiscalRegister, ReceiptPrinter

AGAIN_S = (0.5, 60.0)  # how soon a driver that failed is built anew: at first, and at most
STEADY_S = 300.0  # a driver that lived so long did not fail for the reason of before
LOOK_S = 1.0
PROBE_S = 10.0
CLOSE_S = 45.0  # above the 30 s for which a driver waits for a note or a document

_log = logging.getLogger(__name__)


class Keeper:
    """One device's, from `start` to `stop`."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._task: asyncio.Task[None] | None = None
        self._missing_told = False  # the hub was told of a device that was never there
        self._began_at = time.monotonic()
        self.tried = asyncio.Event()  # it was opened, or it is known why not
        self._pause_s = AGAIN_S[0]

    def start(self) -> None:
        """Begin to keep it."""
        self._task = asyncio.create_task(self._run(), name=f"{self._watched.name} keeper")

    async def stop(self) -> None:
        """Let it go; a note or a document on its way is waited for."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._close()

    async def _run(self) -> None:
        watched = self._watched
        while True:
            opened_at = time.monotonic()
            known = watched.trouble
            try:
                await self._open()
                watched.trouble = ""
                self.tried.set()
                reason = await self._look_after()
            except Exception as error:
                reason = str(error) or type(error).__name__
                watched.trouble = f"its driver cannot be opened: {reason}"
                log = _log.debug if known == watched.trouble else _log.error
                log("a device's driver cannot be opened", exc_info=not isinstance(error, JournalError | ValueError),
                    extra={"device": watched.name, "reason": reason})  # fmt: skip
            else:
                was = watched.status.state
                watched.trouble = reason
                _log.error("a device's driver is built anew", extra={"device": watched.name, "reason": reason})
                await self._say_absent(was)
            self.tried.set()
            await self._close()
            await self._tell_missing()
            if time.monotonic() - opened_at >= STEADY_S:
                self._pause_s = AGAIN_S[0]
            await self._wait(self._pause_s)
            self._pause_s = min(self._pause_s * 2, AGAIN_S[1])

    async def _open(self) -> None:
        watched = self._watched
        await watched.recall_order()
        if isinstance(watched.device, NotBuilt):
            watched.device = watched.entry.build(watched.page)
        await watched.device.open()

    async def _look_after(self) -> str:
        """Until its driver has failed; says how."""
        watched = self._watched
        while not (failed := watched.device.failed):
            if watched.circuit.due(time.monotonic()):
                await self._probe()
            if watched.admits_told != watched.circuit.admits:
                watched.admits_told = watched.circuit.admits
                kind = "circuit-closed" if watched.admits_told else "circuit-opened"
                await self._tell(kind, {"words": watched.circuit.words})
            await self._tell_missing()
            with contextlib.suppress(JournalError):  # later
                await watched.page.sum_up()
            await self._wait(LOOK_S)
        return failed

    async def _probe(self) -> None:
        """Ask it how it is."""
        watched = self._watched
        device = watched.device
        try:
            async with asyncio.timeout(2 * PROBE_S):
                await device.ready(PROBE_S)
                if isinstance(device, FiscalRegister | ReceiptPrinter):
                    await device.read_status()
        except TimeoutError:
            watched.went_wrong(DeviceError(f"no answer within {2 * PROBE_S:g} s"))
        except DeviceError as error:
            watched.went_wrong(error)
        except BaseException:
            watched.went_wrong(DeviceError("the probe was cut off"))
            raise
        else:
            watched.went_well()

    async def _say_absent(self, was: DeviceState) -> None:
        """In the place of the driver, which says nothing any more."""
        event = StateChanged(state=DeviceState.ABSENT, was=was, words=self._watched.trouble)
        with contextlib.suppress(JournalError):  # what it tells once it is built anew stands for this as well
            await self._watched.page.record(event, None)

    async def _tell_missing(self) -> None:
        """Of a device that was not there from the beginning no driver says anything: nothing has changed."""
        watched = self._watched
        if watched.seen or self._missing_told or time.monotonic() - self._began_at < STARTING_S:
            return
        status = watched.status
        if status.state is DeviceState.ABSENT:
            self._missing_told = True
            absent = DeviceState.ABSENT.value
            words = status.words or "nothing answers"
            await self._tell("state-changed", {"state": absent, "was": absent, "code": status.code, "words": words})

    async def _tell(self, kind: str, data: Mapping[str, object]) -> None:
        try:
            await self._watched.page.tell(kind, data)
        except JournalError as error:
            _log.warning("the hub is not told of a device", extra={
                "device": self._watched.name, "event": kind, "reason": str(error),
            })  # fmt: skip

    async def _close(self) -> None:
        watched = self._watched
        device, watched.device = watched.device, NotBuilt(watched.name, "is not open")
        try:
            async with asyncio.timeout(CLOSE_S):
                await device.close()
        except Exception as error:
            _log.exception("a device did not close", extra={"device": watched.name, "reason": str(error)})

    async def _wait(self, seconds: float) -> None:
        """That long, or until somebody wants it looked after."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._watched.wake.wait()
        self._watched.wake.clear()
