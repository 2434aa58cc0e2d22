"""The history of connections: what is written, when, and what becomes of it when something fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from cloud.db.engine import open_engine
from cloud.db.writer import Writer
from cloud.errors import StorageError
from cloud.kiosks import history as module
from cloud.kiosks.absence import Came, Ended
from cloud.kiosks.history import HUB_DIED, HUB_STOPPED, KEEP, KEPT, REFUSALS_KEPT, SEVERAL, Connection, History
from cloud.metrics import Metrics
from cloud.settings import database_url
from tests.cloud.hub import POSTGRESQL, database_of, execute, rows, running, settings, until
from wire.problems import CloseCode

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _any_disk_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STOP_WITHIN", 60.0)


class Clock:
    """Set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def kept(tmp_path: Path, clock: Clock | None = None, *, dies: bool = False) -> AsyncIterator[History]:
    """A history on the database in `tmp_path`; one that `dies` is not stopped."""
    execute(tmp_path)  # the tables
    where = {"database_url": database_of(tmp_path)} if POSTGRESQL else {}
    engine = open_engine(database_url(settings(tmp_path, **where)))
    metrics = Metrics()
    writer = Writer(engine, metrics)
    await writer.open()
    writer.start()
    history = History(engine, writer, metrics, clock or Clock())
    history.metrics = metrics  # type: ignore[attr-defined]
    history.writer = writer  # type: ignore[attr-defined]
    try:
        await history.start()
        yield history
    finally:
        if dies:
            for task in history._tasks:
                task.cancel()
            await asyncio.gather(*history._tasks, return_exceptions=True)
        else:
            await history.stop()
        await writer.stop()
        await engine.dispose()


def came(at: float = NOW, **more: str) -> Came:
    return Came(at=at, address="192.0.2.1", dialect="kiosk.v2", version="1.2.3", boot_id="b1", **more)


def ended(at: float = NOW + 60, why: str = "lost", code: int | None = 1006, **more: str) -> Ended:
    return Ended(at=at, why=why, code=code, **{"address": "192.0.2.1", **more})


async def test_a_connection_is_written_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    async with kept(tmp_path) as history:
        history.began("k1", came())
        await history.written()
        assert [(row.began_at, row.ended_at) for row in await history.page("k1")] == [(NOW, None)]
        history.ended("k1", ended(words="no answer to pings"))
        await history.written()
        (row,) = await history.page("k1")
        assert (row.ended_at, row.why, row.code, row.words) == (NOW + 60, "lost", 1006, "no answer to pings")
        assert (row.address, row.version, row.dialect, row.boot_id) == ("192.0.2.1", "1.2.3", "kiosk.v2", "b1")
        assert history.last("k1") == row
        assert history.last("k2") is None


async def test_what_is_known_of_kiosks_outlives_the_hub(tmp_path: Path) -> None:
    execute(
        tmp_path,
        *(
            f"INSERT INTO kiosks (id, name, enabled, generation, removed, created_at, revision)"
            f" VALUES ('{each}', '', true, 0, false, 0, 1)"
            for each in ("k1", "k2")
        ),
        "INSERT INTO presences (kiosk_id, here, at) VALUES ('k2', false, 1000)",
        "INSERT INTO kiosk_versions (kiosk_id, running) VALUES ('k2', '0.9')",
    )
    async with kept(tmp_path) as history:
        history.began("k1", came())
        for at in range(4):
            history.ended("k1", ended(NOW + at))
            history.began("k1", came(NOW + at))
        history.refused("k1", ended(NOW + 5, "4401", 4401))
    clock = Clock()
    clock.now += 100
    async with kept(tmp_path, clock) as history:
        last = history.last("k1")
        assert last is not None
        assert (last.why, last.version, last.address, last.refused) == (HUB_STOPPED, "1.2.3", "192.0.2.1", False)
        assert history.flaps("k1", clock.now) == 4
        before_there_was_a_history = history.last("k2")
        assert before_there_was_a_history is not None
        assert (before_there_was_a_history.ended_at, before_there_was_a_history.version) == (1000, "0.9")


