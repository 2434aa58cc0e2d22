"""What stands around the appliance in its tests: a real gateway, a real hub, a real proxy, all on loopback."""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response as HttpResponse

from appliance.box import Marks
from appliance.gateways import Gateways, HttpTargets
from appliance.health.metrics import Metrics
from appliance.health.state import Clock, Link
from appliance.journal import Journal, Limits
from appliance.operations import Operations
from appliance.routes import Route, RouteTable, StatusQuery
from appliance.screen import Screen
from appliance.uplink import Uplink
from appliance.uplink.dial import Address
from tests.dialling import dialled, pass_on
from tests.listening import listening
from wire.enrolment import CHALLENGE_HEADER
from wire.messages import Event, Events, Hello, Message, Progress, Request, Response, Responses
from wire.session import BATCH, Close, Heard, HubSession, Send

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJraW9za18wMDEifQ.canary-signature"
Answer = Callable[["Call"], Awaitable[bytes | None]]
PATIENCE_S = 60.0  # for what surely comes, on a machine that is busy with something else


async def until(fact: Callable[[], object], timeout: float = PATIENCE_S) -> None:
    """Wait until the fact holds; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not fact():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.005)


def request(request_id: str = "request-1", operation: str = "payment", **fields: Any) -> Request:
    """A request that may start within a minute."""
    fields.setdefault("start_within", 60.0)
    if "body" in fields and not isinstance(fields["body"], msgspec.Raw):
        fields["body"] = msgspec.Raw(fields["body"])
    return Request(request_id=request_id, operation=operation, **fields)


class Call:
    """One HTTP request as a gateway got it."""

    def __init__(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        line, *rest = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = line.split(" ")
        pairs = (item.split(": ", 1) for item in rest if item)
        self.headers = {name.lower(): value for name, value in pairs}
        self.body = body
        self.writer = writer

    def reset(self) -> None:
        """Break the connection with an RST."""
        self.writer.transport.abort()


def reply(status: int = 200, body: bytes = b'{"ok":true}', content_type: str = "application/json") -> bytes:
    """A plain HTTP answer."""
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    return f"HTTP/1.1 {status} X\r\n{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Gateway:
    """A scripted HTTP gateway: `answer` gives the bytes to send, or None to hang up."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.calls: list[Call] = []
        self.connections = 0
        self.answer: Answer = self._plain

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    async def _plain(self, _call: Call) -> bytes | None:
        return reply()


