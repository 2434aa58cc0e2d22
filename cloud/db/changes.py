"""Keeps something read from the database up to date, by looking again twice a second."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError

from cloud.cancelled import cancelled

log = logging.getLogger(__name__)

_EVERY = 0.5


class Changes:
    """Calls `read` at the start and then again and again; `what` names it in the log."""

    def __init__(self, what: str, read: Callable[[], Awaitable[None]]) -> None:
        self._what = what
        self._read_anew = read
        # One at a time: what was read earlier must not be applied later, over the change it did not see.
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read once, then keep up."""
        await self._read()
        self._task = asyncio.create_task(self._run(), name=f"changes of {self._what}")

    async def stop(self) -> None:
        """Stop keeping up."""
        if self._task:
            await cancelled(self._task)

    async def now(self) -> None:
        """Read at once, if this is kept up to date at all: who changed something need not wait for the next look."""
        if self._task is not None:
            await self._read()

    async def _read(self) -> None:
        async with self._reading:
            await self._read_anew()

    async def _run(self) -> None:
        failed = False
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self._read()
            except (SQLAlchemyError, OSError) as error:
                if not failed:
                    log.warning("cannot be read anew", extra={"what": self._what, "error": str(error)[:200]})
                failed = True
            else:
                failed = False
