"""Every coroutine test runs on Tornado's event loop, as pytest-tornado's `gen_test` does it."""

import inspect

import pytest
from hypothesis import settings

# Nothing is timed in tests: a machine busy with something else must not fail one.
settings.register_profile("untimed", parent=settings.default, deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.add_marker(pytest.mark.gen_test)
