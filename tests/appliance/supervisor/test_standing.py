"""What is said of a device, and when a person is to worry."""

from pathlib import Path

import pytest

from appliance.supervisor import standing, trouble
from hardware.events import DeviceState, StateChanged
from hardware.roles import Status
from tests.appliance.supervisor.yard import entries, journal, supervised, virtual

BILLS = {"driver": "ccnet", "port": "/dev/nowhere", "currency": "KZT", "label": "left"}
AT = 1_800_000_000.0


@pytest.mark.parametrize(
    ("state", "words", "said"),
    [
        (DeviceState.READY, "", ""),
        (DeviceState.BUSY, "", ""),
        (DeviceState.DISABLED, "", ""),
        (DeviceState.STARTING, "", ""),
        (DeviceState.FAULT, "it is jammed", "bills (left) is out of service: it is jammed (47)"),
        (DeviceState.FAULT, "", "bills (left) is out of service: it does not say why (47)"),
        (DeviceState.ABSENT, "no such port", "bills (left) is absent: no such port"),
    ],
)
@virtual
async def test_what_a_person_should_look_at_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: DeviceState, words: str, said: str
) -> None:
    async with journal(tmp_path / "journal") as memory, supervised(memory, entries(bills=BILLS)) as supervisor:
        watched = supervisor.find("bills")
        await watched.page.record(StateChanged(state=DeviceState.READY, was=DeviceState.STARTING), None)
        monkeypatch.setattr(
            type(watched.device), "status", property(lambda _: Status(state=state, code="47", words=words))
        )
        assert trouble(watched, AT) == said
        assert standing(watched)["state"] == state.value


@virtual
async def test_a_device_that_was_not_there_yet_has_a_moment(tmp_path: Path) -> None:
    async with journal(tmp_path / "journal") as memory, supervised(memory, entries(bills=BILLS)) as supervisor:
        watched = supervisor.find("bills")
        assert trouble(watched, watched.since + 5) == ""
        assert "is absent" in trouble(watched, watched.since + 20)
        await watched.page.record(StateChanged(state=DeviceState.READY, was=DeviceState.ABSENT), None)
        await watched.page.record(StateChanged(state=DeviceState.ABSENT, was=DeviceState.READY), None)
        assert "is absent" in trouble(watched, watched.since)


@virtual
async def test_what_hinders_it_comes_first(tmp_path: Path) -> None:
    async with journal(tmp_path / "journal") as memory, supervised(memory, entries(bills=BILLS)) as supervisor:
        watched = supervisor.find("bills")
        for _ in range(3):
            watched.went_wrong(OSError("silent"))
        assert trouble(watched, AT).startswith("bills (left): fails again and again since 2027-01-15 ")
        await watched.give_order(in_service=False, reason="", nonce=1)
        assert trouble(watched, AT) == "bills (left): out of service by order since 2027-01-15 08:00:00 UTC"
        assert standing(watched)["circuit"] == {"state": "open", "failures": 3, "words": "silent"}
