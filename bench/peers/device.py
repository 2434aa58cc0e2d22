"""Kiosks that answer at once, so that what is measured is the hub: many outbound WebSockets in one process.

It speaks the three tongues of the comparison over the same client library (`websockets`, no compression):

* `v1` to a peer or to our hub: flat objects, no subprotocol;
* `kiosk.v2` to our hub: hello, then a response to each request, `accepted` before it if asked for.

With `--gateway` it forwards each request to an HTTP service instead of answering itself: a kiosk program without
a journal, to set beside the appliance. It prints `ready <n>` when all its sockets are open.

    python -m bench.peers.device --url ws://127.0.0.1:8000/ws --kiosks kiosks.json
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bench.load import prefer_uvloop

V2 = Subprotocol("kiosk.v2")
_CONNECTING_AT_ONCE = 100

Work = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def echo(body: dict[str, Any]) -> dict[str, Any]:
    """The instant answer of a gateway that took the money."""
    return {"status": "success", "order_id": body.get("order_id", "")}


class Forwarder:
    """Posts each body to an HTTP service over kept-alive connections, and reads the JSON answer."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._head = (
            f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        pair = self._idle.pop() if self._idle else await asyncio.open_connection(*self._address)
        reader, writer = pair
        content = json.dumps(body).encode()
        writer.write(self._head + str(len(content)).encode() + b"\r\n\r\n" + content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer: dict[str, Any] = json.loads(await reader.readexactly(length))
        self._idle.append(pair)
        return answer


class Kiosks:
    """All kiosks of the process: opens their sockets, a hundred at a time, and answers on each."""

    def __init__(self, *, url: str, dialect: str, accepted: bool, work: Work, forwards: bool) -> None:
        self._url = url
        self._dialect = dialect
        self._accepted = accepted
        self._work = work
        self._forwards = forwards
        self._gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)
        self._open = 0
        self._refused: list[str] = []
        self._all_tried = asyncio.Event()

    async def run(self, kiosks: dict[str, str | None]) -> None:
        """Hold a socket for each kiosk (id -> token) until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kiosk, token in kiosks.items():
                group.create_task(self._kiosk(kiosk, token, len(kiosks)), name=f"kiosk {kiosk}")
            await self._all_tried.wait()
            for reason in self._refused[:3]:
                print(f"refused {reason}", flush=True)
            print(f"ready {self._open}", flush=True)

    async def _kiosk(self, kiosk: str, token: str | None, total: int) -> None:
        async with self._gate:
            try:
                connection = await self._connect(kiosk, token)
            except Exception as error:  # whatever it is, it is told to the runner and counted
                self._refused.append(f"{kiosk}: {error!r}")
                connection = None
            else:
                self._open += 1
            if self._open + len(self._refused) == total:
                self._all_tried.set()
        if connection is None:
            return
        try:
            await (self._v2(connection) if self._dialect == "v2" else self._v1(connection))
        except ConnectionClosed as closed:
            print(f"closed {kiosk}: {closed}", file=sys.stderr, flush=True)

    async def _connect(self, kiosk: str, token: str | None) -> ClientConnection:
        connection = await connect(
            self._url if token else f"{self._url}?kiosk={quote(kiosk)}",
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            subprotocols=[V2] if self._dialect == "v2" else None,
            compression=None,
            ping_interval=None,  # the hub pings; the library answers
            open_timeout=60,
            proxy=None,
            max_queue=None,
        )
        raw = connection.transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._dialect == "v2":
            await connection.send(json.dumps(_hello()))
            while json.loads(await connection.recv()).get("type") != "welcome":
                pass
        return connection

    async def _v1(self, connection: ClientConnection) -> None:
        async for text in connection:
            message = json.loads(text)
            await self._start(self._answer_v1(connection, message))

    async def _answer_v1(self, connection: ClientConnection, message: dict[str, Any]) -> None:
        answer = await self._work(message.get("body") or {})
        await connection.send(json.dumps({"request_id": message["request_id"], **answer}))

    async def _v2(self, connection: ClientConnection) -> None:
        async for text in connection:
            message = json.loads(text)
            if message.get("type") == "request":
                await self._start(self._answer_v2(connection, message))

    async def _answer_v2(self, connection: ClientConnection, message: dict[str, Any]) -> None:
        request_id = message["request_id"]
        started = time.perf_counter()
        if self._accepted:
            await connection.send(json.dumps({"type": "accepted", "request_id": request_id}))
        body = await self._work(message.get("body") or {})
        response = {
            "type": "response",
            "request_id": request_id,
            "operation": message.get("operation", ""),
            "executed": "yes",
            "status": 200,
            "body": body,
            "error": None,
            "elapsed": round(time.perf_counter() - started, 6),
        }
        await connection.send(json.dumps(response))

    async def _start(self, answer: Awaitable[None]) -> None:
        """An echo is answered in line; a forwarding kiosk serves several at once, as a real one does."""
        if self._forwards:
            task = asyncio.ensure_future(answer)
            _running.add(task)
            task.add_done_callback(_running.discard)
        else:
            await answer


_running: set[asyncio.Future[None]] = set()


def _hello() -> dict[str, Any]:
    return {
        "type": "hello",
        "version": "bench",
        "boot_id": "bench",
        "started_at": time.time(),
        "routes": ["payment"],
        "devices": [],
        "unsettled": 0,
        "journal": "bench",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Hold the sockets until stopped."""
    parser = argparse.ArgumentParser(prog="bench.peers.device", description="Kiosks that answer at once.")
    parser.add_argument("--url", required=True, help="ws://host:port/ws")
    parser.add_argument("--kiosks", type=Path, required=True, help="JSON: {kiosk id: token or null}")
    parser.add_argument("--dialect", choices=("v1", "v2"), default="v1")
    parser.add_argument("--accepted", action="store_true", help="v2: say accepted before each response")
    parser.add_argument("--gateway", help="forward to this URL instead of answering at once")
    options = parser.parse_args(argv)
    prefer_uvloop()

    async def hold() -> None:
        kiosks = Kiosks(
            url=options.url,
            dialect=options.dialect,
            accepted=options.accepted,
            work=Forwarder(options.gateway) if options.gateway else echo,
            forwards=bool(options.gateway),
        )
        await kiosks.run(json.loads(options.kiosks.read_text()))

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(hold())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
