"""Peers that answer nonsense: a gateway beside the kiosk, a receiver of callbacks, a hub."""

import asyncio
import base64
import contextlib
import gzip
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.chaos.doors.mutate import deep, mutate_bytes
from tests.listening import Listening, listening

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BOMB = gzip.compress(bytes(64 * 1024 * 1024), 9)  # 64 KiB that would be 64 MiB
_GOOD = b'{"status": "success", "transaction_id": "T-1"}'


def http_nonsense(rng: random.Random) -> tuple[str, list[bytes], str]:
    """An answer over HTTP that is none, or a strange one: its kind, its pieces, and how it ends.

    The end is `close`, `reset`, `hang` (for a while) or `endless` (the last piece again and again).
    """

    def whole(status: str, body: bytes = _GOOD, *headers: bytes) -> bytes:
        head = b"\r\n".join([b"HTTP/1.1 " + status.encode(), *headers, b"Content-Length: %d" % len(body)])
        return head + b"\r\n\r\n" + body

    ok = b"HTTP/1.1 200 OK\r\n"
    return rng.choice([
        ("spoiled", [mutate_bytes(rng, whole("200 OK", _GOOD, b"Content-Type: application/json"))], "close"),
        ("spoiled",
         [mutate_bytes(rng, ok + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n")], "close"),
        ("noise", [rng.randbytes(300)], "close"), ("nothing", [], "close"), ("nothing", [], "reset"),
        ("not HTTP", [b"SSH-2.0-OpenSSH\r\n"], "hang"), ("HTTP/0.9", [b"<html>hello"], "close"),
        ("HTTP/2", [b"HTTP/2 200\r\n\r\n"], "close"), ("HTTP/1.0", [b"HTTP/1.0 200 OK\r\n\r\n" + _GOOD], "close"),
        ("status", [whole(rng.choice(("000 x", "99 x", "600 x", "999 x", "2000 x", "-1 x", "abc x", "200")))], "close"),
        ("101", [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + bytes(99)],
         "close"),
        ("interim", [b"HTTP/1.1 100 Continue\r\n\r\n" * 500, whole("200 OK")], "close"),
        ("endless interim", [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 200], "endless"),
        ("204 with a body", [whole("204 No Content")], "close"),
        ("304 with a body", [whole("304 Not Modified")], "close"),
        ("two lengths", [ok + b"Content-Length: 2\r\nContent-Length: 46\r\n\r\n" + _GOOD], "close"),
        ("length and chunks", [ok + b"Content-Length: 46\r\nTransfer-Encoding: chunked\r\n\r\n" + _GOOD], "close"),
        ("length", [ok + b"Content-Length: " + rng.choice((b"-1", b"1e3", b"0x2e", b"", b"9" * 40,
        b"1, 1")) + b"\r\n\r\n{}"],
         "close"),
        ("too short", [ok + b"Content-Length: 1000\r\n\r\n" + _GOOD], "close"),
        ("too short", [ok + b"Content-Length: 1000\r\n\r\n" + _GOOD], "reset"),
        ("too long", [whole("200 OK") + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 50], "hang"),
        ("chunks", [ok + b"Transfer-Encoding: chunked\r\n\r\n" + rng.choice((b"zz\r\n", b"-1\r\n", b"f" * 20 + b"\r\n",
        b"5;" + b"a" *
         90_000, b"1\r\n{\r\n" * 3, b"0\r\n" + b"X: 1\r\n" * 9000 + b"\r\n"))], "close"),
        ("encoding", [ok + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"], "close"),
        ("a bomb", [whole("200 OK", _BOMB, b"Content-Encoding: gzip")], "close"),
        ("a bomb", [whole("200 OK", _BOMB, b"Content-Encoding: gzip, gzip, br", b"Content-Type: application/json")],
         "close"),
        ("endless body", [ok + b"\r\n", b"x" * 65536], "endless"),
        ("endless chunks", [ok + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 2000], "endless"),
        ("endless header", [ok + b"X: ", b"y" * 65536], "endless"),
        ("endless headers", [ok, b"X: y\r\n" * 5000], "endless"),
        ("large headers", [ok + b"X: " + b"y" * 90_000 + b"\r\n", whole("200 OK")[17:]], "close"),
        ("cookies", [whole("200 OK", _GOOD, *[b"Set-Cookie: a%d=b; Domain=127.0.0.1" % n for n in range(1000)])],
         "close"),
        ("a redirect", [whole("302 Found", b"", b"Location: http://127.0.0.1:1/elsewhere")], "close"),
        ("a redirect", [whole("307 x", b"", b"Location: file:///etc/passwd")], "close"),
        ("a folded header", [ok + b"X: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\n{}"], "close"),
        ("a NUL", [ok + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}"], "close"),
        ("line feeds", [b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}"], "close"),
        ("a name", [ok + b"\xff\xfe: 1\r\n\x01: 2\r\nContent-Length: 2\r\n\r\n{}"], "close"),
        ("a long reason", [b"HTTP/1.1 200 " + b"r" * 50_000 + b"\r\nContent-Length: 2\r\n\r\n{}"], "close"),
        ("a charset", [whole("200 OK", b"a-9" * 200_000, b"Content-Type: text/plain; charset=" + rng.choice(
            (b"punycode", b"idna", b"unicode_escape", b"utf-7", b"zip", b"x" * 5000, b"\xff", b"utf-16")))], "close"),
        ("no JSON", [whole("200 OK", rng.choice((b"[]", b"NaN", b'{"a":', b'{"a": 1}{}', b"\xff" * 50, b'"x"',
        b'{"\xff": 1}')))],
         "close"),
        ("deep JSON", [whole("200 OK", b'{"a": ' + deep(rng) + b"}")], "close"),
        ("strange JSON", [whole("200 OK", b'{"request_id": "x", "type": "response", "a": 1e999, "a": "\\ud800"}')],
         "close"),
        ("large", [whole("200 OK", b'{"a": "' + b"x" * rng.choice((700_000, 900_000, 3_000_000)) + b'"}')], "close"),
        ("slow", [bytes([byte]) for byte in whole("200 OK")[:40]], "hang"),
    ])  # fmt: skip


class Liar:
    """A TCP server that reads a request and answers nonsense. `asked` counts requests by what `mark` finds in them."""

    def __init__(self, rng: random.Random, hang_s: float = 3.0, mark: bytes = rb'"n": ?"?([\w-]+)') -> None:
        self._rng = rng
        self._hang_s = hang_s
        self._mark = re.compile(mark)
        self._server: Listening | None = None
        self._news = asyncio.Event()
        self.kinds: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = Listening(self._serve, "127.0.0.1", self.port, None, 100)
        self.port = self._server.port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._server is not None
        await self._server.close()

    async def answered(self, count: int) -> None:
        """Wait until so many requests got their nonsense."""
        while self.kinds.total() < count:
            self._news.clear()
            await self._news.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            if mark := self._mark.search(head + body):
                self.asked[mark[1].decode()] += 1
            kind, pieces, end = http_nonsense(self._rng)
            self.kinds[kind] += 1
            self._news.set()
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if len(piece) == 1:
                    await asyncio.sleep(0.01)
            until = asyncio.get_running_loop().time() + self._hang_s
            while end == "endless" and asyncio.get_running_loop().time() < until:
                writer.write(pieces[-1])
                await writer.drain()
                await asyncio.sleep(0.002)
            if end == "hang":
                async with asyncio.timeout(self._hang_s):
                    await reader.read()
            if end == "reset":
                writer.transport.abort()
        finally:
            writer.close()


def upgrade_nonsense(rng: random.Random, request: bytes) -> tuple[list[bytes], bool]:
    """Answers to a kiosk's upgrade; and whether bytes that are no frames follow."""
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
    accept = base64.b64encode(hashlib.sha1((key[1] if key else b"") + _GUID).digest())
    good = [
        b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
        b"Sec-WebSocket-Protocol: kiosk.v2",
    ]  # fmt: skip

    def made(lines: list[bytes]) -> bytes:
        return b"\r\n".join(lines) + b"\r\n\r\n"

    kind = rng.randrange(12)
    if kind < 3:
        frames = rng.choice([
            rng.randbytes(200), b"\x81\x05hel", b"\xc1\x03abc", b"\x83\x00", b"\x89\x7e\xff\xff" + bytes(500),
            b"\x81\xff" + b"\xff" * 8,
            b"\x81\x7f" + b"\x00\x00\x00\x01" + bytes(4), b"\x80\x01a", b"\x01\x01a\x81\x01b", b"\x81\x01\xff",
            b"\x88\x01\x03",
            b"\x88\x02\x00\x00", b"\x88\x02\xff\xff", b"\x88\x04\x03\xe8\xff\xff", b"\x09\x00", b"\x81\x85aaaahello",
            b"\x01\x00" + b"\x00\x00" * 3000, b"\x89\x00" * 5000, b"\x8a\x02ab" * 3000, b"\x82\x02{}",
        ])  # fmt: skip
        return [made(good), frames], True
    if kind < 6:
        return [mutate_bytes(rng, made(good))], False
    if kind == 6:
        del good[rng.randrange(len(good))]
        return [made(good)], False
    if kind == 7:
        extra = rng.choice([
            b"Sec-WebSocket-Extensions: permessage-deflate", b"Sec-WebSocket-Protocol: kiosk.v9", b"Connection: close",
            b"Sec-WebSocket-Accept: x", b"X: " + b"y" * 20_000, *[b"X: y\r\n" * 500], b"Content-Length: 99999999",
        ])  # fmt: skip
        return [made([*good, extra])], False
    if kind == 8:
        retry = rng.choice(
            (
                b"0",
                b"-1",
                b"1e9",
                b"9" * 400,
                b"soon",
                b"Wed, 21 Oct 9999 99:99:99 GMT",
                b"\xff",
                b"1\r\nRetry-After: 2",
            )
        )
        status = rng.choice((b"503 x", b"429 x"))
        return [made([b"HTTP/1.1 " + status, b"Retry-After: " + retry, b"Content-Length: 0"])], False
    return http_nonsense(rng)[1], False


@asynccontextmanager
async def bad_upgrades(rng: random.Random) -> AsyncIterator[int]:
    """A hub that does not come to speak; gives its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            pieces, stays = upgrade_nonsense(rng, await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"".join(pieces))
            await writer.drain()
            if stays:
                async with asyncio.timeout(0.05):
                    await reader.read()
        finally:
            writer.close()

    async with listening(answer) as server:
        yield server.port


Talk = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def talking_hub(port: int, talk: Talk) -> AsyncIterator[None]:
    """A hub that opens WebSockets properly, hears hello, and then says what `talk` says."""

    async def speak(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            hello = json.loads(await socket.recv())
            await talk(socket, hello)

    async with serve(
        speak,
        "127.0.0.1",
        port,
        subprotocols=[Subprotocol("kiosk.v2")],
        compression=None,
        ping_interval=None,
        max_size=None,
    ):
        yield
