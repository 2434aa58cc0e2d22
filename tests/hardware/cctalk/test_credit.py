"""The event counter: the specification's own examples, and what a counter cannot say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.cctalk.credit import back, difference, following, news, parse

FIVE = ((5, 1), (4, 1), (3, 1), (2, 1), (1, 1))


@pytest.mark.parametrize(
    ("old", "new", "count", "lost"),
    [(23, 23, 0, 0), (102, 104, 2, 0), (255, 1, 1, 0), (253, 3, 5, 0), (48, 54, 5, 1)],
)
def test_the_examples_of_the_specification(old: int, new: int, count: int, lost: int) -> None:
    found = news(old, new, FIVE)
    assert (len(found.happenings), found.lost, found.reset) == (count, lost, False)
    if count:
        assert found.happenings[-1].counter == new


def test_zero_after_something_is_a_new_beginning() -> None:
    assert news(67, 0, ((0, 0),) * 5).reset
    assert not news(0, 0, ((0, 0),) * 5).reset


def test_the_oldest_comes_first() -> None:
    assert [(each.counter, each.a) for each in news(254, 2, FIVE).happenings] == [(255, 3), (1, 4), (2, 5)]


def test_a_new_beginning_that_nobody_saw_shows_in_the_places_never_filled() -> None:
    found = news(100, 2, ((3, 1), (0, 2), (0, 0), (0, 0), (0, 0)))
    assert found.reset
    assert [each.counter for each in found.happenings] == [1, 2]


def test_a_new_beginning_that_nobody_saw_shows_in_the_event_that_moved() -> None:
    events = ((0, 2), (0, 0), (0, 0), (0, 0), (0, 0))
    assert not news(1, 1, events, (0, 2)).reset
    found = news(1, 1, events, (5, 1))
    assert found.reset
    assert [(each.a, each.b) for each in found.happenings] == [(0, 2)]


@given(st.integers(0, 255), st.integers(0, 300))
def test_the_difference_is_what_really_came(old: int, came: int) -> None:
    new = old
    for _ in range(came):
        new = following(new)
    if came <= 254:
        assert difference(old, new) == came
    if 0 < came < 200 and old:
        assert back(new, came) == old


def test_an_answer_is_taken_apart() -> None:
    assert parse(bytes(range(11))) == (0, ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10)))
