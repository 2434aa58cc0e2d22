"""One operation as a page, and settling it by hand."""

from pathlib import Path

import pytest
from sqlalchemy import insert

from cloud.dashboard import operation
from cloud.db.tables import events
from tests.cloud.dashboard.site import Site, dashboard
from tests.cloud.dashboard.test_operations import EVIL, put
from tests.cloud.hub import rows
from tests.cloud.operations.test_callbacks import finish, key_with_callback, receiver

ID = "00000000-0000"
UNKNOWN = {
    "state": "unknown",
    "final": False,
    "executed": None,
    "status": None,
    "problem": "timeout",
    "finished_at": None,
}


async def resolve(site: Site, **fields: str) -> object:
    return await site.post(f"/dashboard/operations/{ID}/resolve", **fields)


def time_passes(site: Site) -> None:
    """So much of it that no kiosk may begin what the hub's earlier life gave up."""
    site.hub.services.operations.settling._starting._began_at -= 1000


async def test_bodies_are_masked_cut_and_escaped(tmp_path: Path) -> None:
    long = b'{"a": "' + b"x y " * 10_000 + b'"}'
    body = b'{"card": "4111111111111111", "html": "</pre><script>alert(1)</script>"}'
    async with dashboard(tmp_path, role="viewer") as site:
        await put(
            site, {"body": body, "answer": long, "operation": EVIL, "detail": EVIL, "journal": EVIL, "kiosk_id": EVIL}
        )
        page = await site.get(f"/dashboard/operations/{ID}")
        assert page.status_code == 200
        assert "4111111111111111" not in page.text
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;" in page.text
        assert "more letters are not shown" in page.text
        assert len(page.content) < 60_000
        assert "resolve" not in page.text


