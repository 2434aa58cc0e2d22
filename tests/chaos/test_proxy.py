"""The fault proxy with real sockets: every fault, seeds, threads, nothing left behind."""

import contextlib
import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from tests.chaos import lanes
from tests.chaos.frames import Conversation, FrameSplitter, HttpSplitter, Unit, masked
from tests.chaos.plan import BEYOND_PROMISE, Decider, Plan, Script, Step, Where
from tests.chaos.proxy import FaultProxy, Kind, Shape

SOON_S = 60.0
# What a short wait proves: that nothing comes. Never waited for when all is well on the other side.
_NOTHING_S = 0.3


class Echo:
    """A WebSocket server that says everything again, and remembers what it heard and how each connection ended."""

    def __init__(self) -> None:
        self.heard: list[str | bytes] = []
        self.ended: list[tuple[int | None, int | None]] = []  # close codes: received, sent
        self.open = 0
        self._server = serve(self._echo, "127.0.0.1", 0, compression=None, ping_interval=None)
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _echo(self, link: ServerConnection) -> None:
        self.open += 1
        try:
            for message in link:
                self.heard.append(message)
                link.send(message)
        except ConnectionClosed:
            pass
        finally:
            self.open -= 1
            protocol = link.protocol
            received = protocol.close_rcvd.code if protocol.close_rcvd else None
            self.ended.append((received, protocol.close_sent.code if protocol.close_sent else None))

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(SOON_S)


