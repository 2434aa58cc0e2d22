"""GET /engineer/live, a WebSocket: the part of an engineer's page that changes, each time it does.

Only behind a session, looked at anew with every message: one that is over closes the socket (4401), and the page asks
for the PIN. That a page is open is no sign that somebody is there, so a session ends by its half hour all the same.
"""

import asyncio
import contextlib
import logging

import msgspec
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from appliance.engineer.sessions import COOKIE
from appliance.web.engineer_reading import chosen
from appliance.web.engineer_shell import PATH, EngineerPage
from appliance.web.page import render

LIVES_MAX = 4
EVERY_S = 1.0
_LINES_EVERY_S = 3.0
_LINES_SHOWN = 200
_WRITE_S = 10.0
_OVER, _MANY, _DONE = 4401, 1013, 1000

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_open: set["LivePage"] = set()


class LivePage(EngineerPage, WebSocketHandler):
    """What is told is HTML of our own templates, escaped there."""

    methods = "GET"
    quiet = True

    def prepare(self) -> None:
        """As of any page of the part; besides, it has to be a WebSocket, of this origin."""
        super().prepare()
        self._task: asyncio.Task[None] | None = None
        if self._finished:
            return
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            self.go(PATH)
        elif self.request.headers.get("Origin") is None:
            self.show("engineer_no.html", 403, key="old-page")

    def check_origin(self, origin: str) -> bool:
        """As of any page."""
        return self.guard.origin_allowed(origin, self.request.headers.get("Host", ""))

    def open(self, *_unused: str, **_none: str) -> None:
        """It listens."""
        if len(_open) >= LIVES_MAX:
            self.close(_MANY, "too many pages are open")
            return
        _open.add(self)
        self.set_nodelay(True)
        self._task = asyncio.create_task(self._tell(), name="engineer-live")

    def on_message(self, message: str | bytes) -> None:
        """Nothing is asked for here."""

    def on_close(self) -> None:
        """It is gone."""
        _open.discard(self)
        if self._task is not None:
            self._task.cancel()

    async def _tell(self) -> None:
        what = self.get_query_argument("what", "job")
        told, again = "", True
        try:
            while again:
                if self.engineer.find(self.get_cookie(COOKIE, "") or "", self.address, touch=False) is None:
                    self.close(_OVER, "signed out")
                    return
                html, again, wait_s = await self._part(what)
                if html != told or not again:
                    async with asyncio.timeout(_WRITE_S):
                        await self.write_message(_encode({"html": html, "done": not again}))
                    told = html
                if again:
                    await self._wait(what, wait_s)
            self.close(_DONE, "done")
        except (WebSocketClosedError, StreamClosedError, TimeoutError):
            self.close()
        except Exception:
            _log.exception("a page of the engineer's part failed within the appliance")
            self.close()

    async def _wait(self, what: str, seconds: float) -> None:
        job = self.engineer.work.running
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (job.changed.wait() if job is not None and what == "job" else asyncio.sleep(seconds))

    async def _part(self, what: str) -> tuple[str, bool, float]:
        """HTML, whether more may come, and when to look again."""
        if what == "logs":
            least, text = chosen(self.get_query_argument("level", ""), self.get_query_argument("text", ""))
            lines = (await self.engineer.lines(least, text))[:_LINES_SHOWN]
            return self._render("_engineer_lines.html", lines=lines), True, _LINES_EVERY_S
        if what == "restart":
            asked = await self.engineer.restarts.is_asked()
            return self._render("_engineer_waits.html", waits=self.engineer.restarts.waits()), asked, EVERY_S
        job = self.engineer.work.latest
        if job is None:
            return "", False, EVERY_S
        job.looked()
        return self._render("_engineer_steps.html", job=job, csrf=self.who.csrf), job.running, EVERY_S

    def _render(self, template: str, **facts: object) -> str:
        return render(template, self.language, self.words, **facts)
