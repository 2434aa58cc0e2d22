"""These take minutes, on PostgreSQL: `make test-upgrade` and `make test-failover` run them, `make test` does not."""

import os

if "KIOSKWIRE_TEST_DATABASES" not in os.environ:
    collect_ignore_glob = ["test_*.py"]
