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
from hardware.errors import DeviceFault, LocalProtocolError, Refused, TransportError
from hardware.events import DeviceState, Event, Identified, StateChanged
from hardware.id003 import commands as c
from hardware.id003.configuration import Configuration
from hardware.id003.exchange import TRIES, Answered, Exchange, Request
from hardware.id003.frames import Frame
from hardware.id003.hearing import Hearing, label
from hardware.id003.memory import Note, Remembered, recall
from hardware.id003.states import FAULTS, IDLE, POWER_UPS, Status, words
from hardware.protocol import Action, Actions, Finish, Memory, Record, Say
from hardware.roles import Status as DeviceStatus
from hardware.waiting import Waiting
from wire.money import Money

POLL_S = 0.2  # hosts poll every 100 to 200 ms
SOON_S = 0.05  # after an order: look how it goes
ABSENT_POLL_S = 1.0
RESET_AGAIN_S = 2.0  # a validator that still says POWER UP has not heard RESET
SET_UP_AGAIN_S = 2.0
AGAIN_S = 2.0  # a setting that was refused
TABLE_AGAIN_S = 5.0
ORDER_AGAIN_S = 0.6
ORDER_S = 30.0  # then whoever waits for a note is told that nobody knows yet
SETTLE_S = 3.0  # after it was set up anew, a note that a power cut left in the stacker is told within this time
NEWS_S = 1.0  # a status that is older says nothing of a note any more: another may be there
HOLD_EVERY_S = 5.0
HOLD_DATA = b"\xff"  # the longest time, in a unit that no source names
MISSING = TransportError("the validator does not answer")

