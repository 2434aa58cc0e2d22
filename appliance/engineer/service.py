"""The engineer's part: who is let in, and what he has the kiosk do. The `web` door comes in."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

from appliance.engineer import bundle, gates
from appliance.engineer.bundle import Sources
from appliance.engineer.collecting import Collecting
from appliance.engineer.lines import Line, choose, last, read
from appliance.engineer.pin import Lock
from appliance.engineer.redact import Redactor
from appliance.engineer.sessions import Session, Sessions
from appliance.engineer.trial import LIMIT_S, MOVES_MONEY, try_device
from appliance.engineer.tries import Tries
from appliance.engineer.work import Failed, Job, Note, Work
from appliance.logs import FILE_NAME
from appliance.routes import Route
from appliance.supervisor import NoSuchDevice, Supervisor

_LINES_MAX, _SEARCHED_MAX = 300, 2000
_LINES_BYTES = 512 * 1024
_TOLD_EVERY_S = 60.0  # of wrong PINs: the hub is told of the first, then of how many there were
_BUNDLE_S = 60.0

_log = logging.getLogger(__name__)


class Restarts(Protocol):
    """Who ends this run once nothing moves."""

    async def ask(self) -> None:
        """Raises OSError."""

    async def forget(self) -> None:
        """Raises OSError."""

    async def is_asked(self) -> bool:
        """Whether somebody wants one."""

    def waits(self) -> list[str]:
        """What it waits for."""


class Engineer:
    """All of it.

    Args:
        holder: which session is about to use a device; empty: none.
        routes: those in force.
        sources: what a bundle is made of, at this moment; called on the event loop, and quick.
        recent: the log's lines in memory.
    """

    def __init__(
        self, *, lock: Lock, note: Note, supervisor: Supervisor, collecting: Collecting, restarts: Restarts,
        holder: Callable[[str], str], routes: Callable[[], list[Route]], sources: Callable[[], Sources],
        wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.lock = lock
        self.sessions = Sessions()
        self.tries = Tries()
        self.work = Work(note)
        self.collecting = collecting
        self.restarts = restarts
        self.supervisor = supervisor
        self.form = secrets.token_urlsafe(16)  # in forms of who has no session yet
        self._note = note
        self._holder = holder
        self._routes = routes
        self._sources = sources
        self.wall, self._steady = wall, steady
        self._wrong, self._wrong_told_at = 0, float("-inf")
        self._packing = asyncio.Lock()
        self._lines_found: tuple[tuple[object, ...], list[Line]] = (), []  # what was asked, and the answer

    async def stop(self) -> None:
        """The program stops: what runs is put away."""
        await self.work.stop()

    # Coming in

    def wait(self, address: str, *, here: bool) -> float:
        """Seconds until a PIN may be tried from there; 0: now."""
        return self.tries.wait(address, self._steady(), here=here)

    async def sign_in(self, typed: str, address: str, *, here: bool) -> tuple[str, Session] | None:
        """A session and its cookie, None: that was not the PIN. Raises `BusyError`, and `ValueError` in words.

        The try is counted before it is looked at: many at once are no way around the wait.
        """
        now = self._steady()
        wrong = self.tries.failed(address, now, here=here)
        try:
            right = await self.lock.check(typed)
        except BaseException:
            self.tries.undo(address, here=here)
            raise
        if not right:
            _log.warning("a wrong PIN was typed", extra={"address": address, "wrong": wrong})
            await self._tell_wrong(address, wrong, now)
            return None
        self.tries.succeeded(address, here=here)
        found = self.sessions.begin(address, self._steady())
        _log.info("an engineer signed in", extra={"address": address})
        await self._note("engineer-signed-in", {"address": address})
        return found

    def find(self, cookie: str, address: str, *, touch: bool = True) -> Session | None:
        """Whose cookie this is."""
        return self.sessions.find(cookie, address, self._steady(), touch=touch)

    async def set_pin(self, pin: str, where: str) -> None:
        """Raises `ValueError` and OSError. Whoever is signed in has to type the new one."""
        await self.lock.set(pin, self.wall())
        self.sessions.end_all()
        _log.info("the engineer's PIN was set", extra={"where": where})
        await self._note("engineer-pin-set", {"where": where})

    # Doing

    def try_device(self, name: str, trial: str, *, sure: bool) -> Job:
        """Begin it. Raises `Busy` and `Failed`."""
        if trial in MOVES_MONEY and not sure:
            raise Failed("device.not-sure")
        try:
            watched = self.supervisor.find(name)
        except NoSuchDevice:
            raise Failed("device.none") from None

        async def do(job: Job) -> None:
            job.facts.setdefault("told", {})["test"] = trial
            try:
                await try_device(job, watched, trial, self._holder)
            finally:
                job.facts["told"] = {**job.facts.get("told", {}), "test": trial}

        return self.work.begin("tested", name, do, limit_s=LIMIT_S)

    def check_routes(self) -> Job:
        """Begin it. Raises `Busy`."""

        async def do(job: Job) -> None:
            await gates.check_routes(job, self._routes(), self.supervisor)

        return self.work.begin("checked-routes", "", do, limit_s=gates.LIMIT_S)

    async def collect(self, names: list[str], reference: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The records, and what became of the slip. Raises `StorageError`."""
        records = await self.collecting.collect(names, reference)
        slip = await self.collecting.print_slip(records, f"engineer/{reference}")
        _log.info("money was collected", extra={"devices": names, "slip": slip.get("status")})
        await self._note("engineer-collected", {
            "devices": names, "slip": slip.get("status", ""),
            "totals": [{"device": each["device"], "currency": each["currency"], "total": each["total"]}
                       for each in records],
        })  # fmt: skip
        return records, slip

    async def restart(self) -> None:
        """Raises OSError."""
        await self.restarts.ask()
        _log.info("an engineer asked for a restart")
        await self._note("engineer-restart", {})

    async def bundle(self) -> bytes:
        """The support bundle; one is made at a time. Raises `TimeoutError`."""
        async with asyncio.timeout(_BUNDLE_S), self._packing:
            data = await asyncio.to_thread(bundle.build, self._sources())
        _log.info("a support bundle was made", extra={"bytes": len(data)})
        await self._note("engineer-bundle", {"bytes": len(data)})
        return data

    async def lines(self, least: str, text: str) -> list[Line]:
        """The log's newest lines, newest first, without what is secret."""
        sources = self._sources()

        def look() -> list[Line]:
            found = last(sources.log_dir, FILE_NAME, sources.recent, _LINES_BYTES)
            # By a word only behind the sieve: what is taken out is not found out by looking for it either.
            newest = choose(found, least=least, text="", most=_SEARCHED_MAX if text else _LINES_MAX)
            asked = (least, text, len(newest), newest[0] if newest else "")
            before, lines = self._lines_found  # as one: several threads may look at a time
            if asked != before:
                shown = Redactor(sources.known).lines(reversed(newest))
                lines = [read(each) for each in choose(shown, least="", text=text, most=_LINES_MAX)]
                self._lines_found = asked, lines
            return lines

        return await asyncio.to_thread(look)

    async def _tell_wrong(self, address: str, wrong: int, now: float) -> None:
        self._wrong += 1
        if now - self._wrong_told_at >= _TOLD_EVERY_S:
            count, self._wrong, self._wrong_told_at = self._wrong, 0, now
            await self._note("engineer-refused", {"address": address, "tries": count, "in_a_row": wrong})
