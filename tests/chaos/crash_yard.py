"""Where programs die at crash points: a hub, kiosks that are made for one death each, and what is asked of them.

One gateway and one receiver of callbacks serve all yards. The gateway's ledger is what really happened.
"""

import contextlib
import copy
import itertools
import json
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from standardwebhooks import Webhook

from bench.program import Program, StackError, wait_for
from bench.stack import Appliance, Gateway, Hub, gateway_routes, send_headers
from wire.crashpoint import VARIABLE

Json = dict[str, Any]
PATIENCE_S = 60.0  # for what must come about, on a machine that is busy with something else
# The gateway acts at once or not at all, and so late "never heard of it" is the truth.
ABSENT_AFTER_S = 3.0
_starting = threading.Lock()
_lives: dict[Path, int] = {}  # where in its log a program's present life begins


class Receiver:
    """A backend's callback addresses, one for each yard; remembers what was told by request id."""

    def __init__(self) -> None:
        self.told: dict[str, list[tuple[str, str]]] = defaultdict(list)  # request id → webhook ids and states
        self._secrets: dict[str, str] = {}  # path → signing secret
        self.forged: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        """An address of its own for each name."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def trust(self, name: str, secret: str) -> None:
        """From now on what comes to that name's address is signed with this."""
        self._secrets[f"/{name}"] = secret

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers["content-length"])
        body = handler.rfile.read(length)
        if len(body) < length:  # the hub died over it
            return
        try:
            Webhook(self._secrets[handler.path]).verify(body, dict(handler.headers))
        except Exception as error:
            self.forged.append(f"{handler.path}: {error}")
        data = json.loads(body)["data"]
        self.told[data["request_id"]].append((handler.headers["webhook-id"], data["state"]))
        with contextlib.suppress(OSError):  # the hub is dead
            handler.send_response(204)
            handler.end_headers()


class Told(NamedTuple):
    """What a caller was told: the HTTP status, `outcome` of a problem (None with another answer), body, request id."""

    status: int
    outcome: str | None
    body: Json
    request_id: str


class Ask:
    """One operation that a backend wants, and all that it was told about it."""

    def __init__(
        self,
        order: str,
        *,
        operation: str = "payment",
        method: str = "POST",
        keyed: bool = True,
        queued: bool = False,
        expires: float = 600.0,
        timeout: float = 20.0,
        chunked: bool = False,
        **more: Any,
    ) -> None:
        self.order = order
        self.key = order if keyed else None
        self.operation, self.method = operation, method
        self.queued, self.expires, self.chunked = queued, expires, chunked
        self.timeout = timeout
        self.body = {"order_id" if operation == "payment" else "check_id": order, "sum": 15000, **more}
        self.told: list[Told] = []
        self.broken = 0  # the hub died under it, or was dead: nothing was told

    def once_more(self) -> "Ask":
        """The same with a new key, for another order: what a backend asks after a refusal."""
        again = copy.copy(self)
        again.order = f"{self.order}'"
        again.key = again.order if self.key else None
        again.body = {name: again.order if value == self.order else value for name, value in self.body.items()}
        again.told, again.broken = [], 0
        return again

    @property
    def is_over(self) -> bool:
        """Whether its caller need not ask again: a gateway's answer, or the certainty that there is no effect."""
        return any(told.status != 202 and told.outcome in {None, "not_executed"} for told in self.told)


