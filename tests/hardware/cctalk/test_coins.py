"""A coin acceptor's conversation."""

import itertools

import pytest

from hardware.bills import AwaitReady, Disable, Enable, Stack
from hardware.cctalk.coins import CoinConversation
from hardware.cctalk.frames import Sum
from hardware.cctalk.simulated_cash import SimulatedCoinAcceptor
from hardware.cctalk.simulator import CctalkBusSimulator
from hardware.errors import DeviceFault, LocalProtocolError, Refused, TransportError
from hardware.events import CoinAccepted, CoinRejected, CreditsLost, DeviceState, Identified, StateChanged, Tampered
from tests.hardware.cctalk.schedules import World
from wire.money import Money


@pytest.fixture
def world() -> World:
    """Enabled."""
    made = World(("coins",))
    made.enable()
    return made


def acceptor(world: World) -> SimulatedCoinAcceptor:
    assert isinstance(world.duel.simulator, CctalkBusSimulator)
    found = world.duel.simulator.devices["coins"]
    assert isinstance(found, SimulatedCoinAcceptor)
    return found


def insert(world: World, count: int = 1, seconds: float = 2.0) -> None:
    for _ in range(count):
        world.hand("insert_coin", minor="10000")
    world.duel.run(within_s=seconds)


def accepted(world: World) -> list[CoinAccepted]:
    return [event for event in world.duel.told(CoinAccepted) if isinstance(event, CoinAccepted)]


def test_a_coin_is_credited_with_its_number_and_path(world: World) -> None:
    insert(world)
    assert accepted(world) == [CoinAccepted(coin=Money(10000, "KZT"), path=1, number=1)]
    assert world.duel.memories["coins"]["counter"] == 1


def test_coins_that_came_while_the_host_was_away_are_credited_late(world: World) -> None:
    world.duel.trouble("crash", 5.0)
    insert(world, 3)
    world.heal()
    assert [(event.number, event.late) for event in accepted(world)] == [(1, True), (2, True), (3, True)]


def test_another_device_s_buffer_is_nobody_s_money(world: World) -> None:
    world.duel.trouble("crash", 5.0)
    world.duel.memories["coins"] = {**world.duel.memories["coins"], "serial": "1"}
    insert(world, 3)
    world.heal()
    assert accepted(world) == []
    assert len(world.duel.told(Identified)) == 2
    insert(world)
    world.wait_for(world.ask("coins", Enable(None)))
    insert(world)
    assert [event.number for event in accepted(world)] == [5]


def test_what_the_device_before_this_one_took_last_may_be_lost_and_is_told(world: World) -> None:
    world.duel.trouble("crash", 5.0)
    acceptor(world).serial += 1
    world.heal()
    [lost] = world.duel.told(CreditsLost)
    assert isinstance(lost, CreditsLost)
    assert lost.at_most is None
    assert "another coin acceptor" in lost.words


def test_another_device_that_has_no_serial_number_is_not_taken_for_silence(world: World) -> None:
    world.duel.trouble("crash", 5.0)
    acceptor(world).on_242 = lambda data, now: None  # type: ignore[method-assign, assignment, return-value]
    world.heal()
    assert world.conversation("coins").state is DeviceState.DISABLED
    assert [event.serial for event in world.duel.told(Identified)][1:] == [""]  # type: ignore[attr-defined]
    assert world.duel.memories["coins"]["serial"] == ""


def test_another_device_is_no_loss_when_the_one_before_took_nothing(world: World) -> None:
    world.wait_for(world.ask("coins", Disable()))
    world.duel.run(within_s=2.0)
    world.duel.trouble("crash", 5.0)
    acceptor(world).serial += 1
    world.heal()
    assert world.duel.told(CreditsLost) == []


def test_a_coin_that_fell_in_when_it_was_told_to_take_no_more_may_be_lost_and_is_told(world: World) -> None:
    insert(world)
    world.hand("insert_coin", minor="10000")
    world.wait_for(world.ask("coins", Disable()))
    world.duel.trouble("crash", 5.0)
    world.duel.run(within_s=2.0)
    world.hand("cut", device="coins")
    world.hand("restore", device="coins")
    world.heal()
    assert len(accepted(world)) == 1
    assert len(world.duel.told(CreditsLost)) == 1


