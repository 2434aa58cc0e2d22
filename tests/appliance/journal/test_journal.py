"""The journal through its door, on a real file."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.journal import Journal, JournalInUseError, Limits, StorageError, UnknowableError
from appliance.journal.files import JOURNAL
from appliance.journal.jobs import Job
from appliance.journal.store import Store
from tests.appliance.worlds import RESERVE, SMALL, journal, request, until
from wire.messages import Executed, Response


def response(request_id: str = "request-1", size: int = 0) -> Response:
    body = msgspec.Raw(msgspec.json.encode({"pad": "x" * size}))
    return Response(request_id=request_id, operation="payment", executed=Executed.YES, status=200, body=body)


def as_the_disk_is(directory: Path, copy: Path) -> None:
    copy.mkdir()
    for path in directory.glob("journal.db*"):
        shutil.copy(path, copy)


def set_aside(directory: Path) -> list[Path]:
    return list(directory.glob("journal.damaged-*"))


async def test_a_request_is_begun_once_and_then_known(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        assert await here.begin(request(body=b'{"a":1}')) is None
        known = await here.begin(request())
        assert known is not None
        assert (known.state, known.body, known.response) == ("started", b'{"a":1}', None)


async def test_an_outcome_survives_closing_and_is_told_until_settled(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        await here.begin(request())
        assert await here.finish(response())
    async with journal(tmp_path) as here:
        assert [r.request_id for r in await here.unsettled(10, frozenset())] == ["request-1"]
        assert await here.unsettled(10, frozenset({"request-1"})) == []
        here.settle("request-1")
        assert await here.unsettled(10, frozenset()) == []
        assert here.facts.unsettled == 0
    async with journal(tmp_path) as here:
        assert await here.unsettled(10, frozenset()) == []
        known = await here.find("request-1")
        assert known is not None
        assert (known.state, bytes(known.response.body)) == ("settled", b'{"pad":""}')  # type: ignore[union-attr]


async def test_what_is_kept_of_settling_survives_the_power(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        await here.begin(request())
        assert await here.finish(response())
        await here.add_event("started", {})
        here.settle("request-1")
        here.acknowledge((await here.events(10, 0))[-1].seq, here.id)
        await here.keep()
        as_the_disk_is(tmp_path, tmp_path / "later")
    async with journal(tmp_path / "later") as after:
        assert await after.unsettled(10, frozenset()) == []
        assert await after.events(10, 0) == []


async def test_a_second_outcome_does_not_replace_the_first(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        await here.begin(request())
        await here.finish(response())
        await here.finish(msgspec.structs.replace(response(), executed=Executed.NO))
        known = await here.find("request-1")
        assert known is not None
        assert known.response is not None
        assert known.response.executed is Executed.YES


async def test_a_refusal_is_known_like_an_outcome(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        no = msgspec.structs.replace(response(), executed=Executed.NO)
        assert await here.refuse(request(), no) is None
        known = await here.begin(request())
        assert known is not None
        assert known.response is not None
        assert known.response.executed is Executed.NO


async def test_what_waits_together_shares_a_commit(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        commits: list[str] = []
        store = here._writer._store
        assert store is not None
        store.connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        begun, goes_on = threading.Event(), threading.Event()

        def holds_up(_book: object) -> None:
            begun.set()
            goes_on.wait(60)

        asked: list[asyncio.Task[Any]] = [asyncio.create_task(here.write(holds_up))]
        await until(begun.is_set)
        asked += [asyncio.create_task(here.begin(request(f"request-{number}"))) for number in range(200)]
        await until(lambda: here._writer._queue.qsize() == 200)
        goes_on.set()
        await asyncio.gather(*asked)
        store.connection.set_trace_callback(None)
        assert len(await here.in_doubt()) == 200
        assert 1 <= len(commits) < 20


async def test_the_file_is_as_durable_as_sqlite_can_make_it(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        store = here._writer._store
        assert store is not None
        read = store.connection.execute
        assert (read("PRAGMA journal_mode").fetchone()[0], read("PRAGMA synchronous").fetchone()[0]) == ("wal", 2)
        assert (tmp_path / JOURNAL).stat().st_mode & 0o077 == 0


async def test_operations_without_outcome_are_in_doubt_after_a_restart(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        await here.begin(request("request-1", body=b'{"order_id":7}'))
        await here.begin(request("request-2"))
        await here.finish(response("request-2"))
    async with journal(tmp_path) as here:
        assert [(row.request_id, row.body) for row in await here.in_doubt()] == [("request-1", b'{"order_id":7}')]


async def test_events_are_numbered_kept_and_forgotten_when_acknowledged(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        for kind in ("a", "b", "c"):
            assert await here.add_event(kind, {"kind": kind})
        assert [(event.seq, event.kind) for event in await here.events(2, 0)] == [(1, "a"), (2, "b")]
        here.acknowledge(2, here.id)
        assert [event.seq for event in await here.events(10, 0)] == [3]
    async with journal(tmp_path) as here:
        assert [event.seq for event in await here.events(10, 0)] == [3]
        await here.add_event("d", {})
        here.acknowledge(99, "another journal")
        await here.add_event("e", {})
        assert [event.seq for event in await here.events(10, 0)] == [3, 4, 5]


async def test_the_end_of_the_run_before_is_known(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        assert here.facts.previous == "first"
    async with journal(tmp_path) as here:
        assert here.facts.previous == "clean"
        first = here.id
    with sqlite3.connect(tmp_path / JOURNAL) as connection:
        connection.execute("UPDATE meta SET value = 'running somebody' WHERE name = 'run'")
    connection.close()
    async with journal(tmp_path) as here:
        assert ("cut", first) == (here.facts.previous, here.id)


async def test_a_second_user_is_turned_away(tmp_path: Path) -> None:
    async with journal(tmp_path):
        second = Journal(tmp_path, limits=SMALL, clock=lambda: 0.0, boot_id="b", reserve_bytes=RESERVE)
        with pytest.raises(JournalInUseError, match="another process"):
            await second.open()


async def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    here = Journal(tmp_path / "file" / "state", limits=SMALL, clock=lambda: 0.0, boot_id="b")
    with pytest.raises(StorageError, match="cannot use"):
        await here.open()


async def test_what_cannot_be_read_is_set_aside_and_a_new_journal_begun(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        first = here.id
    (tmp_path / JOURNAL).write_bytes(b"this is no database, whatever its name says" * 100)
    async with journal(tmp_path) as here:
        assert here.id not in {"", first}
        assert [event.kind for event in await here.events(10, 0)] == ["journal-damaged"]
        assert here.facts.notices
        assert here.facts.trouble == ""
        assert await here.begin(request()) is None
    assert len(set_aside(tmp_path)) == 1


async def test_an_index_that_lost_an_operation_is_damage(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        first = here.id
        await here.begin(request("request-1"))
        await here.finish(response("request-1"))
    path = tmp_path / JOURNAL
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND sql IS NULL AND tbl_name = 'operations'"
        ).fetchone()
    connection.close()
    content = path.read_bytes()
    key = content.index(b"request-1", (page - 1) * 4096, page * 4096)
    path.write_bytes(content[:key] + b"R" + content[key + 1 :])
    async with journal(tmp_path) as here:
        assert here.id != first
        assert [r.request_id for r in await here.unsettled(9, frozenset())] == ["request-1"]


async def test_readable_rows_of_a_damaged_journal_are_carried_over(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        for number in range(300):
            await here.begin(request(f"request-{number:03}"))
            if number % 2:
                await here.finish(response(f"request-{number:03}", size=2000))
        await here.add_event("jam", {"n": 1})
    path = tmp_path / JOURNAL
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 8192] = b"\xff" * 8192
    path.write_bytes(content)
    async with journal(tmp_path) as here:
        told = {r.request_id for r in await here.unsettled(1000, frozenset())}
        doubted = {row.request_id for row in await here.in_doubt()}
        assert len(told) > 100
        assert doubted
        assert not told & doubted
        assert [event.kind for event in await here.events(10, 0)][-1] == "journal-damaged"


@pytest.mark.parametrize("cut_off_at", ["journal moved", "log moved", "carried over", "marked"])
async def test_a_run_cut_off_while_it_set_a_journal_aside_loses_and_repeats_nothing(
    tmp_path: Path, cut_off_at: str
) -> None:
    async with journal(tmp_path) as here:
        await here.begin(request("request-1"))
        await here.finish(response("request-1"))
        await here.begin(request("request-2"))
        await here.add_event("jam", {"n": 1})
        await here.begin(request("request-1"))  # a commit after the last, so that the log holds what is read below
        for name in (JOURNAL, f"{JOURNAL}-wal"):
            shutil.copy(tmp_path / name, tmp_path / f"copy-{name}")
    # As the disk stands after the death: the copy was set aside, and the new journal is not there or is.
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"{JOURNAL}{suffix}").unlink(missing_ok=True)
    aside = tmp_path / "journal.damaged-20260101T000000Z"
    shutil.move(tmp_path / f"copy-{JOURNAL}", aside)
    shutil.move(
        tmp_path / f"copy-{JOURNAL}-wal",
        tmp_path / f"{JOURNAL}-wal" if cut_off_at == "journal moved" else aside.with_name(f"{aside.name}-wal"),
    )
    if cut_off_at in {"carried over", "marked"}:
        async with journal(tmp_path):
            pass
    if cut_off_at == "carried over":
        (tmp_path / "journal.carried-20260101T000000Z").unlink()
    for _ in range(2):
        async with journal(tmp_path) as here:
            assert [r.request_id for r in await here.unsettled(9, frozenset())] == ["request-1"]
            assert [row.request_id for row in await here.in_doubt()] == ["request-2"]
            assert [event.kind for event in await here.events(10, 0)] == ["jam", "journal-damaged"]


async def test_an_outcome_that_cannot_be_read_is_unknown_and_holds_up_no_other(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        first = here.id
        await here.begin(request("request-1"))
        await here.finish(response("request-1"))
        await here.begin(request("request-2"))
        await here.finish(response("request-2"))
        store = here._writer._store
        assert store is not None
        store.connection.execute("UPDATE operations SET response = x'00' WHERE request_id = 'request-1'")
        told = {r.request_id: r.executed for r in await here.unsettled(9, frozenset())}
        assert told == {"request-1": Executed.UNKNOWN, "request-2": Executed.YES}
        assert here.id != first


async def test_damage_while_running_is_survived(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        first = here.id
        await here.begin(request("request-1"))
        store = here._writer._store
        assert store is not None
        store.connection.execute("DROP TABLE events")
        assert await here.finish(response("request-1"))
        await here.add_event("jam", {})
        assert here.id != first
        assert [r.request_id for r in await here.unsettled(9, frozenset())] == ["request-1"]
        kinds = [event.kind for event in await here.events(10, 0)]
        assert kinds == ["journal-damaged", "jam"]


async def test_a_removed_file_is_noticed_and_what_it_held_is_carried_over(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        first = here.id
        await here.begin(request("request-1"))
        await here.begin(request("request-2"))
        await here.finish(response("request-2"))
        for name in (JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm"):
            (tmp_path / name).unlink()
        await until(lambda: here.id != first)
        assert [r.request_id for r in await here.unsettled(9, frozenset())] == ["request-2"]
        assert [row.request_id for row in await here.in_doubt()] == ["request-1"]


async def test_a_removed_log_is_written_to_the_file_and_the_journal_goes_on(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        await here.begin(request("request-1"))
        await here.finish(response("request-1"))
        known = here.id
        log = tmp_path / f"{JOURNAL}-wal"
        before = log.stat().st_ino
        log.rename(tmp_path / "away")
        await until(lambda: log.exists() and log.stat().st_ino != before and not here.facts.trouble)
        await here.begin(request("request-2"))
        assert here.id == known
    (tmp_path / "away").unlink()
    async with journal(tmp_path) as here:
        assert here.id == known
        assert [told.request_id for told in await here.unsettled(10, frozenset())] == ["request-1"]
        assert [row.request_id for row in await here.in_doubt()] == ["request-2"]


async def test_a_journal_that_cannot_be_looked_at_is_not_taken_for_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory whose permission was lost: nothing is set aside, and no event comes to be told twice."""
    async with journal(tmp_path) as here:
        await here.begin(request("request-1"))
        known, events = here.id, [event.seq for event in await here.events(100, 0)]

        look = Path.stat

        def deny(path: Path, **how: Any) -> os.stat_result:
            if path.name == JOURNAL:
                raise PermissionError(13, "Permission denied")
            return look(path, **how)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "stat", deny)
            await until(lambda: "cannot be looked at: Permission denied" in here.facts.trouble)
        await until(lambda: not here.facts.trouble)
        assert (here.id, [event.seq for event in await here.events(100, 0)]) == (known, events)
        assert [row.request_id for row in await here.in_doubt()] == ["request-1"]


