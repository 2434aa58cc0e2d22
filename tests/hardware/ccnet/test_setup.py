"""What a device is asked before it may take notes."""

from hardware.ccnet import commands
from hardware.ccnet.bill_table import COUNTRIES, write_table
from hardware.ccnet.exchange import End, Ended
from hardware.ccnet.setup import REFUSALS_MAX, Setup, Step
from hardware.ccnet.states import State

TABLE = write_table({0: ("KAZ", 2, 2)})


def made(*, bill_to_bill: bool = False) -> Setup:
    """One that was just heard."""
    return Setup(currency="KZT", country=None, countries=COUNTRIES, security=frozenset(), bill_to_bill=bill_to_bill)


def test_the_order_behind_a_power_cut() -> None:
    setup = made(bill_to_bill=True)
    setup.begin(powered_up=True, reset=True)
    assert setup.todo == [
        Step.TABLE, Step.IDENTIFICATION, Step.RECOVERY, Step.RESET, Step.STATUS, Step.SECURITY, Step.COUNTER,
    ]  # fmt: skip


def test_without_one_a_device_that_was_only_out_of_sight_is_not_reset() -> None:
    setup = made()
    setup.begin(powered_up=False, reset=False)
    assert Step.RESET not in setup.todo


def test_no_reset_while_a_note_is_inside() -> None:
    setup = made()
    setup.begin(powered_up=False, reset=True)
    assert setup.question(State.IDLING, empty=False) is None
    for state in (State.STACKING, State.ESCROW, State.BILL_STACKED, State.CASSETTE_OUT, State.INITIALIZE):
        assert setup.question(state, empty=True) is None
    assert setup.question(State.IDLING, empty=True) == (commands.RESET, b"\x30")


def test_recovery_is_for_power_up_alone() -> None:
    setup = made(bill_to_bill=True)
    setup.todo = [Step.RECOVERY, Step.STATUS]
    assert setup.question(State.POWER_UP, empty=True) == (commands.POWER_RECOVERY, b"\x66")
    assert setup.question(State.DISABLED, empty=True) == (commands.GET_STATUS, b"\x31")


def test_one_that_takes_notes_is_disabled_to_be_read() -> None:
    setup = made()
    setup.todo = [Step.TABLE]
    question = setup.question(State.IDLING, empty=True)
    assert question == (commands.ENABLE_BILL_TYPES, bytes.fromhex("34000000000000"))


def test_what_is_refused_for_ever_is_left_out_but_the_table() -> None:
    setup = made()
    setup.todo = [Step.TABLE, Step.SECURITY]
    said = [setup.ended(Ended(commands.SET_SECURITY, End.ILLEGAL)) for _ in range(REFUSALS_MAX)]
    assert said[-1] is not None
    assert setup.todo == [Step.TABLE]
    for _ in range(2 * REFUSALS_MAX):
        setup.ended(Ended(commands.GET_BILL_TABLE, End.ILLEGAL))
    assert setup.todo == [Step.TABLE]


def test_an_answer_against_the_protocol_is_told() -> None:
    setup = made()
    setup.todo = [Step.TABLE]
    remark = setup.ended(Ended(commands.GET_BILL_TABLE, End.ANSWERED, b"\x01\x02"))
    assert remark is not None
    assert "GET BILL TABLE" in remark
    assert not setup.done


def test_it_is_done_with_its_table_even_before_the_counter_is_looked_at() -> None:
    setup = made()
    setup.begin(powered_up=False, reset=False)
    for command, data in ((commands.GET_STATUS, bytes(6)), (commands.GET_BILL_TABLE, TABLE)):
        setup.ended(Ended(command, End.ANSWERED, data))
    setup.ended(Ended(commands.IDENTIFICATION, End.ANSWERED, bytes(34)))
    assert not setup.done
    setup.ended(Ended(commands.SET_SECURITY, End.AGREED))
    assert setup.done
    assert setup.todo == [Step.COUNTER]


def test_no_counter_is_told_once() -> None:
    setup = made()
    assert setup.ended(Ended(commands.GET_COUNTER, End.ILLEGAL)) is not None
    assert setup.ended(Ended(commands.GET_COUNTER, End.ILLEGAL)) is None
    setup.look_at_counter()
    assert setup.todo == []


def test_another_device_may_have_one() -> None:
    setup = made()
    setup.ended(Ended(commands.GET_COUNTER, End.ILLEGAL))
    assert not setup.has_counter
    reply = commands.IDENTIFICATION.encode_reply({"part": "SM", "serial": "7", "asset": bytes(7)})
    setup.ended(Ended(commands.IDENTIFICATION, End.ANSWERED, reply))
    assert setup.has_counter


def test_silence_changes_nothing_and_orders_are_none_of_its_business() -> None:
    setup = made()
    setup.todo = [Step.TABLE]
    assert setup.ended(Ended(commands.GET_BILL_TABLE, End.SILENT)) is None
    assert setup.ended(Ended(commands.STACK, End.AGREED)) is None
    assert setup.todo == [Step.TABLE]
