"""One question on the line at a time: send, wait, repeat, ask for a damaged answer again, leave the line alone.

What an answer means is not known here. An answer with data is handed up unconfirmed, and `confirm` is the ACK that is
to stand behind whatever must be written down first.

Actions are carried out in order and a record may take its time, so nothing is counted from the moment a `Send` is
returned: the clocks of an answer and of the gap begin at the first input after it, and until then `wake_at` is now.

Source: CCNET, Document 1, rev. 2.6.0, dialogue and timing; the times that are longer than the document's allow for
USB adapters.
"""

from dataclasses import dataclass
from enum import Enum, auto

from hardware.ccnet.commands import Command
from hardware.ccnet.frames import ACK, ILLEGAL, NAK, Frame, FrameReader, encode
from hardware.protocol import Send

GAP_S = 0.03  # 20 ms of silence after an ACK, and the 6 ms that the ACK itself takes at 9600
PIECES_S = 0.05  # between two pieces of one frame; the document says 5 ms between bytes
LONGEST_S = 0.6  # an answer that began is over by then: 250 bytes take 0.26 s at 9600
TRIES = 3


class End(Enum):
    """How a question ended."""

    AGREED = auto()  # ACK
    ANSWERED = auto()  # data, not yet confirmed
    ILLEGAL = auto()  # understood, does not fit now
    SILENT = auto()  # nothing, or nothing whole, after all tries


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a question."""

    command: Command
    end: End
    data: bytes = b""


class Exchange:
    """The line as one side of a half-duplex talk."""

    def __init__(self, address: int) -> None:
        self.address = address
        self.reader = FrameReader("device")
        self.repeats = 0
        self._command: Command | None = None
        self._frame = b""
        self._tries_left = 0
        self._begun = True  # whether the clock of what was sent last runs
        self._now = 0.0
        self._deadline = 0.0
        self._limit = 0.0
        self._free_at = 0.0
        self._damage = 0

    @property
    def asking(self) -> bool:
        """Whether an answer is waited for."""
        return self._command is not None

    @property
    def wake_at(self) -> float | None:
        """When `wake` is wanted."""
        if not self._begun:
            return self._now
        return self._deadline if self._command is not None else None

    @property
    def free_at(self) -> float:
        """When the next question may be asked; in the middle of one, never."""
        if self._command is not None:
            return float("inf")
        return self._free_at if self._begun else self._now

    def free(self, now: float) -> bool:
        """Whether the next question may be asked now."""
        return self._begun and self._command is None and now >= self._free_at

    def input(self, now: float) -> None:
        """To be called with every input, before anything else: starts the clock of what was sent last."""
        self._now = now
        if self._begun:
            return
        self._begun = True
        self._free_at = now + GAP_S
        if self._command is not None:
            self._deadline = now + self._command.answer_s
            self._limit = self._deadline + LONGEST_S

    def ask(self, command: Command, data: bytes, now: float, tries: int = TRIES) -> Send:
        """Send a command. `free` must hold."""
        self.reader.reset()
        self._damage = self._damage_seen()
        self._command = command
        self._frame = encode(Frame(self.address, data), "host")
        self._tries_left = tries - 1
        return self._send(self._frame, now)

    def confirm(self, now: float) -> Send:
        """ACK: the answer is taken."""
        return self._send(self._short(ACK), now)

    def drop(self) -> None:
        """Forget what was asked, and what half came."""
        self._command = None
        self._begun = True
        self._free_at = 0.0
        self.reader.reset()

    def received(self, data: bytes, now: float) -> tuple[list[Send], Ended | None]:
        """Bytes came: what to send, and the end of the question if this is it. Stray frames are left."""
        ended: Ended | None = None
        sends: list[Send] = []
        for frame in self.reader.feed(data):
            command = self._command
            if command is None or ended is not None or sends or frame.address != self.address:
                continue
            if frame.data == NAK:
                more, ended = self._again(now)
                sends += more
            else:
                ended = self._ending(command, frame.data)
        if ended is not None:
            self._command = None
            self._free_at = now + GAP_S
            self._deadline = 0.0
            return sends, ended
        if self._command is not None and not sends:
            if self._damage_seen() > self._damage and not self.reader.pending:
                return self._again(now)
            self._deadline = min(max(self._deadline, now + PIECES_S), self._limit)
        return sends, None

    def wake(self, now: float) -> tuple[list[Send], Ended | None]:
        """The time for an answer may be over."""
        if self._command is None or now < self._deadline:
            return [], None
        return self._again(now)

    def _ending(self, command: Command, data: bytes) -> Ended | None:
        if data == ILLEGAL:
            return Ended(command, End.ILLEGAL)
        if data == ACK:
            # What must bring data and brings an ACK is a late answer to something else, or "nothing" (POWER RECOVERY).
            takes_ack = not command.reply or command.optional or command.bill_to_bill
            return Ended(command, End.AGREED) if takes_ack else None
        return Ended(command, End.ANSWERED, data) if command.reply else None

    def _again(self, now: float) -> tuple[list[Send], Ended | None]:
        """Nothing whole came: ask for the answer again where something did come, else the question."""
        command = self._command
        if command is None:
            return [], None
        heard = self._damage_seen() > self._damage or self.reader.pending
        self.reader.reset()
        self._damage = self._damage_seen()
        if self._tries_left <= 0:
            self._command = None
            self._free_at = now + GAP_S
            return [], Ended(command, End.SILENT)
        self._tries_left -= 1
        self.repeats += 1
        return [self._send(self._short(NAK) if heard and command.reply else self._frame, now)], None

    def _damage_seen(self) -> int:
        return self.reader.damaged

    def _short(self, answer: bytes) -> bytes:
        return encode(Frame(self.address, answer), "host")

    def _send(self, data: bytes, now: float) -> Send:
        self._begun = False
        self._now = now
        return Send(data)
