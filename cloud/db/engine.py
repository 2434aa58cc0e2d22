"""One engine, SQLite or PostgreSQL, set up so that a committed transaction is on disk."""

from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


def open_engine(url: str) -> AsyncEngine:
    """An engine for `url`; nothing is connected yet. Every wait for the database is bounded by 10 s.

    Its errors name no values: they are bodies of payments.
    """
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_async_engine(url, connect_args={"timeout": 10}, hide_parameters=True)
        event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        return engine
    return create_async_engine(url, pool_size=5, pool_timeout=10, pool_pre_ping=True, hide_parameters=True)


def open_blocking(engine: AsyncEngine) -> Engine:
    """A blocking engine on the same SQLite file, for a thread that does nothing else."""
    url = engine.url.set(drivername="sqlite+pysqlite")
    blocking = create_engine(url, connect_args={"timeout": 10, "check_same_thread": False}, hide_parameters=True)
    event.listen(blocking, "connect", _set_up_sqlite)
    return blocking


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL, not NORMAL: `settled` lets the kiosk forget, so what it follows must survive a power cut here too.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
