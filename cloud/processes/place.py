"""Where a supervisor stands in STATE_DIR: one at a time, and how `kioskwire-hub restart` finds it."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

_FILE = "supervisor.json"
_LOOK_EVERY = 0.1
_LOOKED_AT_FOR = 2.0  # who looks whether somebody has it (`find`) has it for a moment itself


class TakenError(OSError):
    """Another supervisor has it."""


class NobodyError(Exception):
    """No supervisor runs there."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one. `rounds` counts rolling restarts that ended, `failed` says why the last did not succeed."""

    pid: int
    processes: int
    rounds: int = 0
    is_restarting: bool = False
    failed: str = ""


class Place:
    """A supervisor's own."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE
        self._file = -1

    def take(self) -> None:
        """Have it until this process ends. Raises `TakenError`, OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + _LOOKED_AT_FOR
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if time.monotonic() < until:
                    time.sleep(_LOOK_EVERY)
                    continue
                os.close(self._file)
                found = _read(self._path)
                whose = f", process {found.pid}," if found else ""
                raise TakenError(f"another supervisor{whose} runs on STATE_DIR={self._path.parent}") from error
            return

    def write(self, state: State) -> None:
        """Tell how it stands. What cannot be told is no reason to end."""
        data = msgspec.json.encode(state)
        with contextlib.suppress(OSError):
            os.pwrite(self._file, data.ljust(os.fstat(self._file).st_size), 0)


def find(state_dir: Path) -> State:
    """The supervisor that runs there. Raises `NobodyError`."""
    path = state_dir / _FILE
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        if found := _read(path):
            return found
    except OSError:
        pass
    raise NobodyError(f"no hub with several processes runs on STATE_DIR={state_dir}")


def restart(state_dir: Path, told: Callable[[str], None], wait: float) -> str:
    """Have all processes restarted one after another, and wait for that; empty, or why it was not done.

    Raises `NobodyError`, `PermissionError`.
    """
    before = find(state_dir)
    rounds = before.rounds + (2 if before.is_restarting else 1)  # what runs now may have begun with the old settings
    os.kill(before.pid, signal.SIGHUP)
    told(f"{before.processes} processes are restarted, one after another")
    until = time.monotonic() + wait
    while time.monotonic() < until:
        time.sleep(_LOOK_EVERY)
        now = find(state_dir)
        if now.pid != before.pid:
            return "the supervisor itself was started anew meanwhile"
        if now.rounds >= rounds:
            return now.failed
    return f"it is not done after {wait:.0f} s; the hub's log says how it stands"


def _read(path: Path) -> State | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError):
        return None
