"""One hub and one gateway for all journeys; whoever breaks something breaks a kiosk of its own."""

from collections.abc import Iterator

import pytest

from tests.chaos.proxy import FaultProxy
from tests.journeys.site import Kiosk, Site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The programs."""
    built = Site(tmp_path_factory.mktemp("journeys"))
    try:
        yield built
    finally:
        built.close()


@pytest.fixture(scope="session")
def kiosk(site: Site) -> Iterator[Kiosk]:
    """A kiosk that nobody breaks."""
    with site.kiosk("shared") as shared:
        yield shared


@pytest.fixture(scope="session")
def forgiving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The programs again, with a hub that waits for kiosks that broke off as long as a busy machine may need."""
    built = Site(tmp_path_factory.mktemp("forgiving"), {"KIOSK_RECONNECT_GRACE": "60"})
    try:
        yield built
        assert built.twice() == {}
    finally:
        built.close()


@pytest.fixture
def wire(site: Site) -> Iterator[FaultProxy]:
    """What a kiosk reaches its gateway through: held, an operation is under way until the test lets it end."""
    with FaultProxy(site.gateway.port, kind="http") as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def _nothing_twice(site: Site) -> Iterator[None]:
    """Each journey leaves every order and check in the ledger once at most, and the programs standing."""
    before = site.twice()
    yield
    assert site.twice() == before
    site.hub.check()
    site.gateway.check()
