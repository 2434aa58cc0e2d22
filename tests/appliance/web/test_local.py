"""The screen's paths over real sockets: who may come, what is told, who is sent away."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from appliance.health.metrics import Metrics
from appliance.screen import Screen
from appliance.web import local, server
from appliance.web.guard import Guard, peer_allowed
from appliance.web.local import Audience
from appliance.web.rate import Rate
from appliance.web.server import WebServer, make_app
from tests.appliance.supervisor.yard import virtual
from tests.appliance.worlds import PATIENCE_S, until

OURS = "http://localhost:3000"


class Door:
    """An open door, and what is behind it."""

    def __init__(self, bound: str) -> None:
        self.screen = Screen()
        self.audience = Audience(self.screen)
        self.asked: list[str | None] = []
        self.running = ["cash-1"]
        guard = Guard(bound, frozenset({"kiosk.local"}), frozenset({OURS, "null"}))
        app = make_app(
            guard=guard, metrics=Metrics("test"), describe=lambda: (200, {}), audience=self.audience,
            cancel=self._cancel,
        )  # fmt: skip
        self.server = WebServer(app, bound, 0, self.audience)
        self.port = int(self.server.start().rpartition(":")[2])

    def _cancel(self, request_id: str | None) -> list[str]:
        self.asked.append(request_id)
        return [each for each in self.running if request_id in {None, each}]

    def listen(self, *, address: str = "127.0.0.1", host: str = "", origin: str | None = None) -> Any:
        """Connect as a page does."""
        return connect(
            f"ws://{host or '127.0.0.1'}:{self.port}/events", host=address, port=self.port,
            origin=None if origin is None else Origin(origin), proxy=None, close_timeout=1,
            open_timeout=PATIENCE_S,
        )  # fmt: skip

    async def ask(
        self, method: str = "POST", path: str = "/local/cancel", body: bytes = b"{}", *, address: str = "127.0.0.1",
        **headers: str,
    ) -> tuple[int, dict[str, str], Any]:  # fmt: skip
        """Status, headers and JSON."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        fields = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json", **given}
        lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value]
        head = f"{method} {path} HTTP/1.1\r\n{''.join(lines)}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        reader, writer = await asyncio.open_connection(address, self.port)
        writer.write(head.encode() + body)
        async with asyncio.timeout(PATIENCE_S):
            text = await reader.read()
        writer.close()
        top, _, rest = text.partition(b"\r\n\r\n")
        status, *pairs = top.decode().split("\r\n")
        found = {name.lower(): value for name, value in (pair.split(": ", 1) for pair in pairs)}
        return int(status.split()[1]), found, msgspec.json.decode(rest) if rest else None


@asynccontextmanager
async def door(bound: str = "127.0.0.1") -> AsyncIterator[Door]:
    opened = Door(bound)
    try:
        yield opened
    finally:
        await opened.server.stop()


async def told(page: ClientConnection, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        return [msgspec.json.decode(await page.recv()) for _ in range(count)]


def own_address() -> str:
    """An address of this machine that is not loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        found: str = probe.getsockname()[0]
        if not found.startswith("127."):
            return found
    pytest.skip("this machine has no other address")


# Who may come.


@pytest.mark.parametrize("origin", [None, OURS, "HTTP://LOCALHOST:3000", "null"])
async def test_pages_that_may_listen(origin: str | None) -> None:
    async with door() as there, there.listen(origin=origin) as page:
        assert await told(page, 1) == [{"type": "hello"}]


async def test_a_page_of_our_own_may_listen() -> None:
    async with door() as there, there.listen(origin=f"http://127.0.0.1:{there.port}") as page:
        assert await told(page, 1) == [{"type": "hello"}]


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://localhost:3001", "http://localhost", "https://localhost:3000", "file://", "",
     "http://localhost:3000.evil.example", "http://[bad", "http://localhost:3000, null"],
)  # fmt: skip
async def test_pages_of_other_origins_are_refused(origin: str) -> None:
    async with door() as there:
        with pytest.raises(InvalidStatus) as refused:
            async with there.listen(origin=origin):
                pass
        assert refused.value.response.status_code == 403
        if origin:
            status, headers, _ = await there.ask(Origin=origin)
            assert (status, there.asked) == (403, [])
            assert "access-control-allow-origin" not in headers
            assert (await there.ask("OPTIONS", Origin=origin))[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1"])
async def test_names_that_resolve_to_us_are_refused(host: str) -> None:
    """DNS rebinding: the page's own name leads to 127.0.0.1, and Origin and Host agree."""
    async with door() as there:
        own = f"http://{host}:{there.port}"
        with pytest.raises(InvalidStatus) as refused:
            async with there.listen(host=host, origin=own):
                pass
        assert refused.value.response.status_code == 403
        assert (await there.ask(Host=f"{host}:{there.port}", Origin=own))[0] == 403
        assert there.asked == []


async def test_other_machines_are_refused_whatever_the_door_is_bound_to() -> None:
    address = own_address()
    async with door("0.0.0.0") as there:
        with pytest.raises(InvalidStatus) as refused:
            async with there.listen(address=address, host=address):
                pass
        assert refused.value.response.status_code == 403
        for host in (address, "127.0.0.1", "localhost"):
            assert (await there.ask(address=address, Host=f"{host}:{there.port}"))[0] == 403
        assert there.asked == []
        assert (await there.ask("GET", "/health", address=address, Host=f"{address}:{there.port}"))[0] == 200
        async with there.listen() as page:
            assert await told(page, 1) == [{"type": "hello"}]


@pytest.mark.parametrize(
    ("address", "may"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False),
     ("::ffff:10.0.0.1", False), ("fe80::1%eth0", False), ("0.0.0.0", False), ("", False), ("x", False)],
)  # fmt: skip
def test_who_is_of_this_machine(address: str, may: bool) -> None:
    assert peer_allowed(address) is may


