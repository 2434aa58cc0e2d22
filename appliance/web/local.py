"""What the kiosk's own touch screen has of the appliance: `GET /events`, a WebSocket, and `POST /local/cancel`.

For programs of this machine alone, and for the pages whose origins the owner has named (SCREEN_ORIGINS). A page that
listens is told how things stand, then every change; docs/screen.md has the messages.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from appliance.screen import Overrun, Screen, Watcher
from appliance.web.guard import Guard, peer_allowed
from appliance.web.handlers import Page
from appliance.web.rate import Rate

CLIENTS_MAX = 8
WRITE_S = 10.0  # for one message; who takes longer does not read
CLOSE_S = 1.0  # for saying good-bye when the program stops
BODY_MAX = 4 * 1024
HEARD_MAX, HEARD_WITHIN_S = 60, 60.0  # messages from a page, which has nothing to say here
CANCELS_MAX, CANCELS_WITHIN_S = 20, 10.0
_GOING_AWAY, _NOT_WANTED, _TRY_AGAIN = 1001, 1008, 1013  # RFC 6455, 7.4.1, and IANA's registry of close codes

Cancel = Callable[[str | None], list[str]]

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class LocalPage(Page):
    """For this machine's own programs and the owner's own pages."""

    def prepare(self) -> None:
        """As of any page; besides, look at who connected and which page asks."""
        headers = self.request.headers
        host, origin = headers.get("Host", ""), headers.get("Origin")
        if not peer_allowed(str(self.request.remote_ip)):
            self._refuse(403, "this is for programs on the kiosk itself, by way of 127.0.0.1")
        elif not self.guard.host_allowed(host, self._local_address()):
            self._refuse(403, "this Host name is not allowed; right would be 127.0.0.1 or localhost")
        elif not self.guard.page_allowed(origin, host):
            self._refuse(403, "pages of this origin are not allowed; SCREEN_ORIGINS names those that are")
        elif origin is not None:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Vary", "Origin")


class Audience:
    """The pages that listen, of which there are a few."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self._listening: set[EventsSocket] = set()

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return len(self._listening) >= CLIENTS_MAX

    def add(self, page: "EventsSocket") -> None:
        """It listens."""
        self._listening.add(page)

    def remove(self, page: "EventsSocket") -> None:
        """It no longer does."""
        self._listening.discard(page)

    def holds(self, stream: IOStream) -> bool:
        """Whether a connection is one of theirs, which is not idle though nothing is asked on it."""
        return any(page.stream is stream for page in self._listening)

    async def close(self) -> None:
        """Tell all of them to go, and hang up."""
        for page in list(self._listening):
            page.close(_GOING_AWAY, "the appliance stops")
        if tasks := [page.task for page in self._listening if page.task is not None]:
            await asyncio.wait(tasks, timeout=CLOSE_S)  # cancelled with the connection
        for page in list(self._listening):
            page.hang_up()


