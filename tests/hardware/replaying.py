"""A trace as a test: what the device said is said again at its times, and what we say must be what was said then.

The protocol is the one of today, the trace of whatever day it was recorded: a difference is a change of behaviour
towards the device, to be explained or mended. A trace knows the line only. What was asked from above stands in it as
events (`* command enable`, `* closing`), put there by the recorder or, in a trace from a kiosk, by hand; the test says
which command a word is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hardware.events import Event
from hardware.protocol import Actions, Finish, Memory, Protocol, Record, Send, SetLine
from hardware.trace import Piece, Recording

WAKES_MAX = 1000  # between two pieces


class Differs(AssertionError):
    """The protocol says something else than what was said."""


@dataclass
class Replayed:
    """What came of it."""

    events: list[Event] = field(default_factory=list)
    memories: dict[str, Memory] = field(default_factory=dict)
    finished: dict[str, Finish] = field(default_factory=dict)  # by the command's word, the last one of it
    bauds: list[int] = field(default_factory=list)
    said: int = 0  # bytes, all of them as recorded


def replay(recording: Recording, protocol: Protocol, commands: Mapping[str, object]) -> Replayed:
    """Play one recording to a fresh protocol.

    Raises:
        Differs: where, and both sides.
    """
    return _Player(recording, protocol, commands).play()


class _Player:
    def __init__(self, recording: Recording, protocol: Protocol, commands: Mapping[str, object]) -> None:
        self._pieces: Sequence[Piece] = recording.pieces
        self._protocol = protocol
        self._commands = commands
        self._words: list[str] = []  # of tickets
        self._unsaid = bytearray()  # by the trace, but by the protocol
        self._is_open = False
        self._done = Replayed()

    def play(self) -> Replayed:
        for number, piece in enumerate(self._pieces):
            self._wake_until(piece)
            match piece.sender:
                case "host":
                    self._said(number, piece)
                case "device":
                    self._nothing_unsaid(number, piece)
                    self._act(self._protocol.received(piece.data, piece.seconds))
                case None:
                    self._happened(number, piece)
        if self._unsaid:
            raise Differs(f"at the end the protocol says {self._unsaid.hex(' ')}, and the trace does not")
        return self._done

    def _wake_until(self, piece: Piece) -> None:
        for _ in range(WAKES_MAX):
            at = self._protocol.wake_at
            if at is None or at > piece.seconds:
                return
            self._act(self._protocol.wake(at))
        raise Differs(f"{piece.seconds:.6f}: the protocol wants to be woken for ever")

    def _said(self, number: int, piece: Piece) -> None:
        if not self._unsaid.startswith(piece.data):
            raise Differs(
                f"{self._place(number, piece)}: recorded {piece.data.hex(' ')}, "
                f"the protocol says {self._unsaid.hex(' ') or 'nothing'} (woken next at {self._protocol.wake_at})"
            )
        del self._unsaid[: len(piece.data)]
        self._done.said += len(piece.data)

    def _nothing_unsaid(self, number: int, piece: Piece) -> None:
        if self._unsaid:
            raise Differs(
                f"{self._place(number, piece)}: before it the protocol says {self._unsaid.hex(' ')}, the trace does not"
            )

    def _happened(self, number: int, piece: Piece) -> None:
        what, _, rest = piece.words.partition(" ")
        match what:
            case "opened":
                self._is_open = True
                self._act(self._protocol.opened(piece.seconds))
            case "lost":
                self._is_open = False
                self._act(self._protocol.lost(piece.seconds))
            case "closing":
                self._act(self._protocol.closing(piece.seconds))
            case "command":
                self._words.append(rest)
                self._act(self._protocol.command(self._commands[rest], len(self._words), piece.seconds))
            case "baud" if self._done.bauds[-1:] != [int(rest)]:
                raise Differs(f"{self._place(number, piece)}: the speed was set to {rest}, now to {self._done.bauds}")

    def _act(self, actions: Actions) -> None:
        for action in actions:
            match action:
                case Send(data):
                    if self._is_open:
                        self._unsaid += data
                case SetLine(baud):
                    self._done.bauds.append(baud)
                case Record(event, memory, device):
                    if event is not None:
                        self._done.events.append(event)
                    if memory is not None:
                        self._done.memories[device] = memory
                case Finish(ticket):
                    self._done.finished[self._words[ticket - 1]] = action

    def _place(self, number: int, piece: Piece) -> str:
        return f"piece {number}, {piece.at:%H:%M:%S.%f}"
