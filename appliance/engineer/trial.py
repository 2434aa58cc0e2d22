"""One device tried by an engineer on the page, step by step, through the supervisor that holds it open.

What may be tried, by role:

    check    any            who it is, how it stands, what it knows; a register's or printer's own report; harmless
    note     bill validator one note is taken into escrow and given back
    coin     coin acceptor  one coin is taken. There is no way back for it: it stays in the machine and is counted there
    pay      coin hopper    one coin is paid. It leaves the machine, and the journal's count of the hopper is one less
    slip     printer,       a slip that is no fiscal document
             register
    x-report register       the shift's totals on paper; changes nothing

Coins move through the driver, which writes each into the journal before it tells of it, under the work
`engineer/<job>`: so levels stay right, and the hub is told of `coin-accepted` or `payout-ended` with that work. `pay`
is asked for once under its reference, whatever is sent twice.

However a trial ends, nothing more is accepted and a note held goes back, before the device is given back. Where that
cannot be said to the device, it is said again for a minute while it stays in the engineer's hands.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TypeVar

from appliance.engineer.holding import hold
from appliance.engineer.slip import make_test_slip
from appliance.engineer.work import Failed, Job, Mark
from appliance.supervisor import Watched
from hardware import events
from hardware.errors import DeviceError, OutcomeUnknown, Refused
from hardware.events import DeviceState, Event
from hardware.roles import BillValidator, CoinAcceptor, CoinHopper, FiscalRegister, ReceiptPrinter

CHECK = "check"
# In the words of a role, as the routing file's devices have it.
TRIALS: Mapping[str, tuple[str, ...]] = {
    "bill validator": (CHECK, "note"),
    "coin acceptor": (CHECK, "coin"),
    "coin hopper": (CHECK, "pay"),
    "fiscal register": (CHECK, "slip", "x-report"),
    "receipt printer": (CHECK, "slip"),
}
MOVES_MONEY = frozenset({"coin", "pay"})  # only when an engineer has said so beside the button
READY_S = 10.0
ANSWER_S = 15.0
HAND_S = 90.0  # for a person's hand
PRINT_S = 60.0
PAY_S = 60.0
LEAVE_S, LEAVE_AGAIN_S = 60.0, 2.0
LIMIT_S = 180.0
EVENTS_MAX = 200

E = TypeVar("E", bound=Event)
R = TypeVar("R")

_log = logging.getLogger(__name__)


def trials_of(role: str) -> tuple[str, ...]:
    """What may be tried with a device of that role."""
    return TRIALS.get(role, (CHECK,))


async def try_device(job: Job, watched: Watched, trial: str, holder: Callable[[str], str]) -> None:
    """The whole trial. Raises `Failed`."""
    if trial not in trials_of(watched.role):
        raise Failed("device.no-such-trial")
    with hold(watched, job.id, holder) as work:
        heard = _Heard(job)
        deaf = watched.hear(heard)
        try:
            await _check(job, watched)
            match trial:
                case "note":
                    await _take_note(job, watched, heard)
                case "coin":
                    await _take_coin(job, watched, heard)
                case "pay":
                    await _pay(job, watched, work)
                case "slip":
                    await _print(job, watched, work)
                case "x-report":
                    await _report(job, watched)
        except OutcomeUnknown as error:
            raise Failed("device.unknown", words=str(error)) from error
        except DeviceError as error:
            raise Failed("device.error", words=str(error)) from error
        finally:
            if trial in {"note", "coin"}:
                await asyncio.shield(asyncio.ensure_future(_leave(job, watched)))
            deaf()


async def _check(job: Job, watched: Watched) -> None:
    job.say(Mark.NOW, "device.waiting", seconds=f"{READY_S:g}")
    await watched.use(lambda: watched.device.ready(READY_S), READY_S + 5, anyway=True)
    status = watched.status
    who = status.identity
    named = ", ".join(filter(None, (who.maker, who.model, who.firmware))) or watched.entry.driver
    job.say(Mark.DONE, "device.is", who=named, serial=who.serial or "—")
    _say_state(job, status.state, status.words)
    job.say(Mark.SAID, "device.line", noise=status.skipped_bytes, repeats=status.repeats)
    device = watched.device
    if isinstance(device, BillValidator | CoinAcceptor):
        known = sorted(device.denominations, key=lambda each: (each.currency, each.minor))
        if not known:
            raise Failed("device.knows-nothing")
        job.say(Mark.DONE, "device.knows", known=", ".join(map(str, known)))
    if isinstance(device, CoinHopper):
        job.say(Mark.SAID, "device.holds", coin=device.coin)
    if isinstance(device, FiscalRegister):
        shift = await watched.use(device.read_status, ANSWER_S, anyway=True)
        number = "—" if shift.shift.number is None else shift.shift.number
        job.say(Mark.DONE, f"shift.{shift.shift.state}", number=number)
        if shift.unsent:
            job.say(Mark.SAID, "register.unsent", count=shift.unsent)
        if shift.words:
            job.say(Mark.WRONG, "device.says", words=shift.words)
    if isinstance(device, ReceiptPrinter):
        found = await watched.use(device.read_status, ANSWER_S, anyway=True)
        facts = {"printer.offline": not found.online, "printer.paper-out": found.paper is False,
                 "printer.paper-low": found.paper_low, "printer.cover-open": found.cover_open}  # fmt: skip
        for key, true in facts.items():
            if true:
                job.say(Mark.WRONG, key)
        if not any(facts.values()):
            job.say(Mark.DONE, "printer.well")
        if found.words:
            job.say(Mark.SAID, "device.says", words=found.words)


async def _take_note(job: Job, watched: Watched, heard: "_Heard") -> None:
    device = _as(watched, BillValidator)  # type: ignore[type-abstract]
    heard.forget()
    await watched.use(device.enable, ANSWER_S, anyway=True)
    job.say(Mark.NOW, "note.put-in", seconds=f"{HAND_S:g}")
    note = await heard.next(events.BillEscrowed, HAND_S)
    job.say(Mark.DONE, "note.held", money=note.bill)
    await watched.use(lambda: device.give_back(note.escrow), HAND_S, anyway=True)
    job.say(Mark.DONE, "note.given-back", money=note.bill)


async def _take_coin(job: Job, watched: Watched, heard: "_Heard") -> None:
    device = _as(watched, CoinAcceptor)  # type: ignore[type-abstract]
    heard.forget()
    await watched.use(device.enable, ANSWER_S, anyway=True)
    job.say(Mark.NOW, "coin.put-in", seconds=f"{HAND_S:g}")
    coin = await heard.next(events.CoinAccepted, HAND_S)
    job.facts["told"] = {"amount": coin.coin.minor, "currency": coin.coin.currency}
    job.say(Mark.DONE, "coin.taken", money=coin.coin, path=coin.path)


async def _pay(job: Job, watched: Watched, work: str) -> None:
    device = _as(watched, CoinHopper)  # type: ignore[type-abstract]
    coin = device.coin
    job.say(Mark.NOW, "pay.paying", money=coin)
    paid = await watched.use(lambda: device.pay_out(1, f"{work}/pay"), PAY_S, anyway=True)
    job.facts["told"] = {"amount": paid.paid * coin.minor, "currency": coin.currency}
    if paid.paid != paid.asked:
        raise Failed("pay.short", words=paid.words or "—")
    job.say(Mark.DONE, "pay.paid", money=coin)


async def _print(job: Job, watched: Watched, work: str) -> None:
    device = watched.device
    if not isinstance(device, FiscalRegister | ReceiptPrinter):
        raise Failed("device.error", words=watched.status.words)
    job.say(Mark.NOW, "slip.printing")
    qr = isinstance(device, ReceiptPrinter)
    try:
        await watched.use(lambda: device.print_slip(make_test_slip(qr=qr), f"{work}/slip"), PRINT_S, anyway=True)
    except Refused as error:
        job.say(Mark.SAID, "slip.no-kazakh", words=error.words)
        plain = make_test_slip(qr=qr, kazakh=False)
        await watched.use(lambda: device.print_slip(plain, f"{work}/slip-plain"), PRINT_S, anyway=True)
    job.say(Mark.DONE, "slip.printed")


async def _report(job: Job, watched: Watched) -> None:
    device = _as(watched, FiscalRegister)  # type: ignore[type-abstract]
    job.say(Mark.NOW, "x-report.printing")
    await watched.use(device.x_report, PRINT_S, anyway=True)
    job.say(Mark.DONE, "x-report.printed")


async def _leave(job: Job, watched: Watched) -> None:
    """Have it take nothing more; a note in escrow goes back. One whose driver was built anew takes nothing already."""
    began = watched.device
    until = time.monotonic() + LEAVE_S
    while True:
        if not isinstance(began, BillValidator | CoinAcceptor) or watched.device is not began:
            return
        try:
            await watched.use(began.disable, ANSWER_S, anyway=True)
        except Exception as error:  # a mistake of the driver's, too: the device must be given back
            words = str(error) or type(error).__name__
        else:
            job.say(Mark.DONE, "device.left-safe")
            return
        job.say(Mark.WRONG, "device.not-left", words=words)
        if time.monotonic() >= until:
            _log.error("a device may still take money behind an engineer's test", extra={
                "device": watched.name, "reason": words,
            })  # fmt: skip
            return
        await asyncio.sleep(LEAVE_AGAIN_S)


class _Heard:
    """The device's events while it is tried; those that a person can see are told as they come.

    `EVENTS_MAX` of them wait to be looked at; of a device that tells more the oldest are forgotten.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self._come = asyncio.Event()

    def __call__(self, event: Event) -> None:
        match event:
            case events.BillRejected(words=words) | events.CoinRejected(words=words):
                self._job.say(Mark.SAID, "money.rejected", words=words)
            case events.BillStacked(bill=bill):
                self._job.say(Mark.WRONG, "note.kept", money=bill)
            case events.BillReturned(bill=bill):
                self._job.say(Mark.SAID, "note.went-back", money=bill or "")
            case events.BillUnclear(bill=bill, remedy=remedy):
                self._job.say(Mark.WRONG, "note.unclear", money=bill, words=remedy)
            case events.CoinAccepted(coin=coin):
                self._job.say(Mark.SAID, "coin.came", money=coin)
            case events.StateChanged(state=state, words=words):
                _say_state(self._job, state, words)
            case events.PaperOut():
                self._job.say(Mark.SAID, "printer.paper-out")
            case events.CoverOpened():
                self._job.say(Mark.SAID, "printer.cover-open")
            case events.Jammed(words=words) | events.Tampered(words=words) | events.SlipUnclear(words=words):
                self._job.say(Mark.WRONG, "device.says", words=words)
        self._events.append(event)
        self._come.set()

    def forget(self) -> None:
        """What came until now is of no interest."""
        self._events.clear()

    async def next(self, kind: type[E], seconds: float) -> E:
        """Wait for one. Raises `Failed` when none comes, or the device goes out of service meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    while not self._events:
                        self._come.clear()
                        await self._come.wait()
                    event = self._events.popleft()
                    if isinstance(event, kind):
                        return event
                    if isinstance(event, events.StateChanged) and event.state in {
                        DeviceState.FAULT, DeviceState.ABSENT,
                    }:  # fmt: skip
                        raise Failed("device.error", words=event.words or event.state.value)
        except TimeoutError:
            raise Failed("device.nothing-came", seconds=f"{seconds:g}") from None


def _say_state(job: Job, state: DeviceState, words: str) -> None:
    """The device's own words, in English, only where something is wrong: the rest says itself."""
    bad = state in {DeviceState.FAULT, DeviceState.ABSENT}
    job.say(Mark.WRONG if bad else Mark.SAID, f"state.{state.value}", words=f": {words}" if bad and words else "")


def _as(watched: Watched, role: type[R]) -> R:
    """Its driver. Raises `Failed` where it has none now."""
    if not isinstance(watched.device, role):
        raise Failed("device.error", words=watched.status.words or watched.status.state.value)
    return watched.device
