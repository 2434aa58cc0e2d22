"""Kiosks on NATS: a connection each, subscribed to `kiosk.<id>`, that answer at once.

It prints `ready <n>` when all have subscribed.

    python -m bench.peers.nats.device --url nats://127.0.0.1:4222 --kiosks kiosks.json
"""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nats

from bench.load import prefer_uvloop


async def answer(message: Any) -> None:
    """The instant answer of a gateway that took the money."""
    body = json.loads(message.data)
    await message.respond(json.dumps({"status": "success", "order_id": body.get("order_id", "")}).encode())


async def hold(url: str, kiosks: Sequence[str]) -> None:
    """Subscribe them all, and stay until cancelled."""
    connections = []
    for kiosk in kiosks:
        connection = await nats.connect(url, name=kiosk)
        await connection.subscribe(f"kiosk.{kiosk}", cb=answer)
        await connection.flush()
        connections.append(connection)
    print(f"ready {len(connections)}", flush=True)
    await asyncio.Event().wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Hold the connections until stopped."""
    parser = argparse.ArgumentParser(prog="bench.peers.nats.device")
    parser.add_argument("--url", required=True)
    parser.add_argument("--kiosks", type=Path, required=True, help="JSON: an object whose keys are kiosk ids")
    options = parser.parse_args(argv)
    prefer_uvloop()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(hold(options.url, list(json.loads(options.kiosks.read_text()))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
