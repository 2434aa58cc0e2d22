"""The money proofs: every kind of trouble at steps of a shift, and random bad days. `make chaos` plays more of them."""

import itertools

import pytest

from tests.hardware.atol import schedules


@pytest.mark.parametrize("seed", range(80))
def test_a_random_bad_day(seed: int) -> None:
    assert schedules.run(seed) == []


@pytest.mark.parametrize("start", range(4))
def test_trouble_at_steps_of_a_shift(start: int) -> None:
    """A part of them; all, one by one, are for `make chaos`."""
    plays = itertools.islice(schedules.plays(stride=23), start, None, 4)
    assert [breach for play in plays for breach in play()] == []


def test_the_script_without_trouble_registers_everything() -> None:
    for options in schedules.OPTIONS:
        _, breaches = schedules.script(options, None)
        assert breaches == []
