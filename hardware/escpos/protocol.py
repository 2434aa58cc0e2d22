"""The conversation with a receipt printer: what may be sent when.

It is put together from parts that are each one idea and know no other's timers:

    asking     statuses, one question at a time            proof      one slip, and what shows that it is on paper
    cleaning   a printer in which something may wait       condition  how it stands, told when it changes
    waiting    who above waits for what                    memory     what is found again after a restart

One thing happens at a time. A printer that was away, or was cut short in a slip, is cleaned first; then the slips that
wait are printed one by one, each after a look at all statuses; between them all statuses are asked every `poll_s`.
"""

from collections import deque

from hardware.errors import DeviceError, DeviceFault, LocalProtocolError, OutcomeUnknown, TransportError
from hardware.escpos import commands as c
from hardware.escpos import states
from hardware.escpos.asking import DRAIN_S, FULL, GAP_S, ROUND, WHILE_PRINTING, Asking
from hardware.escpos.cleaning import Cleaning, automatic_status
from hardware.escpos.condition import NEVER_PRINTED, Condition
from hardware.escpos.declaration import encode
from hardware.escpos.frames import Answer, Automatic, Buffered, FrameReader, Full, Status
from hardware.escpos.memory import LOOK, PRINTED, Page
from hardware.escpos.orders import AwaitReady, Print, ReadStatus, Settings
from hardware.escpos.outgoing import Outgoing, Timers
from hardware.escpos.proof import Phase, Printing
from hardware.escpos.render import render
from hardware.escpos.states import Health, Trouble
from hardware.escpos.waiting import Job, Waiting
from hardware.events import DeviceState
from hardware.protocol import Actions, Finish, Memory, Protocol
from hardware.roles import PrinterStatus
from hardware.roles import Status as RoleStatus

RECOVER_S = 1.0  # after DLE ENQ 2
ABSENT_S = 1.0  # how often one that does not answer is asked, at least
_ORDER = ("begin", "life", "progress", "answer", "clean", "again", "ask", "start")  # of moments that came together


