"""What was never sent is deleted, however long that takes."""

import asyncio
from typing import cast

import pytest

from cloud.errors import StorageError
from cloud.operations.freeing import Freeing
from cloud.operations.store import Store
from tests.cloud.hub import PATIENCE


class Unsteady:
    """A store that fails so often before it deletes."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.deleted: list[str] = []

    async def release(self, request_id: str) -> None:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise StorageError("away")
        self.deleted.append(request_id)


async def test_it_goes_on_until_all_is_deleted_and_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.freeing._RETRY", 0.01)
    store = Unsteady(failures=3)
    freeing = Freeing(cast(Store, store))
    assert freeing.free("one")
    assert not freeing.free("two")
    assert "one" in freeing
    async with asyncio.timeout(PATIENCE):
        await freeing.run()
    assert sorted(store.deleted) == ["one", "two"]
    assert "one" not in freeing
    assert freeing.free("three")


async def test_beyond_the_bound_it_is_left_to_the_kiosk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.freeing._WAITING_MAX", 1)
    freeing = Freeing(cast(Store, Unsteady(failures=0)))
    freeing.free("one")
    freeing.free("two")
    assert "two" not in freeing