def test_a_device_that_took_no_more_and_has_told_all_loses_nothing_with_its_power(world: World) -> None:
    insert(world)
    world.wait_for(world.ask("coins", Disable()))
    world.duel.run(within_s=2.0)
    assert "taking" not in world.duel.memories["coins"]
    world.duel.trouble("crash", 5.0)
    world.hand("cut", device="coins")
    world.hand("restore", device="coins")
    world.heal()
    assert world.duel.told(CreditsLost) == []


@pytest.mark.parametrize("changed", [{"counter": 300}, {"counter": -7}, {"newest": [1, "x"]}, {"newest": 5}])
def test_a_damaged_memory_is_none(world: World, changed: dict[str, object]) -> None:
    insert(world, 3)
    world.duel.trouble("crash", 5.0)
    world.duel.memories["coins"] = {**world.duel.memories["coins"], **changed}
    world.heal()
    world.wait_for(world.ask("coins", Enable(None)))
    insert(world)
    assert [event.number for event in accepted(world)] == [1, 2, 3, 4]


def test_more_than_the_buffer_holds_is_told_and_the_rest_credited(world: World) -> None:
    world.duel.trouble("crash", 5.0)
    insert(world, 7)
    world.heal()
    assert [event.number for event in accepted(world)] == [3, 4, 5, 6, 7]
    [lost] = world.duel.told(CreditsLost)
    assert isinstance(lost, CreditsLost)
    assert lost.at_most == 2


def test_255_is_followed_by_1(world: World) -> None:
    acceptor(world).counter = 253
    world.duel.memories["coins"] = {**world.duel.memories["coins"], "counter": 253, "newest": [0, 0]}
    world.duel.trouble("crash", 3.0)
    insert(world, 3, 1.0)
    world.heal()
    assert [event.number for event in accepted(world)] == [254, 255, 1]
    assert world.duel.told(CreditsLost) == []


def test_a_device_that_began_anew_is_told_and_takes_coins_again(world: World) -> None:
    insert(world)
    world.hand("reset", device="coins")
    world.duel.run(within_s=5)
    [lost] = world.duel.told(CreditsLost)
    assert isinstance(lost, CreditsLost)
    assert lost.at_most is None
    assert "may be" in lost.words
    insert(world)
    assert [event.number for event in accepted(world)] == [1, 1]


def test_one_that_began_anew_before_its_first_event_is_found_by_its_inhibits(world: World) -> None:
    world.hand("reset", device="coins")
    world.duel.run(within_s=4)
    assert len(world.duel.told(CreditsLost)) == 1
    insert(world)
    assert len(accepted(world)) == 1


def test_one_that_began_anew_while_it_took_nothing_lost_nothing(world: World) -> None:
    insert(world)
    world.wait_for(world.ask("coins", Disable()))
    world.duel.run(within_s=2.0)
    world.hand("reset", device="coins")
    world.duel.run(within_s=5)
    assert world.duel.told(CreditsLost) == []


def test_tricks_and_swallowed_coins_are_told_and_not_credited(world: World) -> None:
    for hand in ("string_trick", "swallow_coin", "insert_slug"):
        world.hand(hand, minor="10000")
        world.duel.run(within_s=2)
    world.hand("press_return")
    world.duel.run(within_s=1)
    rejected = [event for event in world.duel.told(CoinRejected) if isinstance(event, CoinRejected)]
    assert [event.code for event in rejected] == ["20", "36", "25", "254"]
    assert len(world.duel.told(Tampered)) == 1
    assert accepted(world) == []


def test_fillers_are_no_events(world: World) -> None:
    acceptor(world).push(0, 0)
    insert(world)
    assert [event.number for event in accepted(world)] == [2]
    assert world.duel.told(CoinRejected) == []


def test_a_coin_of_unknown_value_is_a_dispute(world: World) -> None:
    acceptor(world).push(9, 1)
    world.duel.run(within_s=1)
    [dispute] = world.duel.told(CoinRejected)
    assert isinstance(dispute, CoinRejected)
    assert "dispute" in dispute.words


def test_only_what_is_wanted_is_taken(world: World) -> None:
    world.wait_for(world.ask("coins", Enable(frozenset({Money(5000, "KZT")}))))
    insert(world)
    assert accepted(world) == []
    ticket = world.ask("coins", Enable(frozenset({Money(7, "KZT")})))
    world.wait_for(ticket)
    assert isinstance(world.duel.finished[ticket], Refused)


