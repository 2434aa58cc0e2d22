"""Bring a database to the schema this version needs. Safe to call at every start."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from wire.crashpoint import crash_point

if TYPE_CHECKING:
    from alembic.config import Config

# The newest migration. Alembic is loaded only when there is something to do: most starts find nothing.
HEAD = "0004"
# Two hubs or commands starting together migrate one after the other.
_POSTGRESQL_LOCK = 0x6B696F73


async def migrate(engine: AsyncEngine) -> None:
    """Run the missing migrations, creating the SQLite file and its directory if need be."""
    url = make_url(engine.url)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        await asyncio.to_thread(Path(url.database).parent.mkdir, parents=True, exist_ok=True)
    try:
        async with engine.connect() as connection:
            if (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar() == HEAD:
                return
    except DBAPIError:
        pass  # a new database; if it is broken, what follows says so
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)
        crash_point("hub.database.migrate.before")
    crash_point("hub.database.migrate.after")


def _config() -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see HEAD

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRESQL_LOCK})")
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    from alembic import command  # noqa: PLC0415 - see HEAD

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
