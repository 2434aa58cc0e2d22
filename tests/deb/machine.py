"""A Debian of its own, as a folder: things are done in it without booting it, or it is booted without a kernel.

Its network is this machine's, so that a hub here is 127.0.0.1 there.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 90.0
UNIT = "kioskwire-appliance.service"


def until(what: str, fact: Callable[[], T], patience: float = PATIENCE_S) -> T:
    """Ask until it is true."""
    deadline = time.monotonic() + patience
    while not (found := fact()):
        assert time.monotonic() < deadline, f"it did not come about within {patience:g} s: {what}"
        time.sleep(0.2)
    return found


class Refused(AssertionError):
    """A command ended with another status than 0; says what it said."""


class Machine:
    """The folder, and what is booted from it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0
        name = f"kioskwire-{os.getpid()}-{next(_numbers)}"
        self._nspawn_command = ["systemd-nspawn", *NSPAWN, f"--machine={name}", "--directory", str(root)]

    def run(self, *command: str, patience: float = 300.0) -> str:
        """Do something in it, booted or not; returns what was said. Raises `Refused`."""
        if self._leader:
            # As root's login would: in all of its namespaces.
            whole = ["nsenter", "--target", str(self._leader), "--all", "--", "env", "-i", *ENVIRON, *command]
        else:
            together = ["sh", "-c", 'exec "$@" 2>&1', "sh", *command]  # nspawn has words of its own, which go elsewhere
            whole = [*self._nspawn_command, "--pipe", "--", *together]
        done = subprocess.run(
            whole, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if self._leader else subprocess.PIPE,
            text=True, timeout=patience, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            raise Refused(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr or ''}")
        return done.stdout

    def shell(self, script: str) -> str:
        """Do several things."""
        return self.run("sh", "-euc", script)

    def bring(self, path: Path) -> str:
        """Copy a file into it; returns its name there."""
        target = self.root / "srv" / path.name
        target.write_bytes(path.read_bytes())
        target.chmod(path.stat().st_mode)
        return f"/srv/{path.name}"

    def install(self, package: Path) -> str:
        """As an administrator does it, keeping files that were edited."""
        return self.run("dpkg", "--force-confold", "--install", self.bring(package))

    @contextlib.contextmanager
    def booted(self) -> Iterator[None]:
        """Its systemd runs."""
        with (self.root.parent / "console.log").open("ab") as console:
            self._nspawn = subprocess.Popen(
                [*self._nspawn_command, "--boot", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            )  # fmt: skip
            try:
                until("its first process", self._find_leader)
                until("the boot's end", self._is_up)
                yield
            finally:
                self._end()

    def _find_leader(self) -> bool:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, (self.root.parent / "console.log").read_text(errors="replace")[-2000:]
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        self._leader = int(children[0]) if children else 0
        return bool(children)

    def _is_up(self) -> bool:
        with contextlib.suppress(Refused):
            return self.run("systemctl", "is-system-running").strip() == "running"
        with contextlib.suppress(Refused):
            return "degraded" in self.run("sh", "-c", "systemctl is-system-running || :")
        return False

    def _end(self) -> None:
        assert self._nspawn is not None
        self._nspawn.send_signal(signal.SIGTERM)  # nspawn asks the first process to power off
        try:
            self._nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(60)
        self._nspawn, self._leader = None, 0

    def show(self, name: str, unit: str = UNIT) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()

    @property
    def pid(self) -> int:
        """The service's process; 0 while there is none."""
        return int(self.show("MainPID"))

    @property
    def active(self) -> bool:
        """Whether the service is up."""
        return self.show("ActiveState") == "active"

    @property
    def running(self) -> str:
        """The version that the service runs; empty while there is none."""
        return self.shell(f"readlink /proc/{self.pid}/exe || :").strip().split("/")[-2] if self.pid else ""

    def log(self) -> str:
        """The service's lines, and systemd's about it."""
        return self.run("journalctl", "--unit", UNIT, "--no-pager", "--output", "cat")

    def settings(self, **settings: object) -> None:
        """Write the settings' file anew."""
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.root / "etc/kioskwire/appliance.env").write_text(lines)


_numbers = itertools.count(1)
ENVIRON = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"]
# Without registering with a machined that is not there, and leaving this machine's names and times alone. As on a whole
# machine, its first process can bring up the loopback device of units that have a network of their own.
NSPAWN = [
    "--quiet", "--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
    "--setenv=DEBIAN_FRONTEND=noninteractive", "--capability=CAP_NET_ADMIN",
]  # fmt: skip
