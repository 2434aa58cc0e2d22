"""Thousands of kiosks in one process: sockets that say hello, answer what they are asked, and come back when cut off.

They speak kiosk.v2 to the letter of docs/wire.md as an idle kiosk does: hello with its devices, an empty `responses`,
pings, an answer to each request; and they stay away as long as the appliance's own rule says (`appliance.uplink`).
What an appliance has besides, a journal and devices, they have not. Source addresses are of 127/8.

Run by `bench.storm`: the kiosks come by a file, ports to dial by lines on standard input, and what happens is told in
lines of JSON on standard output ten times a second; times are of the clock that all processes of a machine share.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import random
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop

from appliance.uplink.backoff import Backoff
from wire.messages import (
    Accepted,
    Device,
    Executed,
    Hello,
    Message,
    Request,
    Response,
    Responses,
    Welcome,
    decode_from_hub,
    encode,
)
from wire.session import BATCH, PING_INTERVAL

_OPEN_WITHIN = 15.0  # as the appliance has it
_TELL_EVERY = 0.1
_NO_BIND_PORT = (
    24  # IP_BIND_ADDRESS_NO_PORT: the port is chosen at the connect, where it need be free for one peer only
)
_DEVICES = [
    Device(name="bills", role="bill-validator", driver="ccnet", state="ready"),
    Device(name="coins", role="coin-acceptor", driver="cctalk", state="ready"),
    Device(name="register", role="fiscal-register", driver="shtrih", state="ready"),
]


class Told:
    """What happened since it was told last."""

    def __init__(self) -> None:
        self.up: list[tuple[str, float]] = []
        self.down: list[tuple[str, float]] = []
        self.turned_away: list[float] = []
        self.failed = 0
        self.answered = 0

    def take(self) -> dict[str, Any]:
        """All of it, as it is put into a line."""
        told = dict(vars(self))
        self.__init__()  # type: ignore[misc]
        return told


class Crowd:
    """All kiosks of this process."""

    def __init__(self, kiosks: list[tuple[str, str]], addresses: int, *, is_old: bool = False) -> None:
        """`is_old`: they are of a version that hears of no spread."""
        self.told = Told()
        self.is_old = is_old
        self.ports: list[int] = []
        self.chance = random.Random()
        self.loop = asyncio.get_running_loop()
        self.tasks: set[asyncio.Task[None]] = set()
        self.kiosks = [
            Kiosk(self, name, token, f"127.0.{1 + number % addresses // 250}.{1 + number % addresses % 250}")
            for number, (name, token) in enumerate(kiosks)
        ]

    async def run(self, rate: float) -> None:
        """Let them in at `rate` a second, then tell what happens until standard input ends."""
        reader = asyncio.StreamReader()
        await self.loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        self.ports = json.loads(await reader.readline())
        ramp = asyncio.create_task(self._ramp(rate))
        tell = asyncio.create_task(self._tell())
        while line := await reader.readline():
            self.ports = json.loads(line)
        for task in (ramp, tell):
            task.cancel()

    async def _ramp(self, rate: float) -> None:
        for number, kiosk in enumerate(self.kiosks):
            kiosk.dial()
            if number % 10 == 9:
                await asyncio.sleep(10 / rate)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY)
            print(json.dumps(self.told.take()), flush=True)


class Kiosk(asyncio.Protocol):
    """One kiosk, over all its sockets."""

    __slots__ = (
        "_backoff", "_buffer", "_code", "_crowd", "_hello", "_is_gone", "_is_open", "_retry_after", "_source", "_timer",
        "_transport", "_up_at", "_upgrade", "_words", "name",
    )  # fmt: skip

    def __init__(self, crowd: Crowd, name: str, token: str, source: str) -> None:
        self.name = name
        self._crowd = crowd
        self._source = source
        self._backoff = Backoff(crowd.chance.random)
        key = base64.b64encode(os.urandom(16)).decode()
        self._upgrade = (
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: kiosk.v2\r\n"
            f"Authorization: Bearer {token}\r\nUser-Agent: kioskwire-appliance/storm\r\n\r\n"
        ).encode()
        journal = hashlib.sha256(name.encode()).hexdigest()[:10]  # a crowd that begins again finds its journals
        hello = Hello(
            version="storm", boot_id=journal, started_at=time.time(), routes=["default", "payment"], devices=_DEVICES,
            journal=journal, uptime=60.0, batch=BATCH,
        )  # fmt: skip
        self._hello = _text(hello)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_gone = False
        self._begin()

    def _begin(self) -> None:
        self._buffer = b""
        self._is_open = False
        self._up_at = 0.0
        self._code = 0
        self._words = ""
        self._retry_after: float | None = None

    def leave(self) -> None:
        """Hang up, and stay away."""
        self._is_gone = True
        if self._transport is not None:
            self._transport.abort()

    def dial(self) -> None:
        """Try once."""
        if self._is_gone:
            return
        task = self._crowd.loop.create_task(self._dial())
        self._crowd.tasks.add(task)
        task.add_done_callback(self._crowd.tasks.discard)

    async def _dial(self) -> None:
        crowd = self._crowd
        self._begin()
        sock = socket.socket()
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IP, _NO_BIND_PORT, 1)
            sock.bind((self._source, 0))
            async with asyncio.timeout(_OPEN_WITHIN):
                await crowd.loop.sock_connect(sock, ("127.0.0.1", crowd.chance.choice(crowd.ports)))
                await crowd.loop.create_connection(lambda: self, sock=sock)
        except (OSError, TimeoutError):
            sock.close()
            crowd.told.failed += 1
            self._later(self._backoff.failed())

    def _later(self, seconds: float) -> None:
        self._crowd.loop.call_later(seconds, self.dial)

    # The protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._timer = self._crowd.loop.call_later(_OPEN_WITHIN, self._transport.abort)
        self._transport.write(self._upgrade)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        crowd, now = self._crowd, time.monotonic()
        self._transport = None
        if self._up_at:
            crowd.told.down.append((self.name, now))
        if self._retry_after is not None:
            crowd.told.turned_away.append(now)
            self._later(self._backoff.told(self._retry_after))
        elif not self._is_open:
            crowd.told.failed += 1
            self._later(self._backoff.failed())
        else:
            up_for = now - self._up_at if self._up_at else 0.0
            gone = exc is None or isinstance(exc, ConnectionResetError | BrokenPipeError)
            self._later(self._backoff.closed(self._code, up_for, words=self._words, hub_gone=gone and not self._code))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open and not self._opened():
            return
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            size, begin = buffer[at + 1] & 0x7F, at + 2
            if size == 126:
                if len(buffer) < at + 4:
                    break
                (size,), begin = struct.unpack_from("!H", buffer, at + 2), at + 4
            if len(buffer) < begin + size:
                break
            self._frame(buffer[at] & 0x0F, buffer[begin : begin + size])
            at = begin + size
        self._buffer = buffer[at:]

    def _opened(self) -> bool:
        """Whether the hub has let it in; what it said of that is read."""
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end or self._transport is None:
            return False
        if head.startswith(b"HTTP/1.1 101 "):
            self._is_open, self._buffer = True, rest
            self._transport.write(self._hello)
            return True
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"retry-after:"):
                self._retry_after = float(line.partition(b":")[2])
        self._transport.abort()
        return False

    def _frame(self, opcode: int, data: bytes) -> None:
        if self._transport is None:
            return
        if opcode == 0x9:
            self._transport.write(_frame(0xA, data))
        elif opcode == 0x8:
            self._code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else 1005
            self._words = data[2:].decode()
            self._transport.write(_frame(0x8, data[:2]))
            self._transport.close()
        elif opcode == 0x1:
            message = decode_from_hub(data)
            if isinstance(message, Welcome):
                self._welcomed(message)
            elif isinstance(message, Request):
                self._answer(message)

    def _welcomed(self, welcome: Welcome) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._up_at = time.monotonic()
        self._backoff.welcomed(0.0 if self._crowd.is_old else welcome.spread)
        self._crowd.told.up.append((self.name, self._up_at))
        if self._transport is not None:
            self._transport.write(_text(Responses(responses=[], more=False)))
        self._timer = self._crowd.loop.call_later(PING_INTERVAL, self._ping)

    def _ping(self) -> None:
        if self._transport is not None:
            self._transport.write(_frame(0x9, b""))
            self._timer = self._crowd.loop.call_later(PING_INTERVAL, self._ping)

    def _answer(self, request: Request) -> None:
        assert self._transport is not None
        response = Response(
            request_id=request.request_id, operation=request.operation, executed=Executed.YES, status=200,
            body=msgspec.Raw(b'{"status":"success"}'), elapsed=0.001,
        )  # fmt: skip
        self._transport.write(_text(Accepted(request_id=request.request_id)) + _text(response))
        self._crowd.told.answered += 1


def _text(message: Message) -> bytes:
    return _frame(0x1, encode(message))


def _frame(opcode: int, data: bytes) -> bytes:
    """A client's frame. Its mask is all zeroes, which leaves the data as they are."""
    size = len(data)
    head = bytes((0x80 | opcode, 0x80 | size)) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    return head + b"\0\0\0\0" + data


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="many kiosks in one process; see bench.storm")
    parser.add_argument("kiosks", type=Path, help="JSON: a list of ids with their tokens")
    parser.add_argument("--addresses", type=int, default=64, help="source addresses of 127/8")
    parser.add_argument("--rate", type=float, default=250.0, help="of them that come a second, at first")
    parser.add_argument("--old", action="store_true", help="kiosks of a version that hears of no spread")
    options = parser.parse_args()
    kiosks = json.loads(options.kiosks.read_text(encoding="utf-8"))

    async def run() -> None:
        await Crowd(kiosks, options.addresses, is_old=options.old).run(options.rate)

    uvloop.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
