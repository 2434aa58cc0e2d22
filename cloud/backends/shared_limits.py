"""A limit that all hubs keep together: each tells the others what it let through, and they count it as their own.

Several times a second, so that between two tellings a hub knows nothing of the others: with n hubs, at most n bursts go
through at once where one hub would let one through. What went through too much is owed: it is paid back before more is
let through, up to one burst. Without the bus each hub limits by itself. What is given back is told as well: a right
code among a thousand costs nothing at any hub.
"""

import asyncio
from collections.abc import Callable

import msgspec

from cloud.backends.limits import RateLimit
from cloud.bus.bus import Bus
from cloud.cancelled import cancelled

_EVERY = 0.25
_NAMES = 5000  # in one telling; more wait for the next


class Taken(msgspec.Struct, frozen=True):
    """What a hub let through since it told last, by name; below 0: it gave so many back that it had told before.

    `what` names the limit; empty: that of keys, the only one of which hubs of a version before tell.
    """

    counts: dict[str, int]
    what: str = ""


class SharedRateLimit(RateLimit):
    """See `RateLimit`. Pure; time is an argument."""

    __slots__ = ("_taken",)

    def __init__(self, rate: float, burst: float, names: int = 100_000) -> None:
        super().__init__(rate, burst, names)
        self._taken: dict[str, int] = {}

    def take(self, name: str, now: float, count: int = 1) -> float:
        """See `RateLimit`."""
        wait = super().take(name, now, count)
        if not wait and self._rate and (name in self._taken or len(self._taken) < self._names):
            self._taken[name] = self._taken.get(name, 0) + count
        return wait

    def give_back(self, name: str) -> None:
        """See `RateLimit`."""
        super().give_back(name)
        if name in self._taken or len(self._taken) < self._names:
            self._taken[name] = self._taken.get(name, 0) - 1

    def to_tell(self, most: int = _NAMES) -> dict[str, int]:
        """What was taken since this was asked last."""
        told = {name: self._taken.pop(name) for name in list(self._taken)[:most]}
        return {name: count for name, count in told.items() if count}

    def forget(self) -> None:
        """What was taken is not to be told any more."""
        self._taken.clear()

    def taken_elsewhere(self, counts: dict[str, int], now: float) -> None:
        """Another hub let this through, or gave it back."""
        if not self._rate:
            return
        for name, count in counts.items():
            if not count or (count < 0 and name not in self._buckets):
                continue
            if name not in self._buckets and len(self._buckets) >= self._names:
                self._forget(now)
            tokens, at = self._buckets.get(name, (self._burst, now))
            tokens = min(self._burst, tokens + max(0.0, now - at) * self._rate)
            self._buckets[name] = (min(self._burst, max(-self._burst, tokens - count)), now)


class LimitsTold:
    """Keeps limits in common with the other hubs. To be made before the bus is started."""

    def __init__(self, bus: Bus, keys: SharedRateLimit) -> None:
        self._bus = bus
        self._limits: dict[str, tuple[SharedRateLimit, Callable[[], float]]] = {}
        self.share("", keys, asyncio.get_running_loop().time)
        self._task: asyncio.Task[None] | None = None
        bus.hear(Taken, self._heard)

    def share(self, what: str, limit: SharedRateLimit, clock: Callable[[], float]) -> None:
        """Another one, by a name that all hubs know. `clock` is what gives it the time where it is taken from."""
        self._limits[what] = limit, clock

    def start(self) -> None:
        """Begin to tell."""
        self._task = asyncio.create_task(self._tell_on(), name="limits")

    async def stop(self) -> None:
        """Tell no more."""
        if self._task is not None:
            await cancelled(self._task)

    def _heard(self, _life: str, taken: Taken) -> None:
        if found := self._limits.get(taken.what):
            limit, clock = found
            limit.taken_elsewhere(taken.counts, clock())

    async def _tell_on(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            for what, (limit, _) in self._limits.items():
                counts = limit.to_tell()
                if counts and not self._bus.tell_all(Taken(counts, what)):
                    limit.forget()  # too late by then: who was not told by now would take it for new
