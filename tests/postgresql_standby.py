"""A standby that streams from a private PostgreSQL and can be promoted, for tests of a fail-over."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgresql import Server, in_memory


class Standby(Server):
    """A copy of `primary`, which follows it from `start` on; its name there is `standby`."""

    def __init__(self, directory: Path, primary: Server) -> None:
        self._primary = primary
        super().__init__(directory)

    def _make(self) -> None:
        source = f"host=127.0.0.1 port={self._primary.port} user=postgres application_name=standby"
        words = ["-D", self._data, "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        subprocess.run([self._programs / "pg_basebackup", *words], check=True, timeout=300, **self._as_user())

    def promote(self) -> None:
        """Make it the one that takes writes, as whoever watches over both does; returns once it does."""
        self.execute("SELECT pg_promote(true, 30)")


def processes(server: Server) -> list[int]:
    """The server's and its sessions', each in a group of its own."""
    assert server._process is not None
    parent = server._process.pid
    found = [parent]
    for entry in os.listdir("/proc"):
        try:
            words = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split() if entry.isdigit() else []
        except OSError:
            continue
        if len(words) > 1 and int(words[1]) == parent:
            found.append(int(entry))
    return found


@contextmanager
def silent(server: Server) -> Iterator[None]:
    """It keeps its sockets and says nothing any more, as a machine that lost its network, until the context ends."""
    stopped = processes(server)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue


@contextmanager
def running_standby(primary: Server, **options: str) -> Iterator[Standby]:
    """One that follows."""
    with tempfile.TemporaryDirectory(prefix="kioskwire-postgresql-", dir=in_memory()) as directory:
        made = Standby(Path(directory), primary)
        try:
            made.start(**options)
            yield made
        finally:
            made.stop()
