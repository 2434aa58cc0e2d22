"""A slice of the scenario of slow peers."""

from pathlib import Path

from tests.chaos.slow import run


def test_who_is_slow_or_does_not_read_harms_nobody_else(tmp_path: Path) -> None:
    result = run(tmp_path, 1, 0.05)
    assert result.breaches == []
    assert result.operations >= 100
    assert len(result.faults) >= 10
