"""When the kiosk comes back to a hub that went, as that hub told it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.appliance.quick import quick
from tests.appliance.worlds import Hub, Uplinked, gateway, hub, kiosk, reply, request, route, table, until, uplinked

# Of whatever the kiosk may wait: with a spread of 50 s it is one second.
CHANCE = 0.02


async def _away(there: Hub, up: Uplinked, end: Callable[[], Awaitable[None]]) -> float:
    """Seconds from the end of a link to the next."""
    await until(lambda: up.link.connected)
    count = len(there.sockets)
    began = time.monotonic()
    await end()
    await until(lambda: len(there.sockets) > count)
    return time.monotonic() - began


@quick
async def test_a_hub_that_went_is_dialled_within_its_spread_and_a_goodbye_says_another(tmp_path: Path) -> None:
    async with (
        hub() as there,
        gateway() as terminal,
        kiosk(tmp_path, table(route(terminal.url))) as here,
    ):
        there.spread = 50.0

        async def die() -> None:
            there.sockets[-1].transport.abort()

        async def restart() -> None:
            await there.sockets[-1].close(1012, "the hub restarts; come back within 25 s")

        async with uplinked(here, there.url, chance=CHANCE) as up:
            assert await _away(there, up, die) >= 0.9
            assert up.link.dropped_why == "the connection broke"
            assert await _away(there, up, restart) >= 0.45
            assert up.link.dropped_why == "closed by the hub: 1012 the hub restarts; come back within 25 s"


@quick
async def test_who_has_a_customer_does_not_wait_for_the_others(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(_call: object) -> bytes:
        await release.wait()
        return reply()

    async with (
        hub() as there,
        gateway(wait) as terminal,
        kiosk(tmp_path, table(route(terminal.url))) as here,
    ):
        there.spread = 1000.0  # of which it takes a minute at most: 1.2 s here, and 0.04 s in a hurry

        async def die() -> None:
            await there.ask(request())
            await until(lambda: terminal.calls)
            there.sockets[-1].transport.abort()

        async with uplinked(here, there.url, chance=CHANCE) as up:
            assert await _away(there, up, die) < 1.0
            release.set()
            await until(lambda: there.responses("request-1"))


@quick
async def test_a_line_that_is_bad_is_dialled_at_once(tmp_path: Path) -> None:
    async with (
        hub() as there,
        gateway() as terminal,
        kiosk(tmp_path, table(route(terminal.url))) as here,
    ):
        there.spread = 1000.0

        async def fall_silent() -> None:
            assert up.uplink._link is not None
            up.uplink._link.end(0, "silent for 44 s")  # as its heartbeat says

        async with uplinked(here, there.url, chance=CHANCE) as up:
            assert await _away(there, up, fall_silent) < 1.0
