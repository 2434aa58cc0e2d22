"""`GET /live`: the page's parts as they change, over one WebSocket, for whoever has the page open.

    {"parts": {"devices": "<section …>"}, "title": "…"}    those that look otherwise than what was sent last
    {}                                                      nothing changed for a while, and we are here

Drawn anew every `TURN_S`, once for all who look in one language. A page that
does not take what it is sent is closed and comes again. Nothing is heard here. A kiosk that is to be set up says
`again`: the page is loaded anew, and led to the set-up.
"""

import asyncio
import logging
import time
from typing import Any

import msgspec
from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from appliance.web.guard import Guard, peer_allowed
from appliance.web.handlers import Page
from appliance.web.page import WebPage
from appliance.web.page_facts import Gatherer
from appliance.web.page_home import HomePage, LookPage, render_parts
from appliance.web.rate import Rate
from appliance.web.setup import Setup

VIEWERS_MAX = 12
ELSEWHERE_MAX, EACH_MAX = 8, 4  # of those from elsewhere, and from one address there: some are left for who is here
TURN_S = 2.0
QUIET_S = 10.0  # so often something is sent though nothing changed: a page knows by it that we are here
WRITE_S = 10.0
CLOSE_S = 1.0
HEARD_MAX, HEARD_WITHIN_S = 20, 60.0
_GOING_AWAY, _NOT_WANTED, _TRY_AGAIN = 1001, 1008, 1013  # RFC 6455, 7.4.1, and IANA's registry of close codes

_MANY = "as many pages as may be are open already"

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Viewers:
    """The pages that are open, of which there are a few."""

    def __init__(self, gatherer: Gatherer) -> None:
        self.gatherer = gatherer
        self._open: set[LiveSocket] = set()
        self._drawn: dict[str, tuple[float, dict[str, str]]] = {}  # by language: when, and the parts

    async def parts(self, language: str) -> dict[str, str]:
        """The page's parts as they look now, drawn once for all who look in one language."""
        at, parts = self._drawn.get(language, (float("-inf"), {}))
        if time.monotonic() - at < TURN_S / 2:
            return parts
        parts = render_parts(await self.gatherer.view(), language)
        self._drawn[language] = time.monotonic(), parts
        return parts

    def full(self, address: str) -> bool:
        """Whether one more from there would be too many. Nobody on the network keeps the kiosk's own screen out."""
        if peer_allowed(address):
            return len(self._open) >= VIEWERS_MAX
        others = [page.address for page in self._open if not peer_allowed(page.address)]
        return len(others) >= min(ELSEWHERE_MAX, VIEWERS_MAX) or others.count(address) >= EACH_MAX

    def add(self, page: "LiveSocket") -> None:
        """It looks."""
        self._open.add(page)

    def remove(self, page: "LiveSocket") -> None:
        """It no longer does."""
        self._open.discard(page)

    def holds(self, stream: IOStream) -> bool:
        """Whether a connection is one of theirs."""
        return any(page.stream is stream for page in self._open)

    async def close(self) -> None:
        """Tell all of them to go, and hang up."""
        for page in list(self._open):
            page.close(_GOING_AWAY, "the appliance stops")
        if tasks := [page.task for page in self._open if page.task is not None]:
            await asyncio.wait(tasks, timeout=CLOSE_S)
        for page in list(self._open):
            page.hang_up()
        await self.gatherer.close()


class LiveSocket(WebPage, WebSocketHandler):
    """GET /live."""

    methods = "GET"

    def initialize(self, guard: Guard, viewers: Viewers) -> None:  # type: ignore[override]
        """Dependencies come through the route."""
        super().initialize(guard)
        self._viewers = viewers
        self.task: asyncio.Task[None] | None = None
        self.stream: IOStream | None = None
        self.address = str(self.request.remote_ip)
        self._heard = Rate(HEARD_MAX, HEARD_WITHIN_S)

    def prepare(self) -> None:
        """As of any page; besides, one too many is refused, and who asks for a page."""
        super().prepare()
        if self._finished or self.request.method != "GET":
            return
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            self.set_header("Upgrade", "websocket")
            self._refuse(426, "this is a WebSocket, for the page at /")
        elif self._viewers.full(self.address):
            self._refuse(503, _MANY)

    def check_origin(self, origin: str) -> bool:
        """Looked at already."""
        return True

    def open(self, *_unused: str, **_none: str) -> None:
        """It looks from now on."""
        connection = self.ws_connection
        self.stream = connection.stream if connection is not None else None
        if self._viewers.full(self.address):  # several came in one moment
            self.close(_TRY_AGAIN, _MANY)
            return
        self.set_nodelay(True)
        self._viewers.add(self)
        self.task = asyncio.create_task(self._tell(self.language), name="live")

    def on_message(self, message: str | bytes) -> None:
        """Nothing is asked for here."""
        if not self._heard.allows(time.monotonic()):
            self.close(_NOT_WANTED, "this socket tells and does not listen")

    def on_close(self) -> None:
        """It is gone."""
        self._viewers.remove(self)
        if self.task is not None:
            self.task.cancel()

    def hang_up(self) -> None:
        """Close without a word."""
        if self.stream is not None:
            self.stream.close()

    async def _tell(self, language: str) -> None:
        """The top of the task."""
        try:
            await self._tell_changes(language)
        except TimeoutError:
            _log.info("an open page does not read; its connection is closed")
            self.hang_up()
        except (WebSocketClosedError, StreamClosedError):
            pass
        except Exception:
            _log.exception("the page failed within the appliance")
            self.hang_up()

    async def _tell_changes(self, language: str) -> None:
        sent: dict[str, str] = {}
        said_at = float("-inf")
        began_open = not self._viewers.gatherer.takes_codes
        while True:
            parts = await self._viewers.parts(language)
            news = {name: text for name, text in parts.items() if sent.get(name) != text}
            sent = parts
            now = time.monotonic()
            if news or now - said_at >= QUIET_S:
                message: dict[str, Any] = {}
                if "title" in news:
                    message["title"] = news.pop("title")
                if news:
                    message["parts"] = news
                if began_open and self._viewers.gatherer.takes_codes:
                    message["again"] = True
                async with asyncio.timeout(WRITE_S):
                    await self.write_message(_encode(message).decode())
                said_at = now
            await asyncio.sleep(TURN_S)


def page_paths(
    guard: Guard, viewers: Viewers | None, setup: Setup | None
) -> list[tuple[str, type[Page], dict[str, object]]]:
    """All paths of the kiosk's page."""
    if viewers is None:
        return []
    given: dict[str, object] = {"guard": guard, "gatherer": viewers.gatherer}
    return [
        ("/", HomePage, {**given, "setup": setup}), ("/network", LookPage, given),
        ("/live", LiveSocket, {"guard": guard, "viewers": viewers}),
    ]  # fmt: skip
