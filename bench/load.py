"""The load: N callers post JSON over kept-alive connections and check that every answer is their own.

`@ORDER@` in a header or a body becomes an order id unique to the request, which the answer must contain; `@KIOSK@`
becomes the next kiosk of the list, in turn. An answer that is not 2xx, or carries another request's order,
is an error. Standard library only (uvloop if it happens to be there), so that it runs in any of the environments:

    python -m bench.load --url http://127.0.0.1:8000/send --callers 50 --seconds 5 --kiosk k1 \\
        --header 'Header-Kiosk-Id: @KIOSK@' --body '{"order_id":"@ORDER@"}'
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

DEFAULT_BODY = '{"order_id":"@ORDER@","amount":15000,"currency":"KZT","description":"coffee"}'
_MAX_ERROR_SAMPLES = 3


@dataclass(frozen=True)
class LoadResult:
    """What one load saw. Latencies are milliseconds of answered requests, `seconds` is the wall time."""

    callers: int
    kiosks: int
    requests: int
    errors: int
    mismatches: int
    seconds: float
    rps: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    cpu_seconds: float
    error_samples: tuple[str, ...]


class Script:
    """The bytes to send: everything about a request but its order id is laid out once."""

    def __init__(self, *, url: str, headers: Sequence[str], body: str, kiosks: Sequence[str]) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or 80
        self.kiosks = tuple(kiosks) or ("",)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._tag = f"{os.getpid():08d}"
        self._sent = 0
        self._pieces: list[list[bytes]] = []
        for kiosk in self.kiosks:
            content = body.replace("@KIOSK@", kiosk)
            length = len(content.replace("@ORDER@", self._order().decode()).encode())
            lines = [
                f"POST {path} HTTP/1.1",
                f"Host: {self.host}:{self.port}",
                "Content-Type: application/json",
                f"Content-Length: {length}",
                *(header.replace("@KIOSK@", kiosk) for header in headers),
            ]
            head = "\r\n".join(lines) + "\r\n\r\n"
            self._pieces.append((head + content).encode().split(b"@ORDER@"))

    def next(self) -> tuple[bytes, bytes]:
        """The next request's order id and its bytes on the wire."""
        self._sent += 1
        order = self._order()
        return order, order.join(self._pieces[self._sent % len(self._pieces)])

    def _order(self) -> bytes:
        # Fixed width: the length is known beforehand, and no order id is a part of another.
        return f"o-{self._tag}-{self._sent:09d}".encode()


class Tally:
    """Counts what the callers saw and tells them when to stop."""

    def __init__(self, *, seconds: float | None, requests: int | None, rate: float = 0.0) -> None:
        """`rate` is requests a second of all callers; 0: each as soon as the one before is answered."""
        self.latencies: list[float] = []
        self.errors = 0
        self.mismatches = 0
        self.samples: list[str] = []
        self._left = requests
        self._seconds = seconds
        self._until = 0.0
        self._gap = 1 / rate if rate else 0.0
        self._slot = 0.0

    def start(self, now: float) -> None:
        self._slot = now
        self._until = now + self._seconds if self._seconds is not None else float("inf")

    def take(self, now: float) -> bool:
        """Whether one more request may be sent."""
        if now >= self._until:
            return False
        if self._left is not None:
            if self._left <= 0:
                return False
            self._left -= 1
        return True

    def pause(self, now: float) -> float:
        """Seconds a caller waits before its next request. Who is late starts from now: nothing is made up for."""
        self._slot = max(self._slot + self._gap, now)
        return self._slot - now

    def error(self, sample: str) -> None:
        self.errors += 1
        if len(self.samples) < _MAX_ERROR_SAMPLES:
            self.samples.append(sample[:300])


class Caller(asyncio.Protocol):
    """One caller: one connection, one request at a time, the next as soon as the answer is whole."""

    def __init__(self, script: Script, tally: Tally) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent_at: float | None = None
        self._script = script
        self._tally = tally
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._order = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def go(self) -> None:
        """Send the next request when it is due, or finish if the load is over."""
        if (pause := self._tally.pause(time.perf_counter())) > 0:
            asyncio.get_running_loop().call_later(pause, self._go)
        else:
            self._go()

    def _go(self) -> None:
        now = time.perf_counter()
        if not self._tally.take(now):
            self.close()
            return
        self._order, request = self._script.next()
        self.sent_at = now
        assert self._transport is not None
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        if not self.finished.done():
            self.finished.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        answer = _read_answer(self._buffer)
        if answer is None:
            return
        self._buffer = b""
        status, body, keep_alive = answer
        now = time.perf_counter()
        if self.sent_at is None:
            self._tally.error(f"an answer nobody asked for: {body!r}")
            return
        took, self.sent_at = now - self.sent_at, None
        if not 200 <= status < 300:
            self._tally.error(f"{status}: {body!r}")
        elif self._order not in body:
            self._tally.mismatches += 1
            self._tally.error(f"not the answer to {self._order!r}: {body!r}")
        else:
            self._tally.latencies.append(took)
        if keep_alive:
            self.go()
        else:
            self._tally.error("the connection was not kept alive")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.sent_at is not None:
            self._tally.error(f"connection lost: {exc!r}")
            self.sent_at = None
        self.close()


