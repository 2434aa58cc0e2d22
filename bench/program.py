"""A real program as a process of its own: started, waited for, watched, frozen, killed, brought back.

Every wait has a limit. A program keeps its port and its directory over `stop`, `kill` and `start`, so that a test can
cut it off and bring it back. Children never outlive their parent, not even one that was killed: the kernel ends them.
It does so when the *thread* that started them ends, so start them from one that lasts.
"""

import atexit
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

READY_S = 90.0  # on a machine that is busy with something else
STOP_S = 60.0  # a hub may take 10 to finish what runs, and its disk as long again
GONE_S = 60.0  # what is killed may be in the middle of a flush
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_CLAIMS_MAX = 128
_claims: deque[socket.socket] = deque()


class StackError(Exception):
    """A program did not do what it was started for; the text says which, why, and ends with its last log lines."""


def free_port() -> int:
    """A port nobody listens on now, below those the kernel gives to outgoing connections.

    It stays this process's for a while, though a program that listens there is killed and started again: others that
    ask here, in any process of this machine, get another one.
    """
    for port in random.sample(range(15000, 32000), 200):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0kioskwire-port-{port}")  # held by nothing but this open socket
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        if len(_claims) > _CLAIMS_MAX:
            _claims.popleft().close()
        return port
    raise StackError("no free port between 15000 and 32000")


@atexit.register
def _give_up_claims() -> None:
    while _claims:
        _claims.pop().close()


def is_free(port: int) -> bool:
    """Whether `port` can be listened on at 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_for(what: str, condition: Callable[[], Any], timeout: float = 60.0, every: float = 0.02) -> Any:
    """Poll until `condition` is true and return what it returned. Raises `StackError` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        if found := condition():
            return found
        if time.monotonic() > end:
            raise StackError(f"{what} did not come about within {timeout:g} s")
        time.sleep(every)


class Program:
    """One process: its command, its environment, its directory (also its working directory) and its log."""

    name = "program"
    command: tuple[str, ...] = ()
    wrapper: tuple[str, ...] = ()  # a command before it, that becomes it: `nsenter`, `setpriv`

    def __init__(self, directory: Path, *, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.port = port or free_port()
        self.settings = dict(settings or {})
        self.log = self.directory / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._told_to_end: subprocess.Popen[bytes] | None = None
        self.started_in = 0.0  # seconds from start to ready, the last time
        self.http = self._new_http()

    @property
    def url(self) -> str:
        """Where it answers HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What it is told. `settings` come last and win."""
        return {}

    def arguments(self) -> list[str]:
        """The command line after the command's name."""
        return list(self.command[1:])

    def is_ready(self) -> bool:
        """Whether it does its work already."""
        raise NotImplementedError

    def start(self, *, wait: bool = True) -> Self:
        """Start it, and wait until it is ready. Raises `StackError`."""
        if self.alive:
            raise StackError(f"{self.name} runs already")
        if not is_free(self.port):
            raise StackError(f"{self.name} cannot have port {self.port}: another program listens there")
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, program(self.command[0]), *self.arguments()],
                cwd=self.directory,
                env={**clean_environment(), **self.environment(), **self.settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 - it calls the kernel and nothing else
            )
        (self.directory / "pid").write_text(f"{self.process.pid}\n", encoding="ascii")
        if wait:
            try:
                self.wait_ready()
            except BaseException:
                self.kill()
                raise
            self.started_in = time.monotonic() - began
        return self

    def wait_ready(self, timeout: float = READY_S) -> None:
        """Wait until it is ready. Raises `StackError` when it ends before or takes longer."""

        def ready() -> bool:
            self.check()
            with contextlib.suppress(httpx.TransportError):
                return self.is_ready()
            return False

        try:
            wait_for(f"{self.name}: being ready", ready, timeout)
        except StackError as error:
            if self.alive:
                raise StackError(f"{error}\n{self.tail()}") from None
            raise

    def check(self) -> None:
        """Raise `StackError` if it has ended."""
        if not self.alive:
            status = "was never started" if self.process is None else f"ended with {_ending(self.process.returncode)}"
            raise StackError(f"{self.name} {status}\n{self.tail()}")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id. Raises `StackError` when it does not run."""
        self.check()
        assert self.process is not None
        return self.process.pid

    def ask_to_stop(self) -> None:
        """Ask it to end, without waiting. Said once only: a second time means at once, to many programs."""
        if self.process is not None and self.alive and self._told_to_end is not self.process:
            self._told_to_end = self.process
            self.process.send_signal(signal.SIGTERM)

    def stop(self, timeout: float = STOP_S) -> int | None:
        """Ask it to end, and make it after `timeout` seconds. Returns its exit status, or minus a signal's number."""
        self.ask_to_stop()
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        return self.kill()

    def kill(self) -> int | None:
        """End it at once, as a power cut would."""
        self.http.close()
        self.http = self._new_http()
        if self.process is None:
            return None
        if self.alive:
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait(GONE_S)

    def freeze(self) -> None:
        """Stop it from running without ending it: the other ends see silence."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run on."""
        os.kill(self.pid, signal.SIGCONT)

    def tail(self, lines: int = 12) -> str:
        """The end of its log, for a person."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return f"({self.log} cannot be read)"
        last = [f"    {line[:400]}" for line in text.splitlines()[-lines:]]
        return "\n".join([f"  the last lines of {self.log}:", *(last or ["    (nothing)"])])

    def _new_http(self) -> httpx.Client:
        # Plain HTTP: reading the machine's certificates would take 30 ms, once for every life of every program.
        return httpx.Client(base_url=self.url, timeout=60.0, trust_env=False, verify=False)

    def __enter__(self) -> Self:
        return self if self.alive else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self.http.close()


def stop_all(programs: Iterable[Program]) -> None:
    """End several at the same time."""
    programs = list(programs)
    for running in programs:
        running.ask_to_stop()
    for running in programs:
        running.__exit__(None, None, None)


def program(name: str) -> str:
    """The installed command of that name, beside the Python that runs this. Raises `StackError`."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise StackError(f"{name} is not installed beside {sys.executable}; make install does that")
    return str(path)


def clean_environment() -> dict[str, str]:
    """Nothing of the caller's settings gets through to a program."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


def die_with(parent: int) -> Callable[[], None]:
    """What a child does before it becomes the program: have itself killed when the thread that started it is gone."""

    def ask() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # it went in between

    return ask


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"
