"""The kiosk's own door, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from appliance.health.metrics import Metrics
from appliance.screen import Screen
from appliance.web.guard import Guard, host_name
from appliance.web.local import Audience
from appliance.web.server import PortTakenError, WebServer, make_app
from tests.appliance.worlds import PATIENCE_S


def web_server(port: int = 0, status: int = 200) -> WebServer:
    guard = Guard("127.0.0.1", frozenset({"kiosk.local"}))
    audience = Audience(Screen())
    app = make_app(
        guard=guard, metrics=Metrics("test"), describe=lambda: (status, {"status": "healthy"}), audience=audience,
        cancel=lambda _: [],
    )  # fmt: skip
    return WebServer(app, "127.0.0.1", port, audience)


@asynccontextmanager
async def door(status: int = 200) -> AsyncIterator[tuple[WebServer, int]]:
    server = web_server(status=status)
    url = server.start()
    try:
        yield server, int(url.rpartition(":")[2])
    finally:
        await server.stop()


async def ask(port: int, path: str = "/health", method: str = "GET", **headers: str) -> tuple[int, str, bytes]:
    """Status, head and body."""
    headers.setdefault("Host", f"127.0.0.1:{port}")
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        text = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = text.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body


@pytest.mark.parametrize("status", [200, 503])
async def test_health_answers_json_with_the_verdicts_status(status: int) -> None:
    async with door(status) as (_, port):
        code, head, body = await ask(port)
        assert (status, {"status": "healthy"}) == (code, msgspec.json.decode(body))
        assert "X-Content-Type-Options: nosniff" in head
        assert "Cache-Control: no-store" in head
        assert "Tornado" not in head


async def test_metrics_are_prometheus_text() -> None:
    async with door() as (_, port):
        code, head, body = await ask(port, "/metrics")
        assert code == 200
        assert "text/plain" in head
        assert b'kioskwire_appliance{version="test"} 1.0' in body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:9091", "kiosk.local", "LOCALHOST."])
async def test_names_of_ours_are_answered(host: str) -> None:
    async with door() as (_, port):
        assert (await ask(port, Host=host))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example:80"])
@pytest.mark.parametrize("path", ["/health", "/metrics", "/nothing"])
async def test_other_names_are_refused(host: str, path: str) -> None:
    async with door() as (_, port):
        assert (await ask(port, path, Host=host))[0] == 403


async def test_pages_from_elsewhere_are_refused() -> None:
    async with door() as (_, port):
        own = f"127.0.0.1:{port}"
        assert (await ask(port, Origin=f"http://{own}"))[0] == 200
        for origin in ("http://evil.example", "null", "http://127.0.0.1", "http://[bad"):
            assert (await ask(port, Origin=origin))[0] == 403


async def test_other_paths_and_methods_are_told_in_json() -> None:
    async with door() as (_, port):
        for path, method, expected in (("/", "GET", 404), ("/health/x", "POST", 404), ("/health", "POST", 405)):
            code, head, body = await ask(port, path, method)
            assert code == expected
            assert "error" in msgspec.json.decode(body)
            assert "application/json" in head
        assert (await ask(port, method="HEAD"))[::2] == (200, b"")


# Tornado leaves the socket that could not be bound to the garbage collector; the program ends then anyway.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_a_port_in_use_is_told() -> None:
    async with door() as (_, port):
        with pytest.raises(PortTakenError, match="in use"):
            web_server(port).start()


def test_the_address_of_the_connection_is_a_good_name_and_others_are_not() -> None:
    guard = Guard("0.0.0.0", frozenset())
    assert guard.host_allowed("10.0.0.5:9091", "10.0.0.5")
    assert guard.host_allowed("10.0.0.5", "::ffff:10.0.0.5")
    assert not guard.host_allowed("10.0.0.6", "10.0.0.5")
    assert not guard.host_allowed("0.0.0.0", "10.0.0.5")


@pytest.mark.parametrize("text", ["", "a b", "user@localhost", "a:b", "a:99999", "[::1", "a/b", "a,b"])
def test_what_is_no_host_has_no_name(text: str) -> None:
    assert host_name(text) is None


async def test_who_holds_many_connections_open_keeps_nobody_out() -> None:
    async with door() as (server, port):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        for _, writer in idle:
            writer.write(b"GET /hea")
        for _ in range(3):
            assert (await ask(port))[0] == 200
        assert len([stream for stream, _ in server._server._streams if not stream.closed()]) <= 64
        for _, writer in idle:
            writer.close()


async def test_connections_from_the_network_cut_off_none_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.web.server.peer_allowed", lambda address: address == "127.0.0.1")
    async with door() as (_, port):
        reader, here = await asyncio.open_connection("127.0.0.1", port)
        here.write(b"GET /health HTTP/1.1\r\n")  # not whole yet
        await here.drain()
        flood = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0)) for _ in range(100)]
        await asyncio.sleep(0.05)
        here.write(b"Host: 127.0.0.1\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
        for _, writer in [*flood, (reader, here)]:
            writer.close()
