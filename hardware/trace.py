"""Every byte of a line with its time, in a file that a person can read and a test can replay.

    # kioskwire trace 1
    # program: kioskwire 0.1.0
    # device: bills
    # protocol: ccnet
    # url: /dev/serial/by-id/usb-FTDI_A1
    # line: 9600 8N1
    2026-11-21T13:20:11.123456Z   8123.456789 * opened /dev/serial/by-id/usb-FTDI_A1, 9600 8N1
    2026-11-21T13:20:11.124011Z   8123.457344 > 02 03 06 33 DA 81
    2026-11-21T13:20:11.140250Z   8123.473583 < 02 03 06 14 67 D4

One line for each piece as it was read or written, cut wherever the line cut it: the wall's time, seconds of a monotonic
clock (whose zero means nothing), `>` from the host, `<` from the device, `*` what became of the port. A header begins
each start of the program.

A trace is written only when somebody asked for it. It is bounded: a file that reaches its limit becomes `<file>.1`, in
the place of the one before it. It is written by a thread of its own, so that a slow card never delays a device; what
that cannot keep up with is counted and left out, and a disk that is full ends the trace with one warning.

Nothing is masked: a trace with changed bytes could be neither checked nor replayed. No card data passes these lines,
but **a fiscal register's password stands in every one of its frames**, and what customers bought stands there too. The
file is readable by its owner only (mode 0600); treat it as the register's settings.
"""

import contextlib
import datetime
import logging
import os
import queue
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from hardware.errors import TransportError
from hardware.explain import Sender
from hardware.ports import Port
from wire.version import VERSION

MAX_BYTES = 4 * 1024 * 1024  # of one file; two are kept. At a poll each 0.2 s that is some hours of CCNET each.
BEHIND_MAX = 10_000  # lines that wait for the disk
_CLOSE_S = 5.0
_MAGIC = "# kioskwire trace 1"
_SIGNS: dict[Sender, str] = {"host": ">", "device": "<"}
_SENDERS: dict[str, Sender] = {sign: sender for sender, sign in _SIGNS.items()}
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z) +(\d+\.\d{6}) ([<>*]) ?(.*)")

_log = logging.getLogger(__name__)


class Trace:
    """Writes one device's trace.

    Args:
        path: the file; it goes on where it ended.
        device: the device's name.
        protocol: what `decode` calls what is spoken there (`catalogue.PROTOCOLS`); "" if it has no such name.
        url: the port's.
        line: how bytes stand on it, in words. This and the URL are the first port's own where they are not said.
        note: what a reader should know: firmware, what was being done.
        max_bytes: of one file.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str,
        protocol: str,
        url: str = "",
        line: str = "",
        note: str = "",
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._about = {
            "program": f"kioskwire {VERSION}",
            "device": device,
            "protocol": protocol,
            "url": url,
            "line": line,
            "note": note,
        }
        self._device = device
        self._lines: queue.Queue[str | None] = queue.Queue(BEHIND_MAX)
        self._left_out = 0
        self._writer: threading.Thread | None = None
        self._stopped = False

    def wrap(self, port: Port) -> Port:
        """The same port, with everything that passes written down. Never fails for the trace's sake."""
        if self._writer is None and not self._stopped:
            url, _, line = port.words.partition(", ")
            self._about["url"] = self._about["url"] or url
            self._about["line"] = self._about["line"] or line
            self._writer = threading.Thread(target=self._write, name=f"{self._device} trace", daemon=True)
            self._writer.start()
        return _TracedPort(port, self)

    def close(self) -> None:
        """Write what waits. Harmless when done twice."""
        self._stopped = True
        if self._writer is not None and self._writer.is_alive():
            with contextlib.suppress(queue.Full):
                self._lines.put(None, timeout=_CLOSE_S)
            self._writer.join(_CLOSE_S)
        self._writer = None

    def bytes_passed(self, sender: Sender, data: bytes) -> None:
        """A piece of the line, now."""
        self._note(_SIGNS[sender], data.hex(" ").upper())

    def happened(self, words: str) -> None:
        """Something became of the port, now."""
        self._note("*", _one_line(words))

    def _note(self, sign: str, text: str) -> None:
        if self._stopped:
            return
        try:
            self._lines.put_nowait(_written(sign, text))
        except queue.Full:
            self._left_out += 1

    # The thread

    def _write(self) -> None:
        about = [f"# {name}: {_one_line(value)}" for name, value in self._about.items() if value]
        file = _File(self._path, "\n".join([_MAGIC, *about, ""]), self._max_bytes)
        try:
            last = False
            while not last:
                lines = [self._lines.get()]
                with contextlib.suppress(queue.Empty):
                    while True:
                        lines.append(self._lines.get_nowait())
                last = None in lines
                if left_out := self._left_out:
                    self._left_out -= left_out
                    lines.append(_written("*", f"{left_out} pieces left out, the disk was too slow"))
                file.append([line for line in lines if line is not None])
        except OSError as error:
            self._stopped = True
            _log.warning("%s: the trace ends, %s: %s", self._device, self._path, error.strerror or error)
        finally:
            file.close()