@asynccontextmanager
async def gateway(answer: Answer | None = None) -> AsyncIterator[Gateway]:
    """A gateway on a free port."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
                call = Call(head, b"", writer)
                call.body = await reader.readexactly(int(call.headers.get("content-length", "0")))
                there.calls.append(call)
                text = await there.answer(call)
                if text is None:
                    break
                writer.write(text)
                await writer.drain()
        finally:
            writer.close()

    async with listening(serve_one) as server:
        there = Gateway(server.port)
        if answer is not None:
            there.answer = answer
        yield there


def route(url: str, name: str = "payment", **fields: Any) -> Route:
    """A route as the file gives it, one at a time for payments."""
    fields.setdefault("concurrency", 1 if name == "payment" else 8)
    fields.setdefault("timeout", 5.0)
    return Route(name=name, url=url, **fields)


def table(*routes: Route) -> RouteTable:
    """Routes by name; one called `default` is the default."""
    named = {item.name: item for item in routes if item.name != "default"}
    return RouteTable(named, next((item for item in routes if item.name == "default"), None))


def status(url: str, **fields: Any) -> StatusQuery:
    """A status query by order_id."""
    fields.setdefault("params", {"id": "order_id"})
    fields.setdefault("absent", (404,))
    fields.setdefault("absent_after", 0.0)
    return StatusQuery(url=url, **fields)


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.acceptances: list[str] = []
        self.progresses: list[tuple[str, dict[str, Any]]] = []
        self.outcomes: list[Response] = []
        self.happenings = 0

    def accepted(self, request_id: str) -> None:
        self.acceptances.append(request_id)

    def progress(self, request_id: str, data: dict[str, Any]) -> None:
        self.progresses.append((request_id, data))

    def outcome(self, response: Response) -> None:
        self.outcomes.append(response)

    def happened(self) -> None:
        self.happenings += 1

    def of(self, request_id: str) -> list[Response]:
        """Outcomes told of one request."""
        return [response for response in self.outcomes if response.request_id == request_id]

    async def first(self, request_id: str = "request-1") -> Response:
        """The outcome of one request, as soon as it is told."""
        await until(lambda: self.of(request_id))
        return self.of(request_id)[0]


SMALL = Limits(min_free_bytes=0)
RESERVE = 64 * 1024


@asynccontextmanager
async def journal(
    directory: Path, limits: Limits = SMALL, clock: Callable[[], float] = time.time, marks: Marks | None = None
) -> AsyncIterator[Journal]:
    """An open journal."""
    opened = Journal(directory, limits=limits, clock=clock, boot_id="test", marks=marks, reserve_bytes=RESERVE)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


class Kiosk:
    """Operations with everything below them, and somebody who listens."""

    def __init__(self, journal: Journal, operations: Operations, told: Told, metrics: Metrics) -> None:
        self.journal = journal
        self.operations = operations
        self.told = told
        self.metrics = metrics


@asynccontextmanager
async def kiosk(
    directory: Path, routes: RouteTable, limits: Limits = SMALL, *, start: bool = True
) -> AsyncIterator[Kiosk]:
    """A kiosk without a hub."""
    async with journal(directory, limits) as memory:
        gateways, metrics, told = Gateways(), Metrics("test"), Told()
        operations = Operations(
            journal=memory, targets=HttpTargets(gateways), routes=routes, metrics=metrics, screen=Screen()
        )
        operations.listen(told)
        try:
            if start:
                await operations.start()
            yield Kiosk(memory, operations, told, metrics)
        finally:
            await operations.stop()
            await gateways.close()


class Hub:
    """A hub for one kiosk: a real WebSocket server that pumps `HubSession`."""

    def __init__(self, scheme: str = "ws") -> None:
        self.scheme = scheme
        self.session = HubSession()
        self.port = 0
        self.heard: list[Message] = []
        self.sockets: list[ServerConnection] = []
        self.upgrades: list[HttpRequest] = []
        self.settles = True
        self.silent = False  # says nothing at all
        self.batch = BATCH  # as its welcome says; 0: one of before there were any
        self.spread = 0.0
        self.time = time.time
        self.refuse: HttpResponse | None = None
        self.challenges: list[str] = []  # given to connections in turn, as far as there are any

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/ws"

    def responses(self, request_id: str) -> list[Response]:
        """Every response heard for one request."""
        told = [r for m in self.heard for r in ([m] if isinstance(m, Response) else _responses(m))]
        return [response for response in told if response.request_id == request_id]

    def events(self) -> list[Event]:
        """Every event heard."""
        return [e for m in self.heard for e in ([m] if isinstance(m, Event) else _events(m))]

    async def ask(self, wanted: Request) -> None:
        """Send a request, now or with the next hello."""
        await self.carry_out(self.session.request(wanted, time.monotonic() + wanted.start_within, time.monotonic()))

    async def carry_out(self, actions: list[Any]) -> None:
        """Do what the conversation says."""
        for action in actions:
            if isinstance(action, Send):
                await self.sockets[-1].send(msgspec.json.encode(action.message), text=True)
            elif isinstance(action, Close):
                await self.sockets[-1].close(action.code, action.reason)
            elif isinstance(action, Heard):
                await self.hear(action.message)

    async def hear(self, message: Message) -> None:
        """Settle and acknowledge at once."""
        self.heard.append(message)
        if isinstance(message, Hello):
            welcome, *others = self.session.welcome("test-hub", self.time(), time.monotonic(), self.spread)
            assert isinstance(welcome, Send)
            message = msgspec.structs.replace(welcome.message, batch=self.batch)
            await self.carry_out([Send(message), *others])
        elif isinstance(message, Response) and self.settles:
            await self.carry_out(self.session.settle(message.request_id))
        elif isinstance(message, Event) and self.settles:
            await self.carry_out(self.session.acknowledge(message.seq))
        elif isinstance(message, Responses) and self.settles:
            await self.carry_out(self.session.settle_all([r.request_id for r in message.responses]))
        elif isinstance(message, Events) and self.settles:
            await self.carry_out(self.session.acknowledge(message.events[-1].seq))
        assert not isinstance(message, Progress)

    async def serve(self, socket: ServerConnection) -> None:
        """One connection."""
        self.sockets.append(socket)
        self.session.opened(time.monotonic())
        try:
            async for text in socket:
                if not self.silent:
                    await self.carry_out(self.session.received(text, time.monotonic()))
        except ConnectionClosed:
            pass
        finally:
            if self.sockets[-1] is socket:
                self.session.closed()

    def process(self, _socket: ServerConnection, upgrade: HttpRequest) -> HttpResponse | None:
        """Note the upgrade; refuse it if told to."""
        self.upgrades.append(upgrade)
        return self.refuse

    def challenge(self, _socket: ServerConnection, _upgrade: HttpRequest, answer: HttpResponse) -> None:
        """Have each connection prove who it is."""
        if self.challenges:
            answer.headers[CHALLENGE_HEADER] = self.challenges.pop(0)


def _responses(message: Message) -> list[Response]:
    return message.responses if isinstance(message, Responses) else []


def _events(message: Message) -> list[Event]:
    return message.events if isinstance(message, Events) else []


def refusal(status_code: int, **headers: str) -> HttpResponse:
    """An answer to the upgrade that is none."""
    fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return HttpResponse(status_code, "No", fields, b"")


@asynccontextmanager
async def hub(tls: ssl.SSLContext | None = None) -> AsyncIterator[Hub]:
    """A hub on a free port."""
    there = Hub("ws" if tls is None else "wss")
    async with serve(
        there.serve, "127.0.0.1", 0, subprotocols=["kiosk.v2"], process_request=there.process,
        process_response=there.challenge, ping_interval=None, compression=None, close_timeout=1, ssl=tls,
    ) as server:  # fmt: skip
        there.port = next(iter(server.sockets)).getsockname()[1]
        yield there


class Uplinked:
    """A kiosk with its link."""

    def __init__(self, kiosk: Kiosk, uplink: Uplink, link: Link, clock: Clock) -> None:
        self.kiosk = kiosk
        self.uplink = uplink
        self.link = link
        self.clock = clock
        self.address: Address | None = None
        self.bad_token: list[bool] = []


@asynccontextmanager
async def uplinked(
    kiosk: Kiosk, url: str, chance: float = 0.02, proxy_url: str = "", ca_file: str = ""
) -> AsyncIterator[Uplinked]:
    """Dial until the end; `chance` 0.02 makes every wait short."""
    link, clock = Link(), Clock()
    told: list[bool] = []

    def hello() -> Hello:
        return Hello(
            version="test", boot_id="test", routes=kiosk.operations.routes.names(), journal=kiosk.journal.id,
            unsettled=kiosk.journal.facts.unsettled, batch=BATCH,
        )  # fmt: skip

    uplink = Uplink(
        address=lambda: up.address, journal=kiosk.journal, operations=kiosk.operations, state=link, clock=clock,
        metrics=kiosk.metrics, hello=hello, bad_token=told.append, chance=lambda: chance,
    )  # fmt: skip
    up = Uplinked(kiosk, uplink, link, clock)
    up.bad_token = told
    up.address = Address(url, TOKEN, proxy_url, ca_file)
    uplink.start()
    try:
        yield up
    finally:
        await uplink.stop()


class Proxy:
    """An HTTP proxy that only knows CONNECT, with a user and a password if given."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.tunnels: list[str] = []
        self.wants = ""


@asynccontextmanager
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy on a free port."""

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split("\r\n")[0].split(" ")
            secret = base64.b64encode(there.wants.encode()).decode()
            if method != "CONNECT" or (there.wants and f"Proxy-Authorization: Basic {secret}" not in head):
                writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
                return
            there.tunnels.append(target)
            host, _, port = target.rpartition(":")
            async with dialled(host, int(port)) as far:
                writer.write(b"HTTP/1.1 200 Go on\r\n\r\n")
                await pass_on((reader, writer), far)
        finally:
            writer.close()

    async with listening(tunnel) as server:
        there = Proxy(server.port)
        yield there
