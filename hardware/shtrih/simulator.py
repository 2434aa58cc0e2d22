"""A simulated register: both link layers, the commands of `handlers`, a printer and a fiscal storage.

A command takes time: the storage some hundreds of milliseconds, others a few. What it does is done at the end of that
time, its answer leaves a moment later, and the power may go before, between and after. The link layer's own state (an
answer that waits, the last number) is lost with the power; the open receipt is not.
"""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

from hardware.shtrih import commands
from hardware.shtrih.fiscal import No
from hardware.shtrih.frames import ACK, ENQ, NAK, STX, Control, Dropped, FrameV1, FrameV2, ReaderV1, ReaderV2
from hardware.shtrih.handlers import Handlers
from hardware.simulation.simulator import Control as Hand
from hardware.simulation.simulator import ControlError, Ledger, Simulator

BYTE_S = 0.1
ANSWER_S = 0.01
WORK_S = 0.01
STORAGE_WORK_S = 0.25
SLOW = frozenset(
    {
        "close_v2", "close_extended", "close", "correction", "correction_v2", "z_report", "open_shift", "fn_open_shift",
        "fn_close_shift", "cash_in", "cash_out",
    }
)  # fmt: skip
LINKS = ("auto", "v1", "v2")


class ShtrihSimulator(Simulator):
    """One register.

    Options:
        link: "auto" (locks to the first layer it hears), "v1" or "v2".
        fiscal: "fn", or "base" for one without FF.. commands.
        ff_noise: send FF after each exchange of version 1, as over USB-Ethernet.
        line_by_line: print each line of a receipt as it is entered, not all at the end.
    """

    family: ClassVar[str] = "shtrih"
    baud: ClassVar[int] = 115200
    controls: ClassVar[Mapping[str, Hand]] = {
        "paper_out": Hand("the roll ends, now or after some lines", {"after": "3"}),
        "paper_in": Hand("a new roll"),
        "cover_open": Hand("open the cover"),
        "cover_close": Hand("close the cover"),
        "paper": Hand("read the last documents on paper", {"last": "1"}),
        "expire_shift": Hand("24 hours pass"),
        "fail": Hand("the next commands end with an error", {"code": "71", "count": "1"}),
        "ofd_off": Hand("the data operator gets nothing any more"),
        "ofd_on": Hand("the data operator gets everything again"),
        "queue_old": Hand("documents are unsent for 30 days"),
        "foreign_receipt": Hand("somebody else registers a receipt", {"minor": "10000"}),
    }

    def __init__(
        self,
        memory: MutableMapping[str, Any],
        ledger: Ledger,
        *,
        link: str = "auto",
        fiscal: str = "fn",
        ff_noise: bool = False,
        line_by_line: bool = True,
    ) -> None:
        super().__init__(memory, ledger)
        if link not in LINKS:
            raise ControlError(f"link: {link!r} is none of {', '.join(LINKS)}")
        if fiscal not in {"fn", "base"}:
            raise ControlError(f"fiscal: {fiscal!r} is neither fn nor base")
        self._link = link
        self._noise = ff_noise
        self.handlers = Handlers(memory, ledger, base=fiscal == "base", line_by_line=line_by_line)
        self._end: _End | None = None
        self._powered = False

    def show_time(self, wall: datetime.datetime, now: float) -> None:
        self.handlers.storage.show_time(wall, now)

    # The line

    def power_on(self, now: float) -> Sequence[bytes]:
        self._powered = True
        self._end = self._make_end(self._link) if self._link != "auto" else None
        self.handlers.power_on()
        return ()

    def power_off(self, now: float) -> None:
        self._powered = False
        self._end = None

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        if not self._powered:
            return ()
        while self._end is None and data:
            if data[0] in {ENQ, STX}:
                self._end = self._make_end("v1")
            elif data[0] == 0x8F:
                self._end = self._make_end("v2")
            else:
                data = data[1:]
        return self._end.received(data, now) if self._end is not None else ()

    @property
    def wake_at(self) -> float | None:
        if not self._powered:
            return None
        moments = [self.handlers.printer.wake_at, self._end.wake_at if self._end else None]
        return min((moment for moment in moments if moment is not None), default=None)

    def wake(self, now: float) -> Sequence[bytes]:
        self.handlers.printer.wake(now)
        return self._end.wake(now) if self._end is not None else ()

    def _make_end(self, link: str) -> "_End":
        return _EndV1(self.handlers, noise=self._noise) if link == "v1" else _EndV2(self.handlers)

    # A person's hand

    def do_paper_out(self, now: float, after: str = "0") -> None:
        self.handlers.printer.paper_out(_number("after", after))

    def do_paper_in(self, now: float) -> None:
        self.handlers.printer.paper_in()

    def do_cover_open(self, now: float) -> None:
        self.handlers.printer.cover(True)

    def do_cover_close(self, now: float) -> None:
        self.handlers.printer.cover(False)

    def do_paper(self, now: float, last: str = "1") -> Mapping[str, object]:
        documents = self.handlers.printer.paper[-max(1, _number("last", last)) :]
        return {"paper": [line for document in documents for line in (*document, "")][:-1]}

    def do_expire_shift(self, now: float) -> None:
        self.handlers.storage.kept["skew"] += 25 * 3600.0

    def do_fail(self, now: float, code: str = "71", count: str = "1") -> None:
        try:
            self.handlers.failures = [int(code, 16)] * int(count)
        except ValueError:
            raise ControlError(f"code {code!r} is two hex digits, count {count!r} a number") from None

    def do_ofd_off(self, now: float) -> None:
        self.handlers.storage.kept["ofd"] = False

    def do_ofd_on(self, now: float) -> None:
        self.handlers.storage.kept.update(ofd=True, unsent=[], old_queue=False)

    def do_queue_old(self, now: float) -> None:
        self.handlers.storage.kept["old_queue"] = True

    def do_foreign_receipt(self, now: float, minor: str = "10000") -> Mapping[str, object]:
        storage = self.handlers.storage
        total = _number("minor", minor)
        if storage.kept["open"] is not None:
            raise ControlError("a receipt is open")
        try:
            storage.add_line(0, 1_000_000, total, None, now)
            return storage.close_receipt({1: total}, now)
        except No as error:
            raise ControlError(f"the register refuses it with error {error.code:02X}") from None

    def describe(self) -> Mapping[str, object]:
        return {"link": self._end.name if self._end else self._link, **self.handlers.describe()}


