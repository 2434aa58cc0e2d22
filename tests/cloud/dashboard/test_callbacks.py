"""What backends were told, as a page, and sending it again."""

from pathlib import Path

import pytest

from tests.cloud.dashboard.site import Site, dashboard
from tests.cloud.hub import change, rows, until
from tests.cloud.operations.test_callbacks import finish, key_with_callback, receiver


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.callbacks._LOOK_EVERY", 0.02)


async def given_up(site: Site, state_dir: Path, count: int) -> None:
    """Wait until so many are, and are no longer under way: until then none is sent again."""
    asked = "SELECT 1 FROM callbacks WHERE next_at IS NULL AND delivered_at IS NULL"
    await until(lambda: len(rows(state_dir, asked)) == count and not site.rooms.callbacks._under_way)


async def test_what_was_given_up_is_listed_and_sent_again(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="operator", callback_for=0.0) as site, receiver() as backend:
        backend.statuses = [500, 200, 500, 500]
        assert "No callback fails" in (await site.get("/dashboard/callbacks")).text
        text, _ = await key_with_callback(site.at, backend.url)
        request_id = await finish(site.at, text)
        await given_up(site, tmp_path, 1)
        page = await site.get("/dashboard/callbacks")
        assert "answered 500" in page.text
        assert request_id in page.text
        (key,) = (row[0] for row in rows(tmp_path, "SELECT api_key_id FROM callbacks"))
        assert request_id not in (await site.get("/dashboard/callbacks", state="given-up", key="another")).text
        done = await site.post(f"/dashboard/callbacks/{request_id}/redeliver")
        assert (done.status_code, done.headers["location"]) == (303, f"/dashboard/operations/{request_id}")
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE delivered_at IS NOT NULL"))
        assert request_id in (await site.get("/dashboard/callbacks", state="delivered")).text
        for _ in range(2):
            await finish(site.at, text)
        await given_up(site, tmp_path, 2)
        sure = await site.post("/dashboard/callbacks", key=key)
        assert "webhook-id" in sure.text
        await given_up(site, tmp_path, 2)
        assert (await site.post("/dashboard/callbacks", key=key, sure="yes")).status_code == 303
        await until(lambda: len(rows(tmp_path, "SELECT 1 FROM callbacks WHERE delivered_at IS NOT NULL")) == 3)
        acts = {act.act: (act.subject, act.data) for act in await site.rooms.audit.page()}
        assert acts["callback.redeliver"] == (request_id, {})
        assert acts["callbacks.redeliver-all"] == (key, {"count": 2})


async def test_what_a_receiver_said_is_escaped_and_masked(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site, receiver() as backend:
        text, _ = await key_with_callback(site.at, backend.url)
        await finish(site.at, text)
        await until(lambda: rows(tmp_path, "SELECT 1 FROM callbacks WHERE delivered_at IS NOT NULL"))
        evil = "<script>alert(1)</script> token=abcdef1234567890abcdef1234567890"
        await change(tmp_path, f"UPDATE callbacks SET delivered_at = NULL, attempts = 4, last_error = '{evil}'")
        page = await site.get("/dashboard/callbacks", state="given-up")
        assert "<script>alert" not in page.text
        assert "abcdef1234567890abcdef1234567890" not in page.text
        assert "&lt;script&gt;" in page.text


async def test_who_may_and_what_there_is_not(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="operator") as site:
        viewer = site.as_role("viewer")
        assert (await viewer.get("/dashboard/callbacks")).status_code == 200
        assert (await viewer.post("/dashboard/callbacks/00000000-0000/redeliver")).status_code == 403
        assert (await viewer.post("/dashboard/callbacks", key="x", sure="yes")).status_code == 403
        assert (await site.post("/dashboard/callbacks/00000000-0000/redeliver")).status_code == 404
        assert (await site.post("/dashboard/callbacks", key="nobody", sure="yes")).status_code == 422
        assert (await site.get("/dashboard/callbacks", state="lost")).status_code == 400
        key = (await site.rooms.keys.read_all())[0].id
        refused = await site.post("/dashboard/callbacks", key=key, sure="yes")
        assert (refused.status_code, "no callback address" in refused.text) == (409, True)
