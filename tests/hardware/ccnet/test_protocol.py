"""The conversation, word by word."""

from decimal import Decimal
from itertools import pairwise

import pytest

from hardware.bills import AwaitReady, Disable, Enable, GiveBack, Hold, Stack
from hardware.ccnet.frames import Frame, encode
from hardware.errors import DeviceFault, LocalProtocolError, OutcomeUnknown, Refused, TransportError
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
    DeviceState,
    Identified,
    Jammed,
    StackCountDiffers,
    StateChanged,
    Tampered,
)
from hardware.protocol import Record, Say, Send
from tests.hardware.ccnet.talk import IDENTIFICATION, TABLE, Talk
from wire.money import Money

TWO_HUNDRED, FIVE_HUNDRED, THOUSAND = Money(20000, "KZT"), Money(50000, "KZT"), Money(100000, "KZT")
KNOWN = (TWO_HUNDRED, FIVE_HUNDRED, THOUSAND)


def held(number_of_type: str = "01") -> Talk:
    """A note of 500 in escrow."""
    talk = Talk().set_up().taking()
    talk.poll("15")
    talk.poll("80" + number_of_type)
    return talk


def stacking() -> tuple[Talk, int]:
    """A note on its way into the cassette, and who waits for it."""
    talk = held()
    ticket = talk.command(Stack(1))
    talk.exchange("STACK", "00")
    talk.poll("17")
    return talk, ticket


# Setting up


def test_a_cold_start_reads_the_table_resets_and_is_ready() -> None:
    talk = Talk()
    ticket = talk.command(AwaitReady())
    talk.set_up()
    assert talk.ended(ticket).error is None
    assert talk.protocol.denominations == KNOWN
    assert talk.protocol.status.state is DeviceState.DISABLED
    assert talk.events(Identified) == [
        Identified(maker="CashCode", model="SM-KZ0721", serial="21K100004711", accepts=KNOWN)
    ]
    assert [event.state for event in talk.events(StateChanged) if isinstance(event, StateChanged)] == [
        DeviceState.STARTING,
        DeviceState.DISABLED,
    ]


def test_one_that_runs_already_is_reset_first_and_asked_once_it_is_disabled() -> None:
    talk = Talk()
    talk.poll("14")
    talk.exchange("RESET", "00")
    talk.poll("13")
    talk.poll("19")
    for command, data in (
        ("GET STATUS", "000000000000"),
        ("GET BILL TABLE", TABLE),
        ("IDENTIFICATION", IDENTIFICATION),
        ("SET SECURITY", "00"),
        ("GET COUNTER OF STACKED BILLS", "30"),
    ):
        talk.exchange(command, data)
    talk.poll("19")
    talk.exchange("34000000000000", "00")
    talk.poll("19")
    assert talk.protocol.status.state is DeviceState.DISABLED


def test_a_table_that_is_refused_at_power_up_is_asked_for_when_disabled() -> None:
    talk = Talk()
    talk.poll("10")
    talk.exchange("GET BILL TABLE", "30")
    talk.poll("10")
    talk.exchange("IDENTIFICATION", "30")
    talk.poll("10")
    talk.exchange("RESET", "00")
    talk.poll("19")
    talk.exchange("GET STATUS", "000000000000")
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)


def test_both_speeds_are_tried_until_it_answers() -> None:
    talk = Talk()
    talk.expect(*["POLL"] * 9)
    assert talk.bauds() == [9600, 19200, 9600, 19200, 9600]


def test_a_chosen_speed_is_the_only_one() -> None:
    talk = Talk(bauds=(19200,))
    talk.expect(*["POLL"] * 5)
    assert talk.bauds() == [19200]


def test_who_never_answers_is_reset_every_ten_seconds() -> None:
    talk = Talk(bauds=(9600,))
    times: dict[str, list[float]] = {}
    while talk.now < 145:
        times.setdefault(talk.next(), []).append(talk.now - 100)
    gaps = [later - before for before, later in pairwise(times["30"])]
    assert 5 <= times["30"][0] < 6
    assert len(gaps) == 3
    assert all(9.5 < gap < 10.5 for gap in gaps)


def test_a_table_of_another_currency_is_a_fault_with_words() -> None:
    talk = Talk(countries={"RUS": "RUB"})
    talk.set_up()
    assert talk.protocol.status.state is DeviceState.FAULT
    assert "KZT" in talk.protocol.status.words
    with pytest.raises(DeviceFault):
        talk.protocol.command(Enable(None), 99, talk.now)


