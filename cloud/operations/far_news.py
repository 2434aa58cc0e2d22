"""News of an operation that runs at another hub, to who watches it here.

The first who watches an operation here has all other hubs asked to pass its news on; the asking is renewed while
somebody watches, and runs out by itself, so that a hub that dies leaves nothing behind. What is passed on may be lost,
progress and all: so the store is looked at every second or two for what is watched and not under way here, and how it
ended is always told.
"""

import asyncio
import logging
import time

import msgspec

from cloud.bus.bus import Bus
from cloud.errors import StorageError
from cloud.operations.answers import record
from cloud.operations.news import Item, News
from cloud.operations.operation import State
from cloud.operations.resolutions import Resolutions
from cloud.operations.running import Books
from cloud.operations.store import Store

log = logging.getLogger(__name__)

_RENEW_EVERY, _LASTS = 10.0, 30.0  # seconds
_LOOK_EVERY = 1.5
_LOOK_MAX = 500  # operations a look; of more, each waits for a later one
_PASSED_ON_MAX = 10_000  # pairs of a hub and an operation; one more is told by its store
_ITEM_MAX = 256 * 1024  # bytes: progress that has more is not passed on, an outcome is then read from the store
_TELLING = frozenset({State.ACCEPTED, State.UNKNOWN})  # of what has not ended


class WatchThese(msgspec.Struct, frozen=True):
    """Pass news of these on to me for the next 30 s."""

    request_ids: list[str]


class LeaveThese(msgspec.Struct, frozen=True):
    """No more of these."""

    request_ids: list[str]


class FarItem(msgspec.Struct, frozen=True):
    """One piece of news; `data` is JSON. As `Item`. None: it was too large, and stands in the store."""

    request_id: str
    kind: str
    data: bytes | None
    last: bool


class _Far:
    """Another hub that watches an operation."""

    __slots__ = ("_bus", "_hub", "_request_id", "until")

    def __init__(self, bus: Bus, hub: str, request_id: str, until: float) -> None:
        self._bus = bus
        self._hub = hub
        self._request_id = request_id
        self.until = until

    def put(self, item: Item) -> None:
        """See `Watcher`."""
        data: bytes | None = msgspec.json.encode(item.data)
        if data is not None and len(data) > _ITEM_MAX:
            if item.kind == "progress":
                return
            data = None
        self._bus.send(self._hub, FarItem(self._request_id, item.kind, data, item.last))


class FarNews:
    """What is passed on from here, and what is asked of others. `start` and `stop` belong to its owner."""

    def __init__(self, *, bus: Bus, news: News, books: Books, store: Store, resolutions: Resolutions) -> None:
        self._bus = bus
        self._news = news
        self._books = books
        self._store = store
        self._resolutions = resolutions
        self._far: dict[tuple[str, str], _Far] = {}  # by hub and operation
        self._told: dict[str, str] = {}  # of what is watched here: the state told last
        self._look_now = asyncio.Event()
        if bus.is_shared:
            news.watched, news.left = self._watched, self._left
            bus.hear(WatchThese, self._watch)
            bus.hear(LeaveThese, self._leave)
            bus.hear(FarItem, self._heard)
            bus.when_gone(self._gone)

    # What is watched here.

    def _watched(self, request_id: str) -> None:
        self._told[request_id] = ""
        if self._books.get(request_id) is None:
            self._bus.tell_all(WatchThese([request_id]))

    def _left(self, request_id: str) -> None:
        self._told.pop(request_id, None)
        self._bus.tell_all(LeaveThese([request_id]))

    def _heard(self, _sender: str, item: FarItem) -> None:
        if item.request_id not in self._told:
            return
        if item.data is None:
            self._look_now.set()
            return
        if item.kind != "progress":
            self._told[item.request_id] = item.kind
        self._news.tell(item.request_id, Item(item.kind, msgspec.Raw(item.data), item.last))

    def seen(self, request_id: str, state: State) -> None:
        """Who watches this was told that it stands so."""
        if request_id in self._told:
            self._told[request_id] = state

    async def run(self) -> None:
        """Renew what is asked of others, and look at the store. Until cancelled."""
        renewed = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            self._look_now.clear()
            now = time.monotonic()
            if now - renewed >= _RENEW_EVERY:
                renewed = now
                self._expire(now)
                watched = self._not_here()
                for at in range(0, len(watched), _LOOK_MAX):
                    self._bus.tell_all(WatchThese(watched[at : at + _LOOK_MAX]))
            try:
                await self._look()
            except StorageError as error:
                log.warning("news wait for the database", extra={"error": str(error)[:200]})

    async def _look(self) -> None:
        watched = self._not_here()
        for at in range(0, len(watched), _LOOK_MAX):
            found = await self._store.find_all(watched[at : at + _LOOK_MAX])
            kept = await self._resolutions.of_all(found.values())
            for request_id, operation in found.items():
                told = self._told.get(request_id)
                if told is None or told == operation.state or self._books.get(request_id) is not None:
                    continue
                is_news = bool(told) and operation.state in _TELLING
                if is_news or operation.is_final or not told:
                    self._told[request_id] = operation.state
                if is_news or operation.is_final:
                    data = record(operation, kept.get(request_id))
                    self._news.tell(request_id, Item(operation.state, data, last=operation.is_final))

    def _not_here(self) -> list[str]:
        return [request_id for request_id in self._news.watched_here() if self._books.get(request_id) is None]

    # What others watch.

    def _watch(self, sender: str, message: WatchThese) -> None:
        until = time.monotonic() + _LASTS
        for request_id in message.request_ids:
            far = self._far.get((sender, request_id))
            if far is not None:
                far.until = until
            elif len(self._far) < _PASSED_ON_MAX:
                far = self._far[sender, request_id] = _Far(self._bus, sender, request_id, until)
                self._news.add(request_id, far)

    def _leave(self, sender: str, message: LeaveThese) -> None:
        for request_id in message.request_ids:
            self._forget(sender, request_id)

    def _gone(self, life: str) -> None:
        for hub, request_id in [pair for pair in self._far if pair[0] == life]:
            self._forget(hub, request_id)

    def _expire(self, now: float) -> None:
        for hub, request_id in [pair for pair, far in self._far.items() if far.until <= now]:
            self._forget(hub, request_id)

    def _forget(self, hub: str, request_id: str) -> None:
        far = self._far.pop((hub, request_id), None)
        if far is not None:
            self._news.remove(request_id, far)
