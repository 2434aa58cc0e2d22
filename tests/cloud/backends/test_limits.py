"""Token buckets, time moved by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.backends.limits import RateLimit


def test_a_burst_goes_through_and_the_next_is_told_how_long() -> None:
    limit = RateLimit(rate=2.0, burst=4.0)
    assert [limit.take("a", 100.0) for _ in range(4)] == [0.0] * 4
    assert limit.take("a", 100.0) == pytest.approx(0.5)
    assert limit.take("b", 100.0) == 0.0
    assert limit.take("a", 100.5) == 0.0
    assert limit.take("a", 100.5) == pytest.approx(0.5)


def test_waiting_as_long_as_told_is_enough() -> None:
    limit = RateLimit(rate=0.3, burst=1.0)
    now = 5.0
    for _ in range(20):
        wait = limit.take("a", now)
        now += wait + 1e-9
        assert not wait or limit.take("a", now) == 0.0


def test_several_are_taken_together_or_not_at_all() -> None:
    limit = RateLimit(rate=2.0, burst=10.0)
    assert limit.take("a", 0.0, 8) == 0.0
    assert limit.take("a", 0.0, 8) == pytest.approx(3.0)
    assert [limit.take("a", 0.0, 2), limit.take("a", 0.0)] == [0.0, pytest.approx(0.5)]


def test_a_rate_of_zero_is_no_limit() -> None:
    limit = RateLimit(rate=0.0, burst=0.0)
    assert {0.0} == {limit.take("a", 0.0) for _ in range(1000)}


@given(st.lists(st.floats(-100.0, 100.0), max_size=200))
def test_no_more_goes_through_than_burst_and_rate_allow(steps: list[float]) -> None:
    limit, now, highest, taken = RateLimit(rate=1.0, burst=5.0), 0.0, 0.0, 0
    for step in steps:
        now = max(0.0, now + step)
        highest = max(highest, now)
        taken += limit.take("a", now) == 0.0
    # A clock that goes back and forth gives the time between back again; a monotonic one does not go back.
    forward = sum(step for step in steps if step > 0)
    assert taken <= 5 + forward + 1e-6


def test_names_without_end_do_not_fill_the_memory_nor_free_who_is_limited() -> None:
    limit = RateLimit(rate=0.001, burst=1.0, names=100)
    for n in range(99):
        limit.take(f"name {n}", 0.0)
    assert limit.take("name 98", 0.0) > 0
    for n in range(1000):
        limit.take(f"other {n}", 1.0)
    assert len(limit._buckets) <= 100
