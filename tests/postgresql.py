"""A real PostgreSQL for tests, from the system's packages: private, on a loopback port of its own."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg


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
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([self._programs / "initdb", "-D", self._data, *options], check=True, **self._as_user())

    def _as_user(self) -> dict[str, Any]:
        who = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        return {"cwd": self._directory, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **who}

    def start(self, **options: str) -> None:
        """Start it, and wait until it answers."""
        given = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "32MB", **options}
        arguments = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", self._data, "-p", str(self.port), *arguments], **self._as_user()
        )
        self.run(_answering)

    def stop(self, how: str = "immediate") -> None:
        """`immediate` is a crash, `fast` a restart's first half."""
        if self._process is not None:
            self._process.send_signal({"immediate": 3, "fast": 2}[how])
            self._process.wait(30)
            self._process = None

    def url(self, name: str) -> str:
        """A database's address, as a hub's setting."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def run(self, act: Callable[[asyncpg.Connection], Coroutine[Any, Any, Any]], name: str = "postgres") -> Any:
        """Do something over a connection of its own, be it from within a running loop."""

        async def connected() -> Any:
            async with asyncio.timeout(30):
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


async def _answering(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT 1")


@contextmanager
def running_server(**options: str) -> Iterator[Server]:
    """A new cluster that runs. Raises `MissingError`."""
    programs()
    with tempfile.TemporaryDirectory(prefix="kioskwire-postgresql-") as directory:
        server = Server(Path(directory))
        try:
            server.start(**options)
            yield server
        finally:
            server.stop()
