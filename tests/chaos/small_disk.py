"""Ways to spoil a disk under a running program, for root and for an ordinary user alike; nothing else is touched.

Each is a context and raises `SkippedError`, with the reason in words, where this machine does not allow it.
"""

import ast
import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.program import Program, wait_for

_SIZE = "12m"
_QUERY = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1], timeout=10).execute(sys.argv[2]).fetchall())"
# A program of root's that minds permissions as one of an ordinary user does.
MINDS_PERMISSIONS = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)


class SkippedError(Exception):
    """This cannot be done here; the text says why."""


class SmallDisk:
    """A disk of 12 MiB, mounted in a namespace of its own that lasts until `close`.

    Programs get there by `wrapper` and find it at `inside`; this process finds it at `outside`.
    """

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True)
        self.inside = place
        reasons = []
        for unshare, enter in ((("-Urm",), ("--user", "--preserve-credentials")), (("-m",), ())):
            script = f'mount -t tmpfs -o size={_SIZE} tmpfs "$0" && echo ready && exec sleep 86400'
            self._holder = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", *unshare, "sh", "-c", script, str(place)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert self._holder.stdout is not None
            if self._holder.stdout.readline().strip() == "ready":
                self._enter = ("nsenter", "-t", str(self._holder.pid), "--mount", *enter)
                break
            _, error = self._holder.communicate(timeout=10)
            reasons.append(error.strip())
        else:
            raise SkippedError(f"no small disk can be mounted: {'; '.join(reasons)}")
        self.wrapper = (*self._enter, "setpriv", "--pdeathsig", "KILL")
        self.outside = Path(f"/proc/{self._holder.pid}/root{place}")
        self._filler = self.outside / "filler"

    def rows(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        """What a query finds in an SQLite file of the disk. SQLite itself does not get there from outside."""
        command = [*self._enter, sys.executable, "-c", _QUERY, str(self.inside / name), statement]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        found: list[tuple[Any, ...]] = ast.literal_eval(done.stdout)
        return found

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left."""
        self.fill()
        try:
            yield
        finally:
            self._filler.unlink()

    def fill(self) -> None:
        """Take what is left."""
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be written. Not while a program has a file there open for writing: then it is busy."""
        self._remount("ro")
        try:
            yield
        finally:
            self._remount("rw")

    def close(self) -> None:
        """Let it go, and all that lies on it."""
        self._holder.kill()
        self._holder.communicate(timeout=10)

    def _remount(self, how: str) -> None:
        command = [*self._enter, "mount", "-o", f"remount,{how}", str(self.inside)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        if done.returncode:
            raise SkippedError(f"the small disk cannot be mounted anew: {done.stderr.strip()}")


@contextlib.contextmanager
def failing(program: Program, calls: str, error: str) -> Iterator[None]:
    """These system calls of a running program fail on its database, all of them, with `error`: EIO, ENOSPC, EROFS."""
    strace = shutil.which("strace")
    if strace is None:
        raise SkippedError("strace is not installed, which makes system calls fail")
    pid = program.pid
    tracing = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "INT", strace, "-f", "-qq", "-o", "/dev/null", "-p", str(pid)),
            *("-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"),
            *(part for path in _database(program) for part in ("-P", str(path))),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )

    def traced() -> bool:
        threads = Path(f"/proc/{pid}/task").iterdir()
        return tracing.poll() is not None or all(_tracer(thread) for thread in threads)

    try:
        wait_for("strace", traced, 10)
        if tracing.poll() is not None:
            raise SkippedError(f"strace cannot trace here: {tracing.communicate()[1].strip()[:200]}")
        yield
    finally:
        if tracing.poll() is None:
            tracing.send_signal(signal.SIGINT)
        tracing.communicate(timeout=10)


@contextlib.contextmanager
def growing_nothing(program: Program) -> Iterator[None]:
    """Every write of a running program to any file of the disk fails, its log among them."""
    _, most = resource.prlimit(program.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (most, most))


@contextlib.contextmanager
def away(directory: Path) -> Iterator[None]:
    """The directory has another name for a time."""
    other = directory.with_name(f"{directory.name}.away")
    directory.rename(other)
    try:
        yield
    finally:
        other.rename(directory)


@contextlib.contextmanager
def forbidden(directory: Path) -> Iterator[None]:
    """Nobody may enter the directory."""
    mode = directory.stat().st_mode
    directory.chmod(0)
    try:
        yield
    finally:
        directory.chmod(mode)


def minding_permissions() -> tuple[str, ...]:
    """What makes a program mind them."""
    return (*MINDS_PERMISSIONS, "--pdeathsig", "KILL") if os.geteuid() == 0 else ()


def _database(program: Program) -> list[Path]:
    """The files of a program's database."""
    [file] = [path for path in (program.directory / "state").glob("*.db") if path.is_file()]
    return [file, *(file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm"))]


def _tracer(thread: Path) -> bool:
    try:
        status = (thread / "status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True  # it has ended
    return not any(line.split() == ["TracerPid:", "0"] for line in status.splitlines())
