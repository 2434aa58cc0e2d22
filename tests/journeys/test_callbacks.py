"""Callbacks: signed, and each operation's final state told once, however often the hub dies in between."""

import json
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.journeys.site import Json, Site, payment, unique, until


class Receiver:
    """A backend's callback address: verifies each delivery and remembers it.

    `days` says what becomes of the next ones: `refused`, or `held`, remembered and not answered before `free` is set.
    """

    def __init__(self) -> None:
        self.secret = ""
        self.told: dict[str, list[tuple[str, Json]]] = defaultdict(list)  # request id → webhook ids and bodies
        self.days: deque[str] = deque()
        self.had: list[str] = []  # days that came
        self.free = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/callback"

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        """One delivery."""
        body = handler.rfile.read(int(handler.headers["content-length"]))
        Webhook(self.secret).verify(body, dict(handler.headers))  # raises, and answers nothing, if it is forged
        message = json.loads(body)
        day = self.days.popleft() if self.days else "good"
        if day != "refused":
            self.told[message["data"]["request_id"]].append((handler.headers["webhook-id"], message))
        self.had.append(day)
        if day == "held":
            self.free.wait(60)
        try:
            handler.send_response(500 if day == "refused" else 204)
            handler.end_headers()
        except OSError:
            pass  # the hub is dead

    def states(self, request_id: str) -> list[str]:
        """The distinct final states told of an operation."""
        return sorted({message["data"]["state"] for _, message in self.told[request_id]})

    def close(self) -> None:
        self.free.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.fixture
def receiver(site: Site) -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def key(site: Site, receiver: Receiver) -> str:
    """An API key whose final states go to the receiver."""
    made = site.hub.add_api_key("called back", receiver.url)
    receiver.secret = made["callback_secret"]
    return str(made["key"])


def test_each_final_state_is_told_signed_and_once(site: Site, receiver: Receiver, key: str) -> None:
    with site.kiosk("called-back") as kiosk:
        faults = {"succeeded": {}, "failed": {"simulate": "error-500"}}
        sent = {
            state: site.backend.send(kiosk.id, "payment", payment(unique("order"), **more), as_key=key)
            for state, more in faults.items()
        }
        ids = {state: answer.headers["x-request-id"] for state, answer in sent.items()}
        absent = site.new_kiosk("absent")
        queued = site.backend.queue(absent.id, "payment", payment(unique("order")), expires=1, as_key=key)
        ids["expired"] = queued.headers["x-request-id"]
        other = site.backend.send(kiosk.id, "payment", payment(unique("order")))  # of a key without callbacks
        until("three callbacks", lambda: set(receiver.told) >= set(ids.values()))
        absent.close()
    assert {state: receiver.states(request_id) for state, request_id in ids.items()} == {
        state: [state] for state in ids
    }
    [(webhook_id, message)] = receiver.told[ids["succeeded"]]
    assert webhook_id == f"op_{ids['succeeded']}"
    assert message["type"] == "operation.succeeded"
    assert message["data"] == site.backend.operation(ids["succeeded"])
    assert other.headers["x-request-id"] not in receiver.told
    assert {len(receiver.told[request_id]) for request_id in ids.values()} == {1}


def test_an_unknown_is_told_when_it_is_settled_though_the_hub_died_in_between(
    site: Site, receiver: Receiver, key: str
) -> None:
    with site.kiosk("called-late") as kiosk:
        order = unique("order")
        kiosk.proxy.hold(up=True)
        sent = site.backend.send(kiosk.id, "payment", payment(order), key=order, as_key=key, timeout=5)
        request_id = sent.headers["x-request-id"]
        assert sent.json()["outcome"] == "unknown"
        assert receiver.told[request_id] == []
        # The first attempt is refused, the second is cut off by the hub's death after it arrived.
        receiver.days.extend(["refused", "held"])
        kiosk.proxy.cut()
        kiosk.proxy.restore()
        assert site.backend.final(request_id)["state"] == "succeeded"
        until("the second attempt", lambda: receiver.had == ["refused", "held"])
        site.hub.kill()
        receiver.free.set()
        site.hub.start()
        until("the delivery after the restart", lambda: len(receiver.told[request_id]) >= 2)
        assert {webhook_id for webhook_id, _ in receiver.told[request_id]} == {f"op_{request_id}"}
        assert receiver.states(request_id) == ["succeeded"]
        assert receiver.told[request_id][-1][1]["data"]["answer"]["body"]["order_id"] == order
        assert site.gateway.effects(order) == 1
