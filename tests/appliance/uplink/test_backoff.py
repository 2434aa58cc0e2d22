"""How long the kiosk stays away."""

import random
from collections import Counter

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


def test_a_hub_that_went_is_dialled_within_the_spread_it_told_until_one_is_there() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.welcomed(20.0)
    assert backoff.closed(0, 3600.0, hub_gone=True) == 20.0
    assert [backoff.failed() for _ in range(5)] == [20.0, 20.0, 20.0, 20.0, 32.0]
    backoff.welcomed(0.0)  # a hub that tells none, or one before this
    assert backoff.closed(0, 3600.0, hub_gone=True) == 1.0


def test_a_proxy_that_says_going_away_for_the_hub_is_the_same() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.welcomed(20.0)
    assert backoff.closed(1001, 3600.0) == 20.0


def test_a_line_that_is_bad_is_tried_at_once_however_large_the_fleet() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.welcomed(20.0)
    assert backoff.closed(0, 3600.0) == 1.0
    assert backoff.failed() == 2.0


def test_who_has_a_customer_comes_back_soon() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.welcomed(20.0)
    assert backoff.closed(0, 3600.0, hub_gone=True, hurry=True) == 2.0
    assert backoff.closed(CloseCode.RESTARTING, 3600.0, words="x; come back within 8 s", hurry=True) == 2.0


def test_a_goodbye_may_say_how_soon() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.welcomed(20.0)
    words = "the hub restarts; come back within 8 s"
    assert backoff.closed(CloseCode.RESTARTING, 40.0, words=words) == 8.0
    assert backoff.failed() == 8.0
    # Hubs are restarted one after another: the next one says it a moment later.
    assert backoff.closed(CloseCode.RESTARTING, 3.0, words=words) == 8.0
    backoff.welcomed(20.0)
    assert backoff.closed(CloseCode.RESTARTING, 40.0, words="the hub restarts") == 20.0
    assert backoff.closed(CloseCode.RESTARTING, 40.0, words="x; come back within 300 s") == MOST_S


def test_what_a_hub_tells_is_bounded() -> None:
    backoff = Backoff(lambda: 1.0)
    for told, most in ((1e9, MOST_S), (-5.0, 1.0)):
        backoff.welcomed(told)
        assert backoff.closed(0, 3600.0, hub_gone=True) == most


def test_ten_thousand_that_lose_their_hub_at_one_moment_come_back_evenly() -> None:
    """For three seconds nobody answers: who comes by then comes again."""
    chance = random.Random(9)
    arrived: Counter[int] = Counter()
    for _ in range(10_000):
        backoff = Backoff(chance.random)
        backoff.welcomed(20.0)
        at = backoff.closed(0, 3600.0, hub_gone=True)
        while at < 3.0:
            at += backoff.failed()
        arrived[int(at)] += 1
    assert max(arrived) < 30
    mean = 10_000 / (max(arrived) + 1)
    assert max(arrived.values()) / mean < 2
