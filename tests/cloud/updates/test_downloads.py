"""Downloads when the hub ends."""

import asyncio
import threading
from pathlib import Path

import pytest

from cloud.metrics import Metrics
from cloud.updates.channels import Channels
from cloud.updates.downloads import Downloads, Full


async def test_what_waits_for_a_thread_when_the_hub_ends_is_told_to_come_again(tmp_path: Path) -> None:
    downloads = Downloads(Channels(str(tmp_path)), most=1, rate=0, metrics=Metrics())
    gate = threading.Event()
    asked = [asyncio.create_task(downloads.ask(gate.wait)) for _ in range(5)]
    await asyncio.sleep(0)
    stopping = asyncio.create_task(downloads.stop())
    async with asyncio.timeout(60):
        waited = await asyncio.gather(*asked[2:], return_exceptions=True)
        gate.set()
        await stopping
        assert await asyncio.gather(*asked[:2]) == [True, True]
    assert [type(each) for each in waited] == [Full] * 3
    with pytest.raises(Full):
        await downloads.ask(lambda: 1)


async def test_who_is_cancelled_itself_is_cancelled(tmp_path: Path) -> None:
    downloads = Downloads(Channels(str(tmp_path)), most=1, rate=0, metrics=Metrics())
    gate = threading.Event()
    asked = asyncio.create_task(downloads.ask(gate.wait))
    await asyncio.sleep(0)
    stopping = asyncio.create_task(downloads.stop())
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    gate.set()
    await stopping
