"""Facts about the link, the clock and the routes, as those who know them leave them here."""

import time
from collections import deque
from collections.abc import Callable

import msgspec


class Link:
    """The uplink as it was last seen; its owner writes, everybody reads."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self.connected = False
        self.since: float | None = None  # Unix seconds of the last change
        self.trouble = ""  # why there is no link now
        self.last_error = ""
        self.last_error_at: float | None = None
        self.dropped_at: float | None = None  # when a link that stood was lost last, and why
        self.dropped_why = ""

    def up(self) -> None:
        """The hub has welcomed us."""
        self.connected = True
        self.trouble = ""
        self.since = self._wall()

    def down(self, reason: str) -> None:
        """There is no link, because."""
        if self.connected:
            self.dropped_at, self.dropped_why = self._wall(), reason
        if self.connected or self.since is None:
            self.since = self._wall()
        self.connected = False
        self.trouble = self.last_error = reason
        self.last_error_at = self._wall()


class Clock:
    """Our wall clock and how far the hub's is from it."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._reference: tuple[float, float] | None = None  # the hub's time, our monotonic one at that moment

    def now(self) -> float:
        """The best Unix time there is: the hub's, carried on by the monotonic clock, else our own."""
        if self._reference is None:
            return self._wall()
        hub, at = self._reference
        return hub + self._monotonic() - at

    def heard(self, hub_time: float) -> None:
        """The hub has told its time."""
        self._reference = (hub_time, self._monotonic())

    @property
    def wall(self) -> float:
        """Our own clock."""
        return self._wall()

    @property
    def offset(self) -> float | None:
        """Seconds by which the hub's clock is ahead of ours; None before it told."""
        return None if self._reference is None else self.now() - self._wall()


class Lag:
    """The longest delay of the event loop within the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=120)

    def add(self, now: float, lag: float) -> None:
        """A timer came this much too late."""
        self._seen.append((now, lag))

    def worst(self, now: float) -> float:
        """Seconds."""
        return max((lag for at, lag in self._seen if now - at <= 60), default=0.0)


class Reload(msgspec.Struct, frozen=True):
    """How the last reading of the routing file went."""

    at: float
    mistakes: tuple[str, ...] = ()
