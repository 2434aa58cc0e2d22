"""A hopper's conversation."""

from typing import Any

import pytest

from hardware.bills import Stack
from hardware.cctalk.frames import BUSY, HOST, Frame, Sum, encode
from hardware.cctalk.hopper import HopperConversation
from hardware.cctalk.payout import PayOut
from hardware.cctalk.protocol import BusProtocol, Leave
from hardware.cctalk.simulated_cash import SimulatedHopper
from hardware.cctalk.simulator import CctalkBusSimulator
from hardware.cctalk.states import HopperFlag
from hardware.errors import DeviceFault, LocalProtocolError, OutcomeUnknown, Refused, TransportError
from hardware.events import DeviceState, PayoutBegan, PayoutEnded, PayoutUnclear
from hardware.roles import Payout
from tests.hardware.cctalk.schedules import COIN, World
from wire.money import Money


@pytest.fixture
def world() -> World:
    made = World(("hopper",))
    made.enable()
    return made


def hopper(world: World) -> SimulatedHopper:
    assert isinstance(world.duel.simulator, CctalkBusSimulator)
    found = world.duel.simulator.devices["hopper"]
    assert isinstance(found, SimulatedHopper)
    return found


def pay(world: World, count: int = 3, reference: str = "a") -> Any:
    ticket = world.ask("hopper", PayOut(count, reference))
    world.wait_for(ticket)
    return world.duel.finished[ticket]


def orders(world: World) -> int:
    return sum(1 for _, who, data in world.duel.sent if who == "host" and data[3] == 167)


def test_it_pays_and_says_so(world: World) -> None:
    assert pay(world) == Payout(asked=3, paid=3)
    assert len(world.duel.facts("coin_paid")) == 3
    assert orders(world) == 1


def test_the_same_reference_is_not_paid_twice(world: World) -> None:
    first = world.ask("hopper", PayOut(3, "a"))
    world.duel.run(until=lambda: bool(world.duel.told(PayoutBegan)), within_s=9)
    second = world.ask("hopper", PayOut(3, "a"))
    world.wait_for(first, second)
    assert world.duel.finished[first] == world.duel.finished[second] == pay(world) == Payout(asked=3, paid=3)
    world.duel.trouble("crash")
    world.heal()
    assert pay(world) == Payout(asked=3, paid=3)
    assert orders(world) == 1


def test_a_jam_and_an_empty_hopper_pay_less_and_say_why(world: World) -> None:
    hopper(world).store["stock"] = 2
    result = pay(world)
    assert (result.paid, result.words) == (2, "a payout took too long: the hopper is empty or jammed")
    world.hand("fill_hopper", coins="9")
    world.hand("jam", device="hopper")
    result = pay(world, 1, "b")
    assert (result.paid, result.words) == (0, "the motor drew too much current: coins are jammed")
    world.hand("free", device="hopper")
    assert pay(world, 1, "c") == Payout(asked=1, paid=1)


def test_an_order_that_was_lost_is_sent_again_when_that_is_certain(world: World) -> None:
    # Requests until the order: test, status twice, total twice, enable.
    world.duel.to_device.once.clear()
    sent = []
    original = world.duel.to_device.carry

    def carry(data: bytes) -> list[tuple[float, bytes]]:
        if data[3] == 167:
            sent.append(data)
            if len(sent) == 1:
                return []
        return original(data)

    world.duel.to_device.carry = carry  # type: ignore[method-assign]
    assert pay(world) == Payout(asked=3, paid=3)
    assert len(sent) == 2
    assert len(world.duel.facts("coin_paid")) == 3


def test_an_answer_that_was_lost_is_no_reason_to_send_it_again(world: World) -> None:
    original = world.duel.to_host.carry
    dropped = []

    def carry(data: bytes) -> list[tuple[float, bytes]]:
        if orders(world) == 1 and len(dropped) < 2:
            dropped.append(data)
            return []
        return original(data)

    world.duel.to_host.carry = carry  # type: ignore[method-assign]
    assert pay(world) == Payout(asked=3, paid=3)
    assert orders(world) == 1


