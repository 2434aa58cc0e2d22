"""What the polls of one validator tell, and what it means for the note in its path and for the money."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

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
    CreditsLost,
    Event,
    Jammed,
    Tampered,
)
from hardware.protocol import Memory
from hardware.ssp.events import KINDS, Code, PollEvent, read
from hardware.ssp.memory import Last, Note, Remembered
from hardware.ssp.replies import Channel
from wire.money import Money

_FAULTS = (Code.UNSAFE_JAM, Code.SAFE_JAM, Code.FULL, Code.PATH_OPEN)
_BY_NAME = {kind.name: kind for kind in KINDS.values()}
_MOVING = frozenset((Code.READ, Code.CREDIT, Code.REJECTING, Code.STACKING))


@dataclass(slots=True)
class Heard:
    """What one poll brought, for those who wait.

    `told`: something of a note's way; `stacked`: the open note was credited; `unclear`: why it ended without being
    known.
    """

    reset: bool = False
    refused: bool = False
    disabled: bool = False
    told: bool = False
    stacked: Money | None = None
    unclear: str = ""


class Hearing:
    """The validator as its polls describe it.

    Args:
        kept: what was remembered.
        record: takes an event and the memory to be written with it.
        say: takes a line for the log and its level.
    """

    def __init__(
        self,
        kept: Remembered,
        record: Callable[[Event | None, Memory | None], None],
        say: Callable[[str, str], None],
    ) -> None:
        self.kept = kept
        self._record = record
        self._say = say
        self.table: dict[int, Money] = {}
        self.protocol = 0
        self.held = False  # a note is in escrow, and the next poll would accept it
        self.fresh = False  # the open note was told in this life, and the line was never silent since
        self.ack_due = False
        self.busy = False
        self.levels: frozenset[str] = frozenset()  # what the last poll complained of
        self._rest = b""
        self._cashbox_out = False  # heard in this life; it may have come back while nobody listened

    # What is known

    def learn(self, channels: Iterable[Channel]) -> None:
        """What each channel is worth."""
        self.table = {channel.number: channel.money for channel in channels if channel.money is not None}

    @property
    def jammed(self) -> bool:
        """Something is stuck."""
        return Code.SAFE_JAM in self.levels or Code.UNSAFE_JAM in self.levels

    def fault(self) -> tuple[str, str] | None:
        """Why it takes nothing, as code and words."""
        for name in _FAULTS:
            if name in self.levels:
                return f"{_BY_NAME[name].code:02X}", _BY_NAME[name].words
        if self._cashbox_out:
            kind = _BY_NAME[Code.CASHBOX_REMOVED]
            return f"{kind.code:02X}", f"{kind.words}: push it in until it clicks"
        return None

    # Writing down

    def keep(self, kept: Remembered, event: Event | None = None) -> None:
        """Remember this, and tell that with it."""
        self.kept = kept
        self._record(event, kept.to_memory())

    def change_note(self, **changes: object) -> None:
        """Write down what changed about the open note."""
        if self.kept.note is not None:
            self.keep(self.kept.but(note=replace(self.kept.note, **changes)))  # type: ignore[arg-type]

    def rejected(self, code: str, words: str) -> None:
        """The device said why it took nothing."""
        self._record(BillRejected(code=code, words=words), None)

    def _acknowledged(self) -> None:
        """A poll that tells of no money: the device knows that what it told is written down.

        An answer to EVENT ACK would not do: one bit of sequence does not keep out an old F0.
        """
        last = self.kept.last
        if last is not None and last.unacked:
            self.keep(self.kept.but(last=replace(last, unacked=False)))

    # Polls

    def poll(self, data: bytes, *, accepts: bool, takes: Callable[[Money], bool], with_ack: bool) -> Heard:
        """Take in the events behind F0."""
        heard = Heard()
        polled = read(data, self.protocol)
        names = frozenset(str(event.kind.name) for event in polled.events)
        before, self.levels = self.levels, names
        self.busy = bool(names & _MOVING)
        money_told = any(event.kind.acknowledged for event in polled.events)
        if not money_told:
            self._acknowledged()
        for event in polled.events:
            new = str(event.kind.name) not in before
            self._one(event, heard, accepts=accepts, takes=takes, new=new, with_ack=with_ack)
        # What could not be read may wait for its acknowledgement too, and nothing else is told until it has it.
        self.ack_due = self.ack_due or (with_ack and (money_told or bool(polled.rest)))
        if polled.rest and polled.rest != self._rest:
            shown = polled.rest.hex(" ").upper()
            words = f"event {polled.rest[0]:02X} is not known, so this part of a poll's answer cannot be read: {shown}"
            self._say(words, "error")
            self._record(CreditsLost(at_most=None, words=words), None)
        self._rest = polled.rest
        return heard

    def _one(
        self,
        event: PollEvent,
        heard: Heard,
        *,
        accepts: bool,
        takes: Callable[[Money], bool],
        new: bool,
        with_ack: bool,
    ) -> None:
        kind, channel = event.kind, event.channel or 0
        code = f"{kind.code:02X}"
        heard.told = heard.told or kind.name in _MOVING
        match kind.name:
            case Code.SLAVE_RESET:
                self._reset(heard, with_ack=with_ack)
            case Code.READ if channel:
                self._in_escrow(channel, heard, accepts=accepts, takes=takes)
            case Code.CREDIT:
                self._credit(channel, heard)
            case Code.CLEARED_CASHBOX:
                self._cleared_to_cashbox(channel, heard)
            case Code.CLEARED_FRONT:
                self._cleared_from_front(channel, heard)
            case Code.REJECTED:
                self._rejected(heard)
            case Code.STACKED:
                self.busy = False
                if self.kept.last is not None and self.kept.last.in_path:
                    self.keep(self.kept.but(last=replace(self.kept.last, in_path=False)))
            case Code.UNSAFE_JAM | Code.SAFE_JAM:
                if new:
                    self._record(Jammed(code=code, words=kind.words), None)
                if self.kept.note is not None and not self.kept.note.trouble:
                    self.held = False
                    self.change_note(trouble=True)
            case Code.FULL if new:
                self._record(CassetteFull(), None)
            case Code.FRAUD if new:
                self._record(Tampered(code=f"{code} {channel:02X}", words=kind.words), None)
            case Code.CASHBOX_REMOVED:
                self._cashbox_out = True
                if not self.kept.cassette_out:
                    self.keep(self.kept.but(cassette_out=True), CassetteRemoved())
            case Code.CASHBOX_REPLACED:
                self._cashbox_is_back()
            case Code.DISABLED | Code.ALL_INHIBITED:
                heard.disabled = True
            case _ if event.amounts:
                self._say(f"{kind.name}: {event.as_data()}", "info")

    def _reset(self, heard: Heard, *, with_ack: bool) -> None:
        heard.reset = True
        note = self.kept.note
        # Without acknowledgements the device may have credited this note, told nobody who remembers, and read another.
        overtaken = note is not None and note.order == "stack" and not self.fresh and not with_ack
        self.held = self.fresh = False
        if note is not None and not note.reset:
            self.change_note(reset=True, trouble=note.trouble or overtaken)

    def _in_escrow(self, channel: int, heard: Heard, *, accepts: bool, takes: Callable[[Money], bool]) -> None:
        note = self.kept.note
        if note is not None and note.channel == channel:
            if not self.fresh and note.order != "return":
                self.change_note(order="return")  # it may be another one than before
            if self.fresh and note.order == "stack":
                return  # told again, while it is on its way
            self.held = True
            return
        if note is not None:
            self._lost_track_of(note, heard)
        self.held = True
        if Code.CASHBOX_REMOVED not in self.levels:
            self._cashbox_is_back()  # without it no note is read
        bill = self.table.get(channel)
        if bill is None or not accepts or not takes(bill):
            # Given back: with no open note, the next thing said is REJECT.
            if bill is None and accepts:
                self.rejected(f"EF {channel:02X}", f"a note of channel {channel}, whose value is not known, goes back")
            return
        number = self.kept.escrow + 1
        self.fresh = True
        kept = self.kept.but(escrow=number, note=Note(number, channel, bill), last=None)
        self.keep(kept, BillEscrowed(bill=bill, escrow=number))

    def _cashbox_is_back(self) -> None:
        self._cashbox_out = False
        if self.kept.cassette_out:
            self.keep(self.kept.but(cassette_out=False), CassetteReturned())

    def _lost_track_of(self, note: Note, heard: Heard) -> None:
        """What became of this note was never told, and now another is."""
        if note.order == "stack" or note.trouble:
            heard.unclear = f"the validator does not say where a note of {note.bill} went: count the cashbox"
            unclear = BillUnclear(bill=note.bill, escrow=note.escrow, remedy=heard.unclear)
            self.keep(self.kept.but(note=None), unclear)
        else:
            self.keep(self.kept.but(note=None), BillReturned(bill=note.bill, escrow=note.escrow, late=True))

    def _credit(self, channel: int, heard: Heard) -> None:
        note, last = self.kept.note, self.kept.last
        if note is None and last is not None and last.channel == channel:
            self._say(f"the credit of channel {channel} is told again; it is written down already", "info")
            return
        self._stacked(channel, heard, Last(channel), note=note)

    def _cleared_to_cashbox(self, channel: int, heard: Heard) -> None:
        note, last = self.kept.note, self.kept.last
        known_already = last is not None and (last.in_path or (last.cleared and last.unacked))
        if note is None and last is not None and known_already and channel in (0, last.channel):
            self._say("the note that power-up moved to the cashbox is written down already", "info")
            self.keep(self.kept.but(last=replace(last, in_path=False, cleared=True, unacked=True)))
            return
        if note is not None and channel not in (0, note.channel):
            self._say("power-up moved another note to the cashbox than the one that is open", "warning")
            self._stacked(channel, heard, Last(channel, in_path=False, cleared=True), note=None)
            return
        known = note.channel if note is not None and not channel else channel
        self._stacked(known, heard, Last(known, in_path=False, cleared=True), note=note)

    def _stacked(self, channel: int, heard: Heard, last: Last, *, note: Note | None) -> None:
        bill = self.table.get(channel)
        if note is not None and channel == note.channel:
            bill = note.bill
        self.held = False
        if bill is None:
            words = f"a note of channel {channel}, whose value is not known, was taken: count the cashbox"
            self.keep(self.kept.but(last=last), BillHeldBack(code=f"EE {channel:02X}", words=words))
            return
        if note is None:
            self.keep(self.kept.but(last=last), BillStacked(bill=bill, escrow=None, late=True, unclaimed=True))
            return
        stacked = BillStacked(
            bill=bill,
            escrow=note.escrow,
            late=not self.fresh or note.reset,
            unclaimed=note.order != "stack",
        )
        heard.stacked = bill
        self.keep(self.kept.but(note=None, last=last), stacked)

    def _cleared_from_front(self, channel: int, heard: Heard) -> None:
        note = self.kept.note
        self.held = False
        if note is None or channel not in (0, note.channel):
            self._say("a note that nobody was told of was given back after a power cut", "info")
        elif note.order == "stack" and note.trouble:
            self._lost_track_of(note, heard)
        else:
            self.keep(self.kept.but(note=None), BillReturned(bill=note.bill, escrow=note.escrow, late=True))

    def _rejected(self, heard: Heard) -> None:
        note = self.kept.note
        self.busy = self.held = False
        if note is None:
            heard.refused = True
            return
        late = not self.fresh or note.reset
        self.keep(self.kept.but(note=None), BillReturned(bill=note.bill, escrow=note.escrow, late=late))
