"""Hands on a simulator that runs in another process: a Unix socket, one line of JSON each way.

    {"do": "insert", "arguments": {"value": "1000"}}  →  {"ok": true, "figures": {…}}
    {"do": "hello"}                                   →  {"ok": true, "figures": {"family": …, "url": …, "controls": …}}
                                                         {"ok": false, "error": "there is no paper in it"}

The sockets lie in a directory of the user's own, where `find_running` finds them.
"""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from hardware.simulation.host import DeviceHost
from hardware.simulation.simulator import Control, ControlError

_LINE_MAX_BYTES = 64 * 1024
_ANSWER_S = 30.0  # what happened is on the disk before it is told; who gave up sooner might have it done twice


class NotThere(Exception):
    """A simulator that does not answer (any more), or a directory that cannot be used."""


class Asked(msgspec.Struct):
    """One request."""

    do: str
    arguments: dict[str, str] = {}


class Told(msgspec.Struct, omit_defaults=True):
    """Its answer."""

    ok: bool
    figures: dict[str, Any] = {}
    error: str = ""


class Running(msgspec.Struct, frozen=True):
    """A simulator that answers."""

    family: str
    url: str
    pid: int
    state: str  # its directory, if it has one
    controls: dict[str, dict[str, str]]  # each with its arguments' examples
    summaries: dict[str, str]
    socket: str = ""
    takes: dict[str, list[int]] = {}  # controls that put money in: the denominations, in minor units

    def __str__(self) -> str:
        return f"{self.family} at {self.url}"


def runtime_directory() -> Path:
    """Where the sockets lie: made when missing, nobody else's.

    Raises:
        NotThere: it cannot be made, or is not this user's own.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    path = Path(base) / "kioskwire-sim" if base and Path(base).is_dir() else Path(f"/tmp/kioskwire-sim-{os.getuid()}")  # noqa: S108
    try:
        path.mkdir(mode=0o700, parents=False, exist_ok=True)
        state = path.lstat()
    except OSError as error:
        raise NotThere(f"{path}: cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o077:
        raise NotThere(f"{path}: must be a directory of your own that nobody else may enter (chmod 700)")
    return path


class ControlServer:
    """Lets others do things to one host.

    Args:
        state: its directory, told to who asks.
        path: the socket; None: a name of its own in `runtime_directory`.
    """

    def __init__(self, host: DeviceHost, *, state: str = "", path: Path | None = None) -> None:
        self._host = host
        self._state = state
        self.path = path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen. Raises `NotThere`."""
        if self.path is None:
            self.path = runtime_directory() / f"{self._host.simulator.family}-{os.getpid()}.sock"
        with contextlib.suppress(OSError):
            self.path.unlink()
        try:
            self._server = await asyncio.start_unix_server(self._serve, self.path, limit=_LINE_MAX_BYTES)
            self.path.chmod(0o600)
        except OSError as error:
            raise NotThere(f"{self.path}: cannot listen: {error.strerror or error}") from error

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None and self.path is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            with contextlib.suppress(OSError):
                self.path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(self._answer(line)) + b"\n")
                await writer.drain()
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # gone, or a line without end
        finally:
            self._tasks.discard(task)
            writer.close()

    def _answer(self, line: bytes) -> Told:
        try:
            asked = msgspec.json.decode(line, type=Asked)
            if asked.do == "hello":
                return Told(ok=True, figures=msgspec.to_builtins(describe(self._host, self._state)))
            return Told(ok=True, figures=dict(self._host.do(asked.do, **asked.arguments)))
        except msgspec.DecodeError as error:
            return Told(ok=False, error=f"not understood: {error}")
        except Exception as error:
            # Whatever a simulator's hand raises: the one who asked is told, and the device goes on.
            return Told(ok=False, error=str(error) or type(error).__name__)


def describe(host: DeviceHost, state: str = "") -> Running:
    """What `hello` tells."""
    controls = host.all_controls()
    return Running(
        family=host.simulator.family,
        url=host.url,
        pid=os.getpid(),
        state=state,
        controls={name: dict(control.arguments) for name, control in controls.items()},
        summaries={name: control.summary for name, control in controls.items()},
        takes={name: sorted(minors) for name, minors in host.simulator.takes().items()},
    )


def ask(path: Path | str, do: str, arguments: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Do something to the simulator behind a socket, and wait for its figures.

    Raises:
        ControlError: it said no, and why.
        NotThere: nobody answers.
    """
    line = msgspec.json.encode(Asked(do, dict(arguments or {}))) + b"\n"
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(_ANSWER_S)
        try:
            end.connect(str(path))
            end.sendall(line)
            with end.makefile("rb") as file:
                answer = file.readline()
        except OSError as error:
            raise NotThere(f"{path}: nobody answers: {error.strerror or error}") from error
    if not answer.endswith(b"\n"):
        raise NotThere(f"{path}: hung up without an answer")
    told = msgspec.json.decode(answer, type=Told)
    if not told.ok:
        raise ControlError(told.error)
    return told.figures


def find_running() -> list[Running]:
    """Every simulator of this user that answers, by family and line; what dead ones left is cleared away.

    Raises:
        NotThere: the directory cannot be used.
    """
    found = []
    for path in sorted(runtime_directory().glob("*.sock")):
        try:
            figures = ask(path, "hello")
            found.append(msgspec.convert({**figures, "socket": str(path)}, Running))
        except NotThere:
            if not _is_alive(path):
                with contextlib.suppress(OSError):
                    path.unlink()
        except (ControlError, msgspec.MsgspecError):
            continue  # of another version
    return found


def read_words(controls: Mapping[str, Control] | Mapping[str, Mapping[str, str]], words: Sequence[str]) -> Asked:
    """What a person typed: `insert 1000`, `insert value=1000`, `paper-out`.

    Raises:
        ControlError: there is no such control, or it takes no such arguments.
    """
    if not words:
        raise ControlError(f"say what to do: one of {', '.join(sorted(controls))}")
    name = words[0].replace("-", "_")
    if name not in controls:
        there = ", ".join(sorted(each.replace("_", "-") for each in controls))
        raise ControlError(f"there is no {words[0]}; there are {there}")
    known = controls[name]
    names = list(known.arguments if isinstance(known, Control) else known)
    # A person says 500 and means five hundred; `minor=` is there for who wants to be exact.
    of_major = "minor" in names and "value" not in names
    typed = ["value" if key == "minor" and of_major else key for key in names]
    if "value" in typed:
        typed.sort(key=lambda key: key != "value")
    arguments: dict[str, str] = {}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        key = key.replace("-", "_")
        if not equals or key not in {*names, *typed}:
            left = [argument for argument in typed if argument not in arguments]
            if not left or equals:
                takes = f"takes {', '.join(typed)}" if typed else "takes no arguments"
                raise ControlError(f"{words[0]} {takes}, not {word}")
            key, value = left[0], word
        if key in arguments:
            raise ControlError(f"{words[0]}: {key} is given twice")
        arguments[key] = value
    if of_major and "value" in arguments:
        arguments["minor"] = _minor(arguments.pop("value"))
    return Asked(name, arguments)


def _minor(value: str) -> str:
    """Of currencies with two digits behind the point, which all are that devices here take."""
    try:
        minor = Decimal(value) * 100
        if minor == minor.to_integral_value():
            return str(int(minor))
    except ArithmeticError:
        pass
    raise ControlError(f"value={value}: right would be an amount such as 500")


def _is_alive(path: Path) -> bool:
    """Whether the process that made the socket may still run."""
    pid = path.stem.rpartition("-")[2]
    return pid.isdigit() and Path(f"/proc/{pid}").exists()
