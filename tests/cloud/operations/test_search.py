"""Operations are found by any filter, and however rare what is looked for, a page costs no more than its patience."""

import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.engine import open_engine
from cloud.db.tables import operations, resolutions
from cloud.errors import StorageError
from cloud.operations.operation import Operation, State
from cloud.operations.search import OUTCOMES, Search, Wanted, cursor_of, read_cursor
from tests.cloud.hub import _provide_database, database_of

COUNT = 240


def row(number: int) -> dict[str, object]:
    """Every outcome in turn; the times of two are the same."""
    state, executed, final, problem = (
        ("succeeded", "yes", True, None),
        ("failed", "yes", True, None),
        ("failed", "no", True, "gateway-unreachable"),
        ("expired", "no", True, "expired"),
        ("unknown", None, False, "timeout"),
        ("accepted", None, False, None),
    )[number % 6]
    return {
        "request_id": f"{number % 7:02x}{number:06d}-id", "kiosk_id": f"kiosk-{number % 3}",
        "operation": "refund" if number % 50 == 1 else "payment", "method": "POST", "delivery": "now", "body": b"{}",
        "state": state, "final": final, "executed": executed, "problem": problem, "created_at": 1000.0 + number // 2,
        "journal": "", "detail": f"words {number}",
    }  # fmt: skip


@asynccontextmanager
async def database(tmp_path: Path, count: int = COUNT) -> AsyncIterator[AsyncEngine]:
    _provide_database(tmp_path)
    engine = open_engine(database_of(tmp_path))
    try:
        async with engine.begin() as connection:
            if count:
                await connection.execute(insert(operations), [row(number) for number in range(count)])
        yield engine
    finally:
        await engine.dispose()


def fits(it: dict[str, object], wanted: Wanted) -> bool:
    """The same in Python."""
    outcome = {
        "": True,
        "succeeded": it["state"] == "succeeded",
        "refused": it["state"] == "failed" and it["executed"] == "yes",
        "not-executed": it["executed"] == "no",
        "unknown": it["state"] == "unknown",
        "under-way": it["state"] == "accepted",
        "failed": it["state"] == "failed",
        "accepted": it["state"] == "accepted",
    }[wanted.outcome]
    return (
        outcome
        and wanted.kiosk_id in ("", it["kiosk_id"])
        and wanted.operation in ("", it["operation"])
        and str(it["request_id"]).startswith(wanted.beginning)
        and (wanted.since is None or it["created_at"] >= wanted.since)  # type: ignore[operator]
        and (wanted.until is None or it["created_at"] < wanted.until)  # type: ignore[operator]
    )


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.operations.search.STEP", 17)
    monkeypatch.setattr("cloud.operations.search._FEW", 20)


async def walk(search: Search, wanted: Wanted, limit: int) -> list[str]:
    found, cursor = [], ""
    for _ in range(COUNT * 2):
        page = await search.page(wanted, cursor, limit)
        assert len(page.operations) <= limit
        found += [it.request_id for it in page.operations]
        if page.cursor is None:
            return found
        cursor = page.cursor
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("patience", [100.0, -1.0], ids=["patient", "one-step-a-page"])
async def test_pages_hold_all_that_fits_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr("cloud.operations.search.PATIENCE", patience)
    all_of_them = [row(number) for number in range(COUNT)]
    all_of_them.sort(key=lambda it: (it["created_at"], it["request_id"]), reverse=True)
    async with database(tmp_path) as engine:
        search = Search(engine)
        outcomes = ("", "succeeded", "refused", "not-executed", "unknown", "under-way", "failed", "accepted")
        every = itertools.product(
            ("", "kiosk-1"), ("", "refund", "none"), outcomes, ((None, None), (1020.0, 1080.5)), ("", "03", "03000003")
        )
        for kiosk, name, outcome, (since, until), beginning in random.Random(8).sample(list(every), 48):
            wanted = Wanted(
                kiosk_id=kiosk, operation=name, outcome=outcome, since=since, until=until, beginning=beginning
            )
            expected = [it["request_id"] for it in all_of_them if fits(it, wanted)]
            assert expected == await walk(search, wanted, 13), wanted


async def test_looking_ends_when_patience_is_over_and_says_how_far_it_came(tmp_path: Path) -> None:
    ticks = itertools.count(0.0, 0.06)
    async with database(tmp_path) as engine:
        search = Search(engine, clock=lambda: next(ticks))
        page = await search.page(Wanted(operation="none"))
        assert page.operations == []
        assert page.cursor is not None
        assert page.looked_to == pytest.approx(1000 + (COUNT - 2 * 17) // 2, abs=1)
        rest = await Search(engine, clock=lambda: 0.0).page(Wanted(operation="none"), page.cursor)
        assert (rest.cursor, rest.looked_to) == (None, None)


async def test_what_a_person_settled_and_what_a_kiosk_contradicts(tmp_path: Path) -> None:
    async with database(tmp_path, 0) as engine:
        async with engine.begin() as connection:
            for number, contradicted in ((1, None), (2, 5.0)):
                given = {**row(number), "state": "succeeded", "final": True, "problem": "confirmed-executed"}
                await connection.execute(insert(operations), [given])
                kept = {"request_id": given["request_id"], "at": 4.0, "by": "dashboard:x", "why": "y"}
                more = {"state": "succeeded", "before": "", "contradicted_at": contradicted}
                await connection.execute(insert(resolutions), [{**kept, **more}])
        search = Search(engine)
        assert len((await search.page(Wanted(outcome="by-hand"))).operations) == 2
        (one,) = (await search.page(Wanted(outcome="contradicted"))).operations
        assert one.request_id == row(2)["request_id"]
        assert (one.state, one.body) == (State.SUCCEEDED, b"{}")  # bodies are not read


async def test_all_ends_at_its_bound_and_tells_of_one_more(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        found = [it async for page in Search(engine).all(Wanted(), 100) for it in page]
        assert len(found) == 101
        assert len({it.request_id for it in found}) == 101
        search = Search(engine, clock=lambda: 0.0)
        assert [page async for page in search.all(Wanted(operation="none"), 100)] == [[]]


async def test_a_database_that_is_away_is_a_storage_error(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'no' / 'such.db'}")
    with pytest.raises(StorageError):
        await Search(engine).page(Wanted())
    with pytest.raises(StorageError):
        await Search(engine).events_of(
            Operation(request_id="x", kiosk_id="k", operation="o", method="POST", created_at=0.0, state=State.SENT), 1.0
        )
    await engine.dispose()


@pytest.mark.parametrize("text", ["x", "", "ä", "bmFuIHg=", cursor_of(1.0, "x")[:-3]])
def test_a_cursor_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        read_cursor(text)


def test_a_cursor_names_its_place() -> None:
    assert read_cursor(cursor_of(1.5, "a b")) == (1.5, "a b")
    assert set(OUTCOMES) >= {"succeeded", "unknown"}
