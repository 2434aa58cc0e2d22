"""A database file that is taken away from under a running hub."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from cloud.db.engine import explain, open_engine
from cloud.db.migrate import migrate
from cloud.db.place import REPLACED, Place
from cloud.errors import StorageError
from tests.cloud.db.test_writer import bench, stored


def test_a_place_is_known_from_the_first_time_something_lies_there(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    place = Place(str(path))
    place.check()
    path.touch()
    place.check()
    path.rename(tmp_path / "away")
    with pytest.raises(sqlite3.OperationalError, match="removed or replaced"):
        place.check()
    path.touch()
    with pytest.raises(sqlite3.OperationalError, match="removed or replaced"):
        place.check()
    (tmp_path / "away").rename(path)
    place.check()


async def test_nothing_is_told_to_be_on_disk_that_went_into_a_file_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    async with bench(tmp_path / "state") as db:
        await db.write("kiosk_1")
        (tmp_path / "state").rename(tmp_path / "away")
        for kiosk in ("kiosk_2", "kiosk_3"):
            with pytest.raises(StorageError, match="removed or replaced"):
                await db.write(kiosk)
        assert db.writer.error == REPLACED
        assert not (tmp_path / "state").exists()  # nothing is begun anew there
        (tmp_path / "away").rename(tmp_path / "state")
        await db.write("kiosk_4")
        assert db.writer.error is None
        assert stored(tmp_path / "state") == ["kiosk_1", "kiosk_4"]


def test_a_place_that_cannot_be_looked_at_is_not_called_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub.db").touch()
    place = Place(str(tmp_path / "hub.db"))

    def deny(path: str) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("os.stat", deny)
        with pytest.raises(sqlite3.OperationalError, match="cannot be looked at: Permission denied"):
            place.check()
    place.check()


async def test_a_copy_is_not_the_file(tmp_path: Path) -> None:
    async with bench(tmp_path) as db:
        await db.write("kiosk_1")
        shutil.copy(tmp_path / "hub.db", tmp_path / "copy")
        (tmp_path / "copy").rename(tmp_path / "hub.db")
        with pytest.raises(StorageError, match="removed or replaced"):
            await db.write("kiosk_2")


async def test_without_its_log_nothing_is_told_to_be_on_disk(tmp_path: Path) -> None:
    async with bench(tmp_path) as db:
        await db.write("kiosk_1")
        (tmp_path / "hub.db-wal").unlink()
        with pytest.raises(StorageError, match=r"hub\.db-wal"):
            await db.write("kiosk_2")


async def test_no_connection_is_made_to_what_was_not_there_at_the_start(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}")
    await migrate(engine)
    await engine.dispose()
    (tmp_path / "hub.db").rename(tmp_path / "away")
    with pytest.raises(OperationalError) as failed:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    assert explain(failed.value) == REPLACED
    assert not (tmp_path / "hub.db").exists()
    (tmp_path / "away").rename(tmp_path / "hub.db")
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1 FROM kiosks"))
    await engine.dispose()


async def test_words_are_sqlites_own_or_none(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "hub.db")) as connection, pytest.raises(sqlite3.Error) as failed:
        connection.execute("SELECT 1 FROM kiosks")
    assert explain(failed.value) == "no such table: kiosks"
    assert explain(OSError("db.example: password canary")) == "OSError"
    assert explain(OSError(28, "no room at db.example")) == "No space left on device"