def _written(sign: str, text: str) -> str:
    at = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return f"{at} {time.monotonic():14.6f} {sign} {text}\n"


class _File:
    """The file and its predecessor."""

    def __init__(self, path: Path, header: str, max_bytes: int) -> None:
        self._path, self._header, self._max_bytes = path, header, max_bytes
        self._fd = -1
        self._size = 0

    def append(self, lines: Sequence[str]) -> None:
        """Raises `OSError`."""
        if self._fd < 0:
            self._open()
        for line in lines:
            data = line.encode()
            if self._size + len(data) > self._max_bytes and self._size > len(self._header):
                self.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._open()
            self._put(data)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        self._fd = os.open(
            self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )  # fmt: skip
        os.fchmod(self._fd, 0o600)
        self._size = os.fstat(self._fd).st_size
        # A line that was cut off when the power went must not run into the header.
        self._put((b"\n" if self._size else b"") + self._header.encode())

    def _put(self, data: bytes) -> None:
        while data:
            written = os.write(self._fd, data)
            self._size += written
            data = data[written:]


class _TracedPort(Port):
    def __init__(self, port: Port, trace: Trace) -> None:
        self.words = port.words
        self._port = port
        self._trace = trace
        self._told_end = False
        trace.happened(f"opened {port.words}")

    async def read(self) -> bytes:
        try:
            data = await self._port.read()
        except TransportError as error:
            self._ended(str(error))
            raise
        self._trace.bytes_passed("device", data)
        return data

    async def write(self, data: bytes) -> None:
        self._trace.bytes_passed("host", data)
        try:
            await self._port.write(data)
        except TransportError as error:
            self._ended(str(error))
            raise

    def set_baud(self, baud: int) -> None:
        self._trace.happened(f"baud {baud}")
        self._port.set_baud(baud)

    def close(self) -> None:
        self._port.close()
        self._ended("closed")

    def _ended(self, words: str) -> None:
        if not self._told_end:
            self._told_end = True
            self._trace.happened(f"lost {words}")


# Reading


class TraceError(ValueError):
    """The file is no trace; `str()` says where and why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One line of a trace.

    `at` is the wall's time in UTC, `seconds` the monotonic clock's. `sender` is None for what became of the port,
    which `words` says: "opened …", "lost …", "baud 19200".
    """

    at: datetime.datetime
    seconds: float
    sender: Sender | None
    data: bytes = b""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """One start of the program: what the header said ("device", "protocol", "url", "line", …), and what followed."""

    header: Mapping[str, str]
    pieces: tuple[Piece, ...]


def read_trace(path: Path) -> list[Recording]:
    """A trace's recordings, in their order; a last line that is not whole is left out.

    Raises:
        TraceError: it is no trace.
        OSError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: is no trace: it is not text") from error
    found: list[tuple[dict[str, str], list[Piece]]] = []
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1], 1):
        if line == _MAGIC:
            found.append(({}, []))
        elif not line:
            continue
        elif not found:
            raise TraceError(f"{path}: is no trace: it does not begin with {_MAGIC!r}")
        elif line.startswith("# "):
            name, _, value = line[2:].partition(": ")
            found[-1][0][name] = value
        elif piece := _piece(line):
            found[-1][1].append(piece)
        elif lines[number] not in {"", _MAGIC}:  # else the power went, and what follows is the next start
            raise TraceError(f"{path}, line {number}: is no line of a trace: {line[:60]!r}")
    if not found:
        raise TraceError(f"{path}: is no trace: it is empty")
    return [Recording(MappingProxyType(header), tuple(pieces)) for header, pieces in found]


def _piece(line: str) -> Piece | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    at, seconds, sign, rest = match.groups()
    try:
        when = datetime.datetime.fromisoformat(at)
        data = b"" if sign == "*" else bytes.fromhex(rest)
    except ValueError:
        return None
    return Piece(when, float(seconds), _SENDERS.get(sign), data, rest if sign == "*" else "")


def _one_line(text: str) -> str:
    return " ".join(text.split())
