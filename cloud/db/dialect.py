"""What SQLite and PostgreSQL spell alike but SQLAlchemy does not, and what one of them must be told."""

from typing import Any

from sqlalchemy import ClauseElement, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# Beside those of cloud.db.migrate and cloud.db.hold.
_POSTGRESQL_LOCK = 0x6B696F75


def insert_into(engine: AsyncEngine, table: Table) -> Any:
    """The dialect's `INSERT`, which knows `ON CONFLICT`."""
    return (postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert)(table)


def insert_ignoring(engine: AsyncEngine, table: Table) -> ClauseElement:
    """`INSERT … ON CONFLICT DO NOTHING`: a row that is there already stays as it is."""
    statement: ClauseElement = insert_into(engine, table).on_conflict_do_nothing()
    return statement


async def one_after_another(connection: AsyncConnection) -> None:
    """From here to the end of this transaction no other that called this runs: they are committed in the order of
    the revisions they give. SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(_POSTGRESQL_LOCK)))
