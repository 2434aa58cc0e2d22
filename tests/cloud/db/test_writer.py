"""The grouped writer, on a real SQLite file."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert

from cloud.db import writer as module
from cloud.db.dialect import insert_telling
from cloud.db.engine import open_engine
from cloud.db.migrate import migrate
from cloud.db.tables import callbacks, kiosks
from cloud.db.writer import Write, Writer
from cloud.errors import StorageError
from cloud.metrics import Metrics
from tests.cloud.hub import broken_table, database_of, rows

_NAMES = ("id", "name", "enabled", "generation", "removed", "created_at", "revision")


class Bench:
    """A writer, and the kind of row it is tried with."""

    def __init__(self, writer: Writer, metrics: Metrics, kiosk: Write, callback: Write) -> None:
        self.writer = writer
        self.metrics = metrics
        self.kiosk = kiosk
        self.callback = callback

    def write(self, kiosk_id: str | None) -> "asyncio.Future[bool]":
        """Have a kiosk written; without an id it cannot be."""
        return self.writer.write(self.kiosk, (kiosk_id, "", True, 0, False, 0.0, 1))

    def transactions(self) -> float:
        """How many groups were committed."""
        return self.metrics.registry.get_sample_value("kioskwire_database_transaction_seconds_count") or 0.0


@asynccontextmanager
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A writer on a new database."""
    engine, metrics = open_engine(database_of(tmp_path)), Metrics()
    await migrate(engine)
    writer = Writer(engine, metrics)
    kiosk = Write(0, engine, insert(kiosks), _NAMES)
    names = ("request_id", "api_key_id", "created_at")
    made = Bench(writer, metrics, kiosk, Write(1, engine, insert(callbacks), names))
    writer.start()
    try:
        yield made
    finally:
        await writer.stop()
        await engine.dispose()


def stored(tmp_path: Path) -> list[str]:
    """The ids in the table."""
    return [row[0] for row in rows(tmp_path, "SELECT id FROM kiosks ORDER BY id")]


async def test_many_waiting_rows_share_few_transactions(tmp_path: Path) -> None:
    async with bench(tmp_path) as db:
        await asyncio.gather(*(db.write(f"kiosk_{n:04}") for n in range(1000)))
        assert [f"kiosk_{n:04}" for n in range(1000)] == stored(tmp_path)
        assert db.transactions() <= 3


async def test_a_row_is_on_disk_when_its_future_ends(tmp_path: Path) -> None:
    async with bench(tmp_path) as db:
        for n in range(5):
            await db.write(f"kiosk_{n}")
            assert len(stored(tmp_path)) == n + 1


async def test_a_row_that_cannot_be_written_takes_no_other_along(tmp_path: Path) -> None:
    async with bench(tmp_path) as db:
        ids = [f"kiosk_{n}" if n != 3 else None for n in range(7)]
        results = await asyncio.gather(*map(db.write, ids), return_exceptions=True)
        assert [type(result) for result in results] == [bool] * 3 + [StorageError] + [bool] * 3
        assert [kiosk_id for kiosk_id in ids if kiosk_id] == stored(tmp_path)
        assert db.writer.error is None  # the database works


async def test_a_row_that_refers_to_none_fails_alone(tmp_path: Path) -> None:
    """Foreign keys are kept, and only the row at fault pays."""
    async with bench(tmp_path) as db:
        orphan = db.writer.write(db.callback, ("no-such-operation", "key", 0.0))
        good = db.write("kiosk_1")
        results = await asyncio.gather(orphan, good, return_exceptions=True)
        assert [StorageError, bool] == [type(result) for result in results]


async def test_a_database_that_fails_fails_every_future_tells_it_once_and_heals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path) as db:
        with broken_table(tmp_path, "kiosks"), caplog.at_level(logging.INFO):
            for _ in range(3):
                results = await asyncio.gather(*(db.write(f"k{n}") for n in range(5)), return_exceptions=True)
                assert [StorageError] * 5 == [type(result) for result in results]
            assert db.writer.error in ("no such table: kiosks", "PostgreSQL says UndefinedTableError (42P01)")
            assert caplog.text.count("the database does not take writes") == 1
        with caplog.at_level(logging.INFO):
            await db.write("kiosk_1")
        assert (db.writer.error, stored(tmp_path)) == (None, ["kiosk_1"])
        assert "takes writes again" in caplog.text


