"""One hub and one gateway for all journeys; whoever breaks something breaks a kiosk of its own."""

from collections.abc import Iterator

import pytest

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


@pytest.fixture(autouse=True)
def _nothing_twice(site: Site) -> Iterator[None]:
    """Each journey leaves every order and check in the ledger once at most, and the programs standing."""
    before = site.twice()
    yield
    assert site.twice() == before
    site.hub.check()
    site.gateway.check()
