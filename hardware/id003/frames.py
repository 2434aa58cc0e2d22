"""Bytes and frames of ID-003.

    FC | LEN (the whole frame) | CODE | DATA… | CRC low, high

CODE is a command from the host, and a status or an echo from the device. CRC-16/KERMIT stands over all before it.
Nothing is escaped and there is no address: FC may stand inside data, so a reader goes by the length, and drops one
byte when that leads nowhere.
"""

from dataclasses import dataclass

from hardware.checksums import crc16_kermit

SYNC = 0xFC
LENGTH_MIN = 5
DATA_MAX = 0xFF - LENGTH_MIN


class FrameError(ValueError):
    """These bytes are no frame; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, either way."""

    code: int
    data: bytes = b""

    def __str__(self) -> str:
        return " ".join(f"{byte:02X}" for byte in (self.code, *self.data[:16])) + ("…" if len(self.data) > 16 else "")


def encode(frame: Frame) -> bytes:
    """As it goes over the line. Raises `ValueError` for more data than a frame holds."""
    if len(frame.data) > DATA_MAX:
        raise ValueError(f"{len(frame.data)} bytes of data, a frame holds {DATA_MAX}")
    body = bytes((SYNC, LENGTH_MIN + len(frame.data), frame.code)) + frame.data
    return body + crc16_kermit(body).to_bytes(2, "little")


def parse(data: bytes) -> Frame:
    """Exactly one frame. Raises `FrameError`."""
    if not data or data[0] != SYNC:
        raise FrameError("a frame begins with FC")
    if len(data) < 2:
        raise FrameError("cut short: one byte of a frame")
    if data[1] < LENGTH_MIN:
        raise FrameError(f"LEN is {data[1]}, the shortest frame has {LENGTH_MIN} bytes")
    if len(data) < data[1]:
        raise FrameError(f"cut short: LEN says {data[1]} bytes, {len(data)} came")
    if len(data) > data[1]:
        raise FrameError(f"LEN says {data[1]} bytes, there are {len(data)}")
    sent = int.from_bytes(data[-2:], "little")
    if sent != (reckoned := crc16_kermit(data[:-2])):
        raise FrameError(f"CRC is {sent:04X}, must be {reckoned:04X}")
    return Frame(data[2], bytes(data[3:-2]))


class FrameReader:
    """Finds frames in what comes, however it is cut.

    Attributes:
        skipped: bytes that belonged to no frame.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now. Never raises."""
        buffer = self._buffer
        buffer += data
        frames = []
        while buffer:
            start = buffer.find(SYNC)
            if start:
                self._drop(len(buffer) if start < 0 else start)
                continue
            if len(buffer) < 2:
                break
            length = buffer[1]
            if length < LENGTH_MIN:
                self._drop(1)
                continue
            if len(buffer) < length:
                break
            try:
                frames.append(parse(bytes(buffer[:length])))
            except FrameError:
                self._drop(1)
            else:
                del buffer[:length]
        return frames

    def give_up(self) -> None:
        """What half came will not be finished: a device that was asked again answers from the start."""
        self._drop(len(self._buffer))

    def _drop(self, count: int) -> None:
        self.skipped += count
        del self._buffer[:count]
