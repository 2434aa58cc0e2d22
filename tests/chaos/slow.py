"""Peers that are slow, or do not read at all, at every door at once; whoever is not must hardly notice.

Fifty kiosks work. Five more take requests and stop reading; backends ask and do not read, or speak a byte at a time;
watchers of events fall asleep; a callback address never answers; a gateway dribbles its answer to a real appliance,
on whose own door hundreds of connections hang. Memory and files of the programs are looked at before, at the worst
moment, and when all of them have gone.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx

from bench.program import Program
from bench.stack import Appliance, Hub, send_headers
from tests.chaos.results import Result, timed
from tests.journeys.clients import Fleet
from tests.listening import listening

NORMAL, SLOW = 50, 5
_EVERY_S = 0.01  # a call to one of the normal kiosks
_LINES = 64  # connections of those who call them
_MIB = 1024 * 1024
_ASKED = 40  # operations of 250 kB for each kiosk that does not read
# What the hub may need for all this: for a kiosk that does not read 2 MiB of unread messages, and what it was asked for
# while its callers wait, as body, as row to be written and as message; for a watcher 1 MiB of news and what lies in its
# stream; for a reader its answer; for a slow speaker what it may say.
_BOUND_MIB = SLOW * (2 + 3 * _ASKED // 4) + 8 * 3 + 8 * 8 + 64
_APPLIANCE_BOUND_MIB = 24
# The hub closes who is idle for 75 s; a slice does not wait for that.
_SLACK, _GROSSLY = 3.0, 10.0
_PATIENCE_S = 60.0


def run(directory: Path, seed: int, scale: float) -> Result:
    """At scale 1 the trouble lasts longer than the hub's patience with who does not read."""
    result = Result(scenario="slow", seed=seed)
    with timed(result), contextlib.ExitStack() as stack:
        settings = {"RATE_LIMIT_PER_KEY": "0", "RATE_LIMIT_PER_KIOSK": "0", "ACCEPT_RATE": "0"}
        hub = Hub(directory / "hub", settings=settings)
        stack.callback(hub.http.close)
        stack.callback(hub.kill)
        hub.start()
        tokens = {f"normal_{n:02}": hub.add_kiosk(f"normal_{n:02}") for n in range(NORMAL)}
        stack.enter_context(Fleet(hub.ws_url, tokens))
        asyncio.run(_Day(stack, directory, hub, result, seed=seed, scale=scale).live())
    return result


