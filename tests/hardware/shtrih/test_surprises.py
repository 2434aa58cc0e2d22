"""Owners and moments that nobody plans for. Each was once done twice."""

from hardware.errors import OutcomeUnknown
from hardware.events import SlipUnclear
from hardware.registers import CashIn, PrintSlip
from hardware.slip import lines
from tests.hardware.shtrih.test_protocol import end, world
from wire.money import Money


def test_a_document_is_not_registered_again_because_a_slip_came_in_between() -> None:
    made = world()
    first = end(made, CashIn(Money(600, "RUB"), "c1"))
    assert end(made, PrintSlip(lines("a"), "p1")) is None
    assert end(made, CashIn(Money(600, "RUB"), "c1")) == first
    assert end(made, PrintSlip(lines("a"), "p1")) is None
    assert len(made.duel.facts("line_printed")) == 1


def test_a_slip_that_a_crash_cut_off_is_not_printed_again_by_itself() -> None:
    made = world()
    made.duel.command(PrintSlip(lines("a", "b", "c"), "p1"))
    made.duel.run(until=lambda: len(made.duel.facts("line_printed")) == 1, within_s=60)
    made.duel.trouble("crash", 1)
    made.duel.run(until=lambda: bool(made.duel.told(SlipUnclear)), within_s=60)
    assert isinstance(end(made, PrintSlip(lines("a", "b", "c"), "p1")), OutcomeUnknown)
