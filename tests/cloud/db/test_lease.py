"""One of several hubs has the lease, on a real PostgreSQL, whatever becomes of it, of the database and of clocks."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from cloud.db import lease as module
from cloud.db.engine import open_engine
from cloud.db.lease import Mine, SharedLease
from cloud.settings import Settings, database_url
from tests.cloud.fleet import database_server, new_database
from tests.cloud.hub import until

SECONDS = 100.0  # by clocks that the tests put forward: in a machine's own time it does not end here


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_RENEWALS": 1000, "_TAKE_EVERY": 0.05, "_RELEASE_WITHIN": 20.0}.items():
        monkeypatch.setattr(module, name, value)


class Clock:
    """The time since boot, and what a machine slept besides."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.slept


class Watched(SharedLease):
    """One whose looks at another's are counted."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.looks = 0

    async def _take(self) -> bool:
        taken = await super()._take()
        self.looks += 1
        return taken


@asynccontextmanager
async def leases(url: str, count: int, clock: Clock | None = None) -> AsyncIterator[list[Watched]]:
    """Those of so many hubs, by one clock; the first has it."""
    engines = [open_engine(database_url(Settings(database_url=url))) for _ in range(count)]
    clock = clock or Clock()
    made = [
        Watched(engine, "tests", str(number).rjust(32, "0"), seconds=SECONDS, clock=clock)
        for number, engine in enumerate(engines)
    ]
    try:
        for one in made:
            one.start()
            await until(lambda: any(other.is_held for other in made))
        yield made
    finally:
        for one in made:
            await one.stop()
        for engine in engines:
            await engine.dispose()


_WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def die(lease: SharedLease) -> None:
    """It renews no more, and gives nothing back."""
    assert lease._task is not None
    lease._task.cancel()
    await asyncio.gather(lease._task, return_exceptions=True)


async def looked(*leases: Watched) -> None:
    """Each has, with a look that began after this."""
    before = [lease.looks for lease in leases]
    await until(lambda: all(lease.looks >= seen + 2 for lease, seen in zip(leases, before, strict=True)))


async def its_time_is_over(leases: Sequence[SharedLease], clocks: Sequence[Clock], seconds: float) -> None:
    """Nobody has it: let the time pass that they are to see it stand still for, until one takes it."""
    pause = 1.0
    while not any(lease.is_held for lease in leases):
        for clock in clocks:
            clock.slept += seconds
        # Whoever is just taking it has to be left the time to, on a machine however slow.
        with contextlib.suppress(TimeoutError):
            await until(lambda: any(lease.is_held for lease in leases), pause)
        pause = min(2 * pause, 10.0)


async def test_a_hub_that_is_alone_has_it() -> None:
    mine = Mine()
    assert mine.is_held
    await mine.wait_until(held=True)


async def test_one_of_three_has_it_and_gives_it_back_at_once() -> None:
    clock = Clock()
    async with leases(new_database(), 3, clock) as (one, two, three):
        for _ in range(5):  # for longer than its time, in which it is renewed
            clock.slept += SECONDS / 4
            now = clock()
            await until(lambda now=now: one._held_until > now + SECONDS / 2)  # type: ignore[misc]
            await looked(two, three)
            assert [lease.is_held for lease in (one, two, three)] == [True, False, False]
        losing = asyncio.ensure_future(one.wait_until(held=False))
        await one.stop()
        await losing
        await until(lambda: two.is_held or three.is_held)  # without waiting for its time
        await looked(three if two.is_held else two)
        assert two.is_held is not three.is_held


async def test_the_time_of_who_died_is_waited_for_and_by_then_it_knows() -> None:
    clock = Clock()
    async with leases(new_database(), 3, clock) as (one, *others):
        await die(one)
        await looked(*others)
        clock.slept += SECONDS / 2
        await looked(*others)
        assert [lease.is_held for lease in (one, *others)] == [True, False, False]
        clock.slept += SECONDS / 2
        await until(lambda: any(lease.is_held for lease in others))
        assert not one.is_held
        await looked(next(lease for lease in others if not lease.is_held))
        assert sum(lease.is_held for lease in others) == 1


async def test_who_stood_still_has_it_no_more_when_it_goes_on() -> None:
    clock = Clock()
    async with leases(new_database(), 1, clock) as (one,):
        clock.slept += SECONDS
        assert not one.is_held  # before anybody has told it
        async with asyncio.timeout(20):
            await one.wait_until(held=False)


async def test_a_clock_of_the_database_that_is_set_moves_nothing() -> None:
    """Be it a year ahead, or a year back with who has it dead."""
    url, clock = new_database(), Clock()
    async with leases(url, 2, clock) as (one, two):
        year = 365 * 86400
        await ask(url, f"UPDATE leases SET until = until - {year}")
        for _ in range(5):
            await looked(two)
            assert (one.is_held, two.is_held) == (True, False)
        await die(one)
        await ask(url, f"UPDATE leases SET until = until + {year}")
        await looked(two)
        assert not two.is_held
        clock.slept += SECONDS
        await until(lambda: two.is_held)
        assert not one.is_held


async def test_while_the_database_is_away_nobody_has_it_for_long_and_nobody_takes_it() -> None:
    url, server, clock = new_database(), database_server(), Clock()
    async with leases(url, 2, clock) as (one, two):
        await asyncio.to_thread(server.stop, "immediate")
        try:
            clock.slept += SECONDS
            assert not one.is_held
            await asyncio.sleep(1)
            assert not one.is_held
            assert not two.is_held
        finally:
            await asyncio.to_thread(server.start, max_connections="300")
        await looked(one, two)
        await its_time_is_over([one, two], [clock], SECONDS)
        for _ in range(40):
            assert not (one.is_held and two.is_held)
            await asyncio.sleep(0.05)


async def test_what_is_written_under_it_is_fenced() -> None:
    url, clock = new_database(), Clock()
    async with leases(url, 2, clock) as (one, two):
        async with one._engine.begin() as connection:
            assert await one.fence(connection)
            await die(one)
            await looked(two)
            clock.slept += SECONDS
            await until(lambda: ask(url, _WAITS))  # as two does to take it
            assert not two.is_held  # not before what the first writes is decided
        await until(lambda: two.is_held)
        async with one._engine.begin() as connection:
            assert not await one.fence(connection)
