"""A bill validator's conversation.

A note in escrow is an event (type, 1), a note in the stacker an event (type, 0), and only that is credit. Both come
from the same counted buffer as coins do, and are recorded as coins are. What a caller decided is written down before
154 leaves; what 154 answers decides nothing, the next event does. After a loss of link the decision is said again: it
is the same note as long as the counter stood still. After a restart of the host a note nobody decided about goes back.

When the validator began anew with a note in escrow, it is waited for a while whether it says what became of it; else
the note is unclear.
"""

from collections.abc import Sequence

from hardware.bills import Disable, Enable, GiveBack, Hold, Stack
from hardware.cctalk import credit, states
from hardware.cctalk.counted import CountedConversation
from hardware.cctalk.device import CONTRADICTIONS_MAX, FAULT_S, Silent
from hardware.cctalk.frames import Sum
from hardware.cctalk.held import REMEDY, Held, read_held, unknown
from hardware.cctalk.lane import FOREVER, Rest, Script
from hardware.cctalk.states import BillEvent
from hardware.cctalk.values import bill_money
from hardware.errors import DeviceError, LocalProtocolError, OutcomeUnknown, Refused
from hardware.events import (
    BillEscrowed,
    BillHeldBack,
    BillRejected,
    BillReturned,
    BillStacked,
    BillUnclear,
    CassetteFull,
    CassetteRemoved,
    CassetteReturned,
    DeviceState,
    Jammed,
    Tampered,
)
from hardware.protocol import Memory
from wire.money import Money

BILLS = 16
ROUTE, SET_MODE = 154, 153
RETURN, STACK, LONGER = b"\0", b"\1", b"\xff"
WITH_ESCROW = b"\3"
ROUTED_S = 5.0  # how long after an order the event is waited for before the order is said again
SETTLES_S = 30.0  # a note that was ordered away and is not told of for so long is unclear
TELLS_S = 10.0  # how long after a new beginning a validator has to say what became of the note in escrow
LONGER_S = 5.0  # how often a note that is held longer is said to be

Seen = dict[str, object]  # what is remembered of the last event: its counter and itself


