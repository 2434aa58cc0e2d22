"""News of one operation to who watches it: the event stream, callers that wait for an open outcome, other hubs."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec

_KEPT = 100
_KEPT_BYTES = 1024 * 1024  # and of them so much; one is kept always


class Item(msgspec.Struct, frozen=True):
    """One piece of news: `kind` is a state or `progress`, `data` a JSON value. After `last` nothing follows."""

    kind: str
    data: object
    last: bool = False


class Watcher(Protocol):
    """One who is told."""

    def put(self, item: Item) -> None:
        """Take an item; it must not block."""


class Subscription:
    """One watcher's queue. A watcher that does not keep up loses progress, oldest first, never a last item."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[Item] = asyncio.Queue(_KEPT)
        self._bytes = 0

    def put(self, item: Item) -> None:
        """Add an item, dropping the oldest when full."""
        while self._items.full() or (not self._items.empty() and self._bytes + _size(item) > _KEPT_BYTES):
            self._bytes -= _size(self._items.get_nowait())
        self._bytes += _size(item)
        self._items.put_nowait(item)

    async def _get(self) -> Item:
        item = await self._items.get()
        self._bytes -= _size(item)
        return item

    async def next(self, timeout: float) -> Item | None:
        """The next item, or None after `timeout` seconds without one."""
        try:
            async with asyncio.timeout(timeout):
                return await self._get()
        except TimeoutError:
            return None

    async def wait_outcome(self, timeout: float) -> None:
        """Return when the last item came, or the kiosk's word that it cannot know, or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not ((item := await self._get()).last or item.kind == "unknown"):
                    pass
        except TimeoutError:
            return


def _size(item: Item) -> int:
    """Bytes of what a kiosk told; the others are few."""
    return memoryview(item.data).nbytes if isinstance(item.data, msgspec.Raw) else 0


class News:
    """Who watches what."""

    def __init__(self) -> None:
        self._watchers: dict[str, list[Watcher]] = {}
        # Called with the id when the first one here begins to watch, and when the last one has left.
        self.watched: Callable[[str], None] = lambda _: None
        self.left: Callable[[str], None] = lambda _: None
        self._here: dict[str, int] = {}

    def is_wanted(self, request_id: str) -> bool:
        """Whether anybody watches: making news can be spared otherwise."""
        return request_id in self._watchers

    def tell(self, request_id: str, item: Item) -> None:
        """Give an item to all watchers of an operation."""
        for watcher in self._watchers.get(request_id, ()):
            watcher.put(item)

    @contextmanager
    def subscribe(self, request_id: str) -> Iterator[Subscription]:
        """Watch an operation within the context."""
        subscription = Subscription()
        self.add(request_id, subscription)
        here = self._here[request_id] = self._here.get(request_id, 0) + 1
        if here == 1:
            self.watched(request_id)
        try:
            yield subscription
        finally:
            self.remove(request_id, subscription)
            self._here[request_id] -= 1
            if not self._here[request_id]:
                del self._here[request_id]
                self.left(request_id)

    def watched_here(self) -> list[str]:
        """What is watched by who asked this hub."""
        return list(self._here)

    def add(self, request_id: str, watcher: Watcher) -> None:
        """Tell this one too, until it is removed."""
        self._watchers.setdefault(request_id, []).append(watcher)

    def remove(self, request_id: str, watcher: Watcher) -> None:
        """Tell it no more."""
        watchers = self._watchers[request_id]
        watchers.remove(watcher)
        if not watchers:
            del self._watchers[request_id]