def test_security_goes_to_the_types_of_those_denominations() -> None:
    talk = Talk(security=frozenset({Decimal(1000)}))
    talk.poll("10")
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("RESET", "00")
    talk.poll("19")
    talk.exchange("GET STATUS", "000000000000")
    talk.exchange("32000004", "00")


def test_48_types_have_masks_of_six_bytes() -> None:
    talk = Talk()
    talk.poll("10")
    talk.exchange("GET BILL TABLE", TABLE + "00" * 120)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("RESET", "00")
    talk.poll("19")
    talk.exchange("GET STATUS", "00" * 12)
    talk.exchange("32000000000000", "00")
    talk.exchange("GET COUNTER OF STACKED BILLS", "30")
    talk.poll("19")
    talk.exchange("34" + "00" * 12, "00")
    talk.poll("19")
    talk.command(Enable(None))
    talk.exchange("34" + "000000000007" * 2, "00")


# Taking notes


def test_only_notes_of_the_currency_are_enabled() -> None:
    talk = Talk().set_up()
    ticket = talk.command(Enable(frozenset({FIVE_HUNDRED})))
    talk.exchange("34000002000002", "00")
    assert talk.ended(ticket).error is None


def test_a_note_that_it_does_not_know_is_refused() -> None:
    talk = Talk().set_up()
    with pytest.raises(Refused, match=r"7\.00"):
        talk.protocol.command(Enable(frozenset({Money(700, "KZT")})), 9, talk.now)


def test_a_note_wished_before_the_table_was_known_is_refused_then() -> None:
    talk = Talk()
    talk.poll("10")
    ticket = talk.command(Enable(frozenset({Money(700, "KZT")})))
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("RESET", "00")
    talk.poll("19")
    talk.exchange("GET STATUS", "000000000000")
    talk.exchange("SET SECURITY", "00")
    talk.exchange("GET COUNTER OF STACKED BILLS", "30")
    assert isinstance(talk.ended(ticket).error, Refused)
    talk.poll("19")
    talk.expect("34000000000000")


def test_without_a_link_nothing_can_be_enabled_and_all_is_disabled() -> None:
    talk = Talk()
    with pytest.raises(TransportError):
        talk.protocol.command(Enable(None), 9, talk.now)
    assert talk.ended(talk.command(Disable())).error is None


def test_credit_is_recorded_before_the_ack_which_leaves_at_once() -> None:
    talk, ticket = stacking()
    talk.expect("POLL")
    actions = talk.answer("8101")
    record, ack, *rest = actions
    assert isinstance(record, Record)
    assert record.event == BillStacked(bill=FIVE_HUNDRED, escrow=1)
    assert record.memory is not None
    assert record.memory["note"] is None
    assert ack == Send(encode(Frame(3, b"\x00"), "host"))
    assert not any(isinstance(action, Send) for action in rest)
    assert talk.ended(ticket).result == FIVE_HUNDRED


def test_the_intent_is_recorded_before_stack_leaves() -> None:
    talk = held()
    talk.command(Stack(1))
    talk.expect("STACK")
    record, send = talk.said[-2:]
    assert isinstance(send, Send)
    assert isinstance(record, Record)
    assert record.memory is not None
    assert isinstance(record.memory["note"], dict)
    assert record.memory["note"]["order"] == "stack"


def test_an_escrow_is_handed_up_with_its_number() -> None:
    assert held().events(BillEscrowed) == [BillEscrowed(bill=FIVE_HUNDRED, escrow=1)]


def test_an_event_that_is_told_again_is_confirmed_and_not_counted() -> None:
    talk, _ = stacking()
    talk.poll("8101")
    talk.poll("8101")
    talk.poll("8101")
    assert len(talk.events(BillStacked)) == 1


def test_two_equal_notes_in_a_row_are_two() -> None:
    talk, _ = stacking()
    talk.poll("8101")
    talk.poll("8001")
    ticket = talk.command(Stack(2))
    talk.exchange("STACK", "00")
    talk.poll("8101")
    assert talk.ended(ticket).result == FIVE_HUNDRED
    assert [event.escrow for event in talk.events(BillStacked) if isinstance(event, BillStacked)] == [1, 2]


def test_stacking_it_twice_is_stacking_it_once() -> None:
    talk, ticket = stacking()
    again = talk.command(Stack(1))
    talk.poll("8101")
    assert talk.ended(ticket).result == talk.ended(again).result == FIVE_HUNDRED
    with pytest.raises(Refused, match="kept before"):
        talk.command(Stack(1))
    assert len(talk.events(BillStacked)) == 1


