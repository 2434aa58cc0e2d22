"""`serve --processes 2` as an operator has it: real hubs, kiosks that come back, callers that hear no failure."""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
from websockets import Subprotocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.cloud.fleet import new_database, shared_redis
from tests.cloud.hub import ADMIN_KEY, JWT_SECRET, Kiosk, until

_KIOSKS, _CALLERS = 8, 4
_PATIENCE = 60.0  # three interpreters begin, on a machine that may have much else to do
_TREE = Path(__file__).parents[3]


async def command(environment: dict[str, str], *words: str) -> tuple[int, str]:
    """Run `kioskwire-hub`; its exit status and all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cloud",
        *words,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


class Fleet:
    """Kiosks that answer, come back wherever they are let in, and execute nothing twice, as their journal has it."""

    def __init__(self, port: int, tokens: dict[str, str]) -> None:
        self.url = f"ws://127.0.0.1:{port}/ws"
        self.tokens = tokens
        self.here: set[str] = set()
        self.closed: Counter[int | None] = Counter()

    async def be(self, name: str) -> None:
        """One kiosk, for ever."""
        answers: dict[str, dict[str, Any]] = {}
        headers, protocols = {"Authorization": f"Bearer {self.tokens[name]}"}, [Subprotocol("kiosk.v2")]
        while True:
            with suppress(InvalidHandshake, OSError):
                async with connect(self.url, additional_headers=headers, subprotocols=protocols, proxy=None) as socket:
                    kiosk = Kiosk(socket)
                    with suppress(ConnectionClosed):
                        await kiosk.hello(journal=f"journal of {name}")
                        self.here.add(name)
                        async for text in socket:
                            message = json.loads(text)
                            if message["type"] == "request":
                                body = answers.setdefault(message["request_id"], {"times": 1})
                                await asyncio.sleep(random.uniform(0, 0.1))
                                await kiosk.answer(message, body)
                    self.closed[socket.close_code] += 1
            self.here.discard(name)
            await asyncio.sleep(random.uniform(0.05, 0.3))


async def test_all_processes_are_restarted_and_no_operation_fails(tmp_path: Path) -> None:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "PYTHONPATH": str(_TREE),
        "JWT_SECRET": JWT_SECRET,
        "ADMIN_KEY": ADMIN_KEY,
        "PORT": "0",
        "STATE_DIR": str(tmp_path),
        "DRAIN_FOR": "1",
        "KIOSK_RECONNECT_GRACE": "60",  # one that comes back late to a busy machine is no failure here
        "REDIS_URL": shared_redis().url,
        "DATABASE_URL": new_database(),
    }
    log = tmp_path / "log"
    with log.open("wb") as file:
        hub = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cloud", "serve", "--processes", "2", env=environment, stdout=file, stderr=file
        )
    try:
        await until(lambda: "all processes serve" in log.read_text() or hub.returncode is not None, _PATIENCE)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        port = next(line["port"] for line in lines if line["message"] == "all processes serve")
        # One of the two makes the first admin's link, once.
        assert [line["process"] for line in lines if "no account yet" in line["message"]] == ["1"]
        async with AsyncExitStack() as stack:
            await _restart_under_load(stack, environment, port)
    finally:
        hub.terminate()
        async with asyncio.timeout(90):
            assert await hub.wait() == 0


async def _restart_under_load(stack: AsyncExitStack, environment: dict[str, str], port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(trust_env=False, base_url=url, headers=admin, timeout=60) as http:
        await until(lambda: _sees_both(http), _PATIENCE)
        key = (await http.post("/admin/api-keys", json={"name": "callers"})).json()["key"]
        tokens = {
            f"kiosk_{n}": (await http.post("/admin/kiosks", json={"id": f"kiosk_{n}"})).json()["token"]
            for n in range(_KIOSKS)
        }
    fleet, found, over = Fleet(port, tokens), Counter[str](), asyncio.Event()
    tasks = [asyncio.create_task(fleet.be(name)) for name in tokens]
    stack.push_async_callback(_end, tasks)
    await until(lambda: len(fleet.here) == _KIOSKS, _PATIENCE)

    async def call(number: int) -> None:
        limits = httpx.Limits(max_keepalive_connections=0 if number % 2 else 5)
        async with httpx.AsyncClient(trust_env=False, base_url=url, limits=limits, timeout=250) as http:
            while not over.is_set():
                headers = {
                    "Authorization": f"Bearer {key}",
                    "Header-Kiosk-Id": f"kiosk_{random.randrange(_KIOSKS)}",
                    "Header-Operation-Type": "default",
                    "Header-Timeout": "200",
                }
                try:
                    answer = await http.post("/send", json={}, headers=headers)
                except httpx.HTTPError as error:
                    found[repr(error)] += 1
                else:
                    found["answered" if answer.status_code == 200 else answer.text] += 1
                await asyncio.sleep(0.01)

    callers = [asyncio.create_task(call(number)) for number in range(_CALLERS)]
    try:
        await until(lambda: found["answered"] > 10, _PATIENCE)
        assert await command(environment, "restart") == (
            0,
            "2 processes are restarted, one after another\ndone: all of them are new\n",
        )
        await until(lambda: len(fleet.here) == _KIOSKS, _PATIENCE)
    finally:
        over.set()
        await asyncio.gather(*callers)
    assert set(found) == {"answered"}
    assert fleet.closed[1012] >= _KIOSKS  # each was on one of the two


async def _sees_both(http: httpx.AsyncClient) -> bool:
    health = (await http.get("/health")).json()
    return [hub["is_this"] for hub in health["hubs"]] == [True, False]


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_several_processes_need_redis_and_postgresql(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_TREE), "JWT_SECRET": JWT_SECRET}
    code, said = await command({**environment, "STATE_DIR": str(tmp_path)}, "serve", "--processes", "2")
    assert code == 2
    assert "PROCESSES=2" in said
    assert "right would be: 1, which needs neither, or with it REDIS_URL=redis://… and DATABASE_URL=postgresql" in said
