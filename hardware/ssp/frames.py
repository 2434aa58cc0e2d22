"""Bytes and frames of SSP.

    7F | SEQ and address | LEN | DATA… | CRC low, high

Bit 7 of the second byte is the sequence flag, the rest the address. CRC-16 (8005, from FFFF) stands over that byte to
the last of the data. Behind the first byte every 7F is sent twice, the checksum's too; LEN counts before that. A single
7F inside therefore always begins a new frame, and a reader never has to guess where one starts.
"""

from dataclasses import dataclass

from hardware.checksums import crc16_ssp

STX = 0x7F
DATA_MAX = 255


class FrameError(ValueError):
    """These bytes are no frame; `str()` says why, `kind` in a word or two."""

    def __init__(self, kind: str, words: str) -> None:
        self.kind = kind
        super().__init__(words)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, either way. `data` begins with the command, or with the device's generic answer."""

    data: bytes
    flag: bool = True
    address: int = 0

    def __str__(self) -> str:
        shown = self.data[:16].hex(" ").upper() + ("…" if len(self.data) > 16 else "")
        return f"{int(self.flag)}/{self.address:02X} {shown}"


def encode(frame: Frame) -> bytes:
    """As it goes over the line. Raises `ValueError` for what a frame cannot hold."""
    if not 1 <= len(frame.data) <= DATA_MAX or not 0 <= frame.address <= 0x7F:
        raise ValueError(f"address {frame.address}, {len(frame.data)} bytes of data: a frame holds 1 to {DATA_MAX}")
    body = bytes((frame.flag << 7 | frame.address, len(frame.data))) + frame.data
    body += crc16_ssp(body).to_bytes(2, "little")
    return bytes((STX,)) + body.replace(b"\x7f", b"\x7f\x7f")


def unstuff(data: bytes) -> bytes:
    """What stands behind the 7F that begins a frame, each doubled 7F once. Raises `FrameError` at a single one."""
    plain = bytearray()
    at = 1
    while at < len(data):
        if data[at] == STX:
            if at + 1 >= len(data) or data[at + 1] != STX:
                raise FrameError("single 7F inside a frame", "a single 7F stands inside: a new frame begins there")
            at += 1
        plain.append(data[at])
        at += 1
    return bytes(plain)


def parse(data: bytes) -> Frame:
    """Exactly one frame, stuffed as on the line. Raises `FrameError`."""
    if not data or data[0] != STX:
        raise FrameError("no frame", "a frame begins with 7F")
    plain = unstuff(data)
    if len(plain) < 2 or len(plain) < plain[1] + 4:
        wanted = f"LEN says {plain[1] + 4} bytes behind the 7F, " if len(plain) > 1 else ""
        raise FrameError("cut short", f"cut short: {wanted}{len(plain)} came")
    if not plain[1]:
        raise FrameError("no data", "LEN is 0: a frame says something")
    if len(plain) > plain[1] + 4:
        raise FrameError("too long", f"LEN says {plain[1] + 4} bytes behind the 7F, there are {len(plain)}")
    sent = int.from_bytes(plain[-2:], "little")
    if sent != (reckoned := crc16_ssp(plain[:-2])):
        raise FrameError("CRC", f"CRC is {sent:04X}, must be {reckoned:04X}")
    return Frame(plain[2:-2], bool(plain[0] & 0x80), plain[0] & 0x7F)


def extent(data: bytes) -> int:
    """How many bytes from here are a frame, or as much of one as there is before another begins; 0: not whole yet.

    `data` begins with 7F.
    """
    plain, at = 0, 1
    length = None
    while at < len(data):
        step = 1
        if data[at] == STX:
            if at + 1 >= len(data):
                return 0
            if data[at + 1] != STX:
                return at
            step = 2
        if plain == 1:
            length = data[at]
        plain += 1
        at += step
        if length is not None and plain == length + 4:
            return at
    return 0


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
            start = buffer.find(STX)
            if start:
                self._drop(len(buffer) if start < 0 else start)
                continue
            length = extent(bytes(buffer))
            if length == 0:
                break
            try:
                frames.append(parse(bytes(buffer[:length])))
            except FrameError:
                # One byte: what follows is looked at anew, and a doubled 7F behind it may begin the next frame.
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
