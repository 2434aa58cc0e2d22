"""A register's conversation on one port: finds the link layer, sets up, runs one procedure at a time.

    absent      no port, or nobody answers; asked again every few seconds
    calling     getting in step with the device: version 2, then version 1 (`link="auto"`)
    setup       asking who it is, and what became of an operation that was open when the link was last lost
    ready       procedures as they are asked for, and a look at the register every `poll_s`

What a procedure is and what it may conclude from an answer stands in `procedures`; here are only its bytes and its
time. A procedure that ends in `Lost` leaves its intent in the book; the next setup resolves it.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from hardware.errors import (
    DeviceError,
    DeviceFault,
    LocalProtocolError,
    OutcomeUnknown,
    Refused,
    TransportError,
)
from hardware.events import DeviceState, Event, Identified, PaperOut, PaperReturned, StateChanged
from hardware.protocol import Action, Actions, Finish, Memory, Protocol, Record, Say, Send
from hardware.registers import (
    AwaitReady,
    CashIn,
    CashOut,
    CloseShift,
    Find,
    OpenDrawer,
    OpenShift,
    PrintCopy,
    PrintSlip,
    ReadStatus,
    ReadTotals,
    RegisterReceipt,
    XReport,
)
from hardware.roles import Identity, Status
from hardware.shtrih.book import recall
from hardware.shtrih.commands import command as declared
from hardware.shtrih.line import BYTE_SERIAL_S, Answered, Gone, Line, LineV1, LineV2
from hardware.shtrih.plan import Settings
from hardware.shtrih.slips import Register
from hardware.shtrih.states import PAPERLESS, SUBMODE_WORDS, Mode, Submode, mode_words
from hardware.shtrih.steps import Ask, Lost, Note, Pause, Saw, Step, Steps, Tell
from wire.money import Money

CALL_AGAIN_S = 2.0
ASK_TRIES = 3
ASK_S = 5.0  # for a question that changes nothing, each time
ASK_AGAIN_S = 0.2
ABSENT = "it was not registered; it may be begun anew"
LATER = "the register is asked when it answers again"
LOOK = "look whether it was done"
LINKS = ("auto", "v1", "v2")
HARMLESS = frozenset({"cancel", "continue_print"})  # they change the register, and nothing that was asked for
WORKING = frozenset({Mode.SHIFT_OPEN, Mode.SHIFT_EXPIRED, Mode.SHIFT_CLOSED, Mode.DOCUMENT_OPEN})


@dataclass
class _Job:
    what: str
    steps: Generator[Step, Any, object]
    tickets: list[int] = field(default_factory=list)
    reference: str | None = None
    setup: bool = False
    begun: bool = False  # something that is done once may have been done


class ShtrihProtocol(Protocol):
    """One register.

    Args:
        memory: what the last life wrote down.
        settings: see `plan.Settings`.
        link: "v1", "v2", or "auto": version 2 first, for a device that speaks both locks to the first it hears.
        byte_s: the longest pause inside of a frame.
    """

    def __init__(
        self, memory: Memory, settings: Settings, *, link: str = "auto", byte_s: float = BYTE_SERIAL_S
    ) -> None:
        if link not in LINKS:
            raise ValueError(f"link: {link!r} is none of {', '.join(LINKS)}")
        self.settings = settings
        self.book = recall(memory)
        self._register = Register(settings, self.book)
        self._lines: list[Line] = []
        if link != "v1":
            self._lines.append(LineV2(byte_s))
        if link != "v2":
            self._lines.append(LineV1(byte_s))
        self._line = self._lines[0]
        self._called = 0  # link layers tried since it was last heard
        self._phase = "absent"
        self._connected = False
        self._call_at: float | None = None
        self._poll_at: float | None = None
        self._pause_at: float | None = None
        self._job: _Job | None = None
        self._queue: deque[_Job] = deque()
        self._ask: Ask | None = None
        self._tries = 0
        self._warming = False  # a harmless command goes first, see `Line.risky`
        self._waiting: list[int] = []  # tickets of AwaitReady
        self._joined: list[tuple[str, int]] = []  # those who wait for the open intent to be resolved
        self._state = DeviceState.ABSENT
        self._code = self._words = ""
        self._identity = Identity()
        self._identified = Identity()  # as it was told
        self._paperless = False
        self._seen = (int(Mode.SHIFT_CLOSED), int(Submode.READY))
        self._told = ""
        self._closing = False
        self._complained = False

    # To look at

    @property
    def status(self) -> Status:
        """As `Device.status`."""
        return Status(
            state=self._state,
            code=self._code,
            words=self._words,
            identity=self._identity,
            skipped_bytes=sum(line.skipped for line in self._lines),
            repeats=sum(line.repeats for line in self._lines),
        )

    @property
    def wake_at(self) -> float | None:
        moments = (self._line.wake_at, self._call_at, self._pause_at, self._poll_at if self._job is None else None)
        return min((moment for moment in moments if moment is not None), default=None)

    @property
    def settled(self) -> bool:
        return not self._queue and (self._job is None or not self._job.tickets)

    # What happens

    def opened(self, now: float) -> Actions:
        out: list[Action] = []
        if self.book.complaint and not self._complained:
            self._complained = True
            out.append(Say(self.book.complaint, "error"))
        self._connected = True
        self._called = 0
        return [*out, *self._call(now)]

    def lost(self, now: float) -> Actions:
        self._connected = False
        self._line.drop()
        self._line.result = None
        return self._gone("the port is gone", now)

    def received(self, data: bytes, now: float) -> Actions:
        sends = self._line.received(data, now)
        return [*(Send(piece) for piece in sends), *self._after_line(now)]

    def wake(self, now: float) -> Actions:
        out: list[Action] = []
        if self._line.wake_at is not None and self._line.wake_at <= now:
            out += [Send(piece) for piece in self._line.wake(now)]
            out += self._after_line(now)
        if self._call_at is not None and self._call_at <= now:
            self._call_at = None
            out += self._call(now)
        if self._pause_at is not None and self._pause_at <= now:
            self._pause_at = None
            out += self._begin_ask(now) if self._ask is not None else self._go_on(now, None)
        if self._job is None and self._poll_at is not None and self._poll_at <= now:
            self._poll_at = None
            out += self._start(_Job("look at it", self._register.tend()), now)
        return out

    def command(self, command: object, ticket: int, now: float) -> Actions:
        if isinstance(command, AwaitReady):
            return self._await_ready(ticket)
        job = self._make(command)
        if self._closing:
            raise TransportError("the register's link is being closed")
        if job.reference is not None and (known := self._known(job.reference, ticket)) is not None:
            return known
        if self._phase == "absent":
            raise TransportError(f"the register does not answer: {self._words or 'no link'}")
        job.tickets.append(ticket)
        if self._job is not None or self._phase != "ready":
            self._queue.append(job)
            return ()
        return self._start(job, now)

    def closing(self, now: float) -> Actions:
        self._closing = True
        return ()

    # Commands

    def _make(self, command: object) -> _Job:
        register = self._register
        match command:
            case RegisterReceipt(receipt, reference):
                return _Job(f"receipt {reference}", register.receipt(receipt, reference), reference=reference)
            case OpenShift(reference, operator):
                return _Job("open the shift", register.open_shift(reference, operator), reference=reference)
            case CloseShift(reference, operator):
                return _Job("close the shift", register.close_shift(reference, operator), reference=reference)
            case CashIn(amount, reference):
                return self._cash("cash_in", amount, reference)
            case CashOut(amount, reference):
                return self._cash("cash_out", amount, reference)
            case PrintSlip(slip, reference):
                return _Job(f"slip {reference}", register.print_slip(slip, reference), reference=reference)
            case Find(number):
                return _Job(f"find document {number}", register.find(number))
            case XReport():
                return _Job("X report", register.x_report())
            case PrintCopy():
                return _Job("copy", register.print_copy())
            case OpenDrawer():
                return _Job("open the drawer", register.open_drawer())
            case ReadStatus():
                return _Job("read the status", register.read_status())
            case ReadTotals():
                return _Job("read the totals", register.read_totals())
            case _:
                raise LocalProtocolError(f"a register has no {command!r}")

    def _cash(self, kind: str, amount: Money, reference: str) -> _Job:
        currency = self.settings.currency
        if amount.currency != currency or amount.minor <= 0:
            raise Refused("amount", f"{amount} cannot be put into or taken out of a drawer of {currency}")
        return _Job(f"{kind} {amount}", self._register.cash(kind, amount.minor, reference), reference=reference)

    def _known(self, reference: str, ticket: int) -> Actions | None:
        """The end of an operation that was asked for before, or a place beside those who wait for it."""
        for job in (self._job, *self._queue):
            if job is not None and job.reference == reference:
                job.tickets.append(ticket)
                return ()
        if self.book.open is not None and self.book.open.reference == reference:
            if self._phase == "absent":
                raise OutcomeUnknown(f"{self.book.open.kind} {reference}", LATER)
            self._joined.append((reference, ticket))
            return ()
        return self._ended(reference, ticket)

    def _ended(self, reference: str, ticket: int) -> Actions | None:
        done = self.book.ended(reference)
        if done is None:
            return None
        if done.remedy:
            return (Finish(ticket, error=OutcomeUnknown(f"{done.kind} {reference}", done.remedy)),)
        return (Finish(ticket, result=done.document),)

    def _await_ready(self, ticket: int) -> Actions:
        if self._phase == "ready":
            if self._state is DeviceState.FAULT:
                raise DeviceFault(self._code, self._words)
            return (Finish(ticket),)
        self._waiting.append(ticket)
        return ()

    # Getting in step

    def _call(self, now: float) -> list[Action]:
        self._phase = "calling"
        self._call_at = None
        return [Send(piece) for piece in self._line.begin(b"", self._line.call_s, now)]

    def _gone(
        self, words: str, now: float, *, again: bool = False, state: DeviceState = DeviceState.ABSENT, code: str = ""
    ) -> list[Action]:
        """The device does not answer, or not usefully: what it was doing ends, and it is called, `again` at once.

        Who waits for it goes on waiting until calling it has failed as well.
        """
        out = self._drop_job(words)
        self._poll_at = self._pause_at = None
        self._ask = None
        self._warming = False
        if self._connected and again:
            return [*out, *self._call(now)]
        self._phase = "absent"
        out += self._drop_queue(words)
        out += self._stand(state, code, words)
        self._call_at = now + CALL_AGAIN_S if self._connected else None
        return out

    def _drop_job(self, words: str) -> list[Action]:
        job, self._job = self._job, None
        if job is None:
            return []
        job.steps.close()
        error: DeviceError = TransportError(f"{job.what}: {words}")
        if self._is_open(job):
            error = OutcomeUnknown(job.what, f"{words}; {LATER}")
        elif job.begun:
            error = OutcomeUnknown(job.what, f"{words}; {LOOK}")
        return [Finish(ticket, error=error) for ticket in job.tickets]

    def _is_open(self, job: _Job) -> bool:
        return self.book.open is not None and self.book.open.reference == job.reference

    def _drop_queue(self, words: str) -> list[Action]:
        out: list[Action] = []
        for job in self._queue:
            job.steps.close()
            out += [Finish(ticket, error=TransportError(f"{job.what}: {words}")) for ticket in job.tickets]
        self._queue.clear()
        if self.book.open is not None:
            what = f"{self.book.open.kind} {self.book.open.reference}"
            out += [Finish(ticket, error=OutcomeUnknown(what, f"{words}; {LATER}")) for _, ticket in self._joined]
            self._joined.clear()
        return out

    def _after_line(self, now: float) -> list[Action]:
        """What the end of an exchange leads to."""
        result = self._line.result
        if result is None:
            return []
        self._line.result = None
        if self._phase == "calling":
            return self._called_back(isinstance(result, Answered), now)
        if self._ask is None:
            return []
        match result:
            case Answered(data):
                return self._answered(data, now)
            case Gone(begun, words):
                return self._unanswered(begun, words, now)

    def _called_back(self, answered: bool, now: float) -> list[Action]:
        if answered:
            self._called = 0
            self._phase = "setup"
            out: list[Action] = [Say(f"it answers by link layer {self._line.name}")]
            if self._state is not DeviceState.FAULT:
                out += self._stand(DeviceState.STARTING, "", "it answers")
            return [*out, *self._start(_Job("set up", self._setup(), setup=True), now)]
        self._called += 1
        self._line = self._lines[(self._lines.index(self._line) + 1) % len(self._lines)]
        if self._called % len(self._lines):
            return self._call(now)
        return self._gone("it does not answer", now)

    def _setup(self) -> Steps[None]:
        register = self._register
        kind = yield from register.ask("device_type")
        full = yield from register.must("full_status")
        if full.number("mode") == Mode.DUMP:
            yield from register.read_tags()
            full = yield from register.must("full_status")
        yield Saw(full.number("mode"), full.number("submode"))
        self._identity = Identity(
            maker="Shtrih-M",
            model="" if kind.error else kind.text("name").strip(),
            serial=str(full.number("serial")),
            firmware=f"{full.text('version')}.{full.number('build')}",
        )
        if self._identity != self._identified:
            self._identified = self._identity
            yield Tell(Identified(maker="Shtrih-M", model=self._identity.model, serial=self._identity.serial,
                                  firmware=self._identity.firmware))  # fmt: skip
        yield from register.resolve()
        if not register.settings.base and full.number("mode") != Mode.DOCUMENT_OPEN:
            storage = yield from register.ask("fn_status")
            if storage.error == 0 and storage.number("doc"):
                yield Note("a document was left open in the storage; it is cancelled", "warning")
                yield from register.ask("fn_cancel")
        yield from register.status()

    # Running a procedure

    def _start(self, job: _Job, now: float) -> list[Action]:
        self._job = job
        return self._go_on(now, None)

    def _next(self, now: float) -> list[Action]:
        """The last procedure is over."""
        self._job = None
        if self._phase != "ready":
            return []
        if self._queue:
            return self._start(self._queue.popleft(), now)
        self._poll_at = now + self.settings.poll_s
        return []

    def _go_on(self, now: float, answer: object, error: Exception | None = None) -> list[Action]:
        out: list[Action] = []
        job = self._job
        if job is None:
            return out
        while True:
            try:
                step = job.steps.send(answer) if error is None else job.steps.throw(error)
            except StopIteration as end:
                return [*out, *self._finished(job, end.value, now)]
            except Lost as end:
                words = str(end) or "it does not answer"
                if not job.setup:
                    return [*out, *self._gone(words, now, again=True)]
                # A register that answers, but cannot say what became of the last operation, is of no use.
                state = DeviceState.ABSENT if end.__cause__ is None else DeviceState.FAULT
                return [*out, *self._gone(words, now, state=state)]
            except (Refused, DeviceFault, OutcomeUnknown, LocalProtocolError) as end:
                return [*out, *self._failed(job, end, now)]
            except Exception as end:
                # A mistake of ours in one procedure: its caller is told, and the link goes on.
                mistake = LocalProtocolError(f"its driver failed: {end!r}")
                return [*out, Say(f"{job.what}: {mistake}", "error"), *self._failed(job, mistake, now)]
            answer, error = None, None
            match step:
                case Ask():
                    self._ask, self._tries = step, 0
                    return [*out, *self._begin_ask(now)]
                case Tell(event):
                    out.append(Record(event, self.book.memory()))
                    out += self._finish_joined()
                case Pause(seconds):
                    self._ask = None
                    self._pause_at = now + seconds
                    return out
                case Note(words, level):
                    out.append(Say(words, level))
                case Saw(mode, submode):
                    out += self._saw(mode, submode)

    def _begin_ask(self, now: float) -> list[Action]:
        ask = self._ask
        if ask is None:
            return []
        command = declared(ask.command)
        try:
            data = command.ask(ask.values)
        except LocalProtocolError as error:
            self._ask = None
            return self._go_on(now, None, error)
        self._warming = command.changes and self._line.risky
        if self._warming:
            data = declared("short_status").ask({"password": self.settings.password})
        elif self._job is not None and command.changes and ask.command not in HARMLESS:
            self._job.begun = True
        return [Send(piece) for piece in self._line.begin(data, command.limit_s if command.changes else ASK_S, now)]

    def _answered(self, data: bytes, now: float) -> list[Action]:
        ask = self._ask
        if ask is None:
            return []
        if self._warming:
            return self._begin_ask(now)
        reply = declared(ask.command).read_reply(data)
        if reply is None:
            return self._unanswered(True, f"an answer to {ask.command} that cannot be read: {data.hex()}", now)
        self._ask = None
        return self._go_on(now, reply)

    def _unanswered(self, begun: bool, words: str, now: float) -> list[Action]:
        ask = self._ask
        if ask is None:
            return []
        out: list[Action] = [Say(f"{ask.command}: {words}", "debug")]
        self._tries += 1
        harmless = self._warming or not begun or not declared(ask.command).changes
        if harmless and self._tries < ASK_TRIES:
            self._pause_at = now + ASK_AGAIN_S
            return out
        self._ask = None
        return [*out, *self._go_on(now, None, Lost(words))]

    def _finished(self, job: _Job, result: object, now: float) -> list[Action]:
        out: list[Action] = [Finish(ticket, result=result) for ticket in job.tickets]
        if job.setup:
            self._phase = "ready"
            out += self._saw(*self._seen)
            out += [Finish(ticket) for ticket in self._waiting]
            self._waiting.clear()
        return [*out, *self._next(now)]

    def _failed(self, job: _Job, error: DeviceError, now: float) -> list[Action]:
        if self._is_open(job):
            error = OutcomeUnknown(job.what, f"{error}; {LATER}")
        out: list[Action] = [Finish(ticket, error=error) for ticket in job.tickets]
        if job.setup:
            if self._told != (words := f"cannot be set up: {error}"):
                self._told = words
                out.append(Say(words, "warning"))
            code = error.code if isinstance(error, (Refused, DeviceFault)) else ""
            self._job = None
            return [*out, *self._gone(str(error), now, state=DeviceState.FAULT, code=code)]
        if not job.tickets and self._told != (words := f"{job.what}: {error}"):
            self._told = words
            out.append(Say(words, "warning"))
        if self.book.open is not None:  # it ended by a mistake of ours, and is looked after as after a lost answer
            job.tickets.clear()
            return [*out, *self._gone(str(error), now, again=True)]
        return [*out, *self._next(now)]

    def _finish_joined(self) -> list[Action]:
        if self.book.open is not None or not self._joined:
            return []
        out: list[Action] = []
        for reference, ticket in self._joined:
            out += self._ended(reference, ticket) or [
                Finish(ticket, error=Refused("absent", "it was not registered; it may be begun anew"))
            ]
        self._joined.clear()
        return out

    # How it stands

    def _saw(self, mode: int, submode: int) -> list[Action]:
        out: list[Action] = []
        paperless = submode in PAPERLESS
        if paperless != self._paperless:
            self._paperless = paperless
            out.append(Record(PaperOut() if paperless else PaperReturned()))
        self._seen = (mode, submode)
        if self._phase == "absent":
            return out
        code = f"{mode:X}.{submode:X}"
        if paperless:
            return [*out, *self._stand(DeviceState.FAULT, code, SUBMODE_WORDS[Submode(submode)])]
        if mode not in WORKING:
            return [*out, *self._stand(DeviceState.FAULT, code, mode_words(mode, submode))]
        if self._phase != "ready":
            return out
        if mode == Mode.SHIFT_EXPIRED:
            return [*out, *self._stand(DeviceState.READY, code, mode_words(mode, submode))]
        return [*out, *self._stand(DeviceState.READY, "", "")]

    def _stand(self, state: DeviceState, code: str, words: str) -> list[Action]:
        was, same = self._state, (self._state, self._code) == (state, code)
        self._state, self._code, self._words = state, code, words
        if same:
            return []
        event: Event = StateChanged(state=state, was=was, code=code, words=words)
        return [Record(event)]
