"""What every connection to SQLite is told."""

from pathlib import Path

from cloud.db.engine import open_engine


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
