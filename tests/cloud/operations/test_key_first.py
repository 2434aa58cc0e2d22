"""A repetition is recognised before anything is refused: "not executed" would be false of what its key stands for."""

from pathlib import Path

import pytest

from cloud.errors import StorageError
from cloud.operations.operation import Operation
from cloud.operations.store import Store
from tests.cloud.hub import broken, rows, running, until
from tests.cloud.web.test_send import problem_of


async def test_a_repetition_of_an_open_operation_is_never_told_not_executed(tmp_path: Path) -> None:
    # One at once, and hours to the next.
    limits = {"rate_limit_per_key": 0.0001, "rate_limit_per_kiosk": 0.0001, "kiosk_reconnect_grace": 0.2}
    async with running(tmp_path, **limits) as hub:
        async with hub.kiosk() as kiosk:
            asked = hub.sending({"amount": 1}, key="pay-1")
            await kiosk.request()
            await kiosk.cut()
        assert problem_of(await asked) == "kiosk-lost"
        # Asking for it counts against the key's limit.
        await until(lambda: rows(tmp_path, "SELECT state FROM operations") == [("unknown",)])

        async def outcome() -> tuple[str, str]:
            answer = await hub.send({"amount": 1}, key="pay-1")
            return answer.json()["outcome"], answer.headers["idempotent-replayed"]

        assert problem_of(await hub.send({"amount": 2}, key="pay-2")) == "rate-limited"
        assert await outcome() == ("unknown", "true")  # over both limits
        await hub.hub.services.registry.enable("kiosk_001", False)
        assert await outcome() == ("unknown", "true")
        await hub.hub.services.registry.remove("kiosk_001")
        assert await outcome() == ("unknown", "true")
        async with broken(tmp_path, "operations"):
            answer = await hub.send({"amount": 1}, key="pay-1")
            assert (problem_of(answer), answer.json()["outcome"]) == ("key-unchecked", "unknown")


async def test_a_new_key_costs_no_question_where_its_kiosk_is_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, find = [], Store.find_by_key

    async def count(store: Store, key: str) -> Operation | None:
        asked.append(key)
        return await find(store, key)

    monkeypatch.setattr(Store, "find_by_key", count)
    async with running(tmp_path) as hub:
        async with hub.kiosk() as kiosk, kiosk.serving() as executed:
            assert (await hub.send({"amount": 1}, key="pay-1")).status_code == 200
            assert asked == []
            await until(lambda: hub.services.operations.running == 0)  # its outcome is stored, and nobody can join it
            again = await hub.send({"amount": 1}, key="pay-1")
            assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
            assert asked == ["pay-1"]
            assert len(executed) == 1
        # The kiosk is away: what the key stands for is told without waiting for it.
        again = await hub.send({"amount": 1}, key="pay-1")
        assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")


async def test_a_claim_that_fails_says_nothing_of_what_its_key_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk reads on: the repetition of a payment that was executed is that payment, not "not executed"."""
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
        assert (await hub.send({"amount": 1}, key="pay-1")).status_code == 200
        await until(lambda: hub.services.operations.running == 0)  # its outcome is stored, and nobody can join it

        async def full(*_: object) -> None:
            raise StorageError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(Store, "claim", full)
            again = await hub.send({"amount": 1}, key="pay-1")
            assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
            assert problem_of(await hub.send({"amount": 2}, key="pay-1")) == "idempotency-conflict"
            assert problem_of(await hub.send({"amount": 1}, key="pay-2")) == "hub-storage"
            patch.setattr(Store, "find_by_key", full)
            answer = await hub.send({"amount": 1}, key="pay-1")
            assert (problem_of(answer), answer.json()["outcome"]) == ("key-unchecked", "unknown")
        assert len(executed) == 1


async def test_repetitions_do_not_use_up_the_kiosks_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.app._BURST_SECONDS", 20_000.0)  # two at once, and hours to the next
    async with running(tmp_path, rate_limit_per_kiosk=0.0001) as hub, hub.kiosk() as kiosk, kiosk.serving():
        for _ in range(6):
            assert (await hub.send({"amount": 1}, key="pay-1")).status_code == 200
        assert (await hub.send({"amount": 1}, key="pay-2")).status_code == 200
        assert problem_of(await hub.send({"amount": 1}, key="pay-3")) == "rate-limited"
