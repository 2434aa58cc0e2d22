"""What is old enough is forgotten; what is open stays."""

import sqlite3
from contextlib import closing
from pathlib import Path

from cloud.db.engine import open_engine
from cloud.operations.retention import Retention
from tests.cloud.hub import empty_database, rows

_DAY = 86400.0


async def test_ended_operations_their_callbacks_and_events_go_after_their_days(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(empty_database())
    now = 1000 * _DAY
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        insert = (
            "INSERT INTO operations (request_id, kiosk_id, operation, method, delivery, body, state, final, created_at)"
            " VALUES (?, 'k', 'o', 'POST', 'now', '{}', ?, ?, ?)"
        )
        for n in range(2500):
            connection.execute(insert, (f"old-{n}", "succeeded", True, now - 91 * _DAY))
        connection.execute(insert, ("young", "succeeded", True, now - 89 * _DAY))
        connection.execute(insert, ("old-unknown", "unknown", False, now - 400 * _DAY))
        connection.execute("INSERT INTO callbacks (request_id, api_key_id, created_at) VALUES ('old-1', 'a', 1.0)")
        connection.execute("INSERT INTO callbacks (request_id, api_key_id, created_at) VALUES ('young', 'a', 1.0)")
        for seq, at in ((1, now - 91 * _DAY), (2, now)):
            connection.execute(
                "INSERT INTO events (kiosk_id, journal, seq, at, received_at, kind, data)"
                " VALUES ('k', 'j', ?, ?, ?, 'x', '{}')",
                (seq, at, at),
            )
        connection.commit()
    engine = open_engine(f"sqlite+aiosqlite:///{path}")
    assert await Retention(engine, 90).forget(now) == 2500
    assert await Retention(engine, 90).forget(now) == 0
    await engine.dispose()
    assert rows(tmp_path, "SELECT request_id FROM operations ORDER BY 1") == [("old-unknown",), ("young",)]
    assert rows(tmp_path, "SELECT request_id FROM callbacks") == [("young",)]
    assert rows(tmp_path, "SELECT seq FROM events") == [(2,)]
