"""The money: whatever happens to the host, the line and the device, credits are the notes that fell, or it is told."""

import pytest

from tests.hardware.id003 import schedules


@pytest.mark.parametrize("block", range(4))
def test_random_days(block: int) -> None:
    for seed in range(block * 30, block * 30 + 30):
        assert schedules.run(seed) == [], f"seed {seed}"


def test_the_host_dies_at_every_step_of_a_note() -> None:
    assert schedules.steps(kinds=("crash",), variants=2) == []


@pytest.mark.parametrize("kind", ["unplug", "blackout", "outage"])
def test_trouble_at_many_steps_of_a_note(kind: str) -> None:
    assert schedules.steps(kinds=(kind,), stride=7) == []
