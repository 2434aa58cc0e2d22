"""Exactly one has the lease, on a real Redis; and what becomes of it when either is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from cloud.bus.lease import Lease
from tests.cloud.hub import until
from tests.redis_server import MissingError, Server, running_redis

SECONDS = 2.0  # more than a busy machine lets its holder wait between two renewals


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    try:
        with running_redis() as server:
            yield server
    except MissingError as missing:
        pytest.skip(str(missing))


@asynccontextmanager
async def lease(url: str, name: str, seconds: float = SECONDS) -> AsyncIterator[Lease]:
    made = Lease(url, name, seconds=seconds)
    made.start()
    try:
        yield made
    finally:
        await made.stop()


async def test_without_redis_this_hub_is_alone() -> None:
    async with lease("", "alone") as alone:
        assert alone.is_held
        alone.doubt()
        assert alone.is_held
        async with asyncio.timeout(20):
            await alone.wait_until(held=True)


async def test_one_of_two_has_it_and_gives_it_back(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.bus.lease._RENEWALS", 3000)
    monkeypatch.setattr("cloud.bus.lease._RELEASE_WITHIN", 20.0)
    async with lease(redis.url, "given", 300.0) as first:
        await until(lambda: first.is_held)
        async with lease(redis.url, "given", 300.0) as second:
            with redis.client() as client:
                for _ in range(3):  # it is renewed, again and again
                    client.pexpire("given", 100_000)
                    await until(lambda: client.pttl("given") > 200_000)
                    assert first.is_held
                    assert not second.is_held
            await first.stop()
            assert not first.is_held
            await until(lambda: second.is_held)


async def test_the_time_of_who_died_is_waited_for(redis: Server) -> None:
    dead = Lease(redis.url, "died", seconds=SECONDS)
    dead.start()
    await until(lambda: dead.is_held)
    assert dead._task is not None
    dead._task.cancel()  # it renews no more, and gives nothing back
    began = time.monotonic()
    with redis.client() as client:
        left = max(0, client.pttl("died")) / 1000
    async with lease(redis.url, "died") as other:
        await until(lambda: other.is_held)
        assert time.monotonic() - began >= left - 0.01
        with redis.client() as client:
            await dead.stop()  # what is another's by now stays its own
            assert client.get("died") == other._mine.encode()
        assert other.is_held


async def test_while_redis_is_away_nobody_takes_it_and_its_holder_goes_on() -> None:
    try:
        with running_redis() as server:
            async with lease(server.url, "away") as first, lease(server.url, "away") as second:
                await until(lambda: first.is_held or second.is_held)
                holder, other = (first, second) if first.is_held else (second, first)
                await asyncio.to_thread(server.stop)
                async with lease(server.url, "away") as third:
                    await asyncio.sleep(2 * SECONDS)
                    assert holder.is_held
                    assert not other.is_held
                    assert not third.is_held
                    await asyncio.to_thread(
                        server.start
                    )  # with nothing in it: whoever is first has it, and there is one at the end
                    await until(lambda: sum(one.is_held for one in (first, second, third)) == 1)
    except MissingError as missing:
        pytest.skip(str(missing))


async def test_while_redis_is_away_its_holder_asks_often_so_that_two_are_not_at_it_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cloud.bus.lease._TAKE_EVERY", 0.05)
    monkeypatch.setattr("cloud.bus.lease._RENEWALS", 3000)
    try:
        with running_redis() as server:
            async with lease(server.url, "asks", 300.0) as one:
                await until(lambda: one.is_held)
                server.stop()
                monkeypatch.setattr("cloud.bus.lease._RENEWALS", 3)  # while it is there: each 100 s
                asked, ask = 0, one._ask

                async def counted() -> bool:
                    nonlocal asked
                    asked += 1
                    return await ask()

                monkeypatch.setattr(one, "_ask", counted)
                await until(lambda: asked >= 3)
                assert one.is_held
    except MissingError as missing:
        pytest.skip(str(missing))


async def test_who_could_not_renew_it_gives_it_up_in_doubt() -> None:
    try:
        with running_redis() as server:
            async with lease(server.url, "doubt", 300.0) as one:
                await until(lambda: one.is_held)
                one.doubt()
                assert one.is_held  # renewed in time: nobody else can have it
                server.stop()
                one._renewed_at -= 301.0
                one.doubt()
                assert not one.is_held
                async with asyncio.timeout(20):
                    await one.wait_until(held=False)
    except MissingError as missing:
        pytest.skip(str(missing))


async def test_it_ends_while_it_asks(redis: Server) -> None:
    for each in range(20):
        made = Lease(redis.url, f"ends {each % 3}", seconds=SECONDS)
        made.start()
        for _ in range(each % 10):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await made.stop()
        assert not made.is_held


def test_an_address_that_cannot_be_used_is_told_without_it() -> None:
    with pytest.raises(OSError, match=r"^REDIS_URL cannot be used$"):
        Lease("redis://user:pass@host:port", "x").start()
