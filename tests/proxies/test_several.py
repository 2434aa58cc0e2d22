"""Several hubs behind Caddyfile.many, and behind nginx.conf with the lines of docs/deploy.md; one dies, one ends."""

import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from bench.program import wait_for
from bench.stack import Appliance, Gateway, gateway_routes, send_headers
from tests.hubs import Hubs, Member
from tests.journeys.site import payment, unique
from tests.proxies.front import DOCKER, Caddy, Front, Nginx, install

BOOK = DOCKER.parents[1] / "docs" / "deploy.md"
BACK_WITHIN_S = 30.0


class ManyCaddy(Caddy):
    """`hub_port` is of the first hub."""

    file = "Caddyfile.many"
    ports: tuple[int, ...] = ()

    def environment(self) -> dict[str, str]:
        upstream = " ".join(f"127.0.0.1:{port}" for port in self.ports)
        return {**super().environment(), "HUB_UPSTREAM": upstream}


class ManyNginx(Nginx):
    """With the upstream of the book in the place of the one in the file."""

    ports: tuple[int, ...] = ()

    def upstream(self) -> str:
        written = re.search(r"^upstream kioskwire_hub \{\n(.*?)^\}$", BOOK.read_text(), re.MULTILINE | re.DOTALL)
        assert written is not None
        found = written[0]
        for host, port in zip(("10.0.0.1:8000", "10.0.0.2:8000"), self.ports, strict=True):
            assert host in found
            found = found.replace(host, f"127.0.0.1:{port}")
        return found


class Place:
    """Two hubs, a proxy, a kiosk and a backend that know the proxy alone."""

    def __init__(self, directory: Path, kind: type[ManyCaddy | ManyNginx]) -> None:
        self.hubs = Hubs(directory / "hubs", 2, settings={"TRUST_PROXY": "true", "DRAIN_FOR": "4"})
        self.gateway = Gateway(directory / "gateway")
        self.gateway.start(wait=False)
        self.hubs.start()
        self.gateway.wait_ready()
        self.key = self.hubs.add_api_key("proxies")["key"]
        kind.ports = tuple(member.port for member in self.hubs.members)
        self.front: Front = kind(directory / "front", self.hubs.members[0].port)
        self.front.start()
        self.id = unique(kind.name)
        self.appliance = Appliance(
            directory / self.id,
            f"wss://localhost:{self.front.port}/ws",
            self.hubs.add_kiosk(self.id),
            gateway_routes(self.gateway.url),
            settings={"CA_FILE": str(self.front.authority)},
        )
        self.appliance.start()

    def send(self, order: str) -> httpx.Response:
        headers = send_headers(self.id, "payment", key=self.key, idempotency=order)
        with self.front.client() as http:
            return http.post("/send", json=payment(order), headers={**headers, "Header-Timeout": "20"})

    def insist(self, order: str) -> tuple[float, list[int]]:
        """Send it with the same key until it is done: seconds, and what was answered on the way."""
        began, told = time.monotonic(), []
        while time.monotonic() - began < BACK_WITHIN_S:
            told.append(self.send(order).status_code)
            if told[-1] == 200:
                break
            time.sleep(0.1)
        return time.monotonic() - began, told

    def asked(self) -> int:
        """How many kiosks the hub holds that answers this time: there is one kiosk, so 1 and 0 are the two hubs."""
        with self.front.client() as http:
            return int(next(each["kiosks"] for each in http.get("/health").json()["hubs"] if each["is_this"]))

    def are_both_asked(self) -> bool:
        """Whether callers that come at once meet both.

        One after another would not do: nginx chooses the hub without the kiosk's connection each time.
        """
        with ThreadPoolExecutor(12) as threads:
            return len(set(threads.map(lambda _: self.asked(), range(36)))) == 2

    def holder(self) -> Member:
        """The hub that has the kiosk's socket."""

        def found() -> Member | None:
            for member in self.hubs.members:
                if member.alive and any(
                    each["is_this"] and each["kiosks"] for each in member.http.get("/health").json()["hubs"]
                ):
                    return member
            return None

        member: Member = wait_for("the kiosk's hub", found, BACK_WITHIN_S)
        return member

    def close(self) -> None:
        self.appliance.kill()
        self.appliance.__exit__(None, None, None)
        self.front.kill()
        self.hubs.__exit__(None, None, None)
        self.gateway.__exit__(None, None, None)


@pytest.fixture(scope="module", params=[ManyCaddy, ManyNginx], ids=["caddy", "nginx"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One for each proxy."""
    install()
    made = Place(tmp_path_factory.mktemp("several"), request.param)
    try:
        yield made
    finally:
        made.close()


def test_callers_come_to_both_hubs_and_reach_the_kiosk_by_either(place: Place) -> None:
    wait_for("callers at both hubs", place.are_both_asked, BACK_WITHIN_S)
    orders = [unique("order") for _ in range(20)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(place.send, orders))
    assert {answer.status_code for answer in answers} == {200}
    assert [place.gateway.effects(order) for order in orders] == [1] * 20


def test_a_hub_that_dies_takes_its_kiosk_to_the_other(place: Place) -> None:
    dying = place.holder()
    dying.process.send_signal(signal.SIGKILL)  # type: ignore[union-attr]
    dying.kill()
    order = unique("order")
    took, told = place.insist(order)
    print(f"{place.front.name}: after a death done in {took:.1f} s, answers {told}")
    assert told[-1] == 200, told
    assert place.gateway.effects(order) == 1
    orders = [unique("order") for _ in range(20)]
    later = [place.send(each).status_code for each in orders]
    print(f"{place.front.name}: then {later}")
    assert [code for code in later if code not in {200, 502}] == []
    assert [place.gateway.effects(each) for each, code in zip(orders, later, strict=True) if code == 200] == [
        1 for code in later if code == 200
    ]
    dying.start()
    wait_for("callers at both hubs", place.are_both_asked, BACK_WITHIN_S)


def test_a_hub_that_ends_sends_its_kiosk_and_callers_away_before(place: Place) -> None:
    ending = place.holder()
    ending.ask_to_stop()
    told = []
    while ending.alive:
        order = unique("order")
        told.append(place.send(order).status_code)
        assert place.gateway.effects(order) == (told[-1] == 200)
        time.sleep(0.1)
    told += [place.send(unique("order")).status_code for _ in range(10)]
    print(f"{place.front.name}: while it ended {len(told)} answers, not 200: {[code for code in told if code != 200]}")
    assert told.count(200) > len(told) / 2
    # A hub that has just stopped taking anything says so itself; nginx finds out by a connection that is refused.
    assert set(told) <= {200, 502, 503}
