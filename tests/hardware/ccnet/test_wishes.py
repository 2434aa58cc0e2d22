"""Tickets are finished once, with what their callers need."""

from hardware.ccnet.wishes import Wishes
from hardware.errors import OutcomeUnknown, Refused, TransportError
from hardware.protocol import Action, Finish
from wire.money import Money

BILL = Money(50000, "KZT")


def made() -> Wishes:
    """Everybody waits."""
    return Wishes(ready=[1], enable=[2], disable=[3], stack={7: [4, 5]}, give_back={8: [6]})


def ends(actions: list[Action]) -> dict[int, object]:
    """Ticket -> result, or the error's kind."""
    finishes = [action for action in actions if isinstance(action, Finish)]
    return {finish.ticket: finish.result if finish.error is None else type(finish.error) for finish in finishes}


def test_each_is_finished_once() -> None:
    wishes = made()
    assert ends(wishes.is_ready()) == {1: None}
    assert ends(wishes.agreed()) == {2: None, 3: None}
    assert wishes.is_ready() == wishes.agreed() == wishes.disabled_anyway() == []


def test_a_stacked_note() -> None:
    assert ends(made().stacked(7, BILL)) == {4: BILL, 5: BILL}
    assert ends(made().stacked(8, BILL)) == {6: OutcomeUnknown}
    assert made().stacked(None, BILL) == []


def test_a_returned_note() -> None:
    refused = Refused("82", "back")
    assert ends(made().returned(8, refused)) == {6: None}
    assert ends(made().returned(7, refused)) == {4: Refused, 5: Refused}
    assert made().returned(None, refused) == []


def test_a_lost_link() -> None:
    assert ends(made().cut_off(7, began=True)) == {4: OutcomeUnknown, 5: OutcomeUnknown}
    assert ends(made().cut_off(8, began=False)) == {6: TransportError}
    assert made().cut_off(None, began=True) == made().unknown(None, "") == []


def test_who_no_longer_waits_is_forgotten() -> None:
    wishes = made()
    for ticket in (1, 4, 6):
        wishes.forget(ticket)
    assert wishes.is_ready() == []
    assert wishes.wants_stack(7)
    wishes.forget(5)
    assert not wishes.wants_stack(7)
    assert not wishes.wants_stack(None)
