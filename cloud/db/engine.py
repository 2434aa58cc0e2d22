"""One engine, SQLite or PostgreSQL, set up so that a committed transaction is on disk."""

import os
import sqlite3
from typing import Any

from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cloud.db.hold import NotHeldError
from cloud.db.place import Place

_WAIT = 10  # seconds, for anything of the database
_HOURS = 24 * 3600.0
# What a session of PostgreSQL is told. A commit is on its disk before it is told, whatever the server's own setting;
# the session of a hub that is gone ends, and with it its lock, within half a minute, be it that nobody says goodbye.
_SESSION = {
    "application_name": "kioskwire-hub",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    # The driver gives up first: where a commit waits for its standby in vain, the server would call it off by itself,
    # and then tell it as done.
    "statement_timeout": f"{_WAIT + 5}s",
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
        pool = {"pool_size": 15, "max_overflow": 0, "pool_use_lifo": True}  # as below
        engine = create_async_engine(url, connect_args={"timeout": 10}, hide_parameters=True, **pool)
        _set_up(engine.sync_engine, Place(engine.url.database or ""))
        return engine
    # None beyond the pool: each of those would be made anew for one question.
    pool = {"pool_size": 10, "max_overflow": 0, "pool_timeout": _WAIT, "pool_pre_ping": True, "pool_use_lifo": True}
    return _at_postgresql(url, command_timeout=_WAIT, session=_SESSION, **pool)


def open_patient(url: str | URL) -> AsyncEngine:
    """An engine for a PostgreSQL whose statements may take hours, while each waits for locks for 2 s."""
    session = {**_SESSION, "statement_timeout": "0", "lock_timeout": "2s"}
    return _at_postgresql(url, command_timeout=_HOURS, session=session, poolclass=NullPool)


def _at_postgresql(url: str | URL, *, command_timeout: float, session: dict[str, str], **pool: Any) -> AsyncEngine:
    from cloud.db.primary import Primary  # noqa: PLC0415 - its driver is an extra

    given = {"timeout": _WAIT, "command_timeout": command_timeout, "server_settings": session}
    return create_async_engine(
        url, hide_parameters=True, connect_args={**given, "async_creator_fn": Primary().connect}, **pool
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
