"""The whole appliance with devices: health page, numbers, hello, another reading of the routing file."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from appliance.app import Appliance
from appliance.settings import load
from hardware.events import DeviceState
from tests.appliance.quick import quick
from tests.appliance.supervisor.yard import Yard, well, yard
from tests.appliance.worlds import TOKEN, Hub, hub, until
from wire.messages import Hello

ROUTES = {"payment": {"url": "http://127.0.0.1:1/"}, "bills": {"device": "bills"}}


class World:
    """A kiosk with its hub."""

    def __init__(self, directory: Path, appliance: Appliance, url: str, there: Hub, devices: Yard) -> None:
        self.directory, self.appliance, self.url, self.hub, self.devices = directory, appliance, url, there, devices

    async def health(self) -> dict[str, Any]:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{self.url}/health")).json()

    async def metrics(self) -> dict[str, float]:
        """Of devices."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{self.url}/metrics")).text
        lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith("kioskwire_device")]
        return {name: float(value) for name, _, value in lines}

    def say(self, **devices: dict[str, Any]) -> None:
        """Write the routing file."""
        routes = {name: route for name, route in ROUTES.items() if route.get("device", "bills") in devices}
        (self.directory / "routing.yaml").write_text(yaml.safe_dump({"routes": routes, "devices": devices}))

    def hellos(self) -> list[list[tuple[str, str, str]]]:
        """Devices in each hello."""
        return [
            [(device.name, device.role, device.driver) for device in message.devices]
            for message in self.hub.heard if isinstance(message, Hello)
        ]  # fmt: skip


@contextlib.asynccontextmanager
async def world(directory: Path, there: Hub, devices: Yard, **given: dict[str, Any]) -> AsyncIterator[World]:
    """It runs, with these devices in its routing file."""
    before = World(directory, None, "", there, devices)  # type: ignore[arg-type]
    before.say(**given)
    environ = {
        "WS_SERVER_URL": there.url, "WS_TOKEN": TOKEN, "ROUTING_CONFIG": str(directory / "routing.yaml"),
        "STATE_DIR": str(directory / "state"), "HEALTH_CHECK_PORT": "0",
    }  # fmt: skip
    appliance = Appliance(load(None, environ))
    url = await appliance.start()
    try:
        yield World(directory, appliance, url, there, devices)
    finally:
        await appliance.stop()


@quick
async def test_devices_on_the_page_in_the_numbers_and_in_hello(tmp_path: Path) -> None:
    async with hub() as there, yard(tmp_path) as devices:
        bills = {"driver": "ccnet", "port": await devices.put("bills", "ccnet"), "currency": "KZT", "label": "left"}
        register = {"driver": "shtrih", "port": await devices.put("register", "shtrih"), "password": 30}
        async with world(tmp_path, there, devices, bills=bills, register=register) as kiosk:
            await well(kiosk.appliance.supervisor, "bills", "register")
            await until(kiosk.hellos)
            assert kiosk.hellos()[0] == [
                ("bills", "bill validator", "ccnet"),
                ("register", "fiscal register", "shtrih"),
            ]
            page = await kiosk.health()
            assert (page["status"], page["reasons"]) == ("healthy", [])
            found = page["devices"]["bills"]
            assert (found["role"], found["label"], found["driver"], found["port"]) == (
                "bill validator", "left", "ccnet", bills["port"],
            )  # fmt: skip
            assert (found["state"], found["work"], found["circuit"]["state"]) == ("disabled", None, "closed")
            assert found["identity"]["serial"]
            assert found["since"] > 1e9
            assert "password" not in str(page)
            numbers = await kiosk.metrics()
            of = '{device="bills",role="bill validator"'
            assert numbers[f"kioskwire_device_up{of}}}"] == 1
            assert numbers[f'kioskwire_device_state{of},state="disabled"}}'] == 1
            assert numbers[f'kioskwire_device_state{of},state="absent"}}'] == 0
            assert numbers[f"kioskwire_device_circuit_open{of}}}"] == 0
            assert numbers[f"kioskwire_device_skipped_bytes_total{of}}}"] >= 0
            assert numbers[f"kioskwire_device_repeats_total{of}}}"] >= 0

            devices.do("bills", "unplug")
            watched = kiosk.appliance.supervisor.find("bills")
            await until(lambda: watched.status.state is DeviceState.ABSENT)
            page = await kiosk.health()
            assert page["status"] == "degraded"
            (reason,) = page["reasons"]
            assert reason.startswith("bills (left) is absent: ")
            assert (await kiosk.metrics())[f"kioskwire_device_up{of}}}"] == 0
            await until(lambda: [event.device for event in there.events() if event.kind == "state-changed"][-1:])
            devices.do("bills", "plug")
            await well(kiosk.appliance.supervisor, "bills")
            assert (await kiosk.health())["status"] == "healthy"


