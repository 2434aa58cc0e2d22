"""The figures' rules: what an operation counts as, percentiles with their error, bars with their gaps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.operations.figures import (
    HOUR,
    LONGEST,
    MINUTE,
    OUTCOMES,
    SPANS,
    STEPS,
    Count,
    Fleet,
    bars,
    count,
    counted_again,
    outcome_of,
    percentile,
    step_of,
    total,
)
from cloud.operations.operation import State

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("state", "executed", "outcome"),
    [
        ("succeeded", "yes", "succeeded"),
        ("failed", "yes", "failed"),
        ("failed", "no", "not_executed"),
        ("expired", None, "not_executed"),
        ("unknown", None, "unknown"),
        ("queued", None, "running"),
        ("sent", None, "running"),
        ("accepted", None, "running"),
    ],
)
async def test_every_operation_is_one_of_the_outcomes(state: str, executed: str | None, outcome: str) -> None:
    assert outcome_of(state, executed) == outcome


async def test_no_state_is_left_out() -> None:
    assert {outcome_of(state, "yes") for state in State} <= set(OUTCOMES)


@given(st.lists(st.floats(0.0015, LONGEST * 0.9), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_wrong_by_twelve_percent_at_most(times: list[float], share: float) -> None:
    took = [0] * (len(STEPS) + 1)
    for seconds in times:
        took[step_of(seconds)] += 1
    right = sorted(times)[max(1, math.ceil(share * len(times))) - 1]
    told = percentile(took, share)
    assert told is not None
    assert abs(told / right - 1) < 0.1181


async def test_what_took_longer_than_the_last_step_is_told_as_that_alone() -> None:
    took = [0] * len(STEPS) + [1]
    assert step_of(LONGEST * 2) == len(STEPS)
    assert percentile(took, 0.5) == math.inf
    assert percentile([], 0.5) is None


async def test_a_clock_that_was_set_back_makes_the_shortest_time() -> None:
    assert step_of(-3600.0) == 0


async def test_only_what_was_executed_counts_for_how_long_it_took() -> None:
    one = count([("succeeded", "yes", 5, 3), ("failed", "no", 0, 7), ("unknown", None, None, 2)])
    assert one == Count(succeeded=3, not_executed=7, unknown=2, took=(0, 0, 0, 0, 0, 3))
    assert one.begun == 12


async def test_several_spans_are_one() -> None:
    both = total([Count(succeeded=1, took=(1,)), Count(failed=2, refused=4, took=(0, 2))])
    assert both == Count(succeeded=1, failed=2, refused=4, took=(1, 2))


async def test_a_late_outcome_moves_and_what_was_refused_stays() -> None:
    before = Count(succeeded=3, unknown=2, refused=9)
    now = Count(succeeded=4, failed=1)
    assert counted_again(before, now) == Count(succeeded=4, failed=1, refused=9)


async def test_what_was_deleted_as_old_is_not_forgotten_here() -> None:
    before = Count(succeeded=30, failed=2, unknown=1, took=(32,))
    assert counted_again(before, Count(unknown=1)) == before


async def test_bars_have_gaps_where_no_hub_ran_and_zeros_where_nothing_came() -> None:
    last = int(NOW // MINUTE) * MINUTE
    stood = Fleet(here=1, enabled=2, unknown=0, alerts=0)
    made = bars(SPANS["hour"], {last - 120: Count(succeeded=5)}, {last - 60: stood}, NOW)
    assert len(made.counts) == HOUR // MINUTE
    assert made.at[-1] == last
    assert made.counts[-3:] == [Count(succeeded=5), Count(), None]
    assert made.fleet[-3:] == [None, stood, None]
    assert made.total == Count(succeeded=5)


async def test_a_bar_of_several_minutes_shows_the_worst_of_the_fleet() -> None:
    last = int(NOW // 900) * 900
    fleet = {
        last: Fleet(here=5, enabled=6, unknown=1, alerts=0),
        last + 60: Fleet(here=2, enabled=7, unknown=0, alerts=3),
    }
    made = bars(SPANS["day"], {last: Count(succeeded=1), last + 60: Count(succeeded=2)}, fleet, last + 120.0)
    assert made.fleet[-1] == Fleet(here=2, enabled=7, unknown=1, alerts=3)
    assert made.counts[-1] == Count(succeeded=3)


async def test_what_a_wrong_clock_dated_is_not_drawn() -> None:
    made = bars(SPANS["week"], {int(NOW) + 400 * HOUR: Count(succeeded=1), 0: Count(failed=1)}, {}, NOW)
    assert made.total == Count()
