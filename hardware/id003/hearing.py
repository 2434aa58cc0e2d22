"""What a validator's statuses mean for the note in its path and for the money."""

from collections.abc import Callable
from dataclasses import replace

from hardware.errors import Refused
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
    Event,
    Jammed,
    Tampered,
)
from hardware.id003.frames import Frame
from hardware.id003.memory import Note, Remembered
from hardware.id003.states import IDLE, JAMS, TROUBLES, Status, words
from hardware.protocol import Memory
from hardware.waiting import Waiting
from wire.money import Money

IDLE_SURE = 3  # polls that agree that the path is empty: one alone may be a late answer

_ELSEWHERE = frozenset((Status.ACCEPTING, Status.ESCROW, Status.STACKED, Status.REJECTING, Status.RETURNING))
"""Statuses that end a run of 15."""


def label(frame: Frame) -> str:
    """A status for events: "49 A2"."""
    return str(frame) if frame.data and len(frame.data) < 3 else f"{frame.code:02X}"


class Hearing:
    """The note and the money of one validator.

    Args:
        kept: what was remembered.
        record: takes an event and the memory to be written with it.
        waiting: who waits for the note.
    """

    def __init__(
        self, kept: Remembered, record: Callable[[Event | None, Memory | None], None], waiting: Waiting
    ) -> None:
        self.kept = kept
        self._record = record
        self._waiting = waiting
        self.fresh = False  # the open note was told in this life, and the line was never silent since
        self.stranger = False  # a note in escrow that nobody was told of goes back
        self._vend_valids = 0
        self._idles = 0
        self._untold = False  # at power-up a note lay in the stacker, and it is none that is known

    def silence(self) -> None:
        """The device is not heard any more: what it does from now on may be missed."""
        self.fresh = self.stranger = False
        self._vend_valids = self._idles = 0

    # Writing down

    def keep(self, kept: Remembered, event: Event | None = None) -> None:
        """Remember this, and tell that with it."""
        self.kept = kept
        self._record(event, kept.to_memory())

    def change_note(self, **changes: object) -> None:
        """Write down what changed about the open note."""
        if self.kept.note is not None:
            self.keep(self.kept.but(note=replace(self.kept.note, **changes)))  # type: ignore[arg-type]

    def _close(self, event: Event, run: str = "") -> None:
        """The note is out of the path, one way or the other."""
        self.keep(self.kept.but(note=None, run=run or self.kept.run), event)

    # Statuses

    def any_status(self, frame: Frame, *, new: bool) -> None:
        """First of all, of each."""
        code = frame.code
        if code != Status.VEND_VALID:
            self._vend_valids = 0
        if code not in IDLE and code != Status.ACCEPTING:
            self._idles = 0
        if code not in (Status.ESCROW, Status.HOLDING):
            self.stranger = False
        if code in _ELSEWHERE and self.kept.run:
            self.keep(self.kept.but(run=""))
        if new:
            self._entered(frame)

    def _entered(self, frame: Frame) -> None:
        """What is told once, as a status begins."""
        code, said = frame.code, words(frame.code, frame.data)
        if code == Status.REJECTING and self.kept.note is None:
            self._record(BillRejected(code=label(frame), words=said), None)
        elif code in JAMS:
            self._record(Jammed(code=label(frame), words=said), None)
        elif code == Status.CHEATED:
            self._record(Tampered(code=label(frame), words=said), None)
        elif code == Status.STACKER_FULL:
            self._record(CassetteFull(), None)
        elif code == Status.STACKER_OPEN and not self.kept.cassette_out:
            self.keep(self.kept.but(cassette_out=True), CassetteRemoved())
        elif self.kept.cassette_out and (code in IDLE or code in (Status.ACCEPTING, Status.ESCROW)):
            self.keep(self.kept.but(cassette_out=False), CassetteReturned())

    def power_up(self, code: int) -> None:
        """It got power, and says what it found in its path."""
        note = self.kept.note
        if note is not None and code != note.power_up and (code != Status.POWER_UP or not note.power_up):
            trouble = note.trouble and code == Status.POWER_UP
            returning = note.returning or code == Status.POWER_UP_BILL_IN_ACCEPTOR
            self.change_note(power_up=code, trouble=trouble, returning=returning)
        self._untold = code == Status.POWER_UP_BILL_IN_STACKER and note is None and not self.kept.run
        self.fresh = False
        self._waiting.unknown("the validator lost power; a late event tells")

    def escrow(self, frame: Frame, bill: Money | None, *, takes: bool, known_table: bool) -> bool:
        """A note is held; whether it is one to be told of. `bill` is what its code is worth."""
        note = self.kept.note
        code = frame.data[0] if len(frame.data) == 1 else 0
        self._tell_untold()
        if note is not None and self.fresh and code != note.code:
            self._close(BillReturned(bill=note.bill, escrow=note.escrow, late=True))
            self._waiting.finish("stack", error=Refused("returned", "the validator gave the note back"))
            self._waiting.finish("return")
            note = None
        if note is not None:
            if not self.fresh and note.order != "return":
                self.change_note(order="return")  # it may be another one than before
            return False
        if self.stranger:
            return False
        if bill is not None and takes:
            number = self.kept.escrow + 1
            self.fresh = True
            kept = self.kept.but(escrow=number, note=Note(number, code, bill), run="")
            self.keep(kept, BillEscrowed(bill=bill, escrow=number))
            return True
        self.stranger = True
        if bill is None and known_table:
            ticket = len(frame.data) > 1
            what = "a ticket" if ticket else f"a note of code {code:02X}, which its own table does not name"
            self._record(BillRejected(code=label(frame), words=f"{what} was put in and goes back"), None)
        return False

    def vend_valid(self) -> bool:
        """A note is taken; whether that is written down and may be confirmed."""
        note = self.kept.note
        self._vend_valids += 1
        self._untold = False
        if self.kept.run:
            return True
        if (note is None or note.order != "stack") and self._vend_valids < 2:
            # Nobody ordered this. The device repeats it; a late answer of an earlier note does not come again.
            return False
        if note is None:
            said = "a note of unknown value was stacked, of which nothing is written down: count the stacker"
            self.keep(self.kept.but(run="told"), BillHeldBack(code="15", words=said))
            return True
        ordered = note.order == "stack"
        late = not self.fresh or (ordered and not self._waiting.any("stack"))
        stacked = BillStacked(bill=note.bill, escrow=note.escrow, late=late, unclaimed=not ordered)
        self._close(stacked, run="credited")
        self._waiting.finish("stack", result=note.bill)
        self._waiting.finish("return", error=Refused("stacked", "it was stacked"))
        return True

    def empty_path(self, *, settled: bool) -> None:
        """Nothing is in the path. `settled`: since a power cut it had the time to tell of a note it found."""
        note = self.kept.note
        self._idles += 1
        if note is None:
            if settled and self._idles >= IDLE_SURE:
                self._tell_untold()
            return
        sure = note.returning and not note.power_up
        if self._idles < (1 if sure else IDLE_SURE) or (note.power_up and not settled):
            return
        in_stacker = note.power_up == Status.POWER_UP_BILL_IN_STACKER
        lost_track = not note.returning and (in_stacker or (note.order == "stack" and note.power_up))
        if note.trouble or lost_track:
            remedy = f"the validator does not say where a note of {note.bill} went: count the stacker"
            self._close(BillUnclear(bill=note.bill, escrow=note.escrow, remedy=remedy))
            self._waiting.unknown(remedy)
            return
        self._close(BillReturned(bill=note.bill, escrow=note.escrow, late=not self.fresh))
        self._waiting.finish("stack", error=Refused("returned", "the validator gave the note back"))
        self._waiting.finish("return")

    def _tell_untold(self) -> None:
        if self._untold:
            self._untold = False
            said = "a note lay in the stacker when the power came, and no credit was told for it: count the stacker"
            self._record(BillHeldBack(code="42", words=said), None)

    def on_way(self, code: int) -> None:
        """Something else: a note moves, or something is wrong."""
        note = self.kept.note
        if note is None:
            return
        if code in (Status.RETURNING, Status.REJECTING) and not note.returning:
            self.change_note(returning=True, trouble=False)
            return
        # It begins anew in the middle, and not after a power cut: somebody had his hands in it.
        begun_anew = code == Status.INITIALIZE and not note.power_up and not note.returning
        # STACKED without VEND VALID before it: this device does not keep to the rule that 15 waits.
        if (code in TROUBLES or code == Status.STACKED or begun_anew) and not note.trouble:
            self.change_note(trouble=True)
