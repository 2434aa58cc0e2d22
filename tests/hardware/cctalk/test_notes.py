"""A bill validator's conversation."""

from typing import Any

import pytest

from hardware.bills import Disable, Enable, GiveBack, Hold, Stack
from hardware.cctalk.payout import PayOut
from hardware.cctalk.protocol import Leave
from hardware.cctalk.simulated_cash import SimulatedBillValidator
from hardware.cctalk.simulator import CctalkBusSimulator
from hardware.errors import LocalProtocolError, OutcomeUnknown, Refused, TransportError
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
    CreditsLost,
    DeviceState,
    Event,
    Jammed,
    Tampered,
)
from tests.hardware.cctalk.schedules import World
from wire.money import Money

NOTE = Money(100000, "KZT")


def make(**options: Any) -> World:
    """Enabled, and its owner decides nothing."""
    world = World(("bills",), **options)
    world.duel._reactions = None
    world.enable()
    return world


@pytest.fixture
def world() -> World:
    return make()


def validator(world: World) -> SimulatedBillValidator:
    assert isinstance(world.duel.simulator, CctalkBusSimulator)
    found = world.duel.simulator.devices["bills"]
    assert isinstance(found, SimulatedBillValidator)
    return found


def insert(world: World) -> int:
    """A note, held; its number."""
    known = len(world.duel.told(BillEscrowed))
    world.hand("insert_note", minor="100000")
    world.duel.run(until=lambda: len(world.duel.told(BillEscrowed)) > known, within_s=9)
    event = world.duel.told(BillEscrowed)[-1]
    assert isinstance(event, BillEscrowed)
    return event.escrow


def ask(world: World, command: object) -> Any:
    ticket = world.ask("bills", command)
    world.wait_for(ticket)
    return world.duel.finished[ticket]


def last(world: World, *kinds: type[Event]) -> Any:
    return world.duel.told(*kinds)[-1]


def test_a_note_is_stacked_and_credited(world: World) -> None:
    escrow = insert(world)
    assert world.conversation("bills").state is DeviceState.BUSY
    assert ask(world, Stack(escrow)) == NOTE
    assert last(world, BillStacked) == BillStacked(bill=NOTE, escrow=escrow)
    assert insert(world) == escrow + 1


def test_a_note_is_given_back(world: World) -> None:
    escrow = insert(world)
    assert ask(world, GiveBack(escrow)) is None
    assert last(world, BillReturned) == BillReturned(bill=NOTE, escrow=escrow)
    assert isinstance(ask(world, Stack(escrow)), Refused)


def test_one_decision_a_note(world: World) -> None:
    escrow = insert(world)
    stacking = world.ask("bills", Stack(escrow))
    returning = world.ask("bills", GiveBack(escrow))
    again = world.ask("bills", Stack(escrow))
    world.wait_for(stacking, returning, again)
    assert isinstance(world.duel.finished[returning], Refused)
    assert world.duel.finished[stacking] == world.duel.finished[again] == NOTE
    assert isinstance(ask(world, Hold(escrow, 5.0)), Refused)


def test_a_note_that_is_held_stays_longer_than_the_validator_has_patience(world: World) -> None:
    escrow = insert(world)
    assert ask(world, Hold(escrow, 60.0)) is None
    world.duel.run(within_s=55)
    assert world.duel.told(BillReturned) == []
    assert ask(world, Stack(escrow)) == NOTE


def test_without_a_decision_it_goes_back_by_itself(world: World) -> None:
    insert(world)
    world.duel.run(within_s=40)
    assert len(world.duel.told(BillReturned)) == 1


def test_a_note_in_doubt_is_not_said_to_be_out_of_escrow(world: World) -> None:
    """`Refused` would promise that there is no credit, and there may be."""
    validator(world)._tells = False
    escrow = insert(world)
    world.hand("cut", device="bills")
    world.hand("restore", device="bills")
    world.duel.run(until=lambda: bool(world.duel.told(CreditsLost)), within_s=9)
    assert world.duel.told(BillUnclear) == []
    assert isinstance(ask(world, Stack(escrow)), OutcomeUnknown)
    assert isinstance(ask(world, GiveBack(escrow)), OutcomeUnknown)


def test_a_decision_said_again_while_nobody_answers_is_not_said_to_be_unbegun(world: World) -> None:
    escrow = insert(world)
    first = world.ask("bills", Stack(escrow))
    world.hand("cut", device="bills")
    world.wait_for(first)
    assert isinstance(world.duel.finished[first], OutcomeUnknown)
    assert world.conversation("bills").state is DeviceState.ABSENT
    assert isinstance(ask(world, Stack(escrow)), OutcomeUnknown)
    assert isinstance(ask(world, GiveBack(escrow)), Refused)
    assert isinstance(ask(world, Stack(escrow + 1)), TransportError)


def test_disabling_gives_back_what_is_held(world: World) -> None:
    insert(world)
    assert ask(world, Disable()) is None
    world.duel.run(within_s=5)
    assert len(world.duel.told(BillReturned)) == 1
    assert world.conversation("bills").state is DeviceState.DISABLED


def test_a_note_nobody_decided_about_goes_back_after_a_restart(world: World) -> None:
    insert(world)
    world.duel.trouble("crash", 1.0)
    world.heal()
    assert len(world.duel.facts("bill_returned")) == len(world.duel.told(BillReturned)) == 1


