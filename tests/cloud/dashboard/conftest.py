"""What the dashboard's tests share beside `site`."""

import pytest
from argon2 import PasswordHasher


@pytest.fixture(autouse=True)
def _passwords_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """What guessing costs is tried in tests/cloud/accounts; here people sign in a hundred times."""
    monkeypatch.setattr("cloud.accounts.passwords._HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture(autouse=True)
def _pages_wait_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few seconds a page says that the database is away; of a machine that stood still that would not be true.

    Where a test has it be away, the database says so itself.
    """
    for name in ("glance._WITHIN", "kiosk_seen._PATIENCE", "kiosks._PATIENCE"):
        monkeypatch.setattr(f"cloud.dashboard.{name}", 60.0)
