"""Orders about the note inside. How they stand in a conversation: test_protocol."""

from hardware.ccnet import commands
from hardware.ccnet.bill_table import COUNTRIES
from hardware.ccnet.book import Book, Counter
from hardware.ccnet.escrow import ORDER_AGAIN_S, ORDER_S, Escrow
from hardware.ccnet.exchange import Exchange
from hardware.ccnet.frames import FrameReader
from hardware.ccnet.hearing import Hearing
from hardware.ccnet.setup import Setup
from hardware.ccnet.states import State
from hardware.ccnet.wishes import Wishes
from hardware.protocol import Action, Finish, Record, Send
from wire.money import Money

BILL = Money(50000, "KZT")


class Inside:
    """A note in escrow."""

    def __init__(self) -> None:
        self.book, self.wishes, self.exchange = Book(), Wishes(), Exchange(3)
        self.setup = Setup(currency="KZT", country=None, countries=COUNTRIES, security=frozenset(), bill_to_bill=False)
        hearing = Hearing(self.book, self.setup, self.wishes)
        self.escrow = Escrow(self.book, self.setup, self.wishes, hearing, self.exchange)
        self.book.escrowed(1, BILL)
        self.escrow.changed(0.0)
        assert self.book.note is not None
        self.note = self.book.note

    def ask(self, now: float, state: State = State.ESCROW) -> list[Action]:
        self.exchange.drop()
        return self.escrow.ask(state, now)

    @staticmethod
    def commands(actions: list[Action]) -> list[int]:
        return [FrameReader("host").feed(action.data)[0].data[0] for action in actions if isinstance(action, Send)]


def test_without_an_order_nothing_is_said() -> None:
    assert Inside().ask(1.0) == []


def test_an_order_is_said_while_the_note_lies_there_and_again_after_a_while() -> None:
    inside = Inside()
    inside.note.order = "stack"
    assert inside.ask(1.0, State.STACKING) == []
    [intent] = inside.ask(1.0)
    assert isinstance(intent, Record)
    first = inside.ask(1.0)
    assert inside.commands(first) == [commands.STACK.code]
    assert inside.ask(1.0 + ORDER_AGAIN_S / 2) == []
    again = inside.ask(1.0 + ORDER_AGAIN_S)
    assert inside.commands(again) == [commands.STACK.code]
    assert not any(isinstance(action, Record) for action in again)


def test_a_return_needs_no_record() -> None:
    inside = Inside()
    inside.note.order = "return"
    [send] = inside.ask(1.0)
    assert inside.commands([send]) == [commands.RETURN.code]


def test_only_the_order_that_was_refused_did_nothing() -> None:
    inside = Inside()
    inside.note.order = "stack"
    inside.ask(0.5)
    inside.ask(1.0)
    assert inside.note.taken
    inside.escrow.illegal(commands.STACK)
    assert not inside.note.taken
    inside.ask(2.0)
    inside.ask(3.0)
    inside.escrow.illegal(commands.STACK)
    assert inside.note.taken


def test_it_is_overdue_once() -> None:
    inside = Inside()
    inside.note.order = "stack"
    inside.wishes.stack[1] = [9]
    inside.ask(0.5)
    inside.ask(1.0)
    assert inside.escrow.overdue(1.0 + ORDER_S) == []
    [finish] = inside.escrow.overdue(1.1 + ORDER_S)
    assert isinstance(finish, Finish)
    assert inside.escrow.overdue(2.0 + ORDER_S) == []


def test_doubt_is_settled_by_the_counter() -> None:
    for counted, order in ((7, "return"), (8, "return")):
        inside = Inside()
        inside.book.counter = Counter("A", 7)
        inside.note.order, inside.note.taken, inside.note.late = "stack", True, True
        inside.escrow.doubt = True
        assert inside.commands(inside.ask(1.0)) == [commands.GET_COUNTER.code]
        actions = inside.escrow.counted(counted)
        assert not inside.escrow.doubt
        assert inside.book.note is not None
        assert inside.book.note.order == order
        assert (inside.book.note.number is None) == (counted == 8)
        assert bool(actions) == (counted == 8)


def test_without_doubt_the_counter_says_nothing_about_a_note() -> None:
    assert Inside().escrow.counted(7) == []
