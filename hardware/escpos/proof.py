"""One slip on its way to paper, and what proves that it is there.

The printer acknowledges nothing. Three things it says are made into a proof:

* DLE EOT 1 to 4 are answered at once, whatever it is doing. Asked without a pause while a slip is printed, they prove
  that it has power all the while: a printer that was cut off and came back would print the rest of a slip as a whole
  one. Between the asking of one question and the answer of the next less time passes than any printer needs to start
  (`restart_s`); where more passed, nothing is proved.
* GS r 1 is answered in the order of the stream, and not at all while it stands without paper. Each block of a slip is
  followed by one (a *marker*), and two blocks at most are on their way. One more stands behind all, so that a stray
  byte taken for an answer does not confirm what is still being printed.
* Then DLE EOT is asked once more for all four: paper, cover and cutter must be well *after* the last answer.

Only with all three `SlipPrinted` is written. The intent is written before the first byte; whatever ends without the
proof after that is `SlipUnclear`.

The lines above are our inference from the manuals, not a maker's recipe; no maker has one.
"""

from collections import deque
from enum import Enum, auto

from hardware.errors import DeviceError, DeviceFault, OutcomeUnknown, TransportError
from hardware.escpos import commands as c
from hardware.escpos.asking import AFTER, WHILE_PRINTING, Asking
from hardware.escpos.condition import PASSING
from hardware.escpos.declaration import encode
from hardware.escpos.memory import LOOK, PRINTED, Page
from hardware.escpos.orders import Settings
from hardware.escpos.outgoing import Outgoing, Timers
from hardware.escpos.states import Health, Trouble
from hardware.escpos.waiting import Job
from hardware.events import SlipPrinted

WINDOW = 2  # blocks on their way
AHEAD_S = 1.2  # and no more than the line carries in this time


class Phase(Enum):
    """How far the slip is."""

    NONE = auto()  # there is none
    CHECKING = auto()  # asked how it stands; nothing was sent
    BEGINNING = auto()  # the intent is being written
    SENDING = auto()  # from here on it may be on paper
    CONFIRMING = auto()  # all was answered; the question behind all is on its way
    RECHECKING = auto()  # that was answered; the statuses after it are asked


