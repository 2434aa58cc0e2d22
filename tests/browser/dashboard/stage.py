"""What the dashboard's flows are tried on: a hub, a gateway, a kiosk that works, and a backend that is called back.

One for all tests of this directory: each takes kiosks, keys and accounts of its own, and leaves those of others alone.
"""

import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from bench.program import StackError, stop_all, wait_for
from bench.stack import Appliance, Gateway, Hub, gateway_routes
from tests.chaos import plants

PATIENCE_S, PATIENCE_MS = 60.0, 60_000  # for what must come about, on a machine that is busy with something else
HERE = "kiosk_001"  # the kiosk that works all the while
_AT_ONCE = "kinds:\n  kiosk-offline: {after: 0, clear_after: 0, gather: 0}\n  operation-unknown: {after: 0}\n"
_numbers = itertools.count(1)


def unique(word: str) -> str:
    """An id that no other test uses."""
    return f"{word}_{next(_numbers):03}"


class Receiver:
    """A backend's callback address, which may have bad days."""

    def __init__(self) -> None:
        self.is_ill = False
        self.told: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                is_ill = receiver.is_ill
                if not is_ill:
                    receiver.told.append(json.loads(body)["data"])
                self.send_response(503 if is_ill else 204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/told"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class Stage:
    """A context manager."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        rules = directory / "alerts.yaml"
        rules.write_text(_AT_ONCE, encoding="utf-8")
        settings = {"TIMEZONE": "Asia/Almaty", "ALERTS_CONFIG": str(rules), **plants.environment("callbacks_by_hand")}
        self.hub = Hub(directory / "hub", settings=settings)
        self.gateway = Gateway(directory / "gateway")
        self.key = ""
        self._kiosks: list[Appliance] = []
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="backend")

    def __enter__(self) -> "Stage":
        try:
            self.gateway.start(wait=False)
            self.hub.start()
            self.gateway.wait_ready()
            self.key = self.hub.add_api_key("Till service")["key"]
            self.new_kiosk(HERE, "Central station").start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        stop_all([*self._kiosks, self.hub, self.gateway])

    def new_kiosk(self, kiosk: str, name: str = "", **more: Any) -> Appliance:
        """Register one, and prepare its program, which is not started."""
        return self.box(kiosk, token=self.hub.add_kiosk(kiosk, name), **more)

    def box(self, directory: str, *, token: str = "", code: str = "", can_ask: bool = True) -> Appliance:
        """A kiosk's program by itself, not started. `code` enrols it; whether it can ask its gateway what became of a
        payment is `can_ask`.
        """
        routes = gateway_routes(self.gateway.url, status=can_ask)
        box = Appliance(self.directory / unique(directory), self.hub.ws_url, token, routes)
        box.code = code
        self._kiosks.append(box)
        return box

    def send(self, kiosk: str, operation: str = "payment", body: Any = None, *, key: str = "", **more: Any) -> str:
        """Send an operation with an Idempotency-Key of its own and wait for its answer; returns its request id."""
        name = unique("order")
        whole = {"order_id": name, "check_id": name, "sum": 15000, **(body or {})}
        answer = self.hub.send(kiosk, operation, whole, key=key or self.key, idempotency=name, **more)
        return answer.headers["x-request-id"]

    def queue(self, kiosk: str, *, seconds: float = 600) -> str:
        """Send one to a kiosk that is not here; returns its request id."""
        return self.send(kiosk, headers={"Header-Delivery": "queue", "Header-Expires": f"{seconds:g}"})

    def later(self, what: Callable[..., str], *arguments: Any, **options: Any) -> "Future[str]":
        """Do it in the background."""
        return self._threads.submit(what, *arguments, **options)

    def operation(self, request_id: str) -> dict[str, Any]:
        """What the hub tells of it."""
        return self.hub.operation(request_id, self.key)

    def is_here(self, kiosk: str) -> bool:
        """Whether the hub has its socket."""
        return bool(self.hub.admin("GET", f"/admin/kiosks/{kiosk}").json()["connected"])

    def unknown(self, kiosk: str) -> str:
        """An operation whose outcome nobody knows: its kiosk died in the middle of it, came back and could not tell."""
        box = self.new_kiosk(kiosk, "The one that dies", can_ask=False).start()
        sent = self.later(self.send, kiosk, body={"simulate": "slow:60"}, timeout=60)

        def is_running() -> bool:
            return "kioskwire_operations_running 1.0" in box.http.get("/metrics").text.splitlines()

        until("the kiosk being at work", is_running)
        box.kill()
        box.start()
        request_id = sent.result(PATIENCE_S)
        until("an unknown outcome", lambda: self.operation(request_id)["state"] == "unknown")
        until("the kiosk's word", lambda: box.health()["unsettled"] == 0)
        box.stop()
        return request_id


def until(what: str, condition: Callable[[], Any]) -> Any:
    """Poll until it is true; a program that does not answer just now is no answer yet."""

    def tried() -> Any:
        try:
            return condition()
        except (httpx.HTTPError, StackError):
            return None

    return wait_for(what, tried, PATIENCE_S, every=0.05)
