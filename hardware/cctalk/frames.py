"""Bytes and frames.

    sum-8    DEST | LEN | SRC   | HEADER | DATA | SUM       the sum of all bytes is 0 modulo 256
    CRC-16   DEST | LEN | CRClo | HEADER | DATA | CRChi     over DEST, LEN, HEADER, DATA

There is no first byte to look for: where a frame begins is known from silence, and after noise only by trying. A
`FrameReader` therefore drops one byte of what cannot be a frame and looks again; whoever has a clock calls `drop` when
the line was silent for `GAP_S` in the middle of one.
"""

from dataclasses import dataclass
from enum import StrEnum

from hardware.checksums import crc16_xmodem, sum8_to_zero

GAP_S = 0.05  # silence that ends a frame (vltgroup/ccTalk, citing Part 1, 11.1)
OVERHEAD = 5
HOST = 1
BROADCAST = 0
REPLY = 0
NAK = 5
BUSY = 6


class Sum(StrEnum):
    """Which sum a device speaks: a setting of each device."""

    SUM8 = "sum8"
    CRC16 = "crc16"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `src` is None with the CRC, which has no room for it."""

    dest: int
    header: int
    data: bytes = b""
    src: int | None = HOST

    def __str__(self) -> str:
        return f"{self.src if self.src is not None else '?'}→{self.dest} {self.header} {self.data.hex(' ')}".rstrip()


def encode(frame: Frame, kind: Sum) -> bytes:
    """The frame's bytes.

    Raises:
        ValueError: it does not fit a frame: more than 255 bytes of data, a number beyond a byte, no `src` with sum-8.
    """
    if len(frame.data) > 255:
        raise ValueError(f"{len(frame.data)} bytes of data do not fit a ccTalk frame, which takes 255")
    if kind is Sum.CRC16:
        crc = _crc(frame.dest, frame.header, frame.data)
        return bytes((frame.dest, len(frame.data), crc & 0xFF, frame.header)) + frame.data + bytes((crc >> 8,))
    if frame.src is None:
        raise ValueError("a frame with sum-8 names its sender")
    body = bytes((frame.dest, len(frame.data), frame.src, frame.header)) + frame.data
    return body + bytes((sum8_to_zero(body),))


def sums(data: bytes, kind: Sum) -> tuple[int, int]:
    """The sum that stands in a whole frame, and the one that should."""
    if kind is Sum.CRC16:
        return data[-1] << 8 | data[2], _crc(data[0], data[3], data[4:-1])
    return data[-1], sum8_to_zero(data[:-1])


def decode(data: bytes, kind: Sum) -> Frame:
    """One whole frame.

    Raises:
        ValueError: why it must be refused.
    """
    if len(data) < OVERHEAD:
        raise ValueError(f"too short: a frame has at least {OVERHEAD} bytes, here are {len(data)}")
    if len(data) != data[1] + OVERHEAD:
        raise ValueError(f"the length says {data[1]} bytes of data, here are {len(data) - OVERHEAD}")
    sent, reckoned = sums(data, kind)
    if sent != reckoned:
        digits = 2 if kind is Sum.SUM8 else 4
        raise ValueError(f"the checksum is {sent:0{digits}X} and should be {reckoned:0{digits}X}")
    return Frame(data[0], data[3], data[4:-1], data[2] if kind is Sum.SUM8 else None)


class FrameReader:
    """Frames from a stream, however it is cut. Never raises.

    Args:
        kind: which sum.
        dest: only frames to this address are taken for frames; None takes all.

    Attributes:
        skipped: bytes that were of no frame, since it was made.
    """

    def __init__(self, kind: Sum, dest: int | None = None) -> None:
        self._kind = kind
        self._dest = dest
        self._unread = bytearray()
        self.skipped = 0

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._unread)

    def feed(self, data: bytes) -> list[Frame]:
        """What has become whole."""
        self._unread += data
        found = []
        while self._unread:
            if self._dest is not None and self._unread[0] != self._dest:
                self._skip()
                continue
            if len(self._unread) < 2 or len(self._unread) < (size := self._unread[1] + OVERHEAD):
                break
            try:
                found.append(decode(bytes(self._unread[:size]), self._kind))
            except ValueError:
                self._skip()
            else:
                del self._unread[:size]
        return found

    def drop(self) -> None:
        """The line was silent: what is half here will not become whole."""
        self.skipped += len(self._unread)
        self._unread.clear()

    def _skip(self) -> None:
        self.skipped += 1
        del self._unread[0]


def _crc(dest: int, header: int, data: bytes) -> int:
    return crc16_xmodem(bytes((dest, len(data), header)) + data)
