"""What a thief would try, what a lawyer would ask, and what bad luck does: the books agree with what lies inside."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.cash.service import CashDesk
from appliance.targets import NeverGot, NotUnderstood
from hardware.errors import TransportError
from hardware.events import BillEscrowed, BillStacked
from tests.appliance.cash.world import BUS, DEVICES, Json, Kiosk, World, body, play
from wire.money import Money


async def filled(kiosk: Kiosk, hopper: int = 50, small: int = 50) -> None:
    """Somebody filled the hoppers and said so."""
    await kiosk.set_level("hopper", 10000, hopper)
    await kiosk.set_level("small", 5000, small)


async def notes(kiosk: Kiosk, *minors: int) -> None:
    await kiosk.stage("collecting")
    for minor in minors:
        before = kiosk.told[-1]["collected"]
        await kiosk.world.insert(minor)
        await kiosk.until(lambda before=before: kiosk.told[-1]["collected"] > before)  # type: ignore[misc]


async def unclaimed(kiosk: Kiosk) -> list[Json]:
    return [msgspec.json.decode(event.data) for event in await kiosk.events("cash-unclaimed")]


# Just in that moment


@pytest.mark.parametrize("before_s", [1.5, 0.9, 0.6, 0.4, 0.3, 0.2, 0.1, 0.0, -0.05, -0.2])
def test_a_note_as_the_time_is_over(tmp_path: Path, before_s: float) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            paying = kiosk.pay(amount=100000, idle_timeout=20)
            news = await kiosk.stage("collecting")
            await asyncio.sleep(news["ends_in"] - before_s)
            world.do("bills", "insert", minor="100000")
            found = body(await paying)
            came, left = world.physical()
            assert found["status"] == ("paid" if came else "timed_out")
            assert (found["collected"], found["change_paid"]) == (came, left) == (came, 0)
            await asyncio.sleep(60)
            assert world.physical() == (came, left)
            assert not await unclaimed(kiosk)

    play(script, tmp_path)


@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("amount", [150000, 100000])
def test_stopped_with_a_note_on_its_way(tmp_path: Path, after_s: float, amount: int) -> None:
    """As `app` stops: operations, each with ten seconds, then what stands below them."""

    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            target = kiosk.target()
            paying = kiosk.pay(target=target, amount=amount)
            await notes(kiosk, 50000)
            await world.insert(50000)
            await asyncio.sleep(after_s)
            target.cancel("r1", "the appliance stops")
            await stop_paying(paying)
        await judged(world, amount)

    play(script, tmp_path)


@pytest.mark.parametrize("after_s", [0.0, 1.0, 4.0])
def test_stopped_while_many_coins_are_paid(tmp_path: Path, after_s: float) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            world.do("hopper", "fill_hopper", coins="200")
            await filled(kiosk, 200)
            paying = kiosk.pay(amount=1, overpay="change", target=kiosk.target(devices=("bills", "hopper")))
            assert isinstance(await paying, NeverGot), "of 1 minor unit no change can be given"
            target = kiosk.target()
            kiosk.told.clear()
            paying = kiosk.pay("r2", target=target, amount=10000)
            await notes(kiosk, 1000000)
            await kiosk.stage("paying")
            await asyncio.sleep(after_s)
            assert not target.cancel("r2", "the appliance stops")
            await stop_paying(paying)
        await judged(world, 10000, "r2")

    play(script, tmp_path)


async def stop_paying(paying: "asyncio.Task[Any]") -> None:
    await asyncio.wait({paying}, timeout=10)
    paying.cancel()
    await asyncio.gather(paying, return_exceptions=True)


async def judged(world: World, amount: int, id: str = "r1") -> None:
    """In the next life, when all is told."""
    async with world.opened() as kiosk:
        result = await kiosk.target().find_out(kiosk.ask(id, amount=amount))
        assert result is not None
        found = body(result)
        await asyncio.sleep(40)
        assert not await unclaimed(kiosk)
        assert not await kiosk.events("cash-cleared")
        assert "unclear" not in found
        assert (found["collected"], found["change_paid"]) == world.physical()
        assert (found["status"] == "paid") == (found["collected"] >= amount)


def test_cancelled_before_it_stands_in_the_book(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            target = kiosk.target()
            paying = kiosk.pay(target=target)
            await asyncio.sleep(0)
            assert target.cancel("r1", "customer")
            found = body(await paying)
            assert (found["status"], found["reason"], found["collected"]) == ("cancelled", "customer", 0)
            assert "collecting" not in kiosk.stages()
            assert not target.cancel("r1", "customer")

    play(script, tmp_path)


# Of others


def test_coins_of_the_customer_before_are_not_the_nexts(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            target = kiosk.target(devices=("bills", "coins"))
            paying = kiosk.pay(target=target, amount=100000, idle_timeout=10)
            await kiosk.stage("collecting")
            await asyncio.sleep(2)
            world.do("coins", "insert_coin", minor="20000")
            await asyncio.sleep(0.3)
            world.do("coins", "line", lost="1")
            first = body(await paying)
            kiosk.told.clear()
            other = kiosk.pay("r2", target=target, amount=30000, overpay="refuse")
            await kiosk.stage("collecting")
            world.do("coins", "line")
            await kiosk.until(lambda: 10000 in kiosk.told[-1]["accepts"])
            await asyncio.sleep(3)
            assert kiosk.told[-1]["collected"] == 0
            await asyncio.sleep(1)
            world.do("coins", "insert_coin", minor="10000")
            await kiosk.stage("collecting", collected=10000)
            await notes(kiosk, 20000)
            assert body(await other)["collected"] == 30000
            await asyncio.sleep(5)
            told = await unclaimed(kiosk)
            assert first["collected"] + sum(each["amount"] for each in told) == 20000
            assert world.physical()[0] == 50000

    play(script, tmp_path)


def test_a_session_that_is_found_late_leaves_the_next_customer_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk could not be read when the appliance started."""
    found_at: list[float] = []
    find = CashDesk._find_cut_off

    async def later(self: CashDesk) -> bool:
        return bool(found_at) and await find(self)

    async def script(world: World) -> None:
        kiosk = await world.start()
        kiosk.pay(amount=150000)
        await notes(kiosk, 50000)
        await world.kill()
        monkeypatch.setattr(CashDesk, "_find_cut_off", later)
        kiosk = await world.start()
        paying = kiosk.pay("r2", amount=150000)
        await notes(kiosk, 100000)
        found_at.append(world.clock.now)
        for _ in range(40):
            await asyncio.sleep(1)
            assert 50000 in kiosk.told[-1]["accepts"], "the devices are taken from the next customer"
        await notes(kiosk, 50000)
        assert body(await paying)["notes"] == {"50000": 1, "100000": 1}
        former = await kiosk.target().find_out(kiosk.ask("r1"))
        assert former is not None
        assert body(former)["notes"] == {"50000": 1}
        assert not await unclaimed(kiosk)
        assert all(each.page.work == "" for each in kiosk.supervisor.all())

    play(script, tmp_path)


