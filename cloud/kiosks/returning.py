"""Over how long this hub's kiosks are to spread their return, should it die or restart: counted now and then."""

import time
from collections.abc import Callable

from cloud.bus.bus import Bus
from cloud.kiosks.elsewhere import Elsewhere
from cloud.kiosks.history import History
from cloud.kiosks.links import Links
from cloud.kiosks.registry import Registry
from wire.returning import SPREAD_LEAST_S, spread_of, with_hint

_COUNTED_FOR = 10.0  # seconds; each kiosk of a storm asks
_LATELY = 86400.0  # who was not here for longer does not come back just then; who was registered since may come


class Returning:
    """Knows how large the fleet is: of a hub that has just begun, too, to which only the first have come."""

    def __init__(
        self,
        *,
        registry: Registry,
        links: Links,
        elsewhere: Elsewhere,
        history: History,
        bus: Bus,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rate` is how many sockets a second this hub lets in; 0: no limit."""
        self._registry = registry
        self._links = links
        self._elsewhere = elsewhere
        self._history = history
        self._bus = bus
        self._rate = rate
        self._clock = clock
        self._counted_at: float | None = None
        self._fleet = 0

    def spread(self) -> float:
        """Seconds, as in `Welcome.spread`."""
        now = self._clock()
        if self._counted_at is None or now - self._counted_at >= _COUNTED_FOR:
            self._counted_at, self._fleet = now, self._count()
        hubs = 1 + len(self._bus.peers())
        return spread_of(fleet=self._fleet, here=self._links.connected, hubs=hubs, rate=self._rate)

    def goodbye(self, words: str) -> str:
        """The reason of a 1012. Where others take over at once, nobody need wait for this hub to be back."""
        spread = self.spread()
        return with_hint(words, max(spread, SPREAD_LEAST_S) if self._bus.peers() else spread)

    def _count(self) -> int:
        since, there = self._history.now() - _LATELY, self._elsewhere.all()
        fleet = 0
        for kiosk in self._registry.all():
            last = self._history.last(kiosk.id)
            was_here = last is not None and (last.ended_at is None or last.ended_at > since)
            fleet += kiosk.enabled and (was_here or kiosk.created_at > since or kiosk.id in there)
        return fleet
