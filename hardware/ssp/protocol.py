"""The conversation with one SSP validator.

A note in escrow (EF with its channel) is accepted by the mere next poll. So while nobody has decided, only HOLD is
said; STACK is a poll, after its intent is written down; and before the first poll of a life of ours REJECT is said,
lest it accept a note that nobody was told of.

The credit is EE. Where the device knows POLL WITH ACK it tells of money until EVENT ACK, which is said once the credit
is written down. Where it does not, each event comes once, and again only when the same poll is asked again with the
same flag: the next command is the acknowledgement, so it waits for the record; and while a note is open each poll's
flag is written down before it is asked, so that after a restart the same poll brings the same answer.

Each note is read before it is credited. A second EE without an EF in between is therefore the same note told again
(`Remembered.last`), and so is an E2 (moved to the cashbox after a power cut) of a note that was credited and not yet
seen in the cashbox.
"""

from collections import deque

from hardware.bills import AwaitReady, BillProtocol, Disable, Enable, GiveBack, Hold, Stack
from hardware.errors import DeviceFault, LocalProtocolError, Refused, TransportError
from hardware.events import BillReturned, BillUnclear, DeviceState, Event, Identified, StateChanged
from hardware.protocol import Action, Actions, Finish, Memory, Record, Say
from hardware.roles import Status
from hardware.ssp import commands as c
from hardware.ssp.configuration import Configuration
from hardware.ssp.exchange import TRIES_ABSENT, TRIES_SYNC, Asked, Exchange
from hardware.ssp.hearing import Hearing
from hardware.ssp.memory import Remembered, recall
from hardware.ssp.states import ENCRYPTED_ONLY, REJECTS, Generic, generic
from hardware.waiting import Waiting
from wire.money import Money

POLL_S = 0.2  # 200 to 300 ms
HOLD_EVERY_S = 3.0  # well within the 10 s after which a note goes back by itself
AGAIN_S = 2.0  # what was refused is tried again
FAULT_AGAIN_S = 10.0
ORDER_S = 30.0  # then whoever waits for a note is told that nobody knows yet
GONE_S = 6.0  # a note that is no longer in escrow and of which nothing is told went back
UNTOLD_S = 60.0  # a note that was ordered to be stacked, and of which nothing is told, is unclear
CLEARED_S = 5.0  # a device that got power tells of a note it found within this time, once it is polled
_NO_ACK = frozenset((Generic.UNKNOWN_COMMAND, Generic.FAIL, Generic.KEY_NOT_SET))
"""POLL WITH ACK is not there, or only encrypted."""
MISSING = TransportError("the validator does not answer")


