"""Bytes and frames: `02 ADR LNG data CRClo CRChi`, with nothing escaped.

An 02 inside the data is legal, so a reader can only go by the length and the sum. What is no frame is left byte by
byte: the length of a damaged frame says nothing about where the next one begins.

Whose frame it is cannot be seen in it: the first byte of the data is a command when the host sends and already the
answer when the device does. That matters only for long frames (LNG 00), whose length stands behind the command.

Source: CCNET, Document 1, rev. 2.6.0, message format.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from hardware.checksums import crc16_kermit

SYNC = 0x02
SHORT_MIN = 6  # a frame with one byte of data
SHORT_MAX = 250  # longer ones carry 00 for LNG, and a length of two bytes
LONG_MAX = 0xFFFF
SKIPPED_MAX = 4096  # noise is handed on in stretches of at most this many bytes

ACK = b"\x00"
NAK = b"\xff"
ILLEGAL = b"\x30"

SUBCOMMANDED = frozenset({0x50, 0xF0})
"""Commands with a second byte of command: in a long frame of theirs the length stands behind it. The document names no
list; a reader takes the length from the other place too where only that gives a good sum."""

Sender = Literal["host", "device"]


class Address(IntEnum):
    """What kind of peripheral is spoken to, or speaks. 05 to 0D are reserved, 00 is forbidden."""

    BILL_TO_BILL = 0x01
    COIN_CHANGER = 0x02
    BILL_VALIDATOR = 0x03
    CARD_READER = 0x04
    BROADCAST = 0x0E  # reserved; never answers


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `data` is command, subcommand and data of the host's, or the whole answer of the device's.

    `long`: it is written with a length of two bytes though it would fit; those that do not fit always are.
    `ahead`: how many bytes of a host's data stand before that length, where it is not as the command has it.
    """

    address: int
    data: bytes
    long: bool = False
    ahead: int | None = None

    def __str__(self) -> str:
        shown = self.data.hex().upper()
        return f"{self.address:02X}:{shown if len(shown) <= 40 else shown[:38] + '…'}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A stretch of bytes that is no frame, and why its first byte cannot begin one.

    `sent` and `reckoned` are the sums of a frame whose sum is wrong, else None.
    """

    data: bytes
    fault: str
    sent: int | None = None
    reckoned: int | None = None


def encode(frame: Frame, sender: Sender) -> bytes:
    """The bytes of a frame.

    Raises:
        ValueError: it has no data, too much of it, or no such address.
    """
    if _address_fault(frame.address, sender):
        raise ValueError(_address_fault(frame.address, sender))
    if not frame.data:
        raise ValueError("a frame carries at least one byte")
    length = 5 + len(frame.data)
    if length <= SHORT_MAX and not frame.long:
        body = bytes([SYNC, frame.address, length]) + frame.data
    else:
        length += 2
        if length > LONG_MAX:
            raise ValueError(f"{len(frame.data)} bytes of data do not fit a frame")
        ahead = _ahead_of_length(frame.data[0], sender) if frame.ahead is None else frame.ahead
        if len(frame.data) < ahead:
            raise ValueError(f"command {frame.data[0]:02X} has a subcommand")
        body = bytes([SYNC, frame.address, 0]) + frame.data[:ahead] + length.to_bytes(2, "big") + frame.data[ahead:]
    return body + crc16_kermit(body).to_bytes(2, "little")


class FrameReader:
    """Reads what one end sends. Cut anywhere, never raising; a half frame waits for the rest until `reset`."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.dropped = 0  # bytes that were no part of a frame
        self.damaged = 0  # frames of which only the sum was wrong
        self._buffer = bytearray()
        self._run = bytearray()  # what is being skipped
        self._why = Skipped(b"", "")

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that have become whole."""
        return [piece for piece in self.scan(data) if isinstance(piece, Frame)]

    def scan(self, data: bytes) -> list[Frame | Skipped]:
        """Frames, and what was skipped before each of them, in the order of the line."""
        self._buffer += data
        found: list[Frame | Skipped] = []
        while self._buffer:
            match self._first():
                case None:
                    break
                case Frame() as frame, int(size):
                    found += self._end_of_run()
                    found.append(frame)
                    del self._buffer[:size]
                case Skipped() as why:
                    found += self._skip(why)
        return found

    def rest(self) -> list[Frame | Skipped]:
        """No more will come: what is left over, read as far as it goes."""
        found: list[Frame | Skipped] = []
        while self._buffer:
            found += self._skip(self._why_left())
            found += self.scan(b"")
        return [*found, *self._end_of_run()]

    def reset(self) -> int:
        """Forget a half frame: its rest is not to be expected any more. How many bytes that were."""
        forgotten = len(self._buffer)
        self.dropped += forgotten
        self._buffer.clear()
        self._run.clear()
        return forgotten

    @property
    def pending(self) -> bool:
        """Whether a half frame waits."""
        return bool(self._buffer)

    def _first(self) -> tuple[Frame, int] | Skipped | None:
        """What stands at the beginning of the buffer; None when that cannot be told yet."""
        buffer = self._buffer
        if buffer[0] != SYNC:
            return Skipped(b"", f"a frame begins with 02, not {buffer[0]:02X}")
        if len(buffer) < 2:
            return None
        if fault := _address_fault(buffer[1], self.sender):
            return Skipped(b"", fault)
        if len(buffer) < 3:
            return None
        length = buffer[2]
        if length == 0:
            return self._first_long()
        if not SHORT_MIN <= length <= SHORT_MAX:
            return Skipped(b"", f"LNG is {length}, must be {SHORT_MIN} to {SHORT_MAX}, or 0 for a long frame")
        if len(buffer) < length:
            return None
        return self._checked(length, bytes(buffer[3 : length - 2]))

    def _why_left(self) -> Skipped:
        """Why what waits for more is no frame. A long one may be whole as it is usually read, with a wrong sum."""
        buffer = self._buffer
        if self.sender == "host" and len(buffer) >= 7 and buffer[2] == 0:
            read = self._read_long(_ahead_of_length(buffer[3], "host"))
            if isinstance(read, Skipped):
                return read
        return Skipped(b"", f"it ends after {len(buffer)} bytes, before its end")

    def _first_long(self) -> tuple[Frame, int] | Skipped | None:
        """A long frame. The shorter of two readings is tried first, however the bytes come."""
        buffer = self._buffer
        if self.sender == "device":
            return self._read_long(0) if len(buffer) >= 5 else None
        if len(buffer) < 7:
            return None
        usual = _ahead_of_length(buffer[3], "host")
        lengths = {ahead: int.from_bytes(buffer[3 + ahead : 5 + ahead], "big") for ahead in (1, 2)}
        fault: Skipped | None = None
        for ahead in sorted(lengths, key=lambda ahead: (lengths[ahead], ahead != usual)):
            read = self._read_long(ahead)
            if not isinstance(read, Skipped):
                return read
            if ahead == usual or fault is None:
                fault = read
        return fault

    def _read_long(self, ahead: int) -> tuple[Frame, int] | Skipped | None:
        buffer, at = self._buffer, 3 + ahead
        length = int.from_bytes(buffer[at : at + 2], "big")
        smallest = at + 2 + 2 + (0 if ahead else 1)
        if length < smallest:
            return Skipped(b"", f"the length of a long frame is {length}, must be at least {smallest}")
        if len(buffer) < length:
            return None
        read = self._checked(length, bytes(buffer[3:at] + buffer[at + 2 : length - 2]))
        if isinstance(read, Skipped):
            return read
        frame, _ = read
        usual = _ahead_of_length(frame.data[0], self.sender)
        return Frame(frame.address, frame.data, long=True, ahead=None if ahead == usual else ahead), length

    def _checked(self, length: int, data: bytes) -> tuple[Frame, int] | Skipped:
        body, ending = bytes(self._buffer[: length - 2]), self._buffer[length - 2 : length]
        sent, reckoned = int.from_bytes(ending, "little"), crc16_kermit(body)
        if sent != reckoned:
            self.damaged += 1
            return Skipped(b"", f"CRC is {sent:04X}, must be {reckoned:04X}", sent, reckoned)
        return Frame(body[1], data), length

    def _skip(self, why: Skipped) -> Sequence[Skipped]:
        """Leave one byte. A stretch is told with the reason of its first byte, and the first wrong sum in it."""
        if not self._run or (self._why.sent is None and why.sent is not None):
            self._why = why
        self._run.append(self._buffer.pop(0))
        self.dropped += 1
        return self._end_of_run() if len(self._run) >= SKIPPED_MAX else ()

    def _end_of_run(self) -> Sequence[Skipped]:
        if not self._run:
            return ()
        run = Skipped(bytes(self._run), self._why.fault, self._why.sent, self._why.reckoned)
        self._run.clear()
        return (run,)


def _ahead_of_length(first: int, sender: Sender) -> int:
    """How many bytes of the data stand before the length of a long frame."""
    if sender == "device":
        return 0
    return 2 if first in SUBCOMMANDED else 1


def _address_fault(address: int, sender: Sender) -> str | None:
    if address == Address.BROADCAST and sender == "device":
        return "a device does not answer from the broadcast address 0E"
    if address not in Address.__members__.values():
        return f"ADR is {address:02X}, must be 01 to 04{' or 0E' if sender == 'host' else ''}"
    return None