def test_a_fault_keeps_it_shut_until_it_is_gone(world: World) -> None:
    acceptor(world).fault = (3,)
    acceptor(world).push(0, 14)
    world.duel.run(within_s=2)
    assert world.conversation("coins").state is DeviceState.FAULT
    assert "credit sensor" in world.conversation("coins").words
    ticket = world.ask("coins", Enable(None))
    world.wait_for(ticket)
    assert isinstance(world.duel.finished[ticket], DeviceFault)
    acceptor(world).fault = (0,)
    world.duel.run(within_s=7)
    assert world.conversation("coins").state is DeviceState.READY


def test_without_the_device_wishes_are_not_begun() -> None:
    world = World(("coins",))
    world.hand("cut", device="coins")
    world.duel.run(within_s=3)
    tickets = [world.ask("coins", wish) for wish in (Enable(None), Disable())]
    world.wait_for(*tickets)
    assert isinstance(world.duel.finished[tickets[0]], TransportError)
    assert world.duel.finished[tickets[1]] is None
    waiting = world.ask("coins", AwaitReady())
    world.hand("restore", device="coins")
    world.wait_for(waiting)
    assert world.duel.finished[waiting] is None
    assert world.conversation("coins").state is DeviceState.DISABLED


def test_a_device_that_goes_while_it_is_enabled(world: World) -> None:
    world.hand("cut", device="coins")
    ticket = world.ask("coins", Enable(None))
    world.wait_for(ticket)
    assert isinstance(world.duel.finished[ticket], TransportError)


def test_a_device_that_answers_the_simple_poll_alone_is_told_in_words() -> None:
    world = World(("coins",))
    device = acceptor(world)
    answer = device.answer
    device.answer = lambda header, data, now: answer(header, data, now) if header == 254 else None  # type: ignore[method-assign]
    world.duel.run(within_s=25)
    status = world.conversation("coins").status
    assert status.state is DeviceState.FAULT
    assert "encryption" in status.words


def test_one_that_refuses_what_it_must_know_is_another_kind() -> None:
    world = World(("coins",))
    acceptor(world).on_229 = lambda data, now: None  # type: ignore[method-assign,assignment]
    world.duel.run(within_s=20)
    assert "another kind of device" in world.conversation("coins").words


def test_it_is_polled_as_often_as_it_wants_and_never_less_than_five_times_a_second() -> None:
    for unit, value, most in ((2, 5, 0.06), (2, 50, 0.21), (0, 255, 0.21), (1, 1, 0.06)):
        world = World(("coins",))
        acceptor(world).poll = bytes((unit, value))
        world.enable()
        begun = world.duel.now
        world.duel.run(within_s=10)
        polls = [at for at, who, data in world.duel.sent if who == "host" and data[3] == 229 and at > begun]
        gaps = sorted(later - at for at, later in itertools.pairwise(polls))
        assert gaps[len(gaps) // 2] <= most


def test_the_sorter_is_set_again_after_each_new_beginning() -> None:
    world = World(("coins",))
    world.duel._make_protocol = lambda memories: _bus(memories["coins"])
    world.duel.trouble("crash", 0.1)
    world.duel.run(within_s=1)
    world.enable()
    world.hand("reset", device="coins")
    world.duel.run(within_s=5)
    insert(world)
    assert [event.path for event in accepted(world)] == [4]


def _bus(memory: object) -> object:
    from hardware.cctalk.protocol import BusProtocol

    assert isinstance(memory, dict)
    coin = Money(10000, "KZT")
    return BusProtocol([CoinConversation("coins", 2, Sum.SUM8, memory, currency="KZT", paths={coin: 4})])


@pytest.mark.parametrize(
    "memory",
    [{"counter": "x", "serial": 5}, {"counter": True}, {"newest": [1]}, {"counter": 999, "serial": "1061013"}, {1: 2}],
)
def test_memory_that_is_damaged_is_no_memory(memory: dict[str, object]) -> None:
    world = World(("coins",))
    world.duel.memories["coins"] = memory
    world.duel.trouble("crash", 0.1)
    world.heal()
    assert world.conversation("coins").is_up


def test_a_wish_of_another_kind_is_a_mistake(world: World) -> None:
    ticket = world.ask("coins", Stack(1))
    world.wait_for(ticket)
    assert isinstance(world.duel.finished[ticket], LocalProtocolError)


def test_states_are_told_once(world: World) -> None:
    world.duel.run(within_s=20)
    states = [event.state for event in world.duel.told(StateChanged) if isinstance(event, StateChanged)]
    assert states == [DeviceState.STARTING, DeviceState.DISABLED, DeviceState.READY]