async def test_connections_that_a_hub_left_open_by_dying_are_closed_at_the_next_start(tmp_path: Path) -> None:
    async with kept(tmp_path, dies=True) as history:
        history.began("k1", came(NOW - 500))
        history.began("k2", came(NOW - 400))
        history.ended("k2", ended(NOW - 300))
        history.began("k3", came(NOW - 350))
        await history.written()
    clock = Clock()
    clock.now += 6 * 3600
    async with kept(tmp_path, clock) as history:
        (first,), (third,) = await history.page("k1"), await history.page("k3")
        # The latest moment at which that hub is known to have lived, and not when the next one began.
        assert (first.ended_at, first.why) == (third.ended_at, third.why) == (NOW - 300, HUB_DIED)
        assert [row.why for row in await history.page("k2")] == ["lost"]
        history.began("k1", came(clock.now))
        await history.written()
        assert [row.number for row in await history.page("k1")] == [4, 1]


async def test_a_clock_put_back_closes_no_connection_before_it_began(tmp_path: Path) -> None:
    async with kept(tmp_path, dies=True) as history:
        history.began("k1", came(NOW + 86400))
        await history.written()
    async with kept(tmp_path) as history:
        (row,) = await history.page("k1")
        assert row.ended_at == NOW + 86400


async def test_a_storm_of_reconnects_is_a_row_each_and_few_transactions(tmp_path: Path) -> None:
    async with kept(tmp_path) as history:
        for number in range(10_000):
            history.began(f"k{number}", came())
        for number in range(10_000):
            history.ended(f"k{number}", ended())
        await history.written()
        assert rows(tmp_path, "SELECT count(*), count(ended_at) FROM connections") == [(10_000, 10_000)]
        seconds = "kioskwire_database_transaction_seconds_count"
        assert 0 < (history.metrics.registry.get_sample_value(seconds) or 0) < 1000  # type: ignore[attr-defined]
        assert history.metrics.history_dropped._value.get() == 0  # type: ignore[attr-defined]


async def test_what_no_room_is_for_is_counted_and_what_was_noted_is_still_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    async with kept(tmp_path) as history:
        for number in range(5):
            history.began(f"k{number}", came())
        for number in range(5):
            history.ended(f"k{number}", ended())
        await history.written()
        assert rows(tmp_path, "SELECT count(*), count(ended_at) FROM connections") == [(3, 3)]
        assert history.metrics.history_dropped._value.get() == 2  # type: ignore[attr-defined]
        last = history.last("k4")
        assert last is not None
        assert last.why == "lost"  # at hand all the same


async def test_rows_wait_while_the_database_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN_FIRST", 0.01)
    async with kept(tmp_path) as history:
        write, fails = history._write, 5

        async def failing(some: list[Connection]) -> None:
            nonlocal fails
            if fails:
                fails -= 1
                history.writer.error = "away"  # type: ignore[attr-defined]
                raise StorageError("away")
            await write(some)

        monkeypatch.setattr(history, "_write", failing)
        history.began("k1", came())
        history.began("k2", came())
        await until(lambda: fails < 3)
        history.ended("k1", ended())
        await history.written()
        assert [row.why for row in await history.page("k1")] == ["lost"]
        assert [row.why for row in await history.page("k2")] == [""]


async def test_a_row_that_cannot_be_written_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AGAIN_FIRST", 0.01)
    async with kept(tmp_path) as history:
        write = history._write

        async def failing(some: list[Connection]) -> None:
            if any(row.kiosk_id == "bad" for row in some):
                raise StorageError("no such thing")
            await write(some)

        monkeypatch.setattr(history, "_write", failing)
        for kiosk_id in ("k1", "bad", "k2"):
            history.began(kiosk_id, came())
        await history.written()
        assert rows(tmp_path, "SELECT kiosk_id FROM connections ORDER BY number") == [("k1",), ("k2",)]
        assert history.metrics.history_dropped._value.get() == 1  # type: ignore[attr-defined]


async def test_refusals_alike_are_one_row_with_a_count(tmp_path: Path) -> None:
    async with kept(tmp_path) as history:
        history.refused("k1", ended(NOW, "4401", 4401, words="the token is not in force"))
        await history.written()
        for at in range(1, 100):
            history.refused("k1", ended(NOW + at, "4401", 4401, words="the token is not in force"))
        history.refused("k1", ended(NOW + 200, "4403", 4403))
        history.refused("k1", ended(NOW + 3700, "4401", 4401))
    async with kept(tmp_path) as history:
        found = [(row.why, row.began_at, row.ended_at, row.count) for row in await history.page("k1")]
        assert found == [
            ("4401", NOW + 3700, NOW + 3700, 1),
            ("4403", NOW + 200, NOW + 200, 1),
            ("4401", NOW, NOW + 99, 100),
        ]
        assert history.last("k1") is None  # it was never here


