"""Kiosks with whose identity two boxes were seen lately, at whichever hub: each tells the others of those it has seen.

Nothing is decided by it; it is for people. What gets lost is told again with the next turn.
"""

import asyncio
import time
from collections.abc import Mapping

import msgspec

from cloud.bus.bus import Bus
from cloud.cancelled import cancelled
from cloud.kiosks.link import Link
from cloud.kiosks.links import Links

_EVERY, _GOOD_FOR = 2.0, 8.0  # seconds
_MOST = 500  # kiosks that one hub tells of


class Double(msgspec.Struct, frozen=True, kw_only=True):
    """Two boxes that go by a kiosk's identity. Times are Unix seconds."""

    address: str
    other: str
    is_same_journal: bool
    count: int
    first_at: float
    last_at: float


class DoublesTold(msgspec.Struct, frozen=True):
    """To all, again and again while there are any, and once when there are none any more."""

    doubles: dict[str, Double]


class Doubles:
    """Of all hubs together."""

    def __init__(self, bus: Bus, links: Links) -> None:
        """To be made before the bus is started."""
        self._bus = bus
        self._links = links
        self._loop = asyncio.get_running_loop()
        self._others: dict[str, tuple[float, dict[str, Double]]] = {}  # by hub: until when it is believed
        self._task: asyncio.Task[None] | None = None
        bus.hear(DoublesTold, self._heard)
        bus.when_gone(lambda life: self._others.pop(life, None))  # type: ignore[arg-type]

    def start(self) -> None:
        """Begin to tell."""
        if self._bus.is_shared:
            self._task = asyncio.create_task(self._run(), name="kiosks-doubles")

    async def stop(self) -> None:
        """Tell no more."""
        if self._task:
            await cancelled(self._task)

    def of(self, kiosk_id: str) -> Double | None:
        """What was seen of this one."""
        link = self._links.get(kiosk_id)
        if link is not None and (found := _double(link, self._loop.time())) is not None:
            return found
        if not self._others:
            return None
        now = self._loop.time()
        return next((told[kiosk_id] for until, told in self._others.values() if until > now and kiosk_id in told), None)

    def all(self) -> Mapping[str, Double]:
        """All of them, by kiosk."""
        if not self._others:
            return self._here() if self._links.duplicated else {}
        now = self._loop.time()
        found: dict[str, Double] = {}
        for until, told in self._others.values():
            if until > now:
                found |= told
        return found | self._here()

    def _here(self) -> dict[str, Double]:
        now = self._loop.time()
        found = ((link.kiosk_id, _double(link, now)) for link in self._links.alarming())
        return {kiosk_id: double for kiosk_id, double in found if double is not None}

    def _heard(self, life: str, told: DoublesTold) -> None:
        if told.doubles:
            self._others[life] = self._loop.time() + _GOOD_FOR, told.doubles
        else:
            self._others.pop(life, None)

    async def _run(self) -> None:
        told_any = False
        while True:
            await asyncio.sleep(_EVERY)
            here = self._here() if self._links.duplicated else {}
            if here or told_any:
                self._bus.tell_all(DoublesTold(dict(list(here.items())[:_MOST])))
            told_any = bool(here)


def _double(link: Link, now: float) -> Double | None:
    """`now` is by the links' clock."""
    found = link.identity.conflict
    if found is None or not link.identity.is_alarming(now):
        return None
    wall = time.time() - now
    return Double(
        address=found.here.address,
        other=found.there.address,
        is_same_journal=found.there.has_journal_of(found.here),
        count=found.count,
        first_at=wall + found.first_at,
        last_at=wall + found.last_at,
    )
