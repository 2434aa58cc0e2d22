"""What is old enough is forgotten; what is open stays."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.operations.retention import PROOF_DAYS, Retention
from tests.cloud.hub import database_of, execute, rows

_DAY = 86400.0


async def test_ended_operations_their_callbacks_and_events_go_after_their_days(tmp_path: Path) -> None:
    now = 1000 * _DAY
    operations = [
        *((f"old-{n}", "succeeded", "true", now - 91 * _DAY) for n in range(2500)),
        ("young", "succeeded", "true", now - 89 * _DAY),
        ("old-unknown", "unknown", "false", now - 400 * _DAY),
    ]
    values = (
        f"('{name}', 'k', 'o', 'POST', 'now', '{{}}', '{state}', {final}, {at})"
        for name, state, final, at in operations
    )
    execute(
        tmp_path,
        "INSERT INTO operations (request_id, kiosk_id, operation, method, delivery, body, state, final, created_at)"
        f" VALUES {', '.join(values)}",
        "INSERT INTO callbacks (request_id, api_key_id, created_at) VALUES ('old-1', 'a', 1.0), ('young', 'a', 1.0)",
        "INSERT INTO events (kiosk_id, journal, seq, at, received_at, kind, data)"
        f" VALUES ('k', 'j', 1, 1.0, {now - 91 * _DAY}, 'x', '{{}}'), ('k', 'j', 2, 2.0, {now}, 'x', '{{}}')",
    )
    engine = open_engine(database_of(tmp_path))
    assert await Retention(engine, 90).forget(now - 90 * _DAY) == 2500
    assert await Retention(engine, 90).forget(now - 90 * _DAY) == 0
    await engine.dispose()
    assert rows(tmp_path, "SELECT request_id FROM operations ORDER BY 1") == [("old-unknown",), ("young",)]
    assert rows(tmp_path, "SELECT request_id FROM callbacks") == [("young",)]
    assert rows(tmp_path, "SELECT seq FROM events") == [(2,)]


@asynccontextmanager
async def database(path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_of(path))
    try:
        await migrate(engine)
        yield engine
    finally:
        await engine.dispose()


async def live(engine: AsyncEngine, days: float, wall: float, *, ran: float = 0.0) -> float | None:
    """Let a hub run so long, its clock beginning at `wall`, looking once an hour; what the last look proved."""
    retention, found = Retention(engine, 90), None
    for hour in range(int(days * 24) + 1):
        found = await retention.look(wall + hour * 3600, ran + hour * 3600)
    return found


async def test_nothing_is_old_before_the_hub_has_run_for_the_days_of_proof(tmp_path: Path) -> None:
    now = 1000 * _DAY
    async with database(tmp_path) as engine:
        assert await live(engine, PROOF_DAYS - 0.5, now) is None
        assert await live(engine, 1, now + 400 * _DAY) == now - 90 * _DAY  # a restart forgets nothing of it


async def test_a_clock_that_is_a_year_ahead_makes_nothing_old_and_may_be_set_right(tmp_path: Path) -> None:
    now = 1000 * _DAY
    async with database(tmp_path) as engine:
        before = await live(engine, 20, now)
        assert before == now + (20 - PROOF_DAYS - 90) * _DAY
        ahead = await live(engine, PROOF_DAYS - 1, now + 385 * _DAY)
        assert ahead is not None
        assert ahead <= now + (20 - 90) * _DAY
        right = await live(engine, 30, now + 26 * _DAY)
        assert right == now + (26 + 30 - PROOF_DAYS - 90) * _DAY


async def test_a_clock_that_fell_back_to_1970_deletes_nothing_until_it_has_been_right_for_the_days_of_proof(
    tmp_path: Path,
) -> None:
    now = 1000 * _DAY
    async with database(tmp_path) as engine:
        await live(engine, 20, now)
        assert await live(engine, 1, 0.0) == -90 * _DAY
        assert await live(engine, PROOF_DAYS - 1, now + 21 * _DAY) == -90 * _DAY
        right = await live(engine, 2, now + 27 * _DAY)
        assert right is not None
        assert right > now - 90 * _DAY


async def test_time_that_the_hub_did_not_live_through_proves_nothing(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        retention = Retention(engine, 90)
        for look in range(10):  # it slept for a month, or was started only
            assert await retention.look(1000 * _DAY + look * 30 * _DAY, look * 30 * _DAY) is None
