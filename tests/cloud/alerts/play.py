"""Alerts played by a clock that is moved by hand: what holds is set, and what a way of telling says is heard."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from cloud.alerts.alert import Alert, Condition, Mute, Notice, What
from cloud.alerts.book import Book, Kept, Seen
from cloud.alerts.rules import Rules, Telling

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
EVERY = 3.0

Key = tuple[str, str, str]


class Pages:
    """What was written, as the tables would have it."""

    def __init__(self) -> None:
        self.alerts: dict[int, Alert] = {}
        self.tellings: dict[tuple[str, int], Telling] = {}
        self.mutes: dict[str, Mute] = {}

    def alert(self, alert: Alert) -> None:
        self.alerts[alert.number] = alert

    def telling(self, channel: str, number: int, telling: Telling) -> None:
        self.tellings[channel, number] = telling

    def mute(self, mute: Mute) -> None:
        self.mutes[mute.scope] = mute

    def unmute(self, scope: str) -> None:
        self.mutes.pop(scope, None)

    def kept(self, channels: Iterable[str]) -> Kept:
        """As `memory` reads it."""
        tellings: dict[str, dict[int, Telling]] = {channel: {} for channel in channels}
        for (channel, number), telling in self.tellings.items():
            if channel in tellings:
                tellings[channel][number] = telling
        owed = {number for told in tellings.values() for number, telling in told.items() if telling.cleared_at is None}
        standing = [alert for alert in self.alerts.values() if alert.cleared_at is None]
        known = owed | {alert.number for alert in standing}
        return Kept(
            number=max(self.alerts, default=0),
            standing=standing,
            ended=[alert for n, alert in self.alerts.items() if alert.cleared_at is not None and n in owed],
            tellings={
                channel: {number: telling for number, telling in told.items() if number in known}
                for channel, told in tellings.items()
            },
            mutes=list(self.mutes.values()),
        )


class Play:
    """A book, looked at every three seconds. `open` channels tell at once what they are given."""

    def __init__(self, rules: Rules | None = None, *, now: float = NOON, channels: tuple[str, ...] = ("telegram",)):
        self.rules = rules or Rules()
        self.now = now
        self.monotonic = 1000.0
        self.holding: dict[Key, Condition] = {}
        self.blind: set[str] = set()
        self.channels = channels
        self.open = set(channels)
        self.told: list[tuple[str, Notice]] = []
        self.pages = Pages()
        self.book = Book(self.pages, channels)

    def begin(self, kind: str, kiosk: str = "", subject: str = "", **data: str | int | float | None) -> None:
        """From now on this is wrong."""
        condition = Condition(kind=kind, kiosk_id=kiosk, subject=subject, since=self.now, data=data)
        self.holding[condition.key] = condition

    def end(self, kind: str, kiosk: str = "", subject: str = "") -> None:
        """And no more."""
        self.holding.pop((kind, kiosk, subject), None)

    def look(self) -> None:
        """One look, and all open channels tell what they are to."""
        self.book.look(Seen(list(self.holding.values()), self.blind), self.rules, self.now, self.monotonic)
        for channel in sorted(self.open):
            self.book.join(channel)
            due = self.book.due(channel, self.rules, self.now)
            self.book.told(channel, due, self.now)
            self.told += [(channel, notice) for notice in due]

    def run(self, seconds: float, *, every: float = EVERY) -> list[str]:
        """Let time pass; returns what the channels told meanwhile, as `shown` has it."""
        before = len(self.told)
        until = self.monotonic + seconds
        self.look()
        while self.monotonic < until:
            step = min(every, until - self.monotonic)
            self.monotonic += step
            self.now += step
            self.look()
        return [shown(notice) for _, notice in self.told[before:]]

    def restart(self) -> None:
        """The hub's next life reads what was written."""
        self.book = Book(self.pages, self.channels)
        self.book.load(self.pages.kept(self.channels), self.now)

    def number(self, kind: str, kiosk: str = "", subject: str = "") -> int:
        """Of what stands."""
        return self.book.standing[kind, kiosk, subject].number

    def mute(self, scope: str, seconds: float) -> None:
        """As a person does."""
        self.book.mute(Mute(scope=scope, until=self.now + seconds, at=self.now, by="a test"))


def shown(notice: Notice) -> str:
    """`raised kiosk-offline a b`."""
    names = sorted(alert.kiosk_id or alert.subject for alert in notice.alerts)
    return " ".join([notice.what, notice.kind or "*", *(name for name in names if name)])


def count(told: Iterable[tuple[str, Notice]], what: What, where: Callable[[Notice], bool] = lambda _: True) -> int:
    """How many alerts were told of so."""
    return sum(len(notice.alerts) for _, notice in told if notice.what is what and where(notice))
