"""What is shown on the kiosk's own screen just now: said by whoever works, heard by the page that listens.

Not durable: who comes later is told how things stand, not how they came to be so.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any

_WAITING_MAX = 200
_SUBJECTS_MAX = 100


class Watcher:
    """One listener's queue; what it does not take in time is lost, the oldest first."""

    def __init__(self) -> None:
        self._news: deque[dict[str, Any]] = deque(maxlen=_WAITING_MAX)
        self._woken = asyncio.Event()

    def put(self, news: dict[str, Any]) -> None:
        """Queue it."""
        self._news.append(news)
        self._woken.set()

    async def get(self) -> dict[str, Any]:
        """The next one; waits for it."""
        while not self._news:
            self._woken.clear()
            await self._woken.wait()
        return self._news.popleft()


class Screen:
    """How things stand, and who watches. Belongs to one event loop."""

    def __init__(self) -> None:
        self._standing: dict[tuple[str, str], dict[str, Any]] = {}
        self._watchers: set[Watcher] = set()

    def show(self, kind: str, subject: str, data: dict[str, Any]) -> None:
        """Something stands so now: `session` of a request id, `device` of a name."""
        news = {"type": kind, "id": subject, **data}
        self._standing.pop((kind, subject), None)
        self._standing[kind, subject] = news
        while len(self._standing) > _SUBJECTS_MAX:
            del self._standing[next(iter(self._standing))]
        self._tell(news)

    def clear(self, kind: str, subject: str, data: dict[str, Any] | None = None) -> None:
        """It is over; `data` is the last that is said of it."""
        self._standing.pop((kind, subject), None)
        self._tell({"type": kind, "id": subject, "over": True, **(data or {})})

    @contextlib.contextmanager
    def watch(self) -> Iterator[Watcher]:
        """Listen; what stands comes first."""
        watcher = Watcher()
        for news in self._standing.values():
            watcher.put(news)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def _tell(self, news: dict[str, Any]) -> None:
        for watcher in self._watchers:
            watcher.put(news)