def test_giving_back() -> None:
    talk = held()
    ticket = talk.command(GiveBack(1))
    talk.exchange("RETURN", "00")
    talk.poll("18")
    assert talk.pending(ticket)
    talk.poll("8201")
    assert talk.ended(ticket).error is None
    assert talk.events(BillReturned) == [BillReturned(bill=FIVE_HUNDRED, escrow=1)]
    assert talk.ended(talk.command(GiveBack(1))).error is None


def test_a_decision_that_comes_too_late_is_refused() -> None:
    talk = held()
    talk.poll("18")
    ticket = talk.command(Stack(1))
    talk.poll("8201")
    assert isinstance(talk.ended(ticket).error, Refused)
    with pytest.raises(Refused):
        talk.protocol.command(Stack(1), 99, talk.now)
    with pytest.raises(Refused):
        talk.protocol.command(GiveBack(7), 99, talk.now)
    with pytest.raises(Refused):
        talk.protocol.command(Hold(7, 1.0), 99, talk.now)


def test_an_order_answered_illegal_is_settled_by_what_comes() -> None:
    talk = held()
    ticket = talk.command(Stack(1))
    talk.exchange("STACK", "30")
    talk.poll("14")
    assert isinstance(talk.ended(ticket).error, Refused)
    assert talk.events(BillUnclear) == []


def test_one_cannot_both_keep_and_give_back() -> None:
    talk = held()
    talk.command(Stack(1))
    with pytest.raises(Refused):
        talk.protocol.command(GiveBack(1), 99, talk.now)
    talk = held()
    talk.command(GiveBack(1))
    with pytest.raises(Refused):
        talk.protocol.command(Stack(1), 99, talk.now)


def test_an_order_whose_answer_is_lost_is_not_repeated_blindly() -> None:
    talk = held()
    ticket = talk.command(Stack(1))
    talk.expect("STACK")
    talk.poll("17")
    talk.poll("8101")
    assert talk.ended(ticket).result == FIVE_HUNDRED


def test_but_again_while_the_note_still_lies_in_escrow() -> None:
    talk = held()
    talk.command(Stack(1))
    talk.expect("STACK")
    said = [talk.next() for _ in range(1)]
    while "35" not in said:
        if said[-1] == "33":
            talk.answer("8001")
        said.append(talk.next())
    assert said.count("35") == 1
    assert len(talk.events(BillEscrowed)) == 1


def test_a_note_that_vanished_behind_an_order_is_unclear() -> None:
    talk, ticket = stacking()
    talk.poll("14")
    assert talk.events(BillUnclear) == []
    talk.poll("14")
    assert isinstance(talk.ended(ticket).error, OutcomeUnknown)
    assert len(talk.events(BillUnclear)) == 1
    talk.exchange("GET COUNTER OF STACKED BILLS", "0001")
    assert talk.events(StackCountDiffers) == [StackCountDiffers(expected=0, counted=1)]


def test_an_order_that_does_not_end_is_unknown_after_half_a_minute_and_told_late() -> None:
    talk, ticket = stacking()
    for _ in range(170):
        talk.poll("17")
    assert isinstance(talk.ended(ticket).error, OutcomeUnknown)
    talk.poll("8101")
    assert talk.events(BillStacked) == [BillStacked(bill=FIVE_HUNDRED, escrow=1)]


def test_hold_is_said_again_and_again_for_as_long_as_it_was_asked_for() -> None:
    talk = held()
    asked = talk.now
    assert talk.ended(talk.command(Hold(1, 30.0))).error is None
    holds: list[float] = []
    while talk.now < asked + 60:
        if (said := talk.next()) == "38":
            holds.append(talk.now - asked)
            talk.answer("00")
        elif said == "33":
            talk.answer("1a" if holds else "8001")
    assert 4 < holds[0] < 9
    assert all(later - before < 9 for before, later in pairwise(holds))
    assert 20 < holds[-1] < 30


def test_a_note_of_another_country_goes_back_at_once() -> None:
    talk = Talk().set_up().taking()
    talk.poll("8003")
    talk.exchange("RETURN", "00")
    talk.poll("8203")
    assert talk.events(BillEscrowed) == []
    assert talk.events(BillReturned) == [BillReturned(bill=None, escrow=None)]


