"""Tasks that are told to end, and waited for until they have."""

import asyncio
from typing import Any

_AGAIN_AFTER = 1.0


async def cancelled(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel them, and return once all have ended; how they did is nobody's matter.

    Once is not enough: a library can lose a cancellation, and a loop that goes on after that would be waited for for
    ever. `asyncio.wait_for` does until Python 3.12, where it comes in the moment of the answer, and with it
    redis.asyncio and the pool of SQLAlchemy 2.0; async-timeout, which redis.asyncio takes on Python 3.11.2, where it
    comes in the moment of the timeout. What tidies up for longer than a second is cut short: the server it waits for
    hangs.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_AGAIN_AFTER)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen
