"""A JCM validator in software: its statuses and times, a path, a stacker, and a memory that outlives a power cut.

Power that goes while a note is in the acceptor comes back as 41 and the note goes back; while it is past the middle of
its way to the stacker, or stacked and not confirmed, as 42, and VEND VALID follows. Times are those that public hosts
see, rounded.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

from hardware.id003.commands import COMMANDS, SET_UP, Answer
from hardware.id003.currency import Assignment, encode, refused
from hardware.id003.frames import Frame, FrameReader
from hardware.id003.frames import encode as encode_frame
from hardware.id003.states import IDLE, POWER_UPS, Status
from hardware.simulation.simulator import Control, ControlError, Ledger, Simulator
from wire.money import Money, of_major

ACCEPT_S, STACK_S, STACKED_S, RETURN_S, REJECT_S, START_S = 0.8, 0.6, 0.3, 0.5, 0.5, 0.5
PUSH_S = 0.4  # from the gate into the stacker: how much later STACK-2 tells
STACKER_ROOM = 400

COUNTRY_CODES = {"RUB": 0x27, "KZT": 0x51, "EUR": 0xE0, "USD": 0x01, "UZS": 0x86, "UAH": 0x5C}
VALUES = {0x61: 100, 0x62: 200, 0x63: 500, 0x64: 1000, 0x65: 2000, 0x66: 5000, 0x67: 10000, 0x68: 20000}


class Id003Simulator(Simulator):
    """One validator.

    Args:
        currency: of its notes: RUB, KZT, EUR, USD, UZS or UAH.
        late_vend: after a power cut it tells of a stacked note only once it was set up, not straight after RESET.
    """

    family = "id003"
    controls: ClassVar[Mapping[str, Control]] = {
        "insert": Control("put a note in", {"minor": "50000", "forged": "0"}),
        "pull": Control("take the note out of the acceptor while there is no power"),
        "jam": Control("the next or current note gets stuck", {"where": "stacker"}),
        "clear": Control("clear a jam; the note goes back or into the stacker by hand", {"note": "returned"}),
        "pull_cassette": Control("take the stacker out, emptied"),
        "put_cassette": Control("put the stacker back"),
        "fill": Control("fill the stacker to its last place"),
        "cheat": Control("pull a note on a string"),
        "fail": Control("something breaks", {"code": "162"}),
        "repair": Control("it is repaired"),
    }

    def __init__(
        self,
        memory: MutableMapping[str, Any],
        ledger: Ledger,
        *,
        currency: str = "KZT",
        late_vend: str | int = 0,
    ) -> None:
        super().__init__(memory, ledger)
        if currency not in COUNTRY_CODES:
            raise ControlError(f"currency: {currency!r}; right would be {', '.join(COUNTRY_CODES)}")
        self.currency = currency
        self._late_vend = bool(int(late_vend))
        self._table = []
        for code, value in VALUES.items():
            zeros = len(str(value)) - len(str(value).rstrip("0"))
            self._table.append(Assignment(code, COUNTRY_CODES[currency], value // 10**zeros, zeros))
        memory.setdefault("stacked", 0)
        memory.setdefault("path", None)  # {"code", "at": "acceptor" | "stacker", "told": whether the ledger knows}
        memory.setdefault("cassette", "in")
        memory.setdefault("jam", "")
        memory.setdefault("failure", 0)
        self._powered = False
        self._forget()

    def _forget(self) -> None:
        self._reader = FrameReader()
        self._code: int = Status.POWER_UP
        self._data = b""
        self._settings: dict[int, bytes] = {}
        self._steps: list[tuple[float, Callable[[float], None]]] = []
        self._reset_done = False
        self._resume = 0  # a status that comes after INITIALIZE instead of idling
        self._jam_next = ""
        self._cheated = False

    # Power

    def power_on(self, now: float) -> Sequence[bytes]:
        self._forget()
        self._powered = True
        path = self.memory["path"]
        self._code = Status.POWER_UP
        if path is not None and not self.memory["jam"]:
            in_stacker = path["at"] == "stacker"
            self._code = Status.POWER_UP_BILL_IN_STACKER if in_stacker else Status.POWER_UP_BILL_IN_ACCEPTOR
        return ()

    def power_off(self, now: float) -> None:
        self._forget()
        self._powered = False

    # The line

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        return [encode_frame(answer) for frame in self._reader.feed(data) for answer in self._answer(frame, now)]

    def _answer(self, frame: Frame, now: float) -> list[Frame]:
        command = COMMANDS.get(frame.code)
        if command is None:
            return [Frame(Status.INVALID_COMMAND)]
        if command.answer is Answer.STATUS:
            return [self._shown()]
        if command.answer is Answer.NOTHING:
            if self._code == Status.VEND_VALID:
                self._acknowledged(now)
            return []
        if command.answer is Answer.ACK:
            return [Frame(Status.ACK if self._order(frame.code, now) else Status.INVALID_COMMAND)]
        if command.answer is Answer.ECHO:
            if self._code in POWER_UPS:
                return [Frame(Status.INVALID_COMMAND)]
            self._settings[frame.code] = frame.data
            self._idle_again(now)
            return [frame]
        return [self._told(frame)]

    def _told(self, frame: Frame) -> Frame:
        if frame.code == 0x88:
            return Frame(frame.code, b"U(KAZ)-10-SS ID003-01V100-10 21NOV26")
        if frame.code == 0x89:
            return Frame(frame.code, b"B01")
        if frame.code == 0x8A:
            return Frame(frame.code, encode(self._table))
        kept = self._settings.get(frame.code + 0x40)
        return Frame(Status.INVALID_COMMAND) if kept is None else Frame(frame.code, kept)

    def _shown(self) -> Frame:
        """Its status, as it is asked for."""
        if self.memory["failure"] and self._code not in POWER_UPS:
            return Frame(Status.FAILURE, bytes((self.memory["failure"],)))
        if self._cheated:
            return Frame(Status.CHEATED)
        idle = self._code in IDLE or self._code == Status.INITIALIZE
        if idle and self.memory["cassette"] == "out":
            return Frame(Status.STACKER_OPEN)
        if idle and self.memory["stacked"] >= STACKER_ROOM:
            return Frame(Status.STACKER_FULL)
        return Frame(self._code, self._data)

    def _order(self, code: int, now: float) -> bool:
        if code == 0x40:
            self._reset(now)
            return True
        if self._code not in (Status.ESCROW, Status.HOLDING):
            return code == 0x45
        if code in (0x41, 0x42):
            self._stack(now, push=code == 0x42)
        elif code == 0x43:
            self._give_back(now)
        elif code == 0x44:
            self._become(Status.ESCROW, bytes((self.memory["path"]["code"],)))
        return True

    # Time

    @property
    def wake_at(self) -> float | None:
        return min((moment for moment, _ in self._steps), default=None)

    def wake(self, now: float) -> Sequence[bytes]:
        due = [step for step in self._steps if step[0] <= now]
        self._steps = [step for step in self._steps if step[0] > now]
        for _, what in due:
            what(now)
        return ()

    def _later(self, moment: float, what: Callable[[float], None]) -> None:
        self._steps.append((moment, what))

    def _become(self, code: int, data: bytes = b"") -> None:
        self._code, self._data = code, data

    # A note's way

    def _accepted(self, now: float) -> None:
        path = self.memory["path"]
        if path["forged"] or path["code"] in refused(self._settings.get(0xC0, b"\xff\xff")):
            self._become(Status.REJECTING, b"\x79" if not path["forged"] else b"\x76")
            self._later(now + REJECT_S, self._out)
        else:
            self._become(Status.ESCROW, bytes((path["code"],)))

    def _stack(self, now: float, *, push: bool) -> None:
        self._become(Status.STACKING)
        self._later(now + STACK_S / 2, self._past_the_middle)
        self._later(now + STACK_S + (PUSH_S if push else 0), self._past_the_gate)

    def _past_the_middle(self, now: float) -> None:
        if self._jam_next:
            self._jam(self._jam_next, now)
        else:
            self.memory["path"]["at"] = "stacker"

    def _past_the_gate(self, now: float) -> None:
        self._fell()
        self._become(Status.VEND_VALID)

    def _fell(self) -> None:
        path = self.memory["path"]
        if not path["told"]:
            path["told"] = True
            self.memory["stacked"] += 1
            self.ledger("bill_stacked", self._figures(path["code"]))

    def _acknowledged(self, now: float) -> None:
        self.memory["path"] = None
        self._become(Status.STACKED)
        self._later(now + STACKED_S, self._start_or_idle)

    def _give_back(self, now: float) -> None:
        self._become(Status.RETURNING)
        self._later(now + RETURN_S, self._out)

    def _out(self, now: float) -> None:
        self._returned()
        self._start_or_idle(now)

    def _returned(self) -> None:
        path, self.memory["path"] = self.memory["path"], None
        if path is not None:
            self.ledger("bill_returned", self._figures(path["code"]))

    def _figures(self, code: int) -> dict[str, object]:
        bill = self._money(code)
        return {"code": code, "minor": bill.minor, "currency": bill.currency}

    def _money(self, code: int) -> Money:
        return of_major(VALUES[code], self.currency)

    def _jam(self, where: str, now: float) -> None:
        self._jam_next = ""
        self._steps.clear()
        self.memory["jam"] = where
        self._become(Status.JAM_IN_STACKER if where == "stacker" else Status.JAM_IN_ACCEPTOR)

    # Starting

    def _reset(self, now: float) -> None:
        self._steps.clear()
        self._settings.clear()
        self._cheated = False
        if self.memory["jam"]:
            self._jam(self.memory["jam"], now)
            return
        path = self.memory["path"]
        self._reset_done = False
        self._resume = 0
        if path is None:
            self._become(Status.INITIALIZE)
            self._later(now + START_S, self._started)
        elif path["at"] == "acceptor":
            self._become(Status.RETURNING)
            self._later(now + RETURN_S, self._out)
        elif self._late_vend:
            self._become(Status.INITIALIZE)
            self._resume = Status.VEND_VALID
            self._later(now + START_S, self._started)
        else:
            self._past_the_gate(now)

    def _start_or_idle(self, now: float) -> None:
        if self._set_up:
            self._become(self._settled_code)
        else:
            self._become(Status.INITIALIZE)
            self._later(now + START_S, self._started)

    def _started(self, now: float) -> None:
        self._reset_done = True
        self._idle_again(now)

    @property
    def _set_up(self) -> bool:
        return all(command.code in self._settings for command in SET_UP)

    @property
    def _settled_code(self) -> int:
        return Status.DISABLE if self._settings.get(0xC3, b"\x01") != b"\x00" else Status.ENABLE

    def _idle_again(self, now: float) -> None:
        if self._code == Status.INITIALIZE and self._reset_done and self._set_up:
            if self._resume:
                self._resume = 0
                self._past_the_gate(now)
            else:
                self._become(self._settled_code)
        elif self._code in IDLE:
            self._become(self._settled_code)

    # A person's hand

    def takes(self) -> Mapping[str, Sequence[int]]:
        """Notes of its country."""
        return {"insert": [self._money(code).minor for code in VALUES]}

    def do_insert(self, now: float, minor: str = "50000", forged: str = "0") -> Mapping[str, object]:
        """A note enters, if it may."""
        code = next((code for code in VALUES if str(self._money(code).minor) == str(minor)), None)
        if code is None:
            known = ", ".join(str(self._money(code).minor) for code in VALUES)
            raise ControlError(f"minor: there is no note of {minor}; right would be {known}")
        if not self._powered or self._shown().code != Status.ENABLE:
            raise ControlError(f"it takes no note now: it says {self._code:02X}")
        self.memory["path"] = {"code": code, "at": "acceptor", "told": False, "forged": str(forged) not in ("0", "")}
        self._become(Status.ACCEPTING)
        self._later(now + ACCEPT_S, self._accepted)
        return {"code": code}

    def do_pull(self, now: float) -> None:
        """The customer takes a note out of a dead validator."""
        path = self.memory["path"]
        if self._powered or path is None or path["at"] != "acceptor":
            raise ControlError("nothing can be pulled out")
        self._returned()

    def do_jam(self, now: float, where: str = "stacker") -> None:
        """The note that is being stacked, or else the next, gets stuck."""
        if where not in ("stacker", "acceptor"):
            raise ControlError(f"where: {where!r}; right would be stacker or acceptor")
        self._jam_next = where

    def do_clear(self, now: float, note: str = "returned") -> None:
        """A person takes the stuck note out, or pushes it into the stacker."""
        if not self.memory["jam"]:
            raise ControlError("nothing is jammed")
        self.memory["jam"] = ""
        if note == "stacked" and self.memory["path"] is not None:
            self._fell()
            self.memory["path"] = None
        else:
            self._returned()
        self._settings.clear()
        self._reset_done = False
        self._become(Status.INITIALIZE)
        self._later(now + START_S, self._started)

    def do_pull_cassette(self, now: float) -> Mapping[str, object]:
        """The stacker is taken out and emptied."""
        if self.memory["cassette"] == "out":
            raise ControlError("it is out already")
        notes = self.memory["stacked"]
        self.memory["cassette"], self.memory["stacked"] = "out", 0
        self.ledger("cassette_removed", {"notes": notes})
        return {"notes": notes}

    def do_put_cassette(self, now: float) -> None:
        """The stacker comes back."""
        if self.memory["cassette"] == "in":
            raise ControlError("it is in its place")
        self.memory["cassette"] = "in"
        self.ledger("cassette_returned", {})

    def do_fill(self, now: float) -> None:
        """No place is left."""
        self.memory["stacked"] = STACKER_ROOM

    def do_cheat(self, now: float) -> None:
        """Seen until the next RESET or power cut."""
        self._cheated = True
        self._later(now + 2.0, self._trust)

    def _trust(self, now: float) -> None:
        self._cheated = False

    def do_fail(self, now: float, code: str = "162") -> None:
        """A failure, until it is repaired."""
        if not str(code).isdigit() or not 0 < int(code) < 256:
            raise ControlError(f"code: {code!r}; right would be 162 (stacker motor) or another byte")
        self.memory["failure"] = int(code)

    def do_repair(self, now: float) -> None:
        """No failure any more."""
        self.memory["failure"] = 0

    def describe(self) -> Mapping[str, object]:
        return {
            "status": str(self._shown()),
            "stacked": self.memory["stacked"],
            "path": self.memory["path"],
            "cassette": self.memory["cassette"],
            "jam": self.memory["jam"],
        }
