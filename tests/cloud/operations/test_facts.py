"""What the database knows of kiosks, looked up within bounds."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.engine import open_engine
from cloud.db.tables import callbacks, events, kiosk_versions, kiosks, operations, presences
from cloud.operations import facts
from cloud.operations.facts import Collected, Facts, LevelSaid, StateSaid, Told, Updated
from tests.cloud.hub import database_of, execute


@asynccontextmanager
async def database(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """A migrated one."""
    execute(tmp_path)
    engine = open_engine(database_of(tmp_path))
    yield engine
    await engine.dispose()


async def put(engine: AsyncEngine, table: Any, *rows: dict[str, Any]) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(table), list(rows))


def kiosk(kiosk_id: str, *, removed: bool = False) -> dict[str, Any]:
    return {"id": kiosk_id, "enabled": True, "generation": 0, "removed": removed, "created_at": 0.0, "revision": 1}


def operation(request_id: str, state: str = "unknown", *, sent_at: float | None = 1.0) -> dict[str, Any]:
    return {
        "request_id": request_id, "kiosk_id": "sent", "operation": "payment", "method": "POST", "delivery": "now",
        "body": b"{}", "state": state, "final": state in {"succeeded", "failed"}, "created_at": 1.0, "sent_at": sent_at,
    }  # fmt: skip


def event(seq: int, kind: str, data: Any, device: str = "bills", *, at: float | None = None, journal: str = "j",
          received_at: float | None = None) -> dict[str, Any]:  # fmt: skip
    now = time.time()
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return {
        "kiosk_id": "k", "journal": journal, "seq": seq, "at": now if at is None else at, "kind": kind, "data": raw,
        "received_at": now if received_at is None else received_at, "device": device,
    }  # fmt: skip


async def test_who_was_ever_here(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        names = ("gone", "crashed", "version", "sent", "queued", "new", "silent")
        await put(engine, kiosks, *map(kiosk, names), kiosk("removed", removed=True))
        await put(
            engine,
            presences,
            {"kiosk_id": "gone", "here": False, "at": 500.0},
            {"kiosk_id": "crashed", "here": True, "at": 400.0},
            {"kiosk_id": "removed", "here": False, "at": 500.0},
        )
        await put(engine, kiosk_versions, {"kiosk_id": "version", "running": "1.2.3"})
        await put(engine, kiosk_versions, {"kiosk_id": "silent", "tried": "1.2.3"})
        await put(engine, operations, operation("one-sent"))
        await put(engine, operations, {**operation("queued", "queued", sent_at=None), "kiosk_id": "queued"})
        found = Facts(engine)
        assert await found.last_here() == {"gone": 500.0, "crashed": None, "version": None, "sent": None}
        assert await found.last_here("gone") == {"gone": 500.0}
        assert await found.last_here("new") == {}


async def test_what_one_said_of_versions(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        row = {"kiosk_id": "k", "running": "1", "tried": "2", "result": "failed", "reason": "why", "result_at": 5.0}
        await put(engine, kiosk_versions, row)
        assert await Facts(engine).updated("k") == Updated(
            running="1", tried="2", result="failed", reason="why", at=5.0
        )
        assert await Facts(engine).updated("other") == Updated()


async def test_the_last_levels_and_collections(tmp_path: Path) -> None:
    now = time.time()
    async with database(tmp_path) as engine:
        await put(
            engine,
            events,
            event(1, "level-full", {"count": 500, "capacity": 500}, at=now - 90),
            event(2, "collection", {"total": 100, "currency": "KZT", "counts": {"50": 2}}, at=now - 80),
            event(3, "collection", {"total": 700, "currency": "KZT", "counts": {"50": 2, "600": 1}}, at=now - 70),
            event(4, "level-near-full", {"count": 450, "capacity": 500}, at=now - 60),
            event(5, "level-refilled", {"count": 20, "level": 120}, "hopper", at=now - 50),
            event(6, "level-set", {"count": 7}, "coins", at=0.0),  # by a clock that is wrong
            event(7, "level-empty", b"{rubbish", "hopper"),
            event(8, "level-full", {"count": 1, "words": "x" * 9000}),  # nobody's of ours
            event(9, "bill-stacked", {"count": 1}, received_at=now - 5),
        )
        assert await Facts(engine).told("nobody") == Told()
        told = await Facts(engine).told("k")
        assert told.heard_at == now - 5
        assert told.collections == [Collected(device="bills", at=now - 70, total=700, currency="KZT", pieces=3)]
        assert [(each.device, each.kind, each.count, each.capacity) for each in told.levels] == [
            ("bills", "level-near-full", 450, 500),
            ("coins", "level-set", 7, None),
            ("hopper", "level-refilled", 120, None),
        ]
        assert now - 5 < told.levels[1].at <= time.time()


async def test_the_last_state_of_each_device(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        await put(
            engine,
            events,
            event(1, "state-changed", {"state": "starting"}, received_at=10.0),
            event(2, "state-changed", {"state": "absent"}, "coins", received_at=20.0),
            event(3, "state-changed", {"state": "ready"}, received_at=30.0),
            event(4, "state-changed", {"words": "no state"}, received_at=40.0),
        )
        assert (await Facts(engine).told("k")).states == [
            StateSaid(device="bills", state="ready", received_at=30.0),
            StateSaid(device="coins", state="absent", received_at=20.0),
        ]


async def test_of_several_journals_the_one_that_was_told_of_last_counts(tmp_path: Path) -> None:
    now = time.time()
    async with database(tmp_path) as engine:
        for journal, ago in (("a", 900.0), ("b", 10.0), ("c", 500.0)):
            level = event(1, f"level-{'full' if journal == 'b' else 'empty'}", {}, at=now - ago, journal=journal)
            await put(engine, events, {**level, "received_at": now - ago})
        told = await Facts(engine).told("k")
        assert told == Told(levels=[LevelSaid(device="bills", at=now - 10, kind="level-full")], heard_at=now - 10)


async def test_no_more_than_the_newest_events_are_looked_at(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(facts, "_EVENTS_LOOKED_AT", 5)
    async with database(tmp_path) as engine:
        await put(engine, events, event(1, "level-full", {}), event(2, "level-full", {}, "coins"))
        await put(engine, events, event(6, "bill-stacked", {}))
        assert [each.device for each in (await Facts(engine).told("k")).levels] == ["coins"]


async def test_what_is_open(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        assert await Facts(engine).open_operations() == {}
        await put(engine, operations, *(operation(f"unknown-{n}") for n in range(3)), operation("queued-1", "queued"))
        await put(engine, operations, operation("succeeded-1", "succeeded"), operation("succeeded-2", "succeeded"))
        waiting = [{"request_id": f"succeeded-{n}", "api_key_id": "a", "created_at": 0.0} for n in (1, 2)]
        await put(engine, callbacks, {**waiting[0], "next_at": 5.0}, {**waiting[1], "next_at": None})
        assert await Facts(engine).open_operations() == {"unknown": 3, "queued": 1}
        assert await Facts(engine).callbacks_waiting() == 1
