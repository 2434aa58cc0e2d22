"""A hub on a real PostgreSQL: what it must do there that SQLite does by itself."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event, insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.backends.keys import ApiKeys
from cloud.db import target
from cloud.db.engine import explain, is_away, open_engine
from cloud.db.hold import NotHeldError
from cloud.db.migrate import migrate
from cloud.db.tables import kiosks, metadata
from cloud.db.writer import Write, Writer
from cloud.errors import StorageError
from cloud.metrics import Metrics
from cloud.operations.store import Store
from cloud.settings import Settings, database_url
from tests.cloud.db.test_migrate import shape
from tests.cloud.hub import JWT_SECRET, Running, running, until
from tests.postgresql import MissingError, Server, in_memory, running_server

_NAMES = ("id", "name", "enabled", "generation", "removed", "created_at", "revision")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for all tests here."""
    try:
        with running_server(within=in_memory(), max_connections="60") as made:
            yield made
    except MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def address(server: Server, request: pytest.FixtureRequest) -> str:
    """An empty database of the test's own."""
    name = f"test_{abs(hash(request.node.name))}"
    server.execute(f'CREATE DATABASE "{name}"')
    return server.url(name)


@asynccontextmanager
async def engine_at(address: str) -> AsyncIterator[AsyncEngine]:
    """An engine as a hub opens it."""
    made = open_engine(database_url(Settings(database_url=address)))
    try:
        yield made
    finally:
        await made.dispose()


@asynccontextmanager
async def writer_at(address: str) -> AsyncIterator[tuple[Writer, Write]]:
    """A writer that holds the database, and the kind of row it is tried with."""
    async with engine_at(address) as engine:
        await migrate(engine)
        writer = Writer(engine, Metrics())
        await writer.open()
        writer.start()
        try:
            yield writer, Write(0, engine, insert(kiosks), _NAMES)
        finally:
            await writer.stop()


def row(kiosk_id: str | None, name: str = "", generation: int = 0) -> tuple[Any, ...]:
    """A kiosk's."""
    return (kiosk_id, name, True, generation, False, 0.0, 1)


async def ask(address: str, statement: str) -> list[tuple[Any, ...]]:
    """From outside."""
    connection = await asyncpg.connect(address)
    try:
        return [tuple(found) for found in await connection.fetch(statement)]
    finally:
        await connection.close()


