"""The kiosk is cut off between any two steps of a payment, and goes on over the same journal and the same terminal."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest

from appliance.targets import Answered, NeverGot
from tests.appliance.gateways.kaspi_world import Counter, Kiosk, counter, kiosk, said
from tests.appliance.quick import quick
from tests.chaos.points import ROOT

_FAST = 400.0  # customers a second of whom is 2.5 ms
_PLAN = [*range(1, 40), *range(40, 120, 5), *range(120, 400, 20)]


class Steps:
    """An awaitable that carries another one as far as its n-th wait, where its task is cancelled."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], last: int) -> None:
        self.coroutine, self.last = coroutine, last

    def __await__(self) -> Generator[Any, Any, Any]:
        value: Any = None
        error: BaseException | None = None
        inner = self.coroutine.__await__()
        while True:
            try:
                waits = inner.throw(error) if error is not None else inner.send(value)
            except StopIteration as end:
                return end.value
            self.last -= 1
            if self.last == 0:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            value = error = None
            try:
                value = yield waits
            except BaseException as thrown:
                error = thrown


async def cut_at(here: Kiosk, body: dict[str, Any], request_id: str, step: int) -> Any:
    """Run a payment up to its n-th wait; None when it was cut there."""

    async def run() -> Any:
        return await Steps(here.target().run(here.ask(body, request_id)), step)

    (result,) = await asyncio.gather(asyncio.create_task(run()), return_exceptions=True)
    return None if isinstance(result, asyncio.CancelledError) else result


async def agree(here: Kiosk, there: Counter, body: dict[str, Any], request_id: str, found: Any) -> str:
    """The outcome and the terminal's ledger say the same. Returns which it was."""
    await there.idle()
    charges = [effect for effect in there.effects(body["amount"]) if effect[0] == "charge"]
    assert len(charges) <= 1
    if isinstance(found, Answered):
        assert (said(found)["status"] == "approved") == bool(charges)
        return "known"
    if isinstance(found, NeverGot):
        assert charges == []
        return "never"
    assert found is None
    assert request_id in {event["request_id"] for event in await here.events()}
    return "unclear"


@quick
async def test_cut_off_at_every_wait(tmp_path: Path) -> None:
    came = {"known": 0, "never": 0, "unclear": 0}  # what was being written is written: nothing is never begun
    async with counter(speed=_FAST) as there, kiosk(tmp_path, there.url) as here:
        for step in _PLAN:
            body, request_id = {"amount": 100 * (1000 + step)}, f"request-{step}"
            await there.idle()
            result = await cut_at(here, body, request_id, step)
            if result is not None:
                assert said(result)["status"] == "approved"
                break
            here.anew()
            found = await here.find_out(body, request_id)
            came[await agree(here, there, body, request_id, found)] += 1
            assert not (work := await here.work(request_id)) or not work.is_open
        else:
            pytest.fail("the plan ended before the payment")
    assert 0 not in {came["known"], came["unclear"]}


_CHILD = """
import asyncio, sys
from pathlib import Path
from tests.appliance.gateways.kaspi_world import kiosk, said

async def main():
    directory, url, request_id, amount, protected = sys.argv[1:]
    async with kiosk(Path(directory), url) as here:
        protected = protected == "protected"
        if protected:
            said(await here.pay({"action": "register"}, "request-0", protected=True))
        print(await here.pay({"amount": int(amount)}, request_id, timeout=60.0, protected=protected))

asyncio.run(main())
"""
_POINTS = [
    *(
        f"appliance.kaspi.{action}.{moment}"
        for action in ("begin", "process", "end", "token")
        for moment in ("before", "after")
    ),
    "appliance.gateway.fetch.before",
    "appliance.gateway.fetch.after",
    "appliance.gateway.fetch.after:2",
    "appliance.gateway.request.before",
    "appliance.gateway.request.before:2",
]


@pytest.mark.parametrize("point", _POINTS)
async def test_killed_at_a_point(tmp_path: Path, point: str) -> None:
    protected = ".token." in point
    async with counter(speed=20.0, protected=protected) as there:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CHILD, str(tmp_path), there.url, "request-1", "125000",
            "protected" if protected else "open",
            env={**os.environ, "KIOSKWIRE_CRASH_AT": point}, cwd=ROOT, stderr=subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(90):
            _out, told = await process.communicate()
        assert process.returncode == -9, told.decode()
        async with kiosk(tmp_path, there.url) as here:
            found = await here.find_out()
            outcome = await agree(here, there, {"amount": 125000}, "request-1", found)
        certain = {
            "appliance.kaspi.begin.before": "never", "appliance.kaspi.process.after": "known",
            "appliance.kaspi.end.before": "known", "appliance.kaspi.end.after": "known",
            "appliance.kaspi.token.before": "never", "appliance.kaspi.token.after": "never",
            "appliance.gateway.fetch.after:2": "known", "appliance.gateway.request.before:2": "known",
        }  # fmt: skip
        assert outcome == certain.get(point, "unclear")
