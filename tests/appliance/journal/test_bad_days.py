"""The journal on the days it is made for: killed between any two writes, and on a disk that is full."""

import contextlib
import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.journal import Limits, StorageError, UnknowableError
from appliance.journal.files import JOURNAL, Files
from appliance.journal.schema import connect
from appliance.journal.store import Store
from tests.appliance.journal.test_journal import response
from tests.appliance.worlds import PATIENCE_S, journal, request, until
from wire.messages import Event

_WRITER = """
import asyncio, sys, time
from pathlib import Path
from appliance.journal import Journal, Limits
from wire.messages import Executed, Request, Response

async def main():
    here = Journal(Path(sys.argv[1]), limits=Limits(min_free_bytes=0), clock=time.time, boot_id="b", reserve_bytes=4096)
    await here.open()
    async def one(number):
        request_id = f"request-{number:05}"
        known = await here.begin(Request(request_id=request_id, operation="payment"))
        assert known is None
        print("started", request_id, flush=True)
        await here.finish(Response(request_id=request_id, operation="payment", executed=Executed.YES, status=200))
        print("done", request_id, flush=True)
    first = int(sys.argv[2])
    for batch in range(10_000):
        await asyncio.gather(*(one(first + batch * 5 + n) for n in range(5)))
asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_told(tmp_path: Path) -> None:
    told: set[str] = set()
    for life in range(4):
        process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on the loop
            [sys.executable, "-c", _WRITER, str(tmp_path), str(life * 100_000)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if len(lines) == 20 + life * 17:
                process.send_signal(signal.SIGKILL)
                break
        rest, _ = process.communicate(timeout=PATIENCE_S)
        whole = ("".join(lines) + rest).splitlines()
        told |= {line for line in whole if line.startswith(("started request-", "done request-")) and len(line) > 16}
        with sqlite3.connect(tmp_path / JOURNAL) as connection:
            states = dict(connection.execute("SELECT request_id, state FROM operations").fetchall())
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        for line in told:
            word, request_id = line.split()
            assert states.get(request_id) in ({"done"} if word == "done" else {"started", "done"})
    async with journal(tmp_path) as here:
        assert here.facts.previous == "cut"
        doubted = {row.request_id for row in await here.in_doubt()}
        assert not {line.split()[1] for line in told if line.startswith("done")} & doubted


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 6 MiB of our own."""
    directory = Path(tempfile.mkdtemp())
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        directory.rmdir()
        pytest.skip("a disk of one's own needs root and mount")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)
    with contextlib.suppress(OSError):
        directory.rmdir()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


async def test_a_full_disk_refuses_new_work_and_loses_no_outcome(small_disk: Path) -> None:
    state = small_disk / "state"
    limits = Limits(min_free_bytes=256 * 1024)
    async with journal(state, limits) as here:
        for number in range(20):
            await here.begin(request(f"request-{number:02}"))
        _fill(small_disk / "filler")
        with pytest.raises(StorageError, match="full"):
            await here.begin(request("request-new"))
        for number in range(20):
            await here.finish(response(f"request-{number:02}", 2000))
        told = {r.request_id for r in await here.unsettled(100, frozenset())}
        assert len(told) == 20
        await until(lambda: here.facts.trouble)
        (small_disk / "filler").unlink()
        await until(lambda: not here.facts.trouble)
        assert await here.begin(request("request-new")) is None
        assert here._writer._files.has_reserve()
    async with journal(state, limits) as here:
        assert {r.request_id for r in await here.unsettled(100, frozenset())} == told
        assert [row.request_id for row in await here.in_doubt()] == ["request-new"]


async def test_starting_on_a_full_disk_works_and_heals(small_disk: Path) -> None:
    state = small_disk / "state"
    state.mkdir()
    _fill(small_disk / "filler")
    async with journal(state, Limits(min_free_bytes=256 * 1024)) as here:
        assert here.facts.trouble
        assert here.id == ""  # so that the hub is not dialled: a kiosk that names no journal would be believed
        with pytest.raises(UnknowableError):
            await here.begin(request())
        (small_disk / "filler").unlink()
        await until(lambda: not here.facts.trouble)
        assert await here.begin(request()) is None


def test_refuses_to_work_without_a_write_ahead_log() -> None:
    """SQLite does not complain by itself, and a commit in its old mode may be undone by a power cut."""
    with pytest.raises(sqlite3.OperationalError, match="journal_mode is memory"):
        connect(Path(":memory:"))


def test_an_event_written_again_is_one_event(tmp_path: Path) -> None:
    """A commit may fail and be on the disk all the same; then its jobs are carried out again."""
    store = Store(connect(tmp_path / JOURNAL))
    store.prepare("here")
    event = Event(seq=0, at=1.0, kind="jam", device="bills", data=msgspec.Raw(b'{"n":1}'))
    other = msgspec.structs.replace(event, at=2.0)
    store.add_event(event)
    for written in (event, other, event, other):
        store.add_event(written, again=True)
    assert [found.at for found in store.events(10, 0)] == [1.0, 2.0]
    store.connection.close()


def test_a_directory_that_cannot_be_synced_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a name stands for is lost with it; only where directories cannot be synced at all is that no error."""
    files = Files(tmp_path / "new")
    for code in (errno.EINVAL, errno.EIO):

        def fail(_handle: int, code: int = code) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fail)
        if code == errno.EINVAL:
            files.make_directory()
        else:
            with pytest.raises(OSError, match="Input/output"):
                files.make_directory()


async def test_a_log_that_cannot_be_written_again_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read of it may never have reached the disk."""
    async with journal(tmp_path) as here:
        await here.begin(request("request-1"))
        log = tmp_path / f"{JOURNAL}-wal"
        content = log.read_bytes()
        here._writer._files.rewrite_log()
        assert log.read_bytes() == content != b""
        copy = tmp_path / "copy"
        copy.mkdir()
        for path in (tmp_path / JOURNAL, log):
            (copy / path.name).write_bytes(path.read_bytes())

        fsync = os.fsync

        def fail(handle: int) -> None:
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                fsync(handle)
            else:
                raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            async with journal(copy) as there:
                assert "Input/output" in there.facts.trouble
        async with journal(copy) as there:
            assert await there.find("request-1") is not None
