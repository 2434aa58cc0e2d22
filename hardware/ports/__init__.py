"""A line opened by URL: a serial port, a TCP bridge, a simulator in this process.

    /dev/…            a serial port, by any name it has: /dev/ttyUSB0, /dev/serial/by-id/…, a link to a pty
    tcp://host:port   a serial device server, a device with a network socket; IPv6 as tcp://[::1]:4001
    sim://family      a simulated device, for as long as the port is open; ?option=value for its options, ?state=<dir>
                      for what it keeps between two lives

An adapter that was unplugged and comes back under another number is found again by a URL under /dev/serial/by-id or
by-path: the link opens the same URL anew, the name leads elsewhere, and no other device is touched. Looking for it
costs one open a few seconds (`link.Reconnect`); a watch on the directory would find it sooner by that much and no
more, and is one more thing to break.

`serial_port` is the only file that imports pyserial.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

FLOWS = ("", "rtscts", "dsrdtr", "xonxoff")
BAUDS = (50, 4_000_000)

# Each scheme's room, by name: nothing is imported that is not used, and simulators live above this floor. It has
# `check(url)`, which raises ValueError, and `open_port(url, line)`.
_ROOMS = {
    "": "hardware.ports.serial_port",
    "tcp": "hardware.ports.tcp",
    "sim": "hardware.simulation.local",
}


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How bytes stand on a serial line. A TCP line ignores it.

    Eight data bits; `parity` is N, E or O; `flow` as the device is set.

    Raises:
        ValueError: no line is like that.
    """

    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1
    flow: str = ""  # "", "rtscts", "dsrdtr" or "xonxoff"

    def __post_init__(self) -> None:
        if not BAUDS[0] <= self.baud <= BAUDS[1]:
            raise ValueError(f"baud: {self.baud} is no speed of a line; right would be {BAUDS[0]} to {BAUDS[1]}")
        if self.parity not in {"N", "E", "O"}:
            raise ValueError(f"parity: {self.parity!r}; right would be N, E or O")
        if self.stop_bits not in {1, 2}:
            raise ValueError(f"stop_bits: {self.stop_bits}; right would be 1 or 2")
        if self.flow not in FLOWS:
            raise ValueError(f"flow: {self.flow!r}; right would be rtscts, dsrdtr, xonxoff or nothing")

    def __str__(self) -> str:
        """As engineers write it: `9600 8N1`, `19200 8E1 rtscts`."""
        return f"{self.baud} 8{self.parity}{self.stop_bits} {self.flow}".rstrip()

    @property
    def byte_s(self) -> float:
        """How long one byte takes."""
        return (1 + 8 + (self.parity != "N") + self.stop_bits) / self.baud


class Port(ABC):
    """One open line. Read by one task at a time and written by one; after `TransportError` only `close` is of use."""

    words: str = ""
    """What was opened, for the log and the trace: "/dev/ttyUSB0, 9600 8N1"."""

    @abstractmethod
    async def read(self) -> bytes:
        """What has come, at least one byte; waits without end.

        Raises:
            TransportError: the line is gone, or `close` was called; what had come before is given first.
        """

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """All of it handed to the line. Raises `TransportError`: gone, or stuck for longer than it takes."""

    @abstractmethod
    def set_baud(self, baud: int) -> None:
        """Another speed from now on; what had come is dropped. Never raises: a line that cannot do it is gone."""

    @abstractmethod
    def close(self) -> None:
        """Give it back. Never raises; harmless when done twice."""


def check_url(url: str) -> None:
    """Raises `ValueError` when nothing could ever be opened by this URL, naming what could."""
    _room(url)[0](url)


async def open_port(url: str, line: LineSettings) -> Port:
    """Open `/dev/…`, `tcp://host:port` or `sim://family`.

    Raises:
        TransportError: it cannot be opened now: missing, taken by somebody, no right.
        ValueError: the URL is none of these.
    """
    check, opener = _room(url)
    check(url)
    return await opener(url, line)


_Check = Callable[[str], None]
_Opener = Callable[[str, LineSettings], Awaitable[Port]]


def _room(url: str) -> tuple[_Check, _Opener]:
    scheme = "" if url.startswith("/") else urlsplit(url).scheme or "?"
    if scheme not in _ROOMS:
        raise ValueError(f"{url!r} names no line; right would be /dev/…, tcp://host:port or sim://family")
    module = importlib.import_module(_ROOMS[scheme])
    return cast("_Check", module.check), cast("_Opener", module.open_port)
