"""What is shown on the kiosk's own screen just now: said by whoever works, heard by the page that listens.

Not durable: who comes later is told how things stand, not how they came to be so.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any

_WAITING_MAX = 400
_SUBJECTS_MAX = 100  # of a kind


class Overrun(Exception):
    """A listener did not take its news in time, so that some are lost; it is to begin anew."""


class Watcher:
    """One listener's queue."""

    def __init__(self) -> None:
        self._news: deque[dict[str, Any]] = deque()
        self._woken = asyncio.Event()
        self._overrun = False

    def put(self, news: dict[str, Any]) -> None:
        """Queue it. Where nobody takes them, all are dropped: a listener that missed one would show what is not so."""
        if self._overrun or len(self._news) >= _WAITING_MAX:
            self._overrun = True
            self._news.clear()
        else:
            self._news.append(news)
        self._woken.set()

    async def get(self) -> dict[str, Any]:
        """The next one; waits for it. Raises `Overrun`, from then on for ever."""
        while not self._news:
            if self._overrun:
                raise Overrun
            self._woken.clear()
            await self._woken.wait()
        return self._news.popleft()


class Screen:
    """How things stand, and who watches. Belongs to one event loop."""

    def __init__(self) -> None:
        self._standing: dict[str, dict[str, dict[str, Any]]] = {}  # kind → subject → news, what changed last at the end
        self._watchers: set[Watcher] = set()

    def show(self, kind: str, subject: str, data: dict[str, Any]) -> None:
        """Something stands so now: `operation` of a request id, `device` of a name. In place of what stood there."""
        news = {"type": kind, "id": subject, **data}
        standing = self._standing.setdefault(kind, {})
        standing.pop(subject, None)
        standing[subject] = news
        while len(standing) > _SUBJECTS_MAX:
            del standing[next(iter(standing))]
        self._tell(news)

    def stands(self, kind: str, subject: str) -> bool:
        """Whether it was shown and is not over."""
        return subject in self._standing.get(kind, ())

    def clear(self, kind: str, subject: str, data: dict[str, Any] | None = None) -> None:
        """It is over; `data` is the last that is said of it. Of what was never shown nothing is said."""
        if self._standing.get(kind, {}).pop(subject, None) is not None:
            self._tell({"type": kind, "id": subject, **(data or {}), "over": True})

    @contextlib.contextmanager
    def watch(self) -> Iterator[Watcher]:
        """Listen; what stands comes first."""
        watcher = Watcher()
        # Devices, then what people wait for.
        for kind in sorted(self._standing):
            for news in self._standing[kind].values():
                watcher.put(news)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def _tell(self, news: dict[str, Any]) -> None:
        for watcher in self._watchers:
            watcher.put(news)
