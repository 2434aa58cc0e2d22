"""Cash sessions with simulated devices: what is answered, what is in the book, and what really lies in the devices."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.cash.session import Session
from appliance.targets import NeverGot, NotUnderstood
from hardware.events import DeviceState
from tests.appliance.cash.world import Json, Kiosk, World, body, play


async def notes(kiosk: Kiosk, *minors: int) -> None:
    """Put notes in, each once the one before is credited."""
    await kiosk.stage("collecting")
    for minor in minors:
        before = kiosk.told[-1]["collected"]
        await kiosk.world.insert(minor)
        await kiosk.until(lambda before=before: kiosk.told[-1]["collected"] > before)  # type: ignore[misc]


async def filled(kiosk: Kiosk, hopper: int = 50, small: int = 50) -> None:
    """Somebody filled the hoppers and said so."""
    await kiosk.set_level("hopper", 10000, hopper)
    await kiosk.set_level("small", 5000, small)


async def settled(world: World, found: Json) -> None:
    """The simulators agree with what was answered."""
    came, left = world.physical()
    assert came == found["collected"]
    assert found["change_paid"] <= left <= found["change_paid"] + found.get("change_unclear", 0)


def test_exactly_the_amount(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            paying = kiosk.pay(amount=150000, reference="A-17")
            await notes(kiosk, 100000, 50000)
            found = body(await paying)
            assert found == {
                "status": "paid", "amount": 150000, "currency": "KZT", "collected": 150000, "change_paid": 0,
                "change_owed": 0, "notes": {"50000": 1, "100000": 1}, "coins": {}, "reason": "", "reference": "A-17",
            }  # fmt: skip
            assert kiosk.stages() == ["opening", "collecting", "closing", "ended"]
            (told,) = await kiosk.events("cash-ended")
            assert msgspec.json.decode(told.data) == {"work": "r1", **found}
            assert not await kiosk.events("cash-owed")
            assert world.physical() == (150000, 0)
            assert all(each.page.work == "" for each in kiosk.supervisor.all())
            assert not world.do("bills", "insert", minor="50000")["taken"]

    play(script, tmp_path)


def test_change(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            paying = kiosk.pay(amount=135000)
            await notes(kiosk, 100000, 50000)
            found = body(await paying)
            assert (found["status"], found["collected"], found["change_paid"]) == ("paid", 150000, 15000)
            assert world.physical() == (150000, 15000)
            assert (await kiosk.tallies())["hopper"] == {10000: 49}
            assert kiosk.stages() == ["opening", "collecting", "closing", "paying", "ended"]

    play(script, tmp_path)


@pytest.mark.parametrize(("overpay", "level"), [("change", 0), ("refuse", 50)])
def test_a_note_that_cannot_be_handled_is_not_taken(tmp_path: Path, overpay: str, level: int) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk, level, level)
            paying = kiosk.pay(amount=150000, overpay=overpay, idle_timeout=20)
            assert max((await kiosk.stage("collecting"))["accepts"]) == 100000
            await world.insert(200000)
            await asyncio.sleep(5)
            assert kiosk.told[-1]["collected"] == 0
            found = body(await paying)
            assert (found["status"], found["reason"], found["collected"]) == ("timed_out", "idle", 0)
            assert world.physical() == (0, 0)

    play(script, tmp_path)


def test_with_keep_every_note_is_taken_and_nothing_goes_back(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            paying = kiosk.pay(amount=150000, overpay="keep")
            await notes(kiosk, 200000)
            found = body(await paying)
            assert (found["status"], found["kept"], found["change_paid"], found["change_owed"]) == ("paid", 50000, 0, 0)

    play(script, tmp_path)


def test_keep_keeps_nothing_of_a_payment_that_did_not_succeed(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            target = kiosk.target()
            paying = kiosk.pay(amount=150000, overpay="keep", target=target)
            await notes(kiosk, 100000)
            assert target.cancel("r1", "customer")
            found = body(await paying)
            assert (found["status"], found["change_paid"], found.get("kept")) == ("cancelled", 100000, None)

    play(script, tmp_path)


def test_a_coin_above_the_amount_is_given_back_as_change(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            paying = kiosk.pay(amount=15000)
            await kiosk.stage("collecting")
            await asyncio.sleep(2)
            world.do("coins", "insert_coin", minor="20000")
            found = body(await paying)
            assert (found["status"], found["coins"], found["change_paid"]) == ("paid", {"20000": 1}, 5000)
            await settled(world, found)

    play(script, tmp_path)


def test_a_second_coin_that_was_in_already_is_counted(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            paying = kiosk.pay(amount=10000)
            await kiosk.stage("collecting")
            await asyncio.sleep(2)
            world.do("coins", "insert_coin", minor="10000")
            await asyncio.sleep(0.15)
            world.do("coins", "insert_coin", minor="10000")
            found = body(await paying)
            assert (found["collected"], found["change_paid"]) == (20000, 10000)
            await settled(world, found)

    play(script, tmp_path)


def test_a_hopper_that_comes_up_short_is_helped_out_by_another(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            world.do("hopper", "empty_hopper")
            paying = kiosk.pay(amount=170000)
            await notes(kiosk, 200000)
            found = body(await paying)
            assert (found["change_paid"], found["change_owed"]) == (30000, 0)
            assert len(world.ledger("second", "coin_paid")) == 6

    play(script, tmp_path)


def test_what_no_hopper_has_is_owed(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            paying = kiosk.pay(amount=170000)
            await notes(kiosk, 200000)
            world.do("hopper", "empty_hopper")
            world.do("small", "empty_hopper")
            found = body(await paying)
            assert (found["status"], found["change_paid"], found["change_owed"]) == ("paid", 0, 30000)
            (told,) = await kiosk.events("cash-owed")
            owed = msgspec.json.decode(told.data)
            assert (owed["claim"], owed["owed"], owed["work"]) == (found["claim"], 30000, "r1")

    play(script, tmp_path)


def test_a_hopper_nobody_counted_is_believed_until_it_comes_up_short(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            target = kiosk.target(devices=("bills", "hopper"))
            paying = kiosk.pay("r1", target=target, amount=180000)
            await notes(kiosk, 200000)
            assert body(await paying)["change_paid"] == 20000
            world.do("hopper", "empty_hopper")
            paying = kiosk.pay("r2", target=target, amount=180000)
            await notes(kiosk, 200000)
            assert body(await paying)["change_owed"] == 20000
            paying = kiosk.pay("r3", target=target, amount=180000)
            assert max((await kiosk.stage("collecting", amount=180000))["accepts"]) == 100000
            target.cancel("r3", "hub")
            await paying
            await kiosk.set_level("hopper", 10000, 10)
            paying = kiosk.pay("r4", target=target, amount=180000)
            assert max((await kiosk.stage("collecting", amount=180000))["accepts"]) == 200000
            target.cancel("r4", "hub")
            await paying

    play(script, tmp_path)


# Ended before it is paid


def test_cancelled_in_opening(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened(well=False) as kiosk:
            target = kiosk.target()
            paying = kiosk.pay(target=target)
            await kiosk.stage("opening")
            assert target.cancel("r1", "hub")
            found = body(await paying)
            assert (found["status"], found["reason"], found["collected"]) == ("cancelled", "hub", 0)

    play(script, tmp_path)


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.2, 0.3, 0.5, 0.8, 1.5])
def test_cancelled_with_a_note_on_its_way(tmp_path: Path, after_s: float) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            target = kiosk.target()
            paying = kiosk.pay(target=target, amount=150000)
            await notes(kiosk, 50000)
            await world.insert(50000)
            await asyncio.sleep(after_s)
            assert target.cancel("r1", "customer")
            found = body(await paying)
            assert (found["status"], found["reason"]) == ("cancelled", "customer")
            assert found["change_paid"] == found["collected"]
            await settled(world, found)

    play(script, tmp_path)


def test_cancelled_too_late(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            target = kiosk.target()
            paying = kiosk.pay(target=target, amount=135000)
            await notes(kiosk, 100000, 50000)
            assert not target.cancel("r1", "customer")
            await kiosk.stage("paying")
            assert not target.cancel("r1", "customer")
            found = body(await paying)
            assert (found["status"], found["change_paid"]) == ("paid", 15000)
            assert not target.cancel("r1", "customer")

    play(script, tmp_path)


def test_nothing_comes_any_more(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            began = world.clock.now
            paying = kiosk.pay(amount=150000, idle_timeout=30)
            await notes(kiosk, 50000)
            credited = world.clock.now
            found = body(await paying)
            assert (found["status"], found["reason"]) == ("timed_out", "idle")
            assert (found["collected"], found["change_paid"]) == (50000, 50000)
            assert 30 < world.clock.now - credited < 40
            assert world.clock.now - began > 30

    play(script, tmp_path)


def test_it_takes_too_long(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            paying = kiosk.pay(amount=10000, timeout=20, idle_timeout=15)
            await kiosk.stage("collecting")
            for _ in range(4):
                await asyncio.sleep(4)
                world.do("coins", "insert_coin", minor="500")
            found = body(await paying)
            assert (found["status"], found["reason"], found["collected"]) == ("timed_out", "timeout", 2000)
            assert found["change_owed"] == 2000

    play(script, tmp_path)


# Devices that go away


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0])
def test_a_validator_that_is_unplugged_with_a_note_in_it(tmp_path: Path, after_s: float) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            paying = kiosk.pay(amount=100000)
            await kiosk.stage("collecting")
            await world.insert(100000)
            await kiosk.until(lambda: any(n.get("last", {}).get("what") == "note_escrowed" for n in kiosk.told))
            await asyncio.sleep(after_s)
            if not paying.done():
                world.do("bills", "unplug")
            while not paying.done():
                await asyncio.sleep(8)
                if not paying.done() and kiosk.told[-1]["stage"] == "collecting":
                    await world.insert(100000)  # it came back
            found = body(await paying)
            assert (found["status"], found["collected"]) == ("paid", 100000)
            await settled(world, found)

    play(script, tmp_path)


def test_a_note_that_is_told_after_the_end_is_unclaimed(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            paying = kiosk.pay(amount=100000, idle_timeout=20)
            await kiosk.stage("collecting")
            await world.insert(100000)
            await kiosk.until(lambda: any(n.get("last", {}).get("what") == "note_escrowed" for n in kiosk.told))
            await asyncio.sleep(0.2)
            with silent(world):
                found = body(await paying)
                assert (found["status"], found["collected"]) == ("timed_out", 0)
                assert [item["what"] for item in found["unclear"]] == ["note"]
                await asyncio.sleep(60)
            await kiosk.well()
            await asyncio.sleep(10)
            (told,) = await kiosk.events("cash-unclaimed")
            late = msgspec.json.decode(told.data)
            assert (late["amount"], late["work"], late["claim"]) == (100000, "r1", found["claim"])
            assert world.physical() == (100000, 0)

    play(script, tmp_path)


@contextlib.contextmanager
def silent(world: World, name: str = "bills") -> Iterator[None]:
    """A device that does not answer, and goes on by itself."""
    world.do(name, "mute", seconds="3600")
    yield
    world.do(name, "mute", seconds="0")


def test_all_devices_go_away(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            target = kiosk.target(devices=("bills", "hopper", "small"))
            await filled(kiosk)
            paying = kiosk.pay(target=target, amount=150000)
            await notes(kiosk, 50000)
            with silent(world):
                found = body(await paying)
            assert (found["status"], found["collected"], found["change_paid"]) == ("failed", 50000, 50000)
            assert "bills" in found["reason"]

    play(script, tmp_path)


def test_nothing_can_be_enabled(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            target = kiosk.target(devices=("bills",))
            world.do("bills", "fail")
            await kiosk.until(lambda: kiosk.supervisor.find("bills").status.state is DeviceState.FAULT)
            result = await kiosk.pay(target=target)
            assert isinstance(result, NeverGot)
            assert result.problem == "device-fault"
            assert "bills" in result.detail
            assert await target.find_out(kiosk.ask()) == result
            assert not await kiosk.events("cash-owed")

    play(script, tmp_path)


def test_a_fault_in_the_middle_of_a_payout(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            target = kiosk.target(devices=("bills", "hopper"))
            await filled(kiosk)
            paying = kiosk.pay(target=target, amount=150000)
            await notes(kiosk, 100000, 100000)
            await kiosk.stage("paying")
            await kiosk.until(lambda: world.ledger("bus", "coin_paid"))
            world.do("hopper", "cut", device="hopper")
            found = body(await paying)
            assert found["status"] == "paid"
            assert (found["change_unclear"], found["change_paid"], found["change_owed"]) == (50000, 0, 0)
            await settled(world, found)
            world.do("hopper", "restore", device="hopper")
            await kiosk.until(lambda: kiosk.supervisor.find("hopper").status.state is DeviceState.READY)
            await asyncio.sleep(5)
            (told,) = await kiosk.events("cash-cleared")
            cleared = msgspec.json.decode(told.data)
            assert cleared["amount"] == world.physical()[1]
            assert cleared["amount"] + cleared["owed"] == 50000
            assert cleared["claim"] == found["claim"]
            assert cleared["stands"] == bool(cleared["owed"])

    play(script, tmp_path)


def test_a_hopper_that_is_back_in_time_tells_what_it_paid(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            target = kiosk.target(devices=("bills", "hopper"))
            await filled(kiosk)
            paying = kiosk.pay(target=target, amount=150000)
            await notes(kiosk, 100000, 100000)
            await kiosk.until(lambda: world.ledger("bus", "coin_paid"))
            world.do("hopper", "cut", device="hopper")
            await asyncio.sleep(5)
            world.do("hopper", "restore", device="hopper")
            found = body(await paying)
            assert "change_unclear" not in found
            assert 0 < found["change_paid"] < 50000
            assert (await kiosk.entries("cash-cleared")) == []
            assert world.physical()[1] == found["change_paid"]

    play(script, tmp_path)


# What is asked for


def test_a_repetition_is_answered_from_the_book(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            target = kiosk.target()
            paying = kiosk.pay(target=target, amount=50000)
            await notes(kiosk, 50000)
            found = body(await paying)
            assert body(await target.run(kiosk.ask(amount=50000))) == found
            again = await target.find_out(kiosk.ask())
            assert again is not None
            assert body(again) == found
            assert world.physical() == (50000, 0)

    play(script, tmp_path)


def test_devices_are_one_sessions_at_a_time(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            target = kiosk.target()
            paying = kiosk.pay(target=target)
            await kiosk.stage("collecting")
            other = await kiosk.pay("r2", target=kiosk.target(devices=("coins",)))
            assert isinstance(other, NeverGot)
            assert "coins is in use by r1" in other.detail
            target.cancel("r1", "hub")
            await paying

    play(script, tmp_path)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            with pytest.raises(NotUnderstood) as refused:
                kiosk.target().check(kiosk.ask(amount=True, currency="EUR", overpay="no", timeout=900, reference=5))
            words = str(refused.value)
            for name in ("amount", "currency", "overpay", "timeout", "reference"):
                assert f"{name}: " in words
            assert "KZT" in words

    play(script, tmp_path)


def test_a_disk_that_is_full_for_a_while_delays_and_loses_nothing(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            paying = kiosk.pay(amount=135000)
            await notes(kiosk, 100000)
            await world.insert(50000)
            await asyncio.sleep(0.4)
            kiosk.journal.failing = True
            await asyncio.sleep(15)
            kiosk.journal.failing = False
            found = body(await paying)
            assert (found["status"], found["change_paid"]) == ("paid", 15000)
            await settled(world, found)

    play(script, tmp_path)


def test_a_mistake_of_ours_in_the_middle_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            paying = kiosk.pay(amount=150000)
            await notes(kiosk, 50000)
            with monkeypatch.context() as broken:
                broken.setattr(Session, "tick", lambda *_: 1 / 0)
                broken.setattr(Session, "heard", lambda *_: 1 / 0)
                await world.insert(50000)
                found = body(await paying)
            assert (found["status"], found["collected"], found["change_owed"]) == ("interrupted", 50000, 50000)
            assert found["reason"] == "a fault within the appliance"
            await asyncio.sleep(3)
            await settled(world, found)
            assert not world.do("bills", "insert", minor="50000")["taken"], "it still takes money"
            again = kiosk.pay("r2", amount=50000)
            await kiosk.stage("collecting")
            await world.insert(50000)
            assert body(await again)["status"] == "paid"

    play(script, tmp_path)


def test_a_listener_that_fails_changes_nothing(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            ask = kiosk.ask(amount=50000)
            seen: list[Json] = []

            def tell(news: Json) -> None:
                seen.append(news)
                raise ValueError("nobody listens")

            paying = asyncio.ensure_future(kiosk.target().run(msgspec.structs.replace(ask, tell=tell)))
            await kiosk.until(lambda: any(news["stage"] == "collecting" for news in seen))
            await world.insert(50000)
            assert body(await paying)["status"] == "paid"

    play(script, tmp_path)


def test_a_device_out_of_service_by_order_takes_no_part(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await kiosk.supervisor.find("bills").give_order(in_service=False, reason="repair", nonce=1)
            await kiosk.supervisor.find("small").give_order(in_service=False, reason="repair", nonce=2)
            await filled(kiosk, small=50, hopper=0)
            paying = kiosk.pay(amount=15000, idle_timeout=10)
            assert max((await kiosk.stage("collecting"))["accepts"]) == 10000, "no change can be promised"
            assert not world.do("bills", "insert", minor="20000")["taken"]
            assert body(await paying)["status"] == "timed_out"
            other = await kiosk.pay("r2", target=kiosk.target(devices=("bills",)))
            assert isinstance(other, NeverGot)
            assert "repair" in other.detail

    play(script, tmp_path)


def test_a_beginning_of_which_the_disk_does_not_tell_is_taken_back(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            kiosk.journal.points.clear()
            kiosk.journal.lost_at = {1, 2}
            result = await kiosk.pay()
            assert isinstance(result, NeverGot)
            assert result.problem == "kiosk-storage"
            assert await kiosk.target().find_out(kiosk.ask()) == result
            work = await kiosk.work()
            assert work is not None
            assert not work.is_open
        async with world.opened() as kiosk:
            await asyncio.sleep(40)
            assert await kiosk.target().find_out(kiosk.ask()) == result

    play(script, tmp_path)


@pytest.mark.parametrize("lost", range(2, 24, 2))
def test_a_write_of_which_the_disk_does_not_tell_is_not_done_twice(tmp_path: Path, lost: int) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            kiosk.journal.points.clear()
            kiosk.journal.lost_at = {lost}
            paying = kiosk.pay(amount=135000)
            await notes(kiosk, 100000, 50000)
            found = body(await paying)
            assert (found["status"], found["collected"], found["change_paid"]) == ("paid", 150000, 15000)
            await settled(world, found)
            assert len(await kiosk.events("cash-ended")) == 1
            assert not await kiosk.events("cash-unclaimed")

    play(script, tmp_path)


def test_nothing_is_paid_out_behind_an_end_of_which_the_disk_does_not_tell(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            kiosk.journal.lost_of = {"appliance.cash.end": 20}
            paying = kiosk.pay(target=kiosk.target(devices=("bills", "hopper")), amount=150000)
            await notes(kiosk, 50000)
            world.do("hopper", "cut", device="hopper")
            await kiosk.until(lambda: kiosk.supervisor.find("hopper").status.state is DeviceState.ABSENT)
            kiosk.desk.cancel("r1", "hub")
            await kiosk.until(lambda: kiosk.journal.lost_of["appliance.cash.end"] < 20)
            world.do("hopper", "restore", device="hopper")
            found = body(await paying)
            assert kiosk.supervisor.find("hopper").status.state is DeviceState.READY  # in time to have paid it
            assert (found["change_paid"], found["change_owed"]) == (0, 50000)
            assert world.physical()[1] == 0
            (told,) = await kiosk.events("cash-ended")
            assert {name: msgspec.json.decode(told.data)[name] for name in found} == found
            work = await kiosk.work()
            assert work is not None
            assert msgspec.json.decode(work.result or b"{}") == found

    play(script, tmp_path)
