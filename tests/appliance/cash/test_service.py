"""Cash sessions with simulated devices: what is answered, what is in the book, and what really lies in the devices."""

import asyncio
from pathlib import Path

from tests.appliance.cash.world import World, body, play


def test_exactly_the_amount(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            paying = kiosk.pay(amount=150000)
            await kiosk.stage("collecting")
            await world.insert(100000)
            await kiosk.stage("collecting", collected=100000)
            await world.insert(50000)
            found = body(await paying)
            assert found == {
                "status": "paid", "amount": 150000, "currency": "KZT", "collected": 150000, "change_paid": 0,
                "change_owed": 0, "notes": {"50000": 1, "100000": 1}, "coins": {}, "reason": "",
            }  # fmt: skip
            assert kiosk.stages() == ["opening", "collecting", "closing", "ended"]
            assert world.physical() == (150000, 0)

    play(script, tmp_path)


def test_change(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await kiosk.set_level("hopper", 10000, 50)
            await kiosk.set_level("small", 5000, 50)
            paying = kiosk.pay(amount=135000)
            await kiosk.stage("collecting")
            await world.insert(100000)
            await kiosk.stage("collecting", collected=100000)
            await world.insert(50000)
            found = body(await paying)
            assert (found["status"], found["collected"], found["change_paid"]) == ("paid", 150000, 15000)
            assert world.physical() == (150000, 15000)
            await asyncio.sleep(1)
            assert (await kiosk.tallies())["hopper"] == {10000: 49}

    play(script, tmp_path)
