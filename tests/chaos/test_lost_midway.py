"""A slice of the kiosks lost in mid-operation."""

from pathlib import Path

from tests.chaos import lost_midway


def test_callers_are_told_soon_that_it_is_unknown_and_it_is_settled_later(tmp_path: Path) -> None:
    result = lost_midway.run(tmp_path, seed=1, scale=0.05)
    assert result.breaches == []
    assert sum(result.faults.values()) == result.operations == 3
