"""A task that is told to end ends, be it that a library lost the first cancellation."""

import asyncio

import pytest

from appliance.cancelled import cancelled
from tests.appliance.worlds import PATIENCE_S


@pytest.fixture
def again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.cancelled._AGAIN_AFTER_S", 0.05)


async def loses_one(began: asyncio.Event) -> None:
    """As `wait_for` does: cancelled in the moment of the answer it returns that, and its caller goes on."""
    try:
        began.set()
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass
    await asyncio.Event().wait()


@pytest.mark.usefixtures("again_soon")
async def test_it_has_ended_when_this_returns() -> None:
    began = asyncio.Event()
    task, other = asyncio.ensure_future(loses_one(began)), asyncio.ensure_future(asyncio.Event().wait())
    await began.wait()
    async with asyncio.timeout(PATIENCE_S):
        await cancelled(task, None, other)
    assert task.cancelled()
    assert other.cancelled()


async def test_what_tidies_up_has_a_moment_for_it_and_what_failed_is_not_told_later() -> None:
    began, tidied = asyncio.Event(), []

    async def work() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            tidied.append(True)
            raise OSError("nobody asked for this")

    task = asyncio.ensure_future(work())
    await began.wait()
    await cancelled(task)
    assert tidied == [True]
    assert task.done()


async def test_of_none_nothing_is_waited_for() -> None:
    await cancelled()
    await cancelled(None)
