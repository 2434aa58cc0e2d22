"""Money through the frozen program: a hub and a gateway from the sources, a kiosk on a bare machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.program import is_free, wait_for
from bench.stack import Appliance, Gateway, Hub, gateway_routes
from tests.frozen.conftest import appliance
from tests.frozen.programs import Bare, FrozenAppliance


class Site:
    """A hub and a gateway."""

    def __init__(self, directory: Path) -> None:
        self.gateway = Gateway(directory / "gateway")
        self.hub = Hub(directory / "hub")
        self.key = ""

    def routes(self) -> dict[str, object]:
        """To the gateway, and to a simulated printer."""
        routes = gateway_routes(self.gateway.url)
        routes["routes"]["print"] = {"device": "printer", "timeout": 15}
        return {**routes, "devices": {"printer": {"driver": "escpos", "port": "sim://escpos?boot_s=0"}}}

    def kiosk(self, bare: Bare, name: str, program: Path) -> FrozenAppliance:
        """One that the hub knows, on a bare machine. It is not started."""
        token = self.hub.add_kiosk(name)
        return FrozenAppliance(
            bare, name, program=program, hub_url=self.hub.ws_url, token=token, routes=self.routes()
        )  # fmt: skip

    def pay(self, kiosk: str, order: str) -> dict[str, object]:
        """A payment of 100; the answer."""
        answer = self.hub.send(kiosk, "payment", {"order_id": order, "sum": 100}, key=self.key, idempotency=order)
        assert answer.status_code == 200, answer.text
        told: dict[str, object] = answer.json()
        return told


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    there = Site(tmp_path_factory.mktemp("site"))
    with there.gateway, there.hub:
        there.key = there.hub.add_api_key("stranger")["key"]
        yield there


def test_operations_go_through_once_over_a_power_cut(bare: Bare, site: Site, program: Path) -> None:
    name = f"kiosk-{program.parent.name}"
    kiosk = site.kiosk(bare, name, program)
    with kiosk:
        before = site.pay(name, f"order-{name}")
        printed = site.hub.send(name, "print", {"lines": ["Чек №1", "Қалай"]}, key=site.key)
        assert printed.json()["status"] == "printed", printed.text
        assert kiosk.health()["version"]
        kiosk.kill()
        wait_for("all of it is gone", lambda: is_free(kiosk.port))
        kiosk.start()
        assert site.pay(name, f"order-{name}") == before
        assert kiosk.stop() == 0
    assert site.gateway.effects(f"order-{name}") == 1


def test_the_journal_of_a_run_from_source_is_gone_on_with(bare: Bare, site: Site) -> None:
    frozen = site.kiosk(bare, "moved", appliance("in-folder"))
    with Appliance(frozen.directory, frozen.hub_url, frozen.token, site.routes()) as source:
        site.pay("moved", "order-source")
        journal = source.health()["journal"]["id"]
    with frozen:
        assert frozen.health()["journal"]["id"] == journal
        site.pay("moved", "order-frozen")
    # And back again: what the frozen one wrote is read from the source.
    with Appliance(frozen.directory, frozen.hub_url, frozen.token, site.routes()) as source:
        wait_for("settled", lambda: source.health()["unsettled"] == 0)
        assert source.health()["journal"]["id"] == journal
    reported = bare.run(appliance("in-folder"), "report", environ={"STATE_DIR": str(frozen.inside / "state")})
    assert reported.returncode == 0, reported.stderr
    assert site.gateway.effects("order-source") == site.gateway.effects("order-frozen") == 1


def test_metrics_and_the_page_on_the_screen_are_there(bare: Bare, site: Site) -> None:
    kiosk = site.kiosk(bare, "pages", appliance("in-folder"))
    with kiosk:
        assert "kioskwire_" in kiosk.http.get("/metrics").text
        checked = bare.run(appliance("in-folder"), "check-config", environ={**kiosk.environment()})
        assert "ROUTING_CONFIG" in checked.stdout, checked.stderr
        assert json.loads(kiosk.http.get("/health").text)["devices"]["printer"]["state"]
