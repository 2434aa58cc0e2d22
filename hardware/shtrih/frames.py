"""Bytes and frames of both link layers.

Version 1: `02 LEN DATA LRC` between the control bytes ENQ 05, ACK 06, NAK 15. LEN counts DATA, LRC is the exclusive-or
of LEN and DATA; nothing is escaped. Bytes FF between frames are noise that some USB-Ethernet models send.

Version 2: `8F LEN NUM DATA CRC`, LEN and NUM of two bytes, low first, LEN counting NUM and DATA; CRC-16/CCITT-FALSE
over LEN to DATA, low byte first. Behind the first 8F everything is stuffed: 8F is sent as 9F 81 and 9F as 9F 83, so
that a bare 8F always begins a frame. LEN 0 (no NUM) asks for the last answer.

DATA is the same in both: a command or an answer of `commands`.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from hardware.checksums import crc16_ccitt_false, xor8
from hardware.errors import LocalProtocolError

ENQ, STX, ACK, NAK = 0x05, 0x02, 0x06, 0x15
NOISE = 0xFF
CONTROLS = {ENQ: "ENQ", ACK: "ACK", NAK: "NAK"}
V1_DATA_MAX = 255
START, ESCAPE = 0x8F, 0x9F
_STUFFED = {0x8F: b"\x9f\x81", 0x9F: b"\x9f\x83"}
_UNSTUFFED = {0x81: 0x8F, 0x83: 0x9F}
V2_DATA_MAX = 0xFFFF - 2


@dataclass(frozen=True, slots=True)
class Control:
    """A control byte of version 1."""

    code: int

    def __str__(self) -> str:
        return CONTROLS[self.code]

    def encode(self) -> bytes:
        return bytes([self.code])


@dataclass(frozen=True, slots=True)
class FrameV1:
    """A command or an answer of version 1."""

    data: bytes

    def __str__(self) -> str:
        return f"v1 {_short(self.data)}"

    def encode(self) -> bytes:
        """Raises `LocalProtocolError`: no frame has that many bytes."""
        if not 1 <= len(self.data) <= V1_DATA_MAX:
            raise LocalProtocolError(f"a frame of {len(self.data)} bytes; version 1 takes 1 to {V1_DATA_MAX}")
        body = bytes([len(self.data)]) + self.data
        return bytes([STX]) + body + bytes([xor8(body)])


@dataclass(frozen=True, slots=True)
class FrameV2:
    """A command or an answer of version 2. `number` None: the question for the last answer (LEN 0)."""

    number: int | None
    data: bytes = b""

    def __str__(self) -> str:
        return f"v2 {'sync' if self.number is None else f'#{self.number} {_short(self.data)}'}"

    def encode(self) -> bytes:
        """Raises `LocalProtocolError`: a number or a length that does not fit."""
        if self.number is None:
            if self.data:
                raise LocalProtocolError("a frame without a number carries no data")
            return wrap_v2(b"")
        if not 0 <= self.number <= 0xFFFF or len(self.data) > V2_DATA_MAX:
            raise LocalProtocolError(f"frame number {self.number} with {len(self.data)} bytes does not fit")
        return wrap_v2(self.number.to_bytes(2, "little") + self.data)


def wrap_v2(payload: bytes) -> bytes:
    """LEN, the payload (NUM and DATA) and CRC, stuffed, behind the start byte."""
    body = len(payload).to_bytes(2, "little") + payload
    body += crc16_ccitt_false(body).to_bytes(2, "little")
    return bytes([START]) + b"".join(_STUFFED.get(byte, bytes([byte])) for byte in body)


@dataclass(frozen=True, slots=True)
class Dropped:
    """Bytes that are no frame. `noise`: FF between the frames of version 1, which is expected and harmless."""

    data: bytes
    reason: str
    noise: bool = False
    checksum: tuple[int, int] | None = None  # of a frame that was whole but for it: sent, reckoned


F = TypeVar("F", bound=Control | FrameV1 | FrameV2)


@dataclass(frozen=True, slots=True)
class _Wrong:
    reason: str
    checksum: tuple[int, int] | None = None


class FrameReader(Generic[F]):
    """Finds frames in what comes, however it is cut; drops one byte at a time where there is none.

    `skipped` counts dropped bytes, `damaged` beginnings of frames that turned out wrong.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self.damaged = 0
        self._buffer = bytearray()
        self._dropping: Dropped | None = None

    @property
    def partial(self) -> bool:
        """Bytes of a frame whose end is still to come."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[F]:
        """The frames that are whole now."""
        return [item for item in self.read(data) if not isinstance(item, Dropped)]

    def read(self, data: bytes) -> list[F | Dropped]:
        """As `feed`, with what was dropped before each."""
        self._buffer += data
        found: list[F | Dropped] = []
        while self._buffer:
            match self._next():
                case None:
                    break
                case _Wrong(reason, checksum):
                    self._drop(reason, checksum, found)
                case frame, size:
                    self._flush(found)
                    del self._buffer[:size]
                    found.append(frame)
        self._flush(found)
        return found

    def clear(self) -> bytes:
        """Forget a frame that did not end; its bytes count as skipped."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self.skipped += len(rest)
        return rest

    def _drop(self, reason: str, checksum: tuple[int, int] | None, found: list[F | Dropped]) -> None:
        gone = bytes(self._buffer[:1])
        del self._buffer[:1]
        self.skipped += 1
        noise = reason == ""
        last = self._dropping
        if last is not None and last.noise != noise:
            self._flush(found)
            last = None
        if last is None:
            self._dropping = Dropped(gone, reason, noise, checksum)
        else:
            self._dropping = Dropped(last.data + gone, last.reason, noise, last.checksum)

    def _flush(self, found: list[F | Dropped]) -> None:
        if self._dropping is not None:
            found.append(self._dropping)
            self._dropping = None

    def _next(self) -> "tuple[F, int] | _Wrong | None":
        """A frame at the buffer's beginning and how many bytes it takes, what is wrong there, or None: wait."""
        raise NotImplementedError


