"""The age of a request, told by two clocks that do not agree."""

import pytest

from wire.freshness import Freshness

OFF = 123_456.0  # what the kiosk's clock shows more than the hub's


def steady(until: float, every: float = 20.0, delay: float = 0.05) -> Freshness:
    """A connection that has been pinged for so long."""
    fresh, at = Freshness(), 1000.0
    while at <= 1000.0 + until:
        fresh.heard(at, at + OFF + delay)
        at += every
    return fresh


def test_what_was_never_stamped_is_new() -> None:
    fresh = Freshness()
    assert fresh.age(1000.0, 5.0) == 0.0
    for nonsense in (0.0, -1.0, float("nan"), float("inf")):
        fresh.heard(nonsense, 5.0)
        assert fresh.age(1000.0, 5.0) == fresh.age(nonsense, 5.0) == 0.0
    assert steady(100).age(0.0, 1e6) == 0.0


@pytest.mark.parametrize("held", [0.0, 0.4, 3.0, 43.0])
def test_what_lay_in_a_buffer_is_as_old_as_that(held: float) -> None:
    fresh = steady(100)
    assert fresh.age(1110.0, 1110.0 + OFF + 0.05 + held) == pytest.approx(held)


def test_all_that_lay_there_is_judged_and_pings_among_it_prove_nothing() -> None:
    fresh = steady(100)
    thawed = 1100.0 + 42 + OFF
    for sent in range(1101, 1142):
        assert fresh.age(float(sent), thawed) == pytest.approx(1142 - sent, abs=0.06)
        fresh.heard(float(sent), thawed)
    assert fresh.age(1142.0, thawed + 0.05) == pytest.approx(0.0)


def test_a_first_stamp_that_was_held_up_is_corrected_by_the_next() -> None:
    fresh = Freshness()
    fresh.heard(1000.0, 1000.0 + OFF + 7)
    assert fresh.age(1001.0, 1001.0 + OFF + 7) == 0.0
    fresh.heard(1020.0, 1020.0 + OFF + 0.05)
    assert fresh.age(1030.0, 1030.0 + OFF + 7.05) == pytest.approx(7)


def test_clocks_that_drift_make_nothing_old() -> None:
    fresh, rate = Freshness(), 1.0005
    for at in range(1000, 1000 + 30 * 86400, 20):
        fresh.heard(float(at), at * rate + OFF)
    assert fresh.age(float(at + 19), (at + 19) * rate + OFF) < 0.05


def test_a_clock_that_stood_still_is_believed_again_after_two_pings() -> None:
    """A machine of the hub's that is moved while it runs: its steady clock loses five seconds."""
    fresh = steady(100)
    lost = OFF + 5.05
    assert fresh.age(1119.0, 1119.0 + lost) == pytest.approx(5)
    fresh.heard(1120.0, 1120.0 + lost)
    fresh.heard(1140.0, 1140.0 + lost)
    assert fresh.age(1141.0, 1141.0 + lost) == pytest.approx(0.0)
