"""One of several hubs does something: who has the lease in Redis. Without Redis this hub is alone, and has it always.

Who has it renews it several times in its life, and tells that it is gone; another one can have it once it was given
back, or its time is over. While Redis is away nobody takes it, and who has it goes on: better one that may be doubled
than none. Who could not renew it in time and sees signs of a second one (`doubt`) gives it up.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from cloud.bus.redis import open_client
from cloud.cancelled import cancelled
from cloud.redis_address import parse

log = logging.getLogger(__name__)

_TIMEOUT = 2.0
_RELEASE_WITHIN = 0.5  # a Redis that hangs must not keep a hub from stopping
_TAKE_EVERY = 1.0
_RENEWALS = 3  # in the time of a lease
# Only who has it may renew it or give it back.
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class Lease:
    """`name` is the key in Redis, `seconds` how long after its holder's death another can have it."""

    def __init__(self, redis_url: str, name: str, *, seconds: float = 15.0) -> None:
        self._url = redis_url
        self._name = name
        self._seconds = seconds
        self._mine = uuid.uuid4().hex
        self._is_held = not redis_url
        self._renewed_at = 0.0  # monotonic
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._client: Any = None
        self._close: Callable[[], Awaitable[None]]

    @property
    def is_held(self) -> bool:
        """Whether this hub has it."""
        return self._is_held

    @property
    def is_shared(self) -> bool:
        """Whether other hubs can have it."""
        return bool(self._url)

    def start(self) -> None:
        """Begin to try for it. Raises as `RedisWatch.start` does."""
        if not self._url:
            return
        try:
            self._client, self._close = open_client(parse(self._url), _TIMEOUT)
        except ValueError:
            raise OSError("REDIS_URL cannot be used") from None
        self._task = asyncio.create_task(self._run(), name=f"lease {self._name}")

    async def stop(self) -> None:
        """Give it back, so that another has it at once."""
        if self._task is None:
            return
        await cancelled(self._task)
        with contextlib.suppress(Exception):  # then its time ends it
            async with asyncio.timeout(_RELEASE_WITHIN):
                await self._client.eval(_RELEASE, 1, self._name, self._mine)
        self._set(held=False)
        with contextlib.suppress(Exception):
            await self._close()

    def doubt(self) -> None:
        """Another seems to do what only the holder may: unless it was renewed in time, it is not held any more."""
        if self._url and self._is_held and time.monotonic() - self._renewed_at > self._seconds:
            self._set(held=False)

    async def wait_until(self, *, held: bool) -> None:
        """Return once this hub has it, or has it no more."""
        while self._is_held is not held:
            self._changed.clear()
            await self._changed.wait()

    async def _run(self) -> None:
        while True:
            is_answered = False
            try:
                async with asyncio.timeout(_TIMEOUT):
                    self._set(held=await self._ask())
                is_answered = True
            except Exception as error:  # a library's, or the network's: Redis is away, see above
                log.debug("the lease could not be renewed", extra={"lease": self._name, "error": type(error).__name__})
            pause = self._seconds / _RENEWALS
            # Once Redis is there again, its holder is to know soon whether another has taken it meanwhile.
            await asyncio.sleep(pause if self._is_held and is_answered else min(_TAKE_EVERY, pause))

    async def _ask(self) -> bool:
        """Renew it, or take it where nobody has it."""
        asked_at, milliseconds = time.monotonic(), round(self._seconds * 1000)
        # Also when it is not known to be held: the answer to taking it may have been lost.
        mine = bool(await self._client.eval(_RENEW, 1, self._name, self._mine, milliseconds))
        if not mine:
            mine = bool(await self._client.set(self._name, self._mine, nx=True, px=milliseconds))
        if mine:
            self._renewed_at = asked_at
        return mine

    def _set(self, *, held: bool) -> None:
        if held is not self._is_held:
            self._is_held = held
            self._changed.set()
            log.info("has the lease now" if held else "another has the lease now", extra={"lease": self._name})
