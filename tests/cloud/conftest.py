"""What the tests of the hub share beside `tests.cloud.hub`."""

import functools
import ssl

import pytest

_create_default_context = functools.cache(ssl.create_default_context)


@pytest.fixture(autouse=True)
def _certificates_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every HTTP client reads all root certificates, which takes longer than most tests; none here speaks TLS.

    Undone after each test: others do, and add authorities of their own.
    """
    monkeypatch.setattr(ssl, "create_default_context", _create_default_context)
