"""Whole sessions with every family of bill validators: the desk makes no difference between them, nor may they."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardware.simulation.simulator import ControlError
from tests.appliance.cash.world import DEVICES, Json, Kiosk, World, body, play

FAMILIES: dict[str, Json] = {
    "ccnet": {"driver": "ccnet", "port": ("ccnet", {}, "bills"), "currency": "KZT"},
    "id003-gate": {"driver": "id003", "port": ("id003", {}, "bills")},
    "id003-stacker": {"driver": "id003", "port": ("id003", {}, "bills"), "credit": "stacker"},
    "ssp": {"driver": "ssp", "port": ("ssp", {}, "bills")},
    "cctalk-bill": {"driver": "cctalk-bill", "port": ("cctalk", {"devices": "bills"}, "bills")},
}


@pytest.fixture(params=FAMILIES)
def kit(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"devices": {**DEVICES, "bills": FAMILIES[request.param]}}


def push(world: World, minor: int) -> None:
    """A note at the mouth; it may not be taken."""
    name = "insert_note" if world.devices["bills"]["driver"] == "cctalk-bill" else "insert"
    with contextlib.suppress(ControlError):
        world.do("bills", name, minor=str(minor))


def escrowed(kiosk: Kiosk) -> int:
    """How many notes were said to be held."""
    return sum(news.get("last", {}).get("what") == "note_escrowed" for news in kiosk.told)


async def hold(kiosk: Kiosk, minor: int) -> None:
    """Until it is drawn in."""
    await kiosk.stage("collecting")
    before = escrowed(kiosk)
    for _ in range(10):
        push(kiosk.world, minor)
        with contextlib.suppress(TimeoutError):
            await kiosk.until(lambda: escrowed(kiosk) > before, 4)
            return
    raise AssertionError(f"no note is taken: {kiosk.told[-1]}")


async def notes(kiosk: Kiosk, *minors: int) -> None:
    for minor in minors:
        before = kiosk.told[-1]["collected"] if kiosk.told else 0
        await hold(kiosk, minor)
        await kiosk.until(lambda before=before: kiosk.told[-1]["collected"] > before)  # type: ignore[misc]


async def filled(kiosk: Kiosk) -> None:
    await kiosk.set_level("hopper", 10000, 50)
    await kiosk.set_level("small", 5000, 50)


def test_exactly_and_with_change(tmp_path: Path, kit: dict[str, Any]) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            paying = kiosk.pay(amount=150000)
            await notes(kiosk, 100000, 50000)
            found = body(await paying)
            assert (found["status"], found["notes"]) == ("paid", {"50000": 1, "100000": 1})
            kiosk.told.clear()
            paying = kiosk.pay("r2", amount=85000)
            await notes(kiosk, 100000)
            found = body(await paying)
            assert (found["status"], found["change_paid"], found["change_owed"]) == ("paid", 15000, 0)
            assert world.physical() == (250000, 15000)
            push(world, 50000)
            await asyncio.sleep(10)
            assert world.physical() == (250000, 15000), "it still takes notes"

    play(script, tmp_path, **kit)


@pytest.mark.parametrize("moment", ["at the mouth", "in escrow"])
def test_cancelled_with_a_note_in_it(tmp_path: Path, kit: dict[str, Any], moment: str) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await filled(kiosk)
            target = kiosk.target()
            paying = kiosk.pay(target=target, amount=150000)
            await notes(kiosk, 50000)
            if moment == "in escrow":
                await hold(kiosk, 100000)
            else:
                push(world, 50000)
                await asyncio.sleep(0.05)
            assert target.cancel("r1", "customer")
            found = body(await paying)
            came, left = world.physical()
            # A note that is on its way into the cassette, and makes the amount full, is a payment.
            assert found["status"] == ("paid" if came == 150000 else "cancelled")
            assert found["collected"] == came
            assert found["change_paid"] == left == (0 if came == 150000 else came)
            await asyncio.sleep(60)
            assert world.physical() == (came, left)
            assert not await kiosk.events("cash-unclaimed")

    play(script, tmp_path, **kit)


@pytest.mark.parametrize("after_s", [0.05, 0.6, 1.5])
def test_killed_with_a_note_on_its_way(tmp_path: Path, kit: dict[str, Any], after_s: float) -> None:
    async def script(world: World) -> None:
        kiosk = await world.start()
        kiosk.pay(amount=150000)
        await hold(kiosk, 100000)
        await asyncio.sleep(after_s)
        await world.kill()
        kiosk = await world.start(well=False)
        result = await kiosk.target().find_out(kiosk.ask())
        assert result is not None
        found = body(result)
        await kiosk.well()
        await asyncio.sleep(40)
        told = [msgspec.json.decode(each.data) for each in await kiosk.events("cash-unclaimed")]
        assert found["collected"] + sum(each["amount"] for each in told) == world.physical()[0]
        assert all(each["claim"] == found["claim"] for each in told)
        assert found["change_owed"] == found["collected"]

    play(script, tmp_path, **kit)


def test_a_note_told_in_the_next_customers_time(tmp_path: Path, kit: dict[str, Any]) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            paying = kiosk.pay(amount=100000, idle_timeout=20)
            await hold(kiosk, 100000)
            world.do("bills", "line", lost="1")
            found = body(await paying)
            kiosk.told.clear()
            other = kiosk.pay("r2", amount=50000, idle_timeout=60)
            await kiosk.stage("collecting")  # the coin acceptor is there
            world.do("bills", "line")
            await kiosk.until(lambda: 50000 in kiosk.told[-1]["accepts"])
            await asyncio.sleep(5)
            assert kiosk.told[-1]["collected"] == 0, "the note of the customer before is credited to the next"
            await notes(kiosk, 50000)
            assert body(await other)["collected"] == 50000
            await asyncio.sleep(5)
            told = [msgspec.json.decode(each.data) for each in await kiosk.events("cash-unclaimed")]
            assert found["collected"] + sum(each["amount"] for each in told) + 50000 == world.physical()[0]
            assert all((each["work"], each["claim"]) == ("r1", found["claim"]) for each in told)

    play(script, tmp_path, **kit)
