"""What the hub's tests say of SQLite holds on PostgreSQL: some of them are run again on it.

`make test-postgresql` runs all.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgresql import MissingError, running_server

_ROOT = Path(__file__).parents[2]
_AGAIN = (
    "tests/cloud/operations/test_store.py",
    "tests/cloud/backends/test_keys.py",
    "tests/cloud/kiosks/test_registry.py",
    "tests/cloud/db/test_writer.py",
)


@pytest.mark.skipif("KIOSKWIRE_TEST_POSTGRESQL" in os.environ, reason="this is that run")
def test_rows_keys_and_kiosks_are_kept_there_as_in_sqlite() -> None:
    try:
        with running_server(max_connections="100") as server:
            again = subprocess.run(
                [sys.executable, "-m", "pytest", "--tb=short", *_AGAIN],
                cwd=_ROOT,
                env={**os.environ, "KIOSKWIRE_TEST_POSTGRESQL": server.url("postgres")},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
    except MissingError as missing:
        pytest.skip(str(missing))
    assert again.returncode == 0, again.stdout[-4000:]
