"""A word to the other hubs that something in the database changed: they look at once, and not with their next look.

A nudge that is lost costs only the time until that.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from cloud.bus.bus import Bus
from cloud.cancelled import cancelled

log = logging.getLogger(__name__)


class Nudge(msgspec.Struct, frozen=True):
    """What changed, by a name that all hubs know."""

    what: str


class Nudges:
    """Nudges of all rooms. To be made before the bus is started."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._looks: dict[str, Callable[[], Awaitable[None]]] = {}
        self._due: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        bus.hear(Nudge, self._heard)
        bus.when_back(self._look_at_all)

    def when(self, what: str, look: Callable[[], Awaitable[None]]) -> Callable[[], None]:
        """Have `look` called when another hub changed that; what is returned tells the others that this one did."""
        self._looks[what] = look
        return lambda: self.tell(what)

    def tell(self, what: str) -> None:
        """It changed here."""
        self._bus.tell_all(Nudge(what))

    async def stop(self) -> None:
        """Look no more."""
        tasks = list(self._tasks.values())
        await cancelled(*tasks)

    def _heard(self, _life: str, nudge: Nudge) -> None:
        if nudge.what in self._looks:
            self._due.add(nudge.what)
            if nudge.what not in self._tasks:  # else once more after that
                self._tasks[nudge.what] = asyncio.create_task(self._look(nudge.what), name=f"nudged to {nudge.what}")

    def _look_at_all(self) -> None:
        for what in self._looks:
            self._heard("", Nudge(what))

    async def _look(self, what: str) -> None:
        try:
            while what in self._due:
                self._due.discard(what)
                try:
                    await self._looks[what]()
                except Exception as error:  # the next regular look finds it
                    log.info("could not look at once", extra={"what": what, "error": type(error).__name__})
        finally:
            del self._tasks[what]
