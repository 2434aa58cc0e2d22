"""Tasks that are told to end, and waited for until they have."""

import asyncio
from typing import Any

_AGAIN_AFTER_S = 5.0


async def cancelled(*tasks: "asyncio.Future[Any] | None") -> None:
    """Cancel those that there are, and return once all have ended; how they did is nobody's matter.

    For tasks that talk over a network and move nothing. Once is not enough: `asyncio.wait_for` until Python 3.12, and
    anyio, on which httpx stands, in some of its releases, lose a cancellation that comes in the moment of an answer or
    of a timeout; a loop that goes on after that would be waited for for ever.
    """
    waiting = set(filter(None, tasks))
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_AGAIN_AFTER_S)
    for ended in filter(None, tasks):
        if not ended.cancelled():
            ended.exception()  # seen
