"""The model of power cuts finds nothing, and would find something if there were something to find."""

import errno
import random
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

import appliance.journal.files
import appliance.journal.writer
import cloud.db.place
from appliance.journal.schema import connect
from tests.chaos import powercuts
from tests.chaos.powercut import failing, hub, story
from tests.chaos.powercut.check import Checker, Depth, Moment, Tally, cut_everywhere
from tests.chaos.powercut.disk import Disk, Link, Mark, Rename, Sync, Truncate, Unlink, Write
from tests.chaos.powercut.record import Recorder
from tests.cloud.hub import empty_database
from wire.messages import Request


def test_slice(tmp_path: Path) -> None:
    result = powercuts.run(tmp_path, 1, 0.05)
    assert result.breaches == []
    assert result.figures["cuts_count"] > 400
    assert result.figures["states_checked_count"] > 1500
    assert result.figures["states_opened_count"] > 300
    assert result.figures["facts_checked_count"] > 2000
    assert {"power cut", "power cut while recovering", "power cut after a kill"} <= result.faults.keys()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where many small journals are quickly synced."""
    with powercuts.place_for(tmp_path) as found:
        yield found


async def _breaches(place: Path, *, steps: int = 5) -> list[str]:
    tally = Tally()
    recorder = Recorder(place / "recorded")
    with story.quietly():
        await story.work(recorder, random.Random(4), steps=steps)
        checker = Checker(place / "states", tally, random.Random(4))
        await cut_everywhere(Moment(), recorder.log, checker, Depth(0, 0, Mark), "planted")
    return tally.breaches


async def test_planted_sync_normal(place: Path) -> None:
    """With `synchronous = NORMAL` a commit is not synced, and what was acknowledged is lost."""
    real = connect

    def weak(path: Path) -> object:
        connection = real(path)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    with mock.patch.object(appliance.journal.writer, "connect", weak):
        breaches = await _breaches(place)
    assert any("begun, and lost" in words for words in breaches)


async def test_planted_early_call(place: Path) -> None:
    """A gateway that is called before its row is durable is found out."""

    async def begin(self: story.Witness, request: Request, journal: str | None = None) -> None:
        self._mark("begun", request.request_id)  # nothing is written

    with mock.patch.object(story.Witness, "begin", begin):
        breaches = await _breaches(place)
    assert any("the gateway was called, and its row is lost" in words for words in breaches)


async def test_planted_old_journal_mode(place: Path) -> None:
    """In the old mode a commit is the removal of a file, which FULL does not make durable."""
    real = connect

    def old(path: Path) -> object:
        connection = real(path)
        connection.execute("PRAGMA journal_mode = DELETE")
        return connection

    with mock.patch.object(appliance.journal.writer, "connect", old):
        breaches = await _breaches(place)
    assert any("begun, and lost" in words for words in breaches)


async def _with_early_syncs_failing(place: Path) -> Tally:
    tally = Tally()
    for number in range(3, 12):
        if tally.breaches:
            break
        plan = failing.Plan(number, 1 + number % 3, errno.EIO, ("sync",))
        with story.quietly():
            checker = Checker(place / f"states-{number}", tally, random.Random(number))
            await failing.fail_and_cut(place / f"kiosk-{number}", random.Random(number), plan, checker)
    return tally


async def test_early_syncs_failing(place: Path) -> None:
    """A sync that fails is told, and what it was for is not believed to be on the disk afterwards."""
    tally = await _with_early_syncs_failing(place)
    assert tally.breaches == []
    assert tally.states > 300


async def test_planted_belief_in_the_log(place: Path) -> None:
    """Without `rewrite_log` what follows a failed sync is lost with what it failed to write."""
    with mock.patch.object(appliance.journal.files.Files, "rewrite_log", return_value=None):
        tally = await _with_early_syncs_failing(place)
    assert any("lost" in words for words in tally.breaches)


async def _hub_after_a_failing_disk(place: Path) -> list[str]:
    """A hub whose disk failed and which was stopped, started again on a disk that is well, then a power cut."""
    disk, checker = Disk.holding({"hub.db": empty_database()}), Checker(place, Tally(), random.Random(1))
    failing_hub = hub.recorder(place / "hub")
    await hub.work_on_a_failing_disk(failing_hub)
    for op in failing_hub.log:
        disk.apply(op)
    again = Recorder(place / "again", disk)
    await hub.work(again, 1, first=5)
    hub.cut_everywhere(place / "state", again.log, checker, Depth(0, 0, Mark), disk)
    return checker.tally.breaches


async def test_the_hub_believes_no_log_that_was_not_synced(place: Path) -> None:
    """What it commits behind what a disk failed to write would be lost with that."""
    assert await _hub_after_a_failing_disk(place) == []


async def test_planted_belief_of_the_hub(place: Path) -> None:
    with mock.patch.object(cloud.db.place.Log, "rewrite", return_value=None):
        breaches = await _hub_after_a_failing_disk(place)
    assert any("free again" in words for words in breaches)


def _disk(*ops: Write | Truncate | Link | Unlink | Rename | Sync) -> Disk:
    disk = Disk()
    for op in ops:
        disk.apply(op)
    return disk


def _states(disk: Disk) -> list[dict[str, bytes | None]]:
    return list(disk.states(random.Random(1), singles=10, randoms=0))


NAMED = (Link(0, "f", 1), Sync(0))


@pytest.mark.parametrize(
    ("ops", "there"),
    [
        ((Link(0, "f", 1),), [{}, {"f": b""}]),
        ((*NAMED, Write(1, 0, b"ab")), [{"f": b""}, {"f": b"ab"}]),
        ((*NAMED, Write(1, 0, b"ab"), Sync(1)), [{"f": b"ab"}]),
        ((Link(0, "f", 1), Write(1, 0, b"ab"), Sync(1)), [{}, {"f": b"ab"}]),  # without its name
        ((*NAMED, Write(1, 0, b"ab"), Sync(1), Truncate(1, 1)), [{"f": b"ab"}, {"f": b"a"}]),
        ((*NAMED, Write(1, 2, b"c"), Sync(1)), [{"f": b"\0\0c"}]),
        ((*NAMED, Rename(0, "f", "g")), [{"f": b""}, {"g": b""}]),
        ((*NAMED, Unlink(0, "f")), [{"f": b""}, {}]),
        ((*NAMED, Write(1, 0, b"a"), Write(1, 1, b"b")), [{"f": b""}, {"f": b"a"}, {"f": b"\0b"}, {"f": b"ab"}]),
        # What a sync failed to write stays in doubt, whatever is synced later, until it is written again.
        ((*NAMED, Write(1, 0, b"a"), Sync(1, failed=True), Sync(1)), [{"f": b""}, {"f": b"a"}]),
        (
            (*NAMED, Write(1, 0, b"a"), Sync(1, failed=True), Write(1, 1, b"b"), Sync(1)),
            [{"f": b"\0b"}, {"f": b"ab"}],
        ),
        ((*NAMED, Write(1, 0, b"a"), Sync(1, failed=True), Write(1, 0, b"a"), Sync(1)), [{"f": b"a"}]),
    ],
)
def test_what_a_cut_may_leave(ops: tuple[Write, ...], there: list[dict[str, bytes | None]]) -> None:
    found = _states(_disk(*ops))
    assert [state for state in there if state not in found] == []
    assert [state for state in found if state not in there] == []


def test_torn_by_sectors() -> None:
    """A write of several sectors may arrive in part, never with half a sector."""
    disk = _disk(*NAMED, Write(1, 0, b"a" * 1024), Sync(1), Write(1, 256, b"b" * 600))
    seen = set()
    for state in disk.states(random.Random(3), singles=0, randoms=200):
        content = state["f"]
        assert content is not None
        seen.add(content)
        assert content[:256] + content[856:] == b"a" * 424
        assert {len(set(content[256:512])), len(set(content[512:856]))} == {1}
    assert len(seen) == 4