@quick
async def test_another_reading_changes_devices_and_says_what_it_cannot(tmp_path: Path) -> None:
    async with hub() as there, yard(tmp_path) as devices:
        bills = {"driver": "ccnet", "port": await devices.put("bills", "ccnet"), "currency": "KZT"}
        bus = await devices.put("bus", "cctalk", devices="coins,hopper")
        coins = {"driver": "cctalk", "port": bus}
        hopper = {"driver": "cctalk-hopper", "port": bus, "denomination": 10000}
        async with world(tmp_path, there, devices, bills=bills, coins=coins) as kiosk:
            supervisor = kiosk.appliance.supervisor
            await well(supervisor, "bills", "coins")
            await until(kiosk.hellos)
            before = {each.name: each.device for each in supervisor.all()}
            supervisor.find("bills").bind("session-1")
            kiosk.say(bills={**bills, "baud": 9600}, coins=coins, hopper=hopper)
            kiosk.appliance.reload()
            await until(lambda: [name for name, _, _ in kiosk.hellos()[-1]] == ["bills", "coins", "hopper"])
            await well(
                supervisor, "coins", "hopper"
            )  # one line: what is new on it may be in the old one's way at first
            assert {name: supervisor.find(name).device is before[name] for name in before} == {
                "bills": True, "coins": True,
            }  # fmt: skip
            page = await kiosk.health()
            assert page["status"] == "degraded"
            assert page["reasons"] == [
                "not taken over from the routing file: bills is changed as soon as session-1 has ended"
            ]
            supervisor.find("bills").bind("")
            await until(lambda: not supervisor.waiting)
            await well(supervisor, "bills")
            assert (await kiosk.health())["status"] == "healthy"

            kiosk.say(bills={**bills, "baud": 5}, coins={**coins, "address": 999})
            kiosk.appliance.reload()
            await until(lambda: "routes-rejected" in [event.kind for event in there.events()])
            page = await kiosk.health()
            assert list(page["devices"]) == ["bills", "coins", "hopper"]
            assert "devices.bills.baud" in page["reasons"][0]
            assert "devices.coins.address" in page["reasons"][0]

            kiosk.say(bills={**bills, "baud": 9600})
            kiosk.appliance.reload()
            await until(lambda: [event.kind for event in there.events()].count("devices-changed") == 3)
            page = await kiosk.health()
            assert (page["status"], list(page["devices"])) == ("healthy", ["bills"])


async def test_a_device_that_is_never_there_keeps_nobody_from_starting(tmp_path: Path) -> None:
    async with hub() as there, yard(tmp_path) as devices:
        bills = {"driver": "ccnet", "port": "/dev/serial/by-id/nothing", "currency": "KZT"}
        async with world(tmp_path, there, devices, bills=bills) as kiosk:
            await until(lambda: kiosk.appliance.link.connected)
            found = (await kiosk.health())["devices"]["bills"]
            assert found["state"] == "absent"
            assert found["words"]


@pytest.mark.parametrize("count", [1, 3])
async def test_it_stops_within_moments_with_devices_open(tmp_path: Path, count: int) -> None:
    async with hub() as there, yard(tmp_path) as devices:
        given = {
            f"bills{n}": {"driver": "ccnet", "port": await devices.put(f"bills{n}", "ccnet"), "currency": "KZT"}
            for n in range(count)
        }
        given["bills"] = {"driver": "ccnet", "port": "/dev/nowhere", "currency": "KZT"}
        async with world(tmp_path, there, devices, **given) as kiosk:
            await well(kiosk.appliance.supervisor, *(f"bills{n}" for n in range(count)))
