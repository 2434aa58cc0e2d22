"""Kiosks of several real hubs, on a real database, and on a real Redis where that is what is tried."""

from pathlib import Path

import pytest

from cloud.bus.nudges import Nudge
from tests import redis_server
from tests.cloud.box import enrolled
from tests.cloud.fleet import fleet
from tests.cloud.hub import Running, until
from tests.cloud.local_bus import LocalNet


def holder(run: Running, kiosk_id: str = "kiosk_001") -> str:
    """The life of the other hub that holds it, as this one knows."""
    seen = run.services.presence.get(kiosk_id)
    return "" if seen is None else seen.hub


async def test_a_kiosk_moves_and_is_disabled_renewed_and_removed_at_another_hub(tmp_path: Path) -> None:
    async with fleet(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as (one, two):
        async with one.kiosk() as older:
            await until(lambda: holder(two) == one.hub.bus.me)
            async with two.kiosk() as newer:  # the same run of the same box
                assert await older.close_code() == 4409
                await until(lambda: holder(one) == two.hub.bus.me)
                async with one.socket() as copy:
                    await copy.say("hello", version="1", boot_id="boot-2", journal="journal-2", routes=["default"])
                    assert await copy.close_code() == 4410
                await one.services.registry.enable("kiosk_001", enabled=False)
                assert await newer.close_code() == 4403
        await one.services.registry.enable("kiosk_001", enabled=True)
        await two.services.registry.refresh()
        async with two.v1_kiosk("kiosk_002") as client:
            await one.services.registry.renew_token("kiosk_002")
            assert await client.close_code() == 4401
        async with two.kiosk() as kiosk:
            await one.services.registry.remove("kiosk_001")
            assert await kiosk.close_code() == 4403


async def test_an_enrolled_box_moves_and_its_twin_is_kept_out(tmp_path: Path) -> None:
    net = LocalNet()
    async with fleet(tmp_path, net=net) as (one, two):
        net.lose(Nudge)
        box = await enrolled(one)
        async with box.connected(two) as older, box.connected(one):  # its token is in force at the other hub at once
            assert await older.close_code() == 4409
            await until(lambda: holder(two) == one.hub.bus.me)
            async with two.socket(box.token) as twin:
                await box.twin().hello_unheard(twin)
                assert await twin.close_code() in {4410, 4411}


async def test_a_key_that_is_revoked_is_dead_at_all_hubs_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.db.changes._EVERY", 3600.0)  # no hub finds it by looking
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        key, text = await one.services.keys.add("another")
        await until(lambda: two.services.keys.check(text))
        await one.services.keys.revoke(key.id)
        await until(lambda: not two.services.keys.check(text))


@pytest.mark.parametrize("harm", ["kill", "pause"])
async def test_with_redis_away_kiosks_come_go_and_are_closed_as_ever_and_all_heals(tmp_path: Path, harm: str) -> None:
    with redis_server.running_redis() as redis:
        async with (
            fleet(tmp_path, redis=redis, kiosks=("kiosk_001", "kiosk_002")) as (one, two),
            one.kiosk() as older,
            one.kiosk("kiosk_002") as other,
        ):
            await until(lambda: holder(two) == holder(two, "kiosk_002") == one.hub.bus.me)
            getattr(redis, harm)()
            async with two.kiosk():
                await two.services.registry.enable("kiosk_002", enabled=False)
                assert await other.close_code() == 4403
                redis.go_on() if harm == "pause" else redis.start()
                assert await older.close_code() == 4409
                await until(lambda: holder(one) == two.hub.bus.me)
                await until(lambda: holder(two) == holder(two, "kiosk_002") == "")
