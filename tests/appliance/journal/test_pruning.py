"""What goes when it is old or in the way, and what stays whatever comes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.journal import Limits
from appliance.journal.pruning import fold_events, prune_aged, prune_oldest
from appliance.journal.schema import connect
from appliance.journal.store import Begin, Store
from tests.appliance.journal.books import FIFTY, line, raw, work
from tests.appliance.journal.test_journal import response
from tests.appliance.worlds import journal, until

NOW = 1_800_000_000.0
DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(connect(tmp_path / "journal.db"))
    made.prepare("here")
    made.connection.execute("PRAGMA synchronous = OFF")
    yield made
    made.connection.close()


def operation(store: Store, id: str, at: float, state: str = "settled") -> None:
    store.begin(Begin(id, "cash", "POST", b"{}", 1, at))
    if state != "started":
        store.finish(response(id), at)
    if state == "settled":
        store.settle([id], at)


def session(store: Store, id: str, at: float, *, ended: bool = True, first: int = 1) -> None:
    store.book.begin_work(work(id, begun_at=at))
    for nonce in range(first, first + 3):
        assert store.book.enter(line(nonce, at=at, work=id))
    if ended:
        store.book.end_work(id, {"status": "paid"})


def left(store: Store) -> tuple[list[str], list[int]]:
    ids = [id for (id,) in store.connection.execute("SELECT id FROM works ORDER BY n")]
    return ids, [each.nonce for each in store.book.entries()]


def test_what_is_over_goes_with_its_age(store: Store) -> None:
    session(store, "old-00001", NOW - 40 * DAY, first=1)
    session(store, "old-00001/receipt", NOW - 40 * DAY, first=4)
    session(store, "open-0001", NOW - 40 * DAY, ended=False, first=7)
    session(store, "told-0001", NOW - 40 * DAY, first=10)
    operation(store, "told-0001", NOW - 40 * DAY, "done")
    session(store, "doubt-001", NOW - 40 * DAY, first=13)
    operation(store, "doubt-001", NOW - 40 * DAY, "started")
    session(store, "new-00001", NOW - 10 * DAY, first=16)
    store.book.enter(line(19, at=NOW - 40 * DAY))  # of no work
    store.book.enter(line(20, at=NOW))
    operation(store, "now-00001", NOW)
    prune_aged(store.connection, NOW, 30 * DAY)
    assert left(store) == (["open-0001", "told-0001", "doubt-001", "new-00001"], [*range(7, 19), 20])
    assert store.book.forgotten == store.book.find_entry(20).n - 1  # type: ignore[union-attr]


def test_a_receipt_stays_as_long_as_its_payment(store: Store) -> None:
    session(store, "told-0001/receipt", NOW - 40 * DAY)
    operation(store, "told-0001", NOW - 40 * DAY, "done")
    operation(store, "now-00001", NOW)
    prune_aged(store.connection, NOW, 30 * DAY)
    assert left(store) == (["told-0001/receipt"], [1, 2, 3])
    store.settle(["told-0001"], NOW - 31 * DAY)
    prune_aged(store.connection, NOW, 30 * DAY)
    assert left(store) == ([], [3])


def test_the_newest_of_each_device_and_kind_stays(store: Store) -> None:
    for nonce, (device, kind) in enumerate(
        (("bills", "collection"), ("bills", "collection"), ("hopper", "level-set"), ("bills", "state-changed"),
         ("bills", "state-changed"), ("", "reconciliation")), 1,
    ):  # fmt: skip
        store.book.enter(line(nonce, device=device, kind=kind, at=NOW - 40 * DAY))
    operation(store, "now-00001", NOW)
    prune_aged(store.connection, NOW, 30 * DAY)
    assert left(store)[1] == [2, 3, 5, 6]
    while prune_oldest(store.connection, 10):
        pass
    assert left(store)[1] == [2, 3, 5, 6]


def test_what_lines_moved_stands_when_they_have_gone(store: Store) -> None:
    for nonce in range(1, 50):
        store.book.enter(line(nonce, at=NOW - 40 * DAY))
        store.book.move("bills", FIFTY, 1)
    operation(store, "now-00001", NOW)
    prune_aged(store.connection, NOW, 30 * DAY)
    assert len(left(store)[1]) == 1
    assert store.book.tallies() == {"bills": {FIFTY: 49}}


@pytest.mark.parametrize("now", [0.0, NOW - 100 * DAY, NOW + 3650 * DAY])
def test_a_wrong_clock_takes_nothing(store: Store, now: float) -> None:
    session(store, "old-00001", NOW - 20 * DAY)
    operation(store, "now-00001", NOW)
    prune_aged(store.connection, now, 30 * DAY)
    assert left(store) == (["old-00001"], [1, 2, 3])


def test_what_was_written_by_a_wrong_clock_goes_only_for_room(store: Store) -> None:
    session(store, "lost-0001", 1000.0)
    operation(store, "now-00001", NOW)
    prune_aged(store.connection, NOW, 30 * DAY)
    assert left(store) == (["lost-0001"], [1, 2, 3])
    while prune_oldest(store.connection, 10):
        pass
    assert left(store) == ([], [3])


def test_for_room_the_book_goes_as_far_as_tombstones_go(store: Store) -> None:
    for number in range(10):
        operation(store, f"request-{number}", NOW + number)
        session(store, f"request-{number}", NOW + number, first=1 + 3 * number)
    prune_oldest(store.connection, 4)
    assert left(store) == ([f"request-{number}" for number in range(4, 10)], list(range(13, 31)))
    operation(store, "open-0001", NOW + 20, "done")
    session(store, "open-0001", NOW + 20, first=31)
    while prune_oldest(store.connection, 4):
        pass
    assert left(store) == (["open-0001"], [31, 32, 33])


def test_events_about_money_are_never_folded(store: Store) -> None:
    for number in range(50):
        store.book.tell("state-changed", {"n": number}, at=NOW, important=False)
        store.book.tell("bill-stacked", {"n": number}, at=NOW)
    while fold_events(store.connection, 10):
        pass
    kinds = [event.kind for event in store.events(1000, 0)]
    assert (kinds.count("bill-stacked"), kinds.count("state-changed"), kinds.count("events-dropped")) == (50, 0, 1)


def test_pruning_a_large_book_is_quick(store: Store) -> None:
    """Once a minute, on the thread that every note waits for."""
    rows: list[tuple[Any, ...]] = [
        (n, NOW - 10 * DAY, "bills", f"request-{n // 10}", "bill-stacked", bytes(raw({"n": n})))
        for n in range(1, 60_001)
    ]
    store.connection.execute("BEGIN")
    store.connection.executemany(
        "INSERT INTO entries (nonce, at, device, work, kind, data) VALUES (?, ?, ?, ?, ?, ?)", rows
    )
    store.connection.execute("COMMIT")
    operation(store, "now-00001", NOW)
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    store.connection.set_progress_handler(step, 100)  # of SQLite's machine, which no other program slows down
    assert prune_aged(store.connection, NOW, 30 * DAY) == 0
    assert prune_aged(store.connection, NOW, 5 * DAY) == 1000
    assert steps[0] * 100 < 250_000, "a look at each line would be more"


async def test_a_journal_full_of_devices_talk_takes_operations_again(tmp_path: Path) -> None:
    limits = Limits(min_free_bytes=0, max_bytes=1024 * 1024)
    async with journal(tmp_path, limits) as here:
        for start in range(0, 4000, 500):
            lines = [
                line(n, kind="state-changed", data=raw({"n": n, "pad": "x" * 300})) for n in range(start, start + 500)
            ]
            await here.write(lambda book, lines=lines: [book.enter(each) for each in lines])  # type: ignore[misc]
        await until(lambda: here.facts.used_bytes < limits.max_bytes)
        await here.write(lambda book: book.begin_work(work("request-1")), needs_room=True)
        assert (await here.read(lambda book: book.entries(limit=1)))[0].nonce > 500