def test_a_note_is_waited_for_after_a_power_cut_though_its_device_is_at_rest(tmp_path: Path) -> None:
    note = Money(50000, "KZT")

    async def script(world: World) -> None:
        kiosk = await world.start()
        kiosk.pay(amount=150000)
        await kiosk.stage("collecting")
        await kiosk.supervisor.find("bills").page.record(BillEscrowed(bill=note, escrow=99), None)
        await world.kill()
        async with world.opened() as kiosk:
            await asyncio.sleep(10)
            page = kiosk.supervisor.find("bills").page
            assert page.work == "r1"
            await page.record(BillStacked(bill=note, escrow=99, late=True), None)
            result = await kiosk.target().find_out(kiosk.ask())
            assert result is not None
            found = body(result)
            assert (found["collected"], found["change_owed"], found.get("unclear")) == (50000, 50000, None)

    play(script, tmp_path)


def test_the_same_request_with_another_body_is_the_first(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            target = kiosk.target()
            paying = kiosk.pay(target=target, amount=100000)
            await kiosk.stage("collecting")
            assert isinstance(await target.run(kiosk.ask(amount=50000)), NeverGot)
            await notes(kiosk, 100000)
            found = body(await paying)
            assert body(await target.run(kiosk.ask(amount=1000, overpay="keep"))) == found
            assert world.physical() == (100000, 0)

    play(script, tmp_path)


# Change that is promised


@pytest.mark.parametrize("how", ["fails", "ordered"])
def test_a_hopper_that_is_barred_in_the_middle_is_not_promised(tmp_path: Path, how: str) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk, 5)
            paying = kiosk.pay(amount=180000, target=kiosk.target(devices=("bills", "hopper")), idle_timeout=30)
            assert max((await kiosk.stage("collecting"))["accepts"]) == 200000
            hopper = kiosk.supervisor.find("hopper")
            if how == "ordered":
                await hopper.give_order(in_service=False, reason="repair", nonce=7)
            else:
                for _ in range(3):
                    hopper.went_wrong(TransportError("no answer"))
            assert hopper.hindrance
            await world.insert(200000)
            await asyncio.sleep(1)
            if how == "ordered":
                found = body(await paying)
                assert (found["status"], found["collected"]) == ("timed_out", 0)
                return
            # It went back, as nothing could be given for it; then a probe goes well.
            assert world.physical()[0] == 0
            await kiosk.until(lambda: 200000 in kiosk.told[-1]["accepts"] and not hopper.hindrance)
            await asyncio.sleep(3)
            await kiosk.until(lambda: 200000 in kiosk.told[-1]["accepts"])
            await notes(kiosk, 200000)
            assert body(await paying)["change_paid"] == 20000

    play(script, tmp_path)


