"""What an answer to POLL means: for the note inside, for the cassette, for a person.

After a restart of either side a device may begin again with what it told before, so for a while its answers are taken
as of the past (`old_news`): until it draws in or holds a note, the last settled note may be told again, and nothing but
that is proof that the device is done with it.
"""

from dataclasses import dataclass, field

from hardware.ccnet import commands
from hardware.ccnet.book import Book
from hardware.ccnet.setup import Setup, Step
from hardware.ccnet.states import FAULTS, POWERED_UP, PollAnswer, State
from hardware.ccnet.wishes import Wishes
from hardware.errors import Refused
from hardware.events import (
    BillHeldBack,
    BillRejected,
    BillStacked,
    BillUnclear,
    CassetteFull,
    CassetteRemoved,
    CassetteReturned,
    Event,
    Jammed,
    Tampered,
)
from hardware.protocol import Action, Record, Say

EMPTY_POLLS = 2  # so often it must say that it is empty before an ordered note counts as gone
EMPTY_POLLS_STACKER = 25  # where it said at power-up that a note lay in the stacker: its 81 is still to come

EMPTY = frozenset({State.IDLING, State.DISABLED, State.ACCEPTING})
HELD = frozenset({State.ESCROW, State.HOLDING})
_AT_WORK = frozenset({State.ACCEPTING, State.ESCROW})
_BACK = frozenset({State.IDLING, State.DISABLED, State.ACCEPTING, State.ESCROW, State.STACKING})
_UNTOLD = "look at the device's own counter of stacked notes, or count the cassette at the next collection"
_DONE_WITH_LAST = EMPTY | HELD | {State.STACKING, State.RETURNING, State.REJECTING}


@dataclass(slots=True)
class Heard:
    """What to do about an answer.

    `records` stand before the ACK, `then` behind it. `confirm` False: leave it unconfirmed, it will be told again.
    """

    records: list[Action] = field(default_factory=list)
    then: list[Action] = field(default_factory=list)
    confirm: bool = True
    new_note: bool = False
    same_note: bool = True  # False: it must be found out whether it is the one that was ordered into the cassette


