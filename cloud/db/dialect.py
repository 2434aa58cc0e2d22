"""The one statement SQLite and PostgreSQL spell alike but SQLAlchemy does not."""

from typing import Any

from sqlalchemy import ClauseElement, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine


def insert_into(engine: AsyncEngine, table: Table) -> Any:
    """The dialect's `INSERT`, which knows `ON CONFLICT`."""
    return (postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert)(table)


def insert_ignoring(engine: AsyncEngine, table: Table) -> ClauseElement:
    """`INSERT … ON CONFLICT DO NOTHING`: a row that is there already stays as it is."""
    statement: ClauseElement = insert_into(engine, table).on_conflict_do_nothing()
    return statement
