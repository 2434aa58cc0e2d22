"""Every coroutine test runs on Tornado's event loop, as pytest-tornado's `gen_test` does it."""

import asyncio
import inspect

import pytest
from hypothesis import settings

# Nothing is timed in tests: a machine busy with something else must not fail one.
settings.register_profile("untimed", parent=settings.default, deadline=None)
settings.load_profile("untimed")

# Tornado keeps what was the current loop while a test runs on its own; asked the first time, asyncio would make one for
# that, which nobody closes: whichever test the garbage collector came to it in would fail.
asyncio.set_event_loop(None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.add_marker(pytest.mark.gen_test)