async def test_a_removed_directory_is_made_again_and_holds_what_was_not_told(tmp_path: Path) -> None:
    async with journal(tmp_path / "state") as here:
        first = here.id
        await here.begin(request())
        await here.finish(response())
        shutil.rmtree(tmp_path / "state")
        await until(lambda: here.id != first)
        await until(lambda: not here.facts.trouble)
        assert await here.begin(request("request-2")) is None
    async with journal(tmp_path / "state") as here:
        assert [r.request_id for r in await here.unsettled(9, frozenset())] == ["request-1"]


async def test_only_the_newest_damaged_files_are_kept(tmp_path: Path) -> None:
    for _ in range(5):
        tmp_path.joinpath(JOURNAL).write_bytes(b"no database" * 1000)
        async with journal(tmp_path):
            pass
    assert len(set_aside(tmp_path)) == 3


async def test_tombstones_go_by_age_only_while_the_clock_is_plausible(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    limits = msgspec.structs.replace(SMALL, keep_s=86400.0)

    async def left(at: float) -> bool:
        async with journal(tmp_path, limits, lambda: at) as here:
            store = here._writer._store
            assert store is not None
            await here.add_event("tick", {})
            here._writer._pruned_at = float("-inf")
            await until(lambda: here._writer._pruned_at > float("-inf"))
            return await here.find("request-1") is not None

    async with journal(tmp_path, limits, lambda: now) as here:
        await here.refuse(request(), response())
        here.settle("request-1")
    assert await left(0.0)
    assert await left(now - 10 * 86400)
    assert await left(now + 1)
    assert await left(now + 3650 * 86400)  # nothing that was done since says so
    async with journal(tmp_path, limits, lambda: now + 2 * 86400) as here:
        await here.refuse(request("request-2"), response("request-2"))
    assert not await left(now + 2 * 86400)


async def test_a_full_journal_drops_tombstones_but_never_outcomes(tmp_path: Path) -> None:
    limits = Limits(min_free_bytes=0, max_bytes=1024 * 1024)
    async with journal(tmp_path, limits) as here:
        for number in range(20):
            await here.begin(request(f"settled-{number:02}"))
            await here.finish(response(f"settled-{number:02}", 50_000))
            here.settle(f"settled-{number:02}")
        begun = 0
        while not here.facts.trouble:
            with contextlib.suppress(StorageError):
                await here.begin(request(f"request-{begun:02}"))
                await here.finish(response(f"request-{begun:02}", 50_000))
                begun += 1
        with pytest.raises(StorageError, match="not settled"):
            await here.begin(request("request-late"))
        assert await here.find("settled-00") is None
        assert 15 < begun < 30
        told: set[str] = set()
        while more := await here.unsettled(32, frozenset(told)):
            told |= {r.request_id for r in more}
        assert len(told) == begun
        for request_id in told:
            here.settle(request_id)
        await here.add_event("flush", {})
        await until(lambda: not here.facts.trouble)
        assert await here.begin(request("request-new")) is None


async def test_events_give_way_to_operations_when_the_journal_is_full(tmp_path: Path) -> None:
    limits = Limits(min_free_bytes=0, max_bytes=1024 * 1024)
    async with journal(tmp_path, limits) as here:
        await here.finish(response("request-first", 100_000))
        await here.add_event("operation-unknown", {"request_id": "request-first"})
        for start in range(0, 6000, 500):  # 1.5 MB
            await asyncio.gather(
                *(here.add_event("jam", {"n": n, "pad": "x" * 250}) for n in range(start, start + 500))
            )
        await until(lambda: not here.facts.trouble and here.facts.used_bytes < limits.max_bytes)
        assert await here.begin(request("request-new")) is None
        assert [r.request_id for r in await here.unsettled(9, frozenset())] == ["request-first"]
        events = await here.events(10_000, 0)
        assert [event.kind for event in events[:2]] == ["operation-unknown", "events-dropped"]
        dropped = msgspec.json.decode(events[1].data)["count"]
        assert dropped >= 1000
        left = [msgspec.json.decode(event.data)["n"] for event in events[2:]]
        assert left == list(range(dropped, 6000))


async def test_events_far_beyond_the_limit_are_folded_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.journal.pruning.EVENTS_MAX", 200)
    monkeypatch.setattr("appliance.journal.pruning._EVENTS_FOLDED", 10)
    async with journal(tmp_path) as here:
        await asyncio.gather(*(here.add_event("jam", {"n": n}) for n in range(1000)))
        here._writer._pruned_at = float("-inf")
        await until(lambda: here._writer._pruned_at > float("-inf"))
        await here.add_event("jam", {"n": 1000})
        events = await here.events(10_000, 0)
        assert len(events) <= 200
        assert msgspec.json.decode(events[0].data)["count"] + len(events) - 1 == 1001


async def test_too_many_events_are_folded_into_one_that_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.journal.pruning.EVENTS_MAX", 20)
    monkeypatch.setattr("appliance.journal.pruning._EVENTS_FOLDED", 10)
    async with journal(tmp_path) as here:
        await here.add_event("operation-unknown", {})
        for _ in range(25):
            await here.add_event("started", {})
        for _ in range(2):
            here._writer._pruned_at = float("-inf")
            await until(lambda: here._writer._pruned_at > float("-inf"))
            await here.add_event("started", {})
        events = await here.events(100, 0)
        assert [event.kind for event in events][:2] == ["operation-unknown", "events-dropped"]
        assert len(events) <= 21
        counted = msgspec.json.decode(events[1].data)["count"]
        assert counted + len(events) - 1 == 28


async def test_an_outcome_the_disk_does_not_take_is_kept_in_memory_and_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with journal(tmp_path) as here:
        await here.begin(request())
        broken = True

        def commit(*_: object) -> object:
            if broken:
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return original(*_)  # type: ignore[arg-type]

        original = here._writer._transaction
        monkeypatch.setattr(here._writer, "_transaction", commit)
        assert not await here.finish(response())
        assert [r.request_id for r in await here.unsettled(9, frozenset())] == ["request-1"]
        assert (await here.find("request-1")).state == "done"  # type: ignore[union-attr]
        assert here.facts.trouble
        with pytest.raises(UnknowableError):
            await here.begin(request("request-2"))
        broken = False
        await until(lambda: not here.facts.trouble)
        assert await here.begin(request("request-3")) is None
    async with journal(tmp_path) as here:
        assert [r.request_id for r in await here.unsettled(9, frozenset())] == ["request-1"]


async def test_a_mistake_in_one_job_does_not_take_the_others_down(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        bad = here._write(Job(lambda _store: 1 / 0))
        results = await asyncio.gather(here.begin(request("request-1")), bad, here.begin(request("request-2")),
                                       return_exceptions=True)  # fmt: skip
        assert [type(result) for result in results] == [type(None), StorageError, type(None)]
        assert len(await here.in_doubt()) == 2


async def test_a_closed_journal_refuses(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        pass
    with pytest.raises(UnknowableError, match="closed"):
        await here.begin(request())


# A copy of the disk.


HERE, THERE = {"board": ["here"]}, {"board": ["there"]}


async def test_a_journal_in_another_machine_goes_on_under_another_name(tmp_path: Path) -> None:
    async with journal(tmp_path, marks=HERE) as here:
        first = here.id
        await here.begin(request("started-1"))
        await here.begin(request("done-0001"))
        await here.finish(response("done-0001"))
    async with journal(tmp_path, marks=HERE) as here:
        assert (here.id, [row.request_id for row in await here.in_doubt()]) == (first, ["started-1"])
        assert not here.facts.notices
    async with journal(tmp_path, marks=THERE) as here:
        second = here.id
        assert second != first
        assert await here.in_doubt() == []
        told = {one.request_id: one for one in await here.unsettled(10, frozenset())}
        assert told["done-0001"].executed is Executed.YES
        error = told["started-1"].error
        assert (told["started-1"].executed, error and error.type) == (Executed.UNKNOWN, "interrupted")
        assert [event.kind for event in await here.events(10, 0)] == ["journal-copied"]
        assert "another machine" in here.facts.notices[0]
        # What it knew it knows, and what was asked of the other name it does not answer.
        known = await here.find("done-0001")
        assert known is not None
        with pytest.raises(UnknowableError):
            await here.begin(request("new-00001"), first)
    async with journal(tmp_path, marks=THERE) as here:
        assert here.id == second
    async with journal(tmp_path) as here:  # nothing is known of the machine
        assert here.id == second
    async with journal(tmp_path, marks={"cards": ["new"]}) as here:  # nothing to compare
        assert here.id == second
    async with journal(tmp_path, marks=HERE) as here:
        assert here.id not in {first, second}


async def test_a_journal_that_another_machine_has_goes_on_under_another_name(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        first = here.id
        await here.begin(request("started-1"))
        await here.begin_anew("the hub said so")
        second = here.id
        assert second != first
        assert [row.request_id for row in await here.in_doubt()] == ["started-1"]  # it runs on, here
        assert [event.kind for event in await here.events(10, 0)] == ["journal-copied"]
        with pytest.raises(UnknowableError):
            await here.begin(request("waiting-1"), first)
        await here.begin(request("new-00001"), second)
    async with journal(tmp_path) as here:
        assert here.id == second


async def test_a_name_that_was_not_written_is_not_taken(tmp_path: Path) -> None:
    async with journal(tmp_path) as here:
        first = here.id

        def fail(store: Store) -> None:
            store.begin_anew("another", "a try", 1.0)
            raise sqlite3.OperationalError("no")

        job = Job(fail)
        here._writer.submit(job)
        with pytest.raises(StorageError):
            await asyncio.wrap_future(job.future)
        await here.add_event("after", {})
        assert here.id == first
