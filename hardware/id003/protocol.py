"""The conversation with one ID-003 validator.

Polled by 11. A note in escrow (13) is told, and what is decided of it is written down before the device hears it. The
credit is VEND VALID (15), for the denomination of the note that was last in escrow: 15 itself names none. The device
repeats 15 until it hears ACK, so the credit is written down first; and as long as nothing else was seen in between,
all 15 are one note, also across a restart of ours (`Remembered.run`).

A status cannot be missed where it matters: 15 stays until it is confirmed, and a power-up (40, 41, 42) until RESET.
So a device that idles without either, while a note was ordered to be stacked, has given that note back. After a
power-up it is the device's word that counts: 41 goes back, 42 comes to 15; where that word does not come, the note is
unclear. The same after a jam or an open stacker.

A note that is still in escrow after a silence of the line goes back: it may be another one than before.
"""

from collections import deque
from collections.abc import Mapping

from hardware.bills import AwaitReady, BillProtocol, Disable, Enable, GiveBack, Hold, Stack
from hardware.errors import DeviceError, DeviceFault, LocalProtocolError, OutcomeUnknown, Refused, TransportError
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
    Event,
    Identified,
    Jammed,
    StateChanged,
    Tampered,
)
from hardware.id003 import commands as c
from hardware.id003.currency import mask, parse
from hardware.id003.exchange import TRIES, Answered, Exchange, Request
from hardware.id003.frames import Frame
from hardware.id003.memory import Note, Remembered, recall
from hardware.id003.states import FAULTS, IDLE, JAMS, POWER_UPS, TROUBLES, Status, words
from hardware.protocol import Action, Actions, Finish, Memory, Record, Say
from hardware.roles import Identity
from hardware.roles import Status as DeviceStatus
from wire.money import Money

POLL_S = 0.2  # hosts poll every 100 to 200 ms
SOON_S = 0.05  # after an order: look how it goes
ABSENT_POLL_S = 1.0
RESET_AGAIN_S = 2.0  # a validator that still says POWER UP has not heard RESET
SET_UP_AGAIN_S = 2.0
TABLE_AGAIN_S = 5.0
ORDER_AGAIN_S = 0.6
ORDER_S = 30.0  # then whoever waits for a note is told that nobody knows yet
IDLE_SURE = 3  # polls that agree that the path is empty: one alone may be a late answer
SETTLE_S = 3.0  # after it was set up anew, a note that a power cut left in the stacker is told within this time
HOLD_EVERY_S = 5.0
HOLD_DATA = b"\xff"  # the longest time, in a unit that no source names
MISSING = TransportError("the validator does not answer")

_BUSY = frozenset(
    (Status.ACCEPTING, Status.ESCROW, Status.STACKING, Status.VEND_VALID, Status.STACKED, Status.REJECTING,
     Status.RETURNING, Status.HOLDING, Status.PAUSE)
)  # fmt: skip
_ELSEWHERE = frozenset((Status.ACCEPTING, Status.ESCROW, Status.STACKED, Status.REJECTING, Status.RETURNING))
"""Statuses that end a run of 15."""


