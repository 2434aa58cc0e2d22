"""What is known about notes, and found again after a restart."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.ccnet.book import Book, recall
from hardware.events import BillEscrowed, BillHeldBack, BillReturned, BillStacked, BillUnclear, StackCountDiffers
from wire.money import Money

FIVE_HUNDRED = Money(50000, "KZT")


def reborn(book: Book) -> Book:
    """As the next life finds it."""
    memory = json.loads(json.dumps(book.memory()))
    again = recall(memory)
    assert json.loads(json.dumps(recall(again.memory()).memory())) == again.memory()
    return again


def with_note(order: str = "stack", *, taken: bool = True) -> Book:
    """A note in escrow, ordered somewhere."""
    book = Book()
    assert book.escrowed(1, FIVE_HUNDRED) == BillEscrowed(bill=FIVE_HUNDRED, escrow=1)
    assert book.note is not None
    book.note.order = "stack" if order == "stack" else "return" if order else ""
    book.note.taken = taken
    return book


def test_a_note_that_was_ordered_is_credited_under_its_number() -> None:
    book = with_note()
    assert book.stacked(1, FIVE_HUNDRED) == BillStacked(bill=FIVE_HUNDRED, escrow=1)


def test_the_same_event_again_is_the_same_note() -> None:
    book = with_note()
    book.stacked(1, FIVE_HUNDRED)
    assert book.stacked(1, FIVE_HUNDRED) is None
    assert reborn(book).stacked(1, FIVE_HUNDRED) is None


def test_another_type_is_another_note() -> None:
    book = with_note()
    book.stacked(1, FIVE_HUNDRED)
    event = book.stacked(2, Money(100000, "KZT"))
    assert event == BillStacked(bill=Money(100000, "KZT"), escrow=None, late=True, unclaimed=True)


def test_when_the_device_moved_on_it_is_another_note() -> None:
    book = with_note()
    book.stacked(1, FIVE_HUNDRED)
    assert book.moved()
    assert not book.moved()
    assert reborn(book).stacked(1, FIVE_HUNDRED) == BillStacked(
        bill=FIVE_HUNDRED, escrow=None, late=True, unclaimed=True
    )


def test_after_a_restart_an_open_order_is_paired_with_its_note() -> None:
    book = reborn(with_note())
    assert book.stacked(1, FIVE_HUNDRED) == BillStacked(bill=FIVE_HUNDRED, escrow=1, late=True)


def test_after_a_restart_a_note_without_an_order_goes_back() -> None:
    book = reborn(with_note(""))
    assert book.note is not None
    assert book.note.order == "return"
    assert book.returned(1, FIVE_HUNDRED) == BillReturned(bill=FIVE_HUNDRED, escrow=1, late=True)
    assert book.returned(1, FIVE_HUNDRED) is None


def test_what_the_device_cannot_tell_is_unclear_and_may_be_found_out_later() -> None:
    book = with_note()
    event = book.gone(given_back=False)
    assert isinstance(event, BillUnclear)
    assert event.escrow == 1
    assert reborn(book).stacked(1, FIVE_HUNDRED) == BillStacked(bill=FIVE_HUNDRED, escrow=1, late=True)


def test_what_was_never_ordered_or_surely_given_back_is_not_unclear() -> None:
    assert isinstance(with_note("", taken=False).gone(given_back=False), BillReturned)
    assert isinstance(with_note(taken=False).gone(given_back=False), BillReturned)
    assert isinstance(with_note().gone(given_back=True), BillReturned)
    assert Book().gone(given_back=False) is None


def test_a_note_of_unknown_value_is_no_credit() -> None:
    assert isinstance(Book().stacked(7, None), BillHeldBack)


def test_a_note_that_nobody_asked_for_has_no_number() -> None:
    book = Book()
    book.unwanted(3, FIVE_HUNDRED)
    assert book.memory()["note"] is None
    assert book.returned(3, FIVE_HUNDRED) == BillReturned(bill=FIVE_HUNDRED, escrow=None)


def test_the_counter_is_compared_and_never_corrected() -> None:
    book = with_note()
    assert book.counted("A", 65535) is None
    book.stacked(1, FIVE_HUNDRED)
    assert book.counted("A", 0) is None
    assert book.counted("A", 2) == StackCountDiffers(expected=0, counted=2)
    assert book.counted("A", 2) is None
    assert book.counted("B", 9) is None
    assert book.counted("B", 0) is None  # it began anew
    assert book.counted("B", 1) == StackCountDiffers(expected=0, counted=1)


def test_power_recovery_is_credited_once() -> None:
    bills = {1: FIVE_HUNDRED}
    book = reborn(with_note())
    [(event, memory)] = book.recover([1], bills)
    assert event == BillStacked(bill=FIVE_HUNDRED, escrow=1, late=True)
    assert recall(memory).recover([1], bills) == []
    assert book.stacked(1, FIVE_HUNDRED) is None


def test_power_recovery_of_a_note_that_was_credited_is_told_again() -> None:
    book = with_note()
    book.stacked(1, FIVE_HUNDRED)
    assert reborn(book).recover([1], {1: FIVE_HUNDRED}) == []


def test_numbers_are_never_used_again() -> None:
    book = with_note()
    book.stacked(1, FIVE_HUNDRED)
    again = reborn(book)
    assert again.escrowed(1, FIVE_HUNDRED).escrow == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70000) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(Book().memory())), json_values))
def test_memory_of_another_version_or_garbled_is_read_as_far_as_it_goes(memory: dict[str, object]) -> None:
    book = recall(memory)
    assert book.next_number >= 1
    json.dumps(dict(book.memory()))


@pytest.mark.parametrize("name", sorted(Book().memory()))
def test_any_one_thing_of_it_may_be_missing(name: str) -> None:
    memory = {key: value for key, value in with_note().memory().items() if key != name}
    recall(memory)
