"""What the dashboard's tests share beside `site`."""

import pytest
from argon2 import PasswordHasher


@pytest.fixture(autouse=True)
def _passwords_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """What guessing costs is tried in tests/cloud/accounts; here people sign in a hundred times."""
    monkeypatch.setattr("cloud.accounts.passwords._HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
