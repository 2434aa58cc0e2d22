"""What a journey goes through: a hub, a gateway, kiosks each behind a fault proxy of its own, and a backend that calls.

The gateway's ledger is what really happened; `Backend` and the tests hold against it what was told.
"""

import contextlib
import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx

from bench.program import wait_for
from bench.stack import Appliance, Gateway, Hub, gateway_routes, send_headers
from tests import hubs
from tests.chaos.proxy import FaultProxy

Json = dict[str, Any]
T = TypeVar("T")
PATIENCE_S = 60.0  # for what must come about, on a machine that is busy with something else
FINAL = frozenset({"succeeded", "failed", "expired"})

_numbers = itertools.count(1)


def unique(word: str) -> str:
    """An id that no other test uses."""
    return f"{word}-{next(_numbers)}-{uuid.uuid4().hex[:6]}"


def until(what: str, condition: Any, timeout: float = PATIENCE_S) -> Any:
    """Poll until it is true; a program that does not answer just now is no answer yet."""

    def tried() -> Any:
        with contextlib.suppress(httpx.TransportError):
            return condition()
        return None

    return wait_for(what, tried, timeout, every=0.05)


class Backend:
    """A caller with an API key. Every request takes a new connection, so that the hub may die in between."""

    def __init__(self, url: str, key: str) -> None:
        self.key = key
        # Said to the hub, not only meant: the pool could give a thread one that another thread is closing.
        self._http = httpx.Client(base_url=url, timeout=60.0, trust_env=False, headers={"Connection": "close"})
        self._threads = ThreadPoolExecutor(120, thread_name_prefix="backend")

    def close(self) -> None:
        """Wait for what runs, and end."""
        self._threads.shutdown()
        self._http.close()

    def send(
        self,
        kiosk: str,
        operation: str,
        body: Any,
        *,
        method: str = "POST",
        key: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        as_key: str | None = None,
    ) -> httpx.Response:
        """`POST /send`, answered whatever its status; `key` is the Idempotency-Key, `as_key` another API key."""
        sent = send_headers(kiosk, operation, key=as_key or self.key, method=method, idempotency=key)
        if timeout is not None:
            sent["Header-Timeout"] = f"{timeout:g}"
        return self._http.post("/send", json=body, headers={**sent, **(headers or {})}, timeout=90.0)

    def later(self, *arguments: Any, **options: Any) -> Future[httpx.Response]:
        """`send` in the background."""
        return self._threads.submit(self.send, *arguments, **options)

    def in_background(self, call: Callable[..., T], *arguments: Any, **options: Any) -> "Future[T]":
        """Anything of a caller's."""
        return self._threads.submit(call, *arguments, **options)

    def queue(self, kiosk: str, operation: str, body: Any, *, expires: float = 600, **options: Any) -> httpx.Response:
        """`send` for an absent kiosk."""
        headers = {"Header-Delivery": "queue", "Header-Expires": f"{expires:g}"}
        return self.send(kiosk, operation, body, headers=headers, **options)

    def get(self, path: str) -> httpx.Response:
        """Any address, with the key."""
        return self._http.get(path, headers={"Authorization": f"Bearer {self.key}"})

    def post(self, path: str) -> httpx.Response:
        """Any address, with the key and without a body."""
        return self._http.post(path, headers={"Authorization": f"Bearer {self.key}"})

    def operation(self, request_id: str) -> Json:
        """What the hub tells of an operation."""
        answer = self.get(f"/operations/{request_id}")
        answer.raise_for_status()
        found: Json = answer.json()
        return found

    def operations(self, kiosk: str) -> list[Json]:
        """All of a kiosk, newest first."""
        found: list[Json] = []
        cursor = ""
        while True:
            answer = self.get(f"/operations?kiosk={kiosk}&limit=500{cursor}")
            answer.raise_for_status()
            page = answer.json()
            found += page["operations"]
            if page["cursor"] is None:
                return found
            cursor = f"&cursor={page['cursor']}"

    def with_key(self, kiosk: str, key: str) -> Json | None:
        """The operation with that Idempotency-Key."""
        return next((found for found in self.operations(kiosk) if found["idempotency_key"] == key), None)

    def told(self, request_id: str) -> Json:
        """Wait until the kiosk has said what it knows of an operation, be it that it cannot know; returns it."""

        def found() -> Json | None:
            operation = self.operation(request_id)
            return operation if operation["executed"] is not None else None

        known: Json = until(f"the kiosk's word on operation {request_id}", found)
        return known

    def sent(self, kiosk: str, key: str) -> str:
        """Wait until the operation with that key was given to the kiosk's socket; returns its request id."""

        def found() -> str | None:
            operation = self.with_key(kiosk, key)
            return operation["request_id"] if operation and operation["sent_at"] else None

        request_id: str = until(f"the sending of {key}", found)
        return request_id

    def final(self, request_id: str) -> Json:
        """Wait until an operation has ended; returns it."""

        def found() -> Json | None:
            operation = self.operation(request_id)
            return operation if operation["state"] in FINAL else None

        ended: Json = until(f"the end of operation {request_id}", found)
        return ended


