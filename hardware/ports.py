"""A line opened by URL. The only file that imports pyserial."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How bytes stand on a serial line. A TCP line ignores it.

    `parity` is N, E or O; `hardware_flow` is RTS/CTS or DSR/DTR as the device's family says.
    """

    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1
    flow: str = ""  # "", "rtscts", "dsrdtr" or "xonxoff"


class Port(ABC):
    """One open line. Read by one task at a time; after `TransportError` only `close` is of use."""

    @abstractmethod
    async def read(self) -> bytes:
        """What has come, at least one byte; waits without end. Raises `TransportError` when the line is gone."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """All of it handed to the line. Raises `TransportError`: gone, or stuck for longer than it takes."""

    @abstractmethod
    def set_baud(self, baud: int) -> None:
        """Another speed from now on; what had come is dropped."""

    @abstractmethod
    def close(self) -> None:
        """Give it back. Never raises; harmless when done twice."""


async def open_port(url: str, line: LineSettings) -> Port:
    """Open `/dev/…`, `tcp://host:port` or `sim://family`.

    Raises:
        TransportError: it cannot be opened now: missing, taken by somebody, no right.
        ValueError: the URL is none of these.
    """
    raise NotImplementedError
