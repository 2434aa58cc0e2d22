"""What the hub's tests say of SQLite holds on PostgreSQL: some of them are run again on it.

`make test-postgresql` runs all.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgresql import MissingError, in_memory, running_server

_ROOT = Path(__file__).parents[2]
# Of each room that keeps rows, what tries just that; they take some 40 s together.
_AGAIN = (
    "tests/cloud/operations/test_store.py",
    "tests/cloud/operations/test_search.py",
    "tests/cloud/operations/test_figures.py",
    "tests/cloud/operations/test_tally.py",
    "tests/cloud/operations/test_facts.py",
    "tests/cloud/operations/test_starting.py",
    "tests/cloud/operations/test_retention.py",
    "tests/cloud/kiosks/test_history.py",
    "tests/cloud/kiosks/test_inbox.py",
    "tests/cloud/kiosks/test_registry.py",
    "tests/cloud/backends/test_keys.py",
    "tests/cloud/alerts/test_presence.py",
    "tests/cloud/accounts/test_sessions.py",
    "tests/cloud/updates/test_going_wrong.py",
    "tests/cloud/bot/test_asks.py",
    "tests/cloud/bot/test_users.py",
    "tests/cloud/db/test_writer.py",
)


@pytest.mark.skipif("KIOSKWIRE_TEST_POSTGRESQL" in os.environ, reason="this is that run")
def test_what_each_room_keeps_is_kept_there_as_in_sqlite() -> None:
    try:
        with running_server(within=in_memory(), max_connections="100") as server:
            again = subprocess.run(
                [sys.executable, "-m", "pytest", "--tb=short", *_AGAIN],
                cwd=_ROOT,
                env={**os.environ, "KIOSKWIRE_TEST_POSTGRESQL": server.url("postgres")},
                capture_output=True,
                text=True,
                timeout=600,  # on a machine that is busy with the other rows
                check=False,
            )
    except MissingError as missing:
        pytest.skip(str(missing))
    assert again.returncode == 0, again.stdout[-4000:]
