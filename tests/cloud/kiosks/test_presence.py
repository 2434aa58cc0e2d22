"""Where every kiosk is, on a bus that loses, delays, stops, and on which hubs come and go."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from cloud.kiosks.gossip import KiosksListed, KiosksMoved, KiosksStand, Known
from tests.cloud.hub import until
from tests.cloud.kiosks.hubs import Hub, hubs, quick, virtual
from tests.cloud.local_bus import LocalNet


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with quick():
        yield


@virtual
async def test_a_kiosk_is_known_at_all_other_hubs_with_what_it_says_of_itself() -> None:
    async with hubs(LocalNet(), 3) as (one, two, three):
        wire = one.open(devices=("bills",))
        assert wire.is_welcome
        await until(lambda: two.knows() == three.knows() == "one")
        seen = two.presence.get("kiosk_001")
        assert seen is not None
        assert (seen.hub, seen.epoch) == (one.bus.me, wire.link.epoch)
        assert (seen.journal, seen.boot_id, seen.routes) == ("journal-one", "boot-one", ("default",))
        assert [device.name for device in seen.devices] == ["bills"]
        assert abs(seen.since - wire.link.connected_at) < 1.0
        assert one.knows() == ""
        assert dict(two.presence.all()) == {"kiosk_001": seen}
        wire.hang_up()
        await until(lambda: not two.knows() and not three.knows())
        assert two.moved == three.moved == ["kiosk_001", "kiosk_001"]


@virtual
async def test_the_epoch_grows_with_each_connection_at_whichever_hub_and_clock() -> None:
    async with hubs(LocalNet()) as (one, two):
        two.bus.offset = -3600.0  # its clock is an hour behind
        epochs = []
        for hub in (one, two, one, two, two):
            wire = hub.open()
            await until(lambda wire=wire: wire.is_welcome)
            epochs.append(wire.link.epoch)
            other = two if hub is one else one
            await until(lambda other=other, hub=hub: other.knows() == hub.bus.name)
        assert epochs == sorted(set(epochs))


@virtual
async def test_a_hub_that_starts_later_reads_the_whole_list_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.kiosks.presence._MOST", 7)
    net = LocalNet()
    async with hubs(net, 1) as (one,):
        for number in range(50):
            one.open(f"kiosk_{number}")
        await until(lambda: not one.presence._telling)
        async with Hub(net.bus("late")).running() as late:
            await until(lambda: len(late.presence.all()) == 50)
            assert one.presence._lists == {}  # nothing is left of the reading


@virtual
async def test_what_is_lost_is_found_by_its_number_and_asked_for() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        wires = [one.open(f"kiosk_{number}") for number in range(5)]
        await until(lambda: len(two.presence.all()) == 5)
        net.lose(KiosksMoved)
        wires[0].hang_up()
        one.open("kiosk_new")
        await asyncio.sleep(0.02)
        net.found()
        await until(lambda: set(two.presence.all()) == {"kiosk_new", *(f"kiosk_{number}" for number in range(1, 5))})
        assert two.moved.count("kiosk_3") == 1  # the others were never in doubt


@virtual
async def test_all_kinds_lost_at_random_heal() -> None:
    net, chance = LocalNet(), random.Random(3)
    async with hubs(net, 3) as (one, two, three):
        net.losing.append(lambda _sender, _receiver, _message: chance.random() < 0.4)
        wires = {}
        for number in range(60):
            hub = chance.choice([one, two, three])
            wires[number] = hub.open(f"kiosk_{number}")
            if number % 3 == 0:
                wires[number].hang_up()
            await asyncio.sleep(0.002)
        net.found()
        left = {f"kiosk_{number}" for number in range(60) if number % 3}
        held = {each: {f"kiosk_{n}" for n, wire in wires.items() if wire.hub is each} & left for each in (one, two)}
        held[three] = left - held[one] - held[two]
        for hub in (one, two, three):
            await until(lambda hub=hub: set(hub.presence.all()) == left - held[hub])


@virtual
async def test_while_the_bus_is_down_hubs_serve_on_and_catch_up_when_it_is_back() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        one.open("stays")
        goes = one.open("goes")
        await until(lambda: len(two.presence.all()) == 2)
        net.down()
        goes.hang_up()
        assert one.open("comes").is_welcome
        await asyncio.sleep(0.1)
        assert set(two.presence.all()) == {"stays", "goes"}  # as they were: nobody can say better
        net.said.clear()
        net.up()
        await until(lambda: set(two.presence.all()) == {"stays", "comes"})
        assert two.moved.count("stays") == 1  # what did not change was not told again


@virtual
async def test_a_bus_back_after_nothing_happened_costs_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    net = LocalNet()
    async with hubs(net, 3) as (one, two, three):
        one.open()
        await until(lambda: two.knows() == three.knows() == "one")
        asked: list[str] = []
        for hub in (one, two, three):
            monkeypatch.setattr(hub.presence, "_fetch", lambda life: asked.append(life) or asyncio.sleep(0))
        net.down()
        await asyncio.sleep(0.1)
        net.up()
        await asyncio.sleep(0.2)
        assert asked == []


@virtual
async def test_a_hub_that_dies_takes_its_kiosks_with_it_and_one_that_is_back_brings_them() -> None:
    net = LocalNet()
    async with hubs(net, 3) as (one, two, three):
        for number in range(10):
            one.open(f"kiosk_{number}")
        two.open("other")
        await until(lambda: len(three.presence.all()) == 11)
        three.moved.clear()
        net.cut(one.bus)
        await until(lambda: set(three.presence.all()) == {"other"})
        assert sorted(three.moved) == [f"kiosk_{number}" for number in range(10)]
        one.open("kiosk_10")
        net.mend(one.bus)
        await until(lambda: len(three.presence.all()) == 12)
        assert set(one.presence.all()) == {"other"}


@virtual
async def test_many_changes_at_once_are_told_on_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.kiosks.presence._AT_ONCE", 10)
    net = LocalNet()
    async with hubs(net) as (one, two):
        for number in range(95):
            one.open(f"kiosk_{number}")
        await until(lambda: len(two.moved) == 95)
        net.cut(one.bus)
        await until(lambda: len(two.moved) == 190)
        assert two.moved[95:] == two.moved[:95]


@virtual
async def test_a_kiosk_that_comes_and_goes_all_the_time_is_told_in_few_messages() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        net.said.clear()
        for _ in range(500):
            one.open().hang_up()
        wire = one.open()
        await until(lambda: two.knows() == "one")
        seen = two.presence.get("kiosk_001")
        assert seen is not None
        assert seen.epoch == wire.link.epoch
        assert sum(isinstance(message, KiosksMoved) for _, _, message in net.said) <= 3


@virtual
async def test_devices_are_told_once_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.kiosks.presence._DEVICES_EVERY", 0.15)
    net = LocalNet()
    async with hubs(net) as (one, two):
        one.open(devices=("bills",))
        await until(lambda: two.knows() == "one")
        net.said.clear()
        for _ in range(100):
            one.presence.changed("kiosk_001")
            await asyncio.sleep(0.003)
        told = [message for _, _, message in net.said if isinstance(message, KiosksMoved)]
        assert 1 < len(told) <= 5
        assert two.moved == ["kiosk_001"]


@virtual
async def test_messages_that_are_late_come_in_order_and_end_in_the_truth() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        net.slow(0.05)
        wires = [one.open(f"kiosk_{number}") for number in range(5)]
        await asyncio.sleep(0.01)
        for wire in wires[:3]:
            wire.hang_up()
        net.slow(0.0)
        await until(lambda: set(two.presence.all()) == {"kiosk_3", "kiosk_4"})
        await until(lambda: one.presence._telling.number == two.presence._known._hubs[one.bus.me].number)
        assert set(two.presence.all()) == {"kiosk_3", "kiosk_4"}


@virtual
async def test_a_list_that_breaks_off_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.kiosks.presence._MOST", 4)
    net = LocalNet()
    async with hubs(net, 1) as (one,):
        for number in range(20):
            one.open(f"kiosk_{number}")
        await until(lambda: not one.presence._telling)
        pages = 0

        def third_page(_sender: str, _receiver: str, message: object) -> bool:
            nonlocal pages
            pages += isinstance(message, KiosksListed)
            return isinstance(message, KiosksListed) and pages == 3

        net.losing.append(third_page)
        async with Hub(net.bus("late")).running() as late:
            await until(lambda: len(late.presence.all()) == 20)


@virtual
async def test_a_mistake_in_one_list_is_logged_and_the_list_is_read_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    net, listed, times = LocalNet(), Known.listed, []

    def mistaken(known: Known, life: str, page: KiosksListed, *, is_first: bool) -> list[str]:
        times.append(life)
        if len(times) == 1:
            raise KeyError("never heard of")
        return listed(known, life, page, is_first=is_first)

    monkeypatch.setattr(Known, "listed", mistaken)
    async with hubs(net, 1) as (one,):
        one.open()
        async with Hub(net.bus("late")).running() as late:
            await until(lambda: late.knows() == "one")
            assert len(times) >= 2
    assert "a hub's kiosks could not be read" in caplog.text


@virtual
async def test_a_kiosk_that_says_too_much_of_itself_fills_no_other_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        for number in range(8):
            one.open(f"kiosk_{number}", devices=tuple(f"{'x' * 240}-{each}" for each in range(1000)))
        monkeypatch.setattr("cloud.kiosks.presence._BYTES_MOST", 20_000)
        await until(lambda: len(two.presence.all()) == 8)
        assert {len(seen.devices) for seen in two.presence.all().values()} == {64}
        told = [message for _, _, message in net.said if isinstance(message, KiosksMoved)]
        assert max(len(message.came) for message in told) <= 2


@virtual
async def test_a_hub_without_others_tells_nothing() -> None:
    net = LocalNet()
    bus = net.bus("alone")
    bus.is_shared = False
    async with Hub(bus).running() as hub:
        assert hub.open().is_welcome
        hub.presence.changed("kiosk_001")
        assert not hub.presence._telling
        assert hub.presence._task is None


@virtual
async def test_the_number_told_now_and_then_is_of_what_was_told() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        for number in range(30):
            one.open(f"kiosk_{number}")
        await until(lambda: len(two.presence.all()) == 30)
        net.said.clear()
        await until(lambda: any(isinstance(message, KiosksStand) for sender, _, message in net.said))
        told = {(m.number, m.count) for sender, _, m in net.said if sender == one.bus.me and isinstance(m, KiosksStand)}
        assert told <= {(one.presence._telling.number, 30)}
