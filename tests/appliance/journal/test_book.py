"""The book through the journal's door: each verb, and each verb once more after a commit that failed and was kept."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.journal import Book, Journal, Limits, StorageError
from appliance.journal.schema import connect
from appliance.journal.store import Store
from tests.appliance.journal.books import FIFTY, contents, fill, line, raw, work
from tests.appliance.worlds import SMALL, journal
from wire.money import Money


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    store = Store(connect(tmp_path / "journal.db"))
    store.prepare("here")
    store.connection.execute("PRAGMA synchronous = OFF")
    yield store.book
    store.connection.close()


def test_a_page_is_replaced_as_a_whole(book: Book) -> None:
    assert book.page("bills") == {}
    book.put_page("bills", {"a": 1, "b": 2})
    book.put_page("bills", {"b": 3})
    assert (book.page("bills"), book.page("coins")) == ({"b": 3}, {})


def test_a_line_is_written_once_and_keeps_its_place(book: Book) -> None:
    assert book.last_number() == 0
    assert book.enter(line(1))
    assert not book.enter(line(1, kind="something-else"))
    assert book.enter(line(2, device="coins"))
    assert [(each.nonce, each.kind) for each in book.entries()] == [(1, "bill-stacked"), (2, "bill-stacked")]
    assert book.entries()[0].n < book.entries()[1].n == book.last_number()
    assert book.find_entry(2) == book.entries()[1]
    assert book.find_entry(9) is None


def test_lines_are_found_by_work_device_kind_and_place(book: Book) -> None:
    for nonce in range(1, 7):
        fields = {"work": "request-1" if nonce % 2 else "", "device": "bills" if nonce < 4 else "coins"}
        book.enter(line(nonce, kind="a" if nonce < 3 else "b", **fields))
    for wanted, numbers in (
        ({}, [1, 2, 3, 4, 5, 6]), ({"work": "request-1"}, [1, 3, 5]), ({"device": "coins"}, [4, 5, 6]),
        ({"kinds": ("a",)}, [1, 2]), ({"kinds": ["a", "b"], "after": 4}, [5, 6]), ({"limit": 2}, [1, 2]),
        ({"limit": 2, "newest": True}, [5, 6]), ({"work": ""}, []), ({"work": "request-1", "device": "coins"}, [5]),
    ):  # fmt: skip
        found: list[Any] = book.entries(**wanted)  # type: ignore[arg-type]
        assert [each.n for each in found] == numbers, wanted
    last = book.last_entry("bills", "a")
    assert last is not None
    assert (last.n, book.last_entry("coins", "a")) == (2, None)


def test_a_work_is_begun_once_changed_while_open_and_ended_once(book: Book) -> None:
    assert book.begin_work(work("request-1")).is_open
    assert book.begin_work(work("request-1", data=raw({"amount": 9}))).data == raw({"amount": 1})
    book.change_work("request-1", {"amount": 2})
    assert book.end_work("request-1", {"status": "paid"})
    assert not book.end_work("request-1", {"status": "cancelled"})
    book.change_work("request-1", {"amount": 3})
    found = book.find_work("request-1")
    assert found is not None
    assert (found.data, found.result, found.is_open) == (raw({"amount": 2}), raw({"status": "paid"}), False)
    assert (book.find_work("request-2"), book.end_work("request-2", {})) == (None, False)


def test_open_works_are_found_oldest_first_and_by_kind(book: Book) -> None:
    for id, kind in (("b", "cash"), ("a", "fiscal"), ("c", "cash")):
        book.begin_work(work(id, kind=kind))
    book.begin_work(work("d", result=raw({"status": "paid"})))
    assert [each.id for each in book.open_works()] == ["b", "a", "c"]
    assert [each.id for each in book.open_works("cash")] == ["b", "c"]
    book.end_work("b", {})
    assert [each.id for each in book.open_works("cash")] == ["c"]


def test_tallies(book: Book) -> None:
    book.move("bills", FIFTY, 2)
    book.move("bills", FIFTY, 3)
    book.move("bills", Money(5000, "RUB"), 1)
    book.move("hopper", FIFTY, -1)
    book.set_tally("coins", FIFTY, 40)
    book.set_tally("coins", FIFTY, 7)
    book.set_tally("empty", FIFTY, 0)
    assert book.tallies() == {
        "bills": {FIFTY: 5, Money(5000, "RUB"): 1}, "coins": {FIFTY: 7}, "hopper": {FIFTY: -1},
    }  # fmt: skip
    assert book.tallies("coins") == {"coins": {FIFTY: 7}}
    assert book.tallies("none") == {}


async def test_what_is_told_reaches_the_hubs_queue_once_and_whoever_listens(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        heard: list[None] = []
        here.listen(lambda: heard.append(None))
        for _ in range(2):
            await here.write(lambda book: book.tell("cash-owed", {"n": 1}, at=5.0))
        await here.write(lambda book: book.put_page("bills", {}))
        assert [event.kind for event in await here.events(10, 0)] == ["cash-owed"]
        assert len(heard) == 2


async def test_all_of_it_outlives_closing(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        await here.write(fill)
        before = await here.read(contents)
    async with journal(tmp_path) as here:
        assert await here.read(contents) == before
        assert before["tallies"] == {"bills": {FIFTY: 6}, "hopper": {FIFTY: 40}}


def failing_commits(here: Journal, monkeypatch: pytest.MonkeyPatch, times: int, *, kept: bool) -> list[int]:
    """The next commits fail; what they were to write is on the disk all the same, or is not. Returns the attempts."""
    left, original = [times], here._writer._transaction
    attempts = [0]
    monkeypatch.setattr("appliance.journal.writer.TICK_S", 3600.0)  # or its own write might be among them

    def transaction(group: Any) -> Any:
        if not any(job.writes for job in group):
            return original(group)
        attempts[0] += 1
        if not left[0]:
            return original(group)
        left[0] -= 1
        if kept:
            original(group)
        else:
            here._writer._tried = True
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    monkeypatch.setattr(here._writer, "_transaction", transaction)
    return attempts


@pytest.mark.parametrize("kept", [True, False])
async def test_a_commit_that_failed_is_carried_out_again_and_changes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    async with journal(tmp_path / "well") as well:
        await well.write(fill)
        expected = await well.read(contents)
        told = [event.kind for event in await well.events(10, 0)]
    async with journal(tmp_path / "ill") as here:
        attempts = failing_commits(here, monkeypatch, 2, kept=kept)
        await here.write(fill)
        assert attempts == [3]
        assert await here.read(contents) == expected
        assert [event.kind for event in await here.events(10, 0)] == told


async def test_a_write_says_whether_it_surely_came_to_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with journal(tmp_path) as here:

        async def refused(call: Any, **how: Any) -> StorageError:
            with pytest.raises(StorageError) as caught:
                await here.write(call, **how)
            return caught.value

        mistaken = await refused(lambda _book: 1 / 0)
        assert mistaken.certain
        assert "division by zero" in str(mistaken)

        def wrong(book: Book) -> None:
            book.enter(line(1))
            book._connection.execute("INSERT INTO nowhere VALUES (1)")

        with monkeypatch.context() as patch:
            patch.setattr(here._writer, "_replace", lambda _reason: None)
            assert (await refused(wrong)).certain
        assert await here.read(lambda book: book.entries()) == []
        with monkeypatch.context() as patch:
            failing_commits(here, patch, 3, kept=False)
            assert not (await refused(fill)).certain, "a commit was tried"
        with monkeypatch.context() as patch:
            patch.setattr(here._writer, "_lacking_room", lambda: "the disk is nearly full: 0 MiB free")
            begin = await refused(lambda book: book.begin_work(work("request-1")), needs_room=True)
            assert begin.certain
            assert "nearly full" in str(begin)
            await here.write(lambda book: book.enter(line(9)))  # what has happened is never refused
    closed = await refused(fill)
    assert (closed.certain, str(closed)) == (True, "the journal is closed")


class NoCommit:
    """A connection whose disk fails in the commit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *given: Any) -> sqlite3.Cursor:
        if statement == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return self._connection.execute(statement, *given)


