"""Walks through devices of every role, with drivers that play their part at once."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from appliance.workbench import trials
from appliance.workbench.trials import Failed, Heard, Wishes, make_test_slip, tell, walk_through
from hardware import events
from hardware.errors import DeviceFault, OutcomeUnknown, Refused, TransportError
from hardware.events import DeviceState, Event
from hardware.roles import (
    BillValidator,
    CoinAcceptor,
    CoinHopper,
    Device,
    FiscalRegister,
    Identity,
    Payout,
    PrinterStatus,
    ReceiptPrinter,
    RegisterStatus,
    ShiftState,
    Status,
)
from hardware.slip import Slip
from wire.money import Money

NOTE = Money(50000, "KZT")


class Played(Device):
    """What all of them have. `done` is what was asked for, in order; `fails` raises when asked for that."""

    def __init__(self, **fails: Exception) -> None:
        self.done: list[str] = []
        self.fails = fails
        self.state = DeviceState.DISABLED
        self.say: Any = None
        self.screen: list[str] = []
        self.heard = Heard(self.screen.append)

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.fails:
            raise self.fails[what]

    @property
    def name(self) -> str:
        return "played"

    async def open(self) -> None:
        self._do("open")

    async def close(self) -> None:
        self._do("close")

    @property
    def status(self) -> Status:
        identity = Identity(maker="Toys", model="One", serial="7", firmware="1.0")
        return Status(state=self.state, words="stands well", identity=identity)

    async def ready(self, timeout_s: float) -> None:
        self._do("ready")

    async def walk(self, wishes: Wishes | None = None) -> str:
        await walk_through(self, self.heard, self.screen.append, wishes or Wishes(wait_s=0.05), "test-1")
        return "\n".join(self.screen)


class Notes(Played, BillValidator):
    """Takes a note as soon as it is enabled."""

    comes: tuple[Event, ...] = (
        events.BillRejected(code="62", words="pulled"),
        events.BillEscrowed(bill=NOTE, escrow=4),
    )

    @property
    def denominations(self) -> Collection[Money]:
        return (Money(100000, "KZT"), NOTE)

    async def enable(self, accept: Collection[Money] | None = None) -> None:
        self._do("enable")
        self.state = DeviceState.READY
        for event in self.comes:
            self.heard(event)

    async def disable(self) -> None:
        self._do("disable")
        self.state = DeviceState.DISABLED

    async def stack(self, escrow: int) -> Money:
        self._do(f"stack {escrow}")
        return NOTE

    async def give_back(self, escrow: int) -> None:
        self._do(f"give_back {escrow}")

    async def hold(self, escrow: int, seconds: float) -> None:
        self._do(f"hold {escrow}")


class Coins(Played, CoinAcceptor):
    @property
    def denominations(self) -> Collection[Money]:
        return (Money(2000, "KZT"),)

    async def enable(self, accept: Collection[Money] | None = None) -> None:
        self._do("enable")
        self.state = DeviceState.READY
        for number in (1, 2):
            self.heard(events.CoinAccepted(coin=Money(2000, "KZT"), path=3, number=number))

    async def disable(self) -> None:
        self._do("disable")
        self.state = DeviceState.DISABLED


class Hopper(Played, CoinHopper):
    paid = 2

    @property
    def coin(self) -> Money:
        return Money(2000, "KZT")

    async def pay_out(self, count: int, reference: str) -> Payout:
        self._do(f"pay {count} {reference}")
        return Payout(count, self.paid, "it is empty" if self.paid < count else "")


class Printer(Played, ReceiptPrinter):
    async def read_status(self) -> PrinterStatus:
        self._do("read_status")
        return PrinterStatus(online=True, paper=True, paper_low=True, cover_open=False, words="change the roll soon")

    async def print_slip(self, slip: Slip, reference: str, *, copy: bool = False) -> None:
        self._do("print_slip")


class Register(Printer, FiscalRegister):  # type: ignore[misc]
    async def read_status(self) -> RegisterStatus:  # type: ignore[override]
        return RegisterStatus(
            shift=ShiftState(state="open", number=7), last_document=22, storage="9999", unsent=3, unsent_since="Monday",
            clock="2026-11-21T13:00", words="the paper is low",
        )  # fmt: skip

    async def fiscal(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a test does nothing fiscal")

    open_shift = close_shift = register = cash_in = cash_out = x_report = find = print_copy = fiscal  # type: ignore[assignment]


async def test_a_note_is_taken_and_given_back() -> None:
    device = Notes()
    screen = await device.walk()
    assert device.done == ["open", "ready", "enable", "give_back 4", "disable", "disable", "close"]
    assert "ok    Toys One, serial 7, firmware 1.0" in screen
    assert "knows 500.00 KZT, 1000.00 KZT" in screen
    assert "...   rejected: pulled; try again" in screen
    assert "500.00 KZT was given back; take it" in screen


async def test_a_note_is_kept_only_when_that_was_asked_for() -> None:
    device = Notes()
    assert "it will be KEPT (--keep)" in await device.walk(Wishes(keep=True))
    assert "stack 4" in device.done


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        ({"ready": DeviceFault("47 51", "the motor is broken")}, "the motor is broken"),
        ({"enable": TransportError("no link")}, "no link"),
        ({"give_back 4": Refused("gone", "it went back by itself")}, "it went back by itself"),
        ({"give_back 4": OutcomeUnknown("return note 4", "look into it")}, "look into it. Run the same"),
    ],
)
async def test_what_goes_wrong_fails_it_and_leaves_the_device_safe(fails: dict[str, Exception], words: str) -> None:
    device = Notes(**fails)
    with pytest.raises(Failed, match=words):
        await device.walk()
    assert device.done[-2:] == ["disable", "close"]


async def test_nobody_puts_a_note_in() -> None:
    device = Notes()
    device.comes = ()
    with pytest.raises(Failed, match=r"nothing came within 0\.05 s"):
        await device.walk()
    assert device.done[-2:] == ["disable", "close"]


async def test_a_device_that_says_what_is_wrong_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Printer):
        async def ready(self, timeout_s: float) -> None:
            await asyncio.sleep(3600)

    monkeypatch.setattr(trials, "FAULT_S", 0.05)
    device = Broken()
    device.state = DeviceState.FAULT
    with pytest.raises(Failed, match="stands well"):
        await device.walk()
    assert device.done == ["open", "close"]


async def test_a_journal_that_cannot_be_read_is_told() -> None:
    with pytest.raises(Failed, match="what it remembered cannot be read: torn"):
        await Notes(open=ValueError("torn")).walk()


async def test_the_same_is_said_once_but_money() -> None:
    device = Notes()
    for event in (events.PaperOut(), events.PaperOut(), *(events.BillStacked(bill=NOTE, escrow=n) for n in (1, 2))):
        device.heard(event)
    assert device.screen == ["  ...   there is no paper", *["  ...   500.00 KZT was kept"] * 2]


async def test_it_breaks_while_a_note_is_waited_for() -> None:
    device = Notes()
    device.comes = (
        events.StateChanged(state=DeviceState.FAULT, was=DeviceState.READY, code="43", words="a note is stuck"),
    )
    with pytest.raises(Failed, match="out of service: a note is stuck"):
        await device.walk()


async def test_what_was_held_before_the_test_is_not_the_note_asked_for() -> None:
    device = Notes()
    device.comes = ()
    device.heard(events.BillEscrowed(bill=NOTE, escrow=3))
    with pytest.raises(Failed):
        await device.walk()
    assert "give_back 3" not in device.done


async def test_ctrl_c_gives_back_and_closes() -> None:
    device = Notes()
    device.comes = ()
    walk = asyncio.ensure_future(device.walk(Wishes()))
    while "enable" not in device.done:  # noqa: ASYNC110
        await asyncio.sleep(0)
    walk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walk
    assert device.done == ["open", "ready", "enable", "disable", "close"]


@pytest.mark.parametrize(
    ("error", "words"),
    [(TransportError("no link"), "no link"), (TypeError("no link"), "no link"), (TimeoutError(), "no answer")],
)
async def test_a_device_that_cannot_be_stopped_is_told(error: Exception, words: str) -> None:
    device = Notes(disable=error, enable=Refused("x", "not now"))
    with pytest.raises(Failed):
        await device.walk()
    assert f"!!!   it may still take money: {words}; switch" in "\n".join(device.screen)
    assert device.done[-1] == "close"


async def test_a_device_that_is_not_there_is_not_waited_for() -> None:
    device = Notes(ready=TransportError("no link"))
    device.state = DeviceState.ABSENT
    with pytest.raises(Failed):
        await device.walk()
    assert device.done == ["open", "ready", "close"]


async def test_coins_are_shown() -> None:
    device = Coins()
    screen = await device.walk(Wishes(coins=2))
    assert screen.count("ok    20.00 KZT on sorter path 3") == 2
    assert device.done == ["open", "ready", "enable", "disable", "disable", "close"]


async def test_a_hopper_pays_only_what_it_was_told() -> None:
    device = Hopper()
    assert "pays nothing in a test unless told to: --pay 1" in await device.walk()
    assert device.done == ["open", "ready", "close"]
    device = Hopper()
    assert "2 paid by its own count" in await device.walk(Wishes(pay=2))
    assert "pay 2 test-1" in device.done
    with pytest.raises(Failed, match="it paid 2 of 3: it is empty"):
        await Hopper().walk(Wishes(pay=3))


async def test_a_printer_prints_and_confirms() -> None:
    device = Printer()
    screen = await device.walk()
    assert device.done == ["open", "ready", "read_status", "print_slip", "close"]
    assert "online; paper is in, paper is near its end" in screen
    assert "change the roll soon" in screen


async def test_a_printer_without_kazakh_letters_prints_the_rest() -> None:
    class Plain(Printer):
        async def print_slip(self, slip: Slip, reference: str, *, copy: bool = False) -> None:
            self._do(f"print_slip {reference}")
            if "Қ" in str(slip):
                raise Refused("slip", "'Қ' is not in its code pages")

    device = Plain()
    assert "refused the Kazakh letters" in await device.walk()
    assert device.done[-3:] == ["print_slip test-1", "print_slip test-1-plain", "close"]
    with pytest.raises(Failed, match="no paper"):
        await Printer(print_slip=DeviceFault("paper", "no paper")).walk()


async def test_a_register_does_nothing_fiscal() -> None:
    device = Register()
    screen = await device.walk()
    assert device.done == ["open", "ready", "print_slip", "close"]
    for words in (
        "shift 7 is open; last document 22",
        "storage 9999, its clock 2026",
        "3 documents wait",
        "paper is low",
    ):
        assert words in screen


async def test_a_device_of_another_kind_is_only_asked_whether_it_is_well() -> None:
    device = Played()
    assert "nothing more to try" in await device.walk()


def test_the_slip_has_every_letter_that_is_hard_to_print() -> None:
    texts = " ".join(getattr(element, "text", "") for element in make_test_slip().elements)
    assert set("абвгдеёжзийклмнопрстуфхцчшщъыьэюяАӘҒҚҢӨҰҮҺІәғқңөұүһі") <= set(texts)


def test_every_event_that_money_hangs_on_has_words() -> None:
    every = [
        events.BillStacked(bill=NOTE, escrow=1),
        events.BillStacked(bill=NOTE, escrow=1, late=True),
        events.BillStacked(bill=NOTE, escrow=None, unclaimed=True),
        events.BillReturned(bill=None, escrow=1),
        events.BillUnclear(bill=NOTE, escrow=1, remedy="count"),
        events.CoinAccepted(coin=NOTE, path=1, number=1, late=True),
        events.CoinsPaid(reference="x", paid=1),
        events.PayoutUnclear(reference="x", asked=1, coin=NOTE, remedy="count"),
        events.StackCountDiffers(expected=1, counted=2),
        events.CreditsLost(at_most=3, words="lost"),
        events.BillHeldBack(code="84", words="held"),
        events.CassetteRemoved(),
        events.CassetteReturned(),
        events.CassetteFull(),
        events.PaperOut(),
        events.PaperLow(),
        events.PaperReturned(),
        events.CoverOpened(),
        events.CoverClosed(),
    ]
    told = [tell(event) for event in every]
    assert "" not in told
    assert len(set(told)) == len(told)
    assert tell(events.Identified()) == ""
    assert trials.READY_S > 0
