"""A slice of the scenario of several hubs under what stands still, and under Redis's clock."""

from pathlib import Path

import pytest

from tests.chaos import standstill
from tests.redis_server import MissingError, program


def test_while_redis_clock_is_set_nothing_is_refused_and_nothing_late(tmp_path: Path) -> None:
    try:
        program()
    except MissingError as missing:
        pytest.skip(str(missing))
    result = standstill.run(tmp_path, seed=1, scale=0.02)
    assert result.breaches == []
    assert result.operations >= 5
    assert result.faults["Redis's clock is set"] == 2