class Raw:
    """A TCP server that gives every connection to a function, in a thread of its own."""

    def __init__(self, serve_one: Callable[[socket.socket], None]) -> None:
        self._serve_one = serve_one
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.open = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with self._lock:
            self.open += 1
        with connection, contextlib.suppress(OSError):
            self._serve_one(connection)
        with self._lock:
            self.open -= 1

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def echo_bytes(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


class Pages(BaseHTTPRequestHandler):
    """Answers a POST with its body and its number, keeping the connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
    bodies: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Silent."""


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def raw() -> Iterator[Raw]:
    server = Raw(echo_bytes)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def pages() -> Iterator[tuple[int, list[bytes]]]:
    """A port, and the bodies that came there."""
    bodies: list[bytes] = []
    handler = cast("type[Pages]", type("Handler", (Pages,), {"bodies": bodies}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join(SOON_S)


@contextlib.contextmanager
def talk(echo: Echo, plan: Decider | None = None) -> Iterator[tuple[FaultProxy, ClientConnection]]:
    with FaultProxy(echo.port, plan, kind="websocket") as proxy, dial(proxy) as link:
        yield proxy, link


def dial(proxy: FaultProxy) -> ClientConnection:
    url = f"ws://127.0.0.1:{proxy.port}/"
    return connect(url, proxy=None, compression=None, ping_interval=None, close_timeout=1)


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def wait_for_connections(proxy: FaultProxy, count: int) -> None:
    until(lambda: proxy.connections == count)


def heard(link: ClientConnection, count: int) -> list[str | bytes]:
    """The next `count` messages, and then nothing."""
    found = [link.recv(SOON_S) for _ in range(count)]
    with pytest.raises(TimeoutError):
        link.recv(_NOTHING_S)
    return found


def http(body: bytes, path: str = "/") -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(body), body)


def read_all(connection: socket.socket) -> tuple[bytes, str]:
    """Everything up to the end, and how it ended."""
    connection.settimeout(SOON_S)
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except ConnectionResetError:
        return data, "reset"
    return data, "closed"


# Frames.


def test_frames_pass_as_they_came_whatever_their_size(echo: Echo) -> None:
    with talk(echo) as (proxy, link):
        for size in (0, 1, 125, 126, 65535, 65536, 300_000):
            link.send("é" * (size // 2) + "x" * (size % 2))
            assert link.recv(SOON_S) == echo.heard[-1] == "é" * (size // 2) + "x" * (size % 2)
        link.send(b"\x00\xff")
        assert link.recv(SOON_S) == b"\x00\xff"
        link.send(["a", "b", "c"])  # three frames
        assert link.recv(SOON_S) == "abc"
        assert link.ping().wait(SOON_S)
        assert not proxy.done
    until(lambda: echo.ended == [(1000, 1000)])


def test_a_frame_is_known_by_the_type_in_its_text_its_continuations_too() -> None:
    splitter = FrameSplitter(Conversation(), down=False)
    head = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    mask = b"\x01\x02\x03\x04"

    def frame(first: int, text: bytes) -> bytes:
        return bytes((first, 0x80 | len(text))) + mask + masked(text, mask)

    stream = head + frame(0x01, b'{"type":"response",') + frame(0x89, b"hm") + frame(0x80, b'"a":1}')
    stream += frame(0x81, b"[]") + bytes((0x82, 1)) + b"x"
    units = [unit for byte in stream for unit in splitter.feed(bytes((byte,)))]  # byte by byte: nothing is whole early
    assert [(unit.kind, unit.group) for unit in units] == [
        ("upgrade", "upgrade"), ("response", "text"), ("ping", "ping"), ("response", "continuation"), ("text", "text"),
        ("binary", "binary"),
    ]  # fmt: skip
    assert units[3].text == b'"a":1}'
    assert b"".join(unit.wire for unit in units) == stream
    assert splitter.rest() is None


def test_duplicate(echo: Echo) -> None:
    script = Script([Step("duplicate", way="down", kind="text", nth=3)])
    with talk(echo, script) as (proxy, link):
        for word in ("a", "b", "c", "d"):
            link.send(word)
        assert heard(link, 5) == ["a", "b", "c", "c", "d"]
        assert proxy.done == script.done == Counter(duplicate=1)
        assert (script.history[0].where, script.history[0].unit) == (Where(1, "down", 3), "text")  # 0 is the upgrade


def test_duplicate_late_comes_between_what_comes_then(echo: Echo) -> None:
    with talk(echo, Script([Step("duplicate-late", way="up", kind="text", amount=1.0)])) as (_proxy, link):
        link.send("a")
        link.send("b")
        assert heard(link, 3) == ["a", "b", "a"]


def test_drop(echo: Echo) -> None:
    with talk(echo, Script([Step("drop", way="up", contains=b"no", times=2)])) as (proxy, link):
        for word in ("yes", "no", "and no", "not heard?"):
            link.send(word)
        assert heard(link, 2) == ["yes", "not heard?"]
        assert echo.heard == ["yes", "not heard?"]
        assert proxy.done["drop"] == 2


def test_reorder(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "REORDER_WAIT_S", SOON_S)
    with talk(echo, Script([Step("reorder", way="up", kind="text", nth=2)])) as (proxy, link):
        for word in ("a", "b", "c", "d"):
            link.send(word)
        assert heard(link, 4) == ["a", "c", "b", "d"]
        assert proxy.done["reorder"] == 1


def test_reorder_without_another_only_takes_a_second(echo: Echo) -> None:
    with talk(echo, Script([Step("reorder", way="up", kind="text")])) as (proxy, link):
        link.send("a")
        assert link.recv(SOON_S) == "a"
        assert not proxy.done  # nothing was reordered


@pytest.mark.parametrize("way", ["up", "down"])
def test_corrupt_is_a_whole_frame_whose_text_is_no_json(echo: Echo, way: Any) -> None:
    with talk(echo, Script([Step("corrupt", way=way, kind="event", at=0.5)])) as (proxy, link):
        said = '{"type":"event","seq":1}'
        link.send(said)
        spoilt = link.recv(SOON_S)
        assert isinstance(spoilt, str)
        assert spoilt == said[:12] + "\x01" + said[13:]
        with pytest.raises(ValueError, match="control"):
            json.loads(spoilt)
        link.send(said)
        assert link.recv(SOON_S) == said  # the socket lives on
        assert proxy.done["corrupt"] == 1


def test_corrupt_utf8_ends_the_socket(echo: Echo) -> None:
    with talk(echo, Script([Step("corrupt-utf8", way="up", kind="text")])) as (_proxy, link):
        link.send("abcdef")
        with pytest.raises(ConnectionClosed):
            link.recv(SOON_S)
        until(lambda: echo.ended)
        assert (echo.heard, echo.ended[0][1]) == ([], 1007)


@pytest.mark.parametrize("bit", range(16))
def test_corrupt_header_never_makes_another_message(echo: Echo, bit: int) -> None:
    with talk(echo, Script([Step("corrupt-header", way="up", kind="text", at=(bit + 0.5) / 16)])) as (proxy, link):
        said = json.dumps({"type": "response", "sum": 15000, "more": "x" * 60})
        link.send(said)
        link.send(said)
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            while True:
                link.recv(_NOTHING_S)
        assert proxy.done["corrupt-header"] == 1
        for word in echo.heard:
            with contextlib.suppress(ValueError):
                assert json.loads(word) == json.loads(said)


def test_what_nobody_can_notice_must_be_asked_for(echo: Echo) -> None:
    for kind in BEYOND_PROMISE:
        with pytest.raises(ValueError, match=kind):
            Plan(1, {kind: 0.5})
    with talk(echo, Plan(1, {"corrupt-digit": 1.0}, beyond_promise=True, match=lambda way, _: way == "up")) as (
        _,
        link,
    ):
        link.send('{"sum":5}')
        assert link.recv(SOON_S) == '{"sum":6}'


def test_corrupt_raw_flips_one_bit_under_the_mask(echo: Echo) -> None:
    with talk(echo, Script([Step("corrupt-raw", way="up", kind="text", at=0.0)])) as (_proxy, link):
        link.send("abc")
        assert link.recv(SOON_S) == "ebc"


def test_delay_keeps_the_order(echo: Echo) -> None:
    with talk(echo, Script([Step("delay", way="up", kind="text", amount=0.4)])) as (proxy, link):
        began = time.monotonic()
        link.send("a")
        link.send("b")
        assert heard(link, 2) == ["a", "b"]
        assert time.monotonic() - began >= 0.4
        assert proxy.done["delay"] == 1


def test_hold_leaves_both_ends_connected_until_they_give_up(echo: Echo) -> None:
    with talk(echo, Script([Step("hold", way="up", kind="text", nth=2)])) as (proxy, link):
        link.send("a")
        assert heard(link, 1) == ["a"]
        link.send("b")
        link.send("c")
        with pytest.raises(TimeoutError):
            link.recv(_NOTHING_S)
        assert (proxy.connections, echo.open, echo.heard) == (1, 1, ["a"])
        proxy.restore()  # what a plan holds is held for ever
        link.socket.shutdown(socket.SHUT_RDWR)
        time.sleep(_NOTHING_S)
        assert (proxy.connections, echo.open) == (1, 1)  # the far end cannot know
        proxy.cut()
        until(lambda: echo.open == 0 and proxy.connections == 0)


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize(
    ("where", "comes"), [("", b""), ("-head", b"\x81\x06"), ("-body", b"\x81\x06abc"), ("-after", b"\x81\x06abcdef")]
)
def test_the_ways_a_connection_ends_around_a_frame(how: str, where: str, comes: bytes) -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

    def speak(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head + b"\x81\x06abcdef\x81\x02zz")
        read_all(connection)

    server = Raw(speak)
    with FaultProxy(server.port, Script([Step(how + where, way="down", kind="text")]), kind="websocket") as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
            data, ended = read_all(client)
        assert data == head + comes
        assert ended == {"fin": "closed", "rst": "reset"}[how]
        until(lambda: server.open == 0 and proxy.connections == 0)
        assert proxy.done == Counter({how + where: 1})
    server.close()


def test_a_refused_upgrade_passes_as_it_is() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n\x81\x7f")

    server = Raw(refuse)
    with FaultProxy(server.port, kind="websocket") as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
            data, _ended = read_all(client)
        assert data.endswith(b"\r\n\r\n\x81\x7f")
    server.close()


# HTTP.


def test_messages_of_http_are_found_whatever_ends_them() -> None:
    conversation = Conversation()
    up, down = HttpSplitter(conversation, down=False), HttpSplitter(conversation, down=True)

    def each(splitter: HttpSplitter, stream: bytes) -> list[Unit]:
        return [unit for byte in stream for unit in splitter.feed(bytes((byte,)))]

    asked = [b"HEAD / HTTP/1.1\r\n\r\n", http(b"abc"), b"GET /x HTTP/1.1\r\n\r\n", http(b"")]
    assert [unit.wire for unit in each(up, b"".join(asked))] == asked
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",  # of a HEAD: no body
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok",
    ]
    assert [unit.wire for unit in each(down, b"".join(answers))] == answers
    assert each(down, b"HTTP/1.0 200 OK\r\n\r\nup to the end") == []
    rest = down.rest()
    assert rest is not None
    assert rest.body == b"up to the end"


def test_a_request_and_an_answer_are_units(pages: tuple[int, list[bytes]]) -> None:
    port, bodies = pages
    script = Script([Step("duplicate", way="down", kind="response"), Step("drop", way="up", kind="request", nth=2)])
    with FaultProxy(port, script, kind="http") as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.settimeout(SOON_S)
        client.sendall(http(b"first"))
        data = b""
        while data.count(b"first") < 2:
            data += client.recv(65536)
        assert data.count(b"HTTP/1.1 200") == 2
        client.sendall(http(b"second") + http(b"third"))
        while b"third" not in data:
            data += client.recv(65536)
        assert (bodies, b"second" in data) == ([b"first", b"third"], False)
        assert proxy.done == Counter(duplicate=1, drop=1)


def test_a_corrupt_head_of_http_is_none(pages: tuple[int, list[bytes]]) -> None:
    port, bodies = pages
    with FaultProxy(port, Script([Step("corrupt-header", way="up", at=0.0)]), kind="http") as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(http(b"paid"))
            data, _ended = read_all(client)
        assert (b" 400 " in data, bodies) == (True, [])
        assert proxy.done["corrupt-header"] == 1


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_an_answer_is_cut_between_head_and_body(pages: tuple[int, list[bytes]], how: str) -> None:
    port, bodies = pages
    with FaultProxy(port, Script([Step(f"{how}-head", way="down")]), kind="http") as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(http(b"paid"))
            data, ended = read_all(client)
        assert data.endswith(b"Content-Length: 4\r\n\r\n")
        assert (ended, bodies) == ({"fin": "closed", "rst": "reset"}[how], [b"paid"])


def test_a_request_is_cut_in_its_body(pages: tuple[int, list[bytes]]) -> None:
    port, bodies = pages
    with FaultProxy(port, Script([Step("rst-body", way="up")]), kind="http") as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(http(b"paid"))
            assert read_all(client) == (b"", "reset")
        until(lambda: proxy.connections == 0)
        assert bodies == []


def test_a_slow_body(pages: tuple[int, list[bytes]]) -> None:
    port, _bodies = pages
    script = Script([Step("trickle", way="down", amount=1000)])
    with FaultProxy(port, script, kind="http") as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.settimeout(SOON_S)
        began = time.monotonic()
        client.sendall(http(b"x" * 400))
        data = b""
        while data.count(b"x") < 400:
            data += client.recv(65536)
        assert time.monotonic() - began >= 0.4


# Any bytes.


def test_cut_after_counts_both_ways(raw: Raw) -> None:
    with FaultProxy(raw.port) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"x" * 100)
        assert client.recv(100, socket.MSG_WAITALL) == b"x" * 100
        proxy.cut_after(150)
        client.sendall(b"y" * 100)
        data, ended = read_all(client)
        assert (data, ended) == (b"y" * 50, "reset")
        assert proxy.done == Counter({"cut-after": 1})


def test_cut_after_can_be_planned(raw: Raw) -> None:
    plan = Plan(3, {"cut-after": 1.0}, amounts={"cut-after": (10, 11)})
    with FaultProxy(raw.port, plan) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"x" * 8)
        data, ended = read_all(client)
        assert (data, ended) == (b"xx", "reset")
        assert plan.done == proxy.done == Counter({"cut-after": 1})


def test_a_shaped_line_has_delay_and_bandwidth(raw: Raw) -> None:
    with FaultProxy(raw.port) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        proxy.shape(down=Shape(delay_s=0.1, jitter_s=0.05, bytes_per_s=100_000))
        began = time.monotonic()
        client.sendall(b"x" * 30_000)
        assert client.recv(30_000, socket.MSG_WAITALL) == b"x" * 30_000
        assert time.monotonic() - began >= 0.3
        proxy.shape(down=Shape())
        began = time.monotonic()
        client.sendall(b"y")
        assert client.recv(1) == b"y"


def test_jitter_keeps_the_order(raw: Raw) -> None:
    with FaultProxy(raw.port) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        proxy.shape(up=Shape(jitter_s=0.02), down=Shape(jitter_s=0.02))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        said = bytes(range(100))
        for byte in said:
            client.sendall(bytes((byte,)))
        assert client.recv(100, socket.MSG_WAITALL) == said


def test_cut_refuses_and_restore_lets_through(raw: Raw) -> None:
    with FaultProxy(raw.port) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            until(lambda: proxy.connections == 1)
            proxy.cut()
            assert read_all(client) == (b"", "reset")
        until(lambda: proxy.connections == 0 and raw.open == 0)
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            assert read_all(client) == (b"", "reset")
        proxy.restore()
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"a")
            assert client.recv(1) == b"a"
        assert proxy.done == Counter(cut=1, refused=1)


def test_cut_with_hang_lets_new_ones_wait(raw: Raw) -> None:
    with FaultProxy(raw.port) as proxy:
        proxy.cut(hang=True)
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"a")
            client.settimeout(_NOTHING_S)
            with pytest.raises(TimeoutError):
                client.recv(1)
            proxy.restore()
            client.settimeout(SOON_S)
            assert client.recv(1) == b"a"
        assert proxy.done["hung"] == 1


