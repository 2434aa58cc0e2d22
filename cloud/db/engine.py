"""One engine, SQLite or PostgreSQL, set up so that a committed transaction is on disk."""

import os
import sqlite3
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cloud.db.hold import NotHeldError
from cloud.db.place import Place

_WAIT = 10  # seconds, for anything of the database
# What a session of PostgreSQL is told. A commit is on its disk before it is told, whatever the server's own setting;
# the session of a hub that is gone ends, and with it its lock, within half a minute, be it that nobody says goodbye.
_SESSION = {
    "application_name": "kioskwire-hub",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "statement_timeout": f"{_WAIT}s",
    "lock_timeout": f"{_WAIT}s",
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
}
# By class of SQLSTATE: what is wrong with a row, and not with the database.
_OF_ROWS = ("21", "22", "23", "54")


def open_engine(url: str) -> AsyncEngine:
    """An engine for `url`; nothing is connected yet. Every wait for the database is bounded by 10 s.

    Its errors name no values: they are bodies of payments.
    """
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_async_engine(url, connect_args={"timeout": 10}, hide_parameters=True)
        _set_up(engine.sync_engine, Place(engine.url.database or ""))
        return engine
    return create_async_engine(
        url,
        pool_size=5,
        max_overflow=5,
        pool_timeout=_WAIT,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"timeout": _WAIT, "command_timeout": _WAIT, "server_settings": _SESSION},
    )


def open_blocking(engine: AsyncEngine, place: Place) -> Engine:
    """A blocking engine on the same SQLite file, which lies at `place`, for a thread that does nothing else."""
    url = engine.url.set(drivername="sqlite+pysqlite")
    blocking = create_engine(url, connect_args={"timeout": 10, "check_same_thread": False}, hide_parameters=True)
    _set_up(blocking, place)
    return blocking


def explain(error: BaseException) -> str:
    """What is wrong, for who looks after the hub. Only SQLite's, the system's or our words: others name hosts."""
    raw = getattr(error, "orig", None) or error
    if isinstance(raw, sqlite3.Error | NotHeldError):
        return str(raw)
    if state := getattr(raw, "sqlstate", None):
        return f"PostgreSQL says {type(raw.__cause__ or raw).__name__} ({state})"
    return os.strerror(raw.errno) if isinstance(raw, OSError) and raw.errno else type(raw).__name__


def is_away(error: BaseException) -> bool:
    """Whether the database, and not a row, is what does not work."""
    if isinstance(error, OperationalError | OSError) or getattr(error, "connection_invalidated", False):
        return True
    state: str | None = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state is not None and not state.startswith(_OF_ROWS)


def _set_up(engine: Engine, place: Place) -> None:
    @event.listens_for(engine, "do_connect")
    def check(*_: object) -> None:
        place.check()

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        _set_up_sqlite(connection)
        place.check()  # from here on it is known


def _set_up_sqlite(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    (mode,) = cursor.fetchone()
    if mode != "wal":  # said instead of an error; in the old mode a power cut may undo commits in spite of FULL
        raise sqlite3.OperationalError(f"SQLite cannot keep a write-ahead log here (journal_mode is {mode})")
    # FULL, not NORMAL: `settled` lets the kiosk forget, so what it follows must survive a power cut here too.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
