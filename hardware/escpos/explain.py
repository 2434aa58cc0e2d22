"""Both directions in words: what the host told the printer, and what the printer said of itself.

A status byte does not say what it answers. The explainer remembers what was asked; without that it gives every reading.
A QR code is five commands that mean nothing alone, a bar code up to five: each is told as one.
"""

from collections import deque
from collections.abc import Sequence

from hardware.escpos import commands as c
from hardware.escpos import instructions, replies
from hardware.escpos.codepages import decode_text
from hardware.escpos.declaration import Command, Instruction
from hardware.escpos.frames import (
    FULL_STARTS,
    Obeyed,
    Piece,
    StreamReader,
    Text,
    Unknown,
    is_automatic,
    is_buffered,
    is_status,
)
from hardware.escpos.profiles import PROFILES
from hardware.explain import Explained, Explainer, Sender

UNASKED_MAX = 8  # bytes that nobody asked for are read together up to here
_QR = ("GS ( k 41", "GS ( k 43", "GS ( k 45", "GS ( k 50", "GS ( k 51")
_BARS = ("GS h", "GS w", "GS f", "GS H", "GS k")
_CONTROL = frozenset((0x0A, 0x0D, 0x1B, 0x1D, 0x10))


def explainer(variant: str = "escpos") -> Explainer:
    """For the protocol `escpos`, with the code pages of Epson."""
    if variant != "escpos":
        raise ValueError(f"there is no ESC/POS variant {variant!r}")
    return EscposExplainer()


