"""What the tests of levels share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.levels.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """An empty book."""
    made = Shelf(tmp_path)
    yield made
    made.close()
