"""Kiosks that are here: connected to a hub, answering what they are asked, and callers that ask. For pictures of pages.

    with FleetHere(hub.ws_url, {kiosk: token}) as fleet: …

One thread with its own loop carries them all. Each says hello with its devices, answers most requests at once, refuses
some, and leaves some unanswered; a few go away and come back. Chance is seeded: two runs tell about the same.
"""

import asyncio
import contextlib
import json
import random
import threading
from collections.abc import Mapping
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

_DEVICES = (
    {"name": "bills", "role": "bill validator", "driver": "ccnet", "state": "ready"},
    {"name": "coins", "role": "coin acceptor", "driver": "cctalk", "state": "ready"},
    {"name": "hopper", "role": "coin hopper", "driver": "cctalk", "state": "ready"},
    {"name": "register", "role": "fiscal register", "driver": "shtrih", "state": "ready"},
    {"name": "printer", "role": "receipt printer", "driver": "escpos", "state": "ready"},
)
_VERSIONS = ("2.7.0", "2.7.0", "2.7.0", "2.7.0", "2.6.3", "2.8.0")
_START_S = 20.0


class FleetHere:
    """A context manager; inside it, the kiosks are here."""

    def __init__(self, url: str, tokens: Mapping[str, str], *, seed: int = 8) -> None:
        """`url` is the hub's /ws, `tokens` a token for each kiosk."""
        self._url = url
        self._tokens = dict(tokens)
        self._seed = seed
        self._here = 0
        self._all_here = threading.Event()
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._carry, name="fleet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._all_here.wait(_START_S):
            raise TimeoutError(f"{self._here} of {len(self._tokens)} kiosks are here after {_START_S:g} s")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_S)

    def _carry(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            kiosks = [
                group.create_task(self._kiosk(number, kiosk, token), name=kiosk)
                for number, (kiosk, token) in enumerate(self._tokens.items())
            ]
            await self._stop.wait()
            for task in kiosks:
                task.cancel()

    async def _kiosk(self, number: int, kiosk: str, token: str) -> None:
        chance = random.Random(f"{self._seed} {kiosk}")
        headers = {"Authorization": f"Bearer {token}"}
        is_first = True
        while True:
            with contextlib.suppress(WebSocketException, OSError):
                async with connect(
                    self._url,
                    additional_headers=headers,
                    subprotocols=[Subprotocol("kiosk.v2")],
                    proxy=None,
                    close_timeout=1,
                ) as socket:
                    await socket.send(json.dumps(_hello(kiosk, number, chance)))
                    await socket.recv()
                    if is_first:
                        is_first = False
                        self._arrived()
                    await self._serve(socket, chance)
            await asyncio.sleep(1)

    def _arrived(self) -> None:
        self._here += 1
        if self._here == len(self._tokens):
            self._all_here.set()

    async def _serve(self, socket: ClientConnection, chance: random.Random) -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "request":
                await asyncio.sleep(chance.uniform(0.02, 0.4))
                if answer := _answer(message, chance):
                    await socket.send(json.dumps(answer))


def _hello(kiosk: str, number: int, chance: random.Random) -> dict[str, Any]:
    devices: list[dict[str, str]] = [dict(each) for each in _DEVICES]
    if number % 9 == 4:
        devices[0]["state"] = "fault"
    if number % 13 == 6:
        devices[4]["state"] = "absent"
    return {
        "type": "hello", "version": chance.choice(_VERSIONS), "boot_id": f"boot-{kiosk}", "journal": f"journal-{kiosk}",
        "uptime": chance.uniform(3600, 900_000), "routes": ["payment", "cash", "fiscal", "status", "default"],
        "devices": devices,
    }  # fmt: skip


def _answer(request: dict[str, Any], chance: random.Random) -> dict[str, Any] | None:
    """What is answered; None: nothing is."""
    head = {"type": "response", "request_id": request["request_id"], "operation": request["operation"]}
    elapsed = round(chance.lognormvariate(0.2, 0.5), 3)
    roll = chance.random()
    if roll < 0.03:
        return None
    if roll < 0.08:
        error = {"type": "gateway-unreachable", "detail": "nobody listens at the gateway's address"}
        return {**head, "executed": "no", "error": error, "elapsed": elapsed}
    if roll < 0.11:
        return {**head, "executed": "yes", "status": 402, "body": {"error": "declined"}, "elapsed": elapsed}
    body = {"status": "approved", "transaction_id": f"{chance.getrandbits(48):012x}"}
    return {**head, "executed": "yes", "status": 200, "body": body, "elapsed": elapsed}
