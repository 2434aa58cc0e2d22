"""How long the kiosk stays away."""

import pytest

from appliance.uplink.backoff import MOST_S, Backoff
from wire.problems import CloseCode


def test_waits_double_up_to_a_minute_and_are_spread_from_the_first_on() -> None:
    longest = Backoff(lambda: 1.0)
    assert [longest.failed() for _ in range(8)] == [1, 2, 4, 8, 16, 32, MOST_S, MOST_S]
    assert Backoff(lambda: 0.25).failed() == 0.25


def test_only_a_link_that_held_resets() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.failed()
    assert backoff.closed(0, 29.0) == 2.0
    assert backoff.closed(0, 30.0) == 1.0


@pytest.mark.parametrize("code", [CloseCode.BAD_TOKEN, CloseCode.FORBIDDEN])
def test_a_hub_that_does_not_want_us_is_asked_about_once_a_minute(code: CloseCode) -> None:
    waits = [round(Backoff(lambda at=at: at).closed(code, 0.0), 6) for at in (0.0, 1.0)]  # type: ignore[misc]
    assert waits == [48.0, 72.0]


@pytest.mark.parametrize("code", [CloseCode.REPLACED, CloseCode.DUPLICATE, CloseCode.CLONED])
def test_to_another_box_with_our_identity_the_place_is_left_for_a_minute_at_least(code: CloseCode) -> None:
    waits = [round(Backoff(lambda at=at: at).closed(code, 100.0), 6) for at in (0.0, 1.0)]  # type: ignore[misc]
    assert waits == [60.0, 84.0]


def test_a_restarting_hub_is_dialled_soon_but_not_for_ever() -> None:
    backoff = Backoff(lambda: 1.0)
    assert backoff.closed(CloseCode.RESTARTING, 40.0) == 5.0
    assert backoff.closed(CloseCode.RESTARTING, 0.0) == 2.0


def test_what_the_hub_says_is_obeyed_up_to_ten_minutes() -> None:
    assert Backoff(lambda: 0.0).told(7.0) == 7.0
    assert Backoff(lambda: 0.0).told(86400.0) == 600.0
    assert Backoff(lambda: 1.0).told(100.0) == 110.0