def _read_answer(buffer: bytes) -> tuple[int, bytes, bool] | None:
    """Status, body and whether the connection stays, or None while the answer is not whole."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = buffer[:end].lower()
    status = int(head[9:12])
    keep_alive = b"\r\nconnection: close" not in head
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        stop = head.find(b"\r\n", at + 2)
        length = int(head[at + 17 : stop if stop >= 0 else None])
        if len(buffer) < end + 4 + length:
            return None
        return status, buffer[end + 4 : end + 4 + length], keep_alive
    if b"\r\ntransfer-encoding: chunked" in head:
        body = _read_chunks(buffer, end + 4)
        return None if body is None else (status, body, keep_alive)
    return status, b"", keep_alive


def _read_chunks(buffer: bytes, at: int) -> bytes | None:
    body = b""
    while True:
        line_end = buffer.find(b"\r\n", at)
        if line_end < 0:
            return None
        size = int(buffer[at:line_end].split(b";")[0], 16)
        at = line_end + 2
        if len(buffer) < at + size + 2:
            return None
        if size == 0:
            return body
        body += buffer[at : at + size]
        at += size + 2


async def run_load(
    script: Script,
    *,
    callers: int,
    seconds: float | None,
    requests: int | None,
    rate: float = 0.0,
    timeout: float = 30.0,
) -> LoadResult:
    """Drive the load to its end. An answer that is not there `timeout` seconds after the end is an error."""
    loop = asyncio.get_running_loop()
    tally = Tally(seconds=seconds, requests=requests, rate=rate)
    crew: list[Caller] = []
    for _ in range(callers):
        _, caller = await loop.create_connection(lambda: Caller(script, tally), script.host, script.port)
        crew.append(caller)
    cpu_before = time.process_time()
    started = time.perf_counter()
    tally.start(started)
    for caller in crew:
        caller.go()
    _, late = await asyncio.wait(
        [caller.finished for caller in crew], timeout=None if seconds is None else seconds + timeout
    )
    took = time.perf_counter() - started
    cpu = time.process_time() - cpu_before
    for caller in crew:
        if caller.finished in late:
            caller.sent_at = None
            tally.error("no answer in time")
            caller.close()
    latencies = sorted(tally.latencies)
    return LoadResult(
        callers=callers,
        kiosks=len(script.kiosks),
        requests=len(latencies),
        errors=tally.errors,
        mismatches=tally.mismatches,
        seconds=round(took, 4),
        rps=round(len(latencies) / took, 1) if took else 0.0,
        p50_ms=_percentile(latencies, 0.50),
        p90_ms=_percentile(latencies, 0.90),
        p99_ms=_percentile(latencies, 0.99),
        max_ms=_percentile(latencies, 1.0),
        cpu_seconds=round(cpu, 4),
        error_samples=tuple(tally.samples),
    )


def _percentile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` of the sorted values do not exceed, in milliseconds."""
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, max(0, int(share * len(ordered) + 0.5) - 1))] * 1000, 3)


def prefer_uvloop() -> None:
    """Use uvloop where it is installed: the cheaper the load and the devices, the more of the hub is seen."""
    if importlib.util.find_spec("uvloop"):
        asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.load", description="Post JSON and print what came back, as JSON.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--callers", type=int, default=1)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--requests", type=int)
    parser.add_argument("--header", action="append", default=[], help="'Name: value'; @KIOSK@ is replaced")
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second of all callers; 0: all they can")
    parser.add_argument("--body", default=DEFAULT_BODY, help="JSON with @ORDER@ and perhaps @KIOSK@")
    parser.add_argument("--body-file", type=Path, help="the same in a file, which may be longer than an argument")
    parser.add_argument("--kiosk", action="append", default=[])
    parser.add_argument("--kiosks-file", type=Path, help="a JSON list of kiosk ids, instead of --kiosk")
    parser.add_argument("--core", type=int, help="pin to this core")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one load and print its result."""
    options = _parser().parse_args(argv)
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    seconds = options.seconds if options.seconds or options.requests else 5.0
    kiosks = json.loads(options.kiosks_file.read_text()) if options.kiosks_file else options.kiosk
    body = options.body_file.read_text() if options.body_file else options.body
    script = Script(url=options.url, headers=options.header, body=body, kiosks=kiosks)
    prefer_uvloop()
    load = run_load(script, callers=options.callers, seconds=seconds, requests=options.requests, rate=options.rate)
    result = asyncio.run(load)
    print(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
