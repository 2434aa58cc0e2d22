"""Every coroutine test runs on Tornado's event loop, as pytest-tornado's `gen_test` does it."""

import asyncio
import inspect
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tornado.ioloop import IOLoop

# Nothing is timed in tests: a machine busy with something else must not fail one.
settings.register_profile("untimed", parent=settings.default, deadline=None)
settings.load_profile("untimed")

# Tornado keeps what was the current loop while a test runs on its own; asked the first time, asyncio would make one for
# that, which nobody closes: whichever test the garbage collector came to it in would fail.
asyncio.set_event_loop(None)

_DATABASE = "_connection_worker_thread"  # of aiosqlite; each is one connection
_CLOSED_WITHIN = 60.0  # seconds; what is told to the disk at a close may take some


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.add_marker(pytest.mark.gen_test)


@pytest.fixture
def io_loop(io_loop: IOLoop) -> Iterator[IOLoop]:
    """pytest-tornado's, which is not closed under a database connection that is just being closed.

    SQLAlchemy closes the connection of a task that was cancelled in the background, in a thread that tells the loop of
    it; where the loop is closed by then, whichever test runs next would fail.
    """
    before = set(threading.enumerate())
    yield io_loop

    async def end() -> None:
        for each in threading.enumerate():
            if _DATABASE in each.name and each not in before:
                await asyncio.to_thread(each.join, _CLOSED_WITHIN)
                assert not each.is_alive(), "a connection to a database is left open"

    io_loop.run_sync(end)
