"""A process that keeps dying is left dead for longer and longer, and one that lived is not."""

from itertools import pairwise

from cloud.processes.backoff import Backoff


def test_the_first_death_is_no_reason_to_wait() -> None:
    assert Backoff().pause(0.0) == 0.0


def test_deaths_in_a_row_are_waited_for_with_a_bound() -> None:
    backoff = Backoff()
    pauses = [backoff.pause(1.0) for _ in range(12)]
    assert all(later >= 1.5 * sooner for sooner, later in pairwise(pauses[1:7]))
    assert 30.0 <= pauses[-1] <= 36.0


def test_who_lived_for_a_while_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.pause(0.0)
    assert backoff.pause(21.0) == 0.0
