"""What is known about notes, and what must still be known after a restart. Pure arithmetic of a few small facts.

**One note at a time.** Every note that is handed up gets a number. A note that was ordered into the cassette stays open
until the device says BILL STACKED (81) or BILL RETURNED (82), whatever happens to the line, the device and the host in
between. When the device says instead that it holds no note, one that was ordered into the cassette is *unclear*.

**The same note twice.** A device repeats 81 until it is acknowledged, and begins again with it after a power cut. The
number of the last settled note is kept together with `moved`: whether the device has since shown that it is done with
it (any state but those of switching on). Before that, another 81 of the same type is that note, unless one is open.

**Another device.** What was open or just settled is of one device, known by its serial number. When another has taken
its place, nothing that it says is about the notes of the first.

**The device's own counter.** Where the firmware has one, its movement between two looks is compared with the number of
notes that went into the cassette by our knowledge. It is told when they differ, and never corrected.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from hardware.events import (
    BillEscrowed,
    BillHeldBack,
    BillReturned,
    BillStacked,
    BillUnclear,
    Event,
    StackCountDiffers,
)
from hardware.protocol import Memory
from wire.money import Money

VERSION = 1
COUNTER_MODULUS = 1 << 16

Order = Literal["", "stack", "return"]

_REMEDY = "look at the device's own counter of stacked notes, or count the cassette at the next collection"


@dataclass(slots=True)
class Note:
    """The note inside. `number` None: it was never handed up and only goes back.

    `taken`: an order to stack may have reached the device, or it was seen stacking. `late`: link or host were lost
    since. `unsure`: a note that is in escrow now need not be this one.
    """

    number: int | None
    type: int
    bill: Money | None
    order: Order = ""
    taken: bool = False
    late: bool = False
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """The last note that ended, by 81 or 82."""

    stacked: bool
    type: int
    number: int | None
    bill: Money | None
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Counter:
    """The device's counter when last looked at, and what went into the cassette since."""

    serial: str
    count: int
    since: int = 0


@dataclass(slots=True)
class Book:
    """All of it. Methods return the event to be recorded together with `memory()`, or None for nothing new."""

    next_number: int = 1
    note: Note | None = None
    last: Settled | None = None
    unclear: Settled | None = None
    recovered: list[int] = field(default_factory=list)  # types told by POWER RECOVERY, their 81 may still come
    counter: Counter | None = None
    cassette_out: bool = False
    serial: str = ""  # whose notes these are
    bills: dict[int, Money] = field(default_factory=dict)  # the table, for an 81 that comes before it can be read

    # What the device told

    def escrowed(self, bill_type: int, bill: Money) -> BillEscrowed:
        """A new note is held."""
        self.note = Note(self.next_number, bill_type, bill)
        self.next_number += 1
        self.unclear = None
        self.moved()
        return BillEscrowed(bill=bill, escrow=self.note.number or 0)

    def unwanted(self, bill_type: int, bill: Money | None) -> None:
        """A note is held that nobody asked for: it goes back."""
        self.note = Note(None, bill_type, bill, order="return")
        self.moved()

    def repeats(self, bill_type: int, *, stacked: bool) -> bool:
        """Whether such an event is the last settled note's, told again."""
        last = self.last
        if self.note is not None or last is None or last.moved:
            return False
        return last.stacked == stacked and last.type == bill_type

    def stacked(self, bill_type: int, bill: Money | None) -> Event | None:
        """81. None: told before."""
        if self.repeats(bill_type, stacked=True):
            return None
        if bill_type in self.recovered and self.note is None:
            self.recovered.remove(bill_type)
            return None
        return self._stacked(bill_type, bill)

    def recover(self, types: list[int], bills: Mapping[int, Money]) -> list[tuple[Event, Memory]]:
        """POWER RECOVERY: these were on their way into the cassette. Asked again, it tells them again."""
        told = list(self.recovered)
        if not told and self.last is not None and self.last.stacked and not self.last.moved and self.note is None:
            told.append(self.last.type)
        records: list[tuple[Event, Memory]] = []
        for bill_type in types:
            if bill_type in told:
                told.remove(bill_type)
                continue
            event = self._stacked(bill_type, bills.get(bill_type))
            self.recovered.append(bill_type)
            records.append((event, self.memory()))
        return records

    def returned(self, bill_type: int | None, bill: Money | None) -> Event | None:
        """82, or the plain fact that it went back. None: told before."""
        note, self.note = self.note, None
        if note is None:
            if bill_type is None or self.repeats(bill_type, stacked=False):
                return None
            self.last = Settled(False, bill_type, None, bill)
            return BillReturned(bill=bill, escrow=None)
        self.last = Settled(False, note.type, note.number, note.bill)
        return BillReturned(bill=note.bill, escrow=note.number, late=note.late)

    def gone(self, *, given_back: bool) -> Event | None:
        """The device holds no note and told of none. None: there was none to tell of.

        Args:
            given_back: it said at power-up that the note lay in the validator, and gave it back.
        """
        note = self.note
        if note is None:
            return None
        if not note.taken or given_back:
            note.late = True
            return self.returned(note.type, note.bill)
        return self._lost_sight(note)

    def belongs_to(self, serial: str) -> Event | None:
        """Who is there now. When it is another than before, what became of the note inside the first is unknown."""
        another, self.serial = self.serial not in ("", serial), serial
        if not another:
            return None
        note = self.note
        event = None if note is None else self._lost_sight(note)
        self.moved()
        self.unclear = None
        return event

    def _lost_sight(self, note: Note) -> Event:
        self.note = None
        if note.number is None or note.bill is None:
            words = f"a note of type {note.type} may have gone into the cassette; the device told nothing of it"
            return BillHeldBack(code=f"17 {max(note.type, 0):02X}", words=words)
        self.unclear = Settled(True, note.type, note.number, note.bill)
        return BillUnclear(bill=note.bill, escrow=note.number, remedy=_REMEDY)

    def moved(self) -> bool:
        """The device is done with the last note. Whether that is news."""
        news = bool(self.recovered) or (self.last is not None and not self.last.moved)
        self.recovered.clear()
        if self.last is not None:
            self.last = replace(self.last, moved=True)
        return news

    def counted(self, serial: str, count: int) -> Event | None:
        """The device's counter was read."""
        was, self.counter = self.counter, Counter(serial, count)
        if was is None or was.serial != serial:
            return None
        if count < was.count and was.count + was.since < COUNTER_MODULUS:
            return None  # it began anew, as some may at a collection: nothing can be compared
        moved = (count - was.count) % COUNTER_MODULUS
        return None if moved == was.since else StackCountDiffers(expected=was.since, counted=moved)

    def later(self) -> None:
        """Link, device or host were lost: what is open is told as late."""
        if self.note is not None:
            self.note.late = self.note.unsure = True

    def _stacked(self, bill_type: int, bill: Money | None) -> Event:
        note, self.note = self.note, None
        number, late, unclaimed = None, False, True
        if note is not None and note.order == "stack":
            number, late, unclaimed = note.number, note.late, False
        elif self.unclear is not None and self.unclear.type == bill_type:
            number, late, unclaimed = self.unclear.number, True, False
            bill = bill or self.unclear.bill
        if note is not None and note.type == bill_type:
            bill = bill or note.bill
        self.unclear = None
        self.last = Settled(True, bill_type, number, bill)
        if self.counter is not None:
            self.counter = replace(self.counter, since=self.counter.since + 1)
        if bill is None:
            return BillHeldBack(
                code=f"81 {bill_type:02X}",
                words=f"a note of type {bill_type} went into the cassette; what it is worth here is not known",
            )
        return BillStacked(bill=bill, escrow=number, late=late or unclaimed, unclaimed=unclaimed)

    # What outlives the host

    def memory(self) -> Memory:
        """All of it, of JSON's types."""
        note = self.note if self.note is not None and self.note.number is not None else None
        return {
            "version": VERSION,
            "next": self.next_number,
            "note": None
            if note is None
            else {**_note_json(note.number, note.type, note.bill), "order": note.order, "taken": note.taken},
            "last": _settled_json(self.last),
            "unclear": _settled_json(self.unclear),
            "recovered": list(self.recovered),
            "counter": None
            if self.counter is None
            else {"serial": self.counter.serial, "count": self.counter.count, "since": self.counter.since},
            "cassette_out": self.cassette_out,
            "serial": self.serial,
            "bills": {str(number): [bill.minor, bill.currency] for number, bill in self.bills.items()},
        }


