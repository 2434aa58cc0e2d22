"""Figures of the fleet: counted right, bounded, and gone with what they count."""

from pathlib import Path

import pytest

from cloud.kiosks import fleet
from cloud.kiosks.flapping import ENDS
from cloud.kiosks.fleet import Fleet
from tests.cloud.hub import Running, running, until

DEVICES = [{"name": "bills", "role": "bill-validator", "state": "ready"}, {"name": "printer", "role": "printer"}]


def shown(hub: Running) -> dict[str, float]:
    """The fleet's gauges that are there."""
    found = {}
    for metric in hub.services.metrics.registry.collect():
        for sample in metric.samples:
            if metric.name.startswith(("kioskwire_kiosks", "kioskwire_kiosk_devices")):
                found[" ".join([metric.name.removeprefix("kioskwire_"), *sample.labels.values()])] = sample.value
    return found


def looking(hub: Running) -> Fleet:
    given = hub.services
    return Fleet(given.registry, given.links, hub.hub.rooms.history, given.metrics)


async def test_versions_and_devices_are_counted_of_those_that_are_here(tmp_path: Path) -> None:
    kiosks = ("kiosk_001", "kiosk_002", "kiosk_003", "kiosk_004")
    async with running(tmp_path, kiosks=kiosks) as hub:
        eyes = looking(hub)
        await hub.services.registry.enable("kiosk_004", False)
        bad = [{**DEVICES[0], "state": "fault"}, {**DEVICES[1], "state": "absent"}]
        good = [{**device, "state": "ready"} for device in DEVICES]
        async with (
            hub.kiosk("kiosk_001", version="2.0.0", devices=bad, uptime=100.0),
            hub.kiosk("kiosk_002", version="2.0.0", devices=good),
            hub.v1_kiosk("kiosk_003"),
        ):
            await eyes.look()
            assert shown(hub) == {
                "kiosks_registered": 3,
                "kiosks_connected": 3,
                "kiosks_elsewhere": 0,
                "kiosks_duplicated": 0,
                "kiosks_by_version 2.0.0": 2,
                "kiosks_by_version v1": 1,
                "kiosk_devices ready": 2,
                "kiosk_devices fault": 1,
                "kiosk_devices absent": 1,
                "kiosks_in_trouble": 1,
                "kiosks_flapping": 0,
            }
        for kiosk in kiosks[:3]:
            await hub.gone(kiosk)
        await eyes.look()
        assert not [name for name in shown(hub) if name.startswith(("kiosks_by_version", "kiosk_devices"))]


async def test_a_kiosk_flaps_here_as_the_dashboard_has_it(tmp_path: Path) -> None:
    async with running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub:
        eyes = looking(hub)
        for number in range(1, ENDS + 1):
            async with hub.kiosk() as kiosk:
                await kiosk.cut()
            await hub.gone()
            await eyes.look()
            assert shown(hub)["kiosks_flapping"] == (number == ENDS)


async def test_names_that_kiosks_make_up_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "_NAMES_MAX", 1)
    async with (
        running(tmp_path, kiosks=("a", "b", "c")) as hub,
        hub.kiosk("a", version="1"),
        hub.kiosk("b", version="1"),
        hub.kiosk("c", version="x" * 64),
    ):
        await looking(hub).look()
        versions = {name: n for name, n in shown(hub).items() if name.startswith("kiosks_by_version")}
        assert versions == {"kiosks_by_version 1": 2, "kiosks_by_version other": 1}


async def test_the_hub_looks_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "_EVERY", 0.02)
    async with running(tmp_path) as hub, hub.kiosk(version="7"):
        await until(lambda: "kiosks_by_version 7" in shown(hub))
