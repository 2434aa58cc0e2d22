"""The port's own door, over raw sockets: what a client may send, how slowly, and how much of it."""

import asyncio
import gc
import json
import resource
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from cloud.metrics import Metrics
from cloud.operations.answers import Answer
from cloud.web.door import Door
from cloud.web.read_ahead import ReadAhead
from tests.cloud.hub import PATIENCE, Running, running, until
from wire.messages import MESSAGE_MAX_BYTES

_BODY_MAX_BYTES = MESSAGE_MAX_BYTES - 16 * 1024


class Client:
    """A caller that says bytes and hears answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes | str) -> None:
        """Send these bytes."""
        self.writer.write(data if isinstance(data, bytes) else data.encode())
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers by lower-case name, body."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def ended(self) -> bytes:
        """Whatever comes until the hub closes the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def client(hub: Running) -> AsyncIterator[Client]:
    """A connection to the hub's port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.hub.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def request(hub: Running, body: str = "{}", *more: str, path: str = "/send") -> str:
    """A plain POST /send."""
    head = [
        f"POST {path} HTTP/1.1",
        "Host: hub",
        f"Authorization: Bearer {hub.key}",
        "Header-Kiosk-Id: kiosk_001",
        "Header-Operation-Type: payment",
        f"Content-Length: {len(body.encode())}",
        *more,
    ]
    return "\r\n".join(head) + "\r\n\r\n" + body


async def test_requests_one_after_the_other_are_answered_in_order_on_one_connection(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving(), client(hub) as caller:
        await caller.say("".join(request(hub, f'{{"n":{n}}}') for n in range(5)))  # without waiting for any
        answers = [await caller.answer() for _ in range(5)]
        assert [(200, b'{"echo":{"n":%d}}' % n) for n in range(5)] == [
            (status, body.replace(b" ", b"")) for status, _, body in answers
        ]
        assert len({headers["x-request-id"] for _, headers, _ in answers}) == 5


async def test_a_request_may_come_byte_by_byte(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving(), client(hub) as caller:
        for byte in request(hub, '{"n":1}').encode():
            await caller.say(bytes([byte]))
        assert (await caller.answer())[0] == 200


async def test_another_request_on_the_same_connection_is_served_after_it(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving(), client(hub) as caller:
        await caller.say(request(hub) + "GET /health HTTP/1.1\r\nHost: hub\r\n\r\n")
        assert [(await caller.answer())[0], (await caller.answer())[0]] == [200, 200]
        await caller.say(request(hub))
        assert (await caller.answer())[0] == 200


async def test_connection_close_and_http_1_0_are_obeyed(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving():
        async with client(hub) as caller:
            await caller.say(request(hub, "{}", "Connection: close"))
            status, headers, _ = await caller.answer()
            assert (status, headers["connection"], await caller.ended()) == (200, "close", b"")
        async with client(hub) as caller:
            await caller.say(request(hub).replace("HTTP/1.1", "HTTP/1.0"))
            assert (await caller.answer())[0] == 200
            assert await caller.ended() == b""


async def test_expect_100_continue_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving(), client(hub) as caller:
        whole = request(hub, '{"n":1}', "Expect: 100-continue")
        await caller.say(whole.removesuffix('{"n":1}'))
        assert (await caller.answer())[0] == 100
        await caller.say('{"n":1}')
        assert (await caller.answer())[0] == 200


async def test_a_body_over_the_limit_is_413_by_its_length_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, client(hub) as caller:
        whole = request(hub).replace("Content-Length: 2", f"Content-Length: {_BODY_MAX_BYTES + 1}")
        await caller.say(whole.removesuffix("{}"))
        status, headers, body = await caller.answer()
        assert (status, headers["content-type"], b"too-large" in body) == (413, "application/problem+json", True)
        assert await caller.ended() == b""


@pytest.mark.parametrize("path", ["/send", "/health"])
async def test_headers_over_the_limit_are_refused_and_the_connection_closed(tmp_path: Path, path: str) -> None:
    async with running(tmp_path) as hub:
        for more in ("X-Long: " + "x" * 40_000, "\r\n".join(f"X-{n}: 1" for n in range(5000))):
            async with client(hub) as caller:
                await caller.say(request(hub, "{}", more, path=path))
                assert not (await caller.ended()).startswith(b"HTTP/1.1 2")
        assert (await hub.http.get("/health")).status_code == 200


@pytest.mark.parametrize(
    "hostile",
    [
        "POST /send HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        "POST /send HTTP/1.1\r\nHost: hub\r\nContent-Length: -1\r\n\r\n{}",
        "POST /send HTTP/1.1\r\nHost: hub\r\nContent-Length: +2\r\n\r\n{}",
        "POST /send HTTP/1.1\r\nHost: hub\r\nContent-Length: 99999999999999999999999999\r\n\r\n{}",
        "POST /send HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /send HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /send HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "POST /send HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /send HTTP/1.1\r\n\x00: 1\r\n\r\n",
        "POST /send HTTP/9.9\r\nHost: hub\r\n\r\n",
        "POST /send BREW/1.1\r\nHost: hub\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "GET\r\n\r\n",
        "\r\n" * 20_000,
    ],
)
async def test_what_is_no_request_never_succeeds_and_the_hub_goes_on(tmp_path: Path, hostile: str) -> None:
    async with running(tmp_path, demo=True) as hub, hub.kiosk() as kiosk:
        async with client(hub) as caller:
            await caller.say(hostile.encode("latin-1"))
            caller.writer.write_eof()
            assert not (await caller.ended()).startswith(b"HTTP/1.1 2")
        assert await kiosk.heard() == []
        assert (await hub.http.get("/health")).status_code == 200


async def test_a_line_break_in_a_header_reaches_no_kiosk(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, client(hub) as caller:
        whole = request(hub).replace("kiosk_001", "kiosk_001\rHeader-Evil: 1").replace("payment", "payment\n x")
        await caller.say(whole)
        caller.writer.write_eof()
        assert not (await caller.ended()).startswith(b"HTTP/1.1 2")
        assert await kiosk.heard() == []


@pytest.mark.parametrize("part", ["POST /se", "POST /send HTTP/1.1\r\nHost: hub\r\nX-Slow: ", None])
async def test_a_slow_request_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str | None) -> None:
    monkeypatch.setattr("cloud.web.door._REQUEST_TIMEOUT", 0.2)
    monkeypatch.setattr("cloud.web.door._SWEEP", 0.05)
    async with running(tmp_path) as hub, client(hub) as caller:
        whole = request(hub, '{"n":1}')
        await caller.say(whole[:-3] if part is None else part)
        assert await caller.ended() == b""


async def test_a_slow_body_is_cut_off_by_the_general_server_too(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, client(hub) as caller:
        # Its own limit is half a minute; here it is enough that the connection takes nothing from the others.
        await caller.say("POST /admin/kiosks HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\n{")
        async with hub.kiosk() as kiosk, kiosk.serving():
            assert (await hub.send()).status_code == 200


async def test_an_idle_connection_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.web.door._IDLE_TIMEOUT", 0.2)
    monkeypatch.setattr("cloud.web.door._SWEEP", 0.05)
    async with running(tmp_path) as hub, client(hub) as caller:
        assert await caller.ended() == b""


async def test_a_slow_answer_of_the_kiosk_is_not_taken_for_a_slow_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.web.door._SWEEP", 0.02)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, client(hub) as caller:
        await caller.say(request(hub))
        asked = await kiosk.request()
        monkeypatch.setattr("cloud.web.door._REQUEST_TIMEOUT", 0.1)
        monkeypatch.setattr("cloud.web.door._IDLE_TIMEOUT", 0.1)
        await asyncio.sleep(0.3)  # the limits pass
        monkeypatch.undo()  # and count for nobody who has been answered
        await kiosk.answer(asked)
        assert (await caller.answer())[0] == 200


async def test_a_caller_that_asks_ahead_without_end_is_not_read(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, client(hub) as caller:
        await caller.say(request(hub))
        asked = await kiosk.request()
        flood = asyncio.create_task(caller.say(b"x" * (64 * 1024 * 1024)))
        await hub.http.get("/health")
        await kiosk.heard()
        assert not flood.done()
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        await kiosk.answer(asked)
        await hub.operation_in(asked["request_id"], "succeeded")


async def test_what_a_caller_asked_for_goes_on_when_it_hangs_up(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        async with client(hub) as caller:
            await caller.say(request(hub))
            asked = await kiosk.request()
        await kiosk.answer(asked)
        await hub.operation_in(asked["request_id"], "succeeded")


async def test_requests_are_counted_by_status_whichever_server_answers(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving():
        for _ in range(2):
            await hub.send()
        await hub.send(kiosk="a b")
        await hub.http.get("/nowhere")
        await until(lambda: hub.services.operations.running == 0)
        series = [f'kioskwire_http_requests_total{{status="{status}"}}' for status in (200, 400, 404)]
        assert [await hub.metric(name) for name in series] == [2, 1, 1]


NO_HTTP = {
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", 400, "Missing Host header", "not_executed"),
    "no version": (b"GET /health\r\n\r\n", 400, "Malformed HTTP request line", "not_executed"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "Unexpected HTTP version", "not_executed"),
    "TLS": (bytes.fromhex("16030100a5010000a10303") + bytes(160), 400, "without TLS", "not_executed"),
    "a control character": (b"GET /health HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer canary\x01\r\n\r\n", 400,
                            "Invalid header value", "not_executed"),
    "folded": (b"\r\nGET /operations/request-1 HTTP/1.1\r\nHost: h\r\n i\r\n\r\n", 400, "folding", "unknown"),
    "a long head": (b"GET /health HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 400, "head", "not_executed"),
    "a long head of ours": (b"POST /send HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 400, "16384", "not_executed"),
    "no chunk": (b"POST /send HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400, "chunk size",
                 "not_executed"),
    "a long chunk size": (b"POST /admin/kiosks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 99,
                          400, "chunk", "not_executed"),
    "a long body": (b"POST /admin/kiosks HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n", 413, "over the limit",
                    "not_executed"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_HTTP)
async def test_what_is_no_http_gets_a_problem_too(tmp_path: Path, name: str) -> None:
    said, expected, words, outcome = NO_HTTP[name]
    async with running(tmp_path) as hub, client(hub) as caller:
        await caller.say(said)
        status, headers, body = await caller.answer()
        assert (status, headers["content-type"]) == (expected, "application/problem+json")
        problem = json.loads(body)
        assert words in problem["detail"]
        assert (problem["outcome"], problem["request_id"]) == (outcome, headers["x-request-id"])
        assert b"canary" not in body
        assert await caller.ended() == b""
        assert await hub.metric(f'kioskwire_http_requests_total{{status="{expected}"}}') == 1


async def test_a_head_that_grows_too_long_is_refused_in_words(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, client(hub) as caller:
        await caller.say(b"GET /health HTTP/1.1\r\n")
        for _ in range(17):
            await caller.say(b"X: " + b"a" * 1000 + b"\r\n")
            await asyncio.sleep(0.001)  # in pieces, so that it is found while reading on
        status, _, body = await caller.answer()
        assert (status, json.loads(body)["detail"]) == (400, "the request's head is too long")


async def test_what_came_before_is_answered_and_done_before_the_connection_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed, client(hub) as caller:
        await caller.say(request(hub) + "GET /health HTTP/1.1\r\nHost: h\r\n\r\n" + "GET /health HTTP/1.1\r\n\r\n")
        assert [(await caller.answer())[0] for _ in range(3)] == [200, 200, 400]
        assert len(executed) == 1


async def test_who_does_not_read_a_long_answer_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.web.door._SWEEP", 0.1)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving(lambda _: {"pad": "x" * 700_000}):
        for _ in range(20):
            assert (await hub.send()).is_success
        async with client(hub) as caller:
            connection = caller.writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.writer.transport.pause_reading()
            head = f"GET /operations?limit=20 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {hub.key}\r\n\r\n"
            await caller.say(head * 5)  # more than the system takes off our hands
            await until(lambda: any(stream.writing() for stream in handed_over()), 4 * PATIENCE)
            monkeypatch.setattr("cloud.web.read_ahead._PROGRESS_S", 0.3)
            await until(lambda: not any(stream.writing() for stream in handed_over()))
        # A reader that only takes its time is not.
        monkeypatch.setattr("cloud.web.read_ahead._PROGRESS_S", PATIENCE)
        async with client(hub) as caller:
            await caller.say(head * 5)
            size = 0
            async with asyncio.timeout(4 * PATIENCE):
                while size < 14_000_000:
                    size += len(await caller.reader.read(256 * 1024))
                    await asyncio.sleep(0.005)


def handed_over() -> list[ReadAhead]:
    """The connections that are Tornado's."""
    return [stream for stream in gc.get_objects() if type(stream) is ReadAhead and not stream.closed()]


