"""Kiosks as WAMP components: a WebSocket each, and a procedure `kiosk.<id>.payment` that answers at once.

The same work as `bench.peers.device`, in Crossbar's own tongue and with its own client library (autobahn on asyncio).
It prints `ready <n>` when all procedures are registered.

    python -m bench.peers.crossbar.device --url ws://127.0.0.1:8080/ws --kiosks kiosks.json
"""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import txaio
from autobahn.asyncio.wamp import ApplicationSession
from autobahn.asyncio.websocket import WampWebSocketClientFactory
from autobahn.wamp.types import ComponentConfig, RegisterOptions

from bench.load import prefer_uvloop

REALM = "kiosks"
_CONNECTING_AT_ONCE = 100


class Kiosk(ApplicationSession):  # type: ignore[misc]
    """One kiosk; tells `joined` once its procedure is there."""

    def __init__(self, kiosk: str, joined: Callable[[], None]) -> None:
        super().__init__(ComponentConfig(realm=REALM))
        self._kiosk = kiosk
        self._joined = joined

    async def onJoin(self, details: Any) -> None:  # noqa: N802 - autobahn's name
        await self.register(self.pay, f"kiosk.{self._kiosk}.payment", options=RegisterOptions())
        self._joined()

    def pay(self, order_id: str = "", **_: Any) -> dict[str, str]:
        """The instant answer of a gateway that took the money."""
        return {"status": "success", "order_id": order_id}


async def hold(url: str, kiosks: Sequence[str]) -> None:
    """Register all kiosks, a hundred at a time, and stay until cancelled."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)
    ready = 0

    async def one(kiosk: str) -> None:
        nonlocal ready
        joined = asyncio.Event()
        factory = WampWebSocketClientFactory(lambda: Kiosk(kiosk, joined.set), url=url, loop=loop)
        factory.setProtocolOptions(tcpNoDelay=True)
        async with gate:
            await loop.create_connection(factory, parts.hostname or "127.0.0.1", parts.port or 80)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(60):
                    await joined.wait()
                    ready += 1

    async with asyncio.TaskGroup() as group:
        for kiosk in kiosks:
            group.create_task(one(kiosk), name=f"kiosk {kiosk}")
    print(f"ready {ready}", flush=True)
    await asyncio.Event().wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Hold the sockets until stopped."""
    parser = argparse.ArgumentParser(prog="bench.peers.crossbar.device")
    parser.add_argument("--url", required=True, help="ws://host:port/ws")
    parser.add_argument("--kiosks", type=Path, required=True, help="JSON: an object whose keys are kiosk ids")
    options = parser.parse_args(argv)
    prefer_uvloop()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    txaio.use_asyncio()
    txaio.config.loop = loop
    with contextlib.suppress(KeyboardInterrupt):
        loop.run_until_complete(hold(options.url, list(json.loads(options.kiosks.read_text()))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
