"""The kiosk's local HTTP service, as small as Tornado allows: it says yes to every order and echoes its id.

The same program stands behind the appliance, behind the forwarding device of a peer, and, called directly, is the
floor: what the work costs when nothing is in between.

    python -m bench.gateway --port 8001
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import Sequence

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from bench.load import prefer_uvloop


class PaymentHandler(RequestHandler):
    """Any path: the answer of a gateway that took the money."""

    def post(self) -> None:
        order = json.loads(self.request.body or b"{}").get("order_id", "")
        self.finish({"status": "success", "order_id": order})

    def get(self) -> None:
        self.finish({"status": "success", "order_id": self.get_query_argument("order_id", "")})

    def compute_etag(self) -> None:
        """No entity tags: nobody asks with one, and hashing every answer is not the work measured."""


def make_app() -> Application:
    """The application, for a test or the demo to serve on a port of its own."""
    return Application([(r"/.*", PaymentHandler)], log_function=lambda handler: None)


async def serve(port: int) -> None:
    """Serve on loopback until told to stop."""
    server = HTTPServer(make_app())
    server.listen(port, "127.0.0.1")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.stop()


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="bench.gateway", description="A local gateway that always says yes.")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(argv)
    prefer_uvloop()
    asyncio.run(serve(options.port))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