class Echo:
    """What stands where a hub has its operations."""

    async def answer(self, _headers: Mapping[str, str], body: bytes) -> Answer:
        """The body."""
        return Answer(status=200, body=body, request_id="r")


@asynccontextmanager
async def door() -> AsyncIterator[tuple[Door, socket.socket]]:
    """A door alone, and the socket it accepts on, which others have as well."""
    (listener,) = bind_sockets(0, "127.0.0.1")
    alone = Door(send=Echo(), general=HTTPServer(Application()), metrics=Metrics())  # type: ignore[arg-type]
    await alone.start([listener.dup()])
    try:
        with listener:
            yield alone, listener
    finally:
        await alone.stop()


def ask(line: socket.socket) -> bytes:
    """What is answered on a connection that is made."""
    line.settimeout(PATIENCE)
    line.sendall(b"POST /send HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\n{}")
    return line.recv(65536)


@pytest.mark.parametrize("turns", range(5))
async def test_who_was_accepted_as_the_socket_was_let_go_is_served(turns: int) -> None:
    async with door() as (alone, listener):
        with socket.create_connection(listener.getsockname()) as line:
            for _ in range(turns):  # of the loop: not yet accepted, just accepted, begun
                await asyncio.sleep(0)
            alone.ignore(0)
            alone.accept(0, [listener.dup()])  # whoever was not yet accepted
            assert (await asyncio.to_thread(ask, line)).startswith(b"HTTP/1.1 200")


async def test_who_waits_at_the_last_call_is_served() -> None:
    async with door() as (alone, listener):
        with socket.create_connection(listener.getsockname()) as line:
            await alone.last_call()
            assert (await asyncio.to_thread(ask, line)).startswith(b"HTTP/1.1 200")


async def test_without_a_file_to_spare_who_comes_waits(caplog: pytest.LogCaptureFixture) -> None:
    async with door() as (_, listener):
        files = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.create_connection(listener.getsockname()) as line:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, files[1]))
            try:
                await until(lambda: "no connection can be accepted" in caplog.text)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, files)
            assert (await asyncio.to_thread(ask, line)).startswith(b"HTTP/1.1 200")