@pytest.mark.parametrize("lost_s", [3.0, 15.0, 60.0])
def test_a_second_note_waits_for_one_of_which_nothing_is_heard(tmp_path: Path, lost_s: float) -> None:
    devices = {**DEVICES, "more": {**DEVICES["bills"], "port": ("ccnet", {"pace": "4"}, "more")}}

    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            paying = kiosk.pay(amount=150000, idle_timeout=40)
            await kiosk.stage("collecting")
            await asyncio.sleep(3)
            await world.insert(100000)
            await kiosk.until(lambda: kiosk.told[-1].get("last", {}).get("what") == "note_escrowed")
            world.do("bills", "line", lost="1")
            await world.insert(100000, "more")
            await asyncio.sleep(lost_s)
            world.do("bills", "line")
            found = body(await paying)
            await kiosk.well()
            await asyncio.sleep(40)
            inside = [line["minor"] for name in ("bills", "more") for line in world.ledger(name, "bill_stacked")]
            late = sum(each["amount"] for each in await unclaimed(kiosk))
            assert found["collected"] + late == sum(inside)
            assert found["change_owed"] == (0 if found["status"] == "paid" else found["change_owed"])
            assert found["change_paid"] == world.physical()[1]

    play(script, tmp_path, devices=devices)


def test_a_hoppers_currency_is_none_that_can_be_paid_in(tmp_path: Path) -> None:
    devices = {
        "bills": {"driver": "ccnet", "port": ("ccnet", {"currency": "RUB"}, "bills"), "currency": "RUB"},
        "hopper": {"driver": "cctalk-hopper", "port": BUS, "address": 3, "denomination": 10000},
    }

    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            with pytest.raises(NotUnderstood, match="do not take KZT; right would be RUB"):
                kiosk.target().check(kiosk.ask(currency="KZT"))
            kiosk.target().check(kiosk.ask(currency="RUB"))

    play(script, tmp_path, devices=devices)


# Numbers and clocks


def test_a_currency_without_a_minor_unit(tmp_path: Path) -> None:
    note = {"currency": "JPY", "table": "1000,2000,5000,10000", "country": "JPN"}
    devices = {
        "bills": {"driver": "ccnet", "port": ("ccnet", note, "bills"), "currency": "JPY", "country": "JPN"},
        "hopper": {"driver": "cctalk-hopper", "port": BUS, "address": 3, "coin": "100 JPY"},
    }

    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            paying = kiosk.pay(amount=1800, currency="JPY")
            await notes(kiosk, 2000)
            found = body(await paying)
            assert (found["status"], found["notes"], found["change_paid"]) == ("paid", {"2000": 1}, 200)
            assert len(world.ledger("bus", "coin_paid")) == 2

    play(script, tmp_path, devices=devices)


