"""Fixtures of the suites: an implementation's bench."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hardware.contracts.bench import Bench
from tests.hardware.contracts.implementations import Implementation


@pytest.fixture
def bench_of(tmp_path: Path) -> Callable[[Implementation], Bench[Any]]:
    """Makes one."""

    def make(implementation: Implementation) -> Bench[Any]:
        return Bench(implementation.build, implementation.family, implementation.options, tmp_path / "simulator")

    return make


def expect_known(request: pytest.FixtureRequest, implementation: Implementation) -> None:
    """Mark a test that is known to fail for it; strictly, so that nothing stays listed that works."""
    name = request.node.originalname
    if name in implementation.elsewhere:
        pytest.skip(implementation.elsewhere[name])
    if name in implementation.known:
        request.node.add_marker(pytest.mark.xfail(reason=implementation.known[name], strict=True))
