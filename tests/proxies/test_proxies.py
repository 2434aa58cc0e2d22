"""A kiosk, its backend and its events through real proxies."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from bench.stack import Appliance, send_headers
from tests.journeys.site import Site, payment, unique, until
from tests.proxies.front import Caddy, Front, Nginx, install

LONGER_THAN_USUAL_S = 65  # than the 60 s after which proxies give up where nobody says otherwise


class Kiosk:
    """One whose hub is a proxy."""

    def __init__(self, site: Site, front: Front) -> None:
        self.id = unique(front.name)
        self.site, self.front = site, front
        self.token = site.hub.add_kiosk(self.id)
        self.appliance = Appliance(
            site.directory / self.id,
            f"wss://localhost:{front.port}/ws",
            self.token,
            site.routes(timeout=100.0),
            settings={"CA_FILE": str(front.authority)},
        )

    def send(self, order: str, *, simulate: str = "", timeout: float = 30.0) -> httpx.Response:
        """A payment, by the proxy too."""
        headers = send_headers(self.id, "payment", key=self.site.backend.key, idempotency=order)
        body = payment(order, simulate=simulate) if simulate else payment(order)
        with self.front.client() as http:
            return http.post("/send", json=body, headers={**headers, "Header-Timeout": f"{timeout:g}"})

    def page(self) -> dict[str, Any]:
        """What the hub tells of it."""
        found: dict[str, Any] = self.site.hub.admin("GET", f"/admin/kiosks/{self.id}").json()
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub that trusts its proxy, and a gateway."""
    install()
    built = Site(tmp_path_factory.mktemp("proxies"), {"TRUST_PROXY": "true"})
    try:
        yield built
    finally:
        built.close()


@pytest.fixture(scope="module", params=[Caddy, Nginx], ids=["caddy", "nginx"])
def kiosk(request: pytest.FixtureRequest, site: Site) -> Iterator[Kiosk]:
    """A kiosk behind one of them, connected."""
    front: Front = request.param(site.directory / f"{request.param.name}-front", site.hub.port)
    front.start()
    made = Kiosk(site, front)
    made.appliance.start()
    until("the kiosk's connection", lambda: made.page()["connected"])
    try:
        yield made
    finally:
        made.appliance.kill()
        made.appliance.__exit__(None, None, None)
        front.kill()


def test_a_payment_goes_through_once(kiosk: Kiosk) -> None:
    order = unique("order")
    first, again = kiosk.send(order), kiosk.send(order)
    assert (first.status_code, first.json()) == (200, again.json())
    assert kiosk.site.gateway.effects(order) == 1


def test_administration_and_figures_are_not_seen_from_outside(kiosk: Kiosk) -> None:
    admin = {"Authorization": f"Bearer {kiosk.site.hub.admin_key}"}
    with kiosk.front.client() as http:
        for path in ("/metrics", "/admin/kiosks", "/admin/api-keys", f"/admin/kiosks/{kiosk.id}", "/%61dmin/kiosks"):
            assert http.get(path, headers=admin).status_code == 404, path
        assert http.get("/docs").status_code == 200


def test_what_telegram_delivers_reaches_the_hub(kiosk: Kiosk) -> None:
    with kiosk.front.client() as http:
        answer = http.post("/telegram", json={"update_id": 1}, headers={"X-Telegram-Bot-Api-Secret-Token": "a-secret"})
    assert (answer.status_code, "there is no webhook" in answer.text) == (404, True)


def test_who_is_asking_is_the_proxy_s_word_and_not_the_caller_s(kiosk: Kiosk) -> None:
    other = unique("liar")
    token = kiosk.site.hub.add_kiosk(other)
    context = ssl.create_default_context(cafile=str(kiosk.front.authority))
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "192.0.2.66", "X-Real-IP": "192.0.2.66"}
    url = f"wss://localhost:{kiosk.front.port}/ws"
    with connect(url, ssl=context, additional_headers=headers, subprotocols=["kiosk.v2"], proxy=None):  # type: ignore[list-item]
        shown = until("its socket", lambda: kiosk.site.hub.admin("GET", f"/admin/kiosks/{other}").json()["address"])
    assert shown in {"127.0.0.1", "::1"}


def test_what_takes_longer_than_a_minute_is_waited_for_and_told_on_the_way(kiosk: Kiosk) -> None:
    """An idle socket lasts as long, and events come as they happen."""
    order = unique("slow")
    since = kiosk.page()["connected_at"]
    told: list[tuple[float, str]] = []
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(kiosk.send, order, simulate=f"slow:{LONGER_THAN_USUAL_S}", timeout=90)
        request_id = kiosk.site.backend.sent(kiosk.id, order)
        listening = threading.Thread(target=_listen, args=(kiosk, request_id, told))
        listening.start()
        until("the first event", lambda: told, 5)  # nothing holds it back until there is more
        answer = sending.result(LONGER_THAN_USUAL_S + 30)
        ended = time.monotonic()
        listening.join(10)
    assert (answer.status_code, answer.json()["order_id"]) == (200, order)
    assert told[-1][1] == "succeeded"
    assert abs(told[-1][0] - ended) < 5
    assert kiosk.page()["connected_at"] == since


def _listen(kiosk: Kiosk, request_id: str, told: list[tuple[float, str]]) -> None:
    headers = {"Authorization": f"Bearer {kiosk.site.backend.key}"}
    with (
        kiosk.front.client() as http,
        http.stream("GET", f"/operations/{request_id}/events", headers=headers) as events,
    ):
        for line in events.iter_lines():
            if line.startswith("event: "):
                told.append((time.monotonic(), line.removeprefix("event: ")))


def test_a_proxy_that_dies_loses_no_outcome(kiosk: Kiosk) -> None:
    order = unique("cut")
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(kiosk.send, order, simulate="slow:3", timeout=30)
        request_id = kiosk.site.backend.sent(kiosk.id, order)
        until("the gateway's work", lambda: kiosk.appliance.health()["queue"]["running"] == 1)
        kiosk.front.kill()
        with pytest.raises(httpx.TransportError):
            sending.result(30)
    kiosk.front.start()
    assert kiosk.site.backend.final(request_id)["state"] == "succeeded"
    assert kiosk.send(order, simulate="slow:3", timeout=30).json()["order_id"] == order  # what was told is told again
    assert kiosk.site.gateway.effects(order) == 1


def test_a_body_that_is_too_large_is_refused(kiosk: Kiosk) -> None:
    headers = send_headers(kiosk.id, "payment", key=kiosk.site.backend.key)
    with kiosk.front.client() as http:
        try:
            status = http.post("/send", content=json.dumps("x" * 2_000_000), headers=headers).status_code
        except httpx.TransportError:  # refused before all of it was read
            status = 413
    assert status in {413, 502}
