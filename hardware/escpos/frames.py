"""Both directions of the line: the host's stream of commands and text, and the printer's answers.

The host's stream has no frames; `StreamReader` cuts it by the command table. The printer's bytes tell what they are by
their fixed bits (Epson, "transmission status identification"):

    0xx1xx10   a real-time status, answer to DLE EOT
    0xx0xxxx   a buffered status, answer to GS r; also bytes two to four of an automatic status
    0xx1xx00   the first of four bytes of an automatic status (GS a)
    10 0F      the first two of six of the full status (DLE EOT 20) of Custom's printers
    11, 13     flow control that an adapter let through
"""

from collections.abc import Callable
from dataclasses import dataclass

from hardware.escpos.commands import decode
from hardware.escpos.declaration import Instruction

TEXT_MAX = 1024  # a stretch of text without any command, at most
COMMAND_MAX = 1 << 19  # whatever says that it is longer (a picture of metres) is no command: the place was lost


@dataclass(frozen=True, slots=True)
class Text:
    """Letters in the printer's code page."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Obeyed:
    """A command, and the bytes it stood in."""

    instruction: Instruction
    data: bytes


@dataclass(frozen=True, slots=True)
class Unknown:
    """Bytes that are no command of the table: the reader has lost its place, and goes on behind them."""

    data: bytes


Piece = Text | Obeyed | Unknown


class StreamReader:
    """Cuts what a host sends. Half commands wait; unknown bytes are given out as such and counted."""

    def __init__(self) -> None:
        self.dropped = 0
        self._buffer = bytearray()

    @property
    def waiting(self) -> bytes:
        """What is not whole yet."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[Piece]:
        """What has become whole. Text is given out as it comes, however it is cut."""
        self.push(data)
        pieces: list[Piece] = []
        while (piece := self.next()) is not None:
            pieces.append(piece)
        return pieces

    def push(self, data: bytes) -> None:
        """More bytes, to be taken with `next`."""
        self._buffer += data

    def next(self) -> Piece | None:
        """The first piece that is whole, or None."""
        if not self._buffer:
            return None
        letters = 0
        while letters < min(len(self._buffer), TEXT_MAX) and self._buffer[letters] >= 0x20:
            letters += 1
        if letters:
            return Text(self._take(letters))
        found = self._decode()
        if found is None:
            if len(self._buffer) < COMMAND_MAX:
                return None
            found = False
        if isinstance(found, bool):
            self.dropped += 1
            return Unknown(self._take(1))
        instruction, end = found
        return Obeyed(instruction, self._take(end))

    def _decode(self) -> tuple[Instruction, int] | bool | None:
        """Looks no farther than it must: commands are short, and a buffer may hold thousands of them."""
        for size in (16, 256, 4096, COMMAND_MAX):
            found = decode(bytes(self._buffer[:size]))
            if found is not None or len(self._buffer) <= size:
                return found
        return None

    def forget(self) -> bytes:
        """What waited, given up."""
        return self._take(len(self._buffer))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


@dataclass(frozen=True, slots=True)
class Status:
    """A real-time status; which of the four depends on what was asked."""

    value: int


@dataclass(frozen=True, slots=True)
class Buffered:
    """The answer to GS r."""

    value: int


@dataclass(frozen=True, slots=True)
class Automatic:
    """Four bytes, told unasked."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Full:
    """Custom's full status: paper, user, recoverable and unrecoverable errors."""

    data: bytes

    @property
    def paper(self) -> int:
        return self.data[2]

    @property
    def user(self) -> int:
        return self.data[3]

    @property
    def recoverable(self) -> int:
        return self.data[4]

    @property
    def unrecoverable(self) -> int:
        return self.data[5]


@dataclass(frozen=True, slots=True)
class Block:
    """An identity (GS I) or the size of a symbol: a header byte, text, NUL."""

    header: int
    content: bytes


Answer = Status | Buffered | Automatic | Full | Block

FULL_STARTS = b"\x10\x0f"
BLOCK_HEADERS = (0x5F, 0x37)  # GS I 65 to 69 (Epson: 5F), GS ( k 52 (37)
BLOCK_MAX = 80


def is_status(value: int) -> bool:
    """Bits 0 and 7 clear, 1 and 4 set."""
    return value & 0x93 == 0x12


def is_buffered(value: int) -> bool:
    """Bits 4 and 7 clear."""
    return value & 0x90 == 0


def is_automatic(data: bytes) -> bool:
    """Four bytes, or their beginning, as GS a makes the printer tell them."""
    return data[0] & 0x93 == 0x10 and all(value & 0x90 == 0 for value in data[1:4])


class FrameReader:
    """Cuts what a printer sends.

    Args:
        expects_buffered: asked before a byte is taken for the answer to GS r: without such a question it is noise.
        automatic: the printer was told to send automatic status.
        full: the printer may send Custom's full status.
        blocks: asked before a byte is taken for the head of an identity.
    """

    def __init__(
        self,
        *,
        expects_buffered: Callable[[], bool] = lambda: True,
        automatic: bool = False,
        full: bool = False,
        blocks: Callable[[], bool] = lambda: False,
    ) -> None:
        self.dropped = 0
        self._expects_buffered = expects_buffered
        self._blocks = blocks
        self._automatic, self._full = automatic, full
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """What has become whole."""
        self._buffer += data
        answers: list[Answer] = []
        while self._buffer:
            found = self._first()
            if found is None:
                break
            if isinstance(found, bool):
                del self._buffer[:1]
                self.dropped += 1
            else:
                answers.append(found)
        return answers

    def next(self, data: bytes = b"") -> Answer | None:
        """Adds `data` and gives the first answer, so that the next byte is read knowing what this one answered."""
        self._buffer += data
        while self._buffer:
            found = self._first()
            if found is None:
                return None
            if not isinstance(found, bool):
                return found
            del self._buffer[:1]
            self.dropped += 1
        return None

    def reset(self) -> None:
        """The line was lost: what half arrived is dropped, and counted."""
        self.dropped += len(self._buffer)
        self._buffer.clear()

    def _first(self) -> Answer | bool | None:
        """An answer at the head, taken off; None to wait; False for a byte that is none."""
        head = self._buffer[0]
        if self._full and bytes(self._buffer[:2]) == FULL_STARTS[: len(self._buffer)]:
            return Full(self._take(6)) if len(self._buffer) >= 6 else None
        if self._blocks() and head in BLOCK_HEADERS:
            return self._block()
        if is_status(head):
            return Status(self._take(1)[0])
        if self._automatic and head & 0x93 == 0x10:
            if not is_automatic(bytes(self._buffer[:4])):
                return False
            return Automatic(self._take(4)) if len(self._buffer) >= 4 else None
        if is_buffered(head) and self._expects_buffered():
            return Buffered(self._take(1)[0])
        return False

    def _block(self) -> Answer | bool | None:
        end = self._buffer.find(0, 1, BLOCK_MAX)
        if end >= 0:
            taken = self._take(end + 1)
            return Block(taken[0], taken[1:-1])
        return False if len(self._buffer) >= BLOCK_MAX else None

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
