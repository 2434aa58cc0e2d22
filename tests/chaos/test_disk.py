"""A slice of the scenario of bad disks."""

from pathlib import Path

from tests.chaos.disk import run


def test_programs_on_bad_disks_tell_the_truth_and_work_again_by_themselves(tmp_path: Path) -> None:
    result = run(tmp_path, 1, 0.05)
    assert result.breaches == []
    assert result.operations >= 15
    assert sum(result.faults.values()) == 3
