"""The conversation with a receipt printer: what may be sent when, and what proves that a slip is on paper.

The printer acknowledges nothing. Three things it says are made into a proof:

* DLE EOT 1 to 4 are answered at once, whatever it is doing. Asked without a pause while a slip is printed, they prove
  that it has power all the while: a printer that was cut off and came back would print the rest of a slip as a whole
  one. Between the asking of one question and the answer of the next less time passes than any printer needs to start
  (`restart_s`); where more passed, nothing is proved.
* GS r 1 is answered in the order of the stream, and not at all while it stands without paper. Each block of a slip is
  followed by one, and two blocks at most are on their way. One more stands behind all, so that a stray byte taken for
  an answer does not confirm what is still being printed.
* Then DLE EOT is asked once more for all four: paper, cover and cutter must be well *after* the last answer.

Only with all three `SlipPrinted` is written. The intent is written before the first byte; whatever ends without the
proof after that is `SlipUnclear`. A slip that was cut short may leave half a command and unprinted lines inside the
printer: before the next one it is cleaned (NULs to fill up the command, ESC @, a cut, GS r 1 and a silence after it).

A question never stands inside a command. A picture may itself hold the bytes of one; some printers answer it. While
such a block is on its way nothing is asked, and statuses that come are not believed.

The lines above are our inference from the manuals, not a maker's recipe; no maker has one.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from hardware.errors import DeviceError, DeviceFault, LocalProtocolError, OutcomeUnknown, TransportError
from hardware.escpos import commands as c
from hardware.escpos import states
from hardware.escpos.frames import Answer, Automatic, Buffered, FrameReader, Full, Status
from hardware.escpos.memory import PRINTED, UNCLEAR, Remembered
from hardware.escpos.profiles import PROFILES, Profile
from hardware.escpos.render import BLOCK_BYTES, render
from hardware.escpos.states import Health, Trouble
from hardware.events import (
    CoverClosed,
    CoverOpened,
    DeviceState,
    Event,
    PaperLow,
    PaperOut,
    PaperReturned,
    SlipPrinted,
    SlipUnclear,
    StateChanged,
)
from hardware.protocol import Action, Actions, Finish, Memory, Protocol, Record, Say, Send
from hardware.roles import PrinterStatus
from hardware.roles import Status as RoleStatus
from hardware.slip import Slip

WINDOW = 2  # blocks on their way
AHEAD_S = 1.2  # and no more than the line carries in this time
GAP_S = 0.1  # between two questions while a slip is printed; a cover cannot be opened and closed unseen
DEAF_S = 0.2  # after a block that holds the bytes of a question was carried over: what it called forth has come
DRAIN_S = 0.3  # a late answer is waited for before the next question
QUIET_S = 3.0  # no answer to an older GS r for so long: nothing waits inside an idle printer any more
CLEAN_S = 10.0  # for the answer that says so
RECOVER_S = 1.0  # after DLE ENQ 2
ABSENT_S = 1.0  # how often one that does not answer is asked, at least
FILL = 16  # NULs more than the longest command
NEVER_PRINTED = "no-confirmation"
LOOK = "look at the paper; print it again only as a marked copy"

_ROUND = (1, 2, 3, 4)
_WHILE_PRINTING = (1, 2, 1, 4, 1, 3)  # 1 tells of anything that stops it
_AFTER = (4, 2, 3, 1)
_PASSING = (Trouble.HEAD_HOT, Trouble.OFFLINE, Trouble.WAITING)  # may go by while a slip is printed


@dataclass(frozen=True, slots=True)
class Settings:
    """How one printer is spoken to.

    `status` is what it answers: "full", "realtime" (DLE EOT only: no slip can be confirmed) or "none" (nothing at all:
    neither confirmed nor refused). `byte_s` is the time of one byte on the line, 0 where it is not known.
    """

    profile: Profile = PROFILES["generic"]
    status: str = "full"
    automatic: bool = False
    missing: str = "transliterate"
    copy_words: str = "КОПИЯ"
    poll_s: float = 1.0
    answer_s: float = 1.0
    confirm_s: float = 15.0
    restart_s: float = 3.0
    start_s: float = 15.0
    block_bytes: int = BLOCK_BYTES
    byte_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Print:
    """Finished with None once `SlipPrinted` is recorded."""

    slip: Slip
    reference: str
    copy: bool = False


@dataclass(frozen=True, slots=True)
class ReadStatus:
    """Finished with a `PrinterStatus` as it is now."""


@dataclass(frozen=True, slots=True)
class AwaitReady:
    """Finished with None as soon as a slip may be printed, at once if so."""


class _Phase(Enum):
    IDLE = auto()
    CLEANING = auto()
    CHECKING = auto()  # asked how it stands before a slip; nothing was sent
    BEGINNING = auto()  # the intent is being written
    SENDING = auto()  # from here on it may be on paper
    CONFIRMING = auto()  # all was answered; the question behind all is on its way
    RECHECKING = auto()  # that was answered; the statuses after it are asked


_ON_PAPER = (_Phase.SENDING, _Phase.CONFIRMING, _Phase.RECHECKING)


@dataclass(slots=True)
class _Job:
    reference: str
    copy: bool
    blocks: deque[bytes]
    begin_by: float
    stood_still: bool = False  # it was seen off line
    hot: bool = False  # and said that it had to cool
    tickets: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Question:
    asked: int
    at: float


class EscposProtocol(Protocol):
    """One printer's conversation.

    Args:
        memory: of an earlier life.
        settings: see there.
    """

    def __init__(self, memory: Memory, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._remembered = Remembered.of(memory)
        self._full = self._settings.status == "full"
        self._mute = self._settings.status == "none"
        self._reader = FrameReader(
            expects_buffered=lambda: bool(self._markers) or self._phase in (_Phase.CLEANING, *_ON_PAPER),
            automatic=self._settings.automatic,
            full=self._settings.profile.full_status,
        )
        self._timers: dict[str, float] = {}
        if self._remembered.begun is not None:
            self._timers["resolve"] = float("-inf")
        self._phase = _Phase.IDLE
        self._connected = False
        self._closing = False
        self._absent = True  # has not answered, or no longer does
        self._dirty = True  # must be cleaned before a slip
        self._clean_answered = False
        self._unconfirmed = False  # well, and never answers GS r
        self._recovering = False  # DLE ENQ 2 was sent
        self._health = Health()
        self._told = Health()  # what events said last
        self._state = (DeviceState.ABSENT, "")
        self._question: _Question | None = None
        self._round: deque[int] = deque()
        self._misses = 0
        self._markers: deque[float] = deque()  # when each GS r that is not answered was sent
        self._deaf_until = float("-inf")  # a block is on its way that holds the bytes of a question
        self._line_free_at = 0.0
        self._alive_since = 0.0
        self._job: _Job | None = None
        self._waiting: deque[_Job] = deque()
        self._readers: list[int] = []
        self._ready_tickets: list[int] = []
        self._repeats = 0

    # What can be seen

    @property
    def status(self) -> RoleStatus:
        """As `Device.status`."""
        state, code = self._state
        if state is DeviceState.READY and self._job is not None:
            state = DeviceState.BUSY
        return RoleStatus(
            state=state,
            code=code,
            words=self._words(code),
            skipped_bytes=self._reader.dropped,
            repeats=self._repeats,
        )

    @property
    def printer_status(self) -> PrinterStatus:
        """As `ReceiptPrinter.read_status`, as it was last heard."""
        health = self._health
        return PrinterStatus(
            online=not self._absent and health.online is not False and health.trouble is None,
            paper=None if health.paper_out is None else not health.paper_out,
            paper_low=health.paper_low,
            cover_open=health.cover_open,
            words=self._words(self._state[1]),
        )

    @property
    def settled(self) -> bool:
        return self._job is None and "resolve" not in self._timers

    @property
    def wake_at(self) -> float | None:
        return min(self._timers.values(), default=None)

    # Inputs

    def opened(self, now: float) -> Actions:
        out = self._resolved()
        self._connected = True
        self._absent = not self._mute
        self._dirty = True
        self._health = Health()
        self._misses = 0
        self._line_free_at = now
        self._forget_talk()
        if self._mute:
            self._clean(out, now)
        else:
            self._timers["ask"] = now
        self._settle(out, now)
        return out

    def lost(self, now: float) -> Actions:
        out = self._resolved()
        self._connected = False
        self._absent = True
        self._reader.reset()
        if self._job is not None:
            self._cut_off(out, now, "the line to the printer was lost")
        self._phase = _Phase.IDLE
        self._forget_talk()
        for name in ("ask", "answer", "clean", "again"):
            self._timers.pop(name, None)
        self._fail_waiting(out, TransportError("the line to the printer was lost; nothing was begun"))
        self._settle(out, now)
        return out

    def received(self, data: bytes, now: float) -> Actions:
        out = self._resolved()
        answer = self._reader.next(data)
        while answer is not None:
            self._heard(out, answer, now)
            answer = self._reader.next()
        self._go_on(out, now)
        return out

    def wake(self, now: float) -> Actions:
        out = self._resolved()
        for name in ("begin", "life", "progress", "answer", "clean", "again", "ask", "start"):
            if self._timers.get(name, now + 1) <= now:
                del self._timers[name]
                self._time_came(name, out, now)
        self._go_on(out, now)
        return out

    def command(self, command: object, ticket: int, now: float) -> Actions:
        out = self._resolved()
        try:
            self._asked(out, command, ticket, now)
        except DeviceError as error:
            out.append(Finish(ticket, error=error))  # not raised: what is in `out` must be done
        self._go_on(out, now)
        return out

    def abandoned(self, ticket: int, now: float) -> Actions:
        self._waiting = deque(job for job in self._waiting if job.tickets != [ticket])
        self._readers = [waiting for waiting in self._readers if waiting != ticket]
        self._ready_tickets = [waiting for waiting in self._ready_tickets if waiting != ticket]
        return ()

    def closing(self, now: float) -> Actions:
        out = self._resolved()
        self._closing = True
        self._fail_waiting(out, TransportError("the printer is being closed; nothing was begun"))
        if self._job is not None and self._phase is _Phase.CHECKING:
            self._failed(out, TransportError("the printer is being closed; nothing was begun"))
        return out

    # What is asked for

    def _asked(self, out: list[Action], command: object, ticket: int, now: float) -> None:
        match command:
            case Print():
                self._asked_to_print(out, command, ticket, now)
            case ReadStatus():
                if not self._connected or self._absent:
                    raise TransportError(self._words(states.ABSENT))
                if self._job is not None or self._mute:
                    out.append(Finish(ticket, self.printer_status))
                else:
                    self._readers.append(ticket)
                    self._round = deque(self._questions())
                    self._timers["ask"] = now
            case AwaitReady():
                if self._state[0] is DeviceState.READY:
                    out.append(Finish(ticket))
                else:
                    self._ready_tickets.append(ticket)
            case _:
                raise LocalProtocolError(f"a printer knows no {command!r}")

    def _asked_to_print(self, out: list[Action], command: Print, ticket: int, now: float) -> None:
        if not command.copy:
            if self._job is not None and self._job.reference == command.reference and not self._job.copy:
                self._job.tickets.append(ticket)
                return
            if self._answered_before(out, command.reference, ticket):
                return
        job = _Job(command.reference, command.copy, deque(self._rendered(command)), now + self._settings.start_s)
        job.tickets.append(ticket)
        if self._closing or not self._connected:
            raise TransportError("no line to the printer; nothing was begun")
        if self._state[0] is DeviceState.FAULT and self._state[1] != Trouble.CUTTER:
            raise DeviceFault(self._state[1], self._words(self._state[1]))
        self._waiting.append(job)
        self._await_start()

    def _rendered(self, command: Print) -> list[bytes]:
        settings = self._settings
        return render(
            command.slip,
            settings.profile,
            missing=settings.missing,
            block_bytes=settings.block_bytes,
            copy_words=settings.copy_words if command.copy else "",
            prologue=self._automatic(),
        )

    def _answered_before(self, out: list[Action], reference: str, ticket: int) -> bool:
        match self._remembered.outcome_of(reference):
            case "":
                return False
            case outcome:
                error = None if outcome == PRINTED else OutcomeUnknown(f"print the slip {reference}", LOOK)
                out.append(Finish(ticket, error=error))
                return True

    # What is heard

    def _heard(self, out: list[Action], answer: Answer, now: float) -> None:
        match answer:
            case Status(value) if self._question is not None and self._question.asked in _ROUND:
                asked = self._question.asked
                self._answered(out, now)
                presenter = self._settings.profile.presenter
                self._learned(out, self._health.after_real_time(asked, value, presenter=presenter), now)
            case Full() if self._question is not None and self._question.asked == 20:
                self._answered(out, now)
                self._learned(
                    out,
                    self._health.after_full(answer.paper, answer.user, answer.recoverable, answer.unrecoverable),
                    now,
                )
            case Automatic(data):
                self._learned(out, self._health.after_automatic(data), now)
            case Buffered(value):
                self._buffered(out, value, now)

    def _answered(self, out: list[Action], now: float) -> None:
        assert self._question is not None
        asked_at, self._question = self._question.at, None
        self._timers.pop("answer", None)
        self._misses = 0
        self._absent = False
        self._alive(out, asked_at, now)

    def _alive(self, out: list[Action], asked_at: float, now: float) -> None:
        """It answered now what it was asked then; whether it can have been without power since the time before."""
        if self._phase not in _ON_PAPER:
            return
        if now - self._alive_since > self._settings.restart_s:
            self._cut_off(out, now, "the printer was silent while it printed, and may have been without power")
            return
        self._alive_since = max(self._alive_since, asked_at)
        self._timers["life"] = self._alive_since + self._settings.restart_s

    def _learned(self, out: list[Action], health: Health, now: float) -> None:
        self._health = health
        self._tell(out)
        trouble = health.trouble
        if self._phase in _ON_PAPER and self._job is not None:
            self._job.stood_still |= health.online is False
            self._job.hot |= trouble is Trouble.HEAD_HOT
        if self._phase in _ON_PAPER and trouble is not None and trouble not in _PASSING:
            self._cut_off(out, now, trouble.words)
        elif self._phase is _Phase.CLEANING and trouble is not None:
            # It stands still, so its silence proves nothing: begun anew when it is well.
            self._phase = _Phase.IDLE
            self._timers.pop("clean", None)

    def _buffered(self, out: list[Action], value: int, now: float) -> None:
        if self._phase is _Phase.CLEANING:
            self._clean_answered = True
            self._unconfirmed = False
            self._timers["clean"] = now + (QUIET_S if self._remembered.remains else 0)
            return
        if not self._markers:
            if self._phase in _ON_PAPER:
                self._cut_off(out, now, "the printer answered more than it was asked")
            return
        sent_at = self._markers.popleft()
        self._timers["progress"] = now + self._settings.confirm_s
        self._alive(out, sent_at, now)
        if self._job is not None:
            self._learned(out, self._health.after_buffered(value), now)

    # Asking

    def _questions(self) -> tuple[int, ...]:
        return (*_ROUND, 20) if self._settings.profile.full_status else _ROUND

    def _ask(self, out: list[Action], now: float) -> None:
        if not self._connected or self._mute or self._question is not None:
            return
        if not self._round:
            self._round = deque(_WHILE_PRINTING if self._phase in _ON_PAPER else self._questions())
        asked = self._round.popleft()
        self._send(out, c.encode(c.DLE_EOT, n=asked), now)
        self._question = _Question(asked, now)
        self._timers["answer"] = self._line_free_at + self._settings.answer_s

    def _unanswered(self, out: list[Action], now: float) -> None:
        """No answer in time."""
        if self._question is None:
            return
        self._round.appendleft(self._question.asked)
        self._question = None
        self._misses += 1
        self._repeats += 1
        if self._misses >= 2 and self._phase not in _ON_PAPER:
            self._gone(out, now)
        else:
            self._timers["ask"] = max(now + DRAIN_S, self._deaf_until)

    def _gone(self, out: list[Action], now: float) -> None:
        self._absent = self._dirty = True
        self._health = Health()
        self._round.clear()
        self._timers.pop("clean", None)
        self._markers.clear()
        if self._phase is _Phase.CHECKING:
            self._failed(out, TransportError(states.ABSENT_WORDS))
        self._phase = _Phase.IDLE
        for ticket in self._readers:
            out.append(Finish(ticket, error=TransportError(states.ABSENT_WORDS)))
        self._readers.clear()
        self._fail_waiting(out, TransportError(f"{states.ABSENT_WORDS}; nothing was begun"))
        self._timers["ask"] = now + min(self._settings.poll_s, ABSENT_S)

    # One thing after another

    def _go_on(self, out: list[Action], now: float) -> None:
        """Whatever is next, now that something changed."""
        if self._phase is _Phase.SENDING:
            self._send_blocks(out, now)
        if self._phase is _Phase.CONFIRMING and not self._markers:
            self._recheck(out, now)
        if self._connected and not self._mute and self._question is None and "ask" not in self._timers:
            self._after_answer(out, now)
        self._settle(out, now)
        self._next_job(out, now)
        if self._connected and not self._mute and self._question is None and "ask" not in self._timers:
            self._timers["ask"] = now + GAP_S

    def _after_answer(self, out: list[Action], now: float) -> None:
        """A question was answered and none is due: the round goes on, or it is over."""
        if self._phase in (_Phase.SENDING, _Phase.CONFIRMING):
            urgent = self._health.online is False and bool(self._round)  # off line: why?
            self._timers["ask"] = max(now if urgent else now + GAP_S, self._deaf_until)
        elif self._round:
            self._ask(out, now)
        elif self._phase is _Phase.CHECKING:
            self._checked(out, now)
        elif self._phase is _Phase.RECHECKING:
            self._rechecked(out, now)
        elif self._phase is not _Phase.BEGINNING:
            self._round_over(out, now)

    def _round_over(self, out: list[Action], now: float) -> None:
        """All is known of a printer that has nothing to do."""
        out.extend(Finish(ticket, self.printer_status) for ticket in self._readers)
        self._readers.clear()
        self._timers["ask"] = now + self._settings.poll_s
        trouble = self._health.trouble
        if self._absent or self._phase is not _Phase.IDLE:
            return
        if trouble is Trouble.CUTTER and self._waiting:
            if self._recovering:
                self._fail_waiting(out, DeviceFault(trouble.value, trouble.words))
            else:
                # It stays in this error until it is told to go on, even when the paper was taken out of the cutter.
                self._send(out, c.encode(c.DLE_ENQ, n=2), now)
                self._timers["ask"] = now + RECOVER_S
            self._recovering = not self._recovering
            return
        self._recovering = False
        if trouble is None and self._dirty and "again" not in self._timers:
            self._clean(out, now)

    # Cleaning

    def _clean(self, out: list[Action], now: float) -> None:
        data = bytearray()
        if self._remembered.remains:
            data += bytes(max(self._settings.block_bytes, self._settings.profile.qr_max) + FILL)
        data += c.encode(c.INIT) + self._automatic()
        if self._remembered.remains:
            data += c.encode(c.FEED_CUT, n=0)
        self._markers.clear()
        if self._full:
            data += c.encode(c.READ_STATUS, n=1)
        self._send(out, bytes(data), now)
        self._phase = _Phase.CLEANING
        self._clean_answered = not self._full
        self._timers["clean"] = self._line_free_at + (CLEAN_S if self._full else 0)

    def _cleaned(self, out: list[Action], now: float) -> None:
        """The time for cleaning is over."""
        if self._phase is not _Phase.CLEANING:
            return
        self._phase = _Phase.IDLE
        if not self._clean_answered:
            if self._health.trouble is None:
                self._unconfirmed = True
                self._fail_waiting(out, DeviceFault(NEVER_PRINTED, self._words(NEVER_PRINTED)))
            self._timers["again"] = now + CLEAN_S
            return
        self._dirty = False
        if self._remembered.remains:
            self._remember(out, self._remembered.cleaned())

    def _automatic(self) -> bytes:
        return c.encode(c.AUTO_STATUS, n=0x0E) if self._settings.automatic else b""

    # A slip

    def _next_job(self, out: list[Action], now: float) -> None:
        while self._waiting and self._job is None and self._phase is _Phase.IDLE and not self._dirty:
            if self._absent or self._health.trouble is not None:
                return
            job = self._waiting.popleft()
            if not job.copy and self._remembered.outcome_of(job.reference):
                for ticket in job.tickets:
                    self._answered_before(out, job.reference, ticket)
                continue
            self._job = job
            if self._mute:
                self._checked(out, now)
            else:
                self._phase = _Phase.CHECKING
                self._round = deque(self._questions())
                self._timers.pop("ask", None)
                self._ask(out, now)
        self._await_start()

    def _await_start(self) -> None:
        self._timers.pop("start", None)
        if self._waiting:
            self._timers["start"] = min(waiting.begin_by for waiting in self._waiting)

    def _checked(self, out: list[Action], now: float) -> None:
        """All was asked before the slip."""
        job, trouble = self._job, self._health.trouble
        assert job is not None
        if trouble is not None:
            self._failed(out, DeviceFault(trouble.value, trouble.words))
            return
        self._remember(out, self._remembered.beginning(job.reference, copy=job.copy))
        self._phase = _Phase.BEGINNING
        self._timers["begin"] = now

    def _begin(self, out: list[Action], now: float) -> None:
        """The intent is written."""
        self._phase = _Phase.SENDING
        self._round = deque(_WHILE_PRINTING)
        self._markers.clear()
        self._timers.pop("ask", None)
        self._alive_since = now
        if not self._mute:
            self._timers["life"] = now + self._settings.restart_s
            self._timers["progress"] = now + self._settings.confirm_s

    def _send_blocks(self, out: list[Action], now: float) -> None:
        job = self._job
        assert job is not None
        while job.blocks:
            if not self._mute and len(self._markers) >= WINDOW:
                return
            ahead_s = max(self._line_free_at - now, 0) + len(job.blocks[0]) * self._settings.byte_s
            if not self._mute and ahead_s > AHEAD_S and self._line_free_at > now:
                return
            block = job.blocks.popleft()
            self._send_marked(out, block, now)
            if c.DLE_EOT.prefix in block:
                self._deaf_until = self._line_free_at + DEAF_S
                if "ask" in self._timers:
                    self._timers["ask"] = max(self._timers["ask"], self._deaf_until)
        if self._mute:
            self._cut_off(out, now, "this printer confirms nothing", remains=False)
        elif not self._full:
            if self._line_free_at <= now:
                self._recheck(out, now)
        elif not self._markers:
            self._phase = _Phase.CONFIRMING
            self._send_marked(out, b"", now)

    def _recheck(self, out: list[Action], now: float) -> None:
        self._phase = _Phase.RECHECKING
        self._round = deque(_AFTER)
        if self._question is None:
            self._timers.pop("ask", None)
            self._ask(out, now)

    def _send_marked(self, out: list[Action], block: bytes, now: float) -> None:
        if self._full:
            block += c.encode(c.READ_STATUS, n=1)
            self._markers.append(now)
        self._send(out, block, now)

    def _rechecked(self, out: list[Action], now: float) -> None:
        """Everything was answered, and all was asked after it."""
        if not self._full:
            self._cut_off(out, now, "this printer cannot confirm what it printed", remains=False)
            return
        if self._health.trouble is not None:
            self._cut_off(out, now, self._health.trouble.words)
            return
        job = self._job
        assert job is not None
        if job.stood_still and not job.hot:
            self._cut_off(out, now, "the printer stood still while it printed and did not say why")
            return
        self._remember(out, self._remembered.ended(PRINTED), SlipPrinted(reference=job.reference))
        out.extend(Finish(ticket) for ticket in job.tickets)
        self._end_job()

    def _cut_off(self, out: list[Action], now: float, words: str, *, remains: bool = True) -> None:
        """The slip will not be confirmed any more; whether something of it may still be inside the printer."""
        job = self._job
        if job is None:
            return
        if self._phase is _Phase.CHECKING:
            self._failed(out, TransportError(f"{words}; nothing was begun"))
            return
        if self._phase is _Phase.BEGINNING:
            self._remember(out, self._remembered.undone())
            self._failed(out, TransportError(f"{words}; nothing was begun"))
            return
        self._unclear(out, words, remains=remains)
        error = OutcomeUnknown(f"print the slip {job.reference}", f"{words}; {LOOK}")
        out.extend(Finish(ticket, error=error) for ticket in job.tickets)
        self._dirty = self._dirty or remains
        self._end_job()

    def _unclear(self, out: list[Action], words: str, *, remains: bool = True) -> None:
        reference = self._remembered.begun
        assert reference is not None
        words = f"the copy: {words}" if self._remembered.copy else words
        event = SlipUnclear(reference=reference, words=f"{words}; {LOOK}")
        self._remember(out, self._remembered.ended(UNCLEAR, remains=remains), event)

    def _resolved(self) -> list[Action]:
        """First of all: what was begun in an earlier life is unclear."""
        out: list[Action] = []
        if self._timers.pop("resolve", None) is not None:
            self._unclear(out, "the power or the program went while it was printed")
        return out

    def _failed(self, out: list[Action], error: DeviceError) -> None:
        """Nothing of the slip was sent."""
        if self._job is not None:
            out.extend(Finish(ticket, error=error) for ticket in self._job.tickets)
        self._end_job()

    def _end_job(self) -> None:
        self._job = None
        self._phase = _Phase.IDLE
        self._markers.clear()
        self._round.clear()
        self._deaf_until = float("-inf")
        for name in ("life", "progress", "begin"):
            self._timers.pop(name, None)

    def _fail_waiting(self, out: list[Action], error: DeviceError) -> None:
        out.extend(Finish(ticket, error=error) for job in self._waiting for ticket in job.tickets)
        self._waiting.clear()
        self._timers.pop("start", None)

    # Times that have come

    def _time_came(self, name: str, out: list[Action], now: float) -> None:
        trouble = self._health.trouble
        match name:
            case "begin":
                self._begin(out, now)
            case "life":
                self._cut_off(out, now, "the printer fell silent while it printed")
            case "progress":
                self._cut_off(out, now, trouble.words if trouble else "the printer did not confirm it in time")
            case "answer":
                self._unanswered(out, now)
            case "clean":
                self._cleaned(out, now)
            case "ask":
                self._ask(out, now)
            case "start":
                self._start_limit(out, now)

    def _start_limit(self, out: list[Action], now: float) -> None:
        """It was not ready in time for those that wait."""
        late = [job for job in self._waiting if job.begin_by <= now]
        self._waiting = deque(job for job in self._waiting if job.begin_by > now)
        code = self._state[1] or "starting"
        error = DeviceFault(code, self._words(code) or "the printer was not ready in time")
        out.extend(Finish(ticket, error=error) for job in late for ticket in job.tickets)
        self._await_start()

    # Telling

    def _tell(self, out: list[Action]) -> None:
        """Events for what changed of paper and cover."""
        was, now = self._told, self._health
        events: list[Event] = []
        if now.cover_open is not None and now.cover_open != was.cover_open:
            if now.cover_open:
                events.append(CoverOpened())
            elif was.cover_open:
                events.append(CoverClosed())
        if now.paper_out is not None and now.paper_low is not None:
            if now.paper_out and not was.paper_out:
                events.append(PaperOut())
            elif not now.paper_out and (was.paper_out or (was.paper_low and not now.paper_low)):
                events.append(PaperReturned())
            if now.paper_low and not now.paper_out and (not was.paper_low or was.paper_out):
                events.append(PaperLow())
        out.extend(Record(event) for event in events)
        self._told = Health(
            cover_open=was.cover_open if now.cover_open is None else now.cover_open,
            paper_out=was.paper_out if now.paper_out is None else now.paper_out,
            paper_low=was.paper_low if now.paper_low is None else now.paper_low,
        )

    def _settle(self, out: list[Action], now: float) -> None:
        """The state that all of it amounts to; told when it changes."""
        trouble = self._health.trouble
        if not self._connected or self._absent:
            state = (DeviceState.ABSENT, states.ABSENT)
        elif trouble is not None and (self._job is None or trouble not in _PASSING):
            state = (DeviceState.FAULT, trouble.value)
        elif self._unconfirmed:
            state = (DeviceState.FAULT, NEVER_PRINTED)
        elif self._dirty and self._job is None:
            state = (DeviceState.STARTING, "")
        else:
            state = (DeviceState.READY, "")
        if state != self._state:
            was, self._state = self._state, state
            if state[0] is not DeviceState.ABSENT or was[0] is not DeviceState.ABSENT:
                words = self._words(state[1])
                out.append(Record(StateChanged(state=state[0], was=was[0], code=state[1], words=words)))
                out.append(Say(f"{was[0]} → {state[0]}{f', because {words}' if words else ''}"))
        if state[0] is DeviceState.READY and self._ready_tickets:
            out.extend(Finish(ticket) for ticket in self._ready_tickets)
            self._ready_tickets.clear()
        if state[0] is DeviceState.FAULT and state[1] != Trouble.CUTTER:
            self._fail_waiting(out, DeviceFault(state[1], self._words(state[1])))

    def _words(self, code: str) -> str:
        if code == states.ABSENT:
            return states.ABSENT_WORDS if self._connected else "no line to the printer"
        if code == NEVER_PRINTED:
            return "the printer does not answer GS r: if it never does, set status to realtime or none"
        return Trouble(code).words if code in states.WORDS else ""

    # Small

    def _send(self, out: list[Action], data: bytes, now: float) -> None:
        self._line_free_at = max(self._line_free_at, now) + len(data) * self._settings.byte_s
        out.append(Send(data))

    def _remember(self, out: list[Action], remembered: Remembered, event: Event | None = None) -> None:
        self._remembered = remembered
        out.append(Record(event, remembered.memory))

    def _forget_talk(self) -> None:
        self._question = None
        self._round.clear()
        self._markers.clear()
        self._deaf_until = float("-inf")