class EscposProtocol(Protocol):
    """One printer's conversation.

    Args:
        memory: of an earlier life.
        settings: see there.
    """

    def __init__(self, memory: Memory, settings: Settings | None = None) -> None:
        self._settings = settings = settings or Settings()
        self._timers: Timers = {}
        self._out = Outgoing(settings.byte_s)
        self._page = Page(memory, self._out.act)
        self._asking = Asking(settings, self._out, self._timers)
        self._cleaning = Cleaning(settings, self._out, self._timers, self._page)
        self._printing = Printing(settings, self._out, self._timers, self._page, self._asking)
        self._condition = Condition(self._out.act)
        self._waiting = Waiting(self._out.act, self._timers)
        self._reader = FrameReader(
            expects_buffered=lambda: self._cleaning.active or self._printing.on_paper,
            automatic=settings.automatic,
            full=settings.profile.full_status,
        )
        if self._page.now.begun is not None:
            self._timers["resolve"] = float("-inf")
        self._closing = False
        self._recovering = False  # DLE ENQ 2 was sent

    # What can be seen

    @property
    def status(self) -> RoleStatus:
        """As `Device.status`."""
        condition = self._condition
        busy = condition.state is DeviceState.READY and self._printing.job is not None
        return RoleStatus(
            state=DeviceState.BUSY if busy else condition.state,
            code=condition.code,
            words=condition.words,
            skipped_bytes=self._reader.dropped,
            repeats=self._asking.repeats,
        )

    @property
    def printer_status(self) -> PrinterStatus:
        """As `ReceiptPrinter.read_status`, as it was last heard."""
        return self._condition.heard

    @property
    def settled(self) -> bool:
        return self._printing.job is None and "resolve" not in self._timers

    @property
    def wake_at(self) -> float | None:
        return min(self._timers.values(), default=None)

    # Inputs

    def opened(self, now: float) -> Actions:
        self._resolve()
        self._condition.connected = True
        self._condition.absent = not self._settings.mute
        self._condition.forget()
        self._cleaning.forget()
        self._asking.misses = 0
        self._out.free_at = now
        self._asking.forget()
        if self._settings.mute:
            self._cleaning.begin(now)
        else:
            self._asking.next_at(now)
        self._settle()
        return self._out.take()

    def lost(self, now: float) -> Actions:
        self._resolve()
        self._condition.connected = False
        self._condition.absent = True
        self._reader.reset()
        self._printing.cut_off("the line to the printer was lost")
        self._cleaning.forget()
        self._asking.forget()
        for name in ("ask", "answer", "again"):
            self._timers.pop(name, None)
        self._waiting.fail(TransportError("the line to the printer was lost; nothing was begun"))
        self._settle()
        return self._out.take()

    def received(self, data: bytes, now: float) -> Actions:
        self._resolve()
        answer = self._reader.next(data)
        while answer is not None:
            self._heard(answer, now)
            answer = self._reader.next()
        self._go_on(now)
        return self._out.take()

    def wake(self, now: float) -> Actions:
        self._resolve()
        for name in _ORDER:
            if self._timers.get(name, now + 1) <= now:
                del self._timers[name]
                self._time_came(name, now)
        self._go_on(now)
        return self._out.take()

    def command(self, command: object, ticket: int, now: float) -> Actions:
        self._resolve()
        try:
            self._asked(command, ticket, now)
        except DeviceError as error:
            self._out.act(Finish(ticket, error=error))  # not raised: what goes out before it must be done
        self._go_on(now)
        return self._out.take()

    def abandoned(self, ticket: int, now: float) -> Actions:
        self._waiting.forget(ticket)
        return ()

    def closing(self, now: float) -> Actions:
        self._resolve()
        self._closing = True
        error = TransportError("the printer is being closed; nothing was begun")
        self._waiting.fail(error)
        if self._printing.phase is Phase.CHECKING:
            self._printing.fail(error)
        return self._out.take()

    def _resolve(self) -> None:
        """First of all: what was begun in an earlier life is unclear."""
        if self._timers.pop("resolve", None) is not None:
            self._page.unclear("the power or the program went while it was printed")

    # What is asked for

    def _asked(self, command: object, ticket: int, now: float) -> None:
        match command:
            case Print():
                self._asked_to_print(command, ticket, now)
            case ReadStatus():
                self._asked_how_it_is(ticket, now)
            case AwaitReady():
                if self._condition.state is DeviceState.READY:
                    self._out.act(Finish(ticket))
                else:
                    self._waiting.add_ready(ticket)
            case _:
                raise LocalProtocolError(f"a printer knows no {command!r}")

    def _asked_how_it_is(self, ticket: int, now: float) -> None:
        if not self._condition.connected or self._condition.absent:
            raise TransportError(self._condition.words_of(states.ABSENT))
        if self._printing.job is not None or self._settings.mute:
            self._out.act(Finish(ticket, self.printer_status))
            return
        self._waiting.add_reader(ticket)
        self._asking.plan(self._asking.everything)
        self._asking.next_at(now)

    def _asked_to_print(self, command: Print, ticket: int, now: float) -> None:
        condition, running = self._condition, self._printing.job
        if not command.copy:
            if running is not None and running.reference == command.reference and not running.copy:
                running.tickets.append(ticket)
                return
            if self._answered_before(command.reference, ticket):
                return
        blocks = deque(self._rendered(command))
        if self._closing or not condition.connected:
            raise TransportError("no line to the printer; nothing was begun")
        if condition.state is DeviceState.FAULT and condition.code != Trouble.CUTTER:
            raise DeviceFault(condition.code, condition.words)
        self._waiting.add(Job(command.reference, command.copy, blocks, now + self._settings.start_s, [ticket]))

    def _rendered(self, command: Print) -> list[bytes]:
        settings = self._settings
        return render(
            command.slip,
            settings.profile,
            missing=settings.missing,
            block_bytes=settings.block_bytes,
            copy_words=settings.copy_words if command.copy else "",
            prologue=automatic_status(settings),
        )

    def _answered_before(self, reference: str, ticket: int) -> bool:
        """Whether its outcome is remembered: that is the answer."""
        outcome = self._page.now.outcome_of(reference)
        if not outcome:
            return False
        error = None if outcome == PRINTED else OutcomeUnknown(f"print the slip {reference}", LOOK)
        self._out.act(Finish(ticket, error=error))
        return True

    # What is heard

    def _heard(self, answer: Answer, now: float) -> None:
        question, health = self._asking.question, self._condition.health
        match answer:
            case Status(value) if question is not None and question.asked in ROUND:
                self._answered(now)
                presenter = self._settings.profile.presenter
                self._learned(health.after_real_time(question.asked, value, presenter=presenter))
            case Full() if question is not None and question.asked == FULL:
                self._answered(now)
                self._learned(
                    health.after_full(answer.paper, answer.user, answer.recoverable, answer.unrecoverable),
                )
            case Automatic(data):
                self._learned(health.after_automatic(data))
            case Buffered(value):
                if self._cleaning.active:
                    self._cleaning.answered(now)
                elif self._printing.confirmed(now):
                    self._learned(health.after_buffered(value))

    def _answered(self, now: float) -> None:
        self._condition.absent = False
        self._printing.alive(self._asking.answered().at, now)

    def _learned(self, health: Health) -> None:
        self._condition.learn(health)
        self._printing.learned(health)
        if self._cleaning.active and health.trouble is not None:
            self._cleaning.stop()

    # Times that have come

    def _time_came(self, name: str, now: float) -> None:
        trouble = self._condition.health.trouble
        match name:
            case "begin":
                self._printing.begin(now)
            case "life":
                self._printing.cut_off("the printer fell silent while it printed")
            case "progress":
                self._printing.cut_off(trouble.words if trouble else "the printer did not confirm it in time")
            case "answer":
                self._unanswered(now)
            case "clean":
                if not self._cleaning.over(now, well=trouble is None):
                    self._waiting.fail(DeviceFault(NEVER_PRINTED, self._condition.words_of(NEVER_PRINTED)))
            case "ask":
                self._ask(now)
            case "start":
                code, words = self._condition.code, self._condition.words
                error = DeviceFault(code or "starting", words or "the printer was not ready in time")
                self._waiting.late(error, now)

    def _ask(self, now: float) -> None:
        self._asking.ask(now, otherwise=WHILE_PRINTING if self._printing.on_paper else self._asking.everything)

    def _unanswered(self, now: float) -> None:
        if not self._asking.unanswered():
            return
        if self._asking.misses >= 2 and not self._printing.on_paper:
            self._gone(now)
        else:
            self._asking.next_at(now + DRAIN_S)

    def _gone(self, now: float) -> None:
        """It does not answer any more."""
        self._condition.absent = True
        self._condition.forget()
        self._cleaning.forget()
        self._asking.round_over()
        self._printing.cut_off(states.ABSENT_WORDS)
        self._waiting.read(error=TransportError(states.ABSENT_WORDS))
        self._waiting.fail(TransportError(f"{states.ABSENT_WORDS}; nothing was begun"))
        self._asking.next_at(now + min(self._settings.poll_s, ABSENT_S))

    # One thing after another

    def _go_on(self, now: float) -> None:
        """Whatever is next, now that something changed."""
        self._printing.go_on(now)
        if self._may_ask:
            self._after_answer(now)
        self._settle()
        self._next_job(now)
        if self._may_ask:
            self._asking.next_at(now + GAP_S)

    @property
    def _may_ask(self) -> bool:
        return self._condition.connected and not self._settings.mute and self._asking.idle

    def _after_answer(self, now: float) -> None:
        """A question was answered and none is due: the round goes on, or it is over."""
        health, asking, printing = self._condition.health, self._asking, self._printing
        if printing.phase in (Phase.SENDING, Phase.CONFIRMING):
            urgent = health.online is False and asking.in_round  # off line: why?
            asking.next_at(now if urgent else now + GAP_S)
        elif asking.in_round:
            self._ask(now)
        elif printing.phase is Phase.CHECKING:
            printing.checked(health.trouble, now)
        elif printing.phase is Phase.RECHECKING:
            printing.rechecked(health.trouble)
        elif printing.phase is Phase.NONE:
            self._round_over(now)

    def _round_over(self, now: float) -> None:
        """All is known of a printer that has nothing to do."""
        self._waiting.read(self.printer_status)
        self._asking.next_at(now + self._settings.poll_s)
        trouble = self._condition.health.trouble
        if self._condition.absent or self._cleaning.active:
            return
        if trouble is Trouble.CUTTER and self._waiting.slips:
            self._recover(trouble, now)
            return
        self._recovering = False
        if trouble is None and self._cleaning.due:
            self._cleaning.begin(now)

    def _recover(self, trouble: Trouble, now: float) -> None:
        """It stays in this error until it is told to go on, even when the paper was taken out of the cutter."""
        if self._recovering:
            self._waiting.fail(DeviceFault(trouble.value, trouble.words))
        else:
            self._out.send(encode(c.DLE_ENQ, n=2), now)
            self._asking.next_at(now + RECOVER_S)
        self._recovering = not self._recovering

    def _next_job(self, now: float) -> None:
        idle = self._printing.job is None and not self._cleaning.active and not self._cleaning.needed
        if not idle or self._condition.absent or self._condition.health.trouble is not None:
            return
        while self._waiting.slips:
            job = self._waiting.next()
            if not job.copy and self._page.now.outcome_of(job.reference):
                for ticket in job.tickets:
                    self._answered_before(job.reference, ticket)
                continue
            self._printing.take(job)
            if self._settings.mute:
                self._printing.checked(None, now)
            else:
                self._asking.plan(self._asking.everything)
                self._asking.hold()
                self._ask(now)
            return

    def _settle(self) -> None:
        """How it stands now, and what that means for those who wait."""
        condition = self._condition
        condition.settle(
            printing=self._printing.job is not None,
            unconfirmed=self._cleaning.unconfirmed,
            unclean=self._cleaning.needed,
        )
        if condition.state is DeviceState.READY:
            self._waiting.ready()
        if condition.state is DeviceState.FAULT and condition.code != Trouble.CUTTER:
            self._waiting.fail(DeviceFault(condition.code, condition.words))
