"""Outcomes nobody waits for: after a restart of the hub, from a kiosk's memory alone, from a kiosk without memory."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.hub import Json, Running, rows, running, until
from tests.cloud.operations.test_service import next_is_only_the_new_one
from tests.cloud.web.test_send import problem_of


async def leave_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str = "journal-1") -> Json:
    """A hub that is stopped while a kiosk executes; returns what the kiosk was asked."""
    monkeypatch.setattr("cloud.app._FINISH_WITHIN", 0.1)
    async with running(tmp_path) as hub, hub.kiosk(journal=journal) as kiosk:
        asked = hub.sending({"amount": 1}, key="pay-1")
        request = await kiosk.request()
    assert problem_of(await asked) == "timeout"
    return request


async def test_after_a_restart_the_kiosk_is_asked_what_became_of_it_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await leave_in_the_middle(tmp_path, monkeypatch)
    async with running(tmp_path) as hub:
        assert (await hub.operation(request["request_id"]))["state"] == "unknown"
        async with hub.kiosk() as kiosk:
            again = await kiosk.request()
            assert (request["request_id"], request["body"], 0.0) == (
                again["request_id"],
                again["body"],
                again.get("start_within", 0.0),
            )
            await kiosk.answer(again, {"paid": True})
            await kiosk.hear("settled")
            assert (await hub.send({"amount": 1}, key="pay-1")).json() == {"paid": True}


async def test_after_a_restart_a_kiosk_that_never_started_it_makes_it_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await leave_in_the_middle(tmp_path, monkeypatch)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        await kiosk.refuse(await kiosk.request(), "expired")
        await kiosk.hear("settled")
        found = await hub.operation(request["request_id"])
        assert (found["state"], found["executed"], found["final"]) == ("expired", "no", True)
        again = await hub.send({"amount": 1}, key="pay-1")
        assert (problem_of(again), "true") == ("expired", again.headers["idempotent-replayed"])


async def test_after_a_restart_a_kiosk_without_that_journal_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await leave_in_the_middle(tmp_path, monkeypatch, journal="before")
    async with running(tmp_path) as hub, hub.kiosk(journal="after") as kiosk:
        await until(lambda: rows(tmp_path, "SELECT 1 FROM operations WHERE problem = 'interrupted'"))
        await next_is_only_the_new_one(hub, kiosk)
        found = await hub.operation(request["request_id"])
        assert (
            found["state"],
            found["executed"],
            found["problem"]["type"],
        ) == ("unknown", "unknown", "interrupted")


async def test_an_outcome_the_hub_never_stored_anything_of_makes_the_operation(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        await kiosk.answer({"request_id": "only-at-the-kiosk", "operation": "payment"}, {"paid": True})
        assert await kiosk.hear() == {"type": "settled", "request_id": "only-at-the-kiosk"}
        found = await hub.operation("only-at-the-kiosk")
        assert (
            found["kiosk"],
            found["operation"],
            found["state"],
            found["answer"]["body"],
        ) == ("kiosk_001", "payment", "succeeded", {"paid": True})


async def test_an_outcome_whose_ids_have_no_form_is_not_stored(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        for request_id, operation in (("../etc", "payment"), ("x" * 65, "payment"), ("good-enough-id", "a b")):
            await kiosk.answer({"request_id": request_id, "operation": operation})
        await next_is_only_the_new_one(hub, kiosk)
        assert [item["operation"] for item in await hub.operations()] == ["new"]


class SlowRead:
    """Holds back what the store found unanswered until the test lets it go."""

    def __init__(self, hub: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read, self.go = asyncio.Event(), asyncio.Event()
        self._unanswered = hub.services.store.unanswered
        monkeypatch.setattr(type(hub.services.store), "unanswered", self)

    async def __call__(self, *args: Any) -> Any:
        found = await self._unanswered(*args)
        self.read.set()
        await self.go.wait()
        return found


async def test_what_a_kiosk_answers_while_the_store_is_read_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queued one would still be in time, and the kiosk that was told `settled` would execute it once more."""
    async with running(tmp_path) as hub:
        async with hub.kiosk() as kiosk:
            await hub.send(header_delivery="queue")
            request = await kiosk.request()
        await hub.gone()
        slow = SlowRead(hub, monkeypatch)
        async with hub.kiosk() as kiosk:
            await slow.read.wait()
            assert (await kiosk.request())["request_id"] == request["request_id"]
            await kiosk.answer(request)
            await kiosk.hear("settled")
            await hub.idle()
            slow.go.set()
            await next_is_only_the_new_one(hub, kiosk)


async def test_a_late_outcome_while_the_store_is_read_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await leave_in_the_middle(tmp_path, monkeypatch)
    async with running(tmp_path) as hub:
        slow = SlowRead(hub, monkeypatch)
        async with hub.kiosk() as kiosk:
            await slow.read.wait()
            await kiosk.answer(request, {"paid": True})
            await kiosk.hear("settled")
            slow.go.set()
            await next_is_only_the_new_one(hub, kiosk)
