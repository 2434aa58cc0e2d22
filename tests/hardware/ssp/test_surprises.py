"""Devices and moments that nobody plans for. Each was once told wrongly, or not at all."""

from hardware.events import BillHeldBack, BillStacked, BillUnclear
from tests.hardware.ssp.test_protocol import stacking


def test_a_credit_of_a_channel_without_a_value_is_not_taken_for_the_open_note() -> None:
    talk, _ = stacking()
    talk.polled("EE09")
    assert talk.told(BillStacked) == []
    assert [event.code for event in talk.told(BillHeldBack) if isinstance(event, BillHeldBack)] == ["EE 09"]
    for _ in range(90):
        talk.now += 1
        talk.polled("")
    assert len(talk.told(BillUnclear)) == 1
