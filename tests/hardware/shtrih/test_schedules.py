"""The money: whatever happens, a document asked for exists once and is told once."""

import itertools

import pytest

from tests.hardware.shtrih import schedules


@pytest.mark.parametrize("block", range(4))
def test_random_days(block: int) -> None:
    for seed in range(block * 15, block * 15 + 15):
        assert schedules.run(seed) == []


@pytest.mark.parametrize(("link", "operation"), itertools.product(("v1", "v2"), schedules.OPERATIONS))
def test_trouble_at_many_steps(link: str, operation: str) -> None:
    for case in itertools.islice(schedules.cases((link,), (operation,)), 0, None, 97):
        assert case.run() == []


def test_trouble_without_a_storage() -> None:
    for case in itertools.islice(schedules.cases(("v2",), fiscal="base"), 0, None, 97):
        assert case.run() == []


def test_short_power_cuts() -> None:
    assert schedules.steps(stride=401) == []
