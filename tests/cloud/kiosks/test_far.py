"""A kiosk that comes to one hub while another holds it: one socket in the end, and two boxes are never one."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from cloud.kiosks.far import AreYouThere, Arrived, HereIAm, Judged
from cloud.kiosks.gossip import KiosksListed, KiosksMoved, KiosksStand
from tests.cloud.hub import until
from tests.cloud.kiosks.hubs import Hub, Wire, hubs, quick, virtual
from tests.cloud.local_bus import LocalNet
from wire.problems import CloseCode

REPLACED, DUPLICATE, CLONED = int(CloseCode.REPLACED), int(CloseCode.DUPLICATE), int(CloseCode.CLONED)


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with quick():
        yield


async def known(*others: Hub, at: Hub) -> None:
    """Wait until the others know that the kiosk is there."""
    await until(lambda: all(hub.knows() == at.bus.name for hub in others))


def clean(*every: Hub) -> None:
    """Nobody waits for anything any more."""
    for hub in every:
        assert hub.presence._asking._waiting == {}
        assert all(link.newcomer is None for link in hub.links.all())


@virtual
async def test_the_same_run_of_a_box_moves_at_once_and_the_older_socket_is_closed_there() -> None:
    async with hubs(LocalNet(), 3) as (one, two, three):
        older = one.open(dead=True)  # half open: it answers nothing
        await known(two, three, at=one)
        newer = two.open()
        assert not newer.is_welcome  # not before the other hub has judged
        await until(lambda: newer.is_welcome)
        assert (older.code, one.holds(), one.lost) == (REPLACED, False, ["kiosk_001"])
        assert newer.link.epoch > older.link.epoch
        await known(one, three, at=two)
        assert two.knows() == ""
        assert (one.links.connected, two.links.connected) == (0, 1)
        clean(one, two)


@virtual
async def test_a_box_that_was_started_anew_waits_for_a_ping_as_on_one_hub() -> None:
    async with hubs(LocalNet()) as (one, two):
        older = one.open(box="one", dead=True)
        older.link.admitted = None
        await known(two, at=one)
        began = asyncio.get_running_loop().time()
        newer = two.open(box="two", journal="journal-one")
        await until(lambda: newer.is_welcome)
        assert asyncio.get_running_loop().time() - began > 0.15
        assert (older.code, one.alarms) == (REPLACED, [])


@virtual
async def test_a_second_box_is_turned_away_where_it_comes_and_the_alarm_is_the_holders() -> None:
    async with hubs(LocalNet()) as (one, two):
        older = one.open(box="one")
        await known(two, at=one)
        newer = two.open(box="two")
        await until(lambda: not newer.is_open)
        assert (newer.code, older.is_open, one.holds()) == (DUPLICATE, True, True)
        assert [kiosk_id for kiosk_id, _ in one.alarms] == ["kiosk_001"]
        assert (one.links.duplicated, two.links.duplicated) == (1, 0)
        refusal = two.links.last_refusal("kiosk_001")
        assert refusal is not None
        assert refusal.code == DUPLICATE
        assert one.links.last_refusal("kiosk_001") is None  # it is noted where it happened
        clean(one, two)


@virtual
async def test_a_copy_of_a_disk_is_told_so() -> None:
    async with hubs(LocalNet()) as (one, two):
        one.open(box="one", journal="same")
        await known(two, at=one)
        newer = two.open(box="two", journal="same")
        await until(lambda: not newer.is_open)
        assert newer.code == CLONED


@virtual
async def test_a_box_that_ran_while_another_surely_lived_is_no_new_start_of_it() -> None:
    async with hubs(LocalNet()) as (one, two):
        older = one.open(box="one", dead=True)
        await known(two, at=one)
        # The older has just answered, and the newcomer has been running for an hour.
        older.link.identity.alive(asyncio.get_running_loop().time())
        newer = two.open(box="two", journal="journal-one", uptime=3600.0)
        await until(lambda: not newer.is_open)
        assert newer.code == CLONED


@virtual
async def test_first_dialect_moves_from_the_same_address_and_is_kept_out_from_another() -> None:
    async with hubs(LocalNet()) as (one, two):
        older = one.open(box="one", v1=True)
        assert older.link.ready
        await known(two, at=one)
        seen = two.presence.get("kiosk_001")
        assert seen is not None
        assert seen.is_v1
        other = two.open(box="three", v1=True)
        await until(lambda: not other.is_open)
        assert (other.code, older.is_open) == (DUPLICATE, True)
        same = two.open(box="one", v1=True)
        await until(two.holds)
        assert (same.is_open, older.code) == (True, REPLACED)


@virtual
async def test_without_the_bus_it_is_let_in_at_once_and_the_older_is_closed_when_it_is_back() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        older = one.open()
        await known(two, at=one)
        net.down()
        newer = two.open()
        assert newer.is_welcome
        assert older.is_open
        net.up()
        await until(lambda: not older.is_open)
        assert (older.code, newer.is_open) == (REPLACED, True)
        await known(one, at=two)
        await until(lambda: not two.knows())


@pytest.mark.parametrize("lost", [(Arrived,), (Judged,), (Arrived, AreYouThere), (HereIAm, Judged)])
@virtual
async def test_a_holder_that_does_not_answer_keeps_nobody_waiting(lost: tuple[type, ...]) -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        older = one.open()
        await known(two, at=one)
        net.lose(*lost)
        newer = two.open()
        await until(lambda: newer.is_welcome)
        await until(lambda: not older.is_open)  # by the greater epoch
        assert older.code == REPLACED
        clean(one, two)


@virtual
async def test_a_silent_hub_is_waited_for_once_and_not_by_each_of_a_thousand() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        for number in range(200):
            one.open(f"kiosk_{number}")
        await until(lambda: len(two.presence.all()) == 200)
        net.lose(Arrived, AreYouThere)
        first = [two.open(f"kiosk_{number}") for number in range(100)]
        await until(lambda: all(wire.is_welcome for wire in first))
        assert two.open("kiosk_150").is_welcome
        net.found()
        await until(lambda: one.links.connected == 99)


@virtual
async def test_a_hub_that_dies_while_it_is_asked_is_not_waited_for() -> None:
    net = LocalNet(patience=0.02)
    async with hubs(net) as (one, two):
        one.open()
        await known(two, at=one)
        net.lose(Arrived, AreYouThere)
        newer = two.open()
        net.cut(one.bus)
        await until(lambda: newer.is_welcome)
        clean(two)


@virtual
async def test_a_kiosk_that_left_the_holder_meanwhile_is_let_in() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        older = one.open()
        await known(two, at=one)
        net.lose(Arrived, AreYouThere)
        newer = two.open()
        older.hang_up()
        await until(lambda: newer.is_welcome)


@virtual
async def test_who_is_not_there_any_more_when_judged_is_not_let_in() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        one.open(dead=True)
        await known(two, at=one)
        newer = two.open(box="two", journal="journal-one")
        newer.hang_up()
        await asyncio.sleep(0.4)
        assert not two.holds()
        clean(one, two)


@virtual
async def test_a_later_newcomer_takes_the_earlier_ones_place_in_line() -> None:
    net = LocalNet()
    async with hubs(net, 3) as (one, two, three):
        one.open(dead=True)
        await known(two, three, at=one)
        early = two.open(box="two", journal="journal-one")
        await asyncio.sleep(0.05)
        late = three.open(box="three", journal="journal-one")
        await until(lambda: late.is_welcome)
        assert (early.code, late.is_open, one.holds()) == (REPLACED, True, False)
        clean(one, two, three)


@virtual
async def test_a_newcomer_here_and_the_kiosk_lost_here_is_asked_for_where_it_is_now() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        here = one.open(dead=True)
        waits = one.open(box="two")  # for the pong of the first
        here.hang_up()
        await until(lambda: waits.is_welcome)
        clean(one, two)


@virtual
async def test_a_disabled_kiosk_is_closed_while_it_waits() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        one.open(dead=True)
        await known(two, at=one)
        newer = two.open(box="two", journal="journal-one")
        assert newer.link.came_with == 0
        two.links.close("kiosk_001", CloseCode.FORBIDDEN, "the kiosk is disabled")
        assert newer.code == int(CloseCode.FORBIDDEN)
        clean(two)


@virtual
async def test_what_closes_a_newcomer_at_the_holder_for_its_own_reasons_does_not_close_it_here() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        one.open(dead=True)
        await known(two, at=one)
        newer = two.open(box="two", journal="journal-one")
        await until(lambda: one.links.get("kiosk_001").newcomer is not None)  # type: ignore[union-attr]
        one.links.close("kiosk_001", CloseCode.BAD_TOKEN, "the kiosk has a newer token")
        await until(lambda: newer.is_welcome)


@virtual
async def test_both_hubs_hold_it_after_lost_messages_until_the_greater_epoch_is_heard() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        net.lose(KiosksMoved, KiosksStand, KiosksListed)
        older = one.open()
        await asyncio.sleep(0.02)
        newer = two.open()
        assert older.is_open
        assert newer.is_welcome
        net.found()
        await until(lambda: not older.is_open)
        assert (older.code, newer.is_open) == (REPLACED, True)


@virtual
async def test_a_kiosk_that_flaps_between_hubs_has_one_socket_in_the_end_and_nothing_is_left() -> None:
    net, chance = LocalNet(), random.Random(11)
    async with hubs(net, 4) as every:
        wires: list[Wire] = []
        loses = net.lose(KiosksMoved, Arrived, Judged)
        net.losing[:] = [lambda *message: chance.random() < 0.1 and loses(*message)]
        for number in range(1000):
            wires.append(chance.choice(every).open(dead=chance.random() < 0.5))
            if chance.random() < 0.3:
                chance.choice(wires).hang_up()
            if number % 10 == 0:
                await asyncio.sleep(chance.random() * 0.01)
        net.found()
        await until(lambda: sum(wire.is_open for wire in wires) <= 1)
        last = every[0].open()  # as a kiosk that was cut off comes again
        wires.append(last)
        await until(lambda: last.is_welcome)
        await until(lambda: [wire for wire in wires if wire.is_open] == [last])
        await known(*every[1:], at=every[0])
        await until(lambda: not every[0].knows())
        await until(lambda: not any(hub.presence._fetches for hub in every))  # the last pages are still on their way
        assert sum(hub.links.connected for hub in every) == 1
        clean(*every)
        for hub in every:
            assert len(list(hub.links.all())) <= 1


@virtual
async def test_two_boxes_at_two_hubs_do_not_take_the_kiosk_from_each_other() -> None:
    net = LocalNet()
    async with hubs(net) as (one, two):
        right = one.open(box="one")
        await known(two, at=one)
        for _ in range(20):
            wrong = two.open(box="two")
            await until(lambda wire=wrong: not wire.is_open)
        assert right.is_open
        assert len(one.alarms) == 1  # once a minute


@virtual
async def test_the_place_of_a_box_that_went_away_is_kept_at_other_hubs_too_once_two_were_seen() -> None:
    net = LocalNet()
    async with hubs(net, 3) as (one, two, three):
        right = one.open(box="one")
        await known(two, three, at=one)
        wrong = two.open(box="two")
        await until(lambda: not wrong.is_open)
        right.hang_up()
        await until(lambda: not two.knows() and not three.knows())
        for hub in (two, three):
            again = hub.open(box="two")
            await until(lambda wire=again: not wire.is_open)
            assert again.code == DUPLICATE
        back = three.open(box="one")
        await until(lambda: back.is_welcome)
        clean(one, two, three)


@virtual
async def test_a_doubt_ends_with_the_hub_that_had_it() -> None:
    net = LocalNet(patience=0.02)
    async with hubs(net) as (one, two):
        right = one.open(box="one")
        await known(two, at=one)
        wrong = two.open(box="two")
        await until(lambda: not wrong.is_open)
        right.hang_up()
        net.cut(one.bus)
        await until(lambda: not two.bus.lives(one.bus.me))
        assert two.open(box="two").is_welcome


@virtual
async def test_more_than_a_hub_can_judge_at_once_are_let_in_and_the_older_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cloud.kiosks.far._JUDGING_MOST", 5)
    async with hubs(LocalNet()) as (one, two):
        older = [one.open(f"kiosk_{number}", dead=True) for number in range(20)]
        await until(lambda: len(two.presence.all()) == 20)
        newer = [two.open(f"kiosk_{number}", box="two", journal="journal-one") for number in range(20)]
        await until(lambda: sum(wire.is_welcome for wire in newer) == 15)
        await until(lambda: all(wire.is_welcome for wire in newer))
        await until(lambda: all(wire.code == REPLACED for wire in older))
        clean(one, two)


@pytest.mark.parametrize("where", ["the older hub", "a third hub", "a third hub that heard that it left"])
@virtual
async def test_a_second_box_that_comes_before_the_newer_hub_has_told_that_it_holds_the_kiosk(where: str) -> None:
    net = LocalNet()
    async with hubs(net, 3) as (one, two, three):
        one.open(box="one", dead=True)
        await known(two, three, at=one)
        lost = {two.bus.me} if where.endswith("left") else {one.bus.me, two.bus.me}

        def not_told(sender: str, _receiver: str, message: object) -> bool:
            return isinstance(message, (KiosksMoved, KiosksStand, KiosksListed)) and sender in lost

        net.losing.append(not_told)
        right = two.open(box="one")
        await until(lambda: right.is_welcome)
        if where.endswith("left"):
            await until(lambda: not three.knows())
        wrong = (one if where == "the older hub" else three).open(box="two")
        await until(lambda: not wrong.is_open)
        assert (wrong.code, right.is_open) == (DUPLICATE, True)
        assert [kiosk_id for kiosk_id, _ in two.alarms] == ["kiosk_001"]
        net.found()
        await known(one, three, at=two)
        assert all(not hub.presence._asking._given_to("kiosk_001") for hub in (one, two, three))
        clean(one, two, three)
