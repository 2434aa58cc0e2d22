"""Real hubs on a Redis that goes away, as those who ask them see it; and a key's limit at two of them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cloud.bus import condition, members, redis_bus
from tests.cloud.fleet import acquainted, fleet
from tests.cloud.hub import Running, until
from tests.redis_server import MissingError, running_redis


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that runs is neither silent nor slow, and no hub gone, because this process had no turn."""
    monkeypatch.setattr(redis_bus, "_SILENT_AFTER", 600.0)
    monkeypatch.setattr(condition, "_SLOW", 600.0)
    monkeypatch.setattr(members, "GONE_AFTER", 600.0)


async def health(hub: Running) -> tuple[int, Any]:
    answer = await hub.http.get("/health")
    return answer.status_code, answer.json()


async def test_health_tells_of_a_redis_that_is_away_and_own_kiosks_are_served(tmp_path: Path) -> None:
    try:
        with running_redis(requirepass="canary-password") as redis:
            async with fleet(tmp_path, redis=redis) as (one, two), one.kiosk() as kiosk, kiosk.serving():
                await until(lambda: two.services.presence.get("kiosk_001"))
                assert (await two.send({"n": 1})).status_code == 200
                redis.kill()

                async def is_degraded() -> bool:
                    status, report = await health(one)
                    assert status == 200
                    assert "canary" not in str(report)
                    assert (report["redis"] == "unreachable") == (report["status"] == "degraded")
                    return "Redis is not reached: nobody listens there" in report["reasons"]

                await until(is_degraded)
                assert (await one.send({"n": 2})).status_code == 200
                assert await one.metric("kioskwire_bus_up") == 0
                await asyncio.to_thread(redis.start)
                await acquainted((one, two))
                await until(lambda: one.hub.bus.is_up and two.hub.bus.is_up)
                assert (await health(one))[1]["redis"] == "connected"
                assert await one.metric("kioskwire_bus_up") == 1

                async def is_reached() -> bool:
                    return (await two.send({"n": 3})).status_code == 200

                await until(is_reached)
    except MissingError as missing:
        pytest.skip(str(missing))


async def test_the_limit_of_a_key_holds_for_two_hubs_together(tmp_path: Path) -> None:
    async with fleet(tmp_path, rate_limit_per_key=0.002) as (one, two):  # one, and the next in 500 s
        assert (await one.http.get("/operations", headers=one.backend())).status_code == 200
        taken, elsewhere = (hub.services.send._key_limit._buckets for hub in (one, two))
        await until(lambda: taken.keys() == elsewhere.keys())
        assert (await two.http.get("/operations", headers=two.backend())).status_code == 429
