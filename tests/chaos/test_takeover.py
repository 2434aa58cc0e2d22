"""A slice of the takeovers."""

from pathlib import Path

from tests.chaos import takeover


def test_a_new_login_serves_and_nothing_is_left_of_the_old_ones(tmp_path: Path) -> None:
    result = takeover.run(tmp_path, seed=1, scale=0.05)
    assert result.breaches == []
    assert result.faults["half-open"] >= 20
    assert result.faults["late bytes"] >= 1
    assert result.operations >= 3
