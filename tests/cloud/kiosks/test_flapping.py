"""When a connection counts as flapping."""

import pytest

from cloud.kiosks.flapping import ENDS, WITHIN, breaks_off, count, is_flapping


def test_so_many_ends_within_the_time_are_flapping_and_fewer_are_not() -> None:
    ends = [1000.0 + each for each in range(ENDS)]
    assert is_flapping(ends, 1100.0)
    assert not is_flapping(ends[1:], 1100.0)


def test_it_is_over_when_the_first_of_them_is_long_ago() -> None:
    ends = [1000.0 + 60 * each for each in range(ENDS)]
    assert is_flapping(ends, 999.0 + WITHIN)
    assert not is_flapping(ends, 1000.0 + WITHIN)


def test_a_clock_put_back_makes_no_kiosk_flap() -> None:
    assert count([5000.0] * 10, 1000.0) == 0


@pytest.mark.parametrize(
    ("why", "counts"),
    [("lost", True), ("silent", True), ("1000", True), ("replaced", True), ("1012", False), ("4403", False),
     ("4401", False), ("hub-stopped", False), ("hub-died", False), ("", False)],
)  # fmt: skip
def test_what_the_hub_or_a_person_ended_does_not_count(why: str, counts: bool) -> None:
    assert breaks_off(why) is counts
