"""A slice of the scenario of wrong clocks."""

from pathlib import Path

from tests.chaos.clocks import run


def test_clocks_that_are_set_wipe_nothing_and_make_nothing_late_or_double(tmp_path: Path) -> None:
    result = run(tmp_path, 1, 0.05)
    assert result.breaches == []
    assert result.operations >= 10
    assert set(result.faults) == {"both: in 1970", "both: a year ahead, at the start"}
