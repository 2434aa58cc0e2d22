"""The same Idempotency-Key again: while the first runs, wherever it does; and after it ended, or was given up."""

import asyncio

import msgspec

from cloud.bus.bus import Bus
from cloud.errors import Refused, StorageError
from cloud.kiosks.elsewhere import Elsewhere
from cloud.kiosks.links import Links
from cloud.operations.answers import Answer, answer_of
from cloud.operations.everywhere import Everywhere
from cloud.operations.freeing import Freeing
from cloud.operations.news import News
from cloud.operations.operation import Operation, State
from cloud.operations.running import Running
from cloud.operations.store import Store

_LOOK_EVERY = 2.0  # seconds, at what runs elsewhere: news of it may be lost
_UNDER_WAY = frozenset({State.SENT, State.ACCEPTED})


class Repeating:
    """Answers repetitions. Each raises `Refused` where the key stands for another request, or nobody can say."""

    def __init__(
        self,
        *,
        bus: Bus,
        elsewhere: Elsewhere,
        links: Links,
        store: Store,
        news: News,
        everywhere: Everywhere,
        freeing: Freeing,
    ) -> None:
        self._bus = bus
        self._elsewhere = elsewhere
        self._links = links
        self._store = store
        self._news = news
        self._everywhere = everywhere
        self._freeing = freeing

    async def first_with(self, key: str) -> Operation | None:
        """What the key stands for. Raises `Refused` (key-unchecked)."""
        try:
            return await self._store.find_by_key(key)
        except StorageError as error:
            raise Refused("key-unchecked", f"{error}; repeat with the same key", retry_after=5) from error

    async def join(self, running: Running, operation: Operation, timeout: float) -> Answer:
        """The same key while the first still runs here: wait with it."""
        first = running.operation
        if first.fingerprint != operation.fingerprint and operation.idempotency_key is not None:
            # The first itself may be the one that is not what the key stands for, and not have been told yet.
            earlier = await self.first_with(operation.idempotency_key)
            if earlier is not None:
                return await self.replay(earlier, operation, timeout)
        _check_same(first, operation)
        try:
            async with asyncio.timeout(timeout):
                answer = await asyncio.shield(running.answer)
        except TimeoutError:
            raise _still_runs(first, timeout) from None
        return msgspec.structs.replace(answer, replayed=True)

    async def replay(self, earlier: Operation, operation: Operation, timeout: float) -> Answer:
        """The same key after the first ended, or while its outcome is open, or it runs at another hub."""
        _check_same(earlier, operation)
        if earlier.request_id in self._freeing:
            raise _being_undone()
        try:
            if earlier.delivery == "now" and not earlier.is_final and earlier.executed is None:
                known = self._wait_anywhere if self._bus.is_shared else self._wait_here
                return await known(earlier, timeout)
            return answer_of(earlier, replayed=True)
        except StorageError as error:  # "not executed" would be said of the first
            detail = f"{error}; repeat with the same key"
            raise Refused("key-unchecked", detail, retry_after=5, request_id=earlier.request_id) from error

    async def _wait_here(self, earlier: Operation, timeout: float) -> Answer:
        if self._may_tell(earlier.kiosk_id):
            with self._news.subscribe(earlier.request_id) as news:
                earlier = await self._store.find(earlier.request_id) or earlier  # it may have come before the watch
                if not earlier.is_final:
                    await news.wait_outcome(timeout)
            earlier = await self._store.find(earlier.request_id) or earlier
        return answer_of(earlier, replayed=True)

    async def _wait_anywhere(self, earlier: Operation, timeout: float) -> Answer:
        """It may be under way at another hub: its caller there and the one here hear the same."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        ran = earlier.state in _UNDER_WAY
        with self._news.subscribe(earlier.request_id) as news:
            while True:
                known = await self._everywhere.look(earlier.request_id)
                it = known.operation
                if it is None or known.is_being_freed:
                    raise _being_undone()
                # Given up just now: that is what its caller hears. Long ago: the kiosk may tell yet, where it is there.
                is_open = it.state in _UNDER_WAY or it.state is State.QUEUED
                may_tell = it.executed is None and not ran and self._may_tell(it.kiosk_id)
                left = until - loop.time()
                if it.is_final or not (is_open or may_tell) or (left <= 0 and not is_open):
                    return answer_of(it, replayed=True)
                if left <= 0:
                    raise _still_runs(it, timeout)
                await news.wait_outcome(min(left, _LOOK_EVERY))

    def _may_tell(self, kiosk_id: str) -> bool:
        """Whether the kiosk is there, and so may say something within the caller's time."""
        link = self._links.get(kiosk_id)
        return (link is not None and link.ready) or self._elsewhere.get(kiosk_id) is not None


def _check_same(first: Operation, again: Operation) -> None:
    if first.fingerprint != again.fingerprint:
        detail = "this Idempotency-Key was used for another request"
        raise Refused("idempotency-conflict", detail, request_id=first.request_id)


def _being_undone() -> Refused:
    return Refused("key-unchecked", "its first use is being undone; repeat with the same key", retry_after=2)


def _still_runs(first: Operation, timeout: float) -> Refused:
    detail = f"the operation with this key still runs after {timeout:.0f} s"
    return Refused("timeout", detail, request_id=first.request_id)
