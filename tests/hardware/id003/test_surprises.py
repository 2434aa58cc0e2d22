"""Devices and moments that nobody plans for. Each was once told wrongly, or not at all."""

from hardware.bills import Stack
from hardware.events import BillEscrowed, BillHeldBack, BillReturned, BillStacked
from hardware.id003.currency import Assignment
from hardware.id003.currency import encode as encode_table
from hardware.protocol import Record, Send
from tests.hardware.id003.test_protocol import KZT_500, Talk, escrowed, ready
from wire.money import Money

OTHER_TABLE = encode_table([Assignment(0x63, 0x51, 2, 4)])


def set_up(talk: Talk, table: bytes) -> None:
    """It got power, and is set up by hand."""
    talk.polled(0x40)
    talk.hear(0x50)
    talk.polled(0x1B)
    talk.answer(table=table)
    talk.polled(0x1A)
    talk.answer(table=table)


def test_another_device_in_its_place_is_asked_what_its_codes_are_worth() -> None:
    talk = ready()
    set_up(talk, OTHER_TABLE)
    talk.polled(0x11)
    talk.polled(0x12)
    talk.polled(0x13, b"\x63")
    assert talk.told(BillEscrowed)[-1] == BillEscrowed(bill=Money(2_000_000, "KZT"), escrow=1)


def test_a_note_of_a_known_country_is_never_of_the_currency_for_unknown_ones() -> None:
    assert Assignment(0x64, 0x27, 1, 3).money({}, "KZT") == Money(100_000, "RUB")
    assert Assignment(0x64, 0x27, 1, 3).money({0x27: "KZT"}, "USD") == Money(100_000, "KZT")


def test_an_order_that_took_minutes_to_write_is_not_said_on_old_news() -> None:
    """15 does not say which note it is of: meanwhile the first may be back, and another there."""
    talk = escrowed()
    talk.tickets += 1
    actions = talk.protocol.command(Stack(1), talk.tickets, talk.now)
    assert any(isinstance(action, Record) for action in actions)
    assert not any(isinstance(action, Send) for action in actions)
    talk.carry(actions)
    talk.now += 60
    talk.wait()
    assert talk.sent[-1].code == 0x11
    talk.hear(0x13, b"\x64")
    assert talk.sent[-1].code != 0x41
    assert talk.told(BillReturned) == [BillReturned(bill=KZT_500, escrow=1, late=True)]
    assert talk.told(BillEscrowed)[-1] == BillEscrowed(bill=Money(100_000, "KZT"), escrow=2)
    assert talk.told(BillStacked) == []


def test_a_note_in_the_stacker_at_power_up_of_which_no_15_tells_is_told_of() -> None:
    talk = Talk()
    talk.open()
    talk.polled(0x42)
    talk.hear(0x50)
    talk.polled(0x1B)
    talk.answer()
    talk.polled(0x1A)
    talk.answer()
    talk.now += 5
    talk.polled(0x1A, times=4)
    assert [event.code for event in talk.told(BillHeldBack) if isinstance(event, BillHeldBack)] == ["42"]
    talk.polled(0x1A, times=4)
    assert len(talk.told(BillHeldBack)) == 1