async def test_what_came_to_a_commit_may_have_been_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with journal(tmp_path):
        pass
    monkeypatch.setattr("appliance.journal.writer.connect", lambda path: NoCommit(connect(path)))
    async with journal(tmp_path) as here:
        with pytest.raises(StorageError) as caught:
            await here.write(fill)
        assert not caught.value.certain
        assert "disk I/O error" in str(caught.value)


async def test_a_full_queue_refuses_at_once_and_surely(tmp_path: Path) -> None:
    async with journal(tmp_path, Limits(min_free_bytes=0, queue_jobs=0)) as here:
        with pytest.raises(StorageError) as caught:
            await here.write(fill)
        assert caught.value.certain


async def test_a_disk_that_does_not_answer_may_have_written(tmp_path: Path) -> None:
    limits = msgspec.structs.replace(SMALL, answer_within_s=0.05)
    async with journal(tmp_path, limits) as here:
        held = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(book: Book) -> None:
            book.enter(line(1))
            asyncio.run_coroutine_threadsafe(held.wait(), loop).result(timeout=60)

        with pytest.raises(StorageError) as caught:
            await here.write(slow)
        assert not caught.value.certain
        held.set()
        here._limits = SMALL
        assert [each.nonce for each in await here.read(lambda book: book.entries())] == [1]


async def test_a_disk_that_answered_while_the_program_stood_still_has_answered(tmp_path: Path) -> None:
    limits = msgspec.structs.replace(SMALL, answer_within_s=0.05)
    async with journal(tmp_path, limits) as here:
        standing, written = threading.Event(), threading.Event()

        def write(book: Book) -> bool:
            standing.wait(60)
            return book.enter(line(1))

        def stands_still() -> None:
            standing.set()
            written.wait(60)
            time.sleep(0.1)

        submit = here._writer.submit

        def submitting(job: Any) -> None:
            job.future.add_done_callback(lambda _: written.set())
            submit(job)
            asyncio.get_running_loop().call_soon(stands_still)

        here._writer.submit = submitting  # type: ignore[method-assign]
        assert await here.write(write)


async def test_a_caller_that_is_cancelled_has_asked_all_the_same(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        for nonce in range(1, 21):
            asking = asyncio.create_task(here.write(lambda book, nonce=nonce: book.enter(line(nonce))))  # type: ignore[misc]
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert asking.cancelled()
        await here.write(lambda book: book.enter(line(99)))
        assert len(await here.read(lambda book: book.entries())) == 21
