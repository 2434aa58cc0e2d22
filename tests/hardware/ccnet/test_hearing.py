"""What an answer to POLL means."""

from hardware.ccnet.bill_table import COUNTRIES, read_table, write_table
from hardware.ccnet.book import Book
from hardware.ccnet.hearing import EMPTY_POLLS_STACKER, Heard, Hearing
from hardware.ccnet.setup import Setup
from hardware.ccnet.states import PollAnswer, State
from hardware.ccnet.wishes import Wishes
from hardware.events import BillEscrowed, BillStacked, BillUnclear, Event
from hardware.protocol import Record
from wire.money import Money

FIVE_HUNDRED = Money(50000, "KZT")


class Ear:
    """A hearing with a device that is set up."""

    def __init__(self) -> None:
        self.book, self.wishes = Book(), Wishes()
        self.setup = Setup(currency="KZT", country=None, countries=COUNTRIES, security=frozenset(), bill_to_bill=False)
        self.setup.table = read_table(write_table({1: ("KAZ", 5, 2)}))
        self.setup.known = {1: FIVE_HUNDRED}
        self.hearing = Hearing(self.book, self.setup, self.wishes)
        self.events: list[Event] = []

    def hear(self, data: str, *, taking: bool = True) -> Heard:
        raw = bytes.fromhex(data)
        heard = self.hearing.heard(PollAnswer(raw[0], raw[1:]), taking=frozenset({1} if taking else ()), reset=None)
        for action in (*heard.records, *heard.then):
            if isinstance(action, Record) and action.event is not None:
                self.events.append(action.event)
        return heard

    def ordered(self) -> "Ear":
        """A note in escrow, and STACK said."""
        self.hear("8001")
        assert self.book.note is not None
        self.book.note.order, self.book.note.taken = "stack", True
        return self


def test_a_note_that_is_not_wanted_goes_back_without_being_told() -> None:
    ear = Ear()
    assert ear.hear("8001", taking=False).new_note
    assert ear.events == []
    assert ear.book.note is not None
    assert ear.book.note.order == "return"


def test_another_type_in_escrow_is_another_note() -> None:
    ear = Ear().ordered()
    ear.setup.known[2] = Money(100000, "KZT")
    ear.hear("8002")
    assert [type(event) for event in ear.events] == [BillEscrowed, BillUnclear]


def test_credit_stands_before_the_ack_and_all_else_behind() -> None:
    ear = Ear().ordered()
    heard = ear.hear("8101")
    [record] = heard.records
    assert isinstance(record, Record)
    assert isinstance(record.event, BillStacked)


def test_with_a_note_in_the_stacker_at_power_up_its_event_is_waited_for() -> None:
    ear = Ear().ordered()
    ear.hear("12")
    for _ in range(EMPTY_POLLS_STACKER - 1):
        ear.hear("19")
    assert not any(isinstance(event, BillUnclear) for event in ear.events)
    ear.hear("19")
    assert isinstance(ear.events[-1], BillUnclear)


def test_a_jam_behind_a_note_in_the_validator_makes_it_unclear() -> None:
    ear = Ear().ordered()
    for state in ("11", "13", "43", "13", "19", "19"):
        ear.hear(state)
    assert isinstance(ear.events[-1], BillUnclear)


def test_after_a_loss_only_a_new_note_proves_that_it_is_done_with_the_last() -> None:
    ear = Ear().ordered()
    ear.hear("8101")
    ear.hearing.lost()
    for state in ("14", "17", "19"):
        ear.hear(state)
    assert ear.book.last is not None
    assert not ear.book.last.moved
    ear.hear("15")
    assert ear.book.last.moved


def test_lost_forgets_what_was_heard() -> None:
    ear = Ear()
    ear.hear("14")
    assert ear.hearing.state == State.IDLING
    ear.hearing.lost()
    assert ear.hearing.state is None
