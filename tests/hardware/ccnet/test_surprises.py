"""Devices, owners and moments that nobody plans for. Each was once told wrongly, or not at all."""

import pytest

from hardware.bills import Disable, Enable, GiveBack, Stack
from hardware.ccnet.bill_table import write_table
from hardware.errors import OutcomeUnknown
from hardware.events import BillEscrowed, BillHeldBack, BillReturned, BillStacked, BillUnclear, StackCountDiffers
from hardware.protocol import Action, Record, Send
from tests.hardware.ccnet.talk import IDENTIFICATION, TABLE, Talk
from wire.money import Money

OTHER_TABLE = write_table({0: ("KAZ", 2, 4), 1: ("KAZ", 1, 4)}).hex()
OTHER_IDENTIFICATION = b"SM-KZ0721".ljust(15).hex() + b"21K100009999".hex() + "00" * 7
WIDE_TABLE = write_table({1: ("KAZ", 5, 2), 30: ("KAZ", 1, 3)}, types=48).hex()


def held(bill_type: int = 1) -> Talk:
    """A note in escrow, told of."""
    talk = Talk().set_up().taking()
    talk.poll("15")
    talk.poll(f"80{bill_type:02x}")
    return talk


def stacking(bill_type: int = 1) -> Talk:
    """And ordered into the cassette, by ticket 2."""
    talk = held(bill_type)
    talk.command(Stack(1))
    talk.exchange("STACK", "00")
    return talk


# Another device in its place


def test_after_a_power_up_the_table_is_asked_again_before_a_stacked_note_is_valued() -> None:
    talk = Talk().set_up().taking()
    talk.poll("12")
    talk.exchange("GET BILL TABLE", "30")  # not in this state
    talk.expect("POLL")
    talk.answer("12")
    talk.expect("ACK")
    talk.exchange("IDENTIFICATION", OTHER_IDENTIFICATION)
    talk.exchange("RESET", "00")
    talk.expect("POLL")
    talk.answer("8101")
    talk.exchange("GET BILL TABLE", OTHER_TABLE)
    talk.poll("8101")
    [stacked] = talk.events(BillStacked)
    assert isinstance(stacked, BillStacked)
    assert stacked.bill == Money(1000000, "KZT")


def test_another_device_in_its_place_does_not_settle_the_note_of_the_first() -> None:
    talk = stacking()
    talk.poll("12")
    talk.exchange("GET BILL TABLE", OTHER_TABLE)
    talk.exchange("IDENTIFICATION", OTHER_IDENTIFICATION)
    assert [type(event) for event in talk.events(BillStacked, BillUnclear)] == [BillUnclear]
    assert isinstance(talk.ended(2).error, OutcomeUnknown)
    talk.exchange("RESET", "00")
    talk.poll("8101")
    [stacked] = talk.events(BillStacked)
    assert stacked == BillStacked(bill=Money(1000000, "KZT"), escrow=None, late=True, unclaimed=True)


def test_a_note_of_another_device_is_no_repetition_of_the_last_one() -> None:
    talk = stacking()
    talk.poll("8101")
    again = Talk(talk.memory)
    again.poll("12")
    again.exchange("GET BILL TABLE", TABLE)
    again.exchange("IDENTIFICATION", OTHER_IDENTIFICATION)
    again.exchange("RESET", "00")
    again.poll("8101")
    assert again.events(BillStacked) == [BillStacked(bill=Money(50000, "KZT"), escrow=None, late=True, unclaimed=True)]


def test_a_remembered_table_of_another_currency_is_not_believed() -> None:
    talk = Talk().set_up()
    memory = {**talk.memory, "bills": {"1": [50000, "RUB"]}}
    again = Talk(memory)
    again.expect("POLL")
    again.answer("8101")
    again.exchange("GET BILL TABLE", "30")
    again.poll("8101")
    assert [type(event) for event in again.events(BillStacked, BillHeldBack)] == [BillHeldBack]