async def test_refusals_from_ever_new_addresses_take_few_rows(tmp_path: Path) -> None:
    async with kept(tmp_path) as history:
        for number in range(500):
            history.refused("k1", ended(NOW + number / 10, "4401", 4401, address=f"192.0.2.{number}"))
        await history.written()
        found = await history.page("k1", limit=500)
        assert len(found) == module._REFUSALS_OF_ONE + 1
        assert found[0].address == SEVERAL
        for number in range(3 * module._REFUSED_MAX):
            history.refused(f"other{number}", ended())
        assert len(history._refusals) == module._REFUSED_MAX


async def test_old_rows_and_too_many_of_one_kiosk_are_forgotten(tmp_path: Path) -> None:
    values = [f"({number}, 'k1', false, {NOW}, {NOW}, 'lost')" for number in range(1, KEPT + 51)]
    values += [f"({number}, 'k1', true, {NOW}, {NOW}, '4401')" for number in range(2000, 2000 + REFUSALS_KEPT + 5)]
    values += [f"(5000, 'k2', false, {NOW - KEEP - 1}, {NOW - KEEP}, 'lost')"]
    execute(
        tmp_path,
        "INSERT INTO connections (number, kiosk_id, refused, began_at, ended_at, why) VALUES " + ", ".join(values),
    )
    async with kept(tmp_path) as history:
        history.began("k2", came(NOW - KEEP - 1))  # open for longer than rows are kept
        await history.written()
        assert await history.trim(NOW) == 50 + 5 + 1
        statement = "SELECT kiosk_id, refused, min(number), count(*) FROM connections GROUP BY 1, 2 ORDER BY 1, 2"
        found = [(kiosk, bool(refused), least, many) for kiosk, refused, least, many in rows(tmp_path, statement)]
        assert found == [("k1", False, 51, KEPT), ("k1", True, 2005, REFUSALS_KEPT), ("k2", False, 5001, 1)]
        assert await history.trim(NOW) == 0


async def test_pages_go_from_the_newest_to_the_oldest(tmp_path: Path) -> None:
    async with kept(tmp_path) as history:
        for number in range(7):
            history.began("k1", came(NOW + number))
            history.ended("k1", ended(NOW + number))
        history.began("k2", came())
        await history.written()
        first = await history.page("k1", limit=4)
        second = await history.page("k1", before=first[-1].number, limit=4)
        assert [row.number for row in first + second] == [7, 6, 5, 4, 3, 2, 1]


async def test_whatever_a_kiosk_says_of_itself_can_be_kept(tmp_path: Path) -> None:
    bad = Came(at=NOW, address="a" * 500, dialect="kiosk.v2", version="<b>\0\ud800" + "v" * 500, boot_id="я" * 500)
    async with kept(tmp_path) as history:
        history.began("k1", bad)
        history.ended("k1", ended(words="\u202e\0" + "w" * 5000))
        await history.written()
        (row,) = await history.page("k1")
        assert len(row.version) == 100
        assert len(row.words) == 200
        assert row.boot_id == "я" * 64


# With kiosks


async def test_a_running_hub_notes_who_comes_and_goes_and_why(tmp_path: Path) -> None:
    async with AsyncExitStack() as outlives, running(tmp_path, kiosks=("kiosk_001", "kiosk_002")) as hub:
        history = hub.hub.rooms.history
        async with hub.kiosk() as kiosk:
            await kiosk.socket.close(1001, "the program ends")
        await hub.gone()
        async with hub.kiosk() as kiosk:
            hub.services.links.close("kiosk_001", CloseCode.FORBIDDEN, "the kiosk is disabled")
            await kiosk.close_code()
        await outlives.enter_async_context(hub.v1_kiosk("kiosk_002"))
        old = hub.token()
        await hub.services.registry.renew_token("kiosk_001")
        async with hub.socket(old) as refused:
            assert await refused.close_code() == 4401
        await history.written()
        found = [(row.refused, row.why, row.code, row.words) for row in await history.page("kiosk_001")]
        assert found == [
            (True, "4401", 4401, "the token is not in force"),
            (False, "4403", 4403, "the kiosk is disabled"),
            (False, "1001", 1001, "the program ends"),
        ]
        (open_one,) = await history.page("kiosk_002")
        assert (open_one.dialect, open_one.ended_at) == ("v1", None)
    async with running(tmp_path, kiosks=()) as hub:
        (row,) = await hub.hub.rooms.history.page("kiosk_002")
        assert row.why in {HUB_STOPPED, "1012"}  # the second where the kiosk was quick to say goodbye
        assert row.ended_at is not None
