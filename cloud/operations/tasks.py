"""What goes on by itself for the operations: tasks with an owner, and among them those that a stop waits for."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from cloud.cancelled import cancelled

log = logging.getLogger(__name__)


class Tasks:
    """All of them. One that fails is logged, and takes no other with it."""

    def __init__(self) -> None:
        self._all: set[asyncio.Task[None]] = set()
        # Of outcomes on their way to the disk: tasks, and writes.
        self.storing: set[asyncio.Future[Any]] = set()

    def spawn(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        """Have it done."""
        task = asyncio.create_task(work)
        self._all.add(task)
        task.add_done_callback(self._done)
        return task

    def store(self, work: Coroutine[object, object, None]) -> None:
        """Have it done, and let a stop wait for it."""
        task = self.spawn(work)
        self.storing.add(task)
        task.add_done_callback(self.storing.discard)

    async def stop(self, patience: float) -> None:
        """End all; what is being stored has `patience` seconds."""
        if self.storing:
            await asyncio.wait(set(self.storing), timeout=patience)
        await cancelled(*self._all)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._all.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a task failed", exc_info=error)