class Id003Protocol(BillProtocol):
    """One validator.

    Args:
        memory: what was remembered.
        stack: STACK-1 (VEND VALID at the gate) or STACK-2 (VEND VALID in the stacker).
        currency: what an unknown country counts as.
        countries: currencies by the device's country numbers, before those known here.
        escrow_s: how long an undecided note is kept.
        options: C5's two bytes; 03 00 is what a public UBA host sends.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        stack: c.Command = c.STACK_1,
        currency: str | None = None,
        countries: Mapping[int, str] | None = None,
        escrow_s: float = 30.0,
        security: bytes = b"\x00\x00",
        direction: bytes = b"\x00",
        options: bytes = b"\x03\x00",
    ) -> None:
        self._kept = recall(memory)
        self._stack, self._currency, self._countries = stack, currency, dict(countries or {})
        self._escrow_s = escrow_s
        self._security, self._direction, self._options = security, direction, options
        self._exchange = Exchange()
        self._out: list[Action] = []
        self._queue: deque[Request] = deque()
        self._connected = self._heard = self._configured = self._closing = False
        self._misses = 0
        self._poll_at = 0.0
        self._status: Frame | None = None
        self._identity = Identity()
        self._table: dict[int, Money] = {}
        self._identified: Identified | None = None
        self._told = (DeviceState.ABSENT, "")
        self._reset_at = self._set_up_at = self._table_at = float("-inf")
        self._settle_at = 0.0
        # The note that is being decided on
        self._fresh = False  # told in this life, and the line was never silent since
        self._decision = ""  # what the next free moment orders
        self._order_at = float("-inf")
        self._order_until: float | None = None
        self._escrow_until = self._hold_at = 0.0
        self._hold_until = 0.0
        self._nobodys = False  # a note in escrow that nobody was told of goes back
        self._vend_valids = 0
        self._idles = 0
        # Who waits
        self._wish: frozenset[Money] | None = frozenset()  # what to take; None: all
        self._set: tuple[bytes, bytes] | None = None  # C0 and C3 as the device has them
        self._tickets: dict[str, list[int]] = {"ready": [], "enable": [], "disable": [], "stack": [], "return": []}

    # What is known

    @property
    def status(self) -> DeviceStatus:
        state, code, said = self._stand()
        return DeviceStatus(
            state=state,
            code=code,
            words=said,
            identity=self._identity,
            skipped_bytes=self._exchange.reader.skipped,
            repeats=self._exchange.repeats,
        )

    @property
    def denominations(self) -> tuple[Money, ...]:
        return tuple(sorted(set(self._table.values()), key=lambda bill: (bill.currency, bill.minor)))

    @property
    def settled(self) -> bool:
        if not self._heard:
            return True
        idle = self._code in IDLE or self._code in FAULTS
        return self._kept.note is None and idle and not self._nobodys and self._set_right()

    @property
    def at_rest(self) -> bool:
        """It is set up, and no note is open."""
        return self._heard and self._configured and self._kept.note is None and self._code in IDLE

    @property
    def wake_at(self) -> float | None:
        if not self._connected:
            return self._order_until
        moments = [self._exchange.until if self._exchange.request else self._poll_at]
        if self._order_until is not None:
            moments.append(self._order_until)
        return min(moments)

    # Inputs

    def opened(self, now: float) -> Actions:
        self._connected = True
        self._exchange.forget()
        self._exchange.reader.give_up()
        self._misses = 0
        self._poll_at = now
        return self._go_on(now)

    def lost(self, now: float) -> Actions:
        self._connected = False
        self._exchange.forget()
        self._exchange.reader.give_up()
        self._silence()
        return self._drain()

    def received(self, data: bytes, now: float) -> Actions:
        for frame in self._exchange.reader.feed(data):
            answered = self._exchange.take(frame)
            if answered is not None:
                self._misses = 0
                self._answered(answered, now)
        return self._go_on(now)

    def wake(self, now: float) -> Actions:
        if self._order_until is not None and now >= self._order_until:
            self._order_until = None
            for kind in ("stack", "return"):
                self._finish(kind, error=OutcomeUnknown(f"{kind} a note", "a late event tells when the device does"))
        if self._connected and self._exchange.request is not None and now >= self._exchange.until:
            self._unanswered(now)
        return self._go_on(now)

    def command(self, command: object, ticket: int, now: float) -> Actions:
        match command:
            case Enable(accept):
                self._enable(accept, ticket)
            case Disable():
                self._disable(ticket)
            case Stack(escrow):
                self._decide("stack", escrow, ticket)
            case GiveBack(escrow):
                self._decide("return", escrow, ticket)
            case Hold(escrow, seconds):
                self._hold(escrow, seconds, ticket, now)
            case AwaitReady():
                self._tickets["ready"].append(ticket)
                self._tell_ready()
            case _:
                raise LocalProtocolError(f"an ID-003 validator cannot be asked for {command!r}")
        return self._go_on(now)

    def abandoned(self, ticket: int, now: float) -> Actions:
        for waiting in self._tickets.values():
            if ticket in waiting:
                waiting.remove(ticket)
        return ()

    def closing(self, now: float) -> Actions:
        self._closing = True
        self._wish = frozenset()
        self._finish("enable", error=Refused("closed", "the validator is being closed"))
        return self._go_on(now)

    # Wishes

    def _enable(self, accept: frozenset[Money] | None, ticket: int) -> None:
        if not self._heard:
            self._out.append(Finish(ticket, error=MISSING))
            return
        state, code, said = self._stand()
        if state is DeviceState.FAULT:
            self._out.append(Finish(ticket, error=DeviceFault(code, said)))
            return
        if self._table and accept is not None and (unknown := accept - set(self._table.values())):
            notes = ", ".join(sorted(map(str, unknown)))
            self._out.append(Finish(ticket, error=Refused("unknown", f"the validator does not know {notes}")))
            return
        self._finish("disable", error=Refused("enabled", "it was enabled meanwhile"))
        self._wish = accept
        self._tickets["enable"].append(ticket)

    def _disable(self, ticket: int) -> None:
        self._finish("enable", error=Refused("disabled", "it was disabled meanwhile"))
        self._wish = frozenset()
        if not self._heard or self._code in FAULTS:
            self._out.append(Finish(ticket))  # it takes nothing now, and will be told before it can
        else:
            self._tickets["disable"].append(ticket)

    def _decide(self, order: str, escrow: int, ticket: int) -> None:
        note = self._kept.note
        if note is None or note.escrow != escrow or not self._fresh:
            self._out.append(Finish(ticket, error=Refused("escrow", f"note {escrow} is not in escrow")))
            return
        current = note.order or self._decision
        if current and current != order:
            going = "it is being stacked" if current == "stack" else "it goes back"
            self._out.append(Finish(ticket, error=Refused("escrow", f"note {escrow} is not in escrow: {going}")))
            return
        if not current and self._code not in (Status.ESCROW, Status.HOLDING):
            self._out.append(Finish(ticket, error=Refused("escrow", f"note {escrow} is not in escrow")))
            return
        self._tickets[order].append(ticket)
        if not current:
            self._decision = order

    def _hold(self, escrow: int, seconds: float, ticket: int, now: float) -> None:
        note = self._kept.note
        if note is None or note.escrow != escrow or not self._fresh or note.order or self._decision:
            self._out.append(Finish(ticket, error=Refused("escrow", f"note {escrow} is not in escrow")))
            return
        self._hold_until = max(self._hold_until, now + seconds)
        self._escrow_until = max(self._escrow_until, self._hold_until)
        self._hold_at = now
        self._out.append(Finish(ticket))

    # The line

    def _go_on(self, now: float) -> Actions:
        """Say the next thing, if the line is free."""
        if self._connected and self._exchange.request is None:
            self._next(now)
        return self._drain()

    def _next(self, now: float) -> None:
        note, code = self._kept.note, self._code
        if self._heard and code in (Status.ESCROW, Status.HOLDING):
            if self._nobodys and now >= self._order_at + ORDER_AGAIN_S:
                self._order_at = now
                self._ask(c.RETURN, now=now)
                return
            if note is not None and not self._nobodys and self._order(note, now):
                return
        elif self._decision:  # it left escrow before the order could be given
            self._finish(self._decision, error=Refused("escrow", "the note is no longer in escrow"))
            self._decision = ""
        if self._queue:
            request = self._queue.popleft()
            self._out.append(self._exchange.send(request, now))
            return
        if self._heard and self._configured and note is None and code in IDLE:
            self._apply_wish()
            if self._queue:
                self._next(now)
                return
        if now >= self._poll_at:
            self._poll_at = now + (POLL_S if self._misses < TRIES else ABSENT_POLL_S)
            self._ask(c.STATUS, now=now)

    def _ask(self, command: c.Command, data: bytes = b"", *, now: float) -> None:
        self._out.append(self._exchange.send(Request(command, data), now))

    def _unanswered(self, now: float) -> None:
        request = self._exchange.forget()
        self._exchange.reader.give_up()
        if request is None:
            return
        if request.command is c.STATUS:
            self._misses += 1
            if self._misses >= TRIES:
                self._silence()
                self._poll_at = max(self._poll_at, now + ABSENT_POLL_S)
            else:
                self._exchange.repeats += 1
                self._poll_at = now
        elif request.command.answer in (c.Answer.ECHO, c.Answer.DATA) and (again := request.again()):
            self._queue.appendleft(again)
        else:
            # An order may have been heard or not: how the device stands now tells.
            self._failed(request, now)
            self._poll_at = now

    def _failed(self, request: Request, now: float) -> None:
        if request.command.answer in (c.Answer.ECHO, c.Answer.DATA):
            self._queue.clear()
            self._set = None
            self._set_up_at = now

    def _answered(self, answered: Answered, now: float) -> None:
        request, frame = answered.request, answered.frame
        command = request.command
        if command is c.STATUS:
            if answered.refused or answered.broken:
                self._poll_at = now + SOON_S
            else:
                self._on_status(frame, now)
            return
        if command.answer is c.Answer.ACK:
            self._poll_at = now + (POLL_S if command is c.RESET else SOON_S)
            return
        if answered.broken:
            again = request.again()
            if again is not None:
                self._queue.appendleft(again)
            else:
                self._failed(request, now)
            return
        if answered.refused:
            self._out.append(Say(f"it refuses {command.name} {request.data.hex().upper()}", "warning"))
        elif command is c.GET_VERSION:
            self._learn_version(frame.data)
        elif command is c.GET_CURRENCY:
            self._learn_table(frame.data)
        elif self._set is not None and command is c.SET_DENOMINATIONS:
            self._set = (request.data, self._set[1])
        elif self._set is not None and command is c.SET_INHIBIT:
            self._set = (self._set[0], request.data)
        if not self._queue and command.answer is c.Answer.ECHO:
            if not self._configured:
                self._configured = True
                self._settle_at = now + SETTLE_S
            self._poll_at = now
        self._tell_ready()

    def _silence(self) -> None:
        """The device is not heard any more: what it does from now on may be missed."""
        self._heard = self._configured = False
        self._status = None
        self._set = None
        self._queue.clear()
        self._nobodys = False
        self._vend_valids = self._idles = 0
        self._decision = ""
        self._order_until = None
        note = self._kept.note
        begun = self._fresh and note is not None and note.order
        self._fresh = False
        error: DeviceError = MISSING
        if begun:
            error = OutcomeUnknown(f"note {note.escrow if note else ''}", "a late event tells when the link is back")
        for kind in ("stack", "return"):
            self._finish(kind, error=error)
        self._finish("enable", error=MISSING)
        self._finish("disable")
        self._tell_state()

    # What the device says

    @property
    def _code(self) -> int:
        return self._status.code if self._status is not None else -1

    def _on_status(self, frame: Frame, now: float) -> None:
        before = self._code
        first = not self._heard
        self._heard, self._status = True, frame
        code = frame.code
        if code != Status.VEND_VALID:
            self._vend_valids = 0
        if code not in IDLE and code != Status.ACCEPTING:
            self._idles = 0
        if code not in (Status.ESCROW, Status.HOLDING):
            self._nobodys = False
        if code in _ELSEWHERE and self._kept.run:
            self._keep(self._kept.but(run=""))
        if code != before:
            self._entered(frame)
        if code in POWER_UPS:
            self._on_power_up(code, now)
        elif code == Status.ESCROW:
            self._on_escrow(frame, now)
        elif code == Status.VEND_VALID:
            self._on_vend_valid(now)
        elif code in IDLE or code == Status.ACCEPTING:
            self._on_empty_path(now)
        else:
            self._on_way(code)
        if code == Status.INITIALIZE or (code in IDLE and not self._configured):
            self._set_up(now, anew=first or before != code)
        elif code in IDLE and not self._table and now >= self._table_at + TABLE_AGAIN_S:
            self._ask_table(now)
        self._tell_state()
        self._tell_ready()

    def _entered(self, frame: Frame) -> None:
        """What is told once, as a status begins."""
        code, said = frame.code, words(frame.code, frame.data)
        label = _label(frame)
        if code == Status.REJECTING and self._kept.note is None:
            self._tell(BillRejected(code=label, words=said))
        elif code in JAMS:
            self._tell(Jammed(code=label, words=said))
        elif code == Status.CHEATED:
            self._tell(Tampered(code=label, words=said))
        elif code == Status.STACKER_FULL:
            self._tell(CassetteFull())
        elif code == Status.STACKER_OPEN and not self._kept.cassette_out:
            self._keep(self._kept.but(cassette_out=True), CassetteRemoved())
        elif self._kept.cassette_out and (code in IDLE or code in (Status.ACCEPTING, Status.ESCROW)):
            self._keep(self._kept.but(cassette_out=False), CassetteReturned())

    def _on_power_up(self, code: int, now: float) -> None:
        note = self._kept.note
        if note is not None and code != note.power_up and (code != Status.POWER_UP or not note.power_up):
            trouble = note.trouble and code == Status.POWER_UP
            self._note(power_up=code, trouble=trouble, returning=note.returning or code == 0x41)
        self._configured = False
        self._set = None
        self._fresh = False
        self._decision = ""
        self._queue.clear()
        for kind in ("stack", "return"):
            self._finish(kind, error=OutcomeUnknown("a note", "the validator lost power; a late event tells"))
        if now >= self._reset_at + RESET_AGAIN_S:
            self._reset_at = now
            self._ask(c.RESET, now=now)

    def _on_escrow(self, frame: Frame, now: float) -> None:
        note = self._kept.note
        code = frame.data[0] if len(frame.data) == 1 else 0
        if note is not None and self._fresh and code != note.code:
            self._close(BillReturned(bill=note.bill, escrow=note.escrow, late=True))
            note = None
        if note is not None:
            if not self._fresh and note.order != "return":
                self._note(order="return")
            return
        if self._nobodys:
            return
        bill = self._table.get(code)
        if bill is not None and self._configured and not self._closing and self._takes(bill):
            number = self._kept.escrow + 1
            self._fresh = True
            self._escrow_until = now + self._escrow_s
            self._hold_at, self._hold_until = now, 0.0
            self._order_at = float("-inf")
            kept = self._kept.but(escrow=number, note=Note(number, code, bill), run="")
            self._keep(kept, BillEscrowed(bill=bill, escrow=number))
            return
        self._nobodys = True
        self._order_at = float("-inf")
        if bill is None and self._table:
            what = (
                "a ticket" if len(frame.data) > 1 else f"a note of code {code:02X}, which its own table does not name"
            )
            self._tell(BillRejected(code=_label(frame), words=f"{what} was put in and goes back"))
        else:
            self._out.append(Say("a note that nobody was told of goes back"))

    def _on_vend_valid(self, now: float) -> None:
        note = self._kept.note
        self._vend_valids += 1
        if not self._kept.run:
            if (note is None or note.order != "stack") and self._vend_valids < 2:
                # Nobody ordered this. The device repeats it; a late answer of an earlier note does not come again.
                self._poll_at = now + SOON_S
                return
            if note is None:
                said = "a note of unknown value was stacked, of which nothing is written down: count the stacker"
                self._keep(self._kept.but(run="told"), BillHeldBack(code="15", words=said))
            else:
                self._credit(note)
        self._out.append(self._exchange.send(Request(c.ACK), now))
        self._poll_at = now + SOON_S

    def _credit(self, note: Note) -> None:
        stacked = BillStacked(
            bill=note.bill,
            escrow=note.escrow,
            late=not self._fresh or (note.order == "stack" and not self._tickets["stack"]),
            unclaimed=note.order != "stack",
        )
        self._close(stacked, run="credited")
        self._finish("stack", result=note.bill)
        self._finish("return", error=Refused("stacked", "it was stacked"))

    def _on_empty_path(self, now: float) -> None:
        note = self._kept.note
        self._idles += 1
        if note is None:
            return
        sure = note.returning and not note.power_up
        if self._idles < (1 if sure else IDLE_SURE):
            return
        if note.power_up and (not self._configured or now < self._settle_at):
            return
        in_stacker = note.power_up == Status.POWER_UP_BILL_IN_STACKER
        lost_track = not note.returning and (in_stacker or (note.order == "stack" and note.power_up))
        if note.trouble or lost_track:
            remedy = f"the validator does not say where a note of {note.bill} went: count the stacker"
            self._close(BillUnclear(bill=note.bill, escrow=note.escrow, remedy=remedy))
            for kind in ("stack", "return"):
                self._finish(kind, error=OutcomeUnknown(f"{kind} note {note.escrow}", remedy))
            return
        self._close(BillReturned(bill=note.bill, escrow=note.escrow, late=not self._fresh))
        self._finish("stack", error=Refused("returned", "the validator gave the note back"))
        self._finish("return")

    def _on_way(self, code: int) -> None:
        note = self._kept.note
        if note is None:
            return
        if code in (Status.RETURNING, Status.REJECTING) and not note.returning:
            self._note(returning=True, trouble=False)
        elif (code in TROUBLES or code == Status.STACKED) and not note.trouble:
            # STACKED without VEND VALID before it: this device does not keep to the rule that 15 waits.
            self._note(trouble=True)

    # Orders

    def _order(self, note: Note, now: float) -> bool:
        """Tell the device what becomes of the note in escrow; whether something was said."""
        if not note.order and not self._decision and (self._wants_none or now >= self._escrow_until):
            self._decision = "return"
        if not note.order and self._decision:
            self._note(order=self._decision)
            self._decision = ""
            self._order_until = now + ORDER_S
            self._order_at = float("-inf")
            note = self._kept.note or note
        if note.order:
            if now < self._order_at + ORDER_AGAIN_S:
                return False
            self._order_at = now
            self._ask(self._stack if note.order == "stack" else c.RETURN, now=now)
            return True
        if now < self._hold_until and now >= self._hold_at:
            self._hold_at = now + HOLD_EVERY_S
            self._ask(c.HOLD, HOLD_DATA, now=now)
            return True
        return False

    @property
    def _wants_none(self) -> bool:
        return self._wish is not None and not self._wish

    def _takes(self, bill: Money) -> bool:
        return self._wish is None or bill in self._wish

    # Setting up

    def _set_up(self, now: float, *, anew: bool) -> None:
        if self._queue or (not anew and now < self._set_up_at + SET_UP_AGAIN_S):
            return
        self._configured = False
        self._set_up_at = now
        if not self._table:
            self._ask_table(now)
        refused = mask(frozenset(range(0x61, 0x70)) - set(self._table)) if self._table else b"\xff\xff"
        data = {
            c.SET_DENOMINATIONS.code: refused,
            c.SET_SECURITY.code: self._security,
            c.SET_INHIBIT.code: b"\x01",
            c.SET_DIRECTION.code: self._direction,
            c.SET_OPTIONS.code: self._options,
            c.SET_COMMUNICATION.code: b"\x00",
        }
        self._set = (b"", b"")
        self._queue.extend(Request(command, data[command.code]) for command in c.SET_UP)

    def _ask_table(self, now: float) -> None:
        self._table_at = now
        self._queue.extend((Request(c.GET_VERSION), Request(c.GET_CURRENCY)))

    def _learn_version(self, data: bytes) -> None:
        text = data.decode("ascii", "replace").strip("\x00 \r\n")
        model = text.split(" ", 1)[0].split("(", 1)[0]
        self._identity = Identity(maker="JCM", model=model, firmware=text)

    def _learn_table(self, data: bytes) -> None:
        table = {}
        for line in parse(data):
            bill = line.money(self._countries, self._currency)
            if bill is not None:
                table[line.code] = bill
            elif line.major:
                words_ = f"code {line.code:02X} is {line.major} of country {line.country:02X}, which no setting names"
                self._out.append(Say(words_, "warning"))
        self._table = table

    def _apply_wish(self) -> None:
        """Bring the device to what is wished, and tell those who wait once it is so."""
        if self._set is None:
            self._set_up_at = float("-inf")
            return
        if not self._table:
            return
        if self._wish and (unknown := self._wish - set(self._table.values())):
            notes = ", ".join(sorted(map(str, unknown)))
            self._finish("enable", error=Refused("unknown", f"the validator does not know {notes}"))
            self._wish = frozenset()
        wanted_mask, wanted_inhibit = self._wanted()
        if wanted_inhibit == b"\x00" and self._set[0] != wanted_mask:
            self._queue.append(Request(c.SET_DENOMINATIONS, wanted_mask))
        if self._set[1] != wanted_inhibit:
            self._queue.append(Request(c.SET_INHIBIT, wanted_inhibit))
        if not self._queue:
            self._finish("disable" if self._wants_none else "enable")

    def _wanted(self) -> tuple[bytes, bytes]:
        taken = frozenset(code for code, bill in self._table.items() if self._takes(bill))
        return mask(frozenset(range(0x61, 0x70)) - taken), b"\x01" if self._wants_none else b"\x00"

    def _set_right(self) -> bool:
        return self._set is None or self._set[1] != b"\x00" or not self._wants_none

    # Telling

    def _stand(self) -> tuple[DeviceState, str, str]:
        if not self._heard or self._status is None:
            return DeviceState.ABSENT, "", "no answer" if self._connected else "no port"
        code, label, said = self._code, _label(self._status), words(self._code, self._status.data)
        if code in FAULTS:
            return DeviceState.FAULT, label, said
        if not self._configured or code == Status.INITIALIZE or code in POWER_UPS:
            return DeviceState.STARTING, label, said
        if code in _BUSY:
            return DeviceState.BUSY, label, said
        if not self._table:
            return DeviceState.FAULT, "8A", "it knows no notes: its currency table is empty or of a country not named"
        return (DeviceState.DISABLED if code == Status.DISABLE else DeviceState.READY), label, said

    def _tell_state(self) -> None:
        state, code, said = self._stand()
        told, told_code = self._told
        same_fault = state is not DeviceState.FAULT or code == told_code
        if state is DeviceState.BUSY or (state is told and same_fault):
            return
        self._told = (state, code)
        self._tell(StateChanged(state=state, was=told, code=code, words=said))

    def _tell_ready(self) -> None:
        if not (self._heard and self._configured and self._table) or self._code in FAULTS:
            return
        identified = Identified(
            maker=self._identity.maker, model=self._identity.model, firmware=self._identity.firmware,
            accepts=self.denominations,
        )  # fmt: skip
        if identified != self._identified:
            self._identified = identified
            self._tell(identified)
        self._finish("ready")

    def _tell(self, event: Event) -> None:
        self._out.append(Record(event))

    def _keep(self, kept: Remembered, event: Event | None = None) -> None:
        self._kept = kept
        self._out.append(Record(event, kept.to_memory()))

    def _note(self, **changes: object) -> None:
        """Write down what changed about the open note."""
        note = self._kept.note
        if note is not None:
            changed = Note(**{**{field: getattr(note, field) for field in Note.__slots__}, **changes})
            self._keep(self._kept.but(note=changed))

    def _close(self, event: Event, run: str = "") -> None:
        """The note is out of the path, one way or the other."""
        self._order_until = None
        self._decision = ""
        self._keep(self._kept.but(note=None, run=run or self._kept.run), event)

    def _finish(self, kind: str, *, result: object = None, error: DeviceError | None = None) -> None:
        for ticket in self._tickets[kind]:
            self._out.append(Finish(ticket, result, error))
        self._tickets[kind] = []

    def _drain(self) -> Actions:
        out, self._out = self._out, []
        return out


def _label(frame: Frame) -> str:
    return str(frame) if frame.data and len(frame.data) < 3 else f"{frame.code:02X}"