class Printing:
    """Timers: "begin" once the intent is written, "life" when it may have been without power, "progress"."""

    def __init__(self, settings: Settings, out: Outgoing, timers: Timers, page: Page, asking: Asking) -> None:
        self._settings, self._out, self._timers, self._page, self._asking = settings, out, timers, page, asking
        self.phase = Phase.NONE
        self.job: Job | None = None
        self._markers: deque[float] = deque()  # when each GS r that is not answered was sent
        self._alive_since = 0.0
        self._stood_still = False  # it was seen off line
        self._hot = False  # and said that it had to cool

    @property
    def on_paper(self) -> bool:
        """Something of the slip may be."""
        return self.phase in (Phase.SENDING, Phase.CONFIRMING, Phase.RECHECKING)

    # Before the first byte

    def take(self, job: Job) -> None:
        """The next slip; how the printer stands is asked before it."""
        self.job = job
        self.phase = Phase.CHECKING
        self._stood_still = self._hot = False

    def checked(self, trouble: Trouble | None, now: float) -> None:
        """All was asked before the slip."""
        job = self._job()
        if trouble is not None:
            self.fail(DeviceFault(trouble.value, trouble.words))
            return
        self._page.write(self._page.now.beginning(job.reference, copy=job.copy))
        self.phase = Phase.BEGINNING
        self._timers["begin"] = now

    def begin(self, now: float) -> None:
        """The intent is written."""
        self.phase = Phase.SENDING
        self._asking.plan(WHILE_PRINTING)
        self._asking.hold()
        self._markers.clear()
        self._alive_since = now
        if not self._settings.mute:
            self._timers["life"] = now + self._settings.restart_s
            self._timers["progress"] = now + self._settings.confirm_s

    def fail(self, error: DeviceError) -> None:
        """Nothing of the slip was sent."""
        job = self._job()
        job.finish(self._out.act, error)
        self._end()

    # On its way

    def go_on(self, now: float) -> None:
        """Whatever may be sent now."""
        if self.phase is Phase.SENDING:
            self._send_blocks(now)
        if self.phase is Phase.CONFIRMING and not self._markers:
            self._recheck(now)

    def _send_blocks(self, now: float) -> None:
        blocks, settings = self._job().blocks, self._settings
        while blocks:
            if not settings.mute and not self._may_send(len(blocks[0]), now):
                return
            block = blocks.popleft()
            self._send_marked(block, now)
            if c.DLE_EOT.prefix in block:
                self._asking.keep_quiet(self._out.free_at)
        if settings.mute:
            self.cut_off("this printer confirms nothing", remains=False)
        elif not settings.full:
            if self._out.free_at <= now:
                self._recheck(now)
        elif not self._markers:
            self.phase = Phase.CONFIRMING
            self._send_marked(b"", now)

    def _may_send(self, size: int, now: float) -> bool:
        if len(self._markers) >= WINDOW:
            return False
        busy_s = max(self._out.free_at - now, 0)
        return busy_s == 0 or busy_s + size * self._out.byte_s <= AHEAD_S

    def _send_marked(self, block: bytes, now: float) -> None:
        if self._settings.full:
            block += encode(c.READ_STATUS, n=1)
            self._markers.append(now)
        self._out.send(block, now)

    def _recheck(self, now: float) -> None:
        self.phase = Phase.RECHECKING
        self._asking.plan(AFTER)
        if self._asking.question is None:
            self._asking.hold()
            self._asking.ask(now, otherwise=AFTER)

    # What is heard

    def alive(self, asked_at: float, now: float) -> None:
        """It answered now what it was asked then; whether it can have been without power since the time before."""
        if not self.on_paper:
            return
        if now - self._alive_since > self._settings.restart_s:
            self.cut_off("the printer was silent while it printed, and may have been without power")
            return
        self._alive_since = max(self._alive_since, asked_at)
        self._timers["life"] = self._alive_since + self._settings.restart_s

    def confirmed(self, now: float) -> bool:
        """GS r was answered: all before it was done. Whether the slip goes on."""
        if not self._markers:
            self.cut_off("the printer answered more than it was asked")
            return False
        sent_at = self._markers.popleft()
        self._timers["progress"] = now + self._settings.confirm_s
        self.alive(sent_at, now)
        return self.on_paper

    def learned(self, health: Health) -> None:
        """How the printer stands by its last answer."""
        if not self.on_paper:
            return
        trouble = health.trouble
        self._stood_still |= health.online is False
        self._hot |= trouble is Trouble.HEAD_HOT
        if trouble is not None and trouble not in PASSING:
            self.cut_off(trouble.words)

    # The end

    def rechecked(self, trouble: Trouble | None) -> None:
        """Everything was answered, and all was asked after it."""
        job = self._job()
        if not self._settings.full:
            self.cut_off("this printer cannot confirm what it printed", remains=False)
        elif trouble is not None:
            self.cut_off(trouble.words)
        elif self._stood_still and not self._hot:
            self.cut_off("the printer stood still while it printed and did not say why")
        else:
            self._page.write(self._page.now.ended(PRINTED), SlipPrinted(reference=job.reference))
            job.finish(self._out.act)
            self._end()

    def cut_off(self, words: str, *, remains: bool = True) -> None:
        """The slip will not be confirmed any more; whether something of it may still be inside the printer."""
        job = self.job
        if job is None:
            return
        if not self.on_paper:
            if self.phase is Phase.BEGINNING:
                self._page.write(self._page.now.undone())
            self.fail(TransportError(f"{words}; nothing was begun"))
            return
        self._page.unclear(words, remains=remains)
        job.finish(self._out.act, OutcomeUnknown(f"print the slip {job.reference}", f"{words}; {LOOK}"))
        self._end()

    def _job(self) -> Job:
        assert self.job is not None
        return self.job

    def _end(self) -> None:
        self.job = None
        self.phase = Phase.NONE
        self._markers.clear()
        self._asking.round_over()
        for name in ("life", "progress", "begin"):
            self._timers.pop(name, None)