def test_disabling_gives_the_note_in_escrow_back_first() -> None:
    talk = held()
    ticket = talk.command(Disable())
    talk.exchange("RETURN", "00")
    talk.poll("18")
    talk.poll("8201")
    assert talk.pending(ticket)
    talk.poll("14")
    talk.exchange("34000000000000", "00")
    assert talk.ended(ticket).error is None


def test_it_is_never_disabled_while_a_note_is_being_stacked() -> None:
    talk, _ = stacking()
    talk.command(Disable())
    for _ in range(5):
        talk.poll("17")
    talk.poll("8101")
    talk.poll("14")
    talk.expect("34000000000000")


def test_a_note_that_nobody_ordered_into_the_cassette_is_unclaimed() -> None:
    talk = Talk().set_up().taking()
    talk.poll("8102")
    assert talk.events(BillStacked) == [BillStacked(bill=THOUSAND, escrow=None, late=True, unclaimed=True)]


def test_one_that_was_to_go_back_and_did_not_is_credited_and_told() -> None:
    talk = held()
    ticket = talk.command(GiveBack(1))
    talk.exchange("RETURN", "00")
    talk.poll("8101")
    assert isinstance(talk.ended(ticket).error, OutcomeUnknown)
    [event] = talk.events(BillStacked)
    assert isinstance(event, BillStacked)
    assert event.unclaimed


# Power cuts and losses


def test_a_note_in_the_stacker_at_power_up_is_credited_under_its_number() -> None:
    talk, ticket = stacking()
    talk.poll("12")
    assert talk.pending(ticket)
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("RESET", "00")
    talk.poll("13")
    talk.poll("8101")
    assert talk.events(BillStacked) == [BillStacked(bill=FIVE_HUNDRED, escrow=1, late=True)]
    assert talk.ended(ticket).result == FIVE_HUNDRED


def test_and_is_not_credited_again_when_its_ack_did_not_arrive_before_the_power_cut() -> None:
    talk, _ = stacking()
    talk.poll("8101")
    talk.poll("12")
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("RESET", "00")
    for state in ("13", "17", "19"):
        talk.poll(state)
        if state == "19":
            talk.exchange("GET STATUS", "000000000000")
            talk.exchange("SET SECURITY", "00")
            talk.exchange("GET COUNTER OF STACKED BILLS", "0001")
    talk.expect("34000007000007")
    talk.answer("00")
    talk.poll("8101")
    assert len(talk.events(BillStacked)) == 1


def test_nor_after_a_crash_of_the_host_in_between() -> None:
    talk, _ = stacking()
    talk.poll("8101")
    again = Talk(talk.memory)
    again.poll("8101")
    assert again.events(BillStacked) == []


def test_a_note_in_the_stacker_that_nobody_knows_is_unclaimed() -> None:
    talk = Talk()
    talk.poll("12")
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("RESET", "00")
    talk.poll("13")
    talk.poll("8102")
    assert talk.events(BillStacked) == [BillStacked(bill=THOUSAND, escrow=None, late=True, unclaimed=True)]


def test_a_note_in_the_validator_at_power_up_goes_back_whether_it_is_told_or_not() -> None:
    for told in (["8201", "19"], ["19"]):
        talk, ticket = stacking()
        talk.poll("11")
        talk.exchange("GET BILL TABLE", TABLE)
        talk.exchange("IDENTIFICATION", IDENTIFICATION)
        talk.exchange("RESET", "00")
        talk.poll("13")
        for state in told:
            talk.poll(state)
        assert talk.events(BillReturned) == [BillReturned(bill=FIVE_HUNDRED, escrow=1, late=True)]
        assert isinstance(talk.ended(ticket).error, Refused)


def test_an_event_before_the_table_is_known_waits_for_the_table() -> None:
    talk = Talk()
    talk.expect("POLL")
    assert not any(isinstance(action, Send) for action in talk.answer("8101"))
    talk.exchange("GET BILL TABLE", TABLE)
    talk.poll("8101")
    assert talk.events(BillStacked) == [BillStacked(bill=FIVE_HUNDRED, escrow=None, late=True, unclaimed=True)]


def test_and_is_held_back_where_the_table_cannot_be_had() -> None:
    talk = Talk()
    talk.expect("POLL")
    talk.answer("8101")
    talk.exchange("GET BILL TABLE", "30")
    talk.poll("8101")
    assert len(talk.events(BillHeldBack)) == 1
    assert talk.events(BillStacked) == []