async def test_errors_name_no_values(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with bench(tmp_path) as db:
        with broken_table(tmp_path, "kiosks"), caplog.at_level(logging.DEBUG):
            with pytest.raises(StorageError) as failed:
                await db.write("canary-in-a-row")
            await asyncio.gather(db.write("canary-1"), db.write("canary-2"), return_exceptions=True)
        assert "canary" not in str(failed.value)
        assert "canary" not in caplog.text


async def test_more_waiting_than_allowed_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING_MAX", 3)
    async with bench(tmp_path) as db:
        results = await asyncio.gather(*(db.write(f"kiosk_{n}") for n in range(5)), return_exceptions=True)
        assert [bool] * 3 + [StorageError] * 2 == [type(result) for result in results]


async def test_stopping_writes_what_waits_and_takes_no_more(tmp_path: Path) -> None:
    async with bench(tmp_path) as db:
        waiting = [db.write(f"kiosk_{n}") for n in range(20)]
        await db.writer.stop()
        assert all(future.done() for future in waiting)
        assert len(stored(tmp_path)) == 20
        with pytest.raises(StorageError):
            await db.write("too-late")


async def test_stopping_waits_for_a_database_that_is_away_once_and_not_once_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GROUP_MAX", 5)
    tried = []

    async def away(_batches: object) -> list[Sequence[bool]]:
        tried.append(True)
        raise OSError("nobody answers")

    async with bench(tmp_path) as db:
        monkeypatch.setattr(db.writer._target, "commit", away)
        waiting = [db.write(f"kiosk_{n}") for n in range(20)]
        await db.writer.stop()
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert ([StorageError] * 20, [False] * 20) == (
            [type(each) for each in told],
            [isinstance(each, StorageError) and each.may_stand for each in told],
        )
        assert tried == [True]


async def test_stopping_writes_what_waits_at_a_database_that_was_away(tmp_path: Path) -> None:
    async with bench(tmp_path) as db:
        with broken_table(tmp_path, "kiosks"), pytest.raises(StorageError):
            await db.write("lost")
        assert db.writer.error
        waiting = db.write("kiosk_1")
        await db.writer.stop()
        assert (waiting.exception(), stored(tmp_path)) == (None, ["kiosk_1"])


async def test_a_kind_that_tells_says_which_rows_were_there_already(tmp_path: Path) -> None:
    """Also within one group, among other kinds, and where one row of the group cannot be written."""
    async with bench(tmp_path) as db:
        engine = open_engine(database_of(tmp_path))
        statement = insert_telling(engine, kiosks, _NAMES, "id")
        telling = Write(0, engine, statement, _NAMES, tells=True)

        def write(kiosk_id: str | None, name: str = "") -> "asyncio.Future[bool]":
            return db.writer.write(telling, (kiosk_id, name, True, 0, False, 0.0, 1))

        assert await write("kiosk_1", "first")
        assert not await write("kiosk_1", "second")
        ended = [write("kiosk_2"), db.write("kiosk_3"), write("kiosk_1"), write("kiosk_2"), write("kiosk_4")]
        assert await asyncio.gather(*ended) == [True, True, False, False, True]
        ended = [write("kiosk_5"), write(None), write("kiosk_4")]
        assert [
            type(it) if isinstance(it, Exception) else it for it in await asyncio.gather(*ended, return_exceptions=True)
        ] == [
            True,
            StorageError,
            False,
        ]
        assert rows(tmp_path, "SELECT name FROM kiosks WHERE id = 'kiosk_1'") == [("first",)]
        await engine.dispose()


async def test_who_stops_waiting_disturbs_nobody(tmp_path: Path) -> None:
    async with bench(tmp_path) as db:
        one, two = db.write("kiosk_1"), db.write("kiosk_2")
        one.cancel()
        await two
        assert stored(tmp_path) == ["kiosk_1", "kiosk_2"]
