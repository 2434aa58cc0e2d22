"""What the overview shows, gathered once for all who look at it. In no language."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.alerts.alert import Alert, Severity
from cloud.alerts.service import Alerts
from cloud.dashboard.hubs import HubRow, hub_rows
from cloud.db.hubs_seen import hubs_lately
from cloud.kiosks.history import History
from cloud.kiosks.noteworthy import Noted, newest
from cloud.kiosks.registry import Kiosk, Registry
from cloud.kiosks.whereabouts import Whereabouts
from cloud.operations.facts import Facts
from cloud.operations.figures import SPANS, Bars, Count, Fleet, percentile, total
from cloud.operations.tally import Tally

LATELY = 5  # minutes, with the one that is not over
_KEEP = 2.0  # seconds for which all are shown the same
_WITHIN = 5.0
_NEWEST = 8
_AWAY_MAX, _ALERTS_MAX = 8, 5
_COMING_BACK = 120.0  # seconds after a start of the hub in which kiosks are expected, rather than missed
_ORDER = list(Severity)


class Away(msgspec.Struct, frozen=True):
    """A kiosk that is let in, was here once and is not; since when, if that is known."""

    kiosk: Kiosk
    since: float | None


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """How everything stands. What is None could not be read: the database does not answer."""

    at: float
    here: int
    enabled: int
    disabled: int
    never: int  # let in, and never seen: nobody misses them
    away: list[Away]  # the first of them
    running: int  # under way just now, by the hub's memory
    queued: int
    alerts: dict[str, int]  # that stand, by severity
    unseen: int  # critical ones that nobody has acknowledged
    worst: list[Alert]
    health: Mapping[str, Any]
    keys: int
    lately: Count | None = None
    minutes: float = 0.0  # how long `lately` is
    unknown: int | None = None
    callbacks: int | None = None
    newest: list[Noted] = []
    is_new: bool = False  # nothing was ever sent
    hubs: list[HubRow] = []  # of several

    @property
    def missing(self) -> int:
        """Kiosks that should be here and are not."""
        return self.enabled - self.here - self.never

    @property
    def is_coming_back(self) -> bool:
        """Whether the hub has only begun, and its kiosks are on their way."""
        return float(self.health.get("uptime", 0.0)) < _COMING_BACK

    def took(self, share: float) -> float | None:
        """Within which time so many of those that were asked lately had their answer."""
        return percentile(self.lately.took, share) if self.lately is not None else None


class Glances:
    """Looks when asked, at most every two seconds."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        registry: Registry,
        where: Whereabouts,
        alerts: Alerts,
        history: History,
        facts: Facts,
        tally: Tally,
        health: Callable[[], Mapping[str, Any]],
        keys: Callable[[], int],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._registry = registry
        self._where = where
        self._alerts = alerts
        self._history = history
        self._facts = facts
        self._tally = tally
        self._health = health
        self._keys = keys
        self._clock = clock
        self._monotonic = monotonic
        self._found: tuple[float, Glance] | None = None
        self._looking = asyncio.Lock()

    async def look(self) -> Glance:
        """How everything stands; never raises for a database that is away."""
        async with self._looking:
            if self._found is None or self._monotonic() - self._found[0] > _KEEP:
                found = await self._look()
                # Timed by its end: while the database is away a look takes seconds, and all who wait share it.
                self._found = self._monotonic(), found
        return self._found[1]

    async def _look(self) -> Glance:
        found = self._at_hand()
        try:
            async with asyncio.timeout(_WITHIN):
                bars = await self._tally.read(SPANS["hour"])
                states = await self._facts.open_operations()
                callbacks = await self._facts.callbacks_waiting()
                events = await newest(self._engine, _NEWEST)
                hubs = await hubs_lately(self._engine, self._clock()) if "hubs" in found.health else []
        except (SQLAlchemyError, OSError, TimeoutError):
            return found
        lately, minutes = _lately(bars, self._clock())
        return msgspec.structs.replace(
            found, lately=lately, minutes=minutes, unknown=states.get("unknown", 0), callbacks=callbacks,
            newest=events, hubs=hub_rows(found.health, hubs, self._clock()),
            is_new=not bars.total.begun and not events and not states,
        )  # fmt: skip

    def _at_hand(self) -> Glance:
        standing = self._alerts.standing()
        gone = {alert.kiosk_id: alert.since for alert in standing if alert.kind == "kiosk-offline"}
        kiosks = self._registry.all()
        away = []
        here = never = 0
        for kiosk in kiosks:
            if not kiosk.enabled:
                continue
            if self._where.is_connected(kiosk.id):
                here += 1
                continue
            last = self._history.last(kiosk.id)
            if (left := self._where.left(kiosk.id)) is not None:
                away.append(Away(kiosk, left.at))
            elif last is not None or kiosk.id in gone:
                away.append(Away(kiosk, (last.ended_at if last else None) or gone.get(kiosk.id)))
            else:
                never += 1
        enabled = here + never + len(away)
        health = self._health()
        counts = Counter(str(alert.severity) for alert in standing)
        worst = sorted(standing, key=lambda alert: (_ORDER.index(alert.severity), alert.acknowledged_at or 0.0))
        return Glance(
            at=self._clock(),
            here=here,
            enabled=enabled,
            disabled=len(kiosks) - enabled,
            never=never,
            # Who was here lately is missed first.
            away=sorted(away, key=lambda one: -(one.since or 0.0))[:_AWAY_MAX],
            running=int(health.get("operations_running", 0)),
            queued=int(health.get("operations_queued", 0)),
            alerts={str(severity): counts.get(str(severity), 0) for severity in Severity},
            unseen=sum(alert.severity is Severity.CRITICAL and alert.acknowledged_at is None for alert in standing),
            worst=worst[:_ALERTS_MAX],
            health=health,
            hubs=hub_rows(health, (), self._clock()),
            keys=self._keys(),
        )


def fleet(registry: Registry, where: Whereabouts, alerts: Alerts) -> Fleet:
    """How the fleet stands just now, for the charts; `unknown` is read by who draws them."""
    kiosks = [kiosk for kiosk in registry.all() if kiosk.enabled]
    here = sum(where.is_connected(kiosk.id) for kiosk in kiosks)
    return Fleet(here=here, enabled=len(kiosks), unknown=0, alerts=len(alerts.standing()))


def _lately(bars: Bars, now: float) -> tuple[Count, float]:
    some = bars.counts[-LATELY:]
    begin = bars.begin + bars.step * (len(bars.counts) - len(some))
    return total(one for one in some if one is not None), max(1.0, now - begin) / 60.0