async def end_sessions(address: str) -> None:
    """As an administrator, or a restart of the server, ends them."""
    await ask(
        address,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


async def test_migrations_make_the_tables_there_too(server: Server, address: str) -> None:
    async with engine_at(address) as engine:
        await asyncio.gather(migrate(engine), migrate(engine))
        async with engine.connect() as connection:
            migrated = await connection.run_sync(shape)
            await connection.rollback()
        async with engine.begin() as connection:
            await connection.run_sync(metadata.drop_all)
            await connection.run_sync(metadata.create_all)
            assert migrated == await connection.run_sync(shape)


async def test_beginnings_of_ids_are_found_by_an_index(address: str) -> None:
    """Whatever language the database sorts by."""
    async with writer_at(address) as (writer, _), engine_at(address) as engine:
        async with engine.begin() as connection:
            fill = (
                "INSERT INTO operations (request_id, kiosk_id, operation, method, delivery, body, state, final,"
                " created_at) SELECT md5(n::text), 'a', 'b', 'POST', 'wait', '', 'failed', true, n"
                " FROM generate_series(1, 3000) n"
            )
            await connection.execute(text(fill))
            await connection.execute(text("ANALYZE operations"))
        asked: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
            asked.append((statement, given))

        event.listen(engine.sync_engine, "before_cursor_execute", note)
        store = Store(engine, writer, ApiKeys(engine))
        wanted = hashlib.md5(b"77", usedforsecurity=False).hexdigest()
        assert await store.ids_like(wanted[:8]) == [wanted]
        assert await store.ids_like("_" * 8) == await store.ids_like("%") == []
        statement, given = asked[0]
        connection = await asyncpg.connect(address)
        plan = await connection.fetch(f"EXPLAIN {statement}", *given)
        await connection.close()
        assert "ix_operations_beginning" in str(plan)


async def test_a_session_syncs_each_commit_and_waits_for_nothing_long(address: str) -> None:
    """Whatever the server's own settings say."""
    name = address.rpartition("/")[2]
    await ask(address, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    async with engine_at(address) as engine, engine.connect() as connection:
        found = [
            (await connection.execute(text(f"SHOW {setting}"))).scalar()
            for setting in ("synchronous_commit", "statement_timeout", "lock_timeout", "transaction_isolation")
        ]
    assert found == ["on", "15s", "10s", "read committed"]


async def test_a_row_is_there_when_its_future_ends_and_one_that_cannot_be_takes_none_along(address: str) -> None:
    async with writer_at(address) as (writer, kind):
        rows = [row(f"kiosk_{n}") if n != 3 else row(None) for n in range(7)]
        rows.append(row("kiosk_8", generation=2**40))  # the driver refuses it before the server does
        ended = await asyncio.gather(*(writer.write(kind, values) for values in rows), return_exceptions=True)
        assert [isinstance(end, StorageError) for end in ended] == [n in (3, 7) for n in range(8)]
        assert writer.error is None
        assert len(await ask(address, "SELECT id FROM kiosks")) == 6


async def test_a_character_that_it_cannot_keep_does_not_keep_an_outcome_out(address: str) -> None:
    async with writer_at(address) as (writer, kind):
        await writer.write(kind, row("kiosk_1", "a\0b"))
        assert await ask(address, "SELECT name FROM kiosks") == [("a\ufffdb",)]


async def test_a_session_that_is_ended_is_followed_by_another(address: str) -> None:
    async with writer_at(address) as (writer, kind):
        await writer.write(kind, row("kiosk_1"))
        await end_sessions(address)
        with pytest.raises(StorageError):
            await writer.write(kind, row("kiosk_2"))
        assert writer.error is not None
        assert "127.0.0.1" not in writer.error
        await writer.write(kind, row("kiosk_3"))
        assert writer.error is None
        assert await ask(address, "SELECT id FROM kiosks") == [("kiosk_1",), ("kiosk_3",)]


async def test_a_second_hub_waits_then_is_refused_in_words(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with writer_at(address) as (writer, kind):
        with monkeypatch.context() as patch:
            patch.setattr(target, "_BEGIN_WITHIN", 0.5)
            with pytest.raises(NotHeldError, match="another hub runs on this database"):
                async with writer_at(address):
                    pass
        await writer.write(kind, row("kiosk_1"))  # the first is not disturbed
    async with writer_at(address) as (writer, kind):
        await writer.write(kind, row("kiosk_2"))


async def test_a_hub_that_waits_begins_when_the_other_has_ended(address: str) -> None:
    async with engine_at(address) as engine:
        await migrate(engine)
        first, second = Writer(engine, Metrics()), Writer(engine, Metrics())
        await first.open()
        opening = asyncio.ensure_future(second.open())
        await asyncio.sleep(0.4)
        assert not opening.done()
        first.start()
        await first.stop()
        await opening
        second.start()
        await second.stop()


async def test_a_hub_whose_database_another_had_meanwhile_may_not_write_any_more(address: str) -> None:
    """What it remembers is not what stands there: be it that the other is gone again."""
    async with writer_at(address) as (old, kind):
        await end_sessions(address)
        async with writer_at(address) as (new, kind_of_new):
            await new.write(kind_of_new, row("kiosk_1"))
            with pytest.raises(StorageError):
                await old.write(kind, row("kiosk_2"))
        await until(lambda: _refused(old, kind))
        assert old.superseded.is_set()
        with pytest.raises(StorageError, match="must be started anew"):
            await old.write(kind, row("kiosk_3"))
    assert await ask(address, "SELECT id FROM kiosks") == [("kiosk_1",)]


async def _refused(writer: Writer, kind: Write) -> bool:
    with pytest.raises(StorageError):
        await writer.write(kind, row("kiosk_2"))
    return writer.superseded.is_set()


async def test_a_server_that_does_not_sync_is_refused() -> None:
    try:
        with running_server(within=in_memory(), fsync="off") as careless:
            async with engine_at(careless.url("postgres")) as engine:
                with pytest.raises(NotHeldError, match="fsync = off"):
                    await Writer(engine, Metrics()).open()
    except MissingError as missing:
        pytest.skip(str(missing))


async def test_what_is_wrong_with_the_server_is_no_row_s_fault(server: Server, address: str) -> None:
    async with engine_at(address.rpartition("/")[0] + "/nowhere") as engine:
        with pytest.raises(DBAPIError, match="does not exist") as raised:
            await engine.connect()
    assert (is_away(raised.value), "3D000" in explain(raised.value)) == (True, True)
    closed = Settings(database_url="postgresql://127.0.0.1:1/x")
    with pytest.raises(ConnectionRefusedError) as refused:
        await open_engine(database_url(closed)).connect()
    assert (is_away(refused.value), explain(refused.value)) == (True, "Connection refused")


@asynccontextmanager
async def hub_at(address: str, state_dir: Path) -> AsyncIterator[Running]:
    """A whole hub, with a kiosk and a backend."""
    async with running(state_dir, database_url=address) as made:
        yield made


async def test_an_operation_is_executed_once_and_its_outcome_is_kept_over_a_hub_s_restart(
    address: str, tmp_path: Path
) -> None:
    async with hub_at(address, tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
        first = await hub.send({"sum": 1}, key="order-1")
        again = await hub.send({"sum": 1}, key="order-1")
        assert (first.status_code, first.json(), again.json(), len(executed)) == (
            200,
            {"echo": {"sum": 1}},
            first.json(),
            1,
        )
    async with hub_at(address, tmp_path) as hub, hub.kiosk() as kiosk:
        after = await hub.send({"sum": 1}, key="order-1")
        assert (after.json(), await kiosk.heard()) == (first.json(), [])


async def test_a_server_that_crashes_refuses_and_comes_back(server: Server, address: str, tmp_path: Path) -> None:
    async with hub_at(address, tmp_path) as hub, hub.kiosk() as kiosk, kiosk.serving() as executed:
        await hub.send(key="before")
        await asyncio.to_thread(server.stop, "immediate")
        try:
            refused = await hub.send(key="during")
            assert (refused.status_code, refused.json()["type"]) == (503, "key-unchecked")
            queued = await hub.send(header_delivery="queue")
            assert (queued.status_code, queued.json()["type"]) == (503, "hub-storage")

            async def told() -> bool:
                return (await hub.http.get("/health")).status_code == 503

            await until(told)
        finally:
            await asyncio.to_thread(server.start, max_connections="60")

        async def well() -> bool:
            return (await hub.http.get("/health")).status_code == 200

        await until(well, 60)
        assert (await hub.send(key="during")).status_code == 200
        assert (await hub.send(key="before")).status_code == 200
        assert len(executed) == 2


async def test_a_hub_that_is_superseded_ends(address: str, tmp_path: Path) -> None:
    async with hub_at(address, tmp_path) as old:
        ended = asyncio.ensure_future(old.hub.superseded())
        await end_sessions(address)
        await ask(address, "UPDATE hub_life SET life = 'another'")
        await old.hub._writer.probe()
        await until(ended.done)


def test_the_commands_work_on_it(address: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "JWT_SECRET": JWT_SECRET, "DATABASE_URL": address}

    def hub(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cloud", *arguments]
        path = {"PYTHONPATH": str(Path(__file__).parents[3])}
        return subprocess.run(
            command, cwd=tmp_path, env={**environment, **path}, capture_output=True, text=True, timeout=300, check=False
        )

    added = hub("kiosk", "add", "kiosk_001")
    assert "WS_TOKEN=" in added.stdout, added.stderr
    assert hub("kiosk", "add", "kiosk_001").stderr == "kioskwire-hub: kiosk kiosk_001 exists already\n"
    assert "kiosk_001" in hub("kiosk", "list").stdout
    assert "postgres@" not in hub("check-config").stdout


async def test_changes_made_at_once_are_all_seen(address: str, tmp_path: Path) -> None:
    """A revision that is committed after a later one would be overlooked by the hub."""
    async with hub_at(address, tmp_path) as hub:
        registry = hub.services.registry
        await asyncio.gather(*(registry.add(f"many_{n}") for n in range(30)))
        ((revisions,),) = await ask(address, "SELECT count(DISTINCT revision) FROM kiosks")
        assert (revisions, len(registry)) == (31, 31)
