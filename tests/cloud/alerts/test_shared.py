"""Alerts of several hubs on one PostgreSQL: one raises and tells, all show, and anybody may take note anywhere."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.alerts import kinds as k
from cloud.alerts.alert import Condition, Mute, What
from cloud.alerts.book import Seen
from cloud.alerts.memory import Memory
from cloud.alerts.rules import Rules
from cloud.alerts.service import Alerts
from cloud.alerts.shared import SharedRows
from cloud.db.engine import open_engine
from cloud.db.lease import SharedLease
from cloud.metrics import Metrics
from cloud.settings import Settings, database_url
from tests.cloud.fleet import new_database
from tests.cloud.hub import PATIENCE, until

SECONDS = 60.0  # of a lease that ends only where a test says so: a machine that is busy stands still
QUICK = Rules(kinds={kind: msgspec.structs.replace(rule, after=0.0, gather=0.0) for kind, rule in k.KINDS.items()})


class World:
    """What holds, for all hubs; and what was told, by whom."""

    def __init__(self) -> None:
        self.holds: list[Condition] = []
        self.told: Counter[tuple[What, str]] = Counter()
        self.by: list[int] = []

    def fault(self, device: str) -> None:
        self.holds.append(Condition(kind="device-fault", kiosk_id="kiosk_001", subject=device, since=time.time()))


class Hub:
    """What a hub has of this, with a way of telling that takes all."""

    def __init__(self, url: str, number: int, world: World) -> None:
        self.engine: AsyncEngine = open_engine(database_url(Settings(database_url=url)))
        self.lease = SharedLease(self.engine, "jobs", str(number).rjust(32, "0"), seconds=SECONDS, clock=self.clock)
        self.slept = 0.0
        self.memory = Memory(self.engine, self.lease, self.lease.fence)
        self.alerts = Alerts(
            memory=self.memory,
            look=lambda: Seen(list(world.holds)),
            rules=lambda: QUICK,
            is_kiosk=lambda _: True,
            channels=["tests"],
            metrics=Metrics(),
            every=0.05,
            jobs=self.lease,
            shared=SharedRows(self.engine),
        )
        self.number = number
        self.world = world
        self._teller: asyncio.Task[None] | None = None

    def clock(self) -> float:
        return time.monotonic() + self.slept

    async def start(self) -> None:
        self.lease.start()
        await self.alerts.__aenter__()
        self._teller = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        while True:
            notices = await self.alerts.next("tests", 5.0)
            for notice in notices:
                self.world.told.update((notice.what, alert.subject) for alert in notice.alerts)
                self.world.by.append(self.number)
            await self.alerts.told("tests", notices)

    async def stop(self) -> None:
        if self._teller is None:
            return
        self._teller.cancel()
        await asyncio.gather(self._teller, return_exceptions=True)
        self._teller = None
        await self.alerts.__aexit__()
        await self.lease.stop()
        await self.engine.dispose()


@asynccontextmanager
async def hubs(count: int) -> AsyncIterator[tuple[World, list[Hub]]]:
    """The first has the lease."""
    url, world = new_database(), World()
    made = [Hub(url, number, world) for number in range(count)]
    try:
        for hub in made:
            await hub.start()
            await until(lambda: made[0].alerts.tells)
        yield world, made
    finally:
        for hub in made:
            await hub.stop()


async def stands_still(hub: Hub, *waiting: Hub) -> None:
    """It does for longer than its lease lasts, which one of those who wait sees, and takes it."""
    hub.slept += 2 * SECONDS
    pause = 1.0
    while not any(each.lease.is_held for each in waiting):
        for each in waiting:
            each.slept += SECONDS
        # Whoever is just taking it has to be left the time to, on a machine however slow.
        with contextlib.suppress(TimeoutError):
            await until(lambda: any(each.lease.is_held for each in waiting), pause)
        pause = min(2 * pause, 10.0)


async def test_one_tells_and_all_show() -> None:
    async with hubs(3) as (world, all_):
        world.fault("bills")
        world.fault("printer")
        await until(lambda: world.told.total() == 2)
        await until(lambda: all(len(hub.alerts.standing()) == 2 for hub in all_))
        assert [{alert.number for alert in hub.alerts.standing()} for hub in all_] == 3 * [{1, 2}]
        world.holds.clear()
        await asyncio.sleep(0.5)
        assert set(world.by) == {0}
        assert set(world.told.values()) == {1}


async def test_nothing_is_told_twice_when_another_goes_on() -> None:
    async with hubs(3) as (world, all_):
        world.fault("bills")
        await until(lambda: world.told[What.RAISED, "bills"])
        await all_[0].stop()
        world.fault("printer")
        await until(lambda: world.told[What.RAISED, "printer"])
        (other,) = (hub for hub in all_[1:] if hub.alerts.tells)
        await asyncio.sleep(0.2)  # what it told in the last moment might be told again, as after a crash
        assert await other.memory.saved(PATIENCE)
        # It stands still: the third goes on, and it is a reader when it wakes up.
        await stands_still(other, *all_[1:])
        world.fault("coins")
        await until(lambda: world.told[What.RAISED, "coins"])
        numbers = [1, 2, 3]
        await until(lambda: all([alert.number for alert in hub.alerts.standing()] == numbers for hub in all_[1:]))
        await asyncio.sleep(0.5)
        assert set(world.told.values()) == {1}
        assert sum(hub.alerts.tells for hub in all_[1:]) == 1
        assert [[alert.number for alert in hub.alerts.standing()] for hub in all_[1:]] == [numbers, numbers]


async def test_people_take_note_and_mute_at_any_hub() -> None:
    async with hubs(2) as (world, (one, two)):
        world.fault("bills")
        await until(two.alerts.standing)
        assert await two.alerts.acknowledge([1], "anna") == 1
        assert await two.alerts.acknowledge([1], "boris") == 0
        assert two.alerts.standing()[0].acknowledged_by == "anna"
        await until(lambda: one.alerts.standing()[0].acknowledged_by == "anna")
        await two.alerts.mute("kiosk_001", 3600.0, "anna")
        await until(lambda: [mute.by for mute in one.alerts.mutes()] == ["anna"])
        world.fault("printer")
        await until(lambda: len(two.alerts.standing()) == 2)
        assert world.told.total() == 1
        await two.alerts.unmute("kiosk_001", "anna")
        await until(lambda: world.told[What.RAISED, "printer"] == 1)
        assert one.alerts.mutes() == two.alerts.mutes() == []
        # What the one that writes behind says later takes nobody's word back.
        assert await one.alerts.acknowledge([2], "clara") == 1
        await until(lambda: [alert.acknowledged_by for alert in two.alerts.standing()] == ["anna", "clara"])


async def test_who_has_the_lease_no_more_writes_nothing() -> None:
    async with hubs(2) as (world, (one, two)):
        world.fault("bills")
        await until(world.told.total)
        one.slept += 2 * SECONDS
        one.memory.mute(mute_by(one))
        await one.memory.saved(PATIENCE)
        await stands_still(one, two)
        await until(lambda: two.alerts.tells)
        await asyncio.sleep(0.3)
        assert two.alerts.mutes() == []


def mute_by(hub: Hub) -> Mute:
    """One that would be seen."""
    now = time.time()
    return Mute(scope="kiosk_001", until=now + 60.0, at=now, by=str(hub.number))
