"""Two operations through all of a kiosk: hub, socket, journal, device or gateway, journal, socket; and read back.

The appliance is the real one, with a state directory of its own. What stands around it is made here: a hub that speaks
`wire.session` over a real WebSocket, a gateway that counts its calls, and a simulated printer on a `sim://` port.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from appliance.app import Appliance
from appliance.journal import Journal, Limits
from appliance.selftest.pages import PIN, see_pages
from appliance.selftest.whole import Broken
from appliance.settings import load
from wire.environment import SettingsError
from wire.messages import SUBPROTOCOL, Event, Events, Hello, Message, Request, Response, Responses
from wire.session import Action, Close, Heard, HubSession, Send

WITHIN_S = 20.0
_SLIP = {"template": "= # {what}\n---\n{what} | {price} ₸\n!qr https://kiosk.example/1",
         "values": {"what": "Қалай, сэр? №1", "price": 900}}  # fmt: skip
_PAYMENT = {"order_id": "selftest-1", "sum": 100}
_WANTED = (("selftest-payment", "payment", _PAYMENT), ("selftest-slip", "print", _SLIP))


async def run_operations(directory: Path) -> str:
    """A payment at a gateway, a slip at a printer, and the kiosk's pages. `directory` is empty. Raises `Broken`."""
    hub = _Hub()
    application = Application([("/ws", _Socket, {"hub": hub}), ("/payment", _Gateway, {"hub": hub})])
    application.settings["log_function"] = lambda _handler: None
    server = HTTPServer(application)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        appliance = _build(directory, sockets[0].getsockname()[1])
        url = await appliance.start()
        try:
            async with asyncio.timeout(WITHIN_S):
                await hub.over.wait()
                await see_pages(url)
        except TimeoutError:
            raise Broken(f"after {WITHIN_S:g} s: {hub.standing()}") from None
        finally:
            await appliance.stop()
    finally:
        server.stop()
        await server.close_all_connections()
    kept = await _read_back(directory / "state")
    _compare(hub, kept)
    return "a payment and a slip, each once, told and kept"


class _Hub:
    """One kiosk's hub. Asks for both operations at the first hello and settles what it is told."""

    def __init__(self) -> None:
        self.session = HubSession()
        self.outcomes: dict[str, Response] = {}
        self.calls: list[bytes] = []  # of the gateway
        self.over = asyncio.Event()
        self.hello = False

    def standing(self) -> str:
        """How far it came, in words."""
        if not self.hello:
            return "the appliance did not reach a hub on the same machine"
        missing = [request_id for request_id, _, _ in _WANTED if request_id not in self.outcomes]
        return f"no outcome of {' and '.join(missing)}"

    def hear(self, message: Message) -> Sequence[Action]:
        """What is answered."""
        now = time.monotonic()
        match message:
            case Hello():
                self.hello = True
                actions = self.session.welcome("selftest", time.time(), now)
                for request_id, operation, body in _WANTED:
                    wanted = Request(
                        request_id=request_id, operation=operation, start_within=WITHIN_S,
                        body=msgspec.Raw(msgspec.json.encode(body)),
                    )  # fmt: skip
                    actions += self.session.request(wanted, now + WITHIN_S, now)
                return actions
            case Response():
                return self._settle([message])
            case Responses():
                return self._settle(message.responses)
            case Event():
                return self.session.acknowledge(message.seq)
            case Events():
                return self.session.acknowledge(message.events[-1].seq)
        return []

    def _settle(self, responses: list[Response]) -> list[Action]:
        actions: list[Action] = []
        for response in responses:
            self.outcomes[response.request_id] = response
            actions += self.session.settle(response.request_id)
        if len(self.outcomes) == len(_WANTED):
            self.over.set()
        return actions


class _Socket(WebSocketHandler):
    def initialize(self, hub: _Hub) -> None:
        self._hub = hub

    def select_subprotocol(self, _offered: list[str]) -> str:
        """The one we speak."""
        return SUBPROTOCOL

    def open(self) -> None:
        """The kiosk is there."""
        self._do(self._hub.session.opened(time.monotonic()))

    def on_message(self, message: str | bytes) -> None:
        """The kiosk says something."""
        self._do(self._hub.session.received(message, time.monotonic()))

    def on_close(self) -> None:
        """The kiosk is gone."""
        self._hub.session.closed()

    def _do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.write_message(msgspec.json.encode(action.message))
            elif isinstance(action, Close):
                self.close(action.code, action.reason)
            elif isinstance(action, Heard):
                self._do(self._hub.hear(action.message))


class _Gateway(RequestHandler):
    def initialize(self, hub: _Hub) -> None:
        self._hub = hub

    def post(self) -> None:
        """Charge, and say so."""
        self._hub.calls.append(self.request.body)
        self.finish({"status": "success", "order_id": _PAYMENT["order_id"]})


def _build(directory: Path, port: int) -> Appliance:
    routes = {
        "routes": {
            "payment": {"url": f"http://127.0.0.1:{port}/payment", "timeout": 10},
            "print": {"device": "printer", "timeout": 15},
        },
        "devices": {"printer": {"driver": "escpos", "port": "sim://escpos?boot_s=0"}},
    }
    (directory / "routes.yaml").write_text(json.dumps(routes), encoding="utf-8")  # JSON is YAML
    settings = {
        "WS_SERVER_URL": f"ws://127.0.0.1:{port}/ws", "WS_TOKEN": "selftest", "STATE_DIR": directory / "state",
        "ROUTING_CONFIG": directory / "routes.yaml", "HEALTH_CHECK_HOST": "127.0.0.1", "HEALTH_CHECK_PORT": 0,
        "DISK_MIN_FREE_MB": 0, "ENGINEER_PIN": PIN,
    }  # fmt: skip
    env_file = directory / "selftest.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    try:
        return Appliance(load(env_file, {}))
    except SettingsError as error:
        raise Broken("; ".join(map(str, error.mistakes))) from None


async def _read_back(state_dir: Path) -> dict[str, Response]:
    journal = Journal(state_dir, limits=Limits(min_free_bytes=0), clock=time.time, boot_id="selftest")
    await journal.open()
    try:
        found = [await journal.find(request_id) for request_id, _, _ in _WANTED]
        return {row.request_id: row.response for row in found if row is not None and row.response is not None}
    finally:
        await journal.close()


def _compare(hub: _Hub, kept: dict[str, Response]) -> None:
    for request_id, operation, _ in _WANTED:
        told = hub.outcomes[request_id]
        if told.executed != "yes" or told.status != 200:
            reason = told.error.detail if told.error else bytes(told.body).decode("utf-8", "replace")
            raise Broken(f"{operation} came to a bad end: {reason}")
        if request_id not in kept:
            raise Broken(f"the journal has forgotten {operation}")
        if kept[request_id].executed != told.executed or kept[request_id].status != told.status:
            raise Broken(f"the journal tells another outcome of {operation} than the hub was told")
    if len(hub.calls) != 1 or json.loads(hub.calls[0]) != _PAYMENT:
        raise Broken(f"the gateway was called {len(hub.calls)} times in place of once")
