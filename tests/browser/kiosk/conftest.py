"""What tests of the kiosk's own page start with: a kiosk that works, with its devices and its hub.

world       once for the tests of one file; leave it as you found it
"""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium
from tests.browser.kiosk.world import World


@pytest.fixture(scope="session")
def world(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All of it, real. Asks for `chromium`, so that nothing starts where there is none."""
    with World(tmp_path_factory.mktemp("world")) as started:
        yield started
