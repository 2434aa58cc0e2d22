"""What flows through the dashboard begin with.

stage   a hub, a gateway, a kiosk that works: see stage.py
sent    operations of every kind, by what became of them
"""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium
from tests.browser.dashboard.stage import HERE, Receiver, Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> Iterator[Stage]:
    """Once for all."""
    with Stage(tmp_path_factory.mktemp("stage")) as started:
        yield started


@pytest.fixture(scope="session")
def sent(stage: Stage) -> dict[str, str]:
    """Request ids."""
    stage.hub.add_kiosk("kiosk_absent", "Shut for the winter")
    return {
        "succeeded": stage.send(HERE, body={"card": "4400430211223340", "phone": "+77010000000"}),
        "receipt": stage.send(HERE, "fiscal"),
        "refused": stage.send(HERE, body={"simulate": "error-500"}),
        "queued": stage.queue("kiosk_absent"),
        "unknown": stage.unknown("kiosk_dead"),
    }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A backend that is called back."""
    found = Receiver()
    yield found
    found.close()
