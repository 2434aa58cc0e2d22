"""An embedded hub moves to PostgreSQL: kiosks and backends notice nothing, and nobody writes to the file meanwhile."""

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection

from cloud.db import migrate as migrations
from cloud.db.engine import open_engine
from cloud.db.import_sqlite import Checksum, import_sqlite, shown
from cloud.db.migrate import HEAD, migrate
from cloud.db.sqlite_source import CannotMoveError, copied
from cloud.db.tables import metadata
from cloud.settings import Settings, database_url
from tests.cloud.db.test_postgresql import ask, writer_at
from tests.cloud.hub import JWT_SECRET, POSTGRESQL, Kiosk, empty_database, running
from tests.postgresql import Server

pytestmark = pytest.mark.skipif(bool(POSTGRESQL), reason="it begins with an embedded hub")

_ROOT = Path(__file__).parents[3]
_KIOSK = "INSERT INTO kiosks (id, name, enabled, generation, created_at, revision) VALUES ('k_1', ?, 1, 0, 1.5, 1)"


def source(directory: Path, *rows: tuple[str, tuple[Any, ...]]) -> Path:
    """A hub's file with these rows."""
    path = directory / "hub.db"
    path.write_bytes(empty_database())
    with closing(sqlite3.connect(path)) as connection:
        for statement, values in rows:
            connection.execute(statement, values)
        connection.commit()
    return path