class Hearing:
    """The ear. Changes `book`, and tells `setup` what has to be done again."""

    def __init__(self, book: Book, setup: Setup, wishes: Wishes) -> None:
        self._book, self._setup, self._wishes = book, setup, wishes
        self.answer: PollAnswer | None = None  # None: not since it was lost or reset
        self.wants_table = False  # a note was stacked whose worth can be known by the table alone
        self.table_refused = False  # it does not tell its table in this state
        self._old_news = True
        self._in_stacker = False
        self._given_back = False
        self._empty_polls = 0
        self._told_fault = ""

    @property
    def state(self) -> int | None:
        """As it was last heard."""
        return None if self.answer is None else self.answer.state

    def lost(self) -> None:
        """The device cannot be heard any more."""
        self.answer = None
        self._old_news = True
        self._empty_polls = 0
        self._book.later()

    def heard(self, answer: PollAnswer, *, taking: frozenset[int], reset: bool | None) -> Heard:
        """An answer to POLL.

        Args:
            taking: bill types that are wanted now.
            reset: None, or on the first answer after it was lost: whether it is to be reset.
        """
        fresh = answer != self.answer
        self.answer = answer
        heard = Heard()
        self._start(answer, reset)
        match answer.state:
            case State.BILL_STACKED:
                self._stacked(answer, heard)
            case State.BILL_RETURNED:
                self._returned(answer, heard)
            case State.ESCROW | State.HOLDING:
                self._escrow(answer, taking, heard)
            case State.STACKING:
                self._stacking(heard)
            case state if state in EMPTY:
                self._empty(heard)
        if answer.state not in EMPTY:
            self._empty_polls = 0
        if answer.state in _AT_WORK:
            self._old_news = False
        if answer.state in (_AT_WORK if self._old_news else _DONE_WITH_LAST) and self._book.moved():
            heard.then.append(Record(memory=self._book.memory()))
        self._cassette(answer, heard)
        self._troubles(answer, fresh, heard)
        return heard

    def gone(self) -> list[Action]:
        """The note that was known is not inside any more: recorded, and told to whoever waits."""
        note = self._book.note
        given_back, self._given_back = self._given_back, False
        event = self._book.gone(given_back=given_back)
        if event is None or note is None:
            return []
        actions: list[Action] = [Record(event, self._book.memory())]
        if isinstance(event, BillUnclear | BillHeldBack):
            self._setup.look_at_counter()
            return [*actions, *self._wishes.unknown(note.number, _UNTOLD)]
        return [*actions, *self._wishes.returned(note.number, _went_back())]

    def identified(self, serial: str) -> list[Action]:
        """The device said who it is."""
        if serial == self._book.serial:
            return []
        note = self._book.note
        event = self._book.belongs_to(serial)
        actions: list[Action] = [Record(event, self._book.memory())]
        return [*actions, *self._wishes.unknown(note.number, _UNTOLD)] if event is not None and note else actions

    def recovered(self, data: bytes) -> list[Action]:
        """The answer to POWER RECOVERY: notes that were on their way into a cassette when the power went."""
        try:
            recovery = commands.read_recovery(data)
        except ValueError as error:
            return [Say(f"POWER RECOVERY was answered against the protocol: {error}", "warning")]
        if recovery.kind != commands.RECOVERY_STACKING:
            if not recovery.kind:
                return []
            words = commands.RECOVERY_KINDS.get(recovery.kind, f"{recovery.kind:02X}")
            return [Say(f"the power cut interrupted {words}: {data.hex().upper()}; count the notes", "error")]
        note = self._book.note
        types = [bill_type for bill_type, _ in recovery.pairs]
        actions: list[Action] = []
        for event, memory in self._book.recover(types, self._setup.known or self._book.bills):
            actions.append(Record(event, memory))
            if note is not None and self._book.note is None and note.bill is not None:
                actions += self._wishes.stacked(note.number, note.bill)
                note = None
        if self._book.note is None:
            self._in_stacker = False  # all that it knows of is told
        return actions

    def _start(self, answer: PollAnswer, reset: bool | None) -> None:
        if answer.state in POWERED_UP:
            if reset is not None or Step.RESET not in self._setup.todo or not self._setup.powered_up:
                self._setup.begin(powered_up=True, reset=True)
            self._old_news = True
            last = self._book.last
            told = self._book.note is None and last is not None and last.stacked and not last.moved
            self._in_stacker = answer.state == State.POWER_UP_BILL_IN_STACKER and not told
            self._given_back = answer.state == State.POWER_UP_BILL_IN_VALIDATOR
            self._book.later()
        elif reset is not None:
            self._setup.begin(powered_up=False, reset=reset)
        elif answer.state == State.INITIALIZE:
            self._setup.initialising()
        if answer.state in FAULTS:
            self._given_back = False  # who knows where it is now

    def _stacked(self, answer: PollAnswer, heard: Heard) -> None:
        bill_type, note = answer.detail or 0, self._book.note
        if self._setup.table_read:
            bill = self._setup.known.get(bill_type)
        elif self._book.repeats(bill_type, stacked=True) or (note is not None and note.type == bill_type):
            bill = None if note is None else note.bill
        elif self.table_refused:
            bill = self._book.bills.get(bill_type)  # as it was
        else:
            heard.confirm = False
            self.wants_table = True
            return
        event = self._book.stacked(bill_type, bill)
        self._in_stacker = False
        if event is None:
            heard.then.append(Say("told again that a note was stacked; it is credited already", "debug"))
            return
        heard.records.append(Record(event, self._book.memory()))
        if isinstance(event, BillStacked):
            number = event.escrow if event.escrow is not None else (note.number if note else None)
            heard.then += self._wishes.stacked(number, event.bill)
            if event.unclaimed:
                heard.then.append(Say(f"{event.bill} went into the cassette without having been asked for", "warning"))
        elif note is not None:
            heard.then += self._wishes.unknown(note.number, "it was stacked as a note of unknown value")

    def _returned(self, answer: PollAnswer, heard: Heard) -> None:
        note, bill_type = self._book.note, answer.detail or 0
        event = self._book.returned(bill_type, self._setup.known.get(bill_type))
        if event is None:
            return
        heard.records.append(Record(event, self._book.memory()))
        if note is not None:
            heard.then += self._wishes.returned(note.number, _went_back())

    def _stacking(self, heard: Heard) -> None:
        """Whoever wanted it: the note that is inside goes into the cassette, and another will be in escrow."""
        note = self._book.note
        if note is None or (note.taken and note.unsure):
            return
        news = not note.taken
        note.taken = note.unsure = True
        if news:
            heard.then.append(Record(memory=self._book.memory()))

    def _escrow(self, answer: PollAnswer, taking: frozenset[int], heard: Heard) -> None:
        if self._in_stacker and self._book.note is None:
            self._never_told(heard)
        note = self._book.note
        bill = self._setup.known.get(answer.detail) if answer.detail is not None else None
        if note is not None and note.type < 0 and answer.detail is not None:
            note.type, note.bill = answer.detail, bill  # now it says what it holds
        if note is not None and answer.state == State.ESCROW and note.taken and note.order != "stack":
            heard.records += self.gone()  # it was seen going into the cassette
            note = None
        if note is not None and answer.state == State.ESCROW and note.type != answer.detail:
            heard.records += self.gone()  # another note: what became of the first was not told
            note = None
        if note is None:
            heard.new_note = True
            if answer.state == State.HOLDING or bill is None or answer.detail not in taking:
                self._book.unwanted(-1 if answer.detail is None else answer.detail, bill)
                return
            event = self._book.escrowed(answer.detail, bill)
            heard.records.append(Record(event, self._book.memory()))
        elif note.order == "stack" and note.taken and note.unsure:
            heard.same_note = False

    def _empty(self, heard: Heard) -> None:
        note = self._book.note
        self._empty_polls += 1
        if note is None:
            self._given_back = False
            if self._in_stacker and self._empty_polls >= EMPTY_POLLS_STACKER:
                self._never_told(heard)
            return
        if note.taken and not self._given_back:
            if self._empty_polls < (EMPTY_POLLS_STACKER if self._in_stacker else EMPTY_POLLS):
                return
        elif self._in_stacker and self._empty_polls < EMPTY_POLLS_STACKER:
            return
        self._in_stacker = False
        heard.records += self.gone()

    def _never_told(self, heard: Heard) -> None:
        """Of a note that lay in the stacker at power-up, and that is none of those that are known."""
        self._in_stacker = False
        words = "a note lay in the stacker when the power came; the device does not tell of it: count the cassette"
        heard.records.append(Record(BillHeldBack(code="12", words=words), self._book.memory()))

    def _cassette(self, answer: PollAnswer, heard: Heard) -> None:
        out = self._book.cassette_out
        if answer.state == State.CASSETTE_OUT and not out:
            self._book.cassette_out = True
            self._setup.look_at_counter()
            heard.records.append(Record(CassetteRemoved(), self._book.memory()))
        elif out and answer.state in _BACK:
            self._book.cassette_out = False
            heard.records.append(Record(CassetteReturned(), self._book.memory()))

    def _troubles(self, answer: PollAnswer, fresh: bool, heard: Heard) -> None:
        event: Event | None = None
        match answer.state:
            case State.REJECTING | State.PAUSE if fresh:
                event = BillRejected(code=answer.code, words=answer.words)
            case State.SUSPECTED_HELD | State.COUNTERFEIT_HELD if fresh:
                event = BillHeldBack(code=answer.code, words=answer.words)
            case State.CASSETTE_FULL if self._told_fault != answer.code:
                event = CassetteFull()
            case State.VALIDATOR_JAMMED | State.CASSETTE_JAMMED if self._told_fault != answer.code:
                event = Jammed(code=answer.code, words=answer.words)
            case State.CHEATED if self._told_fault != answer.code:
                event = Tampered(code=answer.code, words=answer.words)
        if answer.state in FAULTS:
            self._told_fault = answer.code
        elif answer.state in EMPTY:
            self._told_fault = ""
        if event is not None:
            heard.then.append(Record(event))


def _went_back() -> Refused:
    return Refused("82", "the note went back to the customer")