def test_one_connection_can_be_chosen(raw: Raw) -> None:
    with FaultProxy(raw.port) as proxy:
        clients = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(3)]
        until(lambda: proxy.numbers == [1, 2, 3])
        proxy.hold(down=True, connection=1)
        proxy.cut(connection=2)
        assert read_all(clients[1]) == (b"", "reset")
        for client in (clients[0], clients[2]):
            client.settimeout(_NOTHING_S if client is clients[0] else SOON_S)
            client.sendall(b"a")
        with pytest.raises(TimeoutError):
            clients[0].recv(1)
        assert clients[2].recv(1) == b"a"
        for client in clients:
            client.close()


def test_held_bytes_come_after_restore_even_of_one_who_hung_up(raw: Raw) -> None:
    got = bytearray()

    def listen(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            got.extend(data)

    server = Raw(listen)
    with FaultProxy(server.port) as proxy:
        proxy.hold(up=True, new=True)
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"my last words")
        until(lambda: server.open == 1)
        time.sleep(0.1)
        assert not got
        proxy.restore()
        until(lambda: got == b"my last words")
        until(lambda: proxy.connections == 0 and server.open == 0)
    server.close()


def test_a_reset_stays_a_reset_and_a_close_a_close() -> None:
    def end(connection: socket.socket) -> None:
        if connection.recv(1) == b"r":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    server = Raw(end)
    with FaultProxy(server.port) as proxy:
        for word, ending in ((b"r", "reset"), (b"c", "closed")):
            with socket.create_connection(("127.0.0.1", proxy.port)) as client:
                client.sendall(word)
                assert read_all(client) == (b"", ending)
    server.close()


