"""Nothing is begun while operations are held; what comes meanwhile is neither lost nor answered too early."""

import asyncio
from pathlib import Path

from appliance.operations.operation import State
from tests.appliance.quick import quick
from tests.appliance.worlds import Call, gateway, kiosk, reply, request, route, table, until
from wire.messages import Executed


@quick
async def test_what_runs_or_waits_holds_it_off(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def wait(_call: Call) -> bytes:
        await go.wait()
        return reply()

    async with gateway(wait) as there, kiosk(tmp_path, table(route(there.url))) as here:
        here.operations.request(request())
        assert not here.operations.hold()
        await until(lambda: here.operations.count(State.RUNNING))
        assert not here.operations.hold()
        go.set()
        await here.told.first()
        await until(here.operations.hold)
        assert not here.operations.hold(), "one is enough"


@quick
async def test_what_comes_meanwhile_is_begun_afterwards_once(tmp_path: Path) -> None:
    async with gateway() as there, kiosk(tmp_path, table(route(there.url))) as here:
        assert here.operations.hold()
        for _ in range(3):
            here.operations.request(request("request-1"))
            here.operations.request(request("request-2", start_within=0.01))
            here.operations.request(request("request-3"))
        here.operations.cancel("request-3")
        await asyncio.sleep(0.05)
        assert (there.calls, here.told.outcomes, here.operations.count(*State)) == ([], [], 0)
        here.operations.release()
        told = {each: await here.told.first(each) for each in ("request-1", "request-2", "request-3")}
        assert [response.executed for response in told.values()] == [Executed.YES, Executed.NO, Executed.NO]
        assert len(there.calls) == 1
        here.operations.release()
        assert len(here.told.outcomes) == 3


@quick
async def test_a_standstill_refuses_what_gets_past_it(tmp_path: Path) -> None:
    async with gateway() as there, kiosk(tmp_path, table(route(there.url))) as here:
        assert await here.journal.stand_still(60) == []
        here.operations.request(request())
        response = await here.told.first()
        assert (response.executed, response.error and response.error.type) == (Executed.NO, "kiosk-busy")
        assert there.calls == []
