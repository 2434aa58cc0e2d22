"""A file of the version before is brought up by the program that opens it, and is then like a new one."""

import sqlite3
from pathlib import Path

import pytest

from appliance.journal.files import JOURNAL
from appliance.journal.schema import SCHEMA_VERSION, bring_up, connect
from tests.appliance.journal.books import contents, fill
from tests.appliance.journal.first import make_version_1
from tests.appliance.journal.test_journal import response, set_aside
from tests.appliance.worlds import journal
from wire.messages import encode


def of_version_1(path: Path) -> None:
    """With something in it."""
    connection = make_version_1(path)
    connection.executescript(
        "INSERT INTO events (at, kind, device, data) VALUES"
        " (1.0, 'jam', 'bills', x'7b7d'), (2.0, 'operation-unknown', '', x'7b7d')"
    )
    connection.execute(
        "INSERT INTO operations (request_id, operation, method, body, state, nonce, started_at, response)"
        " VALUES ('request-1', 'payment', 'POST', NULL, 'done', 1, 1.0, ?),"
        " ('request-2', 'payment', 'POST', x'7b2261223a317d', 'started', 2, 2.0, NULL)",
        (encode(response("request-1")),),
    )
    connection.close()


async def test_a_file_of_version_1_keeps_all_and_has_a_book(tmp_path: Path) -> None:
    of_version_1(tmp_path / JOURNAL)
    for _ in range(2):
        async with journal(tmp_path) as here:
            assert (here.id, here.facts.previous) == ("of-old", "clean")
            assert [told.request_id for told in await here.unsettled(9, frozenset())] == ["request-1"]
            assert [(row.request_id, row.body) for row in await here.in_doubt()] == [("request-2", b'{"a":1}')]
            assert [event.kind for event in await here.events(2, 0)] == ["jam", "operation-unknown"]
            await here.write(fill)
            assert len((await here.read(contents))["lines"]) == 3
    assert set_aside(tmp_path) == []
    with sqlite3.connect(tmp_path / JOURNAL) as connection:
        assert connection.execute("SELECT important FROM events ORDER BY seq LIMIT 2").fetchall() == [(0,), (1,)]
    connection.close()


def test_an_old_file_and_a_new_one_end_alike(tmp_path: Path) -> None:
    of_version_1(tmp_path / "old")
    shapes = []
    for name, version in (("old", 1), ("new", 0)):
        connection = connect(tmp_path / name)
        assert bring_up(connection, version)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        shapes.append(
            {name: [column[1:4] for column in connection.execute(f"PRAGMA table_info({name})")] for (name,) in tables}
            | {"indices": sorted(connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall())}
        )
        connection.close()
    assert shapes[0] == shapes[1]
    assert {"works", "entries", "pages", "tallies"} < shapes[0].keys()


async def test_a_file_that_is_cut_off_while_it_is_brought_up_is_as_before(tmp_path: Path) -> None:
    of_version_1(tmp_path / JOURNAL)
    connection = connect(tmp_path / JOURNAL)
    connection.execute("BEGIN IMMEDIATE")
    assert bring_up(connection, 1)
    connection.close()  # without a commit
    async with journal(tmp_path) as here:
        assert here.id == "of-old"
        await here.write(fill)


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 99])
async def test_a_file_of_a_later_version_is_set_aside(tmp_path: Path, version: int) -> None:
    async with journal(tmp_path) as here:
        first = here.id
        await here.write(fill)
    with sqlite3.connect(tmp_path / JOURNAL) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    async with journal(tmp_path) as here:
        assert here.id != first
        assert len((await here.read(contents))["lines"]) == 3, "and carried over as far as it is understood"
