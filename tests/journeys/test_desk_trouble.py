"""Cash sessions while something breaks: a cable, the link to the hub, the appliance itself, its routing file."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.journeys.desk_site import DeskKiosk
from tests.journeys.site import Site, unique, until
from tests.journeys.test_cash import money

HAS = ("bills", "coins", "hopper")


@pytest.fixture(scope="module")
def desk(site: Site) -> Iterator[DeskKiosk]:
    """A kiosk that is broken and repaired."""
    with DeskKiosk.standing(site, "trouble", *HAS) as kiosk:
        yield kiosk


@pytest.fixture(autouse=True)
def _agrees(desk: DeskKiosk) -> Iterator[None]:
    """After each journey devices, journal and hub agree."""
    yield
    desk.agrees()


def test_the_validator_is_unplugged_in_mid_session_and_plugged_again(desk: DeskKiosk) -> None:
    asked = desk.pay(100000)
    desk.note(50000)
    desk.collecting(asked, 50000)
    desk.rack["bills"].do("unplug")
    desk.wait_devices("bills", state=("absent",))
    desk.coin(20000)
    desk.collecting(asked, 70000)
    desk.rack["bills"].do("plug")
    desk.wait_devices("bills")
    desk.note(20000)
    desk.collecting(asked, 90000)
    desk.coin(10000)
    assert money(asked.answer()) == ("paid", 100000, 0, 0)


def test_the_validator_is_unplugged_with_a_note_on_its_way(desk: DeskKiosk) -> None:
    asked = desk.pay(100000, idle_timeout=10)
    desk.collecting(asked)
    desk.note(50000)
    desk.rack["bills"].do("unplug")
    desk.wait_devices("bills", state=("absent",))
    desk.rack["bills"].do("plug")
    told = asked.answer()
    assert told["status"] == "timed_out"
    assert told["collected"] == told["change_paid"] + told["change_owed"]
    desk.wait_devices()


def test_the_hub_is_away_and_the_payment_waits_in_its_queue(site: Site, desk: DeskKiosk) -> None:
    desk.proxy.cut()
    until("the hub missing it", lambda: not site.connected(desk.id))
    asked = desk.pay(50000, queued=True)
    assert asked.future.result(30).status_code == 202
    desk.proxy.restore()
    desk.collecting(asked)
    desk.note(50000)
    assert money(asked.told()) == ("paid", 50000, 0, 0)


def test_the_link_to_the_hub_is_cut_after_it_was_accepted(desk: DeskKiosk) -> None:
    asked = desk.pay(70000)
    desk.collecting(asked)
    desk.proxy.cut()
    desk.note(100000)
    until("the session's end", lambda: desk.result(asked))
    desk.proxy.restore()
    assert money(asked.told()) == ("paid", 100000, 30000, 0)


def test_the_customer_cancels_at_the_kiosk_while_the_hub_is_away(desk: DeskKiosk) -> None:
    asked = desk.pay(100000)
    desk.note(50000)
    desk.collecting(asked, 50000)
    desk.proxy.hold(up=True, down=True)  # were it cut again, the kiosk would take its time to come back
    assert desk.cancel_here().json() == {"cancelled": [asked.id]}
    until("the session's end", lambda: desk.result(asked))
    desk.proxy.restore()
    assert (*money(asked.told()), asked.told()["reason"]) == ("cancelled", 50000, 50000, 0, "customer")


def test_two_kiosks_take_money_at_once(site: Site, desk: DeskKiosk) -> None:
    with DeskKiosk.standing(site, "another", *HAS) as another:
        asked = {desk: desk.pay(70000), another: another.pay(50000)}
        desk.note(100000)
        another.note(50000)
        assert money(asked[desk].answer()) == ("paid", 100000, 30000, 0)
        assert money(asked[another].answer()) == ("paid", 50000, 0, 0)
        another.agrees()


def test_told_to_stop_in_mid_session_it_pays_back_and_says_so(desk: DeskKiosk) -> None:
    asked = desk.pay(100000)
    desk.note(20000)
    desk.collecting(asked, 20000)
    assert desk.appliance.stop() == 0
    desk.start()
    desk.wait_devices()
    told = asked.told()
    assert (*money(told), told["reason"]) == ("cancelled", 20000, 20000, 0, "the appliance stops")


def test_the_routing_file_is_read_again_in_mid_session(desk: DeskKiosk) -> None:
    asked = desk.pay(100000)
    desk.note(50000)
    desk.collecting(asked, 50000)
    routes = desk.desk_routes()
    routes["routes"]["cash"]["timeout"] = 50
    del routes["routes"]["coins"]
    desk.appliance.write_routes(routes)
    os.kill(desk.appliance.pid, signal.SIGHUP)
    until("its taking over the file", lambda: "coins" not in desk.health()["routes"])
    desk.coin(20000)
    desk.collecting(asked, 70000)
    desk.note(50000)
    assert money(asked.answer()) == ("paid", 120000, 20000, 0)
    desk.appliance.write_routes(desk.desk_routes())
    os.kill(desk.appliance.pid, signal.SIGHUP)
    until("its taking over the file", lambda: "coins" in desk.health()["routes"])


def test_killed_in_mid_session_it_says_what_was_really_collected(desk: DeskKiosk) -> None:
    asked = desk.pay(100000, key=(key := unique("killed")))
    desk.note(50000)
    desk.collecting(asked, 50000)
    desk.restart()
    told = asked.told()
    assert (told["status"], told["collected"]) == ("interrupted", 50000)
    assert told["change_paid"] + told["change_owed"] == 50000
    desk.wait_devices()
    assert desk.rack["bills"].do("insert", minor=50000) == {"taken": 0}
    assert desk.pay(100000, key=key).answer() == told
