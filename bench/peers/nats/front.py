"""The HTTP front of the NATS peer: `POST /send` becomes a request to `kiosk.<id>`, its reply the answer.

Tornado on uvloop, as our hub's door. No accounts, no tokens, no store, no second chance: what the messages cost alone.

    python -m bench.peers.nats.front --url nats://127.0.0.1:4222 --port 8000
"""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any

import nats
from nats.errors import NoRespondersError
from tornado.web import Application, RequestHandler

from bench.load import prefer_uvloop

ANSWER_TIMEOUT = 45.0


class Send(RequestHandler):
    """Asks one kiosk."""

    async def post(self) -> None:
        kiosk = self.request.headers.get("Header-Kiosk-Id")
        if not kiosk or not self.request.headers.get("Header-Operation-Type"):
            self._tell(400, "Header-Kiosk-Id and Header-Operation-Type are required")
            return
        try:
            json.loads(self.request.body)
        except ValueError:
            self._tell(400, "the body is not JSON")
            return
        try:
            reply = await self.settings["nats"].request(f"kiosk.{kiosk}", self.request.body, timeout=ANSWER_TIMEOUT)
        except NoRespondersError:
            self._tell(503, "the kiosk is offline")
        except TimeoutError:
            self._tell(504, "no answer from the kiosk")
        else:
            self.set_header("Content-Type", "application/json")
            self.finish(reply.data)

    def _tell(self, status: int, words: str) -> None:
        self.set_status(status)
        self.finish({"error": words})

    def compute_etag(self) -> str | None:
        return None  # nobody asks for it again


async def serve(url: str, port: int) -> None:
    """Until cancelled."""
    connection: Any = await nats.connect(url, name="front")
    Application([("/send", Send)], nats=connection, log_function=lambda _: None).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="bench.peers.nats.front")
    parser.add_argument("--url", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(argv)
    prefer_uvloop()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.url, options.port))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