class NoteConversation(CountedConversation):
    """One bill validator.

    Args:
        currency: notes of others are not taken.
    """

    wanted_category = states.Category.BILL_VALIDATOR
    ask_events = 159
    called, takes = "bill validator", "notes"

    def __init__(self, name: str, address: int, kind: Sum, memory: Memory, *, currency: str) -> None:
        super().__init__(name, address, kind, memory)
        self._currency = currency
        self._bills: dict[int, Money] = {}
        self._cassette = ""
        self._applied = ("", "")  # fault and cassette as the inhibits were set for
        self._taken = False
        self._held = read_held(self.remembered_dict("held"))
        self._mine = False  # the held note was told of in this life of the host
        self._waiting: dict[str, list[int]] = {}
        self._ordered_at: float | None = None  # when 154 was said last
        self._began_at = 0.0  # when the first order for this note was said, or the doubt began
        self._hold_until = self._longer_at = 0.0
        self._check_at = FOREVER

    @property
    def denominations(self) -> tuple[Money, ...]:
        return tuple(sorted(set(self._bills.values())))

    # Wishes

    def missed(self, command: object, ticket: int) -> None:
        held = self._held
        match command:
            case Stack(escrow) | GiveBack(escrow) if held is not None and held.escrow == escrow:
                wish = "stack" if isinstance(command, Stack) else "return"
                if held.doubtful or held.wish == wish:
                    self.finish(ticket, error=unknown(held))
                    return
                if held.wish:
                    self.finish(ticket, error=_decided(held))
                    return
        CountedConversation.missed(self, command, ticket)

    def gone(self) -> None:
        for wish, tickets in self._waiting.items():
            for ticket in tickets:
                self.finish(
                    ticket,
                    error=OutcomeUnknown(
                        f"{wish} a note", f"the link to {self.name} was lost; what became of it is told when it is back"
                    ),
                )
        self._waiting.clear()
        self._ordered_at = None

    def obey(self, command: object, ticket: int) -> Script[None]:
        match command:
            case Enable() | Disable():
                if isinstance(command, Disable) and self._held is not None and not self._held.wish:
                    self._decide("return")
                yield from self.change_wish(command, ticket)
                yield from self._order_anew()
            case Stack(escrow) | GiveBack(escrow):
                wish = "stack" if isinstance(command, Stack) else "return"
                held = self._held
                if held is not None and held.escrow == escrow and held.doubtful:
                    self.finish(ticket, error=unknown(held))
                elif held is None or held.escrow != escrow:
                    self.finish(ticket, error=Refused("not-in-escrow", f"note {escrow} is not in escrow"))
                elif held.wish and held.wish != wish:
                    self.finish(ticket, error=_decided(held))
                else:
                    self._waiting.setdefault(wish, []).append(ticket)
                    self._decide(wish)
                    yield from self._order()
            case Hold(escrow, seconds):
                if self._held is None or self._held.escrow != escrow or self._held.wish or self._held.doubtful:
                    self.finish(ticket, error=Refused("not-in-escrow", f"note {escrow} is not in escrow"))
                else:
                    self._hold_until, self._longer_at = self.now + seconds, self.now
                    self.finish(ticket)
            case _:
                self.finish(ticket, error=LocalProtocolError(f"a bill validator knows no {command!r}"))

    # Its life

    def live(self) -> Script[None]:
        yield from self.read_manners()
        yield from self._read_bills()
        yield from self.learn_inhibits()
        yield from self._begin()
        yield from self._set_mode()
        self.fault = (yield from self.check_self()) or ""
        self._check_at = self.now + FAULT_S if self.fault else FOREVER
        yield from self.apply()
        while not (self.leaving and self._held is None):
            if self.leaving and self._held is not None and not self._held.wish and not self._held.doubtful:
                self._decide("return")
                yield from self._order()
            while self.inbox:
                yield from self.obey(*self.inbox.popleft())
            began = self.now
            yield from self._look()
            if not self.inbox:
                yield Rest(began + self.poll_s)
        while self.inbox:
            self.missed(*self.inbox.popleft())
        yield from self.apply()
        yield from self.take_news(late=False)

    def leave(self, now: float) -> None:
        self.leaving = True

    def _read_bills(self) -> Script[None]:
        names = yield from self.read_table(157, BILLS)
        scales: dict[str, tuple[int, int]] = {}
        for country in sorted({name[:2] for name in names.values() if name[:2].isalpha() and name.isascii()}):
            scales[country] = yield from self._read_scale(country)
        bills = {}
        for number, name in names.items():
            money = bill_money(name, *scales.get(name[:2], (0, 0)))
            if money is not None and money.currency == self._currency:
                bills[number] = money
            elif name.strip(". "):
                self.say(f"note {number} is {name!r}, which is not {self._currency}: it is not taken", "info")
        self._bills = bills

    def _read_scale(self, country: str) -> Script[tuple[int, int]]:
        last: bytes | None = b""
        for _ in range(CONTRADICTIONS_MAX):
            data = yield from self.ask_known(156, country.encode("ascii"))
            if data == last:
                return (int.from_bytes(data[:2], "little"), data[2]) if data else (0, 0)
            last = data
        raise Silent(156)

    def _begin(self) -> Script[None]:
        serial = self.identity.serial
        known = self.known_counter
        if known is None or self.memory.get("serial") != serial:
            if self._held is not None:
                self._tell_unclear("another validator stands in its place")
            yield from self.read_baseline(serial=serial, taking=None)
            return
        self.tell_identity()
        yield from self.compare_inhibits()
        yield from self.take_news(late=True)
        held = self._held
        self._began_at = self.now
        if held is None or held.doubtful:
            return
        if not held.wish and not self._mine:
            self._decide("return")  # whoever was told of it is gone
        if held.wish or not self._mine:
            yield from self._order()

    def _set_mode(self) -> Script[None]:
        if (yield from self.ask_maybe(SET_MODE, WITH_ESCROW)) is None:
            self.say("does not agree to work with stacker and escrow", "warning")

    def apply(self) -> Script[None]:
        self._applied = self.fault, self._cassette
        refuses = self.fault or self._cassette or self.leaving
        taken = [] if refuses else [number for number, bill in self._bills.items() if self.wants(bill)]
        yield from self.set_inhibits(taken)
        self._taken = bool(taken)
        self._show()

    def _show(self) -> None:
        if self.fault:
            self.change(DeviceState.FAULT, "self-check", self.fault)
        elif self._cassette:
            self.change(DeviceState.FAULT, "stacker", self._cassette)
        elif self._held is not None:
            self.change(DeviceState.BUSY)
        elif self._taken:
            self.change(DeviceState.READY)
        else:
            self.change(DeviceState.DISABLED)

    # Keeping it

    def _look(self) -> Script[None]:
        yield from self.take_news(late=False)
        if self._check_at <= self.now:
            yield from self._check()
        if self.inhibits_at <= self.now:
            yield from self.compare_inhibits()
        held = self._held
        if held is None:
            return
        if held.doubtful:
            if self.now - self._began_at > TELLS_S:
                self._tell_unclear("the validator lost power and does not say what became of it")
        elif held.wish:
            if self.now - self._began_at > SETTLES_S:
                self._tell_unclear("the validator does not say what became of it")
            elif self._ordered_at is None or self.now - self._ordered_at > ROUTED_S:
                yield from self._order()
        elif self.now < self._hold_until and self._longer_at <= self.now:
            self._longer_at = self.now + LONGER_S
            yield from self.ask_maybe(ROUTE, LONGER)

    def _check(self) -> Script[None]:
        fault = yield from self.check_self()
        if fault is not None:
            self.fault = fault
        if fault == "":
            self._cassette = ""
        self._check_at = self.now + FAULT_S if self.fault or self._cassette else FOREVER
        if (self.fault, self._cassette) != self._applied:
            yield from self.apply()

    def set_up_again(self) -> Script[None]:
        yield from self._set_mode()
        yield from self.apply()

    def doubt(self) -> dict[str, object]:
        held = self._held
        if held is None or held.doubtful:
            return {}
        self._held = Held(held.escrow, held.type, held.bill, held.wish, doubtful=True)
        self._began_at = self.now
        self._finish("stack", error=unknown(held))
        self._finish("return", error=unknown(held))
        return {"held": self._held.kept()}

    def show(self) -> None:
        if self.is_up or self.state is DeviceState.FAULT:
            self._show()

    # Events

    def tell(self, happening: credit.Happening, later: Sequence[credit.Happening], *, late: bool) -> bool:
        a, b = happening.a, happening.b
        seen: Seen = {"counter": happening.counter, "newest": [a, b]}
        if a and b == 1:
            self._tell_escrowed(a, seen, told=not any(each.a or each.b == BillEvent.RETURNED for each in later))
        elif a:
            self._tell_stacked(a, seen, late=late)
        elif b == BillEvent.RETURNED:
            self._tell_returned(seen, late=late)
        else:
            self._tell_other(b, seen)
            return b == BillEvent.INHIBITED and self._taken
        return False

    def _tell_escrowed(self, number: int, seen: Seen, *, told: bool) -> None:
        if self._held is not None:
            self._tell_unclear("another note came into escrow and nothing was said of this one")
        bill = self._bills.get(number)
        if bill is None:
            self.say(f"holds a note of type {number}, whose value is unknown: it goes back by itself", "warning")
            self.record(None, **seen)
            return
        last = self.remembered("escrow") or 0
        self._held = Held(last + 1, number, bill)
        self._mine = told
        self._hold_until = 0.0
        self._ordered_at = None
        event = BillEscrowed(bill=bill, escrow=last + 1) if told else None
        self.record(event, **seen, escrow=last + 1, held=self._held.kept())

    def _tell_stacked(self, number: int, seen: Seen, *, late: bool) -> None:
        held = self._held
        if held is not None and held.type != number:
            self._tell_unclear("a note of another kind was stacked and nothing was said of this one")
            held = None
        bill = self._bills.get(number)
        if bill is None:
            self.record(
                BillHeldBack(
                    code=f"bill {number}",
                    words=f"a note of type {number} was stacked, whose value is unknown: a dispute, look for it inside",
                ),
                **seen,
            )
            return
        ordered = held is not None and held.wish == "stack"
        self._held = None
        self.record(
            BillStacked(
                bill=bill,
                escrow=None if held is None else held.escrow,
                late=late or (held is not None and held.doubtful),
                unclaimed=not ordered,
            ),
            **seen,
            held=None,
        )
        self._finish("stack", bill)
        self._finish("return", error=Refused("stacked", "the validator stacked it instead"))

    def _tell_returned(self, seen: Seen, *, late: bool) -> None:
        held = self._held
        self._held = None
        self.record(
            BillReturned(
                bill=None if held is None else held.bill,
                escrow=None if held is None else held.escrow,
                late=late or (held is not None and held.doubtful),
            ),
            **seen,
            held=None,
        )
        self._finish("stack", error=Refused("returned", "the note went back; no credit"))
        self._finish("return")

    def _tell_other(self, code: int, seen: Seen) -> None:
        words, number = states.bill_event_words(code), str(code)
        match code:
            case BillEvent.MASTER_INHIBIT | BillEvent.BARCODE:
                self.record(None, **seen)
            case BillEvent.STACKER_OK:
                self._cassette = ""
                self._check_at = self.now
                self.record(None, **seen)
            case BillEvent.STACKER_REMOVED:
                self._cassette = words
                self._check_at = self.now
                self.record(CassetteRemoved(), **seen)
            case BillEvent.STACKER_INSERTED:
                self._cassette = ""
                self._check_at = self.now
                self.record(CassetteReturned(), **seen)
            case BillEvent.STACKER_FULL:
                self._cassette = words
                self._check_at = self.now + FAULT_S
                self.record(CassetteFull(), **seen)
            case (
                BillEvent.JAM_UNSAFE
                | BillEvent.JAM_IN_STACKER
                | BillEvent.STACKER_JAMMED
                | BillEvent.JAM_SAFE
                | BillEvent.STACKER_FAULTY
            ):
                self._check_at = self.now
                self.record(Jammed(code=number, words=words), **seen)
            case (
                BillEvent.PULLED_BACK
                | BillEvent.TAMPERED
                | BillEvent.OPTO_FRAUD
                | BillEvent.STRING_FRAUD
                | BillEvent.ANTI_STRING_FAULTY
            ):
                self.record(Tampered(code=number, words=words), **seen)
            case BillEvent.UNKNOWN_STACKED:
                self.record(BillHeldBack(code=number, words=words), **seen)
            case _:
                self.record(BillRejected(code=number, words=words), **seen)

    # The note in escrow

    def _decide(self, wish: str) -> None:
        """Write down what is to become of it, before it is ordered."""
        held = self._held
        if held is None or held.wish == wish:
            return
        self._held = Held(held.escrow, held.type, held.bill, wish)
        self._began_at, self._ordered_at = self.now, None
        self.record(None, held=self._held.kept())

    def _order(self) -> Script[None]:
        """Say it. Whatever the answer, the next event tells what became of the note."""
        held = self._held
        if held is None or not held.wish or held.doubtful:
            return
        self._ordered_at = self.now
        answer = yield from self.ask_maybe(ROUTE, STACK if held.wish == "stack" else RETURN)
        self._ordered_at = self.now
        if answer:
            self.say(f"to {held.wish} the note it says {answer[0]}", "warning")

    def _order_anew(self) -> Script[None]:
        if self._ordered_at is None:
            yield from self._order()

    def _tell_unclear(self, why: str) -> None:
        held = self._held
        if held is None:
            return
        self._held = None
        self.record(BillUnclear(bill=held.bill, escrow=held.escrow, remedy=f"{why}: {REMEDY}"), held=None)
        self._finish("stack", error=unknown(held))
        self._finish("return", error=unknown(held))
        self.show()

    def _finish(self, wish: str, result: object = None, error: DeviceError | None = None) -> None:
        for ticket in self._waiting.pop(wish, ()):
            self.finish(ticket, result, error)


def _decided(held: Held) -> Refused:
    return Refused("decided", f"note {held.escrow} is already told to {held.wish}")