def test_a_power_cut_in_a_payout_is_told_by_what_it_keeps(world: World) -> None:
    ticket = world.ask("hopper", PayOut(5, "a"))
    world.duel.run(until=lambda: len(world.duel.facts("coin_paid")) == 2, within_s=20)
    world.duel.trouble("blackout", 5.0)
    world.wait_for(ticket)
    assert isinstance(world.duel.finished[ticket], OutcomeUnknown)
    world.heal()
    [ended] = world.duel.told(PayoutEnded)
    assert isinstance(ended, PayoutEnded)
    assert (ended.paid, ended.late) == (2, True)
    assert "power" in ended.words
    assert pay(world, 5, "a") == Payout(asked=5, paid=2, words=ended.words)


def test_damaged_counters_make_it_unclear(world: World) -> None:
    world.ask("hopper", PayOut(5, "a"))
    world.duel.run(until=lambda: len(world.duel.facts("coin_paid")) == 2, within_s=20)
    world.hand("damage_counters")
    world.duel.trouble("blackout", 5.0)
    world.heal()
    [unclear] = world.duel.told(PayoutUnclear)
    assert isinstance(unclear, PayoutUnclear)
    assert "count the hopper" in unclear.remedy
    assert isinstance(pay(world, 5, "a"), OutcomeUnknown)
    assert orders(world) == 1


def test_another_hopper_in_its_place_makes_it_unclear(world: World) -> None:
    world.ask("hopper", PayOut(5, "a"))
    world.duel.run(until=lambda: bool(world.duel.facts("coin_paid")), within_s=20)
    world.duel.trouble("crash", 5.0)
    hopper(world).serial = 9
    world.heal()
    assert len(world.duel.told(PayoutUnclear)) == 1


def test_a_payout_that_was_open_is_told_in_the_coins_that_it_was_of(world: World) -> None:
    world.ask("hopper", PayOut(5, "a"))
    world.duel.run(until=lambda: bool(world.duel.facts("coin_paid")), within_s=20)
    world.duel.trouble("crash", 5.0)
    world.duel._make_protocol = lambda memories: BusProtocol(
        [HopperConversation("hopper", 3, Sum.SUM8, memories["hopper"], coin=Money(5000, "KZT"))]
    )
    world.heal()
    [ended] = world.duel.told(PayoutEnded)
    assert isinstance(ended, PayoutEnded)
    assert (ended.paid, ended.coin) == (5, COIN)
    world.wait_for(world.ask("hopper", PayOut(1, "b")))
    assert [event.coin for event in world.duel.told(PayoutEnded)] == [COIN, Money(5000, "KZT")]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kept", [{"reference": "a"}, {"reference": "a", "asked": 5, "counter": "x"}, {"counter": 300}])
def test_a_payout_whose_record_is_damaged_is_unclear_and_not_paid_again(world: World, kept: dict[str, object]) -> None:
    world.ask("hopper", PayOut(5, "a"))
    world.duel.run(until=lambda: bool(world.duel.facts("coin_paid")), within_s=20)
    world.duel.trouble("crash", 5.0)
    memory = dict(world.duel.memories["hopper"])
    payout = memory["payout"]
    assert isinstance(payout, dict)
    memory["payout"] = {**payout, **kept} if "reference" not in kept else kept
    world.duel.memories["hopper"] = memory
    world.heal()
    [unclear] = world.duel.told(PayoutUnclear)
    assert isinstance(unclear, PayoutUnclear)
    assert unclear.reference == "a"
    assert isinstance(pay(world, 5, "a"), OutcomeUnknown)
    assert orders(world) == 1


def test_what_cannot_be_is_refused(world: World) -> None:
    assert isinstance(pay(world, 0), Refused)
    assert isinstance(pay(world, 256), Refused)
    ticket = world.ask("hopper", Stack(1))
    world.wait_for(ticket)
    assert isinstance(world.duel.finished[ticket], LocalProtocolError)


def test_a_hopper_that_wants_another_code_refuses(world: World) -> None:
    hopper(world)._secret = False
    refused = pay(world)
    assert isinstance(refused, Refused)
    assert "security code" in str(refused)
    [ended] = world.duel.told(PayoutEnded)
    assert isinstance(ended, PayoutEnded)
    assert ended.paid == 0
    assert isinstance(pay(world), Refused)
    assert orders(world) == 1


