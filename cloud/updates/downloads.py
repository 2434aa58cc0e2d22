"""How much of the hub downloads may take: so many at once, so many bytes a second, and never the event loop's time.

Payments share the machine and its line with a fleet that fetches a new version. What is read of files is read in two
threads of its own, in pieces, and no piece before the one before has gone.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from cloud.metrics import Metrics
from cloud.updates.channels import Channels, File

_PIECE_BYTES = 64 * 1024
_THREADS = 2
_AGAIN_S = (20, 60)  # Retry-After, spread so that the fleet does not return at once
_ASKING_MAX = 1000  # for what is answered at once: manifests, rollouts, 304

T = TypeVar("T")


class Full(Exception):
    """Nothing is free; `retry_after` is whole seconds."""

    def __init__(self) -> None:
        super().__init__("too many downloads at once")
        self.retry_after = random.randint(*_AGAIN_S)  # noqa: S311 - no secret


class Downloads:
    """Gives files of channels away. `most` at once; `rate` in bytes a second for all together, 0 for no limit."""

    def __init__(self, channels: Channels, *, most: int, rate: float, metrics: Metrics) -> None:
        self.channels = channels
        self._most = most
        self._rate = rate
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="updates")
        self._asking = 0
        self._free_at = 0.0  # when the line is free again, by the loop's clock
        self.running = 0
        self._stopping = asyncio.Event()

    async def stop(self) -> None:
        """Break off what is under way: kiosks go on where they stopped."""
        self._stopping.set()
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    async def ask(self, call: Callable[[], T]) -> T:
        """What a blocking question to the channels comes to. Raises `Refused` and `Full`."""
        if self._asking >= _ASKING_MAX:
            self._metrics.updates_refused.inc()
            raise Full
        self._asking += 1
        try:
            return await self._in_thread(call)
        finally:
            self._asking -= 1

    async def open(self, channel: str, name: str) -> File:
        """A file; who asked closes it. Raises `Refused` and `Full`."""
        return await self.ask(lambda: self.channels.open(channel, name))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One of the downloads that run at a time. Raises `Full`."""
        if self.running >= self._most or self._stopping.is_set():
            self._metrics.updates_refused.inc()
            raise Full
        self.running += 1
        self._metrics.updates_running.set(self.running)
        try:
            yield
        finally:
            self.running -= 1
            self._metrics.updates_running.set(self.running)

    async def pieces(self, file: File, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes `start` to `end`, without it. Ends early where the file does, or the hub; raises `OSError`."""
        while start < end:
            size = min(_PIECE_BYTES, end - start)
            await self._pace(size)
            try:
                data = await self._in_thread(partial(os.pread, file.handle, size, start))
            except Full:
                return
            if not data:
                return
            start += len(data)
            self._metrics.updates_bytes.inc(len(data))
            yield data

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """What a blocking call comes to. Raises `Full` where the hub ends before it was made."""
        if self._stopping.is_set():
            raise Full
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling() or not self._stopping.is_set():
                raise
            raise Full from None  # it waited for a thread when they ended, and nobody cancelled who asked

    async def _pace(self, size: int) -> None:
        """Wait for a turn on the line. Turns are given in the order they are asked for, so that all get on alike."""
        if not self._rate:
            return
        now = asyncio.get_running_loop().time()
        begins = max(now, self._free_at)
        self._free_at = begins + size / self._rate
        if begins > now:
            await asyncio.sleep(begins - now)
