"""Figures of a real database: late outcomes, restarts, gaps, wrong clocks, and a database that is away."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from cloud.db.engine import open_engine
from cloud.operations.figures import HOUR, MINUTE, SPANS, Bars, Count, Fleet
from cloud.operations.tally import Tally
from tests.cloud.hub import broken, change, database_of, rows, running, until

NOW = 1_700_000_040.0  # a minute's beginning
DAY = 86400


class Clock:
    """Both clocks."""

    def __init__(self) -> None:
        self.wall, self.steady = NOW, 1000.0

    def move(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def put(id: str, at: float, state: str = "succeeded", executed: str = "yes", took: float = 1.0) -> str:
    final, finished = ("false", "NULL") if state in ("unknown", "sent") else ("true", str(at + took))
    return (
        "INSERT INTO operations (request_id, kiosk_id, operation, method, delivery, body, state, final, executed,"
        f" created_at, finished_at) VALUES ('{id}', 'kiosk_001', 'payment', 'POST', 'now', '', '{state}', {final},"
        f" '{executed}', {at}, {finished})"
    )


class Counter:
    """A tally of the test's database, which looks when it is told to."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self.clock = clock
        self.here = 2
        self.refusals = 0
        self.engine = open_engine(database_of(state_dir))
        self.tally = Tally(
            self.engine,
            fleet=lambda: Fleet(here=self.here, enabled=3, unknown=0, alerts=1),
            refused=lambda: self.refusals,
            clock=lambda: clock.wall,
            monotonic=lambda: clock.steady,
        )

    async def look(self) -> None:
        while await self.tally.look():
            pass

    async def bars(self, name: str = "hour") -> Bars:
        self.clock.steady += 3
        return await self.tally.read(SPANS[name])


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def counter(tmp_path: Path, clock: Clock, *statements: str) -> Counter:
    await change(tmp_path, *statements)
    return Counter(tmp_path, clock)


async def test_operations_are_counted_by_minute_and_by_hour(tmp_path: Path, clock: Clock) -> None:
    its = await counter(
        tmp_path, clock,
        put("a", NOW - 61), put("b", NOW - 60, "failed"), put("c", NOW - 1, "failed", "no"), put("d", NOW, "sent", ""),
        put("e", NOW - 5 * DAY),
    )  # fmt: skip
    await its.look()
    bars = await its.bars()
    assert bars.counts[-3:] == [
        Count(succeeded=1, took=(*[0] * 31, 1)),
        Count(failed=1, not_executed=1, took=(*[0] * 31, 1)),
        Count(running=1),
    ]
    week = await its.bars("week")
    assert (week.total.begun, week.total.succeeded) == (5, 2)
    await its.engine.dispose()


async def test_a_late_outcome_moves_its_bar_and_its_hour(tmp_path: Path, clock: Clock) -> None:
    its = await counter(tmp_path, clock, put("a", NOW - 1800, "unknown", ""), put("b", NOW - 6 * DAY, "unknown", ""))
    await its.look()
    assert (await its.bars()).total == Count(unknown=1)
    await change(tmp_path, f"UPDATE operations SET state = 'succeeded', final = true, finished_at = {NOW + 4000}")
    clock.move(40)
    await its.look()
    assert (await its.bars()).total.succeeded == 1
    week = (await its.bars("week")).total
    assert (week.succeeded, week.unknown) == (2, 0)
    await its.engine.dispose()


async def test_a_restart_counts_what_came_meanwhile_and_changes_nothing_else(tmp_path: Path, clock: Clock) -> None:
    first = await counter(tmp_path, clock, put("a", NOW - 2 * HOUR), put("b", NOW - 70))
    await first.look()
    await first.engine.dispose()
    # Written as the first one was killed, after its last look.
    await change(tmp_path, put("c", NOW - 65), put("d", NOW + 5))
    clock.move(30 * 60)
    second = Counter(tmp_path, clock)
    await second.look()
    assert (await second.bars("day")).total.succeeded == 4
    assert (await second.bars()).total.succeeded == 3
    bars = await second.bars()
    down = [one for at, one in zip(bars.at, bars.counts, strict=True) if NOW + MINUTE <= at < clock.wall - MINUTE]
    assert set(down) == {None}
    await second.engine.dispose()