# What is told.


async def test_a_page_is_told_how_things_stand_and_then_what_happens() -> None:
    async with door() as there:
        there.screen.show("device", "bills", {"state": "ready", "words": ""})
        there.screen.show("operation", "cash-1", {"operation": "cash", "stage": "collecting", "collected": 500})
        async with there.listen() as page, there.listen() as other:
            for each in (page, other):
                hello, device, operation = await told(each, 3)
                assert hello == {"type": "hello"}
                assert device == {"type": "device", "id": "bills", "state": "ready", "words": ""}
                assert operation["collected"] == 500
            result = msgspec.Raw(b'{"status":"paid"}')
            there.screen.clear("operation", "cash-1", {"operation": "cash", "executed": "yes", "result": result})
            for each in (page, other):
                (end,) = await told(each, 1)
                assert end == {
                    "type": "operation", "id": "cash-1", "operation": "cash", "executed": "yes", "over": True,
                    "result": {"status": "paid"},
                }  # fmt: skip


async def test_what_is_no_websocket_is_told_so() -> None:
    async with door() as there:
        status, headers, body = await there.ask("GET", "/events", b"")
        assert (status, headers["upgrade"]) == (426, "websocket")
        assert "docs/screen.md" in body["error"]
        status, headers, _ = await there.ask("POST", "/events")
        assert (status, headers["allow"]) == (405, "GET")
        assert "/events" in (await there.ask("GET", "/nothing"))[2]["error"]


# Who is sent away.


async def test_one_page_too_many_is_refused_until_another_goes() -> None:
    async with door() as there, contextlib.AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(there.listen()) for _ in range(local.CLIENTS_MAX)]
        with pytest.raises(InvalidStatus) as refused:
            async with there.listen():
                pass
        assert refused.value.response.status_code == 503
        await pages[0].close()
        await until(lambda: not there.audience.full)
        async with there.listen() as page:
            assert await told(page, 1) == [{"type": "hello"}]


async def test_many_in_one_moment_are_not_too_many() -> None:
    async with door() as there, contextlib.AsyncExitStack() as stack:
        results = await asyncio.gather(
            *(stack.enter_async_context(there.listen()) for _ in range(30)), return_exceptions=True
        )
        opened = [page for page in results if not isinstance(page, BaseException)]
        heard = await asyncio.gather(*(told(page, 1) for page in opened), return_exceptions=True)
        assert len([each for each in heard if each == [{"type": "hello"}]]) == local.CLIENTS_MAX


@virtual
async def test_a_page_that_does_not_read_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "WRITE_S", 0.3)
    async with door() as there:
        reader, writer = await upgraded(there.port)
        for number in range(20_000):
            there.screen.show("operation", str(number), {"words": "x" * 2000})
            await asyncio.sleep(0)
            if number > 100 and not there.audience._listening:
                break
        await until(lambda: not there.audience._listening)
        writer.close()
        assert reader is not None


async def test_a_page_that_missed_something_is_to_begin_anew() -> None:
    async with door() as there, there.listen() as page:
        await told(page, 1)
        for number in range(1000):  # in one moment
            there.screen.show("device", "bills", {"state": str(number)})
        with pytest.raises(ConnectionClosed) as closed:
            await told(page, 1000)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


@virtual
async def test_a_page_that_went_without_a_word_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PING_S", 0.2)
    async with door() as there:
        _reader, writer = await upgraded(there.port)  # never answers a ping
        await until(lambda: there.audience._listening)
        await until(lambda: not there.audience._listening)
        writer.close()
        async with there.listen() as page:  # and one that does stays
            await asyncio.sleep(1.0)
            there.screen.show("device", "bills", {"state": "ready"})
            assert (await told(page, 2))[1]["state"] == "ready"


