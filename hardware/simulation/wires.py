"""What a simulated device hangs on: a pseudo-terminal in the place of a serial port, or a TCP port.

Both are given bytes to put on the line and call back with those that came. They know neither power nor time.
"""

import asyncio
import contextlib
import os
import pty
import re
import socket
import struct
import termios
import tty
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

_CHUNK = 4096
_SPEEDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B[1-9]\d*", name)}
_CODES = {baud: code for code, baud in _SPEEDS.items()}

Arrived = Callable[[bytes], None]


class WireError(Exception):
    """The line cannot be had; `str()` says why."""


class Wire(ABC):
    """One line. `came` is called with bytes from the host, `hung_up` when it closed the line and the line can tell."""

    def __init__(self) -> None:
        self.came: Arrived = lambda _: None
        self.hung_up: Callable[[], None] = lambda: None

    @property
    @abstractmethod
    def url(self) -> str:
        """How a host opens it."""

    @property
    def baud(self) -> int | None:
        """The speed the host has set, or None where there is none to be set."""
        return None

    @abstractmethod
    def plug(self) -> None:
        """Make it appear. Raises `WireError`."""

    @abstractmethod
    def unplug(self) -> None:
        """Make it vanish: whoever has it open notices. Harmless when done twice."""

    @abstractmethod
    def put(self, data: bytes) -> None:
        """Bytes to the host. What nobody takes is lost, as on a real line."""

    def power(self, on: bool) -> None:  # noqa: B027 - a serial adapter has the host's power
        """The device's power came or went."""


class PtyWire(Wire):
    """A pseudo-terminal, with a name of its own.

    Args:
        link: a symbolic link that names it while it is plugged; it survives the host's closing and opening.
        baud: the speed a host finds that sets none.
    """

    def __init__(self, link: Path | None = None, baud: int = 9600) -> None:
        super().__init__()
        self._link, self._baud = link, baud
        self._master = self._slave = -1
        self._name = ""

    @property
    def url(self) -> str:
        return str(self._link.absolute()) if self._link is not None else self._name

    @property
    def baud(self) -> int | None:
        if self._slave < 0:
            return None
        return _SPEEDS.get(termios.tcgetattr(self._slave)[5])

    def plug(self) -> None:
        if self._master >= 0:
            return
        # The device's own hold on the other end keeps the pair alive while no host has it open.
        self._master, self._slave = pty.openpty()
        os.set_blocking(self._master, False)
        tty.setraw(self._slave)
        attributes = termios.tcgetattr(self._slave)
        attributes[4] = attributes[5] = _CODES.get(self._baud, termios.B9600)
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)
        self._name = os.ttyname(self._slave)
        try:
            self._make_link()
        except OSError as error:
            self.unplug()
            raise WireError(f"{self._link}: cannot be made: {error.strerror}") from error
        except WireError:
            self.unplug()
            raise
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def unplug(self) -> None:
        if self._master < 0:
            return
        with contextlib.suppress(RuntimeError):  # no loop any more
            asyncio.get_running_loop().remove_reader(self._master)
        if self._link is not None:
            with contextlib.suppress(OSError):
                if self._link.readlink() == Path(self._name):
                    self._link.unlink()
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def put(self, data: bytes) -> None:
        if self._master < 0:
            return
        self._mark()
        try:
            written = os.write(self._master, data)
        except BlockingIOError:
            written = 0
        except OSError:
            return
        if written < len(data):
            # Nobody reads, and a serial port keeps no more than this.
            termios.tcflush(self._slave, termios.TCIFLUSH)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            if data := os.read(self._master, _CHUNK):
                self._mark()
                self.came(data)

    def _mark(self) -> None:
        """Leave something for the next host to set otherwise.

        A pseudo-terminal has no parity, and the C library refuses settings of which nothing but that would change
        (EINVAL), so that a host that wants parity could open it once only. Hosts clear this bit; it means nothing here.
        """
        attributes = termios.tcgetattr(self._slave)
        if not attributes[0] & termios.IGNBRK:
            attributes[0] |= termios.IGNBRK
            termios.tcsetattr(self._slave, termios.TCSANOW, attributes)

    def _make_link(self) -> None:
        if self._link is None:
            return
        if self._link.is_symlink():
            # Left over by a simulator that was killed; the number it names may be somebody else's by now.
            if not re.fullmatch(r"/dev/pts/\d+", str(self._link.readlink())):
                raise WireError(f"{self._link}: is a link to something else; right would be a new name")
        elif self._link.exists():
            raise WireError(f"{self._link}: exists already; right would be a new name")
        new = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        new.symlink_to(self._name)
        new.replace(self._link)


class TcpWire(Wire):
    """A TCP port, as an Ethernet converter or a device with a socket of its own has it: one host at a time.

    A second one is hung up at once. Without power nobody listens, and the host that was connected hears nothing, not
    even an end, until the power is back and its connection unknown.

    Args:
        host, port: where to listen; port 0 takes a free one, and keeps it.
        scheme: of its URL, for a device that speaks HTTP.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, scheme: str = "tcp") -> None:
        super().__init__()
        self._host, self._port, self._scheme = host, port, scheme
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._plugged = False
        self._powered = True

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self._port}"

    def plug(self) -> None:
        self._plugged = True
        self._listen()

    def unplug(self) -> None:
        self._plugged = False
        self._stop_listening()
        self._drop()

    def power(self, on: bool) -> None:
        self._powered = on
        if on:
            self._drop(reset=True)
            if self._plugged:
                self._listen()
        else:
            self._stop_listening()

    def put(self, data: bytes) -> None:
        if self._client is None or not self._powered:
            return
        try:
            sent = self._client.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._end()
            return
        if sent < len(data):
            # A host that does not read: a converter's buffer is small, and what does not fit breaks the stream.
            self._end(reset=True)

    def _listen(self) -> None:
        if self._listener is not None:
            return
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(4)
        except OSError as error:
            listener.close()
            raise WireError(f"cannot listen on {self.url}: {error.strerror or error}") from error
        self._port = listener.getsockname()[1]
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener.fileno(), self._accept)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            _forget(self._listener)
            self._listener = None

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            client, _address = self._listener.accept()
        except OSError:
            return
        if self._client is not None:
            self._read()  # it may have hung up, and that be noticed only after this one's coming
        if self._client is not None:
            client.close()
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        asyncio.get_running_loop().add_reader(client.fileno(), self._read)

    def _read(self) -> None:
        if self._client is None:
            return
        try:
            data = self._client.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.came(data)
        else:
            self._end()

    def _end(self, *, reset: bool = False) -> None:
        self._drop(reset=reset)
        self.hung_up()

    def _drop(self, *, reset: bool = False) -> None:
        if self._client is not None:
            if reset:
                with contextlib.suppress(OSError):
                    self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            _forget(self._client)
            self._client = None


def _forget(end: socket.socket) -> None:
    with contextlib.suppress(RuntimeError):  # no loop any more
        asyncio.get_running_loop().remove_reader(end.fileno())
    end.close()
