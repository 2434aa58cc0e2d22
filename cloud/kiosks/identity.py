"""Whether two boxes go by the identity of one kiosk. Pure; times are seconds of one monotonic clock.

One kiosk is one box, and a box runs its program once at a time. So a connection that comes while another is open is
most often the same box again: its old connection is dead and nobody knows yet, or it was started anew. It takes over,
at once if it is the same run of the program, else as soon as the older one does not answer a ping.

There are two boxes only where that is proved: the older one answers a ping that was sent after the newcomer said who
it is, or the newcomer has been running since before the last moment at which the older one surely lived. What is proved
is an alarm for a person, since nobody here can know which of them is the right one. Until then the one that serves
stays, and for a minute after it went away only it may return, so that they do not take the kiosk from each other.

Two boxes that name the same journal (one's disk was copied from the other's) are worse: what one of them never heard
of, the other may have executed. The newcomer is told so (`CLONED`) and begins a journal under a name of its own.

What cannot be seen: copies that never live at the same time. They are as one box that was started anew.
"""

from enum import Enum, auto

import msgspec

# A living kiosk answers a ping within a round trip; a returning one must be served within 5 s.
ANSWER_WITHIN = 2.5
HOLD = 60.0
ALARM_FOR = 600.0
# Clocks of two machines, each set right by NTP at up to 500 ppm, and a moment between hello and its sending.
_DRIFT, _MOMENT = 0.001, 1.0


class Verdict(Enum):
    """What to do with a newcomer."""

    LET_IN = auto()  # it is the kiosk now
    ASK = auto()  # ping the one that serves, then `answered` or `unanswered`
    DUPLICATE = auto()  # refuse: another box serves
    CLONED = auto()  # refuse: another box has the same journal


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """Who is at the other end. A v1 client says nothing of itself and is known by its address."""

    address: str
    since: float  # it has been running at least since then
    is_v1: bool = False
    journal: str = ""
    boot_id: str = ""

    def is_run(self, other: "Box") -> bool:
        """Whether this is the same run of the same program."""
        return self.is_side(other) and self.boot_id == other.boot_id

    def is_side(self, other: "Box") -> bool:
        """Whether this may be the same box."""
        if self.is_v1 or other.is_v1:
            return self.is_v1 and other.is_v1 and self.address == other.address
        return self.journal == other.journal

    def has_journal_of(self, other: "Box") -> bool:
        """Whether both name the same journal."""
        return bool(self.journal) and self.journal == other.journal


class Conflict(msgspec.Struct):
    """Two boxes were seen: the one that served and the newcomer."""

    here: Box
    there: Box
    first_at: float
    last_at: float
    count: int = 1


class Identity:
    """Who a kiosk is at present, as far as can be known."""

    __slots__ = ("_alive_at", "_box", "_lost_at", "conflict")

    def __init__(self) -> None:
        self._box: Box | None = None  # serves, or served last
        self._alive_at = 0.0  # surely, then
        self._lost_at: float | None = None  # None while it serves
        self.conflict: Conflict | None = None

    def serves(self, box: Box, now: float) -> None:
        """This box is the kiosk from now on."""
        self._box, self._alive_at, self._lost_at = box, now, None

    def alive(self, at: float) -> None:
        """The box that serves answered something that was said at this moment."""
        self._alive_at = max(self._alive_at, at)

    def lost(self, now: float) -> None:
        """Nobody serves."""
        if self._lost_at is None:
            self._lost_at = now

    def arrives(self, newcomer: Box, now: float) -> Verdict:
        """A box said who it is."""
        box = self._box
        if box is None or newcomer.is_run(box):
            return Verdict.LET_IN
        slack = _MOMENT + _DRIFT * (now - newcomer.since)
        if newcomer.since + slack < self._alive_at:
            self._sighted(box, newcomer, now)
            if newcomer.has_journal_of(box):
                return Verdict.CLONED
        if self._lost_at is None:
            return Verdict.ASK
        return self._held(newcomer, self._lost_at, now)

    def answered(self, newcomer: Box, now: float) -> Verdict:
        """The box that serves answered a ping that was sent after the newcomer had said who it is."""
        if self._box is None:
            return Verdict.LET_IN
        self._sighted(self._box, newcomer, now)
        return Verdict.CLONED if newcomer.has_journal_of(self._box) else Verdict.DUPLICATE

    def unanswered(self, newcomer: Box, heard_at: float, now: float) -> Verdict:
        """It did not answer within `ANSWER_WITHIN`; anything was heard of it last at `heard_at`."""
        return self._held(newcomer, heard_at, now)

    def is_alarming(self, now: float) -> bool:
        """Whether two boxes were seen lately."""
        return self.conflict is not None and now - self.conflict.last_at < ALARM_FOR

    def _held(self, newcomer: Box, gone_at: float, now: float) -> Verdict:
        """Whether the place is kept for the box that had it."""
        kept = self._box is not None and not newcomer.is_side(self._box) and now - gone_at < HOLD
        return Verdict.DUPLICATE if kept and self.is_alarming(now) else Verdict.LET_IN

    def _sighted(self, here: Box, there: Box, now: float) -> None:
        found = self.conflict
        if found is None or not self.is_alarming(now):
            self.conflict = Conflict(here, there, now, now)
        elif now > found.last_at:  # one arrival may prove it twice
            found.here, found.there, found.last_at, found.count = here, there, now, found.count + 1
