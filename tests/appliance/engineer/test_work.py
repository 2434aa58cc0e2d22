"""One thing at a time: that it always ends, whoever ends it how often."""

import asyncio
from typing import Any

from appliance.engineer.work import End, Job, Work


async def _told_nothing(_kind: str, _data: dict[str, Any]) -> None:
    pass


async def test_who_ends_it_twice_does_not_keep_the_engineer_out_for_ever() -> None:
    work, put_away = Work(_told_nothing), asyncio.Event()

    async def slow_to_leave(_job: Job) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.shield(put_away.wait())

    job = work.begin("tested", "bills", slow_to_leave, limit_s=60)
    await asyncio.sleep(0)
    ends = [asyncio.create_task(work.end()) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    ends.append(asyncio.create_task(work.stop()))
    await asyncio.sleep(0)
    assert job.running, "it is still being put away"
    put_away.set()
    await asyncio.gather(*ends)
    assert (job.end, job.steps[-1].key) == (End.CUT, "job.by-hand")
    assert work.running is None


async def test_the_next_one_can_be_ended_too() -> None:
    work = Work(_told_nothing)

    async def waits(_job: Job) -> None:
        await asyncio.sleep(60)

    for _ in range(2):
        job = work.begin("tested", "bills", waits, limit_s=60)
        await asyncio.sleep(0)
        await work.end()
        assert job.end is End.CUT