class _Day:
    """The peers, in one loop."""

    def __init__(
        self, stack: contextlib.ExitStack, directory: Path, hub: Hub, result: Result, *, seed: int, scale: float
    ) -> None:
        self._stack = stack
        self._directory = directory
        self._hub = hub
        self._result = result
        self._chance = random.Random(f"{seed} slow")
        self._whole = scale >= 0.5
        self._quiet_s, self._trouble_s = (6.0, 40.0 * scale) if self._whole else (1.5, 4.0)
        self._many = 200 if self._whole else 40
        self._key = hub.add_api_key("slow")["key"]
        self._tasks: list[asyncio.Task[Any]] = []
        self._open: list[asyncio.StreamWriter] = []
        self._took: list[float] = []
        self._wrong: list[int] = []

    async def live(self) -> None:
        """Quiet, trouble, and quiet again."""
        result, hub = self._result, self._hub
        limits = httpx.Limits(max_connections=400, max_keepalive_connections=400)
        client = httpx.AsyncClient(base_url=hub.url, timeout=_PATIENCE_S, trust_env=False, limits=limits)
        async with client as self._http, self._gateway() as gateway, self._receiver() as receiver, self._ended():
            appliance = await asyncio.to_thread(self._appliance, gateway)
            # A client library would be what is slow, with hundreds of connections in its pool.
            self._lines: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
            for _ in range(_LINES):
                reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
                self._open.append(writer)
                self._lines.put_nowait((reader, writer))
            await self._call_for(1.0)
            self._took.clear()
            await self._call_for(self._quiet_s)
            quiet = _quantile(self._took, 0.99)
            before, files = _rss_mib(hub), _files(hub)
            appliance_before, appliance_files = _rss_mib(appliance), _files(appliance)
            self._took.clear()
            watch = asyncio.create_task(self._watch(appliance))
            await self._trouble(appliance, receiver)
            await self._call_for(self._trouble_s)
            loud = _quantile(self._took, 0.99)
            await self._check_appliance(appliance)
            worst, appliance_worst = await _stop(watch)
            result.operations += len(self._took)
        after = await self._settle_down(files)
        appliance_after = await asyncio.to_thread(_at_most, lambda: _files(appliance), appliance_files + 4)
        figures = result.figures
        figures |= {
            "quiet_p99_s": round(quiet, 4),
            "p99_ratio": round(loud / quiet, 2),
            "hub_rss_before_mib": before,
            "hub_rss_after_mib": _rss_mib(hub),
            "hub_files_before": float(files),
            "hub_files_after": float(after),
            "appliance_rss_before_mib": appliance_before,
            "appliance_files_after": float(appliance_after),
        }
        result.aim("others_p99_s", loud, max(3 * quiet, 0.3) * (_SLACK if self._whole else _GROSSLY))
        result.aim("hub_rss_growth_mib", worst - before, _BOUND_MIB)
        result.aim("appliance_rss_growth_mib", appliance_worst - appliance_before, _APPLIANCE_BOUND_MIB)
        if after > files + 4:
            result.breaches.append(f"the hub has {after} files open after the trouble, and had {files}")
        if appliance_after > appliance_files + 4:
            result.breaches.append(f"the appliance has {appliance_after} files open, and had {appliance_files}")
        if self._wrong:
            result.breaches.append(f"normal kiosks' callers were answered {sorted(set(self._wrong))}")

    # Who is as usual.

    async def _call_for(self, seconds: float) -> None:
        began = time.monotonic()
        calls: list[asyncio.Task[None]] = []
        while (due := began + len(calls) * _EVERY_S) < began + seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            kiosk = f"normal_{len(calls) % NORMAL:02}"
            calls.append(asyncio.create_task(self._call(kiosk, f"order-{began}-{len(calls)}", due)))
        await asyncio.gather(*calls)

    async def _call(self, kiosk: str, order: str, due: float) -> None:
        reader, writer = await self._lines.get()
        writer.write(self._request(kiosk, {"order_id": order}))
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        self._lines.put_nowait((reader, writer))
        if head.startswith(b"HTTP/1.1 200 ") and json.loads(body)["by"] == kiosk:
            self._took.append(time.monotonic() - due)
        else:
            self._wrong.append(int(head.split()[1]))

    # Who is not.

    async def _trouble(self, appliance: Appliance, receiver: int) -> None:
        many = self._many
        request = self._request("normal_00", {"order_id": "x" * 200_000})
        watched = await self._chatty()
        page = self._get("/operations?limit=500")
        works: list[tuple[str, int, Callable[[int], Coroutine[Any, Any, None]]]] = [
            ("kiosk that does not read", SLOW, self._deaf_kiosk),
            ("backend that does not read", 8, lambda _: self._ask_on(self._hub.port, request * 4)),
            ("page that is not read", 8, lambda _: self._ask_on(self._hub.port, page * 4)),
            ("watcher that does not read", 8, lambda _: self._ask_on(self._hub.port, watched)),
            ("slow head", many, lambda _: self._dribble(self._hub.port, b"POST /send HTTP/1.1\r\nX-Slow: ")),
            ("slow head elsewhere", many, lambda _: self._dribble(self._hub.port, b"GET /ws HTTP/1.1\r\nX-Slow: ")),
            ("slow body", many // 2, lambda _: self._dribble(self._hub.port, request[: len(request) // 2])),
            ("idle connection", many, lambda _: self._ask_on(self._hub.port, b"")),
            ("slow head at the kiosk", many, lambda _: self._dribble(appliance.port, b"GET /health HTTP/1.1\r\nX: ")),
            ("callback never answered", 20, lambda n: self._calling_back(receiver, n)),
        ]
        self._callback_key = self._hub.add_api_key("dead", f"http://127.0.0.1:{receiver}/")["key"]
        for kind, count, work in works:
            self._result.faults[kind] += count
            for n in range(count):
                self._tasks.append(asyncio.create_task(work(n)))

    async def _ask_on(self, port: int, data: bytes) -> None:
        """Say this, and read nothing."""
        _reader, writer = await self._connect(port)
        writer.write(data)

    async def _dribble(self, port: int, begin: bytes) -> None:
        _reader, writer = await self._connect(port)
        writer.write(begin)
        with contextlib.suppress(OSError):
            while not writer.is_closing():
                await asyncio.sleep(self._chance.uniform(0.3, 1.0))
                writer.write(b"x")
                await writer.drain()

    async def _deaf_kiosk(self, number: int) -> None:
        kiosk = f"deaf_{number}"
        await self._kiosk(kiosk)
        body = {"order_id": "x" * 250_000}
        headers = {**send_headers(kiosk, "payment", key=self._key), "Header-Timeout": "5"}
        async with httpx.AsyncClient(base_url=self._hub.url, timeout=_PATIENCE_S, trust_env=False) as http:
            calls = []
            for _ in range(_ASKED):
                calls.append(asyncio.create_task(http.post("/send", json=body, headers=headers)))
                self._tasks.append(calls[-1])
                await asyncio.sleep(0.1)
            for answer in await asyncio.gather(*calls):
                # Its operations are unknown, or were refused once it was cut off: nobody executed any.
                if answer.status_code not in {503, 504}:
                    self._wrong.append(answer.status_code)

    async def _chatty(self) -> bytes:
        """A kiosk that tells much of what it does; returns a request to watch it."""
        reader, writer = await self._kiosk("chatty")
        headers = {**send_headers("chatty", "payment", key=self._key), "Header-Timeout": "120"}
        call = asyncio.create_task(self._http.post("/send", json={"order_id": "long"}, headers=headers))
        self._tasks.append(call)
        request = await _hear(reader, "request")

        async def talk() -> None:
            with contextlib.suppress(OSError):
                while True:
                    data = {"type": "progress", "request_id": request["request_id"], "data": {"pad": "x" * 100_000}}
                    writer.write(_frame(json.dumps(data)))
                    await writer.drain()
                    await asyncio.sleep(0.05)

        self._tasks.append(asyncio.create_task(talk()))
        return self._get(f"/operations/{request['request_id']}/events")

    async def _calling_back(self, _receiver: int, number: int) -> None:
        headers = send_headers("normal_01", "payment", key=self._callback_key)
        await self._http.post("/send", json={"order_id": f"callback-{number}"}, headers=headers)

    async def _kiosk(self, kiosk: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that says hello and reads its welcome, and from then on what its owner reads: nothing."""
        token = await asyncio.to_thread(self._hub.add_kiosk, kiosk)
        reader, writer = await self._connect(self._hub.port)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            "GET /ws HTTP/1.1", f"Host: 127.0.0.1:{self._hub.port}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: kiosk.v2",
            f"Authorization: Bearer {token}", "", "",
        )  # fmt: skip
        writer.write("\r\n".join(lines).encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_frame(json.dumps({"type": "hello", "version": "0", "boot_id": "0", "journal": kiosk})))
        await _hear(reader, "welcome")
        return reader, writer

    async def _connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection with small buffers, so that what is not read stays with the other end."""
        connection = socket.socket()
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=connection, limit=64 * 1024)
        except BaseException:
            connection.close()
            raise
        self._open.append(writer)
        return reader, writer

    def _request(self, kiosk: str, body: dict[str, str]) -> bytes:
        content = json.dumps(body).encode()
        fields = {**send_headers(kiosk, "payment", key=self._key), "Content-Length": str(len(content)), "Host": "hub"}
        return _head("POST /send", fields) + content

    def _get(self, path: str) -> bytes:
        return _head(f"GET {path}", {"Host": "hub", "Authorization": f"Bearer {self._key}"})

    # The real appliance, behind a gateway that dribbles.

    def _appliance(self, gateway: int) -> Appliance:
        url = f"http://127.0.0.1:{gateway}"
        routes = {"routes": {"slow": {"url": f"{url}/slow", "timeout": 2}, "quick": {"url": f"{url}/quick"}}}
        appliance = Appliance(self._directory / "appliance", self._hub.ws_url, self._hub.add_kiosk("real"), routes)
        self._stack.callback(appliance.http.close)
        self._stack.callback(appliance.kill)
        appliance.start()
        return appliance

    async def _check_appliance(self, appliance: Appliance) -> None:
        """A slow gateway is given up in time, another works, and the page answers, whoever hangs on its door."""
        began = time.monotonic()
        slow, *quick = await asyncio.gather(
            self._http.post("/send", json={}, headers=send_headers("real", "slow", key=self._key)),
            *(
                self._http.post("/send", json={}, headers=send_headers("real", "quick", key=self._key))
                for _ in range(5)
            ),
        )
        self._result.figures["slow_gateway_told_s"] = round(time.monotonic() - began, 2)
        self._result.faults["gateway that dribbles"] += 1
        if slow.status_code != 504 or slow.json()["outcome"] != "unknown":
            self._result.breaches.append(f"a gateway that dribbles was told as {slow.status_code}")
        if any(answer.status_code != 200 for answer in quick):
            self._result.breaches.append(f"other routes answered {[answer.status_code for answer in quick]}")
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as http:
            page = await http.get(f"{appliance.url}/health")
        if page.status_code != 200:
            self._result.breaches.append(f"the appliance's page answered {page.status_code}")

    @contextlib.asynccontextmanager
    async def _gateway(self) -> AsyncIterator[int]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"/quick" in head:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                else:
                    await _answer_for_ever(writer)
            finally:
                writer.close()

        async with listening(serve) as server:
            yield server.port

    @contextlib.asynccontextmanager
    async def _receiver(self) -> AsyncIterator[int]:
        """An address for callbacks: every second time it dribbles, else it says nothing at all."""
        numbers = itertools.count(1)

        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if next(numbers) % 2:
                await _answer_for_ever(writer)

        async with listening(serve) as server:
            yield server.port

    # Looking at the programs.

    async def _watch(self, appliance: Appliance) -> tuple[float, float]:
        worst = [0.0, 0.0]
        try:
            while True:
                worst = [max(worst[0], _rss_mib(self._hub)), max(worst[1], _rss_mib(appliance))]
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            return worst[0], worst[1]

    @contextlib.asynccontextmanager
    async def _ended(self) -> AsyncIterator[None]:
        """The trouble goes away afterwards."""
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            ended = await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in self._open:
                writer.transport.abort()
        for failed in ended:
            if isinstance(failed, BaseException) and not isinstance(
                failed, OSError | asyncio.CancelledError | asyncio.IncompleteReadError | httpx.HTTPError
            ):
                raise failed

    async def _settle_down(self, files: int) -> int:
        """How many files the hub has open once nobody is there but who was before; nothing may be running."""
        after = await asyncio.to_thread(_at_most, lambda: _files(self._hub), files + 4)
        line = "kioskwire_operations_running"

        def running() -> int:
            lines = self._hub.http.get("/metrics").text.splitlines()
            return int(float(next(text for text in lines if text.startswith(f"{line} ")).split()[1]))

        if left := await asyncio.to_thread(_at_most, running, 0):
            self._result.breaches.append(f"{left} operations run after the trouble")
        return after


def _at_most(count: Callable[[], int], most: int) -> int:
    """The count, once it is no more than that, or after a long time."""
    end = time.monotonic() + _PATIENCE_S
    while (found := count()) > most and time.monotonic() < end:
        time.sleep(0.2)
    return found


async def _stop(watch: "asyncio.Task[tuple[float, float]]") -> tuple[float, float]:
    watch.cancel()
    return await watch


async def _answer_for_ever(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.is_closing():
        await asyncio.sleep(0.5)
        writer.write(b" ")
        await writer.drain()


def _head(line: str, fields: dict[str, str]) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]).encode()


def _frame(text: str) -> bytes:
    """A masked text frame; the mask is nought."""
    data = text.encode()
    if len(data) < 126:
        return bytes((0x81, 0x80 | len(data))) + bytes(4) + data
    if len(data) < 65536:
        return struct.pack("!BBH", 0x81, 0x80 | 126, len(data)) + bytes(4) + data
    return struct.pack("!BBQ", 0x81, 0x80 | 127, len(data)) + bytes(4) + data


async def _hear(reader: asyncio.StreamReader, kind: str) -> dict[str, Any]:
    """The next message of that type."""
    while True:
        _first, size = await reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await reader.readexactly(8))
        message = json.loads(await reader.readexactly(size))
        if message["type"] == kind:
            return dict(message)


def _rss_mib(program: Program) -> float:
    pages = int(Path(f"/proc/{program.pid}/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / _MIB, 1)


def _files(program: Program) -> int:
    return len(os.listdir(f"/proc/{program.pid}/fd"))


def _quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