# Plans.


def decisions(plan: Plan, order: list[int]) -> dict[int, list[str]]:
    """What a plan decides of 300 frames on each of some connections, which come in this order."""
    unit = Unit("text", "text", b"\x81\x01", b"x")
    found: dict[int, list[str]] = {connection: [] for connection in set(order)}
    for connection in order:
        fault = plan.of_unit(Where(connection, "up", len(found[connection])), unit)
        found[connection].append(f"{fault.kind} {fault.amount} {fault.at}" if fault else "")
    return found


def test_the_same_seed_decides_the_same_however_connections_interleave() -> None:
    rates = {"drop": 0.1, "delay": 0.2, "duplicate": 0.1}
    one = decisions(Plan("7", rates), [1] * 300 + [2] * 300)
    two = decisions(Plan("7", rates), [1, 2] * 300)
    other = decisions(Plan("8", rates), [1, 2] * 300)
    assert one == two
    assert one[1] != one[2]
    assert other != one
    kinds = Counter(word.split()[0] for word in one[1] + one[2] if word)
    assert 30 <= kinds["drop"] <= 95
    assert 75 <= kinds["delay"] <= 170


def test_a_plan_replays_over_real_sockets(echo: Echo) -> None:
    def run() -> tuple[list[str | bytes], list[Any]]:
        plan = Plan(11, {"duplicate": 0.2, "drop": 0.2}, match=lambda way, unit: way == "up" and unit.text.isdigit())
        with talk(echo, plan) as (proxy, link):
            for number in range(50):
                link.send(str(number))
            link.send("end")
            found: list[str | bytes] = []
            while not found or found[-1] != "end":
                found.append(link.recv(SOON_S))
            assert plan.done == proxy.done
            return found, list(plan.history)

    first, second = run(), run()
    assert first == second
    assert {happened.fault.kind for happened in first[1]} == {"drop", "duplicate"}


