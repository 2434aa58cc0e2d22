"""The schema is the sum of the migrations, whichever way one looks."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from cloud.db import migrate as module
from cloud.db.engine import open_engine
from cloud.db.migrate import HEAD, LaterSchemaError, migrate
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
    def is_made_here(_thing: Any, name: str | None, *_: Any) -> bool:
        return name != "ix_operations_beginning"  # PostgreSQL's alone, which autogenerate does not see

    def compare(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "include_object": is_made_here}
        context = MigrationContext.configure(connection, opts=options)
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


async def test_what_a_later_version_has_migrated_is_refused_in_words_and_left_alone(tmp_path: Path) -> None:
    def leave_later(connection: Connection) -> dict[str, Any]:
        connection.execute(text("UPDATE alembic_version SET version_num = '9001'"))
        return shape(connection)

    before = await look(tmp_path / "hub.db", leave_later)
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}")
    with pytest.raises(LaterSchemaError, match=f"9001, this version's is {HEAD}.*restore the backup"):
        await migrate(engine)
    async with engine.connect() as connection:
        assert await connection.run_sync(shape) == before
    await engine.dispose()


async def test_what_lies_in_a_database_of_the_version_before_stays(tmp_path: Path) -> None:
    """A kiosk and an operation of 0005, whose outcome nobody knows."""
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}")

    def of_the_version_before(connection: Connection) -> None:
        config = module._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        connection.execute(text(
            "INSERT INTO kiosks (id, name, enabled, generation, removed, created_at, revision)"
            " VALUES ('kiosk_1', 'a name', 1, 0, 0, 1.5, 1)"
        ))  # fmt: skip
        columns = "request_id, kiosk_id, operation, method, delivery, body, state, final, journal, created_at"
        values = "'one', 'kiosk_1', 'payment', 'POST', 'now', '{}', 'unknown', 0, '', 2.5"
        connection.execute(text(f"INSERT INTO operations ({columns}) VALUES ({values})"))

    def kept(connection: Connection) -> list[Any]:
        return [
            tuple(connection.execute(text(statement)).one())
            for statement in ("SELECT id, name FROM kiosks", "SELECT request_id, state FROM operations",
                              "SELECT count(*) FROM accounts", "PRAGMA integrity_check")
        ]  # fmt: skip

    async with engine.begin() as connection:
        await connection.run_sync(of_the_version_before)
    await migrate(engine)
    async with engine.connect() as connection:
        found = await connection.run_sync(kept)
        assert found == [("kiosk_1", "a name"), ("one", "unknown"), (0,), ("ok",)]
        assert await connection.run_sync(shape) == await look(tmp_path / "new.db", shape)
    await engine.dispose()