async def test_there_is_none(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        for name in ("never-was-one", "%3Cscript%3E", "x"):
            page = await site.get(f"/dashboard/operations/{name}")
            assert page.status_code == 404
            assert "There is no such operation" in page.text


async def test_it_is_live_while_it_runs_and_told_with_its_callback(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site, receiver() as backend:
        key, _ = await key_with_callback(site.at, backend.url)
        async with site.at.kiosk() as kiosk:
            asked = site.at.sending({"amount": 1})
            request = await kiosk.request()
            path = f"/dashboard/operations/{request['request_id']}"
            running = await site.get(path)
            assert "every 2s" in running.text
            assert "Sent to the kiosk" in running.text
            await kiosk.say("progress", request_id=request["request_id"], data={"words": "insert a <b>note</b>"})
            await kiosk.answer(request)
            await asked
            await kiosk.hear("settled")
        ended = await site.get(path, headers={"HX-Request": "true"})
        assert "every" not in ended.text
        assert "The gateway answered HTTP 200" in ended.text
        assert ended.text.lstrip().startswith("<div")
        told = await finish(site.at, key)
        await backend.wait(1)
        assert "callback to the backend was made ready" in (await site.get(f"/dashboard/operations/{told}")).text


async def test_events_that_name_it_are_its_own(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        await put(site, {})
        given = {"kiosk_id": "kiosk_001", "journal": "j", "at": 100.5, "device": "bills", "received_at": 100.5}
        mine = {
            **given,
            "seq": 1,
            "kind": "bill-<stacked>",
            "data": b'{"work": "00000000-0000", "pan": "4111111111111111"}',
        }
        async with site.rooms.engine.begin() as connection:
            await connection.execute(
                insert(events), [mine, {**given, "seq": 2, "kind": "state-changed", "data": b"{}"}]
            )
        page = (await site.get(f"/dashboard/operations/{ID}")).text
        assert "bill-&lt;stacked&gt;" in page
        assert "state-changed" not in page
        assert "1 other event" in page
        assert "4111111111111111" not in page


async def test_an_unknown_one_is_settled_once_after_being_asked_twice(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="operator") as site:
        await put(site, UNKNOWN)
        early = await resolve(site, executed="yes", why="x", sure="yes")  # its kiosk may still begin it
        assert (early.status_code, "may still begin it" in early.text) == (409, True)
        time_passes(site)
        page = await site.get(f"/dashboard/operations/{ID}")
        assert "It is not known whether this was executed" in page.text
        form = await site.get(f"/dashboard/operations/{ID}/resolve")
        assert "The kiosk is not connected" in form.text
        wrong = await resolve(site, executed="maybe", why="")
        assert wrong.status_code == 422
        assert wrong.text.count("field-wrong") == 2
        words = "the bank's report <b>says</b> so"
        sure = await resolve(site, executed="yes", why=words)
        assert "for good" in sure.text
        assert "<b>says" not in sure.text
        assert rows(tmp_path, "SELECT state FROM operations") == [("unknown",)]
        done = await resolve(site, executed="yes", why=words, sure="yes")
        assert (done.status_code, done.headers["location"]) == (303, f"/dashboard/operations/{ID}")
        assert rows(tmp_path, "SELECT state, problem FROM operations") == [("succeeded", "confirmed-executed")]
        again = await resolve(site, executed="no", why="another", sure="yes")
        assert again.status_code == 409
        assert "cannot be settled" in again.text
        assert rows(tmp_path, "SELECT state, by FROM resolutions") == [("succeeded", "dashboard:a-operator")]
        (act,) = [act for act in await site.rooms.audit.page() if act.act == "operation.resolve"]
        assert (act.who, act.subject, act.data["executed"]) == ("a-operator", ID, "yes")
        told = await site.get(f"/dashboard/operations/{ID}")
        assert "Settled by hand as executed" in told.text
        assert "as executed, by a-operator" in told.text


async def test_who_asks_is_warned_of_a_kiosk_that_may_tell(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="operator") as site, site.at.kiosk():
        time_passes(site)
        await put(site, {**UNKNOWN, "accepted_at": 100.5})
        form = await site.get(f"/dashboard/operations/{ID}/resolve")
        assert "The kiosk began it" in form.text
        assert "it may be executing it right now" in form.text


async def test_viewers_settle_nothing(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="viewer") as site:
        await put(site, UNKNOWN)
        assert "/resolve" not in (await site.get(f"/dashboard/operations/{ID}")).text
        assert (await site.get(f"/dashboard/operations/{ID}/resolve")).status_code == 403
        assert (await resolve(site, executed="yes", why="x", sure="yes")).status_code == 403
        without = await site.as_role("operator").post(f"/dashboard/operations/{ID}/resolve", csrf="x", sure="yes")
        assert without.status_code == 403
        assert rows(tmp_path, "SELECT state FROM operations") == [("unknown",)]


@pytest.mark.parametrize("language", ["ru", "kk"])
async def test_in_other_languages(tmp_path: Path, language: str) -> None:
    async with dashboard(tmp_path) as site:
        await put(site, UNKNOWN, {})
        for path in ("operations", f"operations/{ID}", f"operations/{ID}/resolve", "callbacks", "keys", "settings"):
            page = await site.get(f"/dashboard/{path}", headers={"Accept-Language": language})
            assert page.status_code == 200
            assert f'lang="{language}"' in page.text


def test_a_large_body_is_masked_once_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[bytes] = []
    mask = operation.masked_json

    def counted(raw: bytes) -> str:
        times.append(raw)
        return mask(raw)

    monkeypatch.setattr(operation, "masked_json", counted)
    large = operation.Large()
    body = b'{"token": "q7s0Canary", "words": "' + b"x " * 10_000 + b'"}'
    first = large.shown(body)
    assert first == large.shown(bytes(bytearray(body)))
    assert len(times) == 1
    assert "q7s0Canary" not in first[0]
    assert first[1] > 0
    for number in range(200):
        large.shown(body + b" " * number)
    assert large.shown(body) == first
    assert len(large._kept) <= 64
