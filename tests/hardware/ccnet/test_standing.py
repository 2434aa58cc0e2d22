"""How it stands, and what of it is an event."""

from hardware.ccnet.bill_table import COUNTRIES, read_table, write_table
from hardware.ccnet.book import Book
from hardware.ccnet.hearing import Hearing
from hardware.ccnet.setup import Setup
from hardware.ccnet.standing import Standing
from hardware.ccnet.states import PollAnswer
from hardware.ccnet.wishes import Wishes
from hardware.events import DeviceState, StateChanged
from hardware.protocol import Record
from wire.money import Money


def made() -> tuple[Standing, Hearing, Setup]:
    """One that is set up, and was not heard yet."""
    setup = Setup(currency="KZT", country=None, countries=COUNTRIES, security=frozenset(), bill_to_bill=False)
    setup.table = read_table(write_table({0: ("KAZ", 2, 2)}))
    setup.known = {0: Money(20000, "KZT")}
    hearing = Hearing(Book(), setup, Wishes())
    return Standing(hearing, setup, "KZT"), hearing, setup


def told(standing: Standing, hearing: Hearing, data: str) -> list[tuple[DeviceState, str]]:
    """The events of one answer."""
    raw = bytes.fromhex(data)
    hearing.answer = PollAnswer(raw[0], raw[1:])
    events = [action.event for action in standing.take(None) if isinstance(action, Record)]
    return [(event.state, event.code) for event in events if isinstance(event, StateChanged)]


def test_states_are_told_when_they_change_and_a_note_s_way_is_not() -> None:
    standing, hearing, _ = made()
    assert told(standing, hearing, "19") == [(DeviceState.DISABLED, "19")]
    assert told(standing, hearing, "14") == [(DeviceState.READY, "14")]
    assert told(standing, hearing, "15") == []
    assert standing.status.state is DeviceState.BUSY
    assert told(standing, hearing, "8000") == []
    assert told(standing, hearing, "14") == []


def test_each_fault_is_told() -> None:
    standing, hearing, _ = made()
    assert told(standing, hearing, "4750") == [(DeviceState.FAULT, "47 50")]
    assert told(standing, hearing, "4750") == []
    assert told(standing, hearing, "43") == [(DeviceState.FAULT, "43")]


def test_setting_up_is_starting() -> None:
    standing, hearing, setup = made()
    setup.begin(powered_up=True, reset=True)
    assert told(standing, hearing, "14") == [(DeviceState.STARTING, "14")]
    hearing.answer = None
    standing.take(None)
    assert standing.status.words == "it is being reset"


def test_a_table_without_our_currency_is_a_fault() -> None:
    standing, hearing, setup = made()
    setup.known = {}
    assert told(standing, hearing, "19") == [(DeviceState.FAULT, "table")]


def test_why_it_is_absent_is_kept() -> None:
    standing, _, _ = made()
    standing.take("the port is gone")
    standing.take("")
    assert standing.status.words == "the port is gone"
