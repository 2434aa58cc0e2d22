"""All tests of the hub's rooms on a real PostgreSQL, for `make test-postgresql`; arguments go on to pytest."""

import os
import subprocess
import sys

from tests.postgresql import MissingError, in_memory, running_server

_ROOMS = (
    "operations",
    "kiosks",
    "backends",
    "web",
    "updates",
    "alerts",
    "bot",
    "accounts",
    "dashboard",
    "db/test_writer.py",
    "test_app.py",
    "test_adversary.py",
)


def main() -> int:
    """pytest's exit status."""
    try:
        with running_server(within=in_memory(), max_connections="200") as server:
            rooms = [path for room in _ROOMS if os.path.exists(path := f"tests/cloud/{room}")]
            return subprocess.run(
                [sys.executable, "-m", "pytest", "--tb=short", *rooms, *sys.argv[1:]],
                env={**os.environ, "KIOSKWIRE_TEST_POSTGRESQL": server.url("postgres")},
                check=False,
            ).returncode
    except MissingError as missing:
        print(missing, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
