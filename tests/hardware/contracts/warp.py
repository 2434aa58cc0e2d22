"""An event loop whose clock jumps to whatever happens next: a driver's real code on hours of device time, in moments.

All that runs in it must be in this loop: `sim://` devices hang on pairs of sockets, so that bytes arrive at once. As
soon as no socket has anything to say, the clock goes on to the next timer. Threads would not be waited for; nothing
here may use any (which is why the journal is one in memory).
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")

BEGIN_S = 1_000_000.0
SELECTS_MAX = 2_000_000  # in one run; more is something that never ends


class Stuck(AssertionError):
    """Nothing is left that could ever happen, or nothing ends."""


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN_S
        self._selects = 0

    def select(self, timeout: float | None = None) -> Any:
        self._selects += 1
        if self._selects > SELECTS_MAX:
            raise Stuck(f"{SELECTS_MAX} turns of the loop and no end, {self.now - BEGIN_S:.1f} s in")
        found = super().select(0)
        if not found and timeout is None:
            raise Stuck("nothing is left that could happen")
        if not found and timeout:
            self.now += timeout
        return found


def run(what: Coroutine[Any, Any, T]) -> T:
    """Run it to its end. What it leaves behind is cancelled, as if the process were killed."""
    selector = _Selector()
    with patch.object(time, "monotonic", lambda: selector.now):
        loop = asyncio.SelectorEventLoop(selector)
        try:
            return loop.run_until_complete(what)
        finally:
            loop.run_until_complete(_end(asyncio.all_tasks(loop)))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


async def _end(tasks: set["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
