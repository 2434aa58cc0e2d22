"""Kiosks of a hub that ends go evenly, and those with something under way last."""

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

from cloud.kiosks.leaving import how_many, send_away
from tests.cloud.hub import Kiosk, running


def test_they_go_evenly() -> None:
    left, gone = 1000, []
    for turn in range(21):
        going = how_many(left, turn / 10, 2.0, 0.1)
        gone.append(going)
        left -= going
    assert left == 0
    assert max(gone) <= 48
    assert all(abs(one - other) <= 2 for one, other in pairwise(gone[:-1]))


def test_all_go_when_the_time_is_over() -> None:
    assert how_many(7, 2.1, 2.0, 0.1) == 7


async def test_who_works_goes_last_and_all_hear_why(tmp_path: Path) -> None:
    names = tuple(f"kiosk_{n}" for n in range(4))
    async with running(tmp_path, kiosks=names) as hub:
        left: list[int] = []
        async with AsyncExitStack() as stack:
            kiosks = [await stack.enter_async_context(hub.kiosk(name)) for name in names]

            async def wait(number: int, kiosk: Kiosk) -> None:
                assert await kiosk.close_code() == 1012
                left.append(number)

            def works(kiosk_id: str) -> bool:
                return kiosk_id == names[0] and len(left) < 3

            waiting = [asyncio.create_task(wait(number, kiosk)) for number, kiosk in enumerate(kiosks)]
            await send_away(hub.services.links, 60.0, works, asyncio.Event())
            await asyncio.gather(*waiting)
        assert left[-1] == 0
        assert sorted(left) == [0, 1, 2, 3]


async def test_told_to_hurry_it_sends_all_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        hurry = asyncio.Event()
        leaving = asyncio.create_task(send_away(hub.services.links, 300.0, lambda _: True, hurry))
        await asyncio.sleep(0.05)
        hurry.set()
        await leaving
        assert await kiosk.close_code() == 1012


async def test_who_is_sent_by_itself_need_not_wait_for_others(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        await send_away(hub.services.links, 60.0, lambda _: False, asyncio.Event())
        assert await kiosk.close_code() == 1012
        assert kiosk.socket.close_reason == "the hub restarts; come back within 1 s"
