"""How a hub that ends sends its kiosks to the others: not all at once, and those it works for last.

Each is closed with 1012 and is away for as long as it takes to connect elsewhere; spread over some seconds, whoever
takes them in is not run over. What a kiosk has under way is waited for as long as there is time.
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable

from cloud.kiosks.links import Links
from wire.problems import CloseCode
from wire.returning import SPREAD_LEAST_S, with_hint

log = logging.getLogger(__name__)

_EVERY = 0.1
_IDLE_PART = 0.7  # of the time, for those that have nothing under way
RESTARTS = "the hub restarts"
_AT_ONCE = with_hint(RESTARTS, SPREAD_LEAST_S)  # they are sent one by one: none need spread its return besides


def how_many(left: int, now: float, until: float, every: float) -> int:
    """How many of `left` go in this turn, so that they are gone, evenly, at `until`. Pure."""
    turns = math.floor((until - now) / every + 1e-6) + 1
    return left if turns <= 1 else math.ceil(left / turns)


async def send_away(links: Links, seconds: float, is_busy: Callable[[str], bool], hurry: asyncio.Event) -> None:
    """Close every kiosk's socket within `seconds`, or at once where `hurry` is set.

    `is_busy` says whether a kiosk has operations under way. One that comes meanwhile goes like the others.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    idle_until, until = began + _IDLE_PART * seconds, began + seconds
    here = links.connected
    log.info("sending kiosks to the other hubs", extra={"kiosks": here, "within": seconds})
    while (now := loop.time()) < until and not hurry.is_set():
        kiosks = [link.kiosk_id for link in links.all() if link.socket is not None]
        if not kiosks:
            break
        idle = [kiosk_id for kiosk_id in kiosks if not is_busy(kiosk_id)]
        going = how_many(len(idle), now, idle_until, _EVERY)
        for kiosk_id in random.sample(idle, min(going, len(idle))):
            links.close(kiosk_id, CloseCode.RESTARTING, _AT_ONCE)
        try:
            async with asyncio.timeout(_EVERY):
                await hurry.wait()
        except TimeoutError:
            continue
    words = links.goodbye(RESTARTS)
    for link in list(links.all()):
        if link.socket is not None:
            links.close(link.kiosk_id, CloseCode.RESTARTING, words)
    log.info("kiosks are sent away", extra={"kiosks": here, "after": round(loop.time() - began, 1)})
