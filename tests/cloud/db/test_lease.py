"""One of several hubs has the lease, on a real PostgreSQL, whatever becomes of it, of the database and of clocks."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from cloud.db.engine import open_engine
from cloud.db.lease import Mine, SharedLease
from cloud.settings import Settings, database_url
from tests.cloud.fleet import database_server, new_database
from tests.cloud.hub import until

SECONDS = 1.6  # a machine that is busy stands still for a second


class Clock:
    """The time since boot, and what a machine slept besides."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.slept


@asynccontextmanager
async def leases(url: str, count: int, *clocks: Clock) -> AsyncIterator[list[SharedLease]]:
    """Those of so many hubs; the first has it."""
    engines = [open_engine(database_url(Settings(database_url=url))) for _ in range(count)]
    clocks = clocks or tuple(Clock() for _ in range(count))
    made = [
        SharedLease(engine, "tests", str(number).rjust(32, "0"), seconds=SECONDS, clock=clock)
        for number, (engine, clock) in enumerate(zip(engines, clocks, strict=True))
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


async def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def die(lease: SharedLease) -> None:
    """It renews no more, and gives nothing back."""
    assert lease._task is not None
    lease._task.cancel()


async def test_a_hub_that_is_alone_has_it() -> None:
    mine = Mine()
    assert mine.is_held
    await mine.wait_until(held=True)


async def test_one_of_three_has_it_and_gives_it_back_at_once() -> None:
    async with leases(new_database(), 3) as (one, two, three):
        began = time.monotonic()
        while time.monotonic() - began < 2 * SECONDS:
            assert [lease.is_held for lease in (one, two, three)] == [True, False, False]
            await asyncio.sleep(0.02)
        losing = asyncio.ensure_future(one.wait_until(held=False))
        await one.stop()
        await losing
        began = time.monotonic()
        await until(lambda: two.is_held or three.is_held)
        assert time.monotonic() - began < 1.5  # of a loaded machine; without waiting for its time
        await asyncio.sleep(0.2)
        assert two.is_held is not three.is_held


async def test_the_time_of_who_died_is_waited_for_and_by_then_it_knows() -> None:
    async with leases(new_database(), 3) as all_:
        one, *others = all_
        die(one)
        began = time.monotonic()
        while not any(lease.is_held for lease in others):
            assert time.monotonic() - began < 20
            await asyncio.sleep(0.01)
        assert not one.is_held
        assert time.monotonic() - began > SECONDS / 2
        await asyncio.sleep(SECONDS)
        assert sum(lease.is_held for lease in others) == 1


async def test_who_stood_still_has_it_no_more_when_it_goes_on() -> None:
    clock = Clock()
    async with leases(new_database(), 1, clock) as (one,):
        clock.slept += SECONDS
        assert not one.is_held  # before anybody has told it
        async with asyncio.timeout(1):
            await one.wait_until(held=False)


async def test_a_clock_of_the_database_that_is_set_moves_nothing() -> None:
    """Be it a year ahead, or a year back with who has it dead."""
    url = new_database()
    async with leases(url, 2) as (one, two):
        year = 365 * 86400
        await ask(url, f"UPDATE leases SET until = until - {year}")
        for _ in range(10):
            assert (one.is_held, two.is_held) == (True, False)
            await asyncio.sleep(0.05)
        die(one)
        await ask(url, f"UPDATE leases SET until = until + {year}")
        await until(lambda: two.is_held)
        assert not one.is_held


async def test_while_the_database_is_away_nobody_has_it_for_long_and_nobody_takes_it() -> None:
    url, server = new_database(), database_server()
    async with leases(url, 2) as (one, two):
        await asyncio.to_thread(server.stop, "immediate")
        try:
            await until(lambda: not one.is_held)
            assert not two.is_held
        finally:
            await asyncio.to_thread(server.start, max_connections="300")
        await until(lambda: one.is_held or two.is_held)
        for _ in range(40):
            assert not (one.is_held and two.is_held)
            await asyncio.sleep(0.05)


async def test_what_is_written_under_it_is_fenced() -> None:
    url = new_database()
    async with leases(url, 2) as (one, two):
        async with one._engine.begin() as connection:
            assert await one.fence(connection)
            die(one)
            await asyncio.sleep(2 * SECONDS)
            assert not two.is_held  # not before what the first writes is decided
        await until(lambda: two.is_held)
        async with one._engine.begin() as connection:
            assert not await one.fence(connection)