class KnownAppliance(Appliance):
    """Its program, ready once every hub may send to it: others than its own hear of it some milliseconds later."""

    def __init__(self, site: "Site", kiosk: str, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._site = site
        self._kiosk = kiosk

    def is_ready(self) -> bool:
        return super().is_ready() and (len(self._site.hubs) == 1 or self._site.connected(self._kiosk))


class Kiosk:
    """A registered kiosk: its appliance, and the fault proxy it reaches the hub through."""

    def __init__(self, site: "Site", kiosk: str, routes: Mapping[str, Any], settings: Mapping[str, str] | None) -> None:
        self.id = kiosk
        self.site = site
        self.proxy = FaultProxy(site.hub.port, kind="websocket")
        self.appliance = KnownAppliance(
            site,
            kiosk,
            site.directory / kiosk,
            f"ws://127.0.0.1:{self.proxy.port}/ws",
            site.hub.add_kiosk(kiosk),
            routes,
            settings=settings,
        )

    def health(self) -> Json:
        """Its page."""
        return self.appliance.health()

    def queue(self) -> Json:
        """What its page tells of operations: `waiting`, `running`, `in_doubt`."""
        found: Json = self.health()["queue"]
        return found

    def wait_running(self, count: int = 1) -> None:
        """Wait until operations stand in the journal and their gateway is being called.

        It may not have heard of them yet: see `Site.wait_at_gateway`.
        """

        until(f"{self.id} being at work", lambda: self.is_running(count))

    def is_running(self, count: int = 1) -> bool:
        """Whether so many stand there just now."""
        return f"kioskwire_operations_running {count}.0" in self.appliance.http.get("/metrics").text.splitlines()

    def wait_settled(self) -> None:
        """Wait until the hub has everything this kiosk had to tell."""
        until(f"{self.id} having nothing left to tell", lambda: self.health()["unsettled"] == 0)

    def wait_ready(self) -> None:
        """Wait until the hub may send to it."""

        def ready() -> bool:
            self.appliance.check()
            return self.site.connected(self.id) and self.appliance.is_ready()

        until(f"{self.id} being connected", ready)

    def restart(self) -> None:
        """Kill it as a power cut would, and start it again."""
        self.appliance.kill()
        self.appliance.start()

    def close(self) -> None:
        """End it."""
        self.appliance.kill()
        self.appliance.__exit__(None, None, None)
        self.proxy.close()


class Site:
    """Everything, in one directory."""

    def __init__(
        self,
        directory: Path,
        hub_settings: Mapping[str, str] | None = None,
        hub_wrapper: tuple[str, ...] = (),
        *,
        count: int = 0,
    ) -> None:
        """`count` hubs; 0: as many as `HUBS` says."""
        self.directory = directory
        self.gateway = Gateway(directory / "gateway")
        count = count or hubs.wanted()
        self.hub = (
            Hub(directory / "hub", settings=hub_settings)
            if count == 1
            else hubs.Hubs(directory / "hubs", count, settings=hub_settings)
        )
        self.hub.wrapper = hub_wrapper
        self.hubs = self.hub.members if isinstance(self.hub, hubs.Hubs) else [self.hub]
        self.gateway.start(wait=False)
        self.hub.start()
        self.gateway.wait_ready()
        self.backend = Backend(self.hub.url, self.hub.add_api_key("journeys")["key"])

    def routes(self, *, status: bool = True, timeout: float = 30.0, absent_after: float | None = None) -> Json:
        """Routes to the gateway."""
        routes = gateway_routes(self.gateway.url, status=status, timeout=timeout)
        if status and absent_after is not None:
            routes["routes"]["payment"]["status"]["absent_after"] = absent_after
        return routes

    def routes_through(self, wire: FaultProxy, **options: Any) -> Json:
        """The same with payments going through a proxy; status queries go straight."""
        found = self.routes(**options)
        found["routes"]["payment"]["url"] = f"http://127.0.0.1:{wire.port}/api/v1/payment"
        return found

    def new_kiosk(
        self, word: str, routes: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> Kiosk:
        """Register a kiosk; its appliance is not started."""
        return Kiosk(self, unique(word), routes or self.routes(), settings)

    @contextlib.contextmanager
    def kiosk(
        self,
        word: str,
        routes: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        start: bool = True,
    ) -> Iterator[Kiosk]:
        """A kiosk of one's own, running and connected unless told otherwise."""
        kiosk = self.new_kiosk(word, routes, settings)
        try:
            if start:
                kiosk.appliance.start()
            yield kiosk
        finally:
            kiosk.close()

    def connected(self, kiosk: str) -> bool:
        """Whether the hub has the kiosk's socket and may send. Several hubs are asked until they say the same."""

        def told() -> set[bool]:
            return {hub.admin("GET", f"/admin/kiosks/{kiosk}").json()["connected"] for hub in self.hubs}

        said: set[bool] = wait_for(f"hubs agreeing on {kiosk}", lambda: len(found := told()) == 1 and found, PATIENCE_S)
        return said == {True}

    def wait_at_gateway(self) -> None:
        """Wait until the gateway has had all the requests that it was to misbehave at."""
        until("the gateway having it", lambda: not self.gateway.http.get("/sim/faults").json()["faults"])

    def twice(self) -> dict[str, int]:
        """Orders and checks that the gateway acted on more than once: there must be none, ever."""
        counts: dict[str, int] = {}
        for line in self.gateway.lines():
            name = line.get("order_id") or line.get("check_id") or ""
            counts[name] = counts.get(name, 0) + (line["effect"] != "declined")
        return {name: count for name, count in counts.items() if count > 1}

    def close(self) -> None:
        """End everything."""
        self.backend.close()
        for program in (self.hub, self.gateway):
            program.kill()
            program.__exit__(None, None, None)


def tells_the_truth(answer: httpx.Response, effects: int) -> bool:
    """Whether the answer to a payment that was not declined is true, `effects` being what the ledger has of it."""
    if answer.is_success:
        return effects == 1
    return effects == 0 if problem(answer)[2] == "not_executed" else effects <= 1


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, type and outcome of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    return answer.status_code, body["type"], body["outcome"]


def payment(order: str, **more: Any) -> Json:
    """A payment's body; `simulate="slow:2"` has the gateway misbehave at this one."""
    return {"order_id": order, "sum": 15000, **more}