def test_a_note_that_was_ordered_into_the_cassette_goes_there_after_a_restart(world: World) -> None:
    escrow = insert(world)
    world.ask("bills", Stack(escrow))
    world.duel.run(within_s=0.001)
    world.duel.trouble("crash", 1.0)
    world.heal()
    assert len(world.duel.facts("bill_stacked")) + len(world.duel.facts("bill_returned")) == 1
    assert len(world.duel.told(BillStacked, BillReturned)) == 1


def test_the_link_s_end_leaves_it_unknown_and_a_late_event_settles_it(world: World) -> None:
    escrow = insert(world)
    ticket = world.ask("bills", Stack(escrow))
    world.duel.run(within_s=0.3)
    world.duel.trouble("unplug", 6.0)
    world.wait_for(ticket)
    assert isinstance(world.duel.finished[ticket], OutcomeUnknown)
    world.heal()
    assert last(world, BillStacked) == BillStacked(bill=NOTE, escrow=escrow, late=True)


@pytest.mark.parametrize("tells", ["on", "off"])
def test_a_power_cut_with_a_note_in_escrow(tells: str) -> None:
    world = make(options={"bills_tell": tells})
    escrow = insert(world)
    world.duel.trouble("blackout", 1.0)
    world.heal()
    if tells == "on":
        assert last(world, BillReturned) == BillReturned(bill=NOTE, escrow=escrow, late=True)
    else:
        assert last(world, BillUnclear).escrow == escrow


def test_a_validator_that_stacks_without_asking_is_believed(world: World) -> None:
    validator(world).push(2, 0)
    world.duel.run(within_s=1)
    assert last(world, BillStacked) == BillStacked(bill=NOTE, escrow=None, unclaimed=True)


def test_another_note_in_escrow_leaves_the_first_unclear(world: World) -> None:
    insert(world)
    validator(world).push(3, 1)
    world.duel.run(within_s=1)
    assert last(world, BillUnclear).bill == NOTE
    validator(world).push(1, 0)
    world.duel.run(within_s=1)
    assert len(world.duel.told(BillUnclear)) == 2
    assert last(world, BillStacked).bill == Money(50000, "KZT")


def test_what_else_a_validator_tells(world: World) -> None:
    for code, kind in (
        (2, BillRejected), (4, BillRejected), (6, Jammed), (8, Tampered), (14, CassetteFull), (10, None), (0, None),
        (17, Tampered), (21, BillHeldBack),
    ):  # fmt: skip
        before = len(world.duel.events)
        validator(world).push(0, code)
        world.duel.run(within_s=1)
        told = [type(each.event) for each in world.duel.events[before:]]
        assert kind is None or kind in told
    validator(world).push(9, 0)
    validator(world).push(9, 1)
    world.duel.run(within_s=1)
    assert "dispute" in last(world, BillHeldBack).words


def test_without_its_cassette_it_is_out_of_service(world: World) -> None:
    world.hand("remove_cassette")
    world.duel.run(within_s=1)
    assert world.conversation("bills").state is DeviceState.FAULT
    assert len(world.duel.told(CassetteRemoved)) == 1
    world.hand("insert_cassette")
    world.duel.run(within_s=7)
    assert len(world.duel.told(CassetteReturned)) == 1
    assert world.conversation("bills").state is DeviceState.READY
    assert ask(world, Stack(insert(world))) == NOTE


def test_a_jam_is_a_fault_until_it_is_freed(world: World) -> None:
    world.hand("jam", device="bills")
    world.duel.run(within_s=2)
    assert world.conversation("bills").state is DeviceState.FAULT
    world.hand("free", device="bills")
    world.duel.run(within_s=7)
    assert world.conversation("bills").state is DeviceState.READY


def test_one_that_began_anew_is_set_up_again(world: World) -> None:
    world.hand("reset", device="bills")
    world.duel.run(within_s=5)
    assert len(world.duel.told(CreditsLost)) == 1
    assert ask(world, Stack(insert(world))) == NOTE


def test_what_cannot_be_is_refused(world: World) -> None:
    assert isinstance(ask(world, Enable(frozenset({Money(7, "KZT")}))), Refused)
    assert isinstance(ask(world, Stack(7)), Refused)
    assert isinstance(ask(world, Hold(7, 1.0)), Refused)
    assert isinstance(ask(world, PayOut(1, "a")), LocalProtocolError)
    world.hand("cut", device="bills")
    world.duel.run(within_s=4)
    assert isinstance(ask(world, Enable(None)), TransportError)
    assert ask(world, Disable()) is None


def test_leaving_gives_back_what_is_held(world: World) -> None:
    insert(world)
    left = world.duel.command(Leave("bills"))
    world.wait_for(left)
    assert len(world.duel.facts("bill_returned")) == len(world.duel.told(BillReturned)) == 1


@pytest.mark.parametrize("held", [5, {}, {"escrow": 1}, {"escrow": 1, "type": 1, "minor": 1, "currency": "x",
                                                         "wish": "", "doubtful": False}])  # fmt: skip
def test_a_damaged_note_in_memory_is_none(held: object) -> None:
    world = World(("bills",))
    world.duel.memories["bills"] = {"held": held, "counter": 0, "serial": "404040"}
    world.duel.trouble("crash", 0.1)
    world.duel.run(within_s=20)
    assert world.conversation("bills").is_up
