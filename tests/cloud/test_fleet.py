"""Several hubs in one process: what the other tests of many hubs stand on."""

from pathlib import Path

from tests.cloud.box import Box
from tests.cloud.fleet import fleet
from tests.cloud.hub import until
from tests.cloud.local_bus import LocalNet


async def test_hubs_share_kiosks_keys_and_a_database(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet(), kiosks=("kiosk_001", "kiosk_002")) as (one, two):
        assert one.hub.bus.lives(two.hub.bus.me)
        async with one.kiosk() as kiosk, two.kiosk("kiosk_002") as other, kiosk.serving(), other.serving():
            assert (await one.send({"a": 1})).json() == {"echo": {"a": 1}}
            assert (await two.send({"a": 2}, kiosk="kiosk_002")).json() == {"echo": {"a": 2}}


async def test_who_guesses_has_no_more_tries_at_several_hubs(tmp_path: Path) -> None:
    async with fleet(tmp_path, net=LocalNet()) as (one, two):
        for _ in range(10):
            assert (await Box().ask(one, "2222-2222")).status_code == 403
        tries = [run.hub.people.tries for run in (one, two)]
        assert [tries[0].take_address("192.0.2.1") for _ in range(20)] == [0.0] * 20

        def left() -> list[float]:
            buckets = two.hub._guesses._one._buckets, tries[1]._addresses._buckets
            return [
                found.get(name, (9.0, 0.0))[0] for found, name in zip(buckets, ("127.0.0.1", "192.0.2.1"), strict=True)
            ]

        await until(lambda: max(left()) < 0.9)
        assert (await Box().ask(two, "2222-2222")).status_code == 429
        assert tries[1].take_address("192.0.2.1") > 0
