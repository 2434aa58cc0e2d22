"""Bring a database to the schema this version needs. Safe to call at every start."""

import asyncio
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db.engine import open_patient
from cloud.db.hold import NotHeldError
from wire.crashpoint import crash_point

if TYPE_CHECKING:
    from alembic.config import Config

# The newest migration. Alembic is loaded only when there is something to do: most starts find nothing.
HEAD = "0007"
# Two hubs or commands starting together migrate one after the other.
_POSTGRESQL_LOCK = 0x6B696F73
_WITHIN, _BETWEEN = 30.0, 1.0
# A lock was not had in time; two waited for each other.
_IN_THE_WAY = ("55P03", "40P01")
_HOLDERS = """
SELECT a.pid, a.application_name AS name, coalesce(a.state, 'unknown') AS state,
    coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0) AS seconds,
    bool_or(l.locktype = 'advisory') AS migrates
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.granted AND l.pid <> pg_backend_pid() AND a.datname = current_database()
    AND (l.locktype = 'relation' AND l.relation IN (
            SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r')
        OR l.locktype = 'advisory' AND l.objid = :lock)
    AND a.xact_start < clock_timestamp() - interval '1 second'
GROUP BY 1, 2, 3, 4 ORDER BY seconds DESC LIMIT 3
"""

log = logging.getLogger(__name__)


class LaterSchemaError(NotHeldError):
    """A later version has migrated the database."""


class MigrationError(NotHeldError):
    """The database cannot be migrated just now: others use it. Nothing was changed."""


async def migrate(engine: AsyncEngine) -> None:
    """Run the missing migrations, creating the SQLite file and its directory if need be.

    Raises `LaterSchemaError` where there are some that this version does not know, and `MigrationError` where somebody
    else's transaction stands in the way for longer than half a minute.
    """
    url = make_url(engine.url)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        await asyncio.to_thread(Path(url.database).parent.mkdir, parents=True, exist_ok=True)
    try:
        async with engine.connect() as connection:
            found = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    except DBAPIError:
        found = None  # a new database; if it is broken, what follows says so
    if found == HEAD:
        return
    if found is not None and found > HEAD:  # they are numbers of four digits
        words = f"a later version has been here (its schema is {found}, this version's is {HEAD})"
        raise LaterSchemaError(f"{words}; run that version again, or restore the backup from before it")
    if url.get_backend_name() == "sqlite":
        await _run(engine)
        return
    patient = open_patient(engine.url)
    try:
        await _run_beside_others(patient)
    finally:
        await patient.dispose()


async def _run(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)
        crash_point("hub.database.migrate.before")
    crash_point("hub.database.migrate.after")


async def _run_beside_others(engine: AsyncEngine) -> None:
    """Until it succeeds, or time is up.

    Who waits for a table's lock lets nobody else at that table meanwhile. So each wait is short, and between them
    those who work there go on.
    """
    until = time.monotonic() + _WITHIN
    told = False
    while True:
        try:
            await _run(engine)
            return
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _IN_THE_WAY:
                raise
        if time.monotonic() >= until:
            raise MigrationError(f"the schema cannot be changed just now: {await _who(engine)}; nothing was changed")
        if not told:
            log.warning("others use the tables whose schema is to be changed: trying again")
            told = True
        await asyncio.sleep(_BETWEEN)


async def _who(engine: AsyncEngine) -> str:
    """Whose transactions are open for long on our tables, for who can end them."""
    async with engine.connect() as connection:
        found = (await connection.execute(text(_HOLDERS), {"lock": _POSTGRESQL_LOCK})).all()
    parts = []
    for row in found:
        what = "a migration that runs" if row.migrates else f"a transaction open for {row.seconds:.0f} s"
        parts.append(f"{what} (pid {row.pid}, {row.name or 'unnamed'}, {row.state})")
    if not parts:
        return "others were in the way again and again; try once more"
    return f"in the way is {'; '.join(parts)}; right would be: wait for it, or SELECT pg_terminate_backend(pid)"


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
