"""When Python looks for garbage that refers to itself, so that a hub of thousands of kiosks does not pause for it.

A kiosk's socket is some 60 objects that live for days. Python's full collection looks at all objects there are, and
comes whenever a quarter has been added: 0.7 s with 10,000 kiosks, every few seconds while kiosks return, with the hub
still. So what a long collection has left alive is frozen: later ones look at what came since. What of it becomes
garbage with nothing referring to it but itself (a few objects of a closed socket; all else goes at once, by its count)
is found once an hour.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from cloud.cancelled import cancelled

_LONG = 0.03  # seconds of a full collection after which its survivors are frozen
_OLDEST = 2  # Python's generation of what has outlived two collections
_FULL_EVERY = 3600.0


@asynccontextmanager
async def tidied() -> AsyncIterator[None]:
    """Within it, this process looks for garbage so. There may be one in a process."""
    gc.collect()
    gc.freeze()  # modules above all
    seen = _Seen()
    gc.callbacks.append(seen)
    task = asyncio.create_task(_look(), name="garbage")
    try:
        yield
    finally:
        await cancelled(task)
        gc.callbacks.remove(seen)
        gc.unfreeze()


def collect_all() -> None:
    """Find garbage among all objects, the frozen ones too."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class _Seen:
    """Python calls it as a collection begins and ends."""

    def __init__(self) -> None:
        self._began = 0.0

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        if info["generation"] < _OLDEST:
            return
        if phase == "start":
            self._began = time.perf_counter()
        elif time.perf_counter() - self._began > _LONG:
            gc.freeze()


async def _look() -> None:
    while True:
        await asyncio.sleep(_FULL_EVERY)
        collect_all()
