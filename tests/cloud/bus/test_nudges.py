"""A word that something changed: others look at once, and a flood of words costs two looks."""

import asyncio

from cloud.bus.nudges import Nudges
from tests.cloud.hub import until
from tests.cloud.local_bus import LocalNet


async def test_others_look_at_once_and_who_changed_it_does_not() -> None:
    net, looked = LocalNet(), list[str]()
    buses = [net.bus("one"), net.bus("two")]
    tells = []
    for bus in buses:

        async def look(name: str = bus.name) -> None:
            looked.append(name)

        nudges = Nudges(bus)
        tells.append(nudges.when("kiosks", look))
        await bus.start()
    tells[0]()
    await until(lambda: looked)
    await asyncio.sleep(0)
    assert looked == ["two"]


async def test_a_flood_of_nudges_is_one_look_under_way_and_one_after_it() -> None:
    net, looks, may_end = LocalNet(), 0, asyncio.Event()
    one, two = net.bus("one"), net.bus("two")
    tell = Nudges(one).when("kiosks", lambda: asyncio.sleep(0))

    async def look() -> None:
        nonlocal looks
        looks += 1
        await may_end.wait()
        if looks == 1:
            raise OSError("the database is away")  # the next one is tried all the same

    nudges = Nudges(two)
    nudges.when("kiosks", look)
    await one.start()
    await two.start()
    for _ in range(50):
        tell()
    await until(lambda: looks)
    for _ in range(50):
        tell()
    await until(lambda: nudges._due)
    await asyncio.sleep(0.01)
    may_end.set()
    await until(lambda: not nudges._tasks)
    assert looks == 2
    await nudges.stop()


async def test_a_bus_that_is_back_has_all_looked_at() -> None:
    net, looked = LocalNet(), list[str]()
    bus = net.bus("one")
    nudges = Nudges(bus)

    async def look() -> None:
        looked.append("kiosks")

    nudges.when("kiosks", look)
    await bus.start()
    net.down()
    net.up()
    await until(lambda: looked)
    assert looked == ["kiosks"]
    await nudges.stop()