def recall(memory: Memory) -> Book:
    """The book of the last life. What cannot be read of it is left out: it can only be older than what is open."""
    book = Book()
    number = memory.get("next")
    book.next_number = number if isinstance(number, int) and number > 0 else 1
    book.cassette_out = memory.get("cassette_out") is True
    if (last := _read_settled(memory.get("last"))) is not None:
        book.last = last
    book.unclear = _read_settled(memory.get("unclear"))
    book.serial = serial if isinstance(serial := memory.get("serial"), str) else ""
    if isinstance(note := memory.get("note"), Mapping) and (settled := _read_settled(note)) is not None:
        # Whoever had the number is gone: what was not ordered into the cassette goes back.
        order: Order = "stack" if note.get("order") == "stack" else "return"
        # Whether an order had left is not known any more.
        taken = order == "stack" or note.get("taken") is True
        book.note = Note(settled.number, settled.type, settled.bill, order, taken=taken, late=True, unsure=True)
        if settled.number is not None:
            book.next_number = max(book.next_number, settled.number + 1)
    if isinstance(recovered := memory.get("recovered"), list):
        book.recovered = [each for each in recovered if isinstance(each, int)]
    if isinstance(counter := memory.get("counter"), Mapping):
        whose, count, since = counter.get("serial"), counter.get("count"), counter.get("since")
        if isinstance(whose, str) and isinstance(count, int) and isinstance(since, int):
            book.counter = Counter(whose, count, since)
    if isinstance(bills := memory.get("bills"), Mapping):
        for key, pair in bills.items():
            bill = _read_money(*pair) if isinstance(pair, list) and len(pair) == 2 else None
            if isinstance(key, str) and key.isdecimal() and bill is not None:
                book.bills[int(key)] = bill
    return book


def _note_json(number: int | None, bill_type: int, bill: Money | None) -> dict[str, object]:
    return {
        "number": number,
        "type": bill_type,
        "minor": None if bill is None else bill.minor,
        "currency": None if bill is None else bill.currency,
    }


def _settled_json(settled: Settled | None) -> dict[str, object] | None:
    if settled is None:
        return None
    shown = _note_json(settled.number, settled.type, settled.bill)
    return {**shown, "stacked": settled.stacked, "moved": settled.moved}


def _read_settled(raw: object) -> Settled | None:
    if not isinstance(raw, Mapping):
        return None
    bill_type, number = raw.get("type"), raw.get("number")
    if not isinstance(bill_type, int):
        return None
    return Settled(
        stacked=raw.get("stacked") is True,
        type=bill_type,
        number=number if isinstance(number, int) else None,
        bill=_read_money(raw.get("minor"), raw.get("currency")),
        moved=raw.get("moved") is True,
    )


def _read_money(minor: object, currency: object) -> Money | None:
    if not isinstance(minor, int) or not isinstance(currency, str):
        return None
    try:
        return Money(minor, currency)
    except ValueError:
        return None