def test_a_plan_can_change_while_it_runs(echo: Echo) -> None:
    with talk(echo, Script([Step("drop", way="up", kind="text", times=1000)])) as (proxy, link):
        link.send("lost")
        until(lambda: proxy.done["drop"] == 1)
        proxy.plan = None
        link.send("heard")
        assert heard(link, 1) == ["heard"]


@pytest.mark.parametrize("rates", [{"nonsense": 0.1}, {"drop": -0.1}, {"drop": 0.6, "delay": 0.6}])
def test_a_plan_refuses_what_is_none(rates: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"no faults|chances"):
        Plan(1, rates)
    with pytest.raises(ValueError, match="nonsense"):
        Step("nonsense")


# The proxy as a program.


def test_methods_may_be_called_from_many_threads_at_once(raw: Raw) -> None:
    with FaultProxy(raw.port) as proxy:
        stop = threading.Event()

        def use() -> int:
            used = 0
            while not stop.is_set():
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", proxy.port), 2) as client:
                    client.settimeout(2)
                    client.sendall(b"a")
                    used += client.recv(1) == b"a"
            return used

        def disturb(number: int) -> None:
            for turn in range(30):
                match (turn + number) % 5:
                    case 0:
                        proxy.cut(hang=bool(turn % 2))
                    case 1:
                        proxy.hold(up=True, new=True)
                    case 2:
                        proxy.plan = Plan(turn, {"rst": 0.1})
                    case 3:
                        proxy.shape(up=Shape(delay_s=0.001))
                    case _:
                        assert proxy.connections >= 0
                        assert proxy.done is not proxy.done
                proxy.restore()

        with ThreadPoolExecutor(12) as threads:
            users = [threads.submit(use) for _ in range(4)]
            for done in [threads.submit(disturb, number) for number in range(8)]:
                done.result()
            proxy.plan = None
            proxy.restore()
            with socket.create_connection(("127.0.0.1", proxy.port)) as client:
                client.settimeout(SOON_S)
                client.sendall(b"z")
                assert client.recv(1) == b"z"
            stop.set()
            assert sum(user.result() for user in users) > 0
        until(lambda: proxy.connections == 0 and raw.open == 0)