class ReaderV1(FrameReader["Control | FrameV1"]):
    """Reads version 1."""

    def _next(self) -> "tuple[Control | FrameV1, int] | _Wrong | None":
        buffer = self._buffer
        first = buffer[0]
        if first in CONTROLS:
            return Control(first), 1
        if first == NOISE:
            return _Wrong("")
        if first != STX:
            return _Wrong("bytes outside of any frame")
        if len(buffer) < 2:
            return None
        length = buffer[1]
        if length == 0:
            self.damaged += 1
            return _Wrong("a frame of length 0")
        if len(buffer) < length + 3:
            return None
        body = bytes(buffer[1 : length + 2])
        if (reckoned := xor8(body)) != buffer[length + 2]:
            self.damaged += 1
            return _Wrong(f"LRC {buffer[length + 2]:02X}, must be {reckoned:02X}", (buffer[length + 2], reckoned))
        return FrameV1(body[1:]), length + 3


class ReaderV2(FrameReader[FrameV2]):
    """Reads version 2."""

    def _next(self) -> "tuple[FrameV2, int] | _Wrong | None":
        if self._buffer[0] != START:
            return _Wrong("bytes outside of any frame")
        end = self._buffer.find(START, 1)
        reach = len(self._buffer) if end < 0 else end
        body = bytearray()
        at = 1
        need = 4  # LEN and CRC
        while at < reach and len(body) < need:
            byte = self._buffer[at]
            if byte == ESCAPE:
                if at + 1 >= reach:
                    break
                if self._buffer[at + 1] not in _UNSTUFFED:
                    return self._damaged(f"9F {self._buffer[at + 1]:02X} stands for nothing")
                byte = _UNSTUFFED[self._buffer[at + 1]]
                at += 1
            at += 1
            body.append(byte)
            if len(body) == 2:
                length = int.from_bytes(body, "little")
                if length == 1:
                    return self._damaged("LEN 1 is not possible")
                need = 4 + length
        if len(body) < need:
            return None if end < 0 else self._damaged("a start byte 8F inside of a frame")
        sent = int.from_bytes(body[-2:], "little")
        if (reckoned := crc16_ccitt_false(bytes(body[:-2]))) != sent:
            return self._damaged(f"CRC {sent:04X}, must be {reckoned:04X}", (sent, reckoned))
        if need == 4:
            return FrameV2(None), at
        return FrameV2(int.from_bytes(body[2:4], "little"), bytes(body[4:-2])), at

    def _damaged(self, reason: str, checksum: tuple[int, int] | None = None) -> _Wrong:
        self.damaged += 1
        return _Wrong(reason, checksum)


def unstuff(data: bytes) -> bytes | None:
    """The bytes that a stuffed stretch stands for, or None: it is not one."""
    plain = bytearray()
    rest = iter(data)
    for byte in rest:
        if byte == ESCAPE:
            meant = _UNSTUFFED.get(next(rest, -1))
            if meant is None:
                return None
            plain.append(meant)
        elif byte == START:
            return None
        else:
            plain.append(byte)
    return bytes(plain)


def _short(data: bytes) -> str:
    return data.hex(" ").upper() if len(data) <= 24 else data[:24].hex(" ").upper() + f" … ({len(data)} bytes)"