def bytes_of(path: Path) -> dict[str, str]:
    """What lies there, by name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in path.parent.glob(f"{path.name}*")}


async def moved(path: Path, address: str) -> Any:
    """Import it, as the command does."""
    return await import_sqlite(path, database_url(Settings(database_url=address)))


@contextmanager
def another(code: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that has the file open: it has said so once this begins."""
    words = [sys.executable, "-c", f"import sqlite3, sys, time\nc = sqlite3.connect(sys.argv[1])\n{code}", str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "open\n"
            yield program
        finally:
            program.kill()


async def request_at(kiosk: Kiosk) -> Any:
    """The next one, past what is settled."""
    while (message := await kiosk.hear())["type"] != "request":
        assert message["type"] == "settled"
    return message


_OPEN = "c.execute('SELECT count(*) FROM kiosks').fetchone()\nprint('open', flush=True)\ntime.sleep(600)"


async def test_a_fleet_goes_on_where_it_was(empty: str, tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        token = hub.token()
        async with hub.kiosk() as kiosk, kiosk.serving():
            first = await hub.send({"sum": 1}, key="order-1")
        async with hub.kiosk() as kiosk:  # takes one, and is never heard of again
            sending = hub.sending({"sum": 2}, key="order-2", header_timeout="1")
            lost = await request_at(kiosk)
            assert (await sending).status_code == 504
        await hub.gone()
        waits = await hub.send({"sum": 3}, key="order-3", header_delivery="queue")
        key = hub.key
    done = await moved(tmp_path / "hub.db", empty)
    assert {one.table for one in done.tables} == set(metadata.tables)
    assert next(one.rows for one in done.tables if one.table == "operations") == 3
    assert "JWT_SECRET must stay the same" in "\n".join(shown(done))
    async with running(tmp_path / "other", database_url=empty) as hub, hub.socket(token) as kiosk:
        hub.key = key
        again = await hub.send({"sum": 1}, key="order-1")
        assert (again.status_code, again.json()) == (200, first.json())
        # What was open is open: the kiosk tells what became of it, and gets what waited for it.
        assert (await hub.operation(lost["request_id"]))["state"] == "unknown"
        await kiosk.hello()
        await kiosk.answer(lost, {"done": True})
        await hub.operation_in(lost["request_id"], "succeeded")
        waited = await request_at(kiosk)
        assert (waited["request_id"], waited["body"]) == (waits.json()["request_id"], {"sum": 3})


async def test_the_file_is_not_changed_and_what_is_only_in_its_log_goes_along(empty: str, tmp_path: Path) -> None:
    path = source(tmp_path)
    write = f"c.execute('PRAGMA journal_mode=WAL')\nc.execute({_KIOSK!r}, ('of the log',))\nc.commit()\n"
    with another(f"{write}print('open', flush=True)\ntime.sleep(600)", path) as program:
        program.send_signal(signal.SIGKILL)  # as by a power cut
        program.wait()
    before = bytes_of(path)
    assert {"hub.db", "hub.db-wal"} <= set(before)
    await moved(path, empty)
    assert bytes_of(path) == before
    assert await ask(empty, "SELECT name FROM kiosks") == [("of the log",)]


async def test_it_is_refused_while_a_hub_has_the_file_and_none_can_open_it_meanwhile(
    empty: str, tmp_path: Path
) -> None:
    path = source(tmp_path)
    in_use = pytest.raises(CannotMoveError, match="is open in another program, such as a hub that runs")
    with another(f"c.execute('PRAGMA journal_mode=WAL')\n{_OPEN}", path), in_use:
        await moved(path, empty)
    for mode in ("WAL", "DELETE"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA journal_mode={mode}")
        with copied(path):
            code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('SELECT * FROM kiosks')"
            words = [sys.executable, "-c", code, str(path)]
            tried = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=False)
            assert "database is locked" in tried.stderr
        assert (await asyncio.to_thread(subprocess.run, words, check=False)).returncode == 0


async def test_a_target_in_use_or_with_rows_is_refused_in_words(empty: str, tmp_path: Path) -> None:
    path = source(tmp_path, (_KIOSK, ("a",)))
    async with writer_at(empty) as (writer, kind):
        with pytest.raises(CannotMoveError, match="another hub runs on this database"):
            await moved(path, empty)
        await writer.write(kind, ("k_2", "", True, 0, False, 0.0, 1))
    with pytest.raises(CannotMoveError, match=r"is not empty, it has rows in kiosks \(1\); right would be"):
        await moved(path, empty)
    assert await ask(empty, "SELECT id FROM kiosks") == [("k_2",)]
    await ask(empty, "DROP TABLE alembic_version")
    with pytest.raises(CannotMoveError, match="has tables that are no hub's: account_links"):
        await moved(path, empty)


async def test_what_is_no_hub_s_database_of_this_version_or_before_is_refused(empty: str, tmp_path: Path) -> None:
    path = source(tmp_path, ("UPDATE alembic_version SET version_num = '9001'", ()))
    with pytest.raises(CannotMoveError, match="a later version has been here"):
        await moved(path, empty)
    path.write_text("x" * 5000)
    with pytest.raises(CannotMoveError, match="is no SQLite database"):
        await moved(path, empty)
    path.write_bytes(empty_database()[:4096] + b"\xff" * 50_000)
    with pytest.raises(CannotMoveError, match="is damaged"):
        await moved(path, empty)
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (n)")
    with pytest.raises(CannotMoveError, match="is no hub's database"):
        await moved(path, empty)
    path.unlink()
    with pytest.raises(CannotMoveError, match="there is no file"):
        await moved(path, empty)
    assert await ask(empty, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == [(0,)]


async def test_an_older_file_is_brought_to_this_schema_on_the_copy(empty: str, tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    engine = open_engine(f"sqlite+aiosqlite:///{path}")

    def older(connection: Connection) -> None:
        config = migrations._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        connection.exec_driver_sql(_KIOSK, ("old",))

    async with engine.begin() as connection:
        await connection.run_sync(older)
    await engine.dispose()
    before = bytes_of(path)
    done = await moved(path, empty)
    assert (done.schema_before, done.schema, bytes_of(path)) == ("0005", HEAD, before)
    assert await ask(empty, "SELECT name FROM kiosks") == [("old",)]


async def test_characters_that_postgresql_does_not_keep_are_replaced_and_numbers_go_on(
    empty: str, tmp_path: Path
) -> None:
    add = "INSERT INTO audit (number, at, who, door, act) VALUES (?, 1.0, ?, 'cli', 'x')"
    done = await moved(source(tmp_path, (add, (7, "a\0b")), (add, (9, "c"))), empty)
    assert sum(one.changed for one in done.tables) == 1
    await ask(empty, "INSERT INTO audit (at, who, door, act) VALUES (1.0, 'd', 'cli', 'x')")
    await ask(empty, "INSERT INTO alerts (kind, severity, since, raised_at) VALUES ('k', 'x', 1, 1)")
    assert await ask(empty, "SELECT number, who FROM audit ORDER BY 1") == [(7, "a\ufffdb"), (9, "c"), (10, "d")]
    assert await ask(empty, "SELECT number FROM alerts") == [(1,)]


async def test_a_row_that_it_cannot_take_is_named_without_what_it_says(empty: str, tmp_path: Path) -> None:
    add = "INSERT INTO mutes (scope, until, at, by) VALUES (?, 1, ?, 'x')"
    long = source(tmp_path, (_KIOSK, ("a",)), (add, ("secret" * 20, 1.0)))
    with pytest.raises(CannotMoveError, match=r"row 1 of mutes has in scope .* 120 characters where 64") as raised:
        await moved(long, empty)
    assert "secret" not in str(raised.value)
    wrong = source(tmp_path, (_KIOSK, ("a",)), (add, ("x", "secret")))
    with pytest.raises(CannotMoveError, match="row 1 of mutes has in at") as raised:
        await moved(wrong, empty)
    assert "secret" not in str(raised.value)
    assert await ask(empty, "SELECT count(*) FROM kiosks") == [(0,)]


async def test_a_table_that_is_not_the_same_there_is_not_moved(empty: str, tmp_path: Path) -> None:
    """Something there changes a row on its way: a trigger, say."""
    engine = open_engine(database_url(Settings(database_url=empty)))
    await migrate(engine)
    await engine.dispose()
    await ask(empty, "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name = 1; RETURN NEW; END'")
    await ask(empty, "CREATE TRIGGER t BEFORE INSERT ON kiosks FOR EACH ROW EXECUTE FUNCTION f()")
    with pytest.raises(CannotMoveError, match="kiosks is not there as it was"):
        await moved(source(tmp_path, (_KIOSK, ("a",))), empty)
    assert await ask(empty, "SELECT count(*) FROM kiosks") == [(0,)]


async def test_where_the_commit_s_answer_is_lost_nobody_is_told_that_nothing_was_moved(
    empty: str, tmp_path: Path, lasting_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(point: str) -> None:
        if point == "hub.import.commit.before":
            name = empty.rpartition("/")[2].partition("?")[0]
            lasting_server.execute(
                f"SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE datname = '{name}'"
            )

    monkeypatch.setattr("cloud.db.import_sqlite.crash_point", cut)
    with pytest.raises(CannotMoveError, match=r"whether it was moved is not known: begin again"):
        await moved(source(tmp_path, (_KIOSK, ("a",))), empty)
    assert await ask(empty, "SELECT count(*) FROM kiosks") == [(0,)]


def test_a_checksum_counts_each_row_and_knows_no_order() -> None:
    def of(*rows: tuple[Any, ...]) -> int:
        made = Checksum()
        for row in rows:
            made.add(row)
        return made.total

    assert of((1, "a"), (2, None)) == of((2, None), (1, "a"))
    different = {of((1, "a")), of((1, "a"), (1, "a")), of((1, "b")), of((1.0, "a")), of(("1", "a")), of((True, "a"))}
    assert len(different) == 6


async def test_the_command_moves_and_one_that_was_killed_can_be_run_again(empty: str, tmp_path: Path) -> None:
    path = source(tmp_path, (_KIOSK, ("a",)))
    environment = {**os.environ, "JWT_SECRET": JWT_SECRET, "DATABASE_URL": empty, "PYTHONPATH": str(_ROOT)}

    async def run(**more: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "cloud", "import-sqlite", str(path), "--json"]
        given = {"cwd": tmp_path, "env": {**environment, **more}, "capture_output": True, "text": True, "timeout": 60}
        return await asyncio.to_thread(subprocess.run, words, check=False, **given)  # type: ignore[call-overload]

    killed = await run(KIOSKWIRE_CRASH_AT="hub.import.commit.before")
    assert killed.returncode != 0
    assert await ask(empty, "SELECT count(*) FROM kiosks") == [(0,)]
    done = await run()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 1
    again = await run()
    assert (again.returncode, "not empty" in again.stderr) == (1, True)
