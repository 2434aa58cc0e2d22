"""One request at a time: who was asked what, how often, and until when an answer is waited for."""

from dataclasses import dataclass

from hardware.id003.commands import Answer, Command
from hardware.id003.frames import Frame, FrameReader, encode
from hardware.id003.states import STATUSES, Status
from hardware.protocol import Send

REPLY_S = 0.4  # answers come within 100 to 300 ms in public hosts; an adapter may add its own
TRIES = 3  # then the link counts as lost


@dataclass(frozen=True, slots=True)
class Request:
    """A command with its data, and which attempt this is."""

    command: Command
    data: bytes = b""
    attempt: int = 1

    def again(self) -> "Request | None":
        """The next attempt; None after the last."""
        return Request(self.command, self.data, self.attempt + 1) if self.attempt < TRIES else None


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a request. `refused`: the device does not know it or cannot do it now; `broken`: it misheard."""

    request: Request
    frame: Frame
    refused: bool = False
    broken: bool = False


class Exchange:
    """The line of one validator, half duplex."""

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.request: Request | None = None
        self.until = 0.0
        self.repeats = 0

    def send(self, request: Request, now: float) -> Send:
        """Ask; nothing else may be on its way, unless no answer is due."""
        self.reader.give_up()
        if request.command.answer is not Answer.NOTHING:
            self.request, self.until = request, now + REPLY_S
        self.repeats += request.attempt > 1
        return Send(encode(Frame(request.command.code, request.data)))

    def forget(self) -> Request | None:
        """Wait no longer; what was asked."""
        request, self.request = self.request, None
        return request

    def take(self, frame: Frame) -> Answered | None:
        """What a frame answers; None for one that answers nothing that was asked: late, repeated, or an ENQ."""
        request = self.request
        if request is None:
            return None
        if frame.code in (Status.INVALID_COMMAND, Status.COMMUNICATION_ERROR):
            broken = frame.code == Status.COMMUNICATION_ERROR
            self.request = None
            return Answered(request, frame, refused=not broken, broken=broken)
        match request.command.answer:
            case Answer.STATUS:
                fits = frame.code in STATUSES
            case Answer.ACK:
                fits = frame.code == Status.ACK and not frame.data
            case _:
                fits = frame.code == request.command.code
        if not fits:
            return None
        self.request = None
        broken = request.command.answer is Answer.ECHO and frame.data != request.data
        return Answered(request, frame, broken=broken)
