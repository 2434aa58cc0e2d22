"""The journal on the days it is made for: killed between any two writes, and on a disk that is full."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.journal import Limits, StorageError, UnknowableError
from appliance.journal.files import JOURNAL
from tests.appliance.journal.test_journal import response
from tests.appliance.worlds import journal, request, until

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
        rest, _ = process.communicate(timeout=20)
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
