"""The schema is the sum of the migrations, whichever way one looks."""

import asyncio
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from cloud.db import migrate as module
from cloud.db.engine import open_engine
from cloud.db.migrate import HEAD, migrate
from cloud.db.tables import metadata


async def look(path: Path, what: Any, *, migrated: bool = True) -> Any:
    """What `what(connection)` finds in a new database, made by migrations or straight from the tables."""
    engine = open_engine(f"sqlite+aiosqlite:///{path}")
    if migrated:
        await migrate(engine)
    async with engine.begin() as connection:
        if not migrated:
            await connection.run_sync(metadata.create_all)
        found = await connection.run_sync(what)
    await engine.dispose()
    return found


def shape(connection: Connection) -> dict[str, Any]:
    """Tables, columns, keys, indexes and constraints as the database has them."""
    found = inspect(connection)
    return {
        name: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], str(column["default"]))
                for column in found.get_columns(name)
            },
            "primary key": found.get_pk_constraint(name)["constrained_columns"],
            "foreign keys": [
                (key["constrained_columns"], key["referred_table"], key["options"])
                for key in found.get_foreign_keys(name)
            ],
            "unique": sorted(item["column_names"] for item in found.get_unique_constraints(name)),
            "indexes": [
                (
                    item["name"] or "",
                    item["column_names"],
                    bool(item["unique"]),
                    {name: str(value) for name, value in item.get("dialect_options", {}).items()},
                )
                for item in found.get_indexes(name)
            ],
        }
        for name in found.get_table_names()
        if name != "alembic_version"
    }


async def test_autogenerate_finds_nothing_to_add_or_remove(tmp_path: Path) -> None:
    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, metadata)

    assert await look(tmp_path / "hub.db", compare) == []


async def test_migrations_and_tables_make_the_same_database(tmp_path: Path) -> None:
    """Autogenerate looks past defaults, partial indexes' conditions and some constraints; this does not."""
    tables = await look(tmp_path / "tables.db", shape, migrated=False)
    migrations = await look(tmp_path / "migrations.db", shape)
    assert tables == migrations
    assert set(metadata.tables) == set(migrations)


def test_the_head_that_is_named_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(module._config()).get_heads() == [HEAD]


async def test_migrating_again_changes_nothing_and_makes_directories(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "hub.db"
    first = await look(path, shape)
    assert first == await look(path, shape)


async def test_two_that_migrate_at_once_both_succeed(tmp_path: Path) -> None:
    found = await asyncio.gather(*(look(tmp_path / "hub.db", shape) for _ in range(3)))
    assert found[0] == found[1] == found[2] != {}
