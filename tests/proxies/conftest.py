"""These need Caddy and nginx and take three minutes: `make test-proxies` runs them, `make test` does not."""

import os

if "KIOSKWIRE_TEST_PROXIES" not in os.environ:
    collect_ignore_glob = ["test_*.py"]