class EventsSocket(LocalPage, WebSocketHandler):
    """GET /events: how things stand, then what happens. Anything that is said to it is passed over."""

    methods = "GET"

    def initialize(self, guard: Guard, audience: Audience) -> None:  # type: ignore[override]
        """Dependencies come through the route."""
        super().initialize(guard)
        self._audience = audience
        self.task: asyncio.Task[None] | None = None
        self._heard = Rate(HEARD_MAX, HEARD_WITHIN_S)
        self.stream: IOStream | None = None

    def prepare(self) -> None:
        """Refuse one too many, and who asks for a page."""
        super().prepare()
        if self._finished or self.request.method != "GET":
            return
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            self.set_header("Upgrade", "websocket")
            self._refuse(426, "this is a WebSocket; docs/screen.md shows how a page listens")
        elif self._audience.full:
            self._refuse(503, f"{CLIENTS_MAX} pages listen already")

    def check_origin(self, origin: str) -> bool:
        """Looked at already."""
        return True

    def open(self, *_unused: str, **_none: str) -> None:
        """It listens from now on."""
        connection = self.ws_connection
        self.stream = connection.stream if connection is not None else None
        if self._audience.full:  # several came in one moment
            self.close(_TRY_AGAIN, f"{CLIENTS_MAX} pages listen already")
            return
        self.set_nodelay(True)
        self._audience.add(self)
        self.task = asyncio.create_task(self._tell(), name="screen")

    def on_message(self, message: str | bytes) -> None:
        """Nothing is asked for here."""
        if not self._heard.allows(time.monotonic()):
            self.close(_NOT_WANTED, "this socket tells and does not listen; see POST /local/cancel")

    def on_close(self) -> None:
        """It is gone."""
        self._audience.remove(self)
        if self.task is not None:
            self.task.cancel()

    def hang_up(self) -> None:
        """Close without a word."""
        if self.stream is not None:
            self.stream.close()

    async def _tell(self) -> None:
        """The top of the task."""
        try:
            with self._audience.screen.watch() as watcher:
                await self._tell_all(watcher)
        except Overrun:
            _log.info("a page did not take its news in time and is to begin anew")
            self.close(_TRY_AGAIN, "too slow; connect again")
        except TimeoutError:
            _log.info("a page does not read; its connection is closed")
            self.hang_up()
        except (WebSocketClosedError, StreamClosedError):
            pass
        except Exception:
            _log.exception("the screen failed within the appliance")
            self.hang_up()

    async def _tell_all(self, watcher: Watcher) -> None:
        news: dict[str, Any] = {"type": "hello"}
        while True:
            async with asyncio.timeout(WRITE_S):
                await self.write_message(_encode(news).decode())
            news = await watcher.get()


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    id: str | None = None


class CancelPage(LocalPage):
    """POST /local/cancel: the customer does not want to go on."""

    methods = "POST, OPTIONS"

    def initialize(self, guard: Guard, cancel: Cancel, rate: Rate) -> None:  # type: ignore[override]
        """`cancel` ends one operation, or all that can be ended, and returns the ids of those that are being ended."""
        super().initialize(guard)
        self._cancel = cancel
        self._rate = rate

    def options(self) -> None:
        """A browser asks before it sends JSON from another page; whether that page may, was looked at already."""
        self.set_header("Access-Control-Allow-Methods", "POST")
        self.set_header("Access-Control-Allow-Headers", "Content-Type")
        if self.request.headers.get("Access-Control-Request-Private-Network") == "true":
            self.set_header("Access-Control-Allow-Private-Network", "true")
        self.set_header("Access-Control-Max-Age", "600")
        self.set_status(204)
        self.finish()

    def post(self) -> None:
        """End it."""
        # A form of any page may be posted anywhere; JSON is sent elsewhere only after `options` was asked.
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            self._refuse(415, 'right would be Content-Type: application/json and {} or {"id": "…"}')
            return
        if len(self.request.body) > BODY_MAX:
            self._refuse(413, f"the body is larger than {BODY_MAX} bytes")
            return
        try:
            wish = msgspec.json.decode(self.request.body or b"{}", type=_Wish)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._refuse(400, f'{error}; right would be {{}} or {{"id": "…"}}')
            return
        if not self._rate.allows(time.monotonic()):
            self._refuse(429, f"more than {CANCELS_MAX} times within {CANCELS_WITHIN_S:g} s")
            return
        cancelled = self._cancel(wish.id)
        if cancelled:
            self.answer(200, {"cancelled": cancelled})
        else:
            words = "nothing is running that can be cancelled"
            self.answer(409, {"error": words if wish.id is None else f"{words} and is called {wish.id}"[:200]})


Paths = list[tuple[str, type[RequestHandler], dict[str, Any]]]


def local_paths(guard: Guard, audience: Audience, cancel: Cancel) -> Paths:
    """The screen's paths."""
    rate = Rate(CANCELS_MAX, CANCELS_WITHIN_S)
    return [
        ("/events", EventsSocket, {"guard": guard, "audience": audience}),
        ("/local/cancel", CancelPage, {"guard": guard, "cancel": cancel, "rate": rate}),
    ]
