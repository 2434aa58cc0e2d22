"""Facts and the verdict on them."""

import msgspec
import pytest

from appliance.health.state import Clock, Lag, Link
from appliance.health.verdict import Facts, Status, judge

WELL = Facts(connected=True)


def test_all_well_is_healthy_without_reasons() -> None:
    assert (judge(WELL).status, judge(WELL).reasons) == (Status.HEALTHY, [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"connected": False, "link_trouble": "closed by the hub: 4401"}, "4401"),
        ({"clock_offset": 61.0}, "61 s behind"),
        ({"clock_offset": -90.0}, "90 s ahead"),
        ({"routes_mistakes": ("routes.x.url=: is required",)}, "routes.x.url"),
        ({"in_doubt": 2}, "2 operations"),
        ({"loop_lag": 2.5}, "2.5 s"),
        ({"journal_notices": ("it was damaged",)}, "damaged"),
        ({"devices": ("printer is out of service: no paper (paper-out)",)}, "no paper"),
        ({"devices_waiting": ("bills is changed later", "coins too")}, "bills is changed later; coins too"),
    ],
)
def test_what_is_not_as_it_should_be_degrades_and_is_told(change: dict[str, object], words: str) -> None:
    verdict = judge(msgspec.structs.replace(WELL, **change))
    assert verdict.status is Status.DEGRADED
    assert words in verdict.reasons[0]


def test_who_is_not_enrolled_says_that_and_not_that_there_is_no_link() -> None:
    verdict = judge(Facts(connected=False, enrolled=False, enrolment=("this kiosk is not enrolled",)))
    assert (verdict.status, verdict.reasons) == (Status.DEGRADED, ["this kiosk is not enrolled"])


def test_who_cannot_write_cannot_work_and_says_so_first() -> None:
    verdict = judge(Facts(connected=False, journal_trouble="the disk is full"))
    assert verdict.status is Status.UNHEALTHY
    assert "the disk is full" in verdict.reasons[0]
    assert len(verdict.reasons) == 2


def test_the_hubs_time_is_carried_on_whatever_our_clock_does() -> None:
    wall, monotonic = 100.0, 0.0
    clock = Clock(lambda: wall, lambda: monotonic)
    assert (clock.now(), clock.offset) == (100.0, None)
    clock.heard(5000.0)
    monotonic, wall = 10.0, 50.0
    assert (clock.now(), clock.offset) == (5010.0, 4960.0)


def test_lag_is_forgotten_after_a_minute() -> None:
    lag = Lag()
    lag.add(0.0, 2.0)
    lag.add(50.0, 0.5)
    assert (lag.worst(60.0), lag.worst(61.0), lag.worst(200.0)) == (2.0, 0.5, 0.0)


def test_a_link_remembers_its_last_error_and_when_it_changed() -> None:
    now = 1.0
    link = Link(lambda: now)
    link.up()
    now = 2.0
    link.down("a")
    now = 3.0
    link.down("b")
    assert (link.connected, link.since, link.trouble, link.last_error_at) == (False, 2.0, "b", 3.0)
    link.up()
    assert (link.trouble, link.last_error) == ("", "b")
