"""What the tests of the hub share beside `tests.cloud.hub`."""

import functools
import logging
import ssl
from collections.abc import Iterator

import pytest

_create_default_context = functools.cache(ssl.create_default_context)


@pytest.fixture(autouse=True)
def _certificates_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every HTTP client reads all root certificates, which takes longer than most tests; none here speaks TLS.

    Undone after each test: others do, and add authorities of their own.
    """
    monkeypatch.setattr(ssl, "create_default_context", _create_default_context)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Commands set up the logging of the whole process: the next test is to find it as this one did."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
