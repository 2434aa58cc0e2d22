"""Serial ports through pyserial, the only file that imports it: opened for us alone, never blocking.

pyserial sets a port up and finds what ports there are. Reading and writing are the event loop's (`stream`): its own
`read` and `write` wait in the calling thread.

While a port is open DTR and RTS are raised (converters take their supply from them, printers take it for "the host is
there") unless the flow control has RTS for itself; closing lowers them.
"""

import asyncio
import contextlib
import errno
import fcntl
import grp
import os
import struct
import termios
from pathlib import Path

import serial
from serial.tools import list_ports

from hardware.errors import TransportError
from hardware.ports import LineSettings, Port
from hardware.ports.stream import StreamPort

LATENCY_MS = 1  # what an FTDI adapter waits for more bytes before it hands some over; its default is 16
_SYSFS = Path("/sys/bus/usb-serial/devices")
_PTY_MAJORS = range(136, 144)  # a simulator holds both ends, so that TIOCEXCL would outlive us if we were killed
_PIECE_BYTES = 64  # written at once where DTR/DSR is looked at in between
_LOOK_AGAIN_S = 0.01
_PENDING_MAX_BYTES = 256  # goes out in a quarter of a second at 9600 bauds


def check(url: str) -> None:
    """Any absolute path may be a port some day."""


async def open_port(url: str, line: LineSettings) -> Port:
    """Open it. Raises `TransportError`.

    In a thread, as opening asks a USB adapter several questions, and one that is broken answers after seconds.
    """
    opening = asyncio.ensure_future(asyncio.to_thread(_open, url, line))
    try:
        device = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_give_back)
        raise
    return SerialPort(device, url, line)


def comports() -> list[tuple[str, str, int | None, int | None, str]]:
    """What is plugged in: path, description, USB vendor and product, serial number; as pyserial knows them."""
    return [
        (port.device, _description(port.description), port.vid, port.pid, port.serial_number or "")
        for port in list_ports.comports()
    ]


class SerialPort(StreamPort):
    """A port that pyserial opened."""

    def __init__(self, device: serial.Serial, url: str, line: LineSettings) -> None:
        self._device = device
        self._url = url
        self._line = line
        self._baud = line.baud
        super().__init__(device.fileno(), f"{url}, {line}")

    async def write(self, data: bytes) -> None:
        """See `Port.write`."""
        if self._line.flow != "dsrdtr":
            await super().write(data)
            return
        # Linux knows no DTR/DSR handshake, so it is kept here: a piece at a time, each once the device is ready.
        for start in range(0, len(data), _PIECE_BYTES):
            await self._device_ready()
            await super().write(data[start : start + _PIECE_BYTES])

    def set_baud(self, baud: int) -> None:
        """See `Port.set_baud`."""
        if self._closed or self._end is not None:
            return
        try:
            self._device.baudrate = baud
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except (OSError, ValueError, termios.error) as error:
            self._fail(f"cannot be set to {baud} bauds: {error}")
            return
        self._baud = baud
        super().set_baud(baud)

    def _write_limit_s(self, size: int) -> float:
        return 1.0 + 3 * size * self._line.byte_s * self._line.baud / self._baud

    def _stuck_hint(self) -> str:
        if self._line.flow:
            return f"; the device holds its {self._line.flow} line back, or is set to another flow control"
        return "; the adapter does not go on"

    def _release(self) -> None:
        fd = self._fd
        with contextlib.suppress(OSError, termios.error):
            # The kernel waits half a minute for bytes that flow control holds back, and the whole loop with it.
            if self._line.flow or _pending(fd) > _PENDING_MAX_BYTES:
                termios.tcflush(fd, termios.TCOFLUSH)
        with contextlib.suppress(OSError, termios.error):
            self._device.dtr = False
            if self._line.flow != "rtscts":
                self._device.rts = False
        with contextlib.suppress(OSError):
            fcntl.ioctl(fd, termios.TIOCNXCL)
        with contextlib.suppress(OSError):
            self._device.close()

    async def _device_ready(self) -> None:
        """Wait until the device raises DSR; where there is no such line (a pty), it is ready."""
        limit_s = self._write_limit_s(_PIECE_BYTES)
        with contextlib.suppress(OSError):
            try:
                async with asyncio.timeout(limit_s):
                    while self._end is None and not self._device.dsr:  # noqa: ASYNC110, a line has no event
                        await asyncio.sleep(_LOOK_AGAIN_S)
            except TimeoutError:
                self._fail(f"stuck: DSR was not raised within {limit_s:.1f} s{self._stuck_hint()}")


def _open(url: str, line: LineSettings) -> serial.Serial:
    try:
        device = serial.Serial(
            url, line.baud, parity=line.parity, stopbits=line.stop_bits, exclusive=True, timeout=0,
            # Makes a read of nothing an EAGAIN; with pyserial's own 0 it is b"", the same as an unplugged port.
            inter_byte_timeout=0.01,
            rtscts=line.flow == "rtscts", xonxoff=line.flow == "xonxoff",
        )  # fmt: skip
    except (OSError, ValueError, termios.error) as error:
        raise TransportError(_why_not(url, error)) from error
    if os.major(os.fstat(device.fileno()).st_rdev) not in _PTY_MAJORS:
        # Beside pyserial's flock, for programs that do not look at that one.
        with contextlib.suppress(OSError):
            fcntl.ioctl(device.fileno(), termios.TIOCEXCL)
    _hurry(device, Path(url))
    return device


def _hurry(device: serial.Serial, path: Path, sysfs: Path = _SYSFS) -> None:
    """Ask the adapter to hand bytes over as they come; those that have no such setting are as quick as they are."""
    with contextlib.suppress(OSError, ValueError, NotImplementedError):
        device.set_low_latency_mode(True)
    timer = sysfs / path.resolve().name / "latency_timer"
    with contextlib.suppress(OSError, ValueError):
        if int(timer.read_text()) > LATENCY_MS:
            timer.write_text(str(LATENCY_MS))


def _give_back(opening: "asyncio.Future[serial.Serial]") -> None:
    """It opened after nobody waited for it any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _pending(fd: int) -> int:
    """Bytes written and not yet on the wire."""
    (count,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0" * 4))
    return int(count)


def _why_not(url: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number is None and isinstance(error.__context__, termios.error):
        number = error.__context__.args[0]  # pyserial keeps only its words
    if number == errno.ENOENT:
        return f"there is no port {url}; {_what_there_is()}"
    if number in {errno.EACCES, errno.EPERM}:
        group = _group(url)
        if group == "root":  # nobody is to be put into that one
            return f"no right to open {url}: it is for root alone; a udev rule can change that"
        return f"no right to open {url}: it is for the group {group}; sudo usermod -aG {group} <user>, then log in anew"
    if number in {errno.EBUSY, errno.EWOULDBLOCK}:
        return f"{url} is taken by another program; fuser -v {url} says which"
    if number in {errno.ENODEV, errno.ENXIO, errno.EIO}:
        return f"{url} has no device behind it (unplugged?)"
    if number in {errno.EISDIR, errno.ENOTTY, errno.ENOTDIR}:
        return f"{url} is no serial port; {_what_there_is()}"
    return f"{url} cannot be opened: {getattr(error, 'strerror', None) or error}"


def _what_there_is() -> str:
    there = [path for path, *_ in comports()]
    return f"there are {', '.join(there)}" if there else "there is no serial port at all"


def _group(url: str) -> str:
    try:
        return grp.getgrgid(Path(url).stat().st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"


def _description(words: str | None) -> str:
    return "" if words in {None, "n/a"} else str(words)
