"""One question and its answer, over either link layer; what becomes of both when bytes are lost.

An exchange ends in one of two ways. `Answered`: this is the answer of this very command. `Gone`: there is none;
`begun` says whether the device may have carried the command out. Nothing in here repeats a command whose first sending
may have been carried out, but where version 2's numbers make that harmless.

Version 1. Before each command ENQ: only a device that says NAK (idle) is given one; an answer that waits for somebody
is fetched first, and is not mistaken for ours, for ours was not asked for yet. A frame that is not acknowledged is not
sent again before ENQ has told that the device is idle and had refused it. An answer that is damaged is asked for again
by ENQ, which brings the same one.

Version 2. The device carries out only the number that follows its last and answers any other with its last answer. So
a command is repeated freely under its own number; whatever comes under another number ends the exchange and is
followed by the question for the last answer (LEN 0).

After anything went wrong the next exchange begins by getting in step: two NAK to two ENQ, or two equal answers to the
question for the last number. One byte that was flipped on the line must not pass for "idle".
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from hardware.shtrih.frames import ACK, ENQ, NAK, Control, Dropped, FrameReader, FrameV1, FrameV2, ReaderV1, ReaderV2

BYTE_SERIAL_S = 0.1  # between two bytes of a frame; the register's own default is 50 ms
BYTE_TCP_S = 1.5  # what the vendor's drivers take on TCP: 1 to 3 s
ENQ_S = (0.5, 1.0, 2.0, 3.0)  # models that have just cut paper are silent for up to 3 s
ENQ_TRIES = 10  # as the vendor's diagram loops
ACK_S = 0.5
ANSWER_AGAIN_S = 3.0  # no answer came yet: ask by ENQ whether there is one; a device that works says ACK
REPEAT_S = (0.5, 1.0, 2.0)  # version 2: longer than the device's own byte time-out


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer's bytes; empty where one only got in step."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Gone:
    """No answer. `begun`: the command may have been carried out."""

    begun: bool
    words: str


Result = Answered | Gone


class Line(ABC):
    """Either link layer. `result` is set once an exchange is over; begin the next one then."""

    name: str
    call_s: float  # how long a device that is called may take to be found

    def __init__(self, byte_s: float) -> None:
        self.result: Result | None = None
        self.repeats = 0
        self._byte_s = byte_s
        self._at: float | None = None
        self._byte_at: float | None = None
        self._until = 0.0
        self._data = b""
        self._dirty = True

    @property
    @abstractmethod
    def skipped(self) -> int:
        """Bytes dropped since it was made."""

    @property
    def wake_at(self) -> float | None:
        """When `wake` is wanted."""
        if self._at is None:
            return None
        moments = [self._at, self._until]
        if self._byte_at is not None:
            moments.append(self._byte_at)
        return min(moments)

    @abstractmethod
    def begin(self, data: bytes, limit_s: float, now: float) -> list[bytes]:
        """Ask this; no bytes: only get in step."""

    @abstractmethod
    def received(self, data: bytes, now: float) -> list[bytes]:
        """Bytes came."""

    @abstractmethod
    def wake(self, now: float) -> list[bytes]:
        """`wake_at` has come."""

    @abstractmethod
    def drop(self) -> None:
        """The port is gone, and the exchange with it."""

    @property
    def risky(self) -> bool:
        """The next command must not be one that may only be done once."""
        return False

    def _start(self, data: bytes, limit_s: float, now: float) -> None:
        self.result = None
        self._data = data
        self._until = now + limit_s
        self._byte_at = None

    def _end(self, result: Result) -> list[bytes]:
        self.result = result
        self._at = self._byte_at = None
        if isinstance(result, Gone):
            self._dirty = True
        return []

    def _watch_bytes(self, reader: "FrameReader[Control | FrameV1] | FrameReader[FrameV2]", now: float) -> None:
        self._byte_at = now + self._byte_s if reader.partial else None


class LineV1(Line):
    """ENQ, ACK, NAK."""

    name = "v1"
    call_s = 7.0  # a model that cuts paper is silent for 3 s

    def __init__(self, byte_s: float = BYTE_SERIAL_S) -> None:
        super().__init__(byte_s)
        self._reader = ReaderV1()
        self._state = "idle"  # enquiring, sent, awaiting
        self._asked = False  # the command went out
        self._refused = False  # and was answered by NAK
        self._tries = 0
        self._frames_sent = 0
        self._idles = 0  # NAK to ENQ in a row

    @property
    def skipped(self) -> int:
        return self._reader.skipped

    def begin(self, data: bytes, limit_s: float, now: float) -> list[bytes]:
        self._start(data, limit_s, now)
        self._asked = self._refused = False
        self._tries = self._idles = self._frames_sent = 0
        return self._enquire(now)

    def drop(self) -> None:
        self._reader.clear()
        self._state = "idle"
        self._end(Gone(self._asked, "the port is gone"))

    def received(self, data: bytes, now: float) -> list[bytes]:
        out: list[bytes] = []
        for item in self._reader.read(data):
            if self._at is None:
                continue
            match item:
                case Control(code):
                    out += self._control(code, now)
                case FrameV1(content):
                    out += self._frame(content, now)
                case Dropped(checksum=checksum) if checksum is not None:
                    # What stands inside of a broken answer must not pass for a control byte.
                    return [*out, *self._damaged(now)]
        if self._at is not None:
            self._watch_bytes(self._reader, now)
        return out

    def wake(self, now: float) -> list[bytes]:
        if self._at is None:
            return []
        if now >= self._until:
            self._state = "idle"
            return self._end(Gone(self._asked, "no answer"))
        if self._byte_at is not None and now >= self._byte_at:
            self._byte_at = None
            return self._damaged(now)
        if now < self._at:
            return []
        if self._state == "enquiring" and not self._asked and self._tries >= len(ENQ_S) + 1:
            self._state = "idle"
            return self._end(Gone(False, "it does not answer ENQ"))
        self._idles = 0
        return self._enquire(now)

    def _enquire(self, now: float) -> list[bytes]:
        self._reader.clear()
        self._byte_at = None
        self._state = "enquiring"
        if self._tries:
            self.repeats += 1
        self._at = now + ENQ_S[min(self._tries, len(ENQ_S) - 1)]
        self._tries += 1
        return [bytes([ENQ])]

    def _damaged(self, now: float) -> list[bytes]:
        """An answer came broken: the device keeps it and gives it again after ENQ."""
        self._dirty = True
        self._idles = 0
        return [bytes([NAK]), *self._enquire(now)]

    def _control(self, code: int, now: float) -> list[bytes]:
        match self._state, code:
            case "enquiring", 0x15:
                return self._idle(now)
            case "enquiring", 0x06:
                self._idles = 0
                self._state = "awaiting"
                self._at = now + ANSWER_AGAIN_S
            case "sent", 0x06:
                self._state = "awaiting"
                self._at = now + ANSWER_AGAIN_S
            case "sent", 0x15:
                self._refused = self._dirty = True
                self._idles = 0
                return self._enquire(now)
        return []

    def _idle(self, now: float) -> list[bytes]:
        self._idles += 1
        if self._idles < (2 if self._dirty else 1):
            self._tries = 0
            return self._enquire(now)
        if self._asked and not self._refused:
            self._state = "idle"
            return self._end(Gone(True, "it is idle and has no answer"))
        self._dirty = False
        if not self._data:
            self._state = "idle"
            return self._end(Answered(b""))
        if self._frames_sent >= ENQ_TRIES:
            self._state = "idle"
            return self._end(Gone(False, f"it refused the frame {ENQ_TRIES} times"))
        if self._frames_sent:
            self.repeats += 1
        self._frames_sent += 1
        self._asked, self._refused = True, False
        self._state = "sent"
        self._tries = 0
        self._at = now + ACK_S
        return [FrameV1(self._data).encode()]

    def _frame(self, content: bytes, now: float) -> list[bytes]:
        ack = bytes([ACK])
        if self._state == "idle":
            return []
        if self._asked and self._data[: _head(self._data)] == content[: _head(self._data)]:
            self._state = "idle"
            self._end(Answered(content))
            return [ack]
        # An answer to somebody's earlier question: fetched, so that the device becomes idle, and forgotten.
        self._dirty = True
        self._idles = 0
        return [ack, *self._enquire(now)]


class LineV2(Line):
    """Numbered and stuffed."""

    name = "v2"
    call_s = 2.5

    def __init__(self, byte_s: float = BYTE_SERIAL_S) -> None:
        super().__init__(byte_s)
        self._reader = ReaderV2()
        self._last = 0
        self._state = "idle"  # syncing, sent
        self._frame = b""
        self._number = 0
        self._tries = 0
        self._agreed: int | None = None  # the number the last sync told

    @property
    def skipped(self) -> int:
        return self._reader.skipped

    @property
    def risky(self) -> bool:
        # A device that lost power begins at 1 again: a repeated number 1 would be carried out once more.
        return (self._last + 1) & 0xFFFF == 1

    def begin(self, data: bytes, limit_s: float, now: float) -> list[bytes]:
        self._start(data, limit_s, now)
        self._tries = 0
        if self._dirty or not data:
            self._agreed = None
            return self._sync(now)
        return self._send(now)

    def drop(self) -> None:
        begun = self._state == "sent"
        self._reader.clear()
        self._state = "idle"
        self._end(Gone(begun, "the port is gone"))

    def received(self, data: bytes, now: float) -> list[bytes]:
        out: list[bytes] = []
        for frame in self._reader.feed(data):
            if self._at is None or frame.number is None:
                continue
            out += self._synced(frame, now) if self._state == "syncing" else self._answered(frame)
        if self._at is not None:
            self._watch_bytes(self._reader, now)
        return out

    def wake(self, now: float) -> list[bytes]:
        if self._at is None:
            return []
        if now >= self._until:
            begun = self._state == "sent"
            self._state = "idle"
            return self._end(Gone(begun, "no answer"))
        if self._byte_at is not None and now >= self._byte_at:
            self._byte_at = None
            self._reader.clear()
        if now < self._at:
            return []
        self._tries += 1
        self._reader.clear()
        if self._state == "syncing":
            if self._tries > len(REPEAT_S) + 1:
                self._state = "idle"
                return self._end(Gone(False, "it does not tell its last number"))
            self.repeats += 1
            return self._sync(now)
        self.repeats += 1
        self._at = now + REPEAT_S[min(self._tries, len(REPEAT_S) - 1)]
        return [self._frame]

    def _sync(self, now: float) -> list[bytes]:
        self._state = "syncing"
        self._at = now + REPEAT_S[min(self._tries, len(REPEAT_S) - 1)]
        return [FrameV2(None).encode()]

    def _send(self, now: float) -> list[bytes]:
        self._state = "sent"
        self._tries = 0
        self._number = (self._last + 1) & 0xFFFF
        self._frame = FrameV2(self._number, self._data).encode()
        self._at = now + REPEAT_S[0]
        return [self._frame]

    def _synced(self, frame: FrameV2, now: float) -> list[bytes]:
        number = frame.number or 0
        if self._agreed != number:
            self._agreed = number
            return self._sync(now)
        self._last = number
        self._dirty = False
        if not self._data:
            self._state = "idle"
            return self._end(Answered(b""))
        return self._send(now)

    def _answered(self, frame: FrameV2) -> list[bytes]:
        head = _head(self._data)
        if frame.number == self._number:
            self._state = "idle"
            self._last = self._number
            if frame.data and frame.data[:head] == self._data[:head]:
                return self._end(Answered(frame.data))
            return self._end(Gone(True, "another command was carried out under this number"))
        if frame.number == self._last and frame.data:
            return []  # an earlier answer that came late, or twice
        self._state = "idle"
        return self._end(Gone(True, "out of step: the device counts from another number, it may have lost power"))


def _head(data: bytes) -> int:
    return 2 if data[:1] == b"\xff" else 1