@pytest.mark.parametrize("kind", ["websocket", "http", "raw"])
def test_nothing_is_left_behind(raw: Raw, kind: Kind) -> None:
    def files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before, threads = files(), threading.active_count()
    for turn in range(5):
        proxy = FaultProxy(raw.port, kind=kind)
        clients = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(10)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        wait_for_connections(proxy, 10)
        if turn == 1:
            proxy.hold(up=True, down=True)
        if turn == 2:
            proxy.plan = Script([Step("hold", times=100), Step("reorder", times=100)])
        if turn == 3:
            proxy.cut(hang=True)
            clients.append(socket.create_connection(("127.0.0.1", proxy.port)))
        for client in clients[::2]:
            client.close()
        proxy.close()
        proxy.close()  # twice is no harm
        for client in clients:
            client.close()
    until(lambda: raw.open == 0 and files() <= before and threading.active_count() <= threads)


def test_many_frames_pass_it_in_order(echo: Echo) -> None:
    """Both ways at once, each looked at by a plan."""
    said = [f'{{"type":"progress","request_id":"r","data":{{"n":{number}}}}}' for number in range(2000)]
    plan = Plan(1, {"duplicate": 1e-9})
    with talk(echo, plan) as (_proxy, link):

        def say() -> None:
            for text in said:
                link.send(text)

        saying = threading.Thread(target=say)
        saying.start()
        heard = [link.recv(SOON_S) for _ in said]
        saying.join()
    assert heard == said
