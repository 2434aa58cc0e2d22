"""What of the book outlives a damaged file, a lost one, and a disk that came into another machine."""

import random
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.journal import Book, Journal
from appliance.journal.carried import salvage
from appliance.journal.files import JOURNAL
from appliance.journal.schema import connect
from appliance.journal.store import Store
from tests.appliance.journal.books import FIFTY, contents, fill, line, raw, work
from tests.appliance.journal.test_journal import HERE, THERE, set_aside
from tests.appliance.worlds import journal, request, until


async def damaged_event(here: Journal) -> dict[str, Any]:
    (event,) = [event for event in await here.events(1000, 0) if event.kind == "journal-damaged"]
    return msgspec.json.decode(event.data, type=dict[str, Any])


def break_it(directory: Path) -> None:
    """So that nothing of it is lost, and it is refused all the same."""
    with sqlite3.connect(directory / JOURNAL) as connection:
        connection.execute("DELETE FROM meta WHERE name = 'id'")
    connection.close()


async def test_the_whole_book_is_carried_over_once(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        first = here.id
        await here.write(fill)
        expected = await here.read(contents)
        told = [event.kind for event in await here.events(10, 0)]
    break_it(tmp_path)
    for _ in range(2):
        async with journal(tmp_path) as here:
            assert here.id != first
            assert await here.read(contents) == expected
            assert [event.kind for event in await here.events(10, 0)] == [*told, "journal-damaged"]
            assert (await damaged_event(here))["unread"] == []
    async with journal(tmp_path) as here:
        await here.write(lambda book: book.enter(line(50)))
        assert (await here.read(lambda book: book.entries()))[-1].nonce == 50, "numbers go on behind the old ones"
        await here.write(fill)
        assert await here.read(lambda book: book.tallies()) == expected["tallies"]


async def test_important_events_stay_important(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        await here.write(fill)
    break_it(tmp_path)
    async with journal(tmp_path):
        pass
    with sqlite3.connect(tmp_path / JOURNAL) as connection:
        rows = connection.execute("SELECT kind, important FROM events ORDER BY seq").fetchall()
    connection.close()
    assert rows == [("bill-stacked", 1), ("state-changed", 0), ("journal-damaged", 1)]


@pytest.mark.parametrize("times", [1, 2])
def test_tallies_are_added_once_though_the_commit_failed(tmp_path: Path, times: int) -> None:
    store = Store(connect(tmp_path / JOURNAL))
    store.prepare("here")
    fill(store.book)
    store.connection.close()
    found = salvage(tmp_path / JOURNAL)
    other = Store(connect(tmp_path / "other.db"))
    other.prepare("there")
    other.book.move("bills", FIFTY, 1)  # came before it could be carried
    other.book.enter(line(70))
    for _ in range(times):
        found.write(other, 1.0)
    assert other.book.tallies() == {"bills": {FIFTY: 7}, "hopper": {FIFTY: 40}}
    assert [each.nonce for each in other.book.entries()] == [70, 1, 2, 3], "the place of the first was taken"
    assert other.book.page("bills") == {"escrow": 7}
    other.connection.close()


async def test_two_files_set_aside_one_after_the_other_are_both_carried(tmp_path: Path) -> None:
    for day, nonce in (("20260101", 1), ("20260102", 2)):
        store = Store(connect(tmp_path / f"journal.damaged-{day}T000000Z"))
        store.prepare("here")
        store.book.enter(line(nonce))
        store.book.move("bills", FIFTY, nonce)
        store.connection.close()
    for _ in range(2):
        async with journal(tmp_path) as here:
            assert await here.read(lambda book: book.tallies()) == {"bills": {FIFTY: 3}}
            assert [each.nonce for each in await here.read(lambda book: book.entries())] == [1, 2]


def test_an_end_that_was_read_ends_what_is_open(tmp_path: Path) -> None:
    store = Store(connect(tmp_path / JOURNAL))
    store.prepare("here")
    fill(store.book)
    store.connection.close()
    found = salvage(tmp_path / JOURNAL)
    other = Store(connect(tmp_path / "other.db"))
    other.prepare("there")
    other.book.begin_work(work("request-2"))
    found.write(other, 1.0)
    ended = other.book.find_work("request-2")
    assert ended is not None
    assert ended.result == raw({"status": "paid"})
    other.connection.close()


async def test_a_removed_file_leaves_the_book(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        first = here.id
        await here.write(fill)
        expected = await here.read(contents)
        for name in (JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm"):
            (tmp_path / name).unlink()
        await until(lambda: here.id != first and not here.facts.trouble)
        assert await here.read(contents) == expected
    async with journal(tmp_path) as here:
        assert await here.read(contents) == expected


async def test_damage_found_by_a_write_loses_neither_the_book_nor_that_write(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        first = here.id
        await here.write(fill)
        store = here._writer._store
        assert store is not None
        store.connection.execute("DROP TABLE pages")

        def record(book: Book) -> None:
            book.put_page("coins", {"counter": 9})
            if book.enter(line(4)):
                book.move("bills", FIFTY, 1)

        await here.write(record)
        assert here.id != first
        now = await here.read(contents)
        assert ([each.nonce for each in now["lines"]], now["open"]) == ([1, 2, 3, 4], ["request-1"])
        assert now["tallies"]["bills"] == {FIFTY: 7}
        assert now["page"] == {}, "that is what was lost"
        assert (await damaged_event(here))["unread"] == ["pages"]


async def test_lines_that_cannot_be_read_are_known_to_be_missing(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        await here.write(fill)
        store = here._writer._store
        assert store is not None
        store.connection.execute("UPDATE entries SET data = x'ff' WHERE nonce = 2")
        store.connection.execute("UPDATE works SET data = 7 WHERE id = 'request-2'")
    break_it(tmp_path)
    async with journal(tmp_path) as here:
        found = await here.read(contents)
        assert [each.nonce for each in found["lines"]] == [1, 3]
        assert found["forgotten"] == found["lines"][-1].n
        assert [each and each.id for each in found["works"]] == ["request-1", None]
        assert (await damaged_event(here))["unread"] == ["entries", "works"]


@pytest.mark.gen_test(timeout=600)  # two dozen journals, each of which is flushed some times
async def test_whatever_page_is_broken_the_journal_goes_on_with_what_is_left(tmp_path: Path) -> None:
    """Of thousands of lines nearly all come back from either end of the broken page; what does not is told."""
    whole = tmp_path / "whole"
    async with journal(whole) as here:
        for start in range(1, 2000, 400):
            numbers = range(start, start + 400)

            def write(book: Book, numbers: range = numbers) -> None:
                for nonce in numbers:
                    book.begin_work(work(f"request-{nonce}"))
                    if book.enter(line(nonce, work=f"request-{nonce}")):
                        book.move("bills", FIFTY, 1)

            await here.write(write)
        await here.begin(request("request-1"))
    content = (whole / JOURNAL).read_bytes()
    pages = len(content) // 4096
    chance = random.Random(7)
    damaged = 0
    for page in sorted(chance.sample(range(1, pages), 24)):
        directory = tmp_path / str(page)
        directory.mkdir()
        broken = bytearray(content)
        broken[page * 4096 : page * 4096 + 4096] = chance.randbytes(4096)
        (directory / JOURNAL).write_bytes(broken)
        async with journal(directory) as here:
            if not set_aside(directory):
                continue
            damaged += 1
            told = await damaged_event(here)
            found = await here.read(contents)
            lines, open_ = len(found["lines"]), len(found["open"])
            assert lines > 1900 or "entries" in told["unread"], page
            assert open_ > 1900 or "works" in told["unread"], page
            assert found["tallies"] == {"bills": {FIFTY: 2000}} or "tallies" in told["unread"], page
            await here.write(lambda book: book.enter(line(5000)))
    assert damaged > 12


async def test_nothing_that_can_be_read_is_no_reason_not_to_begin(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"no database" * 1000)
    async with journal(tmp_path) as here:
        assert set((await damaged_event(here))["unread"]) >= {"operations", "entries", "works", "tallies"}
        await here.write(fill)


async def test_a_disk_in_another_machine_leaves_works_and_levels_behind_with_words(tmp_path: Path) -> None:
    async with journal(tmp_path, marks=HERE) as here:
        await here.write(fill)
        await here.write(lambda book: book.put_page("printer", {"reference": "x"}))
        await here.write(lambda book: book.put_page("cash/seen", {"after": 3}))
    async with journal(tmp_path, marks=THERE) as here:
        found = await here.read(contents)
        assert (found["open"], found["tallies"], found["page"]) == ([], {}, {})
        assert await here.read(lambda book: book.page("cash/seen")) == {"after": 3}, "that is no device's"
        ended = found["works"][0]
        assert msgspec.json.decode(ended.result)["status"] == "interrupted"
        assert len(found["lines"]) == 3 + 1 + 3, "the lines of before, the work's, and one a device"
        left = await here.read(lambda book: book.last_entry("bills", "levels-left"))
        assert left is not None
        assert msgspec.json.decode(left.data) == {
            "device": "bills", "currency": "KZT", "total": 30000, "counts": {"5000": 6},
            "reason": "the kiosk's disk came into another machine while it ran",
        }  # fmt: skip
        kinds = [event.kind for event in await here.events(10, 0)]
        assert kinds[2:] == ["work-interrupted", "levels-left", "levels-left", "journal-copied"]
    async with journal(tmp_path, marks=THERE) as here:
        assert len((await here.read(contents))["lines"]) == 7, "once"
