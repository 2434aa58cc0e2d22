"""The HTTP of it: `/bot<token>/<method>`, `/file/bot<token>/…` and `/sim/file/…`."""

import asyncio
import re
import time
from typing import Any

import msgspec
from tornado.web import RequestHandler

from cloud.emulator.api import METHODS
from cloud.emulator.arguments import Arguments, read
from cloud.emulator.bot import Bot
from cloud.emulator.errors import Refusal, too_many
from cloud.emulator.limits import Limits

Json = dict[str, Any]

_KEPT = 20_000  # calls of each log
_WORDS = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Lost(Exception):
    """It was done, and nobody is told."""


class _Fault(msgspec.Struct):
    times: int
    status: int = 0
    lost: bool = False
    pause: float = 0.0  # seconds before it is carried out
    method: str = ""  # in small letters; empty: all but getUpdates

    def meets(self, method: str) -> bool:
        return self.times > 0 and (self.method == method or (not self.method and method != "getupdates"))


class Calls:
    """Carries out calls, and remembers them."""

    def __init__(self, *, bot: Bot, token: str, limits: Limits | None) -> None:
        self.bot = bot
        self.token = token
        self.sent: list[Json] = []
        self.refused: list[Json] = []
        self.unknown: list[str] = []
        self._limits = limits
        self._faults: list[_Fault] = []
        self._limited: list[list[Any]] = []  # chat or None, seconds, times

    def limit(self, chat_id: int | None, retry_after: int, times: int) -> None:
        self._limited.append([chat_id, retry_after, times])

    def fail(self, status: int, times: int, method: str) -> None:
        self._faults.append(_Fault(times, status=status, method=method.lower()))

    def lose(self, times: int, method: str) -> None:
        self._faults.append(_Fault(times, lost=True, method=method.lower()))

    def slow(self, seconds: float, times: int, method: str) -> None:
        self._faults.append(_Fault(times, pause=seconds, method=method.lower()))

    async def call(self, name: str, given: Arguments) -> Any:
        """Carry out one method; returns its result. Raises `Refusal`; `Lost` when it is done but not to be answered."""
        low = name.lower()
        fault = next((fault for fault in self._faults if fault.meets(low)), None)
        if fault is not None:
            fault.times -= 1
        method = METHODS.get(low)
        entry: Json = {"method": method.name if method else name, "given": given.values, "at": time.time()}
        try:
            if fault is not None and fault.pause:
                await asyncio.sleep(fault.pause)
            if fault is not None and fault.status:
                raise Refusal(fault.status, _WORDS.get(fault.status, "Bad Gateway"))
            if method is None:
                raise Refusal(404, "Not Found")
            for unknown in sorted(given.values.keys() - method.parameters):
                self.unknown.append(f"{entry['method']}.{unknown}")
            if method.writes:
                self._hold(self.bot.world.find(given.text("chat_id")).chat_id)
            result = await method.act(self.bot, given)
        except Refusal as no:
            _keep(self.refused, entry | {"status": no.status, "words": no.words})
            raise
        _keep(self.sent, entry | {"result": result})
        if fault is not None and fault.lost:
            raise Lost
        return result

    def _hold(self, chat_id: int) -> None:
        for limited in self._limited:
            if limited[2] > 0 and limited[0] in {None, chat_id}:
                limited[2] -= 1
                raise too_many(limited[1])
        if self._limits is not None:
            wait = self._limits.count(chat_id, time.monotonic())
            if wait:
                raise too_many(wait)


def _keep(log: list[Json], entry: Json) -> None:
    log.append(entry)
    if len(log) > _KEPT:
        del log[0]


class ApiHandler(RequestHandler):
    """/bot<token>/<method>"""

    def initialize(self, calls: Calls) -> None:
        self._calls = calls
        self._is_gone = False

    async def get(self, token: str, method: str) -> None:
        try:
            if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]{35,}", token):
                raise Refusal(404, "Not Found")
            if token != self._calls.token:
                raise Refusal(401, "Unauthorized")
            result = await self._calls.call(method, read(self.request))
        except Lost:
            self.detach().close()
            return
        except Refusal as no:
            self.set_status(no.status)
            answer: Json = {"ok": False, "error_code": no.status, "description": no.words}
            if no.parameters:
                answer["parameters"] = no.parameters
        else:
            answer = {"ok": True, "result": result}
        if self._is_gone:
            return
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(answer))

    post = get

    def on_connection_close(self) -> None:
        self._is_gone = True

    def check_xsrf_cookie(self) -> None:
        """There are no cookies."""


class FileHandler(RequestHandler):
    """A file that was sent, for whoever knows its id."""

    def initialize(self, calls: Calls) -> None:
        self._calls = calls

    async def get(self, token: str, file_id: str) -> None:
        if token and token != self._calls.token:
            self.set_status(404)
            return
        stored = self._calls.bot.world.files.get(file_id)
        if stored is None:
            self.set_status(404)
            self.finish("There is no such file\n")
            return
        self.set_header("Content-Type", "application/octet-stream")
        name = re.sub(r"[^A-Za-z0-9._-]", "_", stored.name)
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(stored.data)


def routes(calls: Calls) -> list[Any]:
    """For the application."""
    given = {"calls": calls}
    return [
        (r"/(?i:bot)([^/]+)/([^/]+)", ApiHandler, given),
        (r"/file/(?i:bot)([^/]+)/documents/([A-Za-z0-9]+)", FileHandler, given),
        (r"/sim/file()/([A-Za-z0-9]+)", FileHandler, given),
    ]
