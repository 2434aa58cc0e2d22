"""The list of operations as a page, and as a file."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert

from cloud.dashboard.operations import OperationsExport
from cloud.db.tables import operations
from cloud.errors import StorageError
from cloud.operations.operation import Operation
from tests.cloud.dashboard.site import Site, dashboard

EVIL = "<script>alert(1)</script>"


async def put(site: Site, *changes: dict[str, object]) -> None:
    """Rows as a kiosk or a backend might have brought them, whatever our doors refuse today."""
    given = {
        "kiosk_id": "kiosk_001", "operation": "payment", "method": "POST", "delivery": "now", "body": b"{}",
        "state": "succeeded", "final": True, "executed": "yes", "status": 200, "journal": "", "finished_at": 101.0,
        "problem": None, "detail": None, "api_key_id": None, "idempotency_key": None,
    }  # fmt: skip
    rows = [
        {**given, "request_id": f"00000000-{number:04}", "created_at": 100.0 + number, **change}
        for number, change in enumerate(changes)
    ]
    async with site.rooms.engine.begin() as connection:
        await connection.execute(insert(operations), rows)


async def test_filters_pages_and_words_for_what_cannot_be_read(tmp_path: Path) -> None:
    async with dashboard(tmp_path, role="viewer") as site:
        assert "No operations yet" in (await site.get("/dashboard/operations")).text
        await put(site, *({} for _ in range(60)), {"operation": "refund", "state": "failed", "executed": "no"})
        first = await site.get("/dashboard/operations")
        assert first.text.count("<tr>") == 1 + 50
        older = first.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
        rest = await site.get(older)
        assert rest.text.count("<tr>") == 1 + 11
        refunds = await site.get("/dashboard/operations", type="refund", outcome="not-executed")
        assert refunds.text.count("<tr>") == 1 + 1
        assert "not executed" in refunds.text
        nothing = await site.get("/dashboard/operations", id="00000000-0001", type="refund")
        assert "Nothing fits this filter" in nothing.text
        wrong = await site.get("/dashboard/operations", kiosk=EVIL, **{"from": EVIL})
        assert wrong.status_code == 200
        assert wrong.text.count("aria-invalid") == 2
        assert EVIL not in wrong.text
        assert (await site.get("/dashboard/operations", cursor="%%")).status_code == 400
        part = await site.get("/dashboard/operations", headers={"HX-Request": "true"})
        assert part.text.lstrip().startswith("<div")
        assert "/dashboard/operations.csv" not in first.text  # not for viewers


async def test_where_looking_stopped_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.search.STEP", 10)
    monkeypatch.setattr("cloud.operations.search.PATIENCE", -1.0)
    async with dashboard(tmp_path, timezone="Asia/Almaty") as site:
        await put(site, *({} for _ in range(15)))
        page = await site.get("/dashboard/operations", type="none")
        assert "Looked through everything since 1970-01-01 06:01:45" in page.text
        assert "Look further back" in page.text


async def test_what_is_under_way_without_a_key_is_listed(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site, site.at.kiosk() as kiosk:
        asked = site.at.sending({"amount": 1})
        request = await kiosk.request()
        for query in ({}, {"outcome": "under-way"}, {"kiosk": "kiosk_001"}):
            assert request["request_id"] in (await site.get("/dashboard/operations", **query)).text
        for query in ({"kiosk": "kiosk_002"}, {"outcome": "succeeded"}, {"type": "refund"}, {"outcome": "queued"}):
            assert request["request_id"] not in (await site.get("/dashboard/operations", **query)).text
        await kiosk.answer(request)
        await asked


async def test_what_a_row_holds_is_escaped(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as site:
        evil = {"request_id": "<img src=x>", "operation": EVIL, "kiosk_id": EVIL, "problem": "<i>", "api_key_id": "<b>"}
        await put(site, evil)
        page = await site.get("/dashboard/operations")
        for tag in (EVIL, "<img", "<i>", "<b>"):
            assert tag not in page.text
        assert "&lt;script&gt;" in page.text


async def test_the_file_has_what_the_filter_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.dashboard.operations.ROWS_MAX", 3)
    async with dashboard(tmp_path, role="operator") as site:
        formula = {"operation": "=cmd()", "detail": "card 4111111111111111", "idempotency_key": "@SUM(1)"}
        await put(site, formula, {"operation": "refund"})
        answer = await site.get("/dashboard/operations.csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer.headers["content-disposition"]
        assert "Transfer-Encoding" in answer.headers
        assert answer.content.startswith(b"\xef\xbb\xbf")
        rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
        assert [row["operation"] for row in rows] == ["refund", "'=cmd()"]
        assert rows[1]["idempotency_key"] == "'@SUM(1)"
        assert "4111111111111111" not in answer.text
        some = await site.get("/dashboard/operations.csv", type="refund")
        assert len(some.text.splitlines()) == 2
        await put(site, *({"request_id": f"more-{number:05}"} for number in range(3)))
        cut = (await site.get("/dashboard/operations.csv")).text.splitlines()
        assert len(cut) == 1 + 3 + 1
        assert cut[-1].startswith("# cut after 3 rows")
        acts = [act for act in await site.rooms.audit.page() if act.act == "operations.export"]
        assert [act.data for act in acts] == [{}, {"type": "refund"}, {}]


async def test_a_file_that_could_not_be_ended_is_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dashboard(tmp_path, role="operator") as site:

        async def breaks_off(*_: object) -> AsyncIterator[list[Operation]]:
            yield []
            raise StorageError("the database does not answer")

        monkeypatch.setattr(site.rooms.search, "all", breaks_off)
        with pytest.raises(httpx.RemoteProtocolError):
            await site.get("/dashboard/operations.csv")
        assert OperationsExport._under_way == 0


async def test_who_may_have_the_file_and_how_many_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with dashboard(tmp_path, role="operator") as site:
        assert (await site.as_role("viewer").get("/dashboard/operations.csv")).status_code == 403
        assert (await site.anonymous.get("/dashboard/operations.csv")).status_code in {302, 303}
        assert (await site.get("/dashboard/operations.csv", kiosk="<")).status_code == 422
        monkeypatch.setattr(OperationsExport, "_under_way", 2)
        assert (await site.get("/dashboard/operations.csv")).status_code == 503