class Yard:
    """A hub, and everything that is asked of it. Start and close it in one thread."""

    _numbers = itertools.count(1)

    def __init__(self, directory: Path, name: str, gateway: Gateway, receiver: Receiver) -> None:
        self.name = name
        self.gateway = gateway
        self.receiver = receiver
        self.directory = directory / name
        # Long enough for a kiosk that died to be back: then it is asked once more for what it may have executed.
        self.hub = Hub(self.directory / "hub", settings={"KIOSK_RECONNECT_GRACE": "8"})
        self.key = ""
        self._http = httpx.Client(
            base_url=self.hub.url, timeout=60.0, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self._threads = ThreadPoolExecutor(64, thread_name_prefix=f"callers-{name}")

    def start(self) -> None:
        """Start the hub and make the key that everything is asked with; its final states are called back."""
        start(self.hub)
        made = self.hub.add_api_key("crashes", self.receiver.url(self.name))
        self.receiver.trust(self.name, made["callback_secret"])
        self.key = made["key"]

    def close(self) -> None:
        """End it."""
        self.hub.kill()
        self._threads.shutdown()
        self._http.close()
        self.hub.http.close()

    def unused_id(self) -> str:
        """An id that no kiosk has."""
        return f"{self.name}-{next(self._numbers)}"

    def new_id(self) -> tuple[str, str]:
        """Register a kiosk; returns its id and token."""
        kiosk = self.unused_id()
        return kiosk, self.hub.add_kiosk(kiosk)

    def new_kiosk(self) -> "Kiosk":
        """Register a kiosk; its program is not started."""
        return Kiosk(self, *self.new_id())

    def in_background(self, call: Callable[..., None], *arguments: Any) -> "Future[None]":
        """Call in a thread."""
        return self._threads.submit(call, *arguments)

    def send(self, kiosk: str, ask: Ask, api_key: str = "") -> None:
        """`POST /send`; notes what was told."""
        headers = send_headers(kiosk, ask.operation, key=api_key or self.key, method=ask.method, idempotency=ask.key)
        headers["Header-Timeout"] = f"{ask.timeout:g}"
        if ask.queued:
            headers |= {"Header-Delivery": "queue", "Header-Expires": f"{ask.expires:g}"}
        content = json.dumps(ask.body).encode()
        try:
            # In chunks it goes through the general server.
            answer = self._http.post("/send", content=iter([content]) if ask.chunked else content, headers=headers)
        except httpx.TransportError:
            ask.broken += 1
            return
        body = answer.json()
        is_problem = answer.headers["content-type"] == "application/problem+json"
        outcome = body["outcome"] if is_problem else None
        ask.told.append(Told(answer.status_code, outcome, body, answer.headers["x-request-id"]))

    def operations(self, kiosk: str) -> list[Json]:
        """All operations of a kiosk, as the hub tells them."""
        answer = self._http.get(f"/operations?kiosk={kiosk}&limit=500", headers={"Authorization": f"Bearer {self.key}"})
        answer.raise_for_status()
        found: list[Json] = answer.json()["operations"]
        return found

    def cancel(self, kiosk: str, key: str) -> None:
        """Cancel the operation with that key, once it is known; nothing if the hub dies meanwhile."""
        headers = {"Authorization": f"Bearer {self.key}"}
        with contextlib.suppress(httpx.HTTPError, StackError):
            found = wait_for(
                "the operation to cancel",
                lambda: [row for row in self.operations(kiosk) if row["idempotency_key"] == key],
                5.0,
            )
            self._http.post(f"/operations/{found[0]['request_id']}/cancel", headers=headers)

    def knows(self, key: str) -> bool:
        """Whether an API key is in force."""
        return self._http.get("/operations?limit=1", headers={"Authorization": f"Bearer {key}"}).is_success

    def pay(self, request: Json) -> Json:
        """What a client of the first dialect does: pay at the gateway; its answer."""
        answer = self._http.post(f"{self.gateway.url}/api/v1/payment", json=request["body"])
        paid: Json = answer.json()
        return paid

    def is_connected(self, kiosk: str) -> bool:
        """Whether the hub may send to the kiosk."""
        with contextlib.suppress(httpx.TransportError):
            answer = self._http.get(f"/admin/kiosks/{kiosk}", headers={"Authorization": f"Bearer {self.hub.admin_key}"})
            return bool(answer.is_success and answer.json()["connected"])
        return False

    def database(self, *, write: bool = False) -> sqlite3.Connection:
        """The hub's own, beside the hub."""
        path = self.hub.directory / "state" / "hub.db"
        mode = "rw" if write else "ro"
        return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=10, isolation_level=None)

    def events(self, kiosk: str) -> list[tuple[str, int, float, str, bytes]]:
        """Journal, number, time, kind and data of a kiosk's events, in the order in which they came."""
        with contextlib.closing(self.database()) as connection:
            return connection.execute(
                "SELECT journal, seq, at, kind, data FROM events WHERE kiosk_id = ? ORDER BY rowid", (kiosk,)
            ).fetchall()


class Kiosk:
    """A kiosk and the program of one case."""

    def __init__(self, yard: Yard, kiosk: str, token: str) -> None:
        self.id = kiosk
        self.yard = yard
        routes = gateway_routes(yard.gateway.url, timeout=3.0)
        routes["routes"]["payment"]["status"]["absent_after"] = ABSENT_AFTER_S
        routes["routes"]["payment"]["concurrency"] = 1
        self.appliance = Appliance(yard.directory / kiosk, yard.hub.ws_url, token, routes)

    def is_quiet(self) -> bool:
        """Whether the hub has everything the kiosk had to tell."""
        with contextlib.suppress(httpx.TransportError):
            page = self.appliance.health()
            return bool(page["ws_connected"] and page["unsettled"] == 0 and page["journal"]["events"] == 0)
        return False

    def close(self) -> None:
        """End it."""
        self.appliance.kill()
        self.appliance.http.close()


def start(program: Program, at: str = "", *, wait: bool = True) -> None:
    """Start a program, once more if need be, that is to die `at` a point. Waits until it is ready, or is dead by then.

    Raises `StackError` if it is not to die and does not get ready.
    """
    program.kill()
    _lives[program.log] = program.log.stat().st_size if program.log.exists() else 0
    program.settings.pop(VARIABLE, None)
    if at:
        program.settings[VARIABLE] = at
    with _starting:
        program.start(wait=False)
    if not wait:
        return
    if not at:
        program.wait_ready(PATIENCE_S)
        return

    def ready_or_dead() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return not program.alive or program.is_ready()
        return False

    wait_for(f"{program.name}: being ready or dead", ready_or_dead, PATIENCE_S)


def died_at(program: Program) -> str:
    """The point at which a program died last, by its own last words; empty if it lives or died otherwise."""
    if program.alive:
        return ""
    at = program.settings.get(VARIABLE, "").partition(":")[0]
    with program.log.open("rb") as log:
        log.seek(_lives[program.log])
        return at if at and f"crash point {at}: ".encode() in log.read() else ""


def wait_until(what: str, condition: Callable[[], Any], timeout: float = PATIENCE_S) -> None:
    """Poll until it is true. Raises `StackError`; a program that does not answer just now is no answer yet."""

    def tried() -> Any:
        with contextlib.suppress(httpx.HTTPError):
            return condition()
        return None

    wait_for(what, tried, timeout, every=0.1)


def effects_by_order(lines: list[Json]) -> Mapping[str, int]:
    """How often the gateway acted on each order."""
    counts: dict[str, int] = defaultdict(int)
    for line in lines:
        if line["effect"] == "payment":
            counts[line["order_id"]] += 1
    return counts


def wait_briefly(seconds: float, condition: Callable[[], Any]) -> None:
    """Poll until it is true, or for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.02)
