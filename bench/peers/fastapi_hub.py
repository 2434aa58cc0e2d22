"""A hub of the same shape on FastAPI and uvicorn[standard]: sockets in a dict, a future for each request.

What most would write first, written well: uvloop and httptools, one worker, the request read and the answer made
without a model in between. It has no accounts, no tokens, no journal, no metrics and no second chance, so it is
the price of the framework alone.

    python -m bench.peers.fastapi_hub --port 8000
"""

# mypy: disable-error-code="import-not-found, untyped-decorator"
from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

ANSWER_TIMEOUT = 45.0

app = FastAPI(openapi_url=None)
sockets: dict[str, WebSocket] = {}
waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}


@app.get("/health")
async def health() -> Response:
    """Ready, and how many kiosks are here."""
    return JSONResponse({"status": "ok", "kiosks": len(sockets)})


@app.websocket("/ws")
async def kiosk_socket(socket: WebSocket, kiosk: str) -> None:
    """Hold a kiosk's socket and hand its answers to those who wait for them."""
    await socket.accept()
    sockets[kiosk] = socket
    try:
        while True:
            answer = json.loads(await socket.receive_text())
            future = waiting.get(answer.pop("request_id", ""))
            if future is not None and not future.done():
                future.set_result(answer)
    except WebSocketDisconnect:
        pass
    finally:
        if sockets.get(kiosk) is socket:
            del sockets[kiosk]


@app.post("/send")
async def send(request: Request) -> Response:
    """Ask one kiosk and wait for its answer."""
    headers = request.headers
    kiosk = headers.get("header-kiosk-id")
    operation = headers.get("header-operation-type")
    if not kiosk or not operation:
        return JSONResponse({"error": "Header-Kiosk-Id and Header-Operation-Type are required"}, 400)
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        return JSONResponse({"error": "the body is not JSON"}, 400)
    socket = sockets.get(kiosk)
    if socket is None:
        return JSONResponse({"error": "the kiosk is offline"}, 503)
    request_id = str(uuid4())
    future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    waiting[request_id] = future
    message = {
        "request_id": request_id,
        "headers": {
            "header-kiosk-id": kiosk,
            "header-operation-type": operation,
            "header-http-method": headers.get("header-http-method", "POST"),
        },
        "body": body,
    }
    try:
        await socket.send_text(json.dumps(message))
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return JSONResponse(await future)
    except TimeoutError:
        return JSONResponse({"error": "no answer from the kiosk"}, 504)
    finally:
        waiting.pop(request_id, None)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="bench.peers.fastapi_hub")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(argv)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=options.port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        backlog=4096,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
