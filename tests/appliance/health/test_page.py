"""Facts → the health page."""

from typing import Any

import msgspec
import pytest

from appliance.health.page import Condition, Devices, Enrolled, Work, describe
from appliance.health.state import Link
from appliance.journal.jobs import Facts


def condition(**fields: Any) -> Condition:
    link = Link(lambda: 1000.0)
    link.up()
    values: dict[str, Any] = {
        "boot_id": "b", "uptime": 1.26, "link": link, "reload": None, "lag": 0.0, "clock_now": 1000.0,
        "clock_offset": 0.12345, "enrolled": Enrolled(has_address=True, reasons=(), hub="wss://hub/ws", told={}),
        "updates": {}, "journal": Facts(id="j", unsettled=2), "journal_max_bytes": 64,
        "work": Work(waiting={"a": 2, "gone": 1}, running_at={"a": 1}, running=1, in_doubt=0), "routes": (),
        "devices": Devices(standing={}, troubles=(), waiting=()),
    }  # fmt: skip
    return Condition(**{**values, **fields})


def test_what_is_well() -> None:
    status, body = describe(condition())
    assert (status, body["status"], body["reasons"]) == (200, "healthy", [])
    assert body["queue"] == {"waiting": 3, "running": 1, "in_doubt": 0}  # also of routes that are no more
    assert (body["uptime"], body["clock"]["offset"], body["last_error"]) == (1.3, 0.123, None)
    assert (body["unsettled"], body["journal"]["trouble"]) == (2, None)


@pytest.mark.parametrize(
    ("fields", "status", "word"),
    [
        ({"journal": Facts(trouble="the disk is full")}, 503, "the disk is full"),
        ({"devices": Devices(standing={}, troubles=("bills: jammed",), waiting=())}, 200, "bills: jammed"),
        ({"enrolled": Enrolled(has_address=False, reasons=("enrol it",), hub="", told={})}, 200, "enrol it"),
        ({"link": Link()}, 200, "not connected"),
    ],
)
def test_what_is_not_is_told(fields: dict[str, Any], status: int, word: str) -> None:
    found, body = describe(condition(**fields))
    assert (found, word in " ".join(body["reasons"]), body["status"] == "healthy") == (status, True, False)
    msgspec.json.encode(body)
