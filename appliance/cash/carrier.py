"""Carries one session out: its orders to the devices, their events to it, its outcome to the disk.

The session is called from the event loop alone, and never waits: what takes time is a task that reports its end.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from appliance.cash.ending import EVENTS_MAX, Ending, ending, write_ending
from appliance.cash.orders import (
    Command,
    Disable,
    Enable,
    End,
    Ended,
    Find,
    GiveBack,
    How,
    Keep,
    Order,
    PayOut,
    Stack,
    Tell,
)
from appliance.cash.outcome import outcome
from appliance.cash.result import FAILED, CashResult, CashWork, NeverBegun
from appliance.cash.session import Phase, Session
from appliance.cash.showing import Last, last_of, progress
from appliance.journal import Book, Journal, StorageError
from appliance.supervisor import Watched
from hardware.errors import DeviceError, DeviceFault, OutcomeUnknown, Refused, TransportError
from hardware.events import DeviceState, Event
from hardware.roles import BillValidator, CoinAcceptor, CoinHopper
from wire.money import Money

FIND_S = 8.0  # how long a device that is just being set up is waited for
CALL_S = 50.0  # above what a driver takes to answer (hardware.bills, CALL_S)
PAY_S = 120.0  # and a hopper (hardware.cctalk.driver, PAY_S); one more for each coin
KEEP_S = 20.0  # a disk that takes no intent for so long: nothing is paid
AGAIN_S = 0.5
UNHEARD_S, UNHEARD_MAX = 0.05, 100

_log = logging.getLogger(__name__)


class Carrier:
    """One session's. `watched`: its devices by name, bound to it already."""

    def __init__(
        self, *, session: Session, watched: Mapping[str, Watched], journal: Journal, clock: Callable[[], float],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:  # fmt: skip
        self.session = session
        self._watched = watched
        self._journal = journal
        self._clock = clock
        self._tell = tell
        self._last: Last | None = None
        self._told: dict[str, object] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()  # it may be over
        self._keeping = asyncio.Lock()
        self._may_pay = asyncio.Event()  # not while an end is being written, or may have been
        self._may_pay.set()
        self._unheard = 0
        self._broken: Exception | None = None
        self._said: set[tuple[str, str]] = set()
        self._over = False

    async def run(self, wish: str = "") -> CashResult | NeverBegun:
        """From the first order to the outcome on the disk. Cancelled, it leaves everything as it is.

        Args:
            wish: why it is to end at once, where somebody wished so before it began.
        """
        stops = [watched.hear(self._listener(name)) for name, watched in self._watched.items()]
        try:
            self._input(self.session.tick if not wish else partial(self.session.cancel, wish))
            while True:
                await self._news.wait()
                self._news.clear()
                if self._broken is not None:
                    raise self._broken
                if self.session.phase is Phase.ENDING and (result := await self._end()) is not None:
                    return result
        finally:
            self._over = True
            for stop in stops:
                stop()
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cancel(self, reason: str) -> bool:
        """End it soon. False: it ends already, or pays."""
        if self._over or not self.session.open:
            return False
        _log.info("a cash session is cancelled", extra={"work": self.session.id, "reason": reason})
        self._input(lambda now: self.session.cancel(reason, now))
        return True

    # Inputs

    def _listener(self, device: str) -> Callable[[Event], None]:
        page = self._watched[device].page

        def hear(event: Event) -> None:
            if self._over or page.whose != self.session.id:
                return
            before = self.session.collected
            self._input(lambda now: self.session.heard(device, event, now), (device, event, before))

        return hear

    def _tick(self) -> None:
        self._timer = None
        if not self._over:
            self._input(self.session.tick)

    def _input(
        self, what: Callable[[float], list[Order]], happened: tuple[str, Event, int] | None = None
    ) -> None:  # fmt: skip
        """Give the session something and do what it says. A mistake of ours in there ends it by the book."""
        try:
            for name in self.session.hoppers:
                self.session.barred(name, barred=bool(self._watched[name].hindrance))
            orders = what(time.monotonic())
            if happened is not None:
                device, event, before = happened
                credited = self.session.collected > before
                self._last = last_of(self.session, device, event, credited=credited) or self._last
            self._carry_out(orders)
        except Exception as error:
            self._broken = self._broken or error
            self._news.set()

    def _carry_out(self, orders: list[Order]) -> None:
        for order in orders:
            match order:
                case Tell():
                    self._show()
                case Keep():
                    self._spawn(self._keep(), "cash-keep")
                case End():
                    self._news.set()
                case _:
                    self._spawn(self._command(order), f"cash-{type(order).__name__.lower()}-{order.device}")
        if self._timer is not None:
            self._timer.cancel()
        wake_at = self.session.wake_at
        if wake_at is None:
            self._timer = None
            return
        after_s = max(0.01, wake_at - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(after_s, self._tick)

    def _spawn(self, what: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(what, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _show(self) -> None:
        if self.session.phase is Phase.ENDING:
            return  # told once it is written
        shown = progress(self.session, self._last)
        news = {name: value for name, value in shown.items() if name != "ends_in"}
        if news != self._told:
            self._told = news
            self._say(shown)

    def _say(self, shown: dict[str, Any]) -> None:
        try:
            self._tell(shown)
        except Exception:  # whoever watches must not stop what is watched
            _log.exception("progress could not be told", extra={"work": self.session.id})

    # Orders

    async def _command(self, command: Command) -> None:
        try:
            end = await self._call(command)
        except Refused as error:
            end = Ended(How.REFUSED, str(error))
        except (TransportError, DeviceFault, LookupError) as error:
            end = Ended(How.NOT_NOW, str(error))
        except OutcomeUnknown as error:
            end = Ended(How.UNKNOWN, str(error))
        except DeviceError as error:
            end = Ended(How.UNKNOWN, str(error))
        except Exception as error:  # the session must hear of the end of each
            _log.exception("a device could not be used", extra={"device": command.device, "work": self.session.id})
            end = Ended(How.UNKNOWN, f"within the appliance: {error}")
        if end.how is not How.DONE and (command.device, end.words) not in self._said:
            self._said.add((command.device, end.words))
            _log.warning("a device did not do what a cash session asked for", extra={
                "device": command.device, "work": self.session.id, "asked": type(command).__name__.lower(),
                "reason": end.words,
            })  # fmt: skip
        if not self._over:
            self._input(lambda now: self.session.ended(command, end, now))

    async def _call(self, command: Command) -> Ended:
        watched = self._watched[command.device]
        device = watched.device
        match command:
            case Find():
                return await self._find(watched)
            case Enable(accept=accept):
                if not isinstance(device, BillValidator | CoinAcceptor):
                    raise TransportError(f"{watched.name} is not there")
                await watched.use(lambda: device.enable(accept), CALL_S)
            case Disable():
                if isinstance(device, BillValidator | CoinAcceptor):
                    await watched.use(device.disable, CALL_S, anyway=True)
            case Stack(escrow=escrow) | GiveBack(escrow=escrow):
                if not isinstance(device, BillValidator):
                    raise TransportError(f"{watched.name} is not there")
                if isinstance(command, Stack):
                    await watched.use(lambda: device.stack(escrow), CALL_S, anyway=True)
                else:
                    await watched.use(lambda: device.give_back(escrow), CALL_S, anyway=True)
            case PayOut(intent=intent):
                if not isinstance(device, CoinHopper):
                    raise TransportError(f"{watched.name} is not there")
                if device.coin != Money(intent.minor, self.session.work.currency):
                    raise Refused("coin", f"{watched.name} is filled with {device.coin} now")
                if watched.hindrance:
                    raise TransportError(f"{watched.name}: {watched.hindrance}")
                try:
                    async with asyncio.timeout(KEEP_S):
                        await self._may_pay.wait()
                        await self._keep()
                except TimeoutError:
                    raise TransportError("the disk does not take what is to be paid") from None
                await watched.use(lambda: device.pay_out(intent.count, intent.reference), PAY_S + intent.count)
        return Ended(How.DONE)

    async def _find(self, watched: Watched) -> Ended:
        if watched.hindrance:
            return Ended(How.NOT_NOW, watched.hindrance)
        await watched.device.ready(FIND_S)
        if not isinstance(watched.device, BillValidator | CoinAcceptor):
            return Ended(How.NOT_NOW, "it is not there")
        return Ended(How.DONE, known=tuple(watched.device.denominations))

    # The disk

    async def _keep(self) -> None:
        """Write the work as it is; as it is by then, when the disk was not there at first."""
        async with self._keeping:
            while True:
                keep = partial(_keep, id=self.session.id, work=self.session.work)
                try:
                    await self._journal.write(keep, point="appliance.cash.keep")
                except StorageError as error:
                    _log.error("a cash session cannot be written", extra={
                        "work": self.session.id, "reason": str(error),
                    })  # fmt: skip
                    await asyncio.sleep(AGAIN_S)
                else:
                    return

    async def _end(self) -> CashResult | NeverBegun | None:
        """Write the outcome; None when something came in between, or the disk does not take it now."""
        end = self._ending()
        self._may_pay.clear()
        try:
            written = await self._write_end(end)
        except StorageError as error:
            self._may_pay.set()
            _log.error("a cash session's end cannot be written", extra={"work": end.id, "reason": str(error)})
            await asyncio.sleep(AGAIN_S)
            self._news.set()
            return None
        if not written:
            self._may_pay.set()
            await self._hear_again()
            self._news.set()
            return None
        if isinstance(end.result, CashResult):
            self._say({**progress(self.session, self._last), "stage": "ended", "status": end.result.status})
        return end.result

    async def _write_end(self, end: Ending) -> bool:
        """Whether it stands. One that may stand is written again as it was: another would be told than stands there.

        Raises:
            StorageError: it surely does not stand.
        """
        while True:
            try:
                return await self._journal.write(lambda book: write_ending(book, end), point="appliance.cash.end")
            except StorageError as error:
                if error.certain:
                    raise
                _log.error("it is not known whether a cash session's end is written", extra={
                    "work": end.id, "reason": str(error),
                })  # fmt: skip
                await asyncio.sleep(AGAIN_S)

    async def _hear_again(self) -> None:
        """There is more in the book than was heard: it is on its way here. If it never comes, the book is right."""
        self._unheard += 1
        await asyncio.sleep(UNHEARD_S)
        if self._unheard < UNHEARD_MAX:
            return
        _log.error("events of a cash session were not heard; it goes on by the book", extra={"work": self.session.id})
        self._unheard = 0
        try:
            entries = await self._journal.read(lambda book: book.entries(work=self.session.id, limit=EVENTS_MAX))
        except StorageError:
            return
        self._input(lambda now: self.session.adopt(entries, now))

    def _ending(self) -> Ending:
        session = self.session
        result: CashResult | NeverBegun
        if session.status == FAILED and not session.enabled and not session.takings.anything:
            states = {watched.status.state for name, watched in self._watched.items() if name in session.acceptors}
            problem = "gateway-unreachable" if states <= {DeviceState.ABSENT} else "device-fault"
            result = NeverBegun(problem=problem, detail=session.reason)
        else:
            result = outcome(
                session.work, session.takings, status=session.status, reason=session.reason,
                unanswered=session.unanswered,
            )  # fmt: skip
        return ending(session.id, result, session.takings.count, self._clock())


def _keep(book: Book, *, id: str, work: CashWork) -> None:
    book.change_work(id, work)
