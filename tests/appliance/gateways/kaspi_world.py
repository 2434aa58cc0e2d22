"""A Kaspi terminal and a kiosk's targets for it, on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from appliance.gateways import Gateways
from appliance.gateways.kaspi_emulator import Options, Terminal, make_app
from appliance.gateways.kaspi_faults import KaspiFault, parse_kaspi_fault
from appliance.gateways.kaspi_pos import KaspiPos, KaspiPosTarget
from appliance.gateways.kaspi_pos_watch import Timing
from appliance.gateways.ledger import Ledger
from appliance.journal import Journal
from appliance.kinds import KaspiPosRoute
from appliance.routes import Route
from appliance.targets import Answered, Ask, Result
from tests.appliance.worlds import journal, until

QUICK = Timing(
    start=2.0, call=2.0, actualize=0.05, actualize_most=0.1, pause_most=0.05, gone=0.05, free=1.0, known_within=5.0
)
SPEED = 100.0


class Counter:
    """The terminal as a test sees it."""

    def __init__(self, terminal: Terminal, port: int, server: HTTPServer) -> None:
        self.terminal = terminal
        self.port = port
        self.server = server
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fault(self, text: str, count: int = 1) -> None:
        """A bad day, for so many requests."""
        fault = parse_kaspi_fault(text)
        fault.count = count
        self.terminal.faults.append(fault)

    def effects(self, minor: int | None = None) -> list[tuple[str, int]]:
        """What really happened, of one amount."""
        lines = self.terminal.ledger.lines
        return [(line["effect"], line["minor"]) for line in lines if minor in {None, line["minor"]}]

    async def idle(self) -> None:
        """Nobody is served."""
        await until(lambda: not self.terminal.busy)


@asynccontextmanager
async def counter(*faults: KaspiFault, **options: Any) -> AsyncIterator[Counter]:
    """A terminal whose customers are quick."""
    terminal = Terminal(Ledger(), list(faults), Options(**{"speed": SPEED, **options}))
    app = make_app(terminal)
    server = HTTPServer(app)
    sock, port = bind_unused_port()
    server.add_socket(sock)
    there = Counter(terminal, port, server)
    app.settings["log_function"] = lambda handler: there.asked.append(handler.request.path)
    try:
        yield there
    finally:
        server.stop()
        await terminal.close()
        await server.close_all_connections()


class Kiosk:
    """A kiosk's side: a journal and one life of the room."""

    def __init__(self, journal: Journal, gateways: Gateways, url: str, timing: Timing) -> None:
        self.journal = journal
        self.gateways = gateways
        self.url = url
        self.timing = timing
        self.told: list[dict[str, Any]] = []
        self.room = self.anew()

    def anew(self) -> KaspiPos:
        """Another life: nothing is remembered but the journal."""
        self.room = KaspiPos(journal=self.journal, gateways=self.gateways, clock=time.time, timing=self.timing)
        return self.room

    def route(self, timeout: float = 5.0, **fields: Any) -> Route:
        kind = KaspiPosRoute(**{"url": self.url, "poll": 0.01, **fields})
        return Route(name="pos", url="", timeout=timeout, concurrency=1, kind=kind)

    def target(self, timeout: float = 5.0, **fields: Any) -> KaspiPosTarget:
        return self.room.target(self.route(timeout, **fields))

    def ask(self, body: dict[str, Any] | None = None, request_id: str = "request-1", **fields: Any) -> Ask:
        wanted = {"amount": 125000, "currency": "KZT", **(body or {})}
        route = self.route(**fields)
        return Ask(
            request_id=request_id, operation="pos", method="POST", body=msgspec.json.encode(wanted),
            route=lambda: route, tell=self.told.append,
        )  # fmt: skip

    async def pay(self, body: dict[str, Any] | None = None, request_id: str = "request-1", **fields: Any) -> Result:
        """As operations do: checked, then run."""
        target, ask = self.target(**fields), self.ask(body, request_id)
        target.check(ask)
        async with asyncio.timeout(60):
            return await target.run(ask)

    async def find_out(self, body: dict[str, Any] | None = None, request_id: str = "request-1", **fields: Any) -> Any:
        async with asyncio.timeout(60):
            return await self.target(**fields).find_out(self.ask(body, request_id, **fields))

    async def events(self, kind: str = "payment-unclear") -> list[dict[str, Any]]:
        told = await self.journal.events(1000, 0)
        return [msgspec.json.decode(event.data) for event in told if event.kind == kind]

    async def work(self, request_id: str = "request-1") -> Any:
        return await self.journal.read(lambda book: book.find_work(request_id))


@asynccontextmanager
async def kiosk(directory: Path, url: str, timing: Timing = QUICK) -> AsyncIterator[Kiosk]:
    """A kiosk."""
    async with journal(directory) as memory:
        gateways = Gateways()
        try:
            yield Kiosk(memory, gateways, url, timing)
        finally:
            await gateways.close()


def said(result: object) -> dict[str, Any]:
    """The answer's body."""
    assert isinstance(result, Answered), result
    assert result.status == 200
    found: dict[str, Any] = msgspec.json.decode(result.body)
    return found
