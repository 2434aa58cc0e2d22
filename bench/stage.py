"""Programs to be measured: each in a process of its own, on a core of its own, stopped in reverse."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OURS = ROOT / ".venv" / "bin"
PEERS = ROOT / ".venv-bench"
BODY = '{"order_id":"@ORDER@","amount":15000,"currency":"KZT","description":"coffee"}'
WAMP_BODY = (
    '{"procedure":"kiosk.@KIOSK@.payment","args":[],'
    '"kwargs":{"order_id":"@ORDER@","amount":15000,"currency":"KZT","description":"coffee"}}'
)
DEVICE = (sys.executable, "-m", "bench.peers.device")  # the same program and interpreter for FastAPI and for us
OPERATION = ("Header-Kiosk-Id: @KIOSK@", "Header-Operation-Type: payment")
MANY = 50

CORES = sorted(os.sched_getaffinity(0))
HUB_CORE, OTHER_CORE = CORES[0], CORES[-1]


class NotRun(Exception):
    """A system that is not here to be measured; the message is the reason."""


@dataclass(frozen=True)
class Target:
    """Something the load can call, and the processes whose cost is told: the hub, and perhaps the appliance."""

    name: str
    url: str
    hub: int
    kiosks: tuple[str, ...]
    headers: tuple[str, ...] = ()
    body: str = BODY
    beside: str = "fastapi"
    appliance: int | None = None


class Stage:
    """Starts programs in a directory of their own and stops them in reverse."""

    def __init__(self, directory: Path, *, is_pinned: bool = True) -> None:
        self.directory = directory
        self._is_pinned = is_pinned
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(
        self, name: str, argv: Sequence[str | Path], *, core: int, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program on one core; what it prints goes to `<name>.log`."""
        os.sched_setaffinity(
            0, {core} if self._is_pinned else CORES
        )  # a child inherits it, and so do all its threads and children
        try:
            with self.log(name).open("wb") as log:
                process = subprocess.Popen(
                    [str(each) for each in argv], cwd=ROOT, env=environment(env), stdout=log, stderr=log
                )
        finally:
            os.sched_setaffinity(0, CORES)
        self._running.append((name, process))
        return process

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def pids(self) -> list[int]:
        return [process.pid for _, process in self._running]

    def wait_for(self, name: str, ready: Callable[[], Any], *, timeout: float = 40.0) -> Any:
        """What `ready` returns once that is true; fails with the program's last words if it dies or is too late."""
        process = dict(self._running)[name]
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if found := ready():
                return found
            if process.poll() is not None:
                break
            time.sleep(0.05)
        state = "is not ready" if process.poll() is None else f"ended with {process.returncode}"
        raise RuntimeError(f"{name} {state}: {last_words(self.log(name))}")

    def wait_devices(self, name: str, count: int) -> float:
        """Wait until a device process says that all its kiosks are connected; the seconds it took."""
        started = time.monotonic()
        found = self.wait_for(
            name, lambda: re.search(r"^ready (\d+)$", self.log(name).read_text(), re.MULTILINE), timeout=300.0
        )
        if int(found[1]) != count:
            raise RuntimeError(f"{name}: {found[1]} of {count} connected: {last_words(self.log(name))}")
        return time.monotonic() - started

    def check(self) -> None:
        """Raise if a program has ended by itself."""
        for name, process in self._running:
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}: {last_words(self.log(name))}")

    def end(self, pid: int) -> None:
        """End one of the programs at once, without a goodbye."""
        for entry in self._running:
            if entry[1].pid == pid:
                entry[1].kill()
                entry[1].wait()
                self._running.remove(entry)
                return

    def stop(self) -> None:
        for _, process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for _, process in reversed(self._running):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


@contextlib.contextmanager
def open_stage(*, is_pinned: bool = True) -> Iterator[Stage]:
    """A stage in a temporary directory inside the tree, where the journals meet the disk the tree is on.

    `is_pinned` False: the system gives out the cores, for who measures more programs than there are.
    """
    PEERS.mkdir(exist_ok=True)
    stage = Stage(Path(tempfile.mkdtemp(prefix="run-", dir=PEERS)), is_pinned=is_pinned)
    try:
        yield stage
    finally:
        stage.stop()
        shutil.rmtree(stage.directory, ignore_errors=True)


def environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """Nothing of the caller's environment reaches a program, but where things are."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(more or {})}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str) -> bool:
    """Whether something speaks HTTP there; what it says does not matter."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:04d}" for number in range(count)]


def last_words(path: Path) -> str:
    return " / ".join(path.read_text(errors="replace").strip().splitlines()[-4:])[-600:]
