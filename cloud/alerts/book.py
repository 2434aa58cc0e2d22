"""The alerts that stand, what was told of them and what is muted. No I/O: time and what holds are arguments.

Every change goes to `pages` as well, which write it down in their own time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Protocol

import msgspec

from cloud.alerts.alert import Alert, Condition, Mute, Notice, What
from cloud.alerts.rules import (
    AGAIN,
    AHEAD_MAX,
    Key,
    Rules,
    Telling,
    advance,
    hushed,
    mark,
    notices,
    redated,
    redated_mute,
    redated_telling,
)

STANDING_MAX = 10_000  # of kiosks; what is more is raised once there is room
ENDED_MAX = STANDING_MAX  # cleared ones that are owed to somebody; the oldest are told no more


class Seen(msgspec.Struct, frozen=True):
    """What holds just now. Of `blind` kinds nothing is known."""

    conditions: Sequence[Condition]
    blind: Set[str] = frozenset()


class Kept(msgspec.Struct, kw_only=True):
    """What an earlier life left: `number` is the last one given, `ended` are cleared and owed to somebody."""

    number: int = 0
    standing: list[Alert] = []
    ended: list[Alert] = []
    tellings: dict[str, dict[int, Telling]] = {}
    mutes: list[Mute] = []


class Looked(msgspec.Struct, frozen=True):
    """What a look came to."""

    raised: list[Alert]
    cleared: list[Alert]
    left_out: int  # too many stand


class Pages(Protocol):
    """Where changes are written down."""

    def alert(self, alert: Alert) -> None:
        """It is so now."""

    def telling(self, channel: str, number: int, telling: Telling) -> None:
        """So much was told of it."""

    def mute(self, mute: Mute) -> None:
        """Muted from now on."""

    def unmute(self, scope: str) -> None:
        """Muted no more."""


class Unwritten:
    """Of a hub that only reads."""

    def alert(self, alert: Alert) -> None:
        """See `Pages`."""

    def telling(self, channel: str, number: int, telling: Telling) -> None:
        """See `Pages`."""

    def mute(self, mute: Mute) -> None:
        """See `Pages`."""

    def unmute(self, scope: str) -> None:
        """See `Pages`."""


class Book:
    """All of it. `channels` are the ways of telling there are; others join. Times are Unix seconds."""

    def __init__(self, pages: Pages, channels: Iterable[str] = ()) -> None:
        self._pages = pages
        self.standing: dict[Key, Alert] = {}
        self.mutes: dict[str, Mute] = {}
        self._keys: dict[int, Key] = {}  # of what stands, by number
        self._ended: dict[int, Alert] = {}
        self._tellings: dict[str, dict[int, Telling]] = {channel: {} for channel in channels}
        self._handed: dict[str, set[int]] = {}  # taken by a channel, which has not said yet that it told them
        self._spans: dict[Key, float] = {}
        self._number = 0
        self._newest = 0.0  # the latest time that was noted
        self._looked_at: float | None = None  # monotonic

    @property
    def channels(self) -> list[str]:
        """The ways of telling."""
        return list(self._tellings)

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands, and nothing is owed to anybody."""
        return not self.standing and not self._ended

    def load(self, kept: Kept, now: float) -> None:
        """Go on from what an earlier life left."""
        self._number = kept.number
        self.standing = {alert.key: alert for alert in kept.standing}
        self._keys = {alert.number: alert.key for alert in kept.standing}
        self._ended = {alert.number: alert for alert in kept.ended}
        self.mutes = {mute.scope: mute for mute in kept.mutes}
        for channel, tellings in kept.tellings.items():
            self._tellings.setdefault(channel, {}).update(tellings)
        for channel in self._tellings:
            self._owe_what_stands(channel)
        self._newest = float("inf")  # not known: every time is looked at once
        self._set_right(now)

    def look(self, seen: Seen, rules: Rules, now: float, monotonic: float) -> Looked:
        """Look at what holds. `monotonic` tells how long ago the last look was, whatever became of the clock."""
        step = 0.0 if self._looked_at is None else monotonic - self._looked_at
        self._looked_at = monotonic
        self._set_right(now)
        changes = advance(
            self.standing, seen.conditions, self._spans, now=now, step=step, rules=rules, blind=seen.blind,
            most=STANDING_MAX,
        )  # fmt: skip
        self._spans = changes.spans
        for alert in changes.changed:
            self._keep(alert)
        raised = [self._raise(condition, rules, now) for condition in changes.raised]
        for scope in [scope for scope, mute in self.mutes.items() if mute.until <= now]:
            self.unmute(scope)
        self._hush(rules, now)
        self._forget_told()
        return Looked(raised, [alert for alert in changes.changed if alert.cleared_at is not None], changes.left_out)

    def hear(self, acknowledged: Mapping[int, tuple[float, str]], mutes: Mapping[str, Mute]) -> None:
        """What people did at other hubs, as it is written already."""
        for number, (at, by) in acknowledged.items():
            alert = self._find(number)
            if alert is not None and alert.cleared_at is None and alert.acknowledged_at is None:
                self._keep(msgspec.structs.replace(alert, acknowledged_at=at, acknowledged_by=by))
        for scope in [scope for scope in self.mutes if scope not in mutes]:
            self.unmute(scope)
        self.mutes.update(mutes)

    # What the ways of telling do.

    def join(self, channel: str) -> None:
        """A way of telling that is new is to tell what stands."""
        if channel not in self._tellings:
            self._tellings[channel] = {}
            self._owe_what_stands(channel)

    def due(self, channel: str, rules: Rules, now: float) -> list[Notice]:
        """What it is to tell now. Until it says so by `told`, or asks again, these stay as they are."""
        alerts = [*self.standing.values(), *self._ended.values()]
        found = notices(alerts, self._tellings[channel], self.mutes, rules=rules, channel=channel, now=now)
        self._handed[channel] = {alert.number for notice in found for alert in notice.alerts}
        return found

    def is_handed(self, channel: str) -> bool:
        """Whether it has taken what it has not said to be told."""
        return bool(self._handed.get(channel))

    def told(self, channel: str, told: Iterable[Notice], now: float) -> None:
        """These were told by it."""
        tellings = self._tellings.get(channel, {})
        for notice in told:
            for alert in notice.alerts:
                telling = tellings.get(alert.number)
                if telling is None:
                    continue
                self._tell(channel, alert.number, mark(telling, notice.what, now))
                self._handed.get(channel, set()).discard(alert.number)
                present = self._find(alert.number)
                if notice.what is What.ESCALATED and present is not None and present.escalated_at is None:
                    self._keep(msgspec.structs.replace(present, escalated_at=now))
        self._newest = max(self._newest, now)
        self._forget_told()

    # What people do.

    def acknowledge(self, numbers: Iterable[int], by: str, now: float) -> list[Alert]:
        """Somebody has taken note; returns those that nobody had before."""
        found = []
        for number in sorted(set(numbers)):
            alert = self._find(number)
            if alert is not None and alert.cleared_at is None and alert.acknowledged_at is None:
                found.append(msgspec.structs.replace(alert, acknowledged_at=now, acknowledged_by=by))
                self._keep(found[-1])
        return found

    def mute(self, mute: Mute) -> None:
        """Nothing is told of it until then."""
        self.mutes[mute.scope] = mute
        self._newest = max(self._newest, mute.at)
        self._pages.mute(mute)

    def unmute(self, scope: str) -> None:
        """Tell of it again, and at once of what stands, be it that it was told before."""
        del self.mutes[scope]
        self._pages.unmute(scope)
        for alert in self.standing.values():
            if scope in (alert.kiosk_id, alert.kind):
                for channel, tellings in self._tellings.items():
                    telling = tellings.get(alert.number)
                    if telling is not None and telling.raised_at is not None:
                        self._tell(channel, alert.number, msgspec.structs.replace(telling, repeated_at=AGAIN))

    def counts(self) -> Counter[tuple[str, str]]:
        """How many stand, by kind and severity."""
        return Counter((alert.kind, str(alert.severity)) for alert in self.standing.values())

    def _raise(self, condition: Condition, rules: Rules, now: float) -> Alert:
        self._number += 1
        rule = rules.kinds[condition.kind]
        alert = Alert(
            number=self._number,
            kind=condition.kind,
            kiosk_id=condition.kiosk_id,
            subject=condition.subject,
            severity=rule.severity,
            since=min(condition.since, now),
            raised_at=now,
            data=condition.data,
        )
        self._keep(alert)
        for channel in self._tellings:
            if channel not in rule.not_to:
                self._tell(channel, alert.number, Telling())
        return alert

    def _keep(self, alert: Alert) -> None:
        """An alert is so from now on."""
        if alert.cleared_at is None:
            self.standing[alert.key] = alert
            self._keys[alert.number] = alert.key
        else:
            if self._keys.pop(alert.number, None) is not None:
                del self.standing[alert.key]
            self._ended[alert.number] = alert
            while len(self._ended) > ENDED_MAX:
                self._drop(next(iter(self._ended)))
        self._pages.alert(alert)

    def _find(self, number: int) -> Alert | None:
        key = self._keys.get(number)
        return self._ended.get(number) if key is None else self.standing[key]

    def _tell(self, channel: str, number: int, telling: Telling) -> None:
        self._tellings[channel][number] = telling
        self._pages.telling(channel, number, telling)

    def _owe_what_stands(self, channel: str) -> None:
        for number in self._keys:
            if number not in self._tellings[channel]:
                self._tell(channel, number, Telling())

    def _hush(self, rules: Rules, now: float) -> None:
        """What came and went while it was not to be told is owed to nobody."""
        if not self._ended:
            return
        for channel, tellings in self._tellings.items():
            handed = self._handed.get(channel, set())  # of these it may be telling just now
            ended = [alert for number, alert in self._ended.items() if number not in handed]
            for number in hushed(ended, tellings, self.mutes, rules=rules, channel=channel, now=now):
                self._tell(channel, number, msgspec.structs.replace(tellings[number], cleared_at=now))

    def _forget_told(self) -> None:
        """Cleared alerts that are owed to nobody stay in the table only."""
        for number in list(self._ended):
            if not any(self._owes(channel, number) for channel in self._tellings):
                self._drop(number)

    def _owes(self, channel: str, number: int) -> bool:
        telling = self._tellings[channel].get(number)
        return telling is not None and telling.cleared_at is None

    def _drop(self, number: int) -> None:
        del self._ended[number]
        for tellings in self._tellings.values():
            tellings.pop(number, None)

    def _set_right(self, now: float) -> None:
        """The clock was set back: what it noted before must not be in the future, where it would never be due."""
        if self._newest <= now + AHEAD_MAX:
            self._newest = max(self._newest, now)
            return
        self._newest = now
        for alert in [*self.standing.values(), *self._ended.values()]:
            if (earlier := redated(alert, now)) is not None:
                self._keep(earlier)
        for channel, tellings in self._tellings.items():
            for number, telling in list(tellings.items()):
                if (told := redated_telling(telling, now)) is not None:
                    self._tell(channel, number, told)
        for mute in list(self.mutes.values()):
            if (shorter := redated_mute(mute, now)) is not None:
                self.mute(shorter)
