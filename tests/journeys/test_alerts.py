"""What goes wrong with the devices of a kiosk stands at the hub while it holds, and becomes alerts that clear."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.desk_site import DeskKiosk, Json
from tests.journeys.site import Site, until

HAS = ("bills", "hopper", "printer")
KINDS = ("cassette-removed", "device-absent", "hopper-near-empty", "paper-out", "device-fault", "kiosk-offline")
AT_ONCE = "".join(f"  {kind}: {{after: 0, clear_after: 0, gather: 0}}\n" for kind in KINDS)
WRONG = {
    ("cassette-out", "bills"),
    ("near-empty", "hopper"),
    ("absent", "hopper"),
    ("paper-out", "printer"),
}
ALERTS = {
    ("cassette-removed", "bills"),
    ("hopper-near-empty", "hopper"),
    ("device-absent", "hopper"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub that raises and clears at once."""
    directory = tmp_path_factory.mktemp("alerts")
    rules = directory / "alerts.yaml"
    rules.write_text(f"kinds:\n{AT_ONCE}")
    built = Site(directory, {"ALERTS_CONFIG": str(rules)})
    try:
        yield built
    finally:
        built.close()


class Owned(DeskKiosk):
    """A kiosk whose owner said how few coins are too few."""

    def desk_routes(self) -> Json:
        routes = super().desk_routes()
        routes["devices"]["hopper"]["near_empty"] = 20
        return routes

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Of the hub's database, about this kiosk."""
        return self.site.hub.rows(query.replace("?", f"'{self.id}'"))

    def stands(self) -> set[tuple[str, str]]:
        """What the hub holds to be wrong, beside faults that come of it."""
        return set(self.rows("SELECT kind, subject FROM standing WHERE kiosk_id = ? AND open AND kind <> 'fault'"))

    def alerts(self) -> set[tuple[str, str]]:
        """What people are told of."""
        return set(self.rows("SELECT kind, subject FROM alerts WHERE kiosk_id = ? AND cleared_at IS NULL"))


def test_devices_in_trouble_are_alerts_until_they_are_well(site: Site) -> None:
    with Owned.standing(site, "troubled", *HAS) as kiosk:
        until("all being well", lambda: kiosk.stands() == set())
        kiosk.rack["bills"].do("pull_cassette")
        kiosk.rack["printer"].do("paper_out")
        kiosk.set_hopper("hopper", 15)
        kiosk.rack["bus"].do("unplug")
        until("all troubles being known", lambda: kiosk.stands() == WRONG)
        kiosk.appliance.kill()
        kiosk.rack["printer"].do("load_paper")  # while nobody looks
        kiosk.start()
        until("alerts of what it still finds so", lambda: kiosk.alerts() == ALERTS)
        kiosk.rack["bus"].do("plug")
        kiosk.rack["bills"].do("put_cassette")
        kiosk.set_hopper("hopper", 100)
        until("all being well again", lambda: kiosk.stands() == set())
        until("no alerts", lambda: not kiosk.alerts())