def test_a_device_whose_status_and_table_differ_in_width_is_told_what_fits() -> None:
    talk = Talk()
    talk.poll("10")
    talk.exchange("GET BILL TABLE", WIDE_TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("RESET", "00")
    talk.poll("13")
    talk.poll("19")
    talk.exchange("GET STATUS", "000000000000")
    talk.exchange("SET SECURITY", "00")
    talk.exchange("GET COUNTER OF STACKED BILLS", "0000")
    talk.exchange("34" + "00" * 12, "00")
    talk.command(Enable(None))
    talk.poll("19")
    talk.exchange("34000040000002000040000002", "00")


# Notes that go where nobody sent them


@pytest.mark.parametrize("decided", ["nothing", "back"])
def test_a_note_that_was_seen_going_into_the_cassette_is_never_told_as_returned(decided: str) -> None:
    talk = held()
    talk.poll("17")
    if decided == "back":
        talk.command(GiveBack(1))
    for _ in range(2):
        talk.poll("14")
    assert [type(event) for event in talk.events(BillReturned, BillUnclear)] == [BillUnclear]


def test_a_note_nobody_wanted_that_goes_into_the_cassette_without_81_is_told_of() -> None:
    talk = Talk().set_up()
    talk.poll("8001")
    talk.exchange("RETURN", "30")
    talk.poll("17")
    for _ in range(2):
        talk.poll("19")
    assert [type(event) for event in talk.events(BillReturned, BillHeldBack)] == [BillHeldBack]


def test_a_note_in_the_stacker_at_power_up_of_which_no_81_tells_is_told_of() -> None:
    talk = Talk()
    talk.poll("12")
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("RESET", "00")
    talk.poll("13")
    talk.poll("19")
    talk.exchange("GET STATUS", "000000000000")
    talk.exchange("SET SECURITY", "00")
    talk.exchange("GET COUNTER OF STACKED BILLS", "0000")
    talk.exchange("34000000000000", "00")
    for _ in range(30):
        talk.poll("19")
    assert [event.code for event in talk.events(BillHeldBack) if isinstance(event, BillHeldBack)] == ["12"]


def test_the_note_that_81_told_of_before_the_power_cut_is_not_missed_behind_it() -> None:
    talk = stacking()
    talk.poll("8101")
    talk.poll("12")
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("RESET", "00")
    talk.poll("19")
    talk.exchange("GET STATUS", "000000000000")
    talk.exchange("SET SECURITY", "00")
    talk.exchange("GET COUNTER OF STACKED BILLS", "0001")
    talk.exchange("34000007000007", "00")
    for _ in range(30):
        talk.poll("14")
    assert len(talk.events(BillStacked, BillHeldBack, BillUnclear, StackCountDiffers)) == 1


def test_an_open_note_whose_worth_cannot_be_read_any_more_is_told_of_when_it_is_gone() -> None:
    talk = stacking()
    note = dict(talk.memory["note"], minor="?")  # type: ignore[call-overload]
    again = Talk({**talk.memory, "note": note})
    again.poll("14")
    again.poll("14")
    assert [type(event) for event in again.events(BillUnclear, BillHeldBack)] == [BillHeldBack]


# Orders


def test_an_order_is_not_said_on_old_news() -> None:
    """The journal took its time; meanwhile the device gave the note back, and holds another."""
    talk = held()
    talk.command(Stack(1))
    talk.now += 60
    talk.poll("14")
    talk.poll("15")
    talk.poll("8002")
    assert [event.bill for event in talk.events(BillEscrowed) if isinstance(event, BillEscrowed)] == [
        Money(50000, "KZT"),
        Money(100000, "KZT"),
    ]
    assert talk.ended(2).error is not None


def test_between_the_intent_and_the_order_may_lie_minutes() -> None:
    talk = held()
    talk.command(Stack(1))
    actions: list[Action] = []
    while not any(isinstance(action, Record) for action in actions):
        talk.now = max(talk.now, talk.protocol.wake_at or 0.0)
        actions = talk.did(talk.protocol.wake(talk.now))
    assert not any(isinstance(action, Send) for action in actions)
    talk.now += 60  # so long it took to write
    talk.poll("8001")
    talk.expect("STACK")


def test_a_note_in_escrow_after_stacking_began_is_another_one() -> None:
    talk = stacking()
    talk.poll("17")
    talk.poll("8001")
    talk.exchange("GET COUNTER OF STACKED BILLS", "0001")
    assert [type(event) for event in talk.events(BillStacked, BillUnclear)] == [BillUnclear]
    talk.expect("RETURN")


def test_a_doubt_that_the_counter_settled_does_not_come_back() -> None:
    talk = stacking()
    talk.did(talk.protocol.lost(talk.now))
    talk.did(talk.protocol.opened(talk.now))
    talk.poll("8001")
    talk.exchange("GET COUNTER OF STACKED BILLS", "0000")
    talk.exchange("RETURN", "00")
    talk.poll("8001")
    talk.expect("POLL")


def test_a_counter_of_the_wrong_length_is_no_count() -> None:
    talk = Talk()
    talk.poll("10")
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("RESET", "00")
    talk.poll("19")
    talk.exchange("GET STATUS", "000000000000")
    talk.exchange("SET SECURITY", "00")
    talk.exchange("GET COUNTER OF STACKED BILLS", "19")
    assert talk.memory.get("counter") is None


# Callers


def test_disable_ends_when_the_note_that_nobody_wanted_is_out() -> None:
    talk = Talk().set_up().taking()
    first = talk.command(Disable())
    talk.exchange("34000000000000", "00")
    assert talk.ended(first).error is None
    talk.poll("8001")
    again = talk.command(Disable())
    assert talk.pending(again)
    talk.exchange("RETURN", "00")
    talk.poll("8201")
    talk.poll("19")
    assert talk.ended(again).error is None


def test_stack_of_a_note_that_became_unclear_is_not_refused_as_if_nothing_had_happened() -> None:
    talk = stacking()
    for _ in range(2):
        talk.poll("14")
    assert talk.events(BillUnclear)
    with pytest.raises(OutcomeUnknown):
        talk.protocol.command(Stack(1), 99, talk.now)
    with pytest.raises(OutcomeUnknown):
        talk.protocol.command(GiveBack(1), 100, talk.now)


def test_a_note_that_is_being_drawn_in_is_waited_for_before_the_line_is_given_back() -> None:
    talk = Talk().set_up().taking()
    talk.poll("15")
    talk.did(talk.protocol.closing(talk.now))
    talk.exchange("34000000000000", "00")
    assert not talk.protocol.settled
    talk.poll("8001")
    talk.exchange("RETURN", "00")
    talk.poll("8201")
    talk.poll("19")
    assert talk.protocol.settled


def test_the_line_is_not_given_back_while_the_device_may_take_notes() -> None:
    talk = Talk()
    talk.poll("14")
    talk.did(talk.protocol.closing(talk.now))
    assert not talk.protocol.settled
