"""Where kiosks are, here and at other hubs together, and which were somewhere a moment ago."""

import asyncio

from cloud.bus.bus import Bus
from cloud.errors import Refused
from cloud.kiosks.elsewhere import Elsewhere
from cloud.kiosks.gossip import ROUTES_MAX
from cloud.kiosks.links import Links
from cloud.operations.attempts import Place
from cloud.operations.carrying import check_route
from cloud.operations.operation import Operation
from wire.legacy import NO_JOURNAL

UNREACHABLE = "another hub holds the kiosk, and cannot be reached"
_RECENT = 60.0  # a kiosk that left another hub this recently may be on its way to a third
_LEFT_MAX = 200_000
_HEARD_ALL = 10.0  # after this hub's beginning it has long heard of all kiosks that others hold


class Places:
    """Of all kiosks."""

    def __init__(self, bus: Bus, links: Links, elsewhere: Elsewhere) -> None:
        self._bus = bus
        self._links = links
        self._elsewhere = elsewhere
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._left: dict[str, float] = {}  # kiosks that other hubs had, and when they left
        self._look_at = 0.0  # for those of them that left long ago
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}

    def get(self, kiosk_id: str) -> Place | None:
        """Its connection, of those known the one with the greatest number; None: it is nowhere."""
        link, seen = self._links.get(kiosk_id), self._elsewhere.get(kiosk_id)
        if link is not None and link.ready and (seen is None or link.epoch >= seen.epoch):
            return Place(self._bus.me, link.epoch, link.journal, link.is_v1)
        if seen is None:
            return None
        return Place(seen.hub, seen.epoch, NO_JOURNAL if seen.is_v1 else seen.journal, seen.is_v1)

    def _is_recent(self, kiosk_id: str) -> bool:
        """Whether another hub had it a moment ago, or may have it without our having heard yet."""
        at, now = self._left.get(kiosk_id), self._loop.time()
        return now - self._began_at < _HEARD_ALL or (at is not None and now - at < _RECENT)

    async def _wait_for(self, kiosk_id: str, timeout: float) -> Place | None:
        """Where it is once it is somewhere, or None if it is not within `timeout` seconds."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiters.setdefault(kiosk_id, []).append(future)
        try:
            async with asyncio.timeout(timeout):
                while (place := self.get(kiosk_id)) is None:
                    await future
                    future = self._loop.create_future()
                    self._waiters.setdefault(kiosk_id, []).append(future)
        except TimeoutError:
            return None
        finally:
            waiting = self._waiters.get(kiosk_id, [])
            if future in waiting:
                waiting.remove(future)
            if not waiting:
                self._waiters.pop(kiosk_id, None)
        return place

    def is_elsewhere(self, kiosk_id: str) -> bool:
        """Whether another hub has it."""
        place = self.get(kiosk_id)
        return place is not None and place.hub != self._bus.me

    async def reach(self, operation: Operation, grace: float, *, is_recent: bool) -> Place:
        """Where a kiosk is that is to execute this; one that `is_recent` is waited for. Raises `Refused`."""
        kiosk_id = operation.kiosk_id
        place = self.get(kiosk_id)
        if place is None and grace and (is_recent or self._is_recent(kiosk_id)):
            place = await self._wait_for(kiosk_id, grace)
        if place is None:
            raise Refused("kiosk-offline", f"kiosk {kiosk_id} is not connected", retry_after=10)
        if place.hub == self._bus.me:
            link = self._links.get(kiosk_id)
            check_route(link.hello.routes if link is not None and link.hello else (), operation)
            return place
        if not self._bus.is_up:
            raise Refused("kiosk-offline", UNREACHABLE, retry_after=5)
        seen = self._elsewhere.get(kiosk_id)
        if seen is not None and len(seen.routes) < ROUTES_MAX:  # else there may be more than are told on
            check_route(seen.routes, operation)
        return place

    def moved(self, kiosk_id: str) -> Place | None:
        """It came to a hub, here or elsewhere, or left one. Returns where it is."""
        place = self.get(kiosk_id)
        if place is None:
            self._note_left(kiosk_id)
        else:
            self._left.pop(kiosk_id, None)
            for future in self._waiters.pop(kiosk_id, ()):
                if not future.done():
                    future.set_result(None)
        return place

    def _note_left(self, kiosk_id: str) -> None:
        now = self._loop.time()
        if len(self._left) >= _LEFT_MAX and now >= self._look_at:
            self._look_at = now + 1.0
            self._left = {key: at for key, at in self._left.items() if now - at < _RECENT}
        if len(self._left) < _LEFT_MAX:
            self._left[kiosk_id] = now
