"""One device's turn on the line: a script of questions and rests, written as a generator.

A script yields `Ask` and gets an `Answer`, or yields `Rest` and gets one without contents when the time has come or
somebody above wants something. What it decides between two yields it leaves in `Conversation.out`, in order; the bus
hands that to the pump before the next question leaves.

Answers carry no number, so a late one could be taken for the answer to another question. After a question that went
unanswered a lane therefore asks only the same again, or waits `LATE_S` first.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeVar

from hardware.cctalk.commands import COMMANDS
from hardware.cctalk.fields import sizes
from hardware.cctalk.frames import HOST, Frame, Sum, encode
from hardware.protocol import Action
from hardware.roles import Status

ANSWER_S = 0.2  # public implementations wait 50 to 200 ms for the first byte
LATE_S = 2.0  # by the standard no answer begins later
TRIES = 3
AGAIN_S = 5.0  # how soon a script that failed begins anew
FOREVER = float("inf")


class Outcome(Enum):
    """How a question ended."""

    GOOD = auto()
    REFUSED = auto()  # NAK
    SILENT = auto()  # no good answer, as often as it was asked
    RESTED = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script gets for its yield."""

    outcome: Outcome
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to the device. `once`: sent once whatever comes of it; "busy" counts as no answer then."""

    header: int
    data: bytes = b""
    tries: int = TRIES
    wait_s: float = ANSWER_S
    once: bool = False


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to ask until then; `nudged` when a wish from above ends it earlier."""

    until: float
    nudged: bool = True


T = TypeVar("T")
Script = Generator[Ask | Rest, Answer, T]


class LineLost(Exception):
    """Thrown into a script: the port is gone."""


class Conversation(ABC):
    """What the bus needs of one device's conversation.

    Attributes:
        out: what is to be done, in order; emptied by the bus.
        now: when the script was resumed.
        leaving: the script is to end as soon as nothing is on its way.
    """

    def __init__(self, name: str, address: int, kind: Sum) -> None:
        self.name = name
        self.address = address
        self.kind = kind
        self.out: list[Action] = []
        self.now = 0.0
        self.skipped_bytes = 0
        self.repeats = 0
        self.leaving = False

    @abstractmethod
    def run(self) -> Script[None]:
        """The whole script; ends when the device was left."""

    @abstractmethod
    def command(self, command: object, ticket: int, now: float) -> None:
        """A wish from above; `out` may have its end at once."""

    @abstractmethod
    def leave(self, now: float) -> None:
        """Make it safe and end the script as soon as nothing is on its way."""

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """The script itself failed; it will begin anew."""

    @property
    @abstractmethod
    def status(self) -> Status:
        """As `roles.Device.status`."""


@dataclass(slots=True)
class Lane:
    """A conversation's place in the queue."""

    conversation: Conversation
    script: Script[None] | None = None  # None: not begun, or over
    step: Ask | Rest = field(default_factory=lambda: Rest(FOREVER))
    request: bytes = b""
    due: float = FOREVER
    tries: int = 0
    busy: int = 0
    served: float = 0.0
    doubt_until: float = 0.0  # until then an answer to `doubt_of` may still come
    doubt_of: bytes = b""
    over: bool = False

    def begin(self, now: float) -> None:
        """Start the script."""
        if self.script is None and not self.over:
            self.conversation.now = now
            self.script = self.conversation.run()
            self._advance(lambda script: next(script, None), now)

    def resume(self, answer: Answer, now: float) -> None:
        """Give the script what it waits for."""
        if self.script is None:
            self.begin(now)
        else:
            self._advance(lambda script: script.send(answer), now)

    def lost(self, now: float) -> None:
        """The port is gone."""
        if self.script is not None:
            self._advance(lambda script: script.throw(LineLost()), now)

    def _advance(self, how: Callable[[Script[None]], Ask | Rest | None], now: float) -> None:
        assert self.script is not None
        self.conversation.now = now
        try:
            self._take(how(self.script), now)
        except StopIteration:
            self._take(None, now)
        except Exception as error:
            # A mistake of ours in one device's script: the others on the bus go on, and it begins anew.
            self.conversation.failed(error)
            self.script, self.step, self.due = None, Rest(FOREVER, nudged=False), now + AGAIN_S

    def stop(self) -> None:
        """No more of it; without a port there is nothing to make safe."""
        if self.script is not None:
            self.script.close()
        self._take(None, 0.0)

    def nudge(self, now: float) -> None:
        """Somebody above wants something."""
        if isinstance(self.step, Rest) and self.step.nudged and self.script is not None:
            self.due = min(self.due, now)

    def doubt(self, now: float) -> None:
        """The question was not answered; the answer may still come."""
        self.doubt_until = now + LATE_S
        self.doubt_of = self.request

    def fits(self, frame: Frame) -> bool:
        """Whether a frame can be this device's answer to what it was asked."""
        if not isinstance(self.step, Ask) or frame.dest != HOST:
            return False
        if frame.src is not None and frame.src != self.conversation.address:
            return False
        if frame.header:
            return not frame.data  # NAK, BUSY
        command = COMMANDS.get(self.step.header)
        if command is None or command.answers is None:
            return True
        least, most = sizes(command.answers)
        return least <= len(frame.data) and (most is None or len(frame.data) <= most)

    def _take(self, step: Ask | Rest | None, now: float) -> None:
        self.tries = self.busy = 0
        match step:
            case None:
                self.script, self.over, self.due = None, True, FOREVER
                self.step = Rest(FOREVER)
            case Rest(until):
                self.step, self.due = step, until
            case Ask(header, data):
                conversation = self.conversation
                src = HOST if conversation.kind is Sum.SUM8 else None
                self.request = encode(Frame(conversation.address, header, data, src), conversation.kind)
                self.step, self.due = step, now
                if self.doubt_until > now and self.request != self.doubt_of:
                    self.due = self.doubt_until
