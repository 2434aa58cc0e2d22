"""A real PostgreSQL for tests, measurements and the demo, from the system's packages: private, on a port of its own."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from bench.program import die_with, free_port

_ANSWERS_WITHIN = _ENDS_WITHIN = 60.0  # after a crash it reads its log, on a disk that may have much else to write


class MissingError(Exception):
    """There is no PostgreSQL here; the text says what to do."""


def programs() -> Path:
    """The directory of initdb and postgres. As root on Debian they are installed when missing."""
    if (found := _find()) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", *command], env=environment, capture_output=True, check=False, timeout=300)
        found = _find()
    if found is None:
        raise MissingError("PostgreSQL is not installed: apt-get install postgresql")
    return found


def _find() -> Path | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    named = shutil.which("initdb")
    return Path(named).parent if named else None


class Server:
    """One cluster. `url(name)` is a database's address; anybody on this machine may come in while it runs."""

    def __init__(self, directory: Path) -> None:
        self._programs = programs()
        self._data = directory / "data"
        # initdb refuses root; Debian's package brings a user.
        self._user = pwd.getpwnam("postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
        if os.geteuid() == 0:
            os.chown(directory, self._user.pw_uid, self._user.pw_gid)
        self._directory = directory
        self.port = free_port()
        self.dies_with_us = False  # killed when the thread that starts it is gone
        self._process: subprocess.Popen[bytes] | None = None
        self._options: dict[str, str] = {}
        self._make()

    def _make(self) -> None:
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([self._programs / "initdb", "-D", self._data, *options], check=True, **self._as_user())

    def _as_user(self) -> dict[str, Any]:
        who = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        return {"cwd": self._directory, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **who}

    def start(self, **options: str) -> None:
        """Start it, with the options of the time before and these, and wait until it answers."""
        self._options |= options
        given = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
        } | self._options
        arguments = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", self._data, "-p", str(self.port), *arguments],
            preexec_fn=die_with(os.getpid()) if self.dies_with_us else None,  # noqa: PLW1509 - it calls the kernel alone
            **self._as_user(),
        )
        self.run(_answering)

    def stop(self, how: str = "immediate") -> None:
        """`immediate` is a crash, `fast` a restart's first half."""
        if self._process is not None:
            self._process.send_signal({"immediate": 3, "fast": 2}[how])
            self.go_on()  # should it stand still
            self._process.wait(_ENDS_WITHIN)
            self._process = None

    def kill(self) -> None:
        """A crash."""
        self.stop()

    def pause(self) -> None:
        """It stands still, sessions and all: connections stay open, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        for pid in (self._process.pid, *_children(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):  # a session that has just ended
                os.kill(pid, number)

    @property
    def pid(self) -> int:
        """Of its first process, the parent of all, while it runs."""
        assert self._process is not None
        return self._process.pid

    def url(self, name: str) -> str:
        """A database's address, as a hub's setting."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def run(self, act: Callable[[asyncpg.Connection], Coroutine[Any, Any, Any]], name: str = "postgres") -> Any:
        """Do something over a connection of its own, be it from within a running loop."""

        async def connected() -> Any:
            async with asyncio.timeout(_ANSWERS_WITHIN):
                while True:
                    try:
                        connection = await asyncpg.connect(self.url(name))
                        break
                    except (OSError, asyncpg.CannotConnectNowError):
                        await asyncio.sleep(0.02)
            try:
                return await act(connection)
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, connected()).result()

    def execute(self, statement: str, name: str = "postgres") -> None:
        """One statement."""
        self.run(lambda connection: connection.execute(statement), name)


def _children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name, which may hold anything: state, parent.
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


def in_memory() -> str | None:
    """Where a sync costs nothing, for tests of what is kept and not of what survives; None: there is no such place."""
    place = Path("/dev/shm")
    has_room = place.is_dir() and os.access(place, os.W_OK) and shutil.disk_usage(place).free > 2 * 1024**3
    return str(place) if has_room else None


async def _answering(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT 1")


@contextmanager
def running_server(*, within: str | None = None, dies_with_us: bool = False, **options: str) -> Iterator[Server]:
    """A new cluster that runs, in a new directory `within` that one. Raises `MissingError`."""
    programs()
    with tempfile.TemporaryDirectory(prefix="kioskwire-postgresql-", dir=within) as directory:
        server = Server(Path(directory))
        server.dies_with_us = dies_with_us
        try:
            server.start(**options)
            yield server
        finally:
            server.stop()
