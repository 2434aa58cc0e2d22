"""Watching the Redis of a hub that is alone."""

import asyncio

import pytest

from cloud.bus.redis import RedisWatch
from tests.cloud.bus.test_redis_bus import a_redis
from tests.cloud.hub import until


async def test_without_an_address_there_is_nothing_to_watch() -> None:
    watch = RedisWatch("")
    watch.start()
    assert (watch.state, watch.trouble, watch.reasons()) == ("disabled", "", [])
    await watch.stop()


async def test_a_redis_that_goes_and_comes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.bus.redis._EVERY", 0.05)
    with a_redis(requirepass="canary") as redis:
        watch = RedisWatch(redis.url)
        assert watch.trouble == "Redis is not reached: not connected yet"
        watch.start()
        try:
            await until(lambda: watch.state == "connected" and watch.reasons() == [])
            redis.kill()
            await until(lambda: watch.reasons() == ["Redis is not reached: nobody listens there"])
            await asyncio.to_thread(redis.start)
            await until(lambda: watch.state == "connected")
        finally:
            await watch.stop()


def test_an_address_that_cannot_be_used_is_told_without_it() -> None:
    with pytest.raises(OSError, match=r"^REDIS_URL cannot be used$"):
        RedisWatch("redis://user:pass@host:port").start()