def _number(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ControlError(f"{name}: {value!r} is no number") from None


class _End(ABC):
    """The device's end of a link layer: one command at a time, in three moments: taken, done, answered."""

    name = ""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._command: bytes | None = None
        self._done_at: float | None = None
        self._answer: bytes | None = None
        self._answer_at: float | None = None
        self._byte_at: float | None = None

    @property
    def wake_at(self) -> float | None:
        moments = [self._done_at, self._answer_at, self._byte_at]
        return min((moment for moment in moments if moment is not None), default=None)

    @property
    def _busy(self) -> bool:
        return self._done_at is not None or self._answer_at is not None

    @abstractmethod
    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        """Bytes came."""

    def wake(self, now: float) -> Sequence[bytes]:
        if self._byte_at is not None and now >= self._byte_at:
            self._byte_at = None
            self._forget()
        if self._done_at is not None and now >= self._done_at:
            self._done_at = None
            self._answer = self._handlers.carry_out(self._command or b"", now)
            self._command = None
            self._answer_at = now + ANSWER_S
            return ()
        if self._answer_at is not None and now >= self._answer_at:
            self._answer_at = None
            return self._answered(self._answer or b"", now)
        return ()

    def _take(self, data: bytes, now: float) -> None:
        command = commands.find(data)
        slow = command is not None and command.name in SLOW
        self._command = data
        self._done_at = now + (STORAGE_WORK_S if slow else WORK_S)

    @abstractmethod
    def _answered(self, answer: bytes, now: float) -> Sequence[bytes]:
        """The command is done: what is sent of it."""

    @abstractmethod
    def _forget(self) -> None:
        """A frame that stopped in its middle is dropped."""


class _EndV1(_End):
    name = "v1"

    def __init__(self, handlers: Handlers, *, noise: bool) -> None:
        super().__init__(handlers)
        self._reader = ReaderV1()
        self._noise = noise
        self._pending: bytes | None = None

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        out: list[bytes] = []
        for item in self._reader.read(data):
            match item:
                case Control(code):
                    out += self._control(code)
                case FrameV1(content) if not self._busy and self._pending is None:
                    out.append(bytes([ACK]))
                    self._take(content, now)
                case Dropped(checksum=checksum) if checksum is not None:
                    self._reader.clear()
                    if not self._busy and self._pending is None:
                        out.append(bytes([NAK]))
                    break
        self._byte_at = now + BYTE_S if self._reader.partial else None
        return out

    def _control(self, code: int) -> list[bytes]:
        if code == ENQ:
            if self._busy:
                return [bytes([ACK])]
            return [bytes([NAK])] if self._pending is None else [bytes([ACK]), self._pending]
        if code == ACK and self._pending is not None:
            self._pending = None
            return [b"\xff"] if self._noise else []
        return []

    def _answered(self, answer: bytes, now: float) -> Sequence[bytes]:
        self._pending = FrameV1(answer).encode()
        return [self._pending]

    def _forget(self) -> None:
        self._reader.clear()


class _EndV2(_End):
    name = "v2"

    def __init__(self, handlers: Handlers) -> None:
        super().__init__(handlers)
        self._reader = ReaderV2()
        self._last = 0
        self._stored: bytes | None = None
        self._waiting: list[FrameV2] = []

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        self._waiting += self._reader.feed(data)
        self._byte_at = now + BYTE_S if self._reader.partial else None
        return self._work(now)

    def _work(self, now: float) -> list[bytes]:
        out: list[bytes] = []
        while self._waiting and not self._busy:
            frame = self._waiting.pop(0)
            if frame.number == (self._last + 1) & 0xFFFF:
                self._take(frame.data, now)
                self._number = frame.number
            elif frame.number is not None and self._busy:
                continue
            else:
                out.append(FrameV2(self._last, self._stored or b"").encode())
        return out

    def _answered(self, answer: bytes, now: float) -> Sequence[bytes]:
        self._last, self._stored = self._number, answer
        return [FrameV2(self._last, answer).encode(), *self._work(now)]

    def _forget(self) -> None:
        self._reader.clear()
