"""The appliance is killed at every write of a session and started again: nothing is lost, nothing is done twice."""

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest

from appliance.targets import Answered, NeverGot
from tests.appliance.cash.world import Json, Kiosk, World, body, play

WRITES = 26  # of the session below; a test says when they change


async def customer(world: World, kiosk: Kiosk) -> None:
    """Pays 1350.00 with a note of 1000.00 and one of 500.00, and takes the change."""
    await kiosk.set_level("hopper", 10000, 50)
    await kiosk.set_level("small", 5000, 50)
    kiosk.journal.points.clear()
    paying = kiosk.pay(amount=135000)
    await kiosk.stage("collecting")
    await world.insert(100000)
    await kiosk.stage("collecting", collected=100000)
    await world.insert(50000)
    body(await paying)


async def live(world: World, kiosk: Kiosk) -> None:
    """Until it is over, or the power goes."""
    paid = asyncio.ensure_future(customer(world, kiosk))
    died = asyncio.ensure_future(kiosk.journal.killed.wait())
    await asyncio.wait({paid, died}, return_when=asyncio.FIRST_COMPLETED)
    for task in (paid, died):
        task.cancel()
    await asyncio.gather(paid, died, return_exceptions=True)


async def again(world: World) -> tuple[Json, Kiosk]:
    """The next life finds out what became of it."""
    kiosk = await world.start(well=False)
    result = await kiosk.target().find_out(kiosk.ask(amount=135000))
    if isinstance(result, NeverGot):
        assert world.physical() == (0, 0)
        return {}, kiosk
    assert isinstance(result, Answered)
    return body(result), kiosk


def agree(world: World, found: Json) -> None:
    """What was answered is what really happened."""
    came, left = world.physical()
    assert came == found.get("collected", 0)
    assert found.get("change_paid", 0) <= left <= found.get("change_paid", 0) + found.get("change_unclear", 0)
    for reference in ("bus", "second"):
        assert len(world.ledger(reference, "coin_paid")) <= 1, "paid twice"


# What lies between a write and the next is tried from one end or the other, in turn; all of it by `make chaos`.
@pytest.mark.parametrize(("number", "moment"), [(n, ("before", "after")[n % 2]) for n in range(1, WRITES + 1)])
def test_killed_at_a_write(tmp_path: Path, number: int, moment: str) -> None:
    async def script(world: World) -> None:
        kiosk = await world.start(kill_at=(number, moment))
        await live(world, kiosk)
        assert kiosk.journal.killed.is_set(), f"there is no write {number}"
        await world.kill()
        found, kiosk = await again(world)
        await kiosk.well()
        await asyncio.sleep(5)
        agree(world, found)
        if found:
            assert found["status"] in {"paid", "interrupted"}
            (told,) = await kiosk.events("cash-ended")
            assert msgspec.json.decode(told.data) == {"work": "r1", **found}
        assert not await kiosk.events("cash-unclaimed", "cash-cleared")
        assert all(each.page.work == "" for each in kiosk.supervisor.all())
        repeated = await kiosk.target().find_out(kiosk.ask())
        assert isinstance(repeated, NeverGot) if not found else body(repeated) == found

    play(script, tmp_path)


def test_there_are_so_many_writes(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await customer(world, kiosk)
            assert len(kiosk.journal.points) == WRITES, kiosk.journal.points

    play(script, tmp_path)


@pytest.mark.parametrize("after_s", [0.5, 1.0, 1.4, 1.8, 2.2, 2.6, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0])
def test_killed_at_any_time(tmp_path: Path, after_s: float) -> None:
    async def script(world: World) -> None:
        kiosk = await world.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(after_s):
                await customer(world, kiosk)
        await world.kill()
        found, kiosk = await again(world)
        await kiosk.well()
        await asyncio.sleep(5)
        agree(world, found)

    play(script, tmp_path)


def test_a_session_nobody_asks_for_is_ended_by_itself(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        kiosk = await world.start()
        kiosk.pay(amount=150000)
        await kiosk.stage("collecting")
        await world.insert(50000)
        await kiosk.stage("collecting", collected=50000)
        before = await kiosk.work()
        await world.kill()
        async with world.opened() as kiosk:
            await asyncio.sleep(30)
            work = await kiosk.work()
            assert work is not None
            assert work.result is not None
            found = msgspec.json.decode(work.result)
            assert (found["status"], found["collected"], found["change_owed"]) == ("interrupted", 50000, 50000)
            assert before is not None
            assert found["claim"] == msgspec.json.decode(before.data)["claim"]
            assert len(await kiosk.events("cash-owed")) == 1

    play(script, tmp_path)


def test_stopped_in_the_middle_it_pays_back(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            await kiosk.set_level("hopper", 10000, 50)
            target = kiosk.target()
            paying = kiosk.pay(amount=150000, target=target)
            await kiosk.stage("collecting")
            await world.insert(50000)
            await kiosk.stage("collecting", collected=50000)
            assert target.cancel("r1", "the appliance stops")
            found = body(await paying)
            assert (found["status"], found["reason"]) == ("cancelled", "the appliance stops")
            assert found["change_paid"] == 50000

    play(script, tmp_path)


def test_a_device_that_is_no_longer_in_the_routing_file(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        kiosk = await world.start()
        kiosk.pay(amount=150000)
        await kiosk.stage("collecting")
        await world.insert(50000)
        await kiosk.stage("collecting", collected=50000)
        await world.kill()
        world.devices = {name: fields for name, fields in world.devices.items() if name != "bills"}
        found, kiosk = await again(world)
        assert (found["status"], found["collected"]) == ("interrupted", 50000)

    play(script, tmp_path)


def test_a_device_that_stays_away_keeps_nobody_waiting(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        kiosk = await world.start()
        kiosk.pay(amount=100000)
        await kiosk.stage("collecting")
        await world.insert(100000)
        await kiosk.until(lambda: any(n.get("last", {}).get("what") == "note_escrowed" for n in kiosk.told))
        await asyncio.sleep(0.1)
        await world.kill()
        kiosk = await world.start(well=False)
        world.do("bills", "mute", seconds="300")
        began = world.clock.now
        result = await kiosk.target().find_out(kiosk.ask(amount=100000))
        assert result is not None
        found = body(result)
        assert world.clock.now - began < 45
        if found["collected"]:
            return  # it had told before
        # An acceptor that lost its power while it took coins cannot say what it took last.
        assert {item["what"] for item in found["unclear"]} == {"note", "credits_lost"}
        world.do("bills", "mute", seconds="0")
        await kiosk.well()
        await asyncio.sleep(10)
        told = [msgspec.json.decode(event.data) for event in await kiosk.events("cash-unclaimed")]
        assert sum(each["amount"] for each in told) == world.physical()[0]
        assert all((each["work"], each["claim"]) == ("r1", found["claim"]) for each in told)

    play(script, tmp_path)