class SspProtocol(BillProtocol):
    """One validator.

    Args:
        memory: what was remembered.
        address: its number on the line.
        escrow_s: how long an undecided note is held.
    """

    def __init__(self, memory: Memory, *, address: int = 0, escrow_s: float = 30.0) -> None:
        self._out: list[Action] = []
        self._exchange = Exchange(address)
        self._waiting = Waiting(self._act)
        self._hearing = Hearing(recall(memory), self._record, self._say)
        self._configuration = Configuration(self._hearing.learn)
        self._escrow_s = escrow_s
        self._queue: deque[bytes] = deque()
        self._connected = self._heard = self._begun = self._configured = self._closing = False
        self._recovering = self._kept.flag is not None
        self._with_ack = not self._recovering
        self._poll_at = self._again_at = self._fault_until = 0.0
        self._fault = self._fault_code = ""  # why it cannot be used at all
        self._identified: Identified | None = None
        self._told = (DeviceState.ABSENT, "")
        self._order_until: float | None = None
        self._escrow_until = self._hold_at = 0.0
        self._quiet_since: float | None = None  # nothing was told of the open note since

    # What is known

    @property
    def _kept(self) -> Remembered:
        return self._hearing.kept

    @property
    def status(self) -> Status:
        state, code, said = self._stand()
        return Status(
            state=state,
            code=code,
            words=said,
            identity=self._configuration.identity,
            skipped_bytes=self._exchange.reader.skipped,
            repeats=self._exchange.repeats,
        )

    @property
    def denominations(self) -> tuple[Money, ...]:
        return tuple(sorted(set(self._hearing.table.values()), key=lambda bill: (bill.currency, bill.minor)))

    @property
    def at_rest(self) -> bool:
        """It is set up, and no note is open."""
        return self._heard and self._configured and self._kept.note is None and not self._hearing.busy

    @property
    def settled(self) -> bool:
        if not self._heard or self._fault:
            return True
        known = self._configuration.told is not None
        return self._kept.note is None and not self._hearing.held and known and not self._configuration.enabled

    @property
    def wake_at(self) -> float | None:
        if not self._connected:
            return self._order_until
        if self._exchange.asked is not None:
            moment = self._exchange.until
        elif self._fault:
            moment = self._fault_until
        elif self._hearing.held:
            moment = min(self._hold_at, self._escrow_until)
        else:
            moment = self._poll_at
        return moment if self._order_until is None else min(moment, self._order_until)

    # Inputs

    def opened(self, now: float) -> Actions:
        self._connected = True
        self._exchange.reader.give_up()
        self._poll_at = now
        if self._exchange.asked is not None:
            # The same life: what was on its way is asked again, as it was.
            self._exchange.tries = 0
            self._out.append(self._exchange.again(now))
        return self._go_on(now)

    def lost(self, now: float) -> Actions:
        self._connected = False
        self._exchange.reader.give_up()
        self._silence()
        return self._drain()

    def received(self, data: bytes, now: float) -> Actions:
        for frame in self._exchange.reader.feed(data):
            answered = self._exchange.take(frame)
            if answered is not None:
                self._answered(*answered, now)
        return self._go_on(now)

    def wake(self, now: float) -> Actions:
        if self._order_until is not None and now >= self._order_until:
            self._order_until = None
            self._waiting.unknown("a late event tells when the device does")
        if self._connected and self._exchange.asked is not None and now >= self._exchange.until:
            self._unanswered(now)
        return self._go_on(now)

    def command(self, command: object, ticket: int, now: float) -> Actions:
        match command:
            case Enable(accept):
                self._enable(accept, ticket)
            case Disable():
                self._disable(ticket)
            case Stack(escrow):
                self._decide("stack", escrow, ticket, now)
            case GiveBack(escrow):
                self._decide("return", escrow, ticket, now)
            case Hold(escrow, seconds):
                self._hold(escrow, seconds, ticket, now)
            case AwaitReady():
                self._waiting.add("ready", ticket)
            case _:
                raise LocalProtocolError(f"an SSP validator cannot be asked for {command!r}")
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
        if self._configured and (unknown := self._configuration.unknown(accept)):
            self._out.append(Finish(ticket, error=Refused("unknown", f"the validator does not know {unknown}")))
            return
        self._waiting.finish("disable", error=Refused("enabled", "it was enabled meanwhile"))
        self._configuration.wish = accept
        self._waiting.add("enable", ticket)

    def _disable(self, ticket: int) -> None:
        self._waiting.finish("enable", error=Refused("disabled", "it was disabled meanwhile"))
        self._configuration.wish = frozenset()
        if not self._heard or self._fault:
            self._out.append(Finish(ticket))
        else:
            self._waiting.add("disable", ticket)

    def _decide(self, order: str, escrow: int, ticket: int, now: float) -> None:
        note = self._kept.note
        if note is None or note.escrow != escrow or not self._hearing.fresh:
            self._out.append(Finish(ticket, error=Refused("escrow", f"note {escrow} is not in escrow")))
            return
        if note.order and note.order != order:
            going = "it is being stacked" if note.order == "stack" else "it goes back"
            self._out.append(Finish(ticket, error=Refused("escrow", f"note {escrow} is not in escrow: {going}")))
            return
        if not note.order:
            if not self._hearing.held:
                self._out.append(Finish(ticket, error=Refused("escrow", f"note {escrow} is not in escrow")))
                return
            self._order(order, now)
        self._waiting.add(order, ticket)

    def _order(self, order: str, now: float) -> None:
        self._hearing.change_note(order=order)
        self._order_until = now + ORDER_S
        self._quiet_since = None

    def _hold(self, escrow: int, seconds: float, ticket: int, now: float) -> None:
        note = self._kept.note
        if note is None or note.escrow != escrow or not self._hearing.held or note.order:
            self._out.append(Finish(ticket, error=Refused("escrow", f"note {escrow} is not in escrow")))
            return
        self._escrow_until = max(self._escrow_until, now + seconds)
        self._out.append(Finish(ticket))

    # The line

    def _go_on(self, now: float) -> Actions:
        """Say the next thing, if the line is free."""
        if self._connected and self._exchange.asked is None:
            self._next(now)
        self._tell_state()
        self._tell_ready()
        return self._drain()

    def _next(self, now: float) -> None:
        if not self._begun:
            self._begin(now)
        elif self._fault:
            if now >= self._fault_until:
                self._begin(now)
        elif self._hearing.ack_due:
            self._ask(c.EVENT_ACK.data(), now)
        elif self._queue:
            self._ask(self._queue.popleft(), now)
        elif self._hearing.held:
            self._in_escrow(now)
        elif not self._configured:
            self._begin(now)
        else:
            self._apply_wish(now)
            if self._queue:
                self._ask(self._queue.popleft(), now)
            elif now >= self._poll_at:
                self._poll(now)

    def _begin(self, now: float) -> None:
        """Set it up from the start."""
        first, self._begun = not self._begun, True
        if first and self._recovering and self._kept.flag is not None:
            self._exchange.flag = self._kept.flag
            self._ask(c.POLL.data(), now)
            return
        self._recovering = False
        self._configured = False
        self._fault = ""
        self._queue.clear()
        self._queue.extend(self._configuration.begin())
        self._ask(c.SYNC.data(), now)

    def _in_escrow(self, now: float) -> None:
        note = self._kept.note
        given_up = self._configuration.wants_none or now >= self._escrow_until or not self._hearing.fresh
        if note is not None and not note.order and given_up:
            self._order("return", now)
            note = self._kept.note
        if note is None or (note.order == "return"):
            self._ask(c.REJECT.data(), now)
        elif note.order == "stack":
            self._hearing.held = False
            self._poll(now)
        elif now >= self._hold_at:
            self._hold_at = now + HOLD_EVERY_S
            self._ask(c.HOLD.data(), now)

    def _poll(self, now: float) -> None:
        self._poll_at = now + POLL_S
        self._ask((c.POLL_ACK if self._with_ack else c.POLL).data(), now)

    def _ask(self, data: bytes, now: float) -> None:
        flag = self._exchange.flag if data[0] == c.POLL.code and self._kept.note is not None else None
        if flag != self._kept.flag:
            self._hearing.keep(self._kept.but(flag=flag))
        self._out.append(self._exchange.send(data, now))

    def _unanswered(self, now: float) -> None:
        tries = self._exchange.tries
        if tries >= TRIES_ABSENT:
            self._silence()
        if tries >= TRIES_SYNC and (self._recovering or self._kept.note is None):
            self._exchange.forget()
            self._configured = self._recovering = False
            return
        self._out.append(self._exchange.again(now))

    def _silence(self) -> None:
        """The device is not heard any more; what it was told last is asked on, so that nothing it says is missed."""
        self._heard = False
        note = self._kept.note
        begun = note is not None and bool(note.order)
        self._hearing.fresh = False
        self._hearing.levels = frozenset()
        self._order_until = None
        self._quiet_since = None
        if begun:
            self._waiting.unknown("the link was lost; a late event tells when it is back")
        else:
            self._waiting.end_note(MISSING)
        self._waiting.finish("enable", error=MISSING)
        self._waiting.finish("disable")
        self._tell_state()

    # Answers

    def _answered(self, asked: Asked, data: bytes, now: float) -> None:
        if not self._heard and self._configured:
            self._queue.append(c.SERIAL.data())  # another may have been put in its place
        self._heard = True
        told = data[0]
        if told == Generic.KEY_NOT_SET and asked.command not in (c.POLL_ACK.code, c.EVENT_ACK.code):
            self._out_of_use(f"{told:02X}", ENCRYPTED_ONLY, now)
            return
        if asked.command in c.SILENT and told == Generic.OK and len(data) > 1:
            # A poll's answer: the device, or the line, is a step behind. What it tells counts; the command did not.
            self._polled(data[1:], now)
            self._queue.appendleft(asked.data)
            return
        match asked.command:
            case c.POLL.code | c.POLL_ACK.code:
                self._on_poll(asked.command, data, now)
            case c.EVENT_ACK.code:
                self._hearing.ack_due = False
                self._poll_at = now
            case c.REJECT.code | c.HOLD.code:
                if asked.command == c.REJECT.code or told != Generic.OK:
                    self._hearing.held = False
                    self._poll_at = now
            case c.LAST_REJECT.code if told == Generic.OK and len(data) > 1:
                reason = data[1]
                self._hearing.rejected(f"17 {reason:02X}", REJECTS.get(reason, f"reason {reason:02X}"))
            case c.PROTOCOL.code:
                self._queue.appendleft(self._configuration.protocol_answered(asked.data[1], told))
                self._hearing.protocol = self._configuration.protocol
            case c.SETUP.code:
                self._on_setup(data, now)
            case c.CHANNEL_VALUES.code if told == Generic.OK:
                self._configuration.values_answered(data[1:])
                self._set_up_done()
            case c.SERIAL.code if told == Generic.OK:
                self._configuration.serial_answered(data[1:])
            case c.SET_INHIBITS.code | c.ENABLE.code | c.DISABLE.code if told == Generic.OK:
                self._configuration.agreed(asked.data)
            case _ if told != Generic.OK:
                self._again_at = now + AGAIN_S
                self._say(f"{c.COMMANDS[asked.command].name}: {generic(data)}", "warning")

    def _on_poll(self, command: int, data: bytes, now: float) -> None:
        if data[0] == Generic.OK:
            self._polled(data[1:], now)
        elif command == c.POLL_ACK.code and data[0] in _NO_ACK:
            self._with_ack = False
            self._poll_at = now
            self._say("it does not know POLL WITH ACK: it is polled without", "info")
        else:
            self._say(f"{c.COMMANDS[command].name}: {generic(data)}", "warning")
        if self._recovering:
            self._recovering = False
            self._begin_again()

    def _polled(self, data: bytes, now: float) -> None:
        before = self._kept.note
        accepts = self._configured and not self._closing
        heard = self._hearing.poll(data, accepts=accepts, takes=self._configuration.takes, with_ack=self._with_ack)
        note = self._kept.note
        if heard.reset:
            self._begin_again()
        if heard.refused:
            self._queue.append(c.LAST_REJECT.data())
        if self._hearing.held:
            self._hold_at = now
            if note is not None and (before is None or before.escrow != note.escrow):
                self._escrow_until = now + self._escrow_s
        if heard.disabled and self._configuration.enabled:
            self._configuration.disabled_itself()
            self._again_at = max(self._again_at, now + AGAIN_S)
        if before is not None and (note is None or note.escrow != before.escrow):
            self._order_until = self._quiet_since = None
            if heard.stacked is not None:
                self._waiting.finish("stack", result=heard.stacked)
                self._waiting.finish("return", error=Refused("stacked", "it was stacked"))
            else:
                self._gone(heard.unclear)
        elif heard.told:
            self._quiet_since = None
        self._look_for_silence(now)

    def _gone(self, unclear: str) -> None:
        if unclear:
            self._waiting.unknown(unclear)
            return
        self._waiting.finish("stack", error=Refused("returned", "the validator gave the note back"))
        self._waiting.finish("return")

    def _look_for_silence(self, now: float) -> None:
        """A note of which nothing is told any more."""
        note = self._kept.note
        if note is None or self._hearing.held or self._hearing.jammed or not self._configured:
            self._quiet_since = None
            return
        if self._quiet_since is None:
            self._quiet_since = now
        quiet_s = now - self._quiet_since
        moved = note.order == "stack" or note.trouble
        limit_s = GONE_S if not moved else CLEARED_S if note.reset or note.trouble else UNTOLD_S
        if quiet_s < limit_s:
            return
        self._order_until = self._quiet_since = None
        event: Event
        if moved:
            remedy = f"the validator does not say where a note of {note.bill} went: count the cashbox"
            event = BillUnclear(bill=note.bill, escrow=note.escrow, remedy=remedy)
            self._hearing.keep(self._kept.but(note=None), event)
            self._gone(remedy)
        else:
            event = BillReturned(bill=note.bill, escrow=note.escrow, late=not self._hearing.fresh or note.reset)
            self._hearing.keep(self._kept.but(note=None), event)
            self._gone("")

    # Setting up

    def _begin_again(self) -> None:
        self._configured = False
        self._configuration.told = None
        self._queue.clear()

    def _on_setup(self, data: bytes, now: float) -> None:
        wrong = self._configuration.setup_answered(data)
        if wrong:
            self._out_of_use("05", wrong, now)
            return
        self._hearing.protocol = self._configuration.protocol
        self._queue.append(c.SERIAL.data())
        if self._configuration.table:
            self._set_up_done()
        else:
            self._queue.append(c.CHANNEL_VALUES.data())

    def _set_up_done(self) -> None:
        self._configuration.told = (b"", False)
        self._queue.append(self._configuration.inhibits(frozenset()))
        self._configured = True

    def _out_of_use(self, code: str, words: str, now: float) -> None:
        self._fault = words
        self._fault_code = code
        self._configured = False
        self._queue.clear()
        self._fault_until = now + FAULT_AGAIN_S
        self._waiting.finish("enable", error=DeviceFault(code, words))
        self._waiting.finish("disable")

    def _apply_wish(self, now: float) -> None:
        """Bring the device to what is wished, and tell those who wait once it is so."""
        configuration = self._configuration
        if configuration.told is None or self._kept.note is not None or now < self._again_at:
            return
        if unknown := configuration.unknown(configuration.wish):
            self._waiting.finish("enable", error=Refused("unknown", f"the validator does not know {unknown}"))
            configuration.wish = frozenset()
        change = configuration.change()
        if change is not None:
            self._queue.append(change)
        else:
            self._waiting.finish("disable" if configuration.wants_none else "enable")

    # Telling

    def _stand(self) -> tuple[DeviceState, str, str]:
        if not self._heard:
            return DeviceState.ABSENT, "", "no answer" if self._connected else "no port"
        if self._fault:
            return DeviceState.FAULT, self._fault_code, self._fault
        fault = self._hearing.fault()
        if fault is not None:
            return DeviceState.FAULT, *fault
        if not self._configured:
            return DeviceState.STARTING, "", "is being set up"
        if self._hearing.busy or self._kept.note is not None:
            return DeviceState.BUSY, "", "a note is in its path"
        if self._configuration.enabled:
            return DeviceState.READY, "", "ready for a note"
        return DeviceState.DISABLED, "", "takes no notes, as it was told"

    def _tell_state(self) -> None:
        state, code, said = self._stand()
        told, told_code = self._told
        same_fault = state is not DeviceState.FAULT or code == told_code
        if state is DeviceState.BUSY or (state is told and same_fault):
            return
        self._told = (state, code)
        self._out.append(Record(StateChanged(state=state, was=told, code=code, words=said)))

    def _tell_ready(self) -> None:
        if not (self._heard and self._configured) or self._queue:
            return
        identity = self._configuration.identity
        identified = Identified(
            maker=identity.maker, model=identity.model, serial=identity.serial, firmware=identity.firmware,
            accepts=self.denominations,
        )  # fmt: skip
        if identified != self._identified:
            self._identified = identified
            self._out.append(Record(identified))
        self._waiting.finish("ready")

    def _say(self, words: str, level: str = "info") -> None:
        self._out.append(Say(words, level))  # type: ignore[arg-type]

    def _record(self, event: Event | None, memory: Memory | None) -> None:
        self._out.append(Record(event, memory))

    def _act(self, action: Action) -> None:
        self._out.append(action)

    def _drain(self) -> Actions:
        out, self._out = self._out, []
        return out