@pytest.mark.parametrize("flag", [HopperFlag.ENCRYPTED, HopperFlag.PIN, HopperFlag.COIL])
def test_flags_that_hinder_it_are_told(flag: HopperFlag) -> None:
    world = World(("hopper",))
    device = hopper(world)
    begin = device.begin

    def broken(now: float) -> None:
        begin(now)
        device.flags |= flag

    device.begin = broken  # type: ignore[method-assign]
    device.begin(0.0)
    world.duel.run(within_s=12)
    assert world.conversation("hopper").state is DeviceState.FAULT
    assert isinstance(pay(world), DeviceFault)
    device.begin = begin  # type: ignore[method-assign]
    world.duel.run(within_s=15)
    assert world.conversation("hopper").state is DeviceState.READY


def test_closing_stops_a_payout_and_tells_what_left(world: World) -> None:
    ticket = world.ask("hopper", PayOut(50, "a"))
    world.duel.run(until=lambda: len(world.duel.facts("coin_paid")) == 3, within_s=20)
    left = world.duel.command(Leave("hopper"))
    world.wait_for(ticket, left, within_s=20)
    result = world.duel.finished[ticket]
    assert isinstance(result, Payout)
    assert result.paid == len(world.duel.facts("coin_paid")) < 10


def test_without_the_hopper_nothing_is_begun(world: World) -> None:
    world.hand("cut", device="hopper")
    world.duel.run(within_s=5)
    assert isinstance(pay(world), TransportError)
    assert world.duel.told(PayoutBegan) == []


def test_coins_that_nobody_asked_for_are_told(world: World) -> None:
    world.duel.run(within_s=2)
    hopper(world).enabled = True
    hopper(world).answer(167, hopper(world).serial.to_bytes(3, "little") + b"\x01", world.duel.now)
    world.duel.run(within_s=5)
    assert any("nobody here asked for" in words for words in world.duel.said)


def test_a_hopper_without_total_that_could_be_either_is_unclear() -> None:
    world = World(("hopper",), options={"hopper_flags": "1", "hopper_total": "off"})
    world.enable()
    assert pay(world, 3, "a") == Payout(asked=3, paid=3)
    world.ask("hopper", PayOut(3, "b"))
    world.duel.run(until=lambda: len(world.duel.facts("coin_paid")) == 4, within_s=20)
    world.duel.trouble("blackout", 5.0)
    world.heal()
    assert len(world.duel.told(PayoutUnclear)) == 1


def test_an_order_that_is_answered_busy_is_not_repeated_by_habit(world: World) -> None:
    """It may be an answer that was garbled: only the event counter says whether it was taken."""
    carried = world.duel.to_host.carry

    def carry(data: bytes) -> list[tuple[float, bytes]]:
        if data[:1] == b"\x01" and len(data) == 6 and orders(world) == 1 and not hopper(world).store["paid"]:
            data = encode(Frame(HOST, BUSY, b"", 3), Sum.SUM8)
        return carried(data)

    world.duel.to_host.carry = carry  # type: ignore[method-assign]
    assert pay(world) == Payout(asked=3, paid=3)
    assert orders(world) == 1


def test_a_hopper_that_always_says_it_is_paying_begins_nothing_and_hangs_nobody(world: World) -> None:
    device = hopper(world)
    device.on_166 = lambda data, now: bytes((device.counter, 7, 0, 0))  # type: ignore[method-assign]
    ticket = world.ask("hopper", PayOut(3, "a"))
    world.wait_for(ticket, within_s=85.0)
    assert isinstance(world.duel.finished[ticket], DeviceFault)
    assert world.duel.told(PayoutBegan) == []
    assert orders(world) == 0


def test_a_hopper_that_pays_for_somebody_else_is_left_at_once(world: World) -> None:
    device = hopper(world)
    device.on_166 = lambda data, now: bytes((device.counter, 7, 0, 0))  # type: ignore[method-assign]
    ticket = world.ask("hopper", PayOut(3, "a"))
    world.duel.run(within_s=3.0)
    left = world.duel.command(Leave("hopper"))
    world.wait_for(ticket, left, within_s=10.0)
    assert isinstance(world.duel.finished[ticket], Refused)
    assert world.duel.told(PayoutBegan) == []
