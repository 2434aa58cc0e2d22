"""How devices stand by what their kiosk told."""

import msgspec
import pytest

from cloud.kiosks.devices import Devices, shared
from wire.messages import Device, Event, Hello


def hello(uptime: float = 100.0, **states: str) -> Hello:
    devices = [Device(name=name, role="thing", state=state) for name, state in states.items()]
    return Hello(version="1", boot_id="b", devices=devices, uptime=uptime)


def event(device: str, data: object, kind: str = "state-changed") -> Event:
    return Event(seq=1, at=1.0, kind=kind, device=device, data=msgspec.Raw(msgspec.json.encode(data)))


def states(devices: Devices) -> dict[str, str]:
    return {each.name: each.state for each in devices.all()}


def test_each_stands_as_it_was_told_of_last() -> None:
    devices = Devices(hello(bills="starting", register="absent"))
    assert states(devices) == {"bills": "starting", "register": "absent"}
    devices.heard(event("bills", {"state": "ready", "was": "starting"}))
    devices.heard(event("register", {"state": "fault", "was": "absent"}))
    devices.heard(event("register", {"state": "ready", "was": "fault"}))
    devices.heard(event("bills", {"state": "full"}, kind="level-full"))
    assert states(devices) == {"bills": "ready", "register": "ready"}
    assert devices.all()[0].role == "thing"


@pytest.mark.parametrize("data", [{}, {"state": 7}, {"state": ""}, [], "fault"])
def test_what_says_no_state_changes_none(data: object) -> None:
    devices = Devices(hello(bills="ready"))
    devices.heard(event("bills", data))
    assert states(devices) == {"bills": "ready"}


def test_a_device_that_is_not_named_takes_no_room() -> None:
    devices = Devices(hello(bills="ready"))
    devices.heard(event("other", {"state": "fault"}))
    devices.heard(event("bills", {"state": "x" * 1000}))
    assert states(devices) == {"bills": "x" * 64}
    assert Devices().all() == []


def test_what_nobody_tells_the_end_of_is_not_shown_for_ever() -> None:
    assert states(Devices(hello(bills="busy"))) == {"bills": "ready"}
    # A program that has just started has not given up.
    assert states(Devices(hello(uptime=0.8, bills="absent"))) == {"bills": "starting"}
    assert states(Devices(hello(uptime=15.0, bills="absent"))) == {"bills": "absent"}
    assert states(Devices(hello(uptime=0.0, bills="absent"))) == {"bills": "absent"}  # it does not say


def test_kiosks_that_name_equal_devices_share_them() -> None:
    one, two = shared(hello(bills="ready")), shared(hello(bills="ready", register="fault"))
    assert one == hello(bills="ready")
    assert two == hello(bills="ready", register="fault")
    assert one.devices[0] is two.devices[0]