async def test_what_was_refused_is_kept_beside_what_is_counted_again(tmp_path: Path, clock: Clock) -> None:
    its = await counter(tmp_path, clock, put("a", NOW))
    its.refusals = 3
    await its.look()
    its.refusals = 5
    clock.move(5)
    await its.look()
    assert (await its.bars()).counts[-1] == Count(succeeded=1, refused=5, took=(*[0] * 31, 1))
    await its.engine.dispose()


async def test_the_worst_of_a_minute_stays(tmp_path: Path, clock: Clock) -> None:
    its = await counter(tmp_path, clock)
    for here in (2, 0, 2):
        its.here = here
        clock.move(5)
        await its.look()
    assert (await its.bars()).fleet[-1] == Fleet(here=0, enabled=3, unknown=0, alerts=1)
    assert (await its.bars("week")).fleet[-1] == Fleet(here=0, enabled=3, unknown=0, alerts=1)
    await its.engine.dispose()


@pytest.mark.parametrize("off", [400 * DAY, -400 * DAY])
async def test_a_wrong_clock_does_no_harm(tmp_path: Path, clock: Clock, off: float) -> None:
    its = await counter(tmp_path, clock, put("a", NOW - 600))
    await its.look()
    clock.wall += off
    await change(tmp_path, put("b", clock.wall))
    clock.steady += 4000  # also a look that deletes
    await its.look()
    assert (await its.bars()).total.succeeded == 1
    clock.wall -= off
    clock.move(20)
    await change(tmp_path, put("c", clock.wall))
    await its.look()
    assert (await its.bars()).total.succeeded == 2
    await its.engine.dispose()


async def test_rows_deleted_as_old_leave_their_bars(tmp_path: Path, clock: Clock) -> None:
    its = await counter(tmp_path, clock, put("a", NOW - 600), put("b", NOW - 600, "unknown", ""))
    await its.look()
    await change(tmp_path, "DELETE FROM operations WHERE request_id = 'a'")
    await change(tmp_path, f"UPDATE operations SET state = 'failed', final = true, finished_at = {NOW}")
    clock.move(40)
    await its.look()
    assert (await its.bars()).total.succeeded == 1
    await its.engine.dispose()


async def test_a_database_that_is_away_is_made_up_for(tmp_path: Path, clock: Clock) -> None:
    its = await counter(tmp_path, clock, put("a", NOW - 600))
    async with broken(tmp_path, "figures"):
        with pytest.raises(SQLAlchemyError):
            await its.look()
    await its.look()
    assert (await its.bars()).total.succeeded == 1
    await its.engine.dispose()


async def test_only_so_many_minutes_are_kept(tmp_path: Path, clock: Clock) -> None:
    its = await counter(tmp_path, clock, put("a", NOW - 600))
    await its.look()
    lived = [
        f"INSERT INTO fleet_figures (width, at, here, enabled, unknown, alerts) SELECT 60, at + {span * 60}, 0, 0, 0, 0"
        " FROM fleet_figures WHERE width = 60"
        for span in (1 << number for number in range(13))
    ]
    await change(tmp_path, *lived)
    clock.steady += 4000
    await its.look()
    assert rows(tmp_path, "SELECT count(*) FROM fleet_figures WHERE width = 60")[0][0] == 3 * 1440 + 1
    assert rows(tmp_path, "SELECT count(*) FROM figures WHERE width = 60 AND at < 1700000040") == [(0,)]
    assert (await its.bars("week")).total.succeeded == 1
    await its.engine.dispose()


async def test_a_hub_counts_what_is_sent_and_what_it_refuses(tmp_path: Path, monkeypatch: Any) -> None:
    for name, value in (("EVERY", 0.05), ("_SHARE", 0.0), ("_KEEP_READ", 0.0)):
        monkeypatch.setattr(f"cloud.operations.tally.{name}", value)
    async with running(tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving():
        await hub.send({"sum": 1}, key="k-1")
        await hub.send(kiosk="kiosk_none")

        async def counted() -> bool:
            whole = (await hub.hub.rooms.tally.read(SPANS["hour"])).total
            return whole.succeeded == 1 and whole.refused == 1

        await until(counted)

        async def stood() -> Fleet | None:  # of a minute that has just begun nothing is known yet
            return (await hub.hub.rooms.tally.read(SPANS["hour"])).fleet[-1]

        assert (await until(stood)).enabled == 1
