"""What the form above the list of operations asks for."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard.asked import read_asked
from cloud.operations.search import Wanted

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC).timestamp()


def at(*parts: int, zone: str = "Asia/Almaty") -> float:
    return datetime(*parts, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[arg-type,misc]


def test_nothing_asked_is_all() -> None:
    asked = read_asked({}, UTC, NOW)
    assert (asked.wanted, asked.wrong, asked.is_all) == (Wanted(), {}, True)


def test_every_field() -> None:
    given = {"kiosk": " kiosk_1 ", "type": "payment", "outcome": "unknown", "quick": "hour", "id": "01a2"}
    asked = read_asked(given, UTC, NOW)
    assert asked.wrong == {}
    assert asked.wanted == Wanted(
        kiosk_id="kiosk_1", operation="payment", outcome="unknown", since=NOW - 3600, beginning="01a2"
    )


def test_times_are_of_the_zone_and_the_end_is_meant_as_a_whole() -> None:
    zone = ZoneInfo("Asia/Almaty")
    asked = read_asked({"from": "2026-11-22T07:00", "to": "2026-11-22T07:15", "quick": "hour"}, zone, NOW)
    assert asked.wanted == Wanted(since=at(2026, 11, 22, 7, 0), until=at(2026, 11, 22, 7, 16))
    assert asked.values["quick"] == ""
    days = read_asked({"from": "2026-11-21", "to": "2026-11-21"}, zone, NOW).wanted
    assert days == Wanted(since=at(2026, 11, 21), until=at(2026, 11, 22))
    said = read_asked({"from": "2026-11-22T00:00:00+00:00"}, zone, NOW).wanted
    assert said.since == at(2026, 11, 22, zone="UTC")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"kiosk": "<b>"}, {"kiosk": "operations.wrong-kiosk"}),
        ({"type": "a b"}, {"type": "operations.wrong-type"}),
        ({"outcome": "lost"}, {"outcome": "operations.wrong-outcome"}),
        ({"quick": "year"}, {"quick": "operations.wrong-quick"}),
        ({"id": "%"}, {"id": "operations.wrong-id"}),
        ({"from": "yesterday"}, {"from": "operations.wrong-time"}),
        ({"to": "0001-01-01T00:00"}, {"to": "operations.wrong-time"}),
        ({"to": "9999-12-31T23:59"}, {"to": "operations.wrong-time"}),
        ({"from": "2026-11-22T07:00", "to": "2026-11-21T07:00"}, {"to": "operations.wrong-order"}),
        ({"kiosk": "<", "id": "<"}, {"kiosk": "operations.wrong-kiosk", "id": "operations.wrong-id"}),
    ],
)
def test_what_cannot_be_read_is_named_beside_its_field(given: dict[str, str], wrong: dict[str, str]) -> None:
    assert read_asked(given, UTC, NOW).wrong == wrong


def test_states_as_the_api_names_them_are_outcomes_too() -> None:
    assert read_asked({"state": "failed"}, UTC, NOW).wanted.outcome == "failed"
