"""The conversation with one register: commands and HTTP answers in, requests and records out, time an argument.

One conversation runs at a time; commands wait for it. Between them the register is looked at now and then. What was
open when the last life ended is found out first, before anything else is done.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.atol.asking import Asking, Look
from hardware.atol.conversation import Once
from hardware.atol.orders import Order, order_of
from hardware.atol.states import Code, ShiftWord, words_of
from hardware.atol.steps import Clock, NoAnswer, Pause, Reply, Request, Response, Step, Talk, Timing
from hardware.errors import (
    DeviceError,
    DeviceFault,
    LocalProtocolError,
    OutcomeUnknown,
    Refused,
    TransportError,
)
from hardware.events import (
    CoverClosed,
    CoverOpened,
    DeviceState,
    Event,
    Identified,
    PaperOut,
    PaperReturned,
    StateChanged,
)
from hardware.protocol import Action, Actions, Finish, Memory, Protocol, Record
from hardware.registers import AwaitReady, Find, OpenDrawer, PrintCopy, ReadStatus, XReport
from hardware.roles import Identity, RegisterStatus, ShiftState, Status
from wire.receipt import Operator

_BLOCKED = "blocked"


@dataclass(slots=True)
class _Waiting:
    ticket: int
    begin: Callable[[], Talk[None]]
    order: Order | None
    begin_by: float


@dataclass(slots=True)
class _Seen:
    """What the register was like when it was last looked at."""

    state: DeviceState = DeviceState.STARTING
    code: str = ""
    words: str = "not asked yet"
    identity: Identity = field(default_factory=Identity)
    identified: bool = False
    paper: bool = True
    cover_open: bool = False


class AtolProtocol(Protocol):
    """One register behind one web server.

    Args:
        name: part of every uuid: two registers must not have the same.
        memory: what was remembered.
        nonce: another one in each life.
        cashier: stands on documents for which the caller names nobody.
        measure: see `receipts.receipt_task`.
    """

    def __init__(
        self,
        name: str,
        memory: Memory,
        *,
        nonce: str,
        api: str = "v2",
        device: str = "",
        cashier: Operator | None = None,
        measure: str = "",
        timing: Timing | None = None,
    ) -> None:
        self._name = name
        self._clock = Clock()
        self._timing = timing or Timing()
        self._asking = Asking(name=name, api=api, device=device, nonce=nonce, clock=self._clock, timing=self._timing)
        self._once = Once(self._asking, memory)
        self._cashier, self._measure = cashier, measure
        self._seen = _Seen()
        self._waiting: deque[_Waiting] = deque()
        self._awaiting_ready: list[int] = []
        self._talk: Talk[None] | None = None
        self._talk_ticket: int | None = None
        self._running = False
        self._answer_due = False
        self._wake_at: float | None = None
        self._watch_at = 0.0
        self._closing = False

    # What is known

    @property
    def status(self) -> Status:
        """As `Device.status`."""
        seen, held = self._seen, self._once.held
        state, code, words = seen.state, seen.code, seen.words
        if held is not None:
            state, code = DeviceState.BUSY, ""
            words = f"is finding out about {self._once.order.what if self._once.order else 'something'}: {held}"
            if isinstance(held, DeviceFault):
                state, code, words = DeviceState.FAULT, held.code, held.words
        elif self._once.order is not None and state is DeviceState.READY:
            state, words = DeviceState.BUSY, self._once.order.what
        return Status(state=state, code=code, words=words, identity=seen.identity)

    @property
    def wake_at(self) -> float | None:
        if not self._running or self._answer_due:
            return None
        idle = None if self._closing else self._watch_at
        moment = idle if self._talk is None else self._wake_at
        begins = [waiting.begin_by for waiting in self._waiting]
        return min([*begins, *([] if moment is None else [moment])], default=None)

    @property
    def settled(self) -> bool:
        """No document is on its way that anybody waits for."""
        return self._once.order is None or self._once.held is not None

    # Inputs

    def opened(self, now: float) -> Actions:
        self._clock.now, self._running = now, True
        return self._advance(None) if self._talk is None else ()

    def lost(self, now: float) -> Actions:
        return self.answered(NoAnswer(True, "the connection was lost"), now) if self._answer_due else ()

    def received(self, data: bytes, now: float) -> Actions:
        """Nothing comes unasked; answers are given to `answered`."""
        return ()

    def answered(self, reply: Response | NoAnswer, now: float) -> Actions:
        """What came of the last `Request`."""
        self._clock.now = now
        if not self._answer_due:
            return ()
        self._answer_due = False
        return self._advance(reply)

    def wake(self, now: float) -> Actions:
        self._clock.now = now
        actions: list[Action] = []
        for waiting in [waiting for waiting in self._waiting if waiting.begin_by <= now]:
            self._waiting.remove(waiting)
            actions.append(Finish(waiting.ticket, error=TransportError(f"{self._name} is busy with something else")))
        if self._answer_due or not self._running:
            return actions
        if self._talk is not None and self._wake_at is not None and self._wake_at <= now:
            self._wake_at = None
            return [*actions, *self._advance(None)]
        if self._talk is None:
            return [*actions, *self._advance(None)]
        return actions

    def command(self, command: object, ticket: int, now: float) -> Actions:
        self._clock.now = now
        if isinstance(command, AwaitReady):
            if self._seen.state is DeviceState.READY and self._once.held is None:
                return (Finish(ticket),)
            self._awaiting_ready.append(ticket)
            return ()
        order = order_of(command, self._cashier, self._measure)
        if order is not None:
            joined = self._join(order, ticket)
            if joined is not None:
                return joined
        if self._closing:
            raise TransportError(f"{self._name} is being closed")
        if self._once.held is not None:
            raise self._once.held
        begin = self._begin(command, order, ticket)
        self._waiting.append(_Waiting(ticket, begin, order, now + self._timing.answer_s))
        return self._advance(None) if self._talk is None and self._running else ()

    def abandoned(self, ticket: int, now: float) -> Actions:
        self._clock.now = now
        for waiting in list(self._waiting):
            if waiting.ticket == ticket:
                self._waiting.remove(waiting)
        order = self._once.order
        if order is not None and ticket in order.tickets:
            order.tickets.remove(ticket)
        if ticket in self._awaiting_ready:
            self._awaiting_ready.remove(ticket)
        return ()

    def closing(self, now: float) -> Actions:
        self._clock.now, self._closing = now, True
        closed = TransportError(f"{self._name} is being closed")
        actions: list[Action] = [Finish(waiting.ticket, error=closed) for waiting in self._waiting]
        actions += [Finish(ticket, error=closed) for ticket in self._awaiting_ready]
        self._waiting.clear()
        self._awaiting_ready.clear()
        return actions

    # Commands

    def _join(self, order: Order, ticket: int) -> Actions | None:
        """The same again: the one that runs or waits, or the last one's result."""
        running = self._once.order
        for other in (running, *(waiting.order for waiting in self._waiting)):
            if other is None or other.reference != order.reference:
                continue
            if other.digest and other.digest != order.digest:
                raise Refused("reference", f"the reference {order.reference!r} is used for something else")
            if other is running and self._once.held is not None:
                raise OutcomeUnknown(order.what, f"it is being found out; now: {self._once.held}")
            other.tickets.append(ticket)
            return ()
        left = self._once.left
        if running is None and left is not None and left.reference == order.reference:
            left.tickets.append(ticket)
            return ()
        known = self._once.known(order)
        return None if known is None else (Finish(ticket, known[0], known[1]),)

    def _begin(self, command: object, order: Order | None, ticket: int) -> Callable[[], Talk[None]]:
        if order is not None:
            order.tickets.append(ticket)
            return lambda: self._perform(order)
        match command:
            case XReport():
                return lambda: self._reply(ticket, self._print("reportX", "print the X report"))
            case PrintCopy():
                what = "print a copy of the last receipt"
                return lambda: self._reply(ticket, self._print("printLastReceiptCopy", what))
            case OpenDrawer():
                return lambda: self._reply(ticket, self._do("openCashDrawer", "open the drawer"))
            case Find(number):
                return lambda: self._reply(ticket, self._find(number))
            case ReadStatus():
                return lambda: self._reply(ticket, self._read_status())
            case _:
                raise LocalProtocolError(f"{self._name}: there is no command {command!r}")

    def _perform(self, order: Order) -> Talk[None]:
        order.answer_by = self._clock.now + self._timing.answer_s
        # The one before may have been the same.
        try:
            known = self._once.known(order)
        except Refused as error:
            known = (None, error)
        if known is not None:
            for ticket in order.tickets:
                yield Finish(ticket, known[0], known[1])
            return
        yield from self._once.perform(order)

    def _reply(self, ticket: int, talk: Talk[object]) -> Talk[None]:
        try:
            result = yield from talk
        except DeviceError as error:
            yield from self._note_error(error)
            yield Finish(ticket, error=error)
        else:
            yield Finish(ticket, result)

    def _print(self, kind: str, what: str) -> Talk[object]:
        look = yield from self._asking.look()
        yield from self._note(look)
        if self._seen.state is DeviceState.FAULT:
            raise DeviceFault(self._seen.code, self._seen.words)
        return (yield from self._do(kind, what))

    def _do(self, kind: str, what: str) -> Talk[object]:
        outcomes = yield from self._asking.ask({"type": kind}, what=what)
        self._asking.check(outcomes, what)
        return None

    def _find(self, number: int) -> Talk[object]:
        look = yield from self._asking.look()
        if number < 1 or (look.number is not None and number > look.number):
            return None
        found = yield from self._asking.find(number)
        return None if found is None else found.document()

    def _read_status(self) -> Talk[object]:
        look = yield from self._asking.look()
        yield from self._note(look)
        unsent = yield from self._asking.unsent()
        shift = look.shift
        words = {word.value: word.state for word in ShiftWord}
        condition = look.condition
        return RegisterStatus(
            shift=ShiftState(
                state="closed" if shift is None else words.get(shift.state, shift.state),
                number=None if shift is None else shift.number,
            ),
            last_document=look.number,
            paper=None if condition is None else condition.paper_present,
            unsent=None if unsent is None else unsent.not_sent_count,
            unsent_since="" if unsent is None else unsent.not_sent_first_doc_date_time,
            storage=look.storage,
            clock="" if condition is None else condition.current_date_time,
            words=self._seen.words,
        )

    # Running

    def _advance(self, reply: Reply) -> Actions:
        actions: list[Action] = []
        while True:
            if self._talk is None and not self._next_talk():
                return actions
            assert self._talk is not None
            try:
                step: Step = self._talk.send(reply)
            except StopIteration:
                self._talk, reply = None, None
                actions += self._left_waiting()
                continue
            reply = None
            match step:
                case Pause(seconds):
                    self._wake_at = self._clock.now + seconds
                    return [*actions, *self._tell_held(), *self._left_waiting()]
                case Finish(error=DeviceFault()):
                    self._watch_at = self._clock.now
                    actions.append(step)
                case Request():
                    self._answer_due = True
                    return [*actions, step]
                case _:
                    actions.append(step)

    def _next_talk(self) -> bool:
        """Whether there is something to do now."""
        if self._once.left is not None:
            self._talk = self._once.resolve()
        elif self._waiting:
            self._talk = self._waiting.popleft().begin()
        elif self._watch_at <= self._clock.now and not self._closing:
            self._talk = self._watch()
        else:
            return False
        return True

    def _tell_held(self) -> Actions:
        """A register that keeps an order from its end is out of service, until it is looked at again."""
        held, seen = self._once.held, self._seen
        if not isinstance(held, DeviceFault) or (seen.state, seen.code) == (DeviceState.FAULT, held.code):
            return ()
        event = StateChanged(state=DeviceState.FAULT, was=seen.state, code=held.code, words=held.words)
        seen.state, seen.code, seen.words = DeviceState.FAULT, held.code, held.words
        self._watch_at = self._clock.now
        return (Record(event),)

    def _left_waiting(self) -> Actions:
        """Those behind an order that nobody knows the end of are not kept waiting; nothing of theirs was begun."""
        actions: list[Action] = []
        if self._once.held is not None:
            while self._waiting:
                actions.append(Finish(self._waiting.popleft().ticket, error=self._once.held))
        elif self._seen.state is DeviceState.READY:
            actions += [Finish(ticket) for ticket in self._awaiting_ready]
            self._awaiting_ready.clear()
        return actions

    # Watching

    def _watch(self) -> Talk[None]:
        try:
            if not self._seen.identified:
                yield from self._identify()
            yield from self._note((yield from self._asking.look()))
        except Refused as error:
            yield from self._change(DeviceState.FAULT, error.code, error.words)
        except DeviceError as error:
            yield from self._note_error(error)
            if isinstance(error, DeviceFault) and error.code == _BLOCKED:
                yield from self._unblock()
        well = self._seen.state is DeviceState.READY
        self._watch_at = self._clock.now + (self._timing.watch_s if well else self._timing.watch_fault_s)

    def _unblock(self) -> Talk[None]:
        try:
            yield from self._asking.ask({"type": "continuePrint"}, within_s=self._timing.nudge_s)
        except DeviceError:
            return

    def _identify(self) -> Talk[None]:
        try:
            device = yield from self._asking.device()
        except Refused:
            device = None  # an older driver; it does without
        self._seen.identified = True
        if device is not None:
            self._seen.identity = Identity(
                maker="ATOL", model=device.model_name, serial=device.serial, firmware=device.firmware_version
            )
            yield Record(
                Identified(
                    maker="ATOL", model=device.model_name, serial=device.serial, firmware=device.firmware_version
                )
            )

    def _note(self, look: Look) -> Talk[None]:
        condition = look.condition
        state, code, words = DeviceState.READY, "", ""
        if condition is not None:
            events: list[Event] = []
            paper = condition.paper_present is not False
            if paper != self._seen.paper:
                events.append(PaperReturned() if paper else PaperOut())
            if condition.cover_opened != self._seen.cover_open:
                events.append(CoverOpened() if condition.cover_opened else CoverClosed())
            self._seen.paper, self._seen.cover_open = paper, condition.cover_opened
            for event in events:
                yield Record(event)
            if condition.cover_opened:
                state, code, words = DeviceState.FAULT, str(Code.COVER_OPENED.value), words_of(Code.COVER_OPENED)
            elif not paper:
                state, code, words = DeviceState.FAULT, str(Code.NO_PAPER.value), words_of(Code.NO_PAPER)
        if state is DeviceState.READY and look.shift is not None and look.shift.state == ShiftWord.EXPIRED.value:
            words = words_of(Code.SHIFT_EXPIRED)
        yield from self._change(state, code, words)

    def _note_error(self, error: DeviceError) -> Talk[None]:
        match error:
            case DeviceFault(code=code, words=words):
                yield from self._change(DeviceState.FAULT, code, words)
            case TransportError():
                yield from self._change(DeviceState.ABSENT, "", str(error))
            case _:
                pass

    def _change(self, state: DeviceState, code: str, words: str) -> Talk[None]:
        seen = self._seen
        if (state, code) != (seen.state, seen.code):
            yield Record(StateChanged(state=state, was=seen.state, code=code, words=words))
        seen.state, seen.code, seen.words = state, code, words
