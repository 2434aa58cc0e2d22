"""One supervisor in a directory, found by who wants its processes restarted."""

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.processes.place import NobodyError, Place, State, TakenError, find, restart


@pytest.fixture
def asked() -> Iterator[threading.Event]:
    """Set when somebody sends this process what a supervisor restarts its processes on."""
    event = threading.Event()
    before = signal.signal(signal.SIGHUP, lambda *_: event.set())
    yield event
    signal.signal(signal.SIGHUP, before)


def test_there_is_one_at_a_time(tmp_path: Path) -> None:
    first = Place(tmp_path)
    first.take()
    first.write(State(pid=77, processes=2))
    with pytest.raises(TakenError, match="process 77, runs on STATE_DIR"):
        Place(tmp_path).take()


def test_who_looks_whether_there_is_one_keeps_none_from_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kioskwire-hub restart` in the moment of a start."""
    monkeypatch.setattr("cloud.processes.place._LOOKED_AT_FOR", 60.0)
    file = (tmp_path / "supervisor.json").open("w")
    fcntl.flock(file, fcntl.LOCK_SH)  # as `find` has it, on a machine that gives it no turn
    looked = threading.Timer(0.3, file.close)
    looked.start()
    Place(tmp_path).take()
    looked.join()


def test_nobody_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(NobodyError, match=f"STATE_DIR={tmp_path}"):
        find(tmp_path)
    Place(tmp_path).take()  # and let go of, as nobody keeps it
    (tmp_path / "supervisor.json").write_text("half")
    with pytest.raises(NobodyError):
        find(tmp_path)


@pytest.mark.parametrize("failed", ["", "process 1 could not begin anew"])
def test_who_asks_hears_the_end_of_it(tmp_path: Path, asked: threading.Event, failed: str) -> None:
    place = Place(tmp_path)
    place.take()
    place.write(State(pid=os.getpid(), processes=2, rounds=4, failed="long ago"))

    def told(_words: str) -> None:
        assert asked.wait(10)
        place.write(State(pid=os.getpid(), processes=2, rounds=5, failed=failed))

    assert restart(tmp_path, told, wait=20.0) == failed


def test_what_began_before_does_not_count(tmp_path: Path, asked: threading.Event) -> None:
    place = Place(tmp_path)
    place.take()
    place.write(State(pid=os.getpid(), processes=2, is_restarting=True))
    told = restart(tmp_path, lambda _: place.write(State(pid=os.getpid(), processes=2, rounds=1)), wait=0.3)
    assert "is not done" in told
    assert asked.is_set()
