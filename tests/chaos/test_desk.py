"""A slice of the desk's scenario."""

from pathlib import Path

from tests.chaos import desk, desk_days


def test_money_and_receipts_agree(tmp_path: Path) -> None:
    """A hundred and fifty random days."""
    result = desk.run(tmp_path, 11, 0.015)
    assert result.broken == []
    assert result.figures["days_count"] == 150


def test_a_day_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """Or a breach could not be repeated."""
    one, other = desk_days.play(5, tmp_path), desk_days.play(5, tmp_path)
    assert (one.statuses, one.lives, one.writes) == (other.statuses, other.lives, other.writes)
