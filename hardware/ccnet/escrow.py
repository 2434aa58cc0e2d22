"""The note in escrow: which order is said to the device, when again, and whether it is still the note it was."""

from hardware.ccnet import commands
from hardware.ccnet.book import COUNTER_MODULUS, Book, Note
from hardware.ccnet.commands import Command
from hardware.ccnet.exchange import Exchange
from hardware.ccnet.hearing import HELD, Hearing
from hardware.ccnet.setup import Setup
from hardware.ccnet.wishes import Wishes
from hardware.protocol import Action, Record

ESCROW_S = 10.0  # it holds a note that long by itself, and after each HOLD
HOLD_AHEAD_S = 5.0  # HOLD is said again that long before
ORDER_AGAIN_S = 0.5  # a note still in escrow that long behind an order: the order was not heard
ORDER_S = 30.0  # STACK and RETURN take that long at most


class Escrow:
    """Says STACK, RETURN and HOLD, and asks the counter where there is doubt."""

    def __init__(self, book: Book, setup: Setup, wishes: Wishes, hearing: Hearing, exchange: Exchange) -> None:
        self._book, self._setup, self._wishes = book, setup, wishes
        self._hearing, self._exchange = hearing, exchange
        self.doubt = False  # is it still the note that was ordered into the cassette?
        self.hold_until = 0.0  # as it was asked for
        self._held_until = 0.0  # as long as the device holds it by itself
        self._intent: int | None = None  # recorded for this number
        self._ordered_at: float | None = None  # last said
        self._order_until: float | None = None
        self._taken_before = False

    def changed(self, now: float) -> None:
        """Another note is inside, or none."""
        self._ordered_at = self._order_until = self._intent = None
        self.doubt = False
        self.hold_until = 0.0
        self._held_until = now + ESCROW_S

    def lost(self) -> list[Action]:
        """The link is lost: whoever waits is told what is known."""
        note = self._book.note
        actions: list[Action] = []
        if note is not None and note.order:
            actions += self._wishes.cut_off(note.number, began=self._ordered_at is not None)
            if self._ordered_at is None and not note.taken and note.number is not None:
                note.order = ""
        self.doubt = False
        self._ordered_at = self._order_until = None
        return actions

    def overdue(self, now: float) -> list[Action]:
        """Orders that take too long."""
        if self._order_until is None or now <= self._order_until or self._book.note is None:
            return []
        self._order_until = None
        return self._wishes.unknown(self._book.note.number, "the device does not end it; a late event will")

    def illegal(self, command: Command) -> None:
        """The device refused it: this one surely did nothing."""
        if command is commands.STACK and self._book.note is not None:
            self._book.note.taken = self._taken_before

    def ask(self, state: int, now: float) -> list[Action]:
        """What to say about the note now, if anything."""
        note = self._book.note
        if note is None or state not in HELD:
            return []
        if self.doubt:
            return self._settle_doubt(note, now)
        if note.order:
            if self._ordered_at is not None and now < self._ordered_at + ORDER_AGAIN_S:
                return []
            return self._order(note, now)
        if now < self._held_until - HOLD_AHEAD_S or self.hold_until < self._held_until:
            return []
        self._held_until = now + ESCROW_S
        return [self._exchange.ask(commands.HOLD, commands.HOLD.encode(), now)]

    def counted(self, count: int) -> list[Action]:
        """The device's counter, read with a note inside."""
        note, counter = self._book.note, self._book.counter
        if note is None or counter is None or not self.doubt:
            return []
        if (count - counter.count) % COUNTER_MODULUS != counter.since:
            return self._another(note)  # something went into the cassette meanwhile
        self.doubt = False
        note.taken = note.unsure = False  # it lies here: no order was carried out
        if not self._wishes.wants_stack(note.number):
            note.order = "return"
        self._ordered_at = None
        return []

    def _order(self, note: Note, now: float) -> list[Action]:
        """STACK or RETURN, once: whether it was heard is seen from the next answers to POLL."""
        if note.order == "stack" and self._intent != note.number:
            # Alone: it may take minutes to write, and then the note in escrow may be another one.
            self._intent = note.number
            return [Record(memory=self._book.memory())]
        if self._ordered_at is None:
            self._order_until = now + ORDER_S
        self._ordered_at = now
        command = commands.RETURN
        if note.order == "stack":
            command = commands.STACK
            self._taken_before, note.taken = note.taken, True
        return [self._exchange.ask(command, command.encode(), now, tries=1)]

    def _settle_doubt(self, note: Note, now: float) -> list[Action]:
        """A note is in escrow after an outage, and one of that type was ordered into the cassette before it."""
        if self._setup.has_counter and self._book.counter is not None:
            return [self._exchange.ask(commands.GET_COUNTER, commands.GET_COUNTER.encode(), now)]
        return self._another(note)

    def _another(self, note: Note) -> list[Action]:
        actions = self._hearing.gone()
        self._book.unwanted(note.type, note.bill)
        self.doubt = False
        self._ordered_at = None
        return actions
