"""Levels change once a crossing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.levels.marks import Level, Marks, next_level


def walk(marks: Marks, *counts: int) -> list[str]:
    """The levels that are told on the way."""
    now, told = Level.NORMAL, []
    for count in counts:
        found = next_level(now, count, marks)
        if found is not now:
            told.append(found.value)
        now = found
    return told


def test_a_cassette_fills_and_is_emptied() -> None:
    marks = Marks(capacity=600, near_full=500)
    assert walk(marks, *range(601), 0) == ["near-full", "full", "normal"]


def test_a_hopper_that_hovers_about_its_mark_is_told_once() -> None:
    marks = Marks(capacity=1000, near_empty=50)
    assert walk(marks, 60, 50, 51, 50, 52, 50, 55, 49, 55) == ["near-empty"]
    assert walk(marks, 60, 50, 56, 50) == ["near-empty", "normal", "near-empty"]
    assert walk(marks, 51, 49, 0, 1, 5, 6, 500) == ["near-empty", "empty", "near-empty", "normal"]


def test_a_full_one_that_pays_a_coin_is_full_still() -> None:
    assert walk(Marks(capacity=100, near_full=80), 100, 99, 100, 91, 89, 73, 71) == ["full", "near-full", "normal"]


def test_from_one_side_to_the_other_at_once() -> None:
    marks = Marks(capacity=100, near_full=80, near_empty=10)
    assert walk(marks, 100, 0, 100) == ["full", "empty", "full"]


def test_without_marks_nothing_is_told() -> None:
    assert walk(Marks(), 0, 5, 100_000, -3) == []


@pytest.mark.parametrize("marks", [Marks(capacity=1), Marks(near_full=1), Marks(near_empty=1), Marks(capacity=2)])
def test_small_marks_have_an_end(marks: Marks) -> None:
    assert all(len(walk(marks, *counts)) <= 6 for counts in itertools.product(range(4), repeat=5))


@given(st.integers(0, 200), st.lists(st.integers(0, 300), max_size=30))
def test_what_is_at_the_mark_or_beyond_is_never_called_less(near: int, counts: list[int]) -> None:
    marks = Marks(capacity=200, near_full=max(near, 20), near_empty=10)
    now = Level.NORMAL
    for count in counts:
        now = next_level(now, count, marks)
        assert (now is Level.FULL) or count < marks.capacity
        assert now in {Level.FULL, Level.NEAR_FULL} or count < marks.near_full
        assert now in {Level.EMPTY, Level.NEAR_EMPTY, Level.FULL, Level.NEAR_FULL} or count > marks.near_empty
