"""What an owner asks of devices by way of the hub, and other devices in the routing file, while the kiosk works."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.journeys.desk_site import DeskKiosk, Json
from tests.journeys.site import Site, until
from tests.journeys.test_cash import money

HAS = ("bills", "coins", "hopper")


@pytest.fixture(scope="module")
def desk(site: Site) -> Iterator[DeskKiosk]:
    """A kiosk; whoever changes something changes it back."""
    with DeskKiosk.standing(site, "owner", *HAS, "printer") as kiosk:
        yield kiosk


def told(desk: DeskKiosk, device: str, **body: object) -> Json:
    """One action, and what it says."""
    return desk.ask(device, body).answer()


def test_a_validator_out_of_service_takes_no_notes_until_it_is_put_back(desk: DeskKiosk) -> None:
    said = told(desk, "bills", action="disable", reason="being cleaned")
    assert (said["in_service"], said["work"]) == (False, None)
    desk.restart()
    desk.wait_devices()
    page = desk.health()
    assert page["status"] == "degraded"
    assert [reason for reason in page["reasons"] if "being cleaned" in reason]
    asked = desk.pay(20000)
    desk.collecting(asked)
    assert desk.rack["bills"].do("insert", minor=20000) == {"taken": 0}
    desk.coin(20000)
    assert money(asked.answer()) == ("paid", 20000, 0, 0)
    assert told(desk, "bills", action="enable")["in_service"]
    asked = desk.pay(20000)
    desk.note(20000)
    assert money(asked.answer()) == ("paid", 20000, 0, 0)
    ordered = [
        data["in_service"] for kind, device, data in desk.events() if (kind, device) == ("service-ordered", "bills")
    ]
    assert ordered == [False, True]
    desk.agrees()


def test_devices_of_another_reading_do_not_disturb_a_session(desk: DeskKiosk) -> None:
    asked = desk.pay(100000)
    desk.note(50000)
    desk.collecting(asked, 50000)
    routes = desk.desk_routes()
    routes["devices"]["bills"]["baud"] = 9600
    routes["devices"]["coins"]["label"] = "left"
    del routes["devices"]["printer"], routes["routes"]["printer"], routes["routes"]["cash"]["printer"]
    desk.appliance.write_routes(routes)
    os.kill(desk.appliance.pid, signal.SIGHUP)
    until("the printer being let go of", lambda: "printer" not in desk.health()["devices"])
    (waits,) = [reason for reason in desk.health()["reasons"] if "not taken over" in reason]
    assert waits.startswith("not taken over from the routing file: bills is changed as soon as ")
    assert desk.health()["devices"]["coins"]["label"] == "left"
    desk.note(50000)
    assert money(asked.answer()) == ("paid", 100000, 0, 0)
    until("the validator being changed", lambda: desk.health()["status"] == "healthy")
    desk.wait_devices(*HAS)
    asked = desk.pay(50000)
    desk.note(50000)
    assert money(asked.answer()) == ("paid", 50000, 0, 0)
    desk.agrees()
    desk.appliance.write_routes(desk.desk_routes())
    os.kill(desk.appliance.pid, signal.SIGHUP)
    until("the printer being taken up", lambda: "printer" in desk.health()["devices"])
    desk.wait_devices()


def test_devices_are_counted_emptied_and_tried(desk: DeskKiosk) -> None:
    desk.fill_hoppers()
    told(desk, "bills", action="collect")
    asked = desk.pay(40000)
    desk.note(50000)
    assert money(asked.answer()) == ("paid", 50000, 10000, 0)
    assert told(desk, "hopper", action="levels")["lying"][0]["counts"] == {"10000": 99}
    assert told(desk, "hopper", action="refill", count=11)["level"] == 110
    record = told(desk, "bills", action="collect")
    assert (record["total"], record["counts"]) == (50000, {"50000": 1})
    assert told(desk, "bills", action="levels")["lying"] == []
    tested = told(desk, "printer", action="self-test", print=True)
    assert (tested["passed"], tested["slip"]) == (True, "printed"), tested
    assert any("Проверка печати" in str(line) for line in desk.rack["printer"].lines())
    assert told(desk, "printer", action="status")["reported"]["online"]
    assert desk.ask("bills", {"action": "dance"}).answer(400)["type"].endswith("bad-request")