async def test_a_page_that_talks_is_heard_for_a_while() -> None:
    async with door() as there, there.listen() as page:
        for _ in range(local.HEARD_MAX):
            await page.send("ping")
        there.screen.show("device", "bills", {"state": "ready"})
        assert len(await told(page, 2)) == 2
        await page.send("ping")
        with pytest.raises(ConnectionClosed) as closed:
            await told(page, 1)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_a_large_message_ends_the_connection() -> None:
    async with door() as there, there.listen() as page:
        await told(page, 1)
        await page.send("x" * 100_000)
        with pytest.raises(ConnectionClosed):
            await told(page, 1)
        await until(lambda: not there.audience._listening)


async def test_who_holds_many_connections_open_pushes_no_page_out() -> None:
    async with door() as there, there.listen() as page:
        await told(page, 1)
        idle = [await asyncio.open_connection("127.0.0.1", there.port) for _ in range(200)]
        assert (await there.ask("GET", "/health"))[0] == 200
        there.screen.show("device", "bills", {"state": "ready"})
        assert (await told(page, 1))[0]["state"] == "ready"
        for _, writer in idle:
            writer.close()


@virtual
async def test_pages_are_told_to_go_when_the_program_stops() -> None:
    async with door() as there, there.listen() as page:
        await told(page, 1)
        _reader, writer = await upgraded(there.port)  # one that does not answer
        await until(lambda: len(there.audience._listening) == 2)
        async with asyncio.timeout(3):
            await there.server.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await told(page, 1)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        writer.close()


async def upgraded(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that listens and does nothing, with small buffers."""
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    end.setblocking(False)
    await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=end, limit=4096)
    writer.write(
        f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n")
    return reader, writer


# Cancelling.


@pytest.mark.parametrize(
    ("body", "wanted"), [(b"{}", None), (b"", None), (b'{"id":null}', None), (b'{"id":"cash-1"}', "cash-1")]
)
async def test_what_runs_is_cancelled(body: bytes, wanted: str | None) -> None:
    async with door() as there:
        status, headers, answer = await there.ask(body=body, Content_Type="application/json; charset=utf-8")
        assert (status, answer, there.asked) == (200, {"cancelled": ["cash-1"]}, [wanted])
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("body", [b"{}", b'{"id":"cash-2"}'])
async def test_nothing_to_cancel_is_a_conflict(body: bytes) -> None:
    async with door() as there:
        there.running = []
        status, _, answer = await there.ask(body=body)
        assert (status, list(answer)) == (409, ["error"])


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (415, b"{}", "text/plain"),
        (415, b"{}", "application/x-www-form-urlencoded"),
        (415, b"{}", ""),
        (400, b"[]", "application/json"),
        (400, b"{", "application/json"),
        (400, b'{"id":5}', "application/json"),
        (400, b'{"request_id":"cash-1"}', "application/json"),
        (400, b'{"id":"\xff"}', "application/json"),
        pytest.param(413, b'{"id":"%s"}' % (b"x" * 5000), "application/json", id="large"),
    ],
)
async def test_what_a_form_could_send_or_nobody_understands_cancels_nothing(
    status: int, body: bytes, kind: str
) -> None:
    async with door() as there:
        found, _, answer = await there.ask(body=body, Content_Type=kind)
        assert (found, there.asked) == (status, [])
        assert "error" in answer


async def test_a_page_of_another_origin_is_let_in_as_browsers_want_it() -> None:
    async with door() as there:
        status, headers, _ = await there.ask(
            "OPTIONS", body=b"", Origin=OURS, Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="content-type", Access_Control_Request_Private_Network="true",
        )  # fmt: skip
        assert status == 204
        assert headers["access-control-allow-origin"] == OURS
        assert headers["access-control-allow-headers"] == "Content-Type"
        assert headers["access-control-allow-private-network"] == "true"
        status, headers, answer = await there.ask(Origin=OURS)
        assert (status, answer) == (200, {"cancelled": ["cash-1"]})
        assert (headers["access-control-allow-origin"], headers["vary"]) == (OURS, "Origin")


async def test_the_other_pages_are_not_opened_to_other_origins() -> None:
    async with door() as there:
        for path in ("/health", "/metrics", "/nothing"):
            assert (await there.ask("GET", path, b"", Origin=OURS))[0] == 403


async def test_other_methods_are_told() -> None:
    async with door() as there:
        for method in ("GET", "PUT", "DELETE"):
            status, headers, _ = await there.ask(method)
            assert (status, headers["allow"]) == (405, "POST, OPTIONS")
        assert there.asked == []


async def test_a_flood_of_wishes_is_held_back() -> None:
    async with door() as there:
        found = [(await there.ask())[0] for _ in range(local.CANCELS_MAX + 10)]
        assert found == [200] * local.CANCELS_MAX + [429] * 10


def test_a_rate_is_kept_by_the_clock_that_is_given() -> None:
    rate = Rate(2, 10.0)
    assert [rate.allows(now) for now in (0.0, 1.0, 9.9, 10.0, 10.5, 11.0)] == [True, True, False, True, False, True]