@pytest.mark.parametrize(("amount", "words"), [(10**15, "from 1 to 1000000000000"), (0, "from 1 to")])
def test_an_amount_beyond_all_measure(tmp_path: Path, amount: int, words: str) -> None:
    async def script(world: World) -> None:
        async with world.opened(well=False) as kiosk:
            with pytest.raises(NotUnderstood, match=words):
                kiosk.target().check(kiosk.ask(amount=amount))

    play(script, tmp_path)


@pytest.mark.parametrize("shift_s", [-1.8e9 - 1e6, 365 * 86400.0])
def test_a_clock_that_jumps(tmp_path: Path, shift_s: float) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            began = world.clock.now
            paying = kiosk.pay(amount=135000)
            await notes(kiosk, 50000)
            world.shift_s = shift_s
            await asyncio.sleep(30)
            await notes(kiosk, 50000)
            world.shift_s = 0.0
            await notes(kiosk, 50000)
            found = body(await paying)
            assert (found["status"], found["change_paid"]) == ("paid", 15000)
            assert world.clock.now - began < 60
            world.shift_s = shift_s
            kiosk.told.clear()
            kiosk.pay("r2", amount=150000)
            await notes(kiosk, 50000)
            world.shift_s = 0.0
            await world.kill()
        kiosk = await world.start(well=False)
        result = await kiosk.target().find_out(kiosk.ask("r2"))
        assert result is not None
        assert body(result)["collected"] == 50000

    play(script, tmp_path)


# A disk that does not take it


@pytest.mark.parametrize("for_s", [5.0, 30.0, 90.0])
@pytest.mark.parametrize("phase", ["opening", "collecting", "held", "closing", "paying", "paid out"])
def test_a_disk_that_fails_in_any_phase(tmp_path: Path, phase: str, for_s: float) -> None:
    async def script(world: World) -> None:
        async with world.opened(well=phase != "opening") as kiosk:
            if phase != "opening":
                await filled(kiosk)
            paying = kiosk.pay(amount=135000)
            if phase == "opening":
                await kiosk.stage("opening")
                await failing(kiosk, for_s)
            else:
                customer = asyncio.ensure_future(put_in(kiosk, paying))
                await kiosk.until(lambda: reached(kiosk, phase))
                await failing(kiosk, for_s)
                customer.cancel()
                await asyncio.gather(customer, return_exceptions=True)
            result = await paying
            await kiosk.well()
            await asyncio.sleep(60)
            assert not await kiosk.events("cash-cleared")
            late = sum(each["amount"] for each in await unclaimed(kiosk))
            if isinstance(result, NeverGot):
                assert world.physical() == (0, 0)
                return
            found = body(result)
            came, left = world.physical()
            assert (found["collected"] + late, found["change_paid"]) == (came, left), found

    play(script, tmp_path)


async def failing(kiosk: Kiosk, for_s: float) -> None:
    kiosk.journal.failing = True
    await asyncio.sleep(for_s)
    kiosk.journal.failing = False


async def put_in(kiosk: Kiosk, paying: "asyncio.Task[Any]") -> None:
    await notes(kiosk, 100000)
    while not paying.done():
        kiosk.world.do("bills", "insert", minor="50000")
        await asyncio.sleep(1)


def reached(kiosk: Kiosk, phase: str) -> bool:
    last = kiosk.told[-1] if kiosk.told else {}
    match phase:
        case "collecting":
            return last.get("collected") == 100000
        case "held":
            return last.get("collected") == 100000 and last.get("last", {}).get("what") == "note_escrowed"
        case "paid out":
            return bool(kiosk.world.ledger("bus", "coin_paid"))
    return last.get("stage") == phase
