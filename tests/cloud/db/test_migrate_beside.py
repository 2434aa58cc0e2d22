"""Migrations run beside hubs of the version before: they only add, and they let nobody wait for long.

docs/database.md has the rules. `make test-upgrade` does it with the version before itself.
"""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Connection, Float, Integer, LargeBinary, MetaData, Table, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.db import migrate as module
from cloud.db.engine import open_engine
from cloud.db.migrate import HEAD, MigrationError, migrate
from tests.cloud.db.test_migrate import shape
from tests.cloud.db.test_postgresql import ask, engine_at

# The first schema from which on every step is an expansion.
_SINCE = "0006"
# What an older version must do without by now, a version after nobody used it: "0008": {"table.column"}.
CONTRACTED: dict[str, set[str]] = {}


def upgrade(connection: Connection, revision: str) -> None:
    """To this one and no further."""
    config = module._config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _revisions() -> list[str]:
    found = ScriptDirectory.from_config(module._config()).walk_revisions(_SINCE, HEAD)
    return [one.revision for one in found][::-1]


async def test_each_migration_only_adds_what_the_version_before_can_do_without(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}")
    shapes = []
    for revision in _revisions():
        async with engine.begin() as connection:
            await connection.run_sync(upgrade, revision)
            shapes.append((revision, await connection.run_sync(shape)))
    await engine.dispose()
    wrong = []
    for (_, before), (revision, after) in itertools.pairwise(shapes):
        wrong += [f"{revision}: {words}" for words in _not_added(before, after, CONTRACTED.get(revision, set()))]
    assert wrong == []


def _not_added(before: dict[str, Any], after: dict[str, Any], contracted: set[str]) -> list[str]:
    """What is no addition, in words."""
    found = []
    for table, was in before.items():
        if table not in after:
            found.append(f"the table {table} is gone")
            continue
        now = after[table]
        for name, facts in was["columns"].items():
            if now["columns"].get(name) != facts and f"{table}.{name}" not in contracted:
                found.append(f"{table}.{name} was {facts}, is {now['columns'].get(name)}")
        for name, (_, nullable, default) in now["columns"].items():
            if name not in was["columns"] and not nullable and default == "None":
                found.append(f"{table}.{name} is new and must be given")
        for kind in ("primary key", "foreign keys", "unique"):
            if now[kind] != was[kind]:
                found.append(f"{table}: {kind} was {was[kind]}, is {now[kind]}")
        unique = [index for index in now["indexes"] if index[2] and index not in was["indexes"]]
        found += [f"{table}: the index {index[0]} refuses rows that were good" for index in unique]
    return found


def test_what_is_no_addition_is_found() -> None:
    column = ("TEXT", False, "None")
    keys: dict[str, Any] = {"primary key": ["a"], "foreign keys": [], "unique": [], "indexes": []}
    before = {"t": {"columns": {"a": column}, **keys}, "u": {"columns": {}, **keys}}
    after = {
        "t": {
            "columns": {"b": column, "c": ("TEXT", True, "None"), "d": ("TEXT", False, "''")},
            **keys,
            "indexes": [("i", ["b"], True, {})],
        }
    }
    assert [words.split(" ")[0:2] for words in _not_added(before, after, set())] == [
        ["t.a", "was"],
        ["t.b", "is"],
        ["t:", "the"],
        ["the", "table"],
    ]
    assert _not_added(before, before, set()) == []


def _value(kind: Any, name: str) -> Any:
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, LargeBinary):
        return b"{}"
    if isinstance(kind, Float):
        return 1.5
    return 1 if isinstance(kind, Integer) else name[:2]


def _as_before(connection: Connection, tables: list[Table]) -> None:
    """What a hub of the version before does with its tables, in the columns that it knows."""
    for table in tables:
        must = {
            column.name: _value(column.type, column.name)
            for column in table.columns
            if (not column.nullable and column.server_default is None) or column.foreign_keys or column.primary_key
        }
        if table.name == "callbacks":
            must["request_id"] = "re"
        connection.execute(insert(table).values(must))
        every = {column.name: _value(column.type, column.name) for column in table.columns if not column.primary_key}
        if more := {name: value for name, value in every.items() if name not in must}:
            connection.execute(update(table).values(more))
        assert len(connection.execute(select(table)).all()) == 1
    for table in reversed(tables):
        connection.execute(table.delete())


def _tables(connection: Connection) -> list[Table]:
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


async def _before_and_after(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, _revisions()[-2])
        tables = await connection.run_sync(_tables)
        await connection.run_sync(_as_before, tables)
    await migrate(engine)
    async with engine.begin() as connection:
        await connection.run_sync(_as_before, tables)


async def test_what_the_version_before_writes_and_reads_goes_on_in_sqlite(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}")
    await _before_and_after(engine)
    await engine.dispose()


async def test_what_the_version_before_writes_and_reads_goes_on_in_postgresql(empty: str) -> None:
    async with engine_at(empty) as engine:
        await _before_and_after(engine)
    (options,) = await ask(empty, "SELECT reloptions::text FROM pg_class WHERE relname = 'operations'")
    assert "autovacuum_vacuum_scale_factor=0.02" in options[0]


async def test_a_transaction_in_the_way_is_waited_for_briefly_again_and_again_and_then_named(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a lock lets nobody pass: those who work there must come to their turn between the tries."""
    monkeypatch.setattr(module, "_WITHIN", 2.5)
    async with engine_at(empty) as engine:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade, _revisions()[-2])
        other = await asyncpg.connect(empty, server_settings={"application_name": "a report"})
        try:
            await other.execute("BEGIN; SELECT count(*) FROM operations")
            migrating = asyncio.ensure_future(migrate(engine))
            passed = 0
            while not migrating.done():  # nor would it ever be, did it wait for that transaction without an end
                await ask(empty, "SELECT count(*) FROM operations")
                passed += 1
            with pytest.raises(MigrationError, match=r"a transaction open for \d+ s \(pid \d+, a report, idle in tran"):
                await migrating
            assert passed
            version = "SELECT version_num FROM alembic_version"
            assert await ask(empty, version) == [(_revisions()[-2],)]
            monkeypatch.setattr(module, "_WITHIN", 60.0)
            migrating = asyncio.ensure_future(migrate(engine))
            await asyncio.sleep(0.3)
            await other.execute("COMMIT")
            await migrating
            assert await ask(empty, version) == [(HEAD,)]
        finally:
            await other.close()


async def test_a_migration_that_runs_is_waited_for_and_then_named(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WITHIN", 1.5)
    async with engine_at(empty) as engine, engine.connect() as other:
        await other.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": module._POSTGRESQL_LOCK})
        with pytest.raises(MigrationError, match="in the way is a migration that runs"):
            await migrate(engine)
        monkeypatch.setattr(module, "_WITHIN", 60.0)
        migrating = asyncio.ensure_future(migrate(engine))
        await asyncio.sleep(0.3)
        await other.commit()
        await migrating