_BUSY = frozenset(
    (Status.ACCEPTING, Status.ESCROW, Status.STACKING, Status.VEND_VALID, Status.STACKED, Status.REJECTING,
     Status.RETURNING, Status.HOLDING, Status.PAUSE)
)  # fmt: skip


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
        self._out: list[Action] = []
        self._waiting = Waiting(self._out_append)
        self._hearing = Hearing(recall(memory), self._record, self._waiting)
        self._configuration = Configuration(currency, dict(countries or {}), security, direction, options, self._warn)
        self._exchange = Exchange()
        self._stack = stack
        self._escrow_s = escrow_s
        self._queue: deque[Request] = deque()
        self._connected = self._heard = self._configured = self._closing = False
        self._misses = 0
        self._poll_at = 0.0
        self._status_at = float("-inf")
        self._status: Frame | None = None
        self._identified: Identified | None = None
        self._told = (DeviceState.ABSENT, "")
        self._reset_at = self._set_up_at = self._table_at = float("-inf")
        self._settle_at = self._wish_at = 0.0
        # The note that is being decided on
        self._decision = ""  # what the next free moment orders
        self._order_at = float("-inf")
        self._order_until: float | None = None
        self._escrow_until = self._hold_at = self._hold_until = 0.0

    # What is known

    @property
    def _kept(self) -> Remembered:
        return self._hearing.kept

    @property
    def _table(self) -> Mapping[int, Money]:
        return self._configuration.table

    @property
    def status(self) -> DeviceStatus:
        state, code, said = self._stand()
        return DeviceStatus(
            state=state,
            code=code,
            words=said,
            identity=self._configuration.identity,
            skipped_bytes=self._exchange.reader.skipped,
            repeats=self._exchange.repeats,
        )

    @property
    def denominations(self) -> tuple[Money, ...]:
        return self._configuration.denominations

    @property
    def settled(self) -> bool:
        if not self._heard:
            return True
        idle = self._code in IDLE or self._code in FAULTS
        nothing_held = self._kept.note is None and not self._hearing.stranger
        return idle and nothing_held and (self._configuration.inhibited or not self._configuration.wants_none)

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
            self._waiting.unknown("a late event tells when the device does")
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
                self._waiting.add("ready", ticket)
                self._tell_ready()
            case _:
                raise LocalProtocolError(f"an ID-003 validator cannot be asked for {command!r}")
        return self._go_on(now)

    def abandoned(self, ticket: int, now: float) -> Actions:
        self._waiting.forget(ticket)
        return ()

    def closing(self, now: float) -> Actions:
        self._closing = True
        self._configuration.wish = frozenset()
        self._waiting.finish("enable", error=Refused("closed", "the validator is being closed"))
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
        if self._table and (unknown := self._configuration.unknown(accept)):
            self._out.append(Finish(ticket, error=Refused("unknown", f"the validator does not know {unknown}")))
            return
        self._waiting.finish("disable", error=Refused("enabled", "it was enabled meanwhile"))
        self._configuration.wish = accept
        self._waiting.add("enable", ticket)

    def _disable(self, ticket: int) -> None:
        self._waiting.finish("enable", error=Refused("disabled", "it was disabled meanwhile"))
        self._configuration.wish = frozenset()
        if not self._heard or self._code in FAULTS:
            self._out.append(Finish(ticket))  # it takes nothing now, and will be told before it can
        else:
            self._waiting.add("disable", ticket)

    def _decide(self, order: str, escrow: int, ticket: int) -> None:
        note = self._kept.note
        if note is None or note.escrow != escrow or not self._hearing.fresh:
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
        self._waiting.add(order, ticket)
        if not current:
            self._decision = order

    def _hold(self, escrow: int, seconds: float, ticket: int, now: float) -> None:
        note = self._kept.note
        if note is None or note.escrow != escrow or not self._hearing.fresh or note.order or self._decision:
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
            if self._hearing.stranger and now >= self._order_at + ORDER_AGAIN_S:
                self._order_at = now
                self._ask(c.RETURN, now=now)
                return
            if note is not None and not self._hearing.stranger and self._order(note, now):
                return
        elif self._decision:  # it left escrow before the order could be given
            self._waiting.finish(self._decision, error=Refused("escrow", "the note is no longer in escrow"))
            self._decision = ""
        if self._queue:
            request = self._queue.popleft()
            self._out.append(self._exchange.send(request, now))
            return
        if self._heard and self._configured and note is None and code in IDLE and now >= self._wish_at:
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
            self._configuration.told = None
            self._configured = False
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
            self._wish_at = now + AGAIN_S
            self._warn(f"it refuses {command.name} {request.data.hex().upper()}")
        elif command.answer is c.Answer.ECHO:
            self._configuration.agreed(request)
        else:
            self._configuration.answered(command, frame.data)
        if not self._queue and command.answer is c.Answer.ECHO:
            if not self._configured:
                self._configured = True
                self._settle_at = now + SETTLE_S
            self._poll_at = now
        self._tell_ready()

    def _silence(self) -> None:
        """The device is not heard any more: what it does from now on may be missed."""
        note = self._kept.note
        begun = self._hearing.fresh and note is not None and note.order
        self._heard = self._configured = False
        self._status = None
        self._configuration.told = None
        self._queue.clear()
        self._hearing.silence()
        self._decision = ""
        self._order_until = None
        if begun:
            self._waiting.unknown("the link was lost; a late event tells when it is back")
        else:
            self._waiting.end_note(MISSING)
        self._waiting.finish("enable", error=MISSING)
        self._waiting.finish("disable")
        self._tell_state()

    # What the device says

    @property
    def _code(self) -> int:
        return self._status.code if self._status is not None else -1

    def _on_status(self, frame: Frame, now: float) -> None:
        before, code = self._code, frame.code
        first = not self._heard
        self._heard, self._status, self._status_at = True, frame, now
        open_note = self._kept.note
        self._hearing.any_status(frame, new=code != before)
        if code in POWER_UPS:
            self._on_power_up(code, now)
        elif code == Status.ESCROW:
            self._on_escrow(frame, now)
        elif code == Status.VEND_VALID:
            if self._hearing.vend_valid():
                self._out.append(self._exchange.send(Request(c.ACK), now))
            self._poll_at = now + SOON_S
        elif code in IDLE or code == Status.ACCEPTING:
            self._hearing.empty_path(settled=self._configured and now >= self._settle_at)
        else:
            self._hearing.on_way(code)
        if open_note is not None and self._kept.note is None:
            self._order_until = None
            self._decision = ""
        if code == Status.INITIALIZE or (code in IDLE and not self._configured):
            self._set_up(now, anew=first or before != code)
        elif code in IDLE and not self._table and now >= self._table_at + TABLE_AGAIN_S:
            self._ask_table(now)
        self._tell_state()
        self._tell_ready()

    def _on_power_up(self, code: int, now: float) -> None:
        self._hearing.power_up(code)
        self._configured = False
        self._configuration.told = None
        self._configuration.table = {}  # it may be another one than before
        self._decision = ""
        self._queue.clear()
        if now >= self._reset_at + RESET_AGAIN_S:
            self._reset_at = now
            self._ask(c.RESET, now=now)

    def _on_escrow(self, frame: Frame, now: float) -> None:
        bill = self._table.get(frame.data[0]) if len(frame.data) == 1 else None
        wanted = bill is not None and self._configured and not self._closing and self._configuration.takes(bill)
        stranger = self._hearing.stranger
        if self._hearing.escrow(frame, bill, takes=wanted, known_table=bool(self._table)):
            self._escrow_until = now + self._escrow_s
            self._hold_at, self._hold_until = now, 0.0
            self._order_at = float("-inf")
        elif self._hearing.stranger and not stranger:
            self._order_at = float("-inf")

    # Orders

    def _order(self, note: Note, now: float) -> bool:
        """Tell the device what becomes of the note in escrow; whether something was said."""
        if not note.order and not self._decision and (self._configuration.wants_none or now >= self._escrow_until):
            self._decision = "return"
        if not note.order and self._decision:
            self._hearing.change_note(order=self._decision)
            self._decision = ""
            self._order_until = now + ORDER_S
            self._order_at = float("-inf")
            # Alone: it may take minutes to write, and 15 does not say which note it is of.
            self._poll_at = now
            return True
        if now > self._status_at + NEWS_S:
            return False
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

    # Setting up

    def _set_up(self, now: float, *, anew: bool) -> None:
        if self._queue or (not anew and now < self._set_up_at + SET_UP_AGAIN_S):
            return
        self._configured = False
        self._set_up_at = now
        if not self._table:
            self._ask_table(now)
        self._queue.extend(self._configuration.set_up())

    def _ask_table(self, now: float) -> None:
        self._table_at = now
        self._queue.extend(self._configuration.questions())

    def _apply_wish(self) -> None:
        """Bring the device to what is wished, and tell those who wait once it is so."""
        configuration = self._configuration
        if configuration.told is None or not self._table:
            return
        if unknown := configuration.unknown(configuration.wish):
            self._waiting.finish("enable", error=Refused("unknown", f"the validator does not know {unknown}"))
            configuration.wish = frozenset()
        self._queue.extend(configuration.changes())
        if not self._queue:
            self._waiting.finish("disable" if configuration.wants_none else "enable")

    # Telling

    def _stand(self) -> tuple[DeviceState, str, str]:
        if not self._heard or self._status is None:
            return DeviceState.ABSENT, "", "no answer" if self._connected else "no port"
        code, short, said = self._code, label(self._status), words(self._code, self._status.data)
        if code in FAULTS:
            return DeviceState.FAULT, short, said
        if not self._configured or code == Status.INITIALIZE or code in POWER_UPS:
            return DeviceState.STARTING, short, said
        if code in _BUSY:
            return DeviceState.BUSY, short, said
        if not self._table:
            return DeviceState.FAULT, "8A", "it knows no notes: its currency table is empty or of a country not named"
        return (DeviceState.DISABLED if code == Status.DISABLE else DeviceState.READY), short, said

    def _tell_state(self) -> None:
        state, code, said = self._stand()
        told, told_code = self._told
        same_fault = state is not DeviceState.FAULT or code == told_code
        if state is DeviceState.BUSY or (state is told and same_fault):
            return
        self._told = (state, code)
        self._record(StateChanged(state=state, was=told, code=code, words=said), None)

    def _tell_ready(self) -> None:
        if not (self._configured and self._table) or self._code not in IDLE:
            return
        identity = self._configuration.identity
        identified = Identified(
            maker=identity.maker, model=identity.model, firmware=identity.firmware, accepts=self.denominations,
        )  # fmt: skip
        if identified != self._identified:
            self._identified = identified
            self._record(identified, None)
        self._waiting.finish("ready")

    def _record(self, event: Event | None, memory: Memory | None) -> None:
        self._out.append(Record(event, memory))

    def _warn(self, words_: str) -> None:
        self._out.append(Say(words_, "warning"))

    def _out_append(self, action: Action) -> None:
        self._out.append(action)

    def _drain(self) -> Actions:
        out, self._out = self._out, []
        return out