def test_the_table_of_the_last_life_is_enough_for_it() -> None:
    memory = Talk().set_up().memory
    talk = Talk(memory)
    talk.expect("POLL")
    talk.answer("8102")
    talk.exchange("GET BILL TABLE", "30")  # not while it has a note to tell of
    talk.poll("8102")
    assert talk.events(BillStacked) == [BillStacked(bill=THOUSAND, escrow=None, late=True, unclaimed=True)]


def test_five_seconds_of_silence_are_a_loss() -> None:
    talk, ticket = stacking()
    silent = talk.now
    said = ""
    while talk.protocol.status.state is not DeviceState.ABSENT:
        said = talk.next()
    assert said == "30"
    assert 5 <= talk.now - silent < 6.5
    assert isinstance(talk.ended(ticket).error, OutcomeUnknown)
    talk.poll("8101")
    assert talk.events(BillStacked) == [BillStacked(bill=FIVE_HUNDRED, escrow=1, late=True)]


def test_a_lost_port_ends_what_was_ordered_as_unknown() -> None:
    talk, ticket = stacking()
    talk.did(talk.protocol.lost(talk.now))
    assert isinstance(talk.ended(ticket).error, OutcomeUnknown)
    assert talk.protocol.wake_at is None
    assert talk.protocol.received(b"\x02", talk.now) == ()
    assert talk.protocol.wake(talk.now) == ()


def test_and_what_was_not_begun_as_not_begun() -> None:
    talk = held()
    ticket = talk.command(Stack(1))
    talk.did(talk.protocol.lost(talk.now))
    assert isinstance(talk.ended(ticket).error, TransportError)


def test_after_a_loss_the_wish_still_holds() -> None:
    talk = Talk().set_up().taking()
    talk.did(talk.protocol.lost(talk.now))
    talk.did(talk.protocol.opened(talk.now + 1))
    talk.now += 1
    talk.poll("19")
    talk.exchange("GET STATUS", "000000000000")
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.exchange("SET SECURITY", "00")
    talk.exchange("GET COUNTER OF STACKED BILLS", "0000")
    talk.expect("34000007000007")
    assert len(talk.events(Identified)) == 1


def test_a_note_in_escrow_of_the_last_life_goes_back() -> None:
    talk = Talk(held().memory)
    talk.poll("8001")
    talk.exchange("RETURN", "00")
    talk.poll("8201")
    assert talk.events(BillReturned) == [BillReturned(bill=FIVE_HUNDRED, escrow=1, late=True)]


def test_ordered_in_the_last_life_and_still_in_escrow_it_goes_back_if_the_counter_did_not_move() -> None:
    talk = held()
    talk.command(Stack(1))
    talk.expect("STACK")
    again = Talk(talk.memory)
    again.poll("8001")
    again.exchange("GET COUNTER OF STACKED BILLS", "0000")
    again.exchange("RETURN", "00")
    again.poll("8201")
    assert again.events(BillReturned) == [BillReturned(bill=FIVE_HUNDRED, escrow=1, late=True)]


def test_and_is_unclear_if_it_did_or_cannot_be_asked() -> None:
    talk = held()
    talk.command(Stack(1))
    talk.expect("STACK")
    for counted in ("0001", "30"):
        again = Talk(talk.memory)
        again.poll("8001")
        again.exchange("GET COUNTER OF STACKED BILLS", counted)
        if counted == "30":
            again.poll("8001")
        again.exchange("RETURN", "00")
        assert len(again.events(BillUnclear)) == 1
        again.poll("8201")
        assert again.events(BillReturned) == [BillReturned(bill=FIVE_HUNDRED, escrow=None)]


def test_bill_to_bill_is_asked_what_the_power_cut_interrupted_before_it_is_reset() -> None:
    talk = Talk(address=1)
    talk.poll("12")
    talk.exchange("GET BILL TABLE", TABLE)
    talk.exchange("IDENTIFICATION", IDENTIFICATION)
    talk.expect("POWER RECOVERY")
    record, ack, *_ = talk.answer("170100", after_s=2.0)
    assert isinstance(record, Record)
    assert record.event == BillStacked(bill=FIVE_HUNDRED, escrow=None, late=True, unclaimed=True)
    assert isinstance(ack, Send)
    talk.expect("ACK")
    talk.exchange("RESET", "00")
    talk.poll("13")
    talk.poll("810100")
    assert len(talk.events(BillStacked)) == 1


