"""What every connection to SQLite is told."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cloud.db.engine import _set_up_sqlite, open_engine


async def test_sqlite_syncs_each_commit_and_keeps_references(tmp_path: Path) -> None:
    """`settled` lets a kiosk forget: what precedes it must survive a power cut."""
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}")
    async with engine.connect() as connection:
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    await engine.dispose()
    assert found == ["wal", 2, 1, 10_000]


def test_sqlite_without_a_write_ahead_log_is_refused() -> None:
    """It does not complain by itself, and in its old mode a power cut may undo commits."""
    expected = pytest.raises(sqlite3.OperationalError, match="journal_mode is memory")
    with closing(sqlite3.connect(":memory:")) as connection, expected:
        _set_up_sqlite(connection)
