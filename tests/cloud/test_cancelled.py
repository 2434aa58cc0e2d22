"""A task that is told to end ends, be it that a library lost the first cancellation."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cloud.cancelled import cancelled
from cloud.db.changes import Changes

_PATIENCE = 30.0


@pytest.fixture(autouse=True)
def again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.cancelled._AGAIN_AFTER", 0.05)


async def loses(began: asyncio.Event) -> None:
    """Python 3.11's `wait_for`: cancelled in the moment of the answer it returns that."""
    try:
        began.set()
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass


async def fails(began: asyncio.Event) -> None:
    try:
        await loses(began)
    finally:
        raise OSError("told by nobody")


async def goes_on(began: asyncio.Event) -> None:
    await loses(began)
    await asyncio.Event().wait()


@pytest.mark.parametrize("work", [loses, fails, goes_on])
async def test_it_has_ended_when_this_returns(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    began, others = asyncio.Event(), asyncio.Event()
    task, other = asyncio.ensure_future(work(began)), asyncio.ensure_future(others.wait())
    await began.wait()
    async with asyncio.timeout(_PATIENCE):
        await cancelled(task, other)
    assert task.done()
    assert other.cancelled()


async def test_of_none_and_of_one_that_has_ended_nothing_is_waited_for() -> None:
    ended = asyncio.ensure_future(asyncio.sleep(0))
    await ended
    await cancelled()
    await cancelled(ended, ended)
    assert not ended.cancelled()


async def test_what_tidies_up_has_a_moment_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.cancelled._AGAIN_AFTER", _PATIENCE)
    began, tidied = asyncio.Event(), []

    async def work() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            tidied.append(True)

    task = asyncio.ensure_future(work())
    await began.wait()
    await cancelled(task)
    assert tidied == [True]


async def test_who_waits_for_it_can_be_cancelled() -> None:
    began, free = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        while not free.is_set():
            try:
                began.set()
                await free.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.ensure_future(stubborn())
    await began.wait()
    waiting = asyncio.ensure_future(cancelled(task))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    free.set()
    await task


async def test_what_is_read_again_and_again_stops_though_a_cancellation_was_lost_in_the_midst(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cloud.db.changes._EVERY", 0.0)
    reading, times = asyncio.Event(), []

    async def read() -> None:
        times.append(True)
        if len(times) == 2:
            await loses(reading)

    changes = Changes("what a pool lost", read)
    await changes.start()
    await reading.wait()
    async with asyncio.timeout(_PATIENCE):
        await changes.stop()
    assert len(times) >= 2
