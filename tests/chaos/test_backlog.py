"""A slice of the scenario of a long outage's end."""

from pathlib import Path

from tests.chaos.backlog import run


def test_what_an_outage_left_drains_in_order_and_altogether(tmp_path: Path) -> None:
    result = run(tmp_path, 1, 0.02)
    assert result.breaches == []
    assert result.figures["rows"] == 2000
    assert sum(result.faults.values()) == 2
    assert result.operations >= 40