class EscposExplainer(Explainer):
    """One printer's line."""

    def __init__(self, model: str = "epson") -> None:
        self._stream = StreamReader()
        self._pages = PROFILES[model].pages
        self._page = 0
        self._group: list[Obeyed] = []  # of one code, not printed yet
        self._asked: deque[Instruction] = deque()
        self._real_time: deque[int] = deque()  # what DLE EOT asked
        self._automatic = False
        self._unread = bytearray()  # of the device

    def feed(self, sender: Sender, data: bytes) -> Sequence[Explained]:
        found: list[Explained] = []
        if sender == "host":
            found += self._device_end()
            for piece in self._stream.feed(data):
                found += self._piece(piece)
            return found
        self._unread += data
        while (one := self._answer()) is not None:
            found.append(one)
        return found

    def finish(self, sender: Sender) -> Sequence[Explained]:
        if sender == "device":
            return self._device_end()
        found = self._ungrouped()
        if waiting := self._stream.forget():
            name = instructions.begun(waiting)
            found.append(Explained(waiting, f"{name} is cut short", "host", fault=f"{name} is cut short", command=name))
        return found

    def guess_sender(self, data: bytes) -> Sender:
        """The device for what can be nothing else: status bytes, or what only looks like a stream with faults."""
        if len(data) <= 4 and data and all(is_status(value) for value in data):
            return "device"
        if (len(data) == 4 and is_automatic(data)) or (len(data) == 6 and data[:2] == FULL_STARTS):
            return "device"
        if _CONTROL.isdisjoint(data) and not any(0x20 <= value < 0x7F for value in data):
            return "device"
        pieces = StreamReader().feed(data)
        if any(isinstance(piece, Obeyed) for piece in pieces):
            return "host"
        if not pieces:
            return "device" if data[:1] == c.DLE_EOT.prefix[:1] else "host"  # a command that is cut short
        return "device" if any(isinstance(piece, Unknown) for piece in pieces) else "host"

    # The host's stream

    def _piece(self, piece: Piece) -> list[Explained]:
        match piece:
            case Text(data):
                text = decode_text(data, self._pages.get(self._page, "cp437"))
                page = self._pages.get(self._page)
                decoded: dict[str, object] = {"text": text, "code_page": page or str(self._page)}
                return [*self._ungrouped(), Explained(data, f"text {text!r}", "host", command="text", decoded=decoded)]
            case Unknown(data):
                words = f"{data.hex(' ').upper()} begins no command that is known here"
                return [*self._ungrouped(), Explained(data, words, "host", fault=words)]
            case Obeyed(instruction):
                return self._command(piece, instruction)

    def _command(self, piece: Obeyed, instruction: Instruction) -> list[Explained]:
        name = instruction.command.name
        code = _code_of(instruction.command)
        if code:
            found = (
                [] if not self._group or _code_of(self._group[-1].instruction.command) == code else self._ungrouped()
            )
            self._group.append(piece)
            return [*found, *self._grouped()] if name == code else found
        found = self._ungrouped()
        self._remember(instruction)
        return [*found, instructions.explained(piece)]

    def _remember(self, instruction: Instruction) -> None:
        command = instruction.command
        if command is c.DLE_EOT:
            self._real_time.append(instruction.number("n"))
        elif command is c.AUTO_STATUS:
            self._automatic = bool(instruction.number("n"))
        elif command.answer:
            self._asked.append(instruction)
        elif command is c.CODE_PAGE:
            self._page = instruction.number("n")
        elif command is c.INIT:
            self._page = 0

    def _grouped(self) -> list[Explained]:
        """A code with all its settings, as one."""
        group, self._group = self._group, []
        return [instructions.explained_code(group)]

    def _ungrouped(self) -> list[Explained]:
        """Settings of a code that did not come: each alone."""
        group, self._group = self._group, []
        return [instructions.explained(piece) for piece in group]

    # The device's answers

    def _answer(self) -> Explained | None:
        """The next whole answer, knowing what was asked."""
        if not self._unread:
            return None
        head = self._unread[0]
        if self._real_time and self._real_time[0] == 20:
            if len(self._unread) < 6 and bytes(self._unread[:2]) == FULL_STARTS[: len(self._unread)]:
                return None
            if bytes(self._unread[:2]) == FULL_STARTS:
                self._real_time.popleft()
                return replies.full(self._take(6))
        if self._automatic and head & 0x93 == 0x10 and is_automatic(bytes(self._unread[:4])):
            return replies.automatic(self._take(4)) if len(self._unread) >= 4 else None
        if is_status(head) and self._real_time:
            return replies.real_time(self._take(1), self._real_time.popleft())
        if self._asked:
            return self._asked_answer(head)
        if self._real_time or self._automatic:
            return replies.refused(self._take(1))
        if len(self._unread) >= UNASKED_MAX:
            return self._unasked()
        return None

    def _asked_answer(self, head: int) -> Explained | None:
        asked = self._asked[0]
        if asked.command is c.READ_STATUS and is_buffered(head):
            self._asked.popleft()
            return replies.buffered(self._take(1), asked.number("n") & 0x0F)
        if asked.command in (c.READ_ID, c.QR_ASK_SIZE):
            if head in (0x5F, 0x37):
                end = self._unread.find(0)
                if end < 0:
                    return None if len(self._unread) < 80 else replies.refused(self._take(1))
                self._asked.popleft()
                data = self._take(end + 1)
                text = data[1:-1].decode("ascii", "replace")
                kind = instructions.words_of(asked, "n") if asked.command is c.READ_ID else "size of the QR code"
                return Explained(data, f"{kind}: {text}", "device", command=asked.command.name, decoded={kind: text})
            if is_buffered(head):
                self._asked.popleft()
                data = self._take(1)
                return Explained(
                    data, f"identity {data[0]:02X}", "device", command="GS I", decoded={"identity": data[0]}
                )
        return replies.refused(self._take(1))

    def _device_end(self) -> list[Explained]:
        found: list[Explained] = []
        while self._unread:
            known = self._answer()
            found.append(self._unasked() if known is None else known)
        return found

    def _unasked(self) -> Explained:
        """Bytes that no question was seen for, read by their fixed bits."""
        data = bytes(self._unread[:UNASKED_MAX])
        if data[:2] == FULL_STARTS:
            return replies.full(self._take(6)) if len(data) >= 6 else replies.full_cut_short(self._take(len(data)))
        if len(data) == 1 and is_status(data[0]):
            return replies.any_status(self._take(1))
        if len(data) in (2, 3, 4) and all(map(is_status, data)):
            return replies.several(self._take(len(data)))
        if len(data) >= 4 and is_automatic(data[:4]):
            return replies.automatic(self._take(4))
        if replies.are_answers(data):
            return replies.any_status(self._take(1)) if is_status(data[0]) else replies.buffered(self._take(1), 1)
        if 0 in data and data[0] in (0x5F, 0x37):
            block = self._take(data.index(0) + 1)
            text = block[1:-1].decode("ascii", "replace")
            return Explained(block, f"identity: {text}", "device", command="GS I", decoded={"identity": text})
        return replies.refused(self._take(len(data)))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._unread[:count])
        del self._unread[:count]
        return taken


def _code_of(command: Command) -> str:
    """The command that prints the code this one is of, "" for all others."""
    if command.name in _BARS:
        return "GS k"
    return "GS ( k 51" if command.name in _QR else ""