def test_a_bill_to_bill_unit_with_nothing_pending_or_with_a_payout_cut_short() -> None:
    for answer in ("00", "3c0102", "17"):
        talk = Talk(address=1)
        talk.poll("10")
        talk.exchange("GET BILL TABLE", TABLE)
        talk.exchange("IDENTIFICATION", IDENTIFICATION)
        talk.exchange("POWER RECOVERY", answer)
        talk.expect("RESET")
        assert talk.events(BillStacked) == []


# What goes wrong


def test_collection() -> None:
    talk = Talk().set_up().taking()
    talk.poll("42")
    assert talk.events(CassetteRemoved) == [CassetteRemoved()]
    assert talk.protocol.status.state is DeviceState.FAULT
    talk.exchange("GET COUNTER OF STACKED BILLS", "0000")
    talk.poll("42")
    again = Talk(talk.memory)
    again.poll("42")
    assert again.events(CassetteRemoved) == []
    for state in ("42", "13", "19"):
        talk.poll(state)
    assert talk.events(CassetteReturned) == [CassetteReturned()]
    talk.exchange("SET SECURITY", "00")
    talk.exchange("GET COUNTER OF STACKED BILLS", "0000")
    talk.expect("34000007000007")


def test_troubles_are_told_once_each() -> None:
    talk = Talk().set_up().taking()
    for state in ("41", "41", "43", "43", "45", "45", "4750", "4750"):
        talk.poll(state)
    assert talk.events(CassetteFull) == [CassetteFull()]
    assert len(talk.events(Jammed)) == 1
    assert len(talk.events(Tampered)) == 1
    assert talk.protocol.status.code == "47 50"
    with pytest.raises(DeviceFault, match="stacker's motor"):
        talk.protocol.command(Enable(None), 9, talk.now)


def test_rejects_pauses_and_counterfeits_are_told() -> None:
    talk = Talk().set_up().taking()
    for state in ("1c68", "1c68", "14", "1c65", "46", "8466", "14"):
        talk.poll(state)
    codes = [event.code for event in talk.events(BillRejected) if isinstance(event, BillRejected)]
    assert codes == ["1C 68", "1C 65", "46"]
    assert [event.code for event in talk.events(BillHeldBack) if isinstance(event, BillHeldBack)] == ["84 66"]


def test_enable_in_the_middle_of_a_fault_is_told_so() -> None:
    talk = Talk().set_up()
    ticket = talk.command(Enable(None))
    talk.expect("34000007000007")
    talk.answer("30")
    talk.poll("44")
    assert isinstance(talk.ended(ticket).error, DeviceFault)


def test_one_that_forgot_what_it_was_told_is_told_again() -> None:
    talk = Talk().set_up().taking()
    talk.poll("43")
    talk.poll("19")
    talk.exchange("34000007000007", "00")
    talk.poll("14")
    talk.command(Disable())
    talk.exchange("34000000000000", "00")
    talk.poll("19")
    talk.poll("14")
    talk.expect("34000000000000")


def test_busy_is_given_its_time() -> None:
    talk = Talk().set_up().taking()
    talk.poll("1b0a")
    before = talk.now
    talk.expect("POLL")
    assert talk.now - before > 0.9


def test_nonsense_is_confirmed_and_told() -> None:
    talk = Talk().set_up().taking()
    for _ in range(3):
        talk.poll("81")
    assert talk.events(BillStacked) == []
    assert [action.level for action in talk.said if isinstance(action, Say)].count("warning") == 1
    talk.poll("7777")


def test_what_it_has_no_words_for_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        Talk().protocol.command("dance", 1, 0.0)


def test_an_abandoned_command_is_not_finished() -> None:
    talk, ticket = stacking()
    talk.protocol.abandoned(ticket, talk.now)
    talk.poll("8101")
    assert talk.pending(ticket)
    assert len(talk.events(BillStacked)) == 1


# Closing


def test_closing_waits_for_the_note_and_disables() -> None:
    talk, _ = stacking()
    talk.did(talk.protocol.closing(talk.now))
    assert not talk.protocol.settled
    talk.poll("8101")
    talk.poll("14")
    assert not talk.protocol.settled
    talk.exchange("34000000000000", "00")
    assert talk.protocol.settled


def test_closing_gives_the_note_in_escrow_back() -> None:
    talk = held()
    talk.did(talk.protocol.closing(talk.now))
    talk.exchange("RETURN", "00")
    assert not talk.protocol.settled


def test_who_is_not_there_needs_no_waiting() -> None:
    assert Talk().protocol.settled
