"""kill -9 of the hub while a person settles an operation, and while a kiosk tells after all."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.cloud.hub import ADMIN_KEY, Json, Running, database_of, rows, running
from tests.cloud.operations.test_callbacks import key_with_callback, receiver
from tests.cloud.operations.test_resolving import later, left_unknown, unheard
from tests.cloud.test_main import Process, kiosk_of, serving

_ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
_SAID = {"state": "failed", "why": "the bank does not have it"}


async def said(hub: Process, request_id: str) -> None:
    """Settle it at a hub that dies over it."""
    async with httpx.AsyncClient(base_url=hub.url, trust_env=False, timeout=60) as http:
        with pytest.raises(httpx.TransportError):
            await http.post(f"/admin/operations/{request_id}/resolve", json=_SAID, headers=_ADMIN)
    assert await hub.process.wait() == -signal.SIGKILL


async def say_again(hub: Running, request_id: str) -> Json:
    """What somebody does who got no answer."""
    answer = await hub.http.post(f"/admin/operations/{request_id}/resolve", json=_SAID, headers=hub.admin)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_persons_word_is_there_with_its_callback_or_not_at_all(tmp_path: Path, moment: str) -> None:
    async with receiver() as backend:
        async with running(tmp_path) as hub, hub.kiosk() as kiosk:
            api_key, _ = await key_with_callback(hub, backend.url)
            request_id = await left_unknown(hub, kiosk, api_key=api_key)
        point = {"KIOSKWIRE_CRASH_AT": f"hub.resolutions.keep.{moment}"}
        async with serving(tmp_path, DATABASE_URL=database_of(tmp_path), **point) as process:
            await said(process, request_id)
        is_there = moment == "after"
        state, final = ("failed", True) if is_there else ("unknown", False)
        assert rows(tmp_path, "SELECT state, final FROM operations") == [(state, final)]
        assert len(rows(tmp_path, "SELECT 1 FROM resolutions")) == is_there
        assert len(rows(tmp_path, "SELECT 1 FROM callbacks")) == is_there
        async with running(tmp_path) as hub, hub.kiosk() as kiosk:
            found = await say_again(hub, request_id)
            (called,) = await backend.wait(1)
            assert (called["data"], found["state"]) == (found, "failed")
            again = await hub.send({"amount": 1}, key="pay-1")
            assert again.json()["outcome"] == "not_executed"
            assert await kiosk.heard() == [], "executed once at most"
            assert len(rows(tmp_path, "SELECT 1 FROM resolutions")) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_kiosks_word_that_comes_after_it_is_never_lost(tmp_path: Path, moment: str) -> None:
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        request = await unheard(hub, kiosk)
        later(hub, 200)
        await say_again(hub, request["request_id"])
        token = hub.token()
    point = {"KIOSKWIRE_CRASH_AT": f"hub.resolutions.tell.{moment}"}
    async with serving(tmp_path, DATABASE_URL=database_of(tmp_path), **point) as process:
        async with kiosk_of(process, token) as kiosk:
            await kiosk.answer(request, {"paid": True})
            await kiosk.close_code()  # it heard no `settled`, and keeps it
        assert await process.process.wait() == -signal.SIGKILL
    kept = rows(tmp_path, "SELECT contradicted_at IS NOT NULL FROM resolutions")
    assert [bool(one) for (one,) in kept] == [moment == "after"]
    async with running(tmp_path) as hub, hub.kiosk() as kiosk:
        await kiosk.answer(request, {"paid": True})
        await kiosk.hear("settled")
        found = await hub.operation(request["request_id"])
        assert (found["state"], found["resolution"]["told"]["body"]) == ("failed", {"paid": True})
        assert "gateway answered 200" in found["resolution"]["contradiction"]
