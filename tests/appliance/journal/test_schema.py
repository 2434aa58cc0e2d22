"""A file of the version before is brought up by the program that opens it, and is then like a new one."""

import sqlite3
from pathlib import Path

import pytest

from appliance.journal import StorageError, look_into
from appliance.journal.files import JOURNAL
from appliance.journal.schema import READABLE_BY, READERS, SCHEMA_VERSION, bring_up, connect
from tests.appliance.journal.books import contents, fill
from tests.appliance.journal.first import make_version_1
from tests.appliance.journal.test_journal import response, set_aside
from tests.appliance.worlds import journal, request
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


def dumped(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines


def make_later(path: Path, readable_by: int) -> None:
    """A file as a later version leaves it, which has added to every table."""
    connection = sqlite3.connect(path)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        if not table.startswith("sqlite_"):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN later TEXT NOT NULL DEFAULT 'x'")
            connection.execute(f"ALTER TABLE {table} ADD COLUMN later_still TEXT")
    connection.execute("CREATE TABLE later (id TEXT PRIMARY KEY)")
    connection.execute("CREATE INDEX later_events ON events (kind, at)")
    connection.execute("UPDATE meta SET value = ? WHERE name = ?", (str(readable_by), READABLE_BY))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.commit()
    connection.close()


async def test_who_went_back_goes_on_with_what_a_later_version_has_added_to(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        name = here.id
        await here.begin(request("request-1"))
    make_later(tmp_path / JOURNAL, SCHEMA_VERSION)
    for _ in range(2):
        async with journal(tmp_path) as here:
            assert (here.id, here.facts.trouble) == (name, "")
            await here.finish(response("request-1"))
            await here.write(fill)
            assert len((await here.read(contents))["lines"]) == 3
            await here.begin(request("request-2"))
            await here.add_event("jam", {})
            assert await here.stand_still(60) != []
        with look_into(tmp_path) as look:
            assert look.count("operations", "1") == 2
    assert set_aside(tmp_path) == []
    with sqlite3.connect(tmp_path / JOURNAL) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)
    connection.close()


async def test_a_file_that_only_later_versions_can_read_is_left_alone_and_said_to_be_so(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        await here.begin(request("request-1"))
    make_later(tmp_path / JOURNAL, SCHEMA_VERSION + 1)
    before = dumped(tmp_path / JOURNAL)
    async with journal(tmp_path) as here:
        assert "later version of this program" in here.facts.trouble
        with pytest.raises(StorageError):
            await here.write(fill)
    with pytest.raises(StorageError, match="newer"), look_into(tmp_path):
        pass
    assert dumped(tmp_path / JOURNAL) == before
    assert set_aside(tmp_path) == []


def test_the_version_before_can_read_what_each_new_step_makes() -> None:
    """A version that is tried must be able to go back; only steps of before there were updates are excused."""
    assert set(READERS) == set(range(1, SCHEMA_VERSION + 1))
    for version, reader in READERS.items():
        assert reader <= version
        assert version <= 2 or reader < version
