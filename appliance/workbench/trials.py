"""One device, walked through step by step by an engineer in front of it, whatever its family.

A trial takes a driver by its role, says on the screen what to do and what happens, and ends in passed or not. However
it ends, by Ctrl-C too, a note that is held goes back, nothing more is accepted, and the port is given back.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from appliance.engineer.slip import make_test_slip
from hardware import events
from hardware.errors import DeviceError, DeviceFault, OutcomeUnknown, Refused
from hardware.events import DeviceState, Event
from hardware.roles import BillValidator, CoinAcceptor, CoinHopper, Device, FiscalRegister, ReceiptPrinter
from wire.money import Money

READY_S = 60.0  # a validator turns all its motors first
FAULT_S = 6.0  # a device that says for so long what is wrong with it is not waited for any longer
LEAVE_S = 12.0  # for taking back what was begun; a note in escrow goes back within ten seconds by itself

E = TypeVar("E", bound=Event)
R = TypeVar("R")
Say = Callable[[str], None]


class Failed(Exception):
    """The trial is not passed; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the engineer asked for."""

    keep: bool = False  # stack the note instead of giving it back
    pay: int = 0  # coins
    coins: int = 1  # how many to wait for
    wait_s: float = 120.0  # for a person's hand


class Heard:
    """The device's events, in order, each shown when it comes."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._told = ""

    def __call__(self, event: Event) -> None:
        """For `FileJournal`."""
        words = tell(event)
        if words and (words != self._told or type(event) in events.MONEY_EVENTS):
            self._say(f"  ...   {words}")
            self._told = words
        self._events.put_nowait(event)

    def forget(self) -> None:
        """What came until now is of no interest."""
        while not self._events.empty():
            self._events.get_nowait()

    async def next(self, kind: type[E], seconds: float) -> E:
        """Wait for an event. Raises `Failed` when none comes, or the device goes out of service meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    event = await self._events.get()
                    if isinstance(event, kind):
                        return event
                    if isinstance(event, events.StateChanged) and event.state is DeviceState.FAULT:
                        raise Failed(f"it is out of service: {event.words or event.code}")
        except TimeoutError:
            raise Failed(f"nothing came within {seconds:g} s") from None


async def walk_through(device: Device, heard: Heard, say: Say, wishes: Wishes, reference: str) -> None:
    """Open the device, try what its role can do, leave it safe.

    Raises:
        Failed: not passed.
        asyncio.CancelledError: Ctrl-C; the device was left safe before.
    """
    try:
        await _open(device)
        say(f"  now   waiting for the device, up to {READY_S:g} s")
        await _step(_wait_ready(device))
        _introduce(device, say)
        match device:
            case BillValidator():
                await _try_notes(device, heard, say, wishes)
            case CoinAcceptor():
                await _try_coins(device, heard, say, wishes)
            case CoinHopper():
                await _try_hopper(device, say, wishes, reference)
            case FiscalRegister():
                await _try_register(device, say, reference)
            case ReceiptPrinter():
                await _try_printer(device, say, reference)
            case _:
                say("  ok    it answers; there is nothing more to try with a device of this kind")
    finally:
        await asyncio.shield(asyncio.ensure_future(_leave(device, say)))


async def _open(device: Device) -> None:
    try:
        await device.open()
    except Exception as error:
        # What its journal raises: a damaged file, a disk that cannot be read.
        raise Failed(f"what it remembered cannot be read: {error}") from error


async def _wait_ready(device: Device) -> None:
    loop = asyncio.get_running_loop()
    well_at = loop.time()
    waiting = asyncio.ensure_future(device.ready(READY_S))
    try:
        while not waiting.done():
            await asyncio.wait([waiting], timeout=0.1)
            status = device.status
            if status.state is not DeviceState.FAULT:
                well_at = loop.time()
            elif loop.time() - well_at > FAULT_S:
                raise DeviceFault(status.code, status.words)
        await waiting
    finally:
        waiting.cancel()


async def _try_notes(device: BillValidator, heard: Heard, say: Say, wishes: Wishes) -> None:
    say(f"  ok    knows {_list(device.denominations)}")
    heard.forget()
    await _step(device.enable())
    fate = "it will be KEPT (--keep)" if wishes.keep else "you get it back"
    say(f"  now   put one note in; {fate}. Ctrl-C ends, and gives back what is held")
    note = await heard.next(events.BillEscrowed, wishes.wait_s)
    if wishes.keep:
        kept = await _step(device.stack(note.escrow))
        say(f"  ok    {kept} is in the cassette")
    else:
        await _step(device.give_back(note.escrow))
        say(f"  ok    {note.bill} was given back; take it")
    await _step(device.disable())
    say("  ok    takes no more notes")


async def _try_coins(device: CoinAcceptor, heard: Heard, say: Say, wishes: Wishes) -> None:
    say(f"  ok    knows {_list(device.denominations)}")
    heard.forget()
    await _step(device.enable())
    count = "a coin" if wishes.coins == 1 else f"{wishes.coins} coins"
    say(f"  now   put in {count}; there is no way back for a coin: it stays in the machine. Ctrl-C ends")
    for _ in range(wishes.coins):
        coin = await heard.next(events.CoinAccepted, wishes.wait_s)
        say(f"  ok    {coin.coin} on sorter path {coin.path}")
    await _step(device.disable())
    say("  ok    takes no more coins")


async def _try_hopper(device: CoinHopper, say: Say, wishes: Wishes, reference: str) -> None:
    say(f"  ok    is said to be filled with {device.coin}")
    if not wishes.pay:
        say("  ok    pays nothing in a test unless told to: --pay 1")
        return
    say(f"  now   paying {wishes.pay} of {device.coin}; keep a hand below")
    paid = await _step(device.pay_out(wishes.pay, reference))
    if paid.paid != paid.asked:
        raise Failed(f"it paid {paid.paid} of {paid.asked}: {paid.words}")
    say(f"  ok    {paid.paid} paid by its own count; is it what you have in your hand?")


async def _try_register(device: FiscalRegister, say: Say, reference: str) -> None:
    status = await _step(device.read_status())
    number = "" if status.shift.number is None else f" {status.shift.number}"
    say(f"  ok    shift{number} is {status.shift.state}; last document {status.last_document or 'none'}")
    if status.storage:
        clock = f", its clock {_clock(status.clock)}" if status.clock else ""
        say(f"  ok    fiscal storage {status.storage}{clock}")
    if status.unsent:
        say(f"  ...   {status.unsent} documents wait for the data operator since {status.unsent_since or 'a while'}")
    if status.words:
        say(f"  ...   {status.words}")
    say("  now   printing a slip that is no fiscal document")
    await _print(device, say, reference, qr=False)
    say("  ok    confirmed; look at the letters on the paper. Nothing fiscal was done")


def _clock(text: str) -> str:
    """To the second, as people write it."""
    return text.replace("T", " ").partition(".")[0]


async def _try_printer(device: ReceiptPrinter, say: Say, reference: str) -> None:
    status = await _step(device.read_status())
    facts = [("paper", status.paper, "is in"), ("paper", status.paper_low, "is near its end")]
    facts.append(("cover", status.cover_open, "is open"))
    said = [f"{what} {words}" for what, true, words in facts if true]
    say(f"  ok    {'online' if status.online else 'offline'}" + (f"; {', '.join(said)}" if said else ""))
    if status.words:
        say(f"  ...   {status.words}")
    say("  now   printing a test slip")
    await _print(device, say, reference, qr=True)
    say("  ok    the printer confirmed that it is on paper; read the letters, scan the code")


async def _print(device: FiscalRegister | ReceiptPrinter, say: Say, reference: str, *, qr: bool) -> None:
    try:  # no second test finds out more about a slip: only the paper tells
        try:
            await device.print_slip(make_test_slip(qr=qr), reference)
        except Refused as error:
            say(f"  ...   it refused the Kazakh letters, the rest follows without them: {error}")
            await device.print_slip(make_test_slip(qr=qr, kazakh=False), f"{reference}-plain")
    except DeviceError as error:
        raise Failed(str(error)) from error


async def _leave(device: Device, say: Say) -> None:
    """Take back what was begun. Says what it could not do, and raises nothing."""
    if isinstance(device, BillValidator | CoinAcceptor) and device.status.state is not DeviceState.ABSENT:
        try:
            async with asyncio.timeout(LEAVE_S):
                await device.disable()
        except Exception as error:  # a mistake of the driver's, too: the port must be given back
            say(f"  !!!   it may still take money: {str(error) or 'no answer'}; switch it off or try again")
    with contextlib.suppress(DeviceError):
        await device.close()


async def _step(doing: Awaitable[R]) -> R:
    try:
        return await doing
    except OutcomeUnknown as error:
        raise Failed(f"{error}. Run the same test again: the driver then asks the device") from error
    except DeviceError as error:
        raise Failed(str(error)) from error


def _introduce(device: Device, say: Say) -> None:
    status = device.status
    identity = status.identity
    who = " ".join(word for word in (identity.maker, identity.model) if word) or "a device that does not say its name"
    if identity.serial:
        who += f", serial {identity.serial}"
    if identity.firmware:
        who += f", firmware {identity.firmware}"
    say(f"  ok    {who}")
    say(f"  ok    {status.state}" + (f": {status.words}" if status.words else ""))


def tell(event: Event) -> str:
    """An event in words for the one who stands in front of the device, or nothing where it says nothing new."""
    match event:
        case events.BillEscrowed(bill=bill):
            return f"{bill} is held in escrow"
        case events.BillStacked(bill=bill, late=late, unclaimed=unclaimed):
            return f"{bill} was kept" + (
                " without being asked" if unclaimed else " (found out afterwards)" if late else ""
            )
        case events.BillReturned(bill=bill):
            return f"{bill or 'the note'} went back"
        case events.BillUnclear(bill=bill, remedy=remedy):
            return f"it is not known what became of {bill}: {remedy}"
        case events.BillRejected(words=words) | events.CoinRejected(words=words):
            return f"rejected: {words}; try again"
        case events.CoinAccepted(coin=coin, late=late):
            return f"{coin} was taken" + (" while nobody listened" if late else "")
        case events.CoinsPaid(paid=paid):
            return f"{paid} paid"
        case events.PayoutUnclear(asked=asked, remedy=remedy):
            return f"it is not known how many of {asked} coins were paid: {remedy}"
        case events.CashMoved(amount=amount, late=late):
            moved = f"{amount} was put into the drawer" if amount.minor > 0 else f"{amount} was taken out of it"
            return moved + (" (found out afterwards)" if late else "")
        case events.StateChanged(state=state, words=words):
            return f"{state}" + (f": {words}" if words else "")
        case events.CassetteRemoved():
            return "the cassette was taken out"
        case events.CassetteReturned():
            return "the cassette is back"
        case events.CassetteFull():
            return "the cassette is full"
        case events.PaperOut():
            return "there is no paper"
        case events.PaperLow():
            return "the paper is near its end"
        case events.PaperReturned():
            return "there is paper again"
        case events.CoverOpened():
            return "the cover is open"
        case events.CoverClosed():
            return "the cover is closed"
        case events.StackCountDiffers(expected=expected, counted=counted):
            return f"its own counter moved by {counted}, we know of {expected}"
        case (
            events.BillHeldBack(words=words)
            | events.Jammed(words=words)
            | events.Tampered(words=words)
            | events.CreditsLost(words=words)
            | events.SlipUnclear(words=words)
            | events.DocumentAbsent(words=words)
        ):
            return words
    return ""


def _list(denominations: Iterable[Money]) -> str:
    return ", ".join(str(each) for each in sorted(denominations, key=lambda it: (it.currency, it.minor))) or "nothing"
