"""What SQLite and PostgreSQL spell alike but SQLAlchemy does not, and what one of them must be told."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ClauseElement, String, Table, Text, bindparam, cast, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# Beside those of cloud.db.migrate and cloud.db.hold.
_REVISIONS = 0x6B696F75
FIGURES = 0x6B696F78  # of the charts


def insert_into(engine: AsyncEngine, table: Table) -> Any:
    """The dialect's `INSERT`, which knows `ON CONFLICT`."""
    return (postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert)(table)


def insert_ignoring(engine: AsyncEngine, table: Table) -> ClauseElement:
    """`INSERT … ON CONFLICT DO NOTHING`: a row that is there already stays as it is."""
    statement: ClauseElement = insert_into(engine, table).on_conflict_do_nothing()
    return statement


def insert_telling(engine: AsyncEngine, table: Table, names: Sequence[str], key: str) -> ClauseElement:
    """The same for a `Write` that tells which rows were new.

    PostgreSQL takes each column as an array, all rows in one statement, and gives back the keys of the new ones. SQLite
    is given row after row.
    """
    if engine.dialect.name != "postgresql":
        return insert_ignoring(engine, table)
    # As texts of any length: cast to one of a column's, a longer one would be cut off without a word.
    types = {name: Text() if isinstance(table.c[name].type, String) else table.c[name].type for name in names}
    columns = (cast(bindparam(name), postgresql.ARRAY(types[name])) for name in names)
    given = func.unnest(*columns).table_valued(*names).render_derived()
    statement = postgresql.insert(table).from_select(list(names), select(given))
    telling: ClauseElement = statement.on_conflict_do_nothing().returning(table.c[key])
    return telling


async def one_after_another(connection: AsyncConnection, lock: int = _REVISIONS) -> None:
    """From here to the end of this transaction no other that called this runs: they are committed in the order of
    the revisions they give. `lock` tells apart what has nothing to do with each other. SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(lock)))
