"""The one trouble that hubs which share a database cannot tell by its lease: that it is away for all of them.

Nobody has the lease of jobs then. So the hub with the least life of those that hear each other, none of which has the
database, keeps a book of its own with this one alert: it tells that it holds, and that it is over, and writes nothing.
Its numbers are moments in milliseconds, which no alert that is written has. Two that do not hear each other may both
tell it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from cloud.alerts.alert import Condition, Mute, Notice
from cloud.alerts.book import Book, Kept, Looked, Seen, Unwritten
from cloud.alerts.kinds import DATABASE
from cloud.alerts.rules import Rules


class Outage:
    """No I/O; times are arguments. `why` says what is wrong while it is this hub that tells it, empty: nothing is."""

    def __init__(self, why: Callable[[], str]) -> None:
        self._why = why
        self._book: Book | None = None
        self._since = 0.0
        self._numbers: set[int] = set()  # of what was handed out

    @property
    def is_told_here(self) -> bool:
        """Whether this hub has something of it to tell, or may have."""
        return self._book is not None

    def look(
        self, rules: Rules, channels: Sequence[str], mutes: Mapping[str, Mute], now: float, monotonic: float
    ) -> Looked | None:
        """What came of it; None where there is nothing."""
        words = self._why()
        if self._book is None:
            if not words:
                return None
            self._since = now
            self._book = Book(Unwritten(), channels)
            self._book.load(Kept(number=int(now * 1000), mutes=list(mutes.values())), now)
        conditions = [Condition(kind=DATABASE, since=min(self._since, now), data={"error": words})] if words else []
        looked = self._book.look(Seen(conditions), rules, now, monotonic)
        if not words and self._book.is_empty:
            self._book = None
            self._numbers.clear()
        return looked

    def due(self, channel: str, rules: Rules, now: float) -> list[Notice]:
        """What this way of telling is to tell of it now."""
        if self._book is None:
            return []
        self._book.join(channel)
        found = self._book.due(channel, rules, now)
        self._numbers |= {alert.number for notice in found for alert in notice.alerts}
        return found

    def told(self, channel: str, notices: Iterable[Notice], now: float) -> list[Notice]:
        """These were told; returns those that are not of this book."""
        given = list(notices)
        mine = [notice for notice in given if self._numbers.issuperset(alert.number for alert in notice.alerts)]
        if self._book is not None and mine:
            self._book.told(channel, mine, now)
        return [notice for notice in given if notice not in mine]


def why(me: str, own: Mapping[str, str], others: Mapping[str, Mapping[str, str]], *, is_heard: bool) -> str:
    """What the hub of the life `me` is to tell of a database that is away; empty: nothing, or another tells it. Pure.

    `own` is what is wrong with it, `others` with those that live, by life; `is_heard`: they can say so just now.
    """
    words = own.get("database", "")
    if not words or any(life < me for life in others):
        return ""
    return "" if is_heard and not all("database" in ails for ails in others.values()) else words
