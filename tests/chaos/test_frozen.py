"""A slice of the scenario of programs that stand still."""

from pathlib import Path

from tests.chaos.frozen import run


def test_programs_that_stand_still_execute_nothing_twice_or_late(tmp_path: Path) -> None:
    result = run(tmp_path, 1, 0.05)
    assert result.breaches == []
    assert result.operations >= 6
    assert sum(result.faults.values()) >= 2
    assert result.figures["refused_as_too_late"] >= 1
