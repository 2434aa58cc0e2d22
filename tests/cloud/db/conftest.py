"""One PostgreSQL for the tests of this room that do not harm it."""

import itertools

import pytest

from tests.cloud.fleet import database_server
from tests.postgresql import Server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def lasting_server() -> Server:
    """Runs until the last test has ended; the one that fleets have."""
    return database_server()


@pytest.fixture
def empty(lasting_server: Server) -> str:
    """The address of an empty database of the test's own."""
    name = f"empty_{next(_numbers)}"
    lasting_server.execute(f"CREATE DATABASE {name}")
    return lasting_server.url(name)
