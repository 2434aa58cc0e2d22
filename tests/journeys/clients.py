"""Scripted kiosks: a fleet that speaks `kiosk.v2` in one thread, and a client of the first dialect.

They answer by themselves and remember what they were asked, as a ledger of their own.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from wire.messages import SUBPROTOCOL, Executed, Hello, Request, Response, encode
from wire.session import Action, Heard, KioskSession, Send, WantEvents, WantOutcomes

_ANSWER_S = 60.0


class Fleet:
    """Many kiosks. Each pays at once and answers with `by`: its name."""

    def __init__(self, url: str, tokens: Mapping[str, str]) -> None:
        self._url = url
        self._tokens = dict(tokens)
        self.executed: dict[str, str] = {}  # order → kiosk
        self.repeated: list[str] = []  # request ids that came again
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fleet", daemon=True)
        self._tasks: list[asyncio.Task[None]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(_ANSWER_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(_ANSWER_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_ANSWER_S)
            self._loop.close()

    async def _start(self) -> None:
        self._tasks = [asyncio.create_task(self._live(name, token)) for name, token in self._tokens.items()]

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _live(self, name: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        session, seen = KioskSession(), set[str]()
        async with connect_async(
            self._url,
            subprotocols=[SUBPROTOCOL],
            additional_headers=headers,
            proxy=None,
            ping_interval=None,
            open_timeout=_ANSWER_S,
        ) as socket:  # type: ignore[list-item]

            async def carry_out(actions: list[Action]) -> None:
                for action in actions:
                    match action:
                        case Send(message):
                            await socket.send(encode(message), text=True)
                        case Heard(Request() as request):
                            if request.request_id in seen:
                                self.repeated.append(request.request_id)
                                continue
                            seen.add(request.request_id)
                            await carry_out(session.accepted(request.request_id))
                            await carry_out(session.outcome(self._pay(name, request), time.monotonic()))
                        case WantOutcomes():
                            await carry_out(session.outcomes([], time.monotonic()))
                        case WantEvents():
                            await carry_out(session.events([], time.monotonic()))

            await carry_out(session.opened(Hello(version="0", boot_id=name, started_at=0.0, journal=name)))
            async for text in socket:
                await carry_out(session.received(text, time.monotonic()))

    def _pay(self, name: str, request: Request) -> Response:
        order = msgspec.json.decode(request.body)["order_id"]
        self.executed[order] = name
        body = msgspec.Raw(msgspec.json.encode({"order_id": order, "by": name}))
        return Response(
            request_id=request.request_id, operation=request.operation, executed=Executed.YES, status=200, body=body
        )


class V1Client:
    """A client already in the field: no journal, flat answers. `answer` makes one of a request; None says nothing."""

    def __init__(
        self, url: str, token: str, answer: Callable[[dict[str, Any]], dict[str, Any] | None], *, in_query: bool = False
    ) -> None:
        self._url = f"{url}?token={token}" if in_query else url
        self._headers = {} if in_query else {"Authorization": f"Bearer {token}"}
        self._answer = answer
        self.requests: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._socket: ClientConnection | None = None
        self._opened = threading.Event()
        self._thread: threading.Thread | None = None

    def connect(self) -> Self:
        """Open a connection and begin to answer."""
        self._opened.clear()
        self._thread = threading.Thread(target=self._live, name="v1", daemon=True)
        self._thread.start()
        assert self._opened.wait(_ANSWER_S)
        return self

    def say(self, message: dict[str, Any]) -> None:
        """Send anything."""
        assert self._socket is not None
        self._socket.send(json.dumps(message))

    def break_off(self) -> None:
        """Lose the connection."""
        if self._socket is not None:
            self._socket.close()
        if self._thread is not None:
            self._thread.join(_ANSWER_S)

    def _live(self) -> None:
        with connect(
            self._url, additional_headers=self._headers, proxy=None, ping_interval=None, open_timeout=_ANSWER_S
        ) as socket:
            self._socket = socket
            self._opened.set()
            with contextlib.suppress(ConnectionClosed):
                for text in socket:
                    request = json.loads(text)
                    self.requests.append(request)
                    answer = self._answer(request)
                    if answer is not None:
                        self.say({**answer, "request_id": request["request_id"]})
            self.close_code = socket.close_code

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.break_off()
