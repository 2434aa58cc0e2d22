"""One command at a time, with its sequence flag.

The flag turns with each answered command. A command that is not answered is sent again byte for byte: a device that
has heard it already sees the same flag, repeats its old answer and does nothing, so each command is carried out once.
SYNC goes with flag 1, what follows it with 0.
"""

from dataclasses import dataclass

from hardware.protocol import Send
from hardware.ssp.commands import SYNC
from hardware.ssp.frames import Frame, FrameReader, encode

REPLY_S = 1.0  # as public hosts wait
TRIES_ABSENT = 3  # unanswered: the device counts as absent, and is asked on
TRIES_SYNC = 20  # then the sequence is begun anew


@dataclass(frozen=True, slots=True)
class Asked:
    """What is on its way."""

    data: bytes
    flag: bool

    @property
    def command(self) -> int:
        """Its code."""
        return self.data[0]


class Exchange:
    """The line of one validator."""

    def __init__(self, address: int) -> None:
        self.reader = FrameReader()
        self.asked: Asked | None = None
        self.until = 0.0
        self.tries = 0
        self.repeats = 0
        self.flag = True
        self._address = address
        self._before: tuple[Asked, bytes] | None = None  # the last command that was answered, and its answer

    def send(self, data: bytes, now: float) -> Send:
        """A new command."""
        self.asked = Asked(data, True if data[0] == SYNC.code else self.flag)
        self.tries = 0
        return self.again(now)

    def again(self, now: float) -> Send:
        """The same once more."""
        asked = self.asked
        assert asked is not None
        self.reader.give_up()
        self.tries += 1
        self.repeats += self.tries > 1
        self.until = now + REPLY_S
        return Send(encode(Frame(asked.data, asked.flag, self._address)))

    def take(self, frame: Frame) -> tuple[Asked, bytes] | None:
        """What was asked and what is answered; None for a frame that answers nothing.

        A second answer to the last command, other than the first, is read as well: one of the two was an echo of an
        earlier one, and nothing may be lost that the device says once only.
        """
        if frame.address != self._address:
            return None
        asked = self.asked
        if asked is not None:
            if frame.flag != asked.flag:
                return None
            self.asked = None
            self.flag = not asked.flag
            self._before = (asked, frame.data)
            return asked, frame.data
        if self._before is not None and frame.flag == self._before[0].flag and frame.data != self._before[1]:
            before, self._before = self._before[0], None
            return before, frame.data
        return None

    def forget(self) -> None:
        """Wait for nothing; the flag stays, as what was asked may have been heard."""
        self.asked = None
        self._before = None
