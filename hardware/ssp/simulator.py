"""An ITL validator in software: it answers by flag, keeps what must be acknowledged, and finds notes after a power cut.

A note in escrow is accepted by the next poll and goes back after 10 s. Power that goes before a note is past the gate
comes back with E1 and the note at the front, later with E2 and the note in the cashbox, also when it was credited and
had not reached it. Times are those that public hosts see, rounded.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

from hardware.simulation.simulator import Control, ControlError, Ledger, Simulator
from hardware.ssp import commands as c
from hardware.ssp.events import write
from hardware.ssp.frames import Frame, FrameReader, encode
from hardware.ssp.replies import Setup, write_setup
from hardware.ssp.states import Generic

READ_S, ESCROW_S, STACK_S, STACKED_S, REJECT_S, START_S = 0.8, 10.0, 0.8, 0.4, 0.5, 1.0
SILENT_S = 8.0  # then it disables itself
CASHBOX_ROOM = 400
VALUES = (100, 200, 500, 1000, 2000, 5000, 10000, 20000)
CURRENCIES = ("KZT", "RUB", "EUR", "USD", "UZS", "GBP")


class SspSimulator(Simulator):
    """One validator.

    Args:
        currency: of its notes.
        ack: 1: it knows POLL WITH ACK.
        protocol: the highest it speaks.
        encrypted: 1: it takes only encrypted commands.
        address: its number on the line.
    """

    family = "ssp"
    controls: ClassVar[Mapping[str, Control]] = {
        "insert": Control("put a note in", {"minor": "50000", "forged": "0"}),
        "jam": Control("the note that is stacked now or next gets stuck", {"where": "safe"}),
        "clear": Control("clear a jam; the note goes back or into the cashbox by hand", {"note": "returned"}),
        "pull_cassette": Control("take the cashbox out, emptied"),
        "put_cassette": Control("put the cashbox back"),
        "fill": Control("fill the cashbox to its last place"),
        "cheat": Control("pull a note on a string"),
        "fail": Control("the note path stands open"),
        "repair": Control("the note path is closed again"),
    }

    def __init__(
        self,
        memory: MutableMapping[str, Any],
        ledger: Ledger,
        *,
        currency: str = "KZT",
        ack: str | int = 1,
        protocol: str | int = 8,
        encrypted: str | int = 0,
        address: str | int = 0,
    ) -> None:
        super().__init__(memory, ledger)
        if currency not in CURRENCIES:
            raise ControlError(f"currency: {currency!r}; right would be {', '.join(CURRENCIES)}")
        self.currency = currency
        self._ack, self._encrypted = bool(int(ack)), bool(int(encrypted))
        self._highest, self._address = int(protocol), int(address)
        memory.setdefault("stacked", 0)
        memory.setdefault("path", None)  # {"channel", "past": beyond the gate, "told": whether the ledger knows}
        memory.setdefault("cassette", "in")
        memory.setdefault("jam", "")
        memory.setdefault("open", False)
        self._powered = False
        self._forget()

    def _forget(self) -> None:
        self._reader = FrameReader()
        self._last: tuple[bool, bytes] | None = None
        self._protocol = 4
        self._enabled = False
        self._inhibits = b"\x00\x00"
        self._state = "idle"  # starting, reading, escrow, stacking, rejecting
        self._shown = False  # EF with its channel was told: the next poll accepts
        self._once: list[bytes] = []
        self._unacked: list[bytes] = []
        self._in_answer = 0
        self._steps: list[tuple[float, str, Callable[[float], None]]] = []
        self._heard_at = 0.0
        self._reject_code = 0
        self._jam_next = ""

    # Power

    def power_on(self, now: float) -> Sequence[bytes]:
        self._forget()
        self._powered = True
        self._heard_at = now
        self._once.append(write(0xF1))
        if self.memory["path"] is not None and not self.memory["jam"]:
            self._state = "starting"
            self._later(now + START_S, "start", self._find_note)
        return ()

    def power_off(self, now: float) -> None:
        self._forget()
        self._powered = False

    def _find_note(self, now: float) -> None:
        path = self.memory["path"]
        self._state = "idle"
        if path["past"]:
            self._fall()
            self._tell_money(write(0xE2, path["channel"]))
            self.memory["path"] = None
        else:
            self._return()
            self._tell_money(write(0xE1, path["channel"]))

    # The line

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        answers = []
        for frame in self._reader.feed(data):
            if frame.address != self._address:
                continue
            sync = frame.data[0] == c.SYNC.code
            if not sync and self._last is not None and self._last[0] == frame.flag:
                answers.append(self._last[1])
                continue
            answer = encode(Frame(self._answer(frame.data, now), frame.flag, self._address))
            self._last = (frame.flag, answer)
            answers.append(answer)
        return answers

    def _answer(self, data: bytes, now: float) -> bytes:
        if self._enabled and now - self._heard_at > SILENT_S:
            self._enabled = False
        self._heard_at = now
        command, arguments = data[0], data[1:]
        if self._encrypted and command not in (c.SYNC.code, c.GENERATOR.code, c.MODULUS.code, c.KEY_EXCHANGE.code):
            return bytes((Generic.KEY_NOT_SET,))
        if command == c.POLL.code or (command == c.POLL_ACK.code and self._ack):
            return bytes((Generic.OK,)) + self._polled(now, keep=command == c.POLL_ACK.code)
        if command == c.EVENT_ACK.code and self._ack:
            if not self._in_answer:
                return bytes((Generic.CANNOT_PROCESS,))
            del self._unacked[: self._in_answer]
            self._in_answer = 0
            return bytes((Generic.OK,))
        told = self._told(command)
        if told is not None:
            return bytes((Generic.OK,)) + told
        return bytes((self._done(command, arguments, now),))

    def _done(self, command: int, arguments: bytes, now: float) -> int:
        match command:
            case c.SYNC.code | c.DISPLAY_ON.code | c.DISPLAY_OFF.code:
                return Generic.OK
            case c.PROTOCOL.code:
                if len(arguments) != 1:
                    return Generic.WRONG_PARAMETERS
                if arguments[0] > self._highest:
                    return Generic.FAIL
                self._protocol = arguments[0]
                return Generic.OK
            case c.SET_INHIBITS.code:
                self._inhibits = arguments
                return Generic.OK if len(arguments) >= 2 else Generic.WRONG_PARAMETERS
            case c.ENABLE.code | c.DISABLE.code:
                self._enabled = command == c.ENABLE.code
                return Generic.OK
            case c.REJECT.code | c.HOLD.code:
                if self._state != "escrow":
                    return Generic.CANNOT_PROCESS
                if command == c.HOLD.code:
                    self._drop("escrow")
                    self._later(now + ESCROW_S, "escrow", lambda at: self._reject(0x13, at))
                else:
                    self._reject(0x08, now)
                return Generic.OK
            case _:
                return Generic.UNKNOWN_COMMAND

    def _told(self, command: int) -> bytes | None:
        match command:
            case c.SETUP.code:
                count = len(VALUES)
                setup = Setup(
                    unit=0, firmware="0333", country=self.currency, multiplier=100,
                    values=tuple(value // 100 for value in VALUES), security=(2,) * count, real_multiplier=100,
                    protocol=self._protocol,
                    currencies=(self.currency,) * count if self._protocol >= 6 else (),
                    full_values=VALUES if self._protocol >= 6 else (),
                )  # fmt: skip
                return write_setup(setup)
            case c.SERIAL.code:
                return (1234567).to_bytes(4, "big")
            case c.FIRMWARE.code:
                return b"NV02004333498000"
            case c.DATASET.code:
                return f"{self.currency}01610".encode()
            case c.LAST_REJECT.code:
                return bytes((self._reject_code,))
            case _:
                return None

    def _polled(self, now: float, *, keep: bool) -> bytes:
        if self._state == "escrow" and self._shown:
            self._accept(now)
        events, self._once = b"".join(self._once), []
        events += b"".join(self._unacked)
        if keep:
            self._in_answer = len(self._unacked)
        else:
            self._unacked = []
        if self._state == "escrow" and not self._shown:
            self._shown = True
            events += write(0xEF, self.memory["path"]["channel"])
        elif self._state == "reading":
            events += write(0xEF, 0)
        elif self._state == "stacking":
            events += write(0xCC)
        if self.memory["jam"]:
            events += write(0xE9 if self.memory["jam"] == "unsafe" else 0xEA)
        if self.memory["stacked"] >= CASHBOX_ROOM:
            events += write(0xE7)
        if self.memory["cassette"] == "out":
            events += write(0xE3)
        if self.memory["open"]:
            events += write(0xE0)
        if not self._takes_notes and self._state == "idle":
            events += write(0xE8)
        return events

    @property
    def _takes_notes(self) -> bool:
        well = not self.memory["jam"] and not self.memory["open"] and self.memory["cassette"] == "in"
        return self._enabled and well and self.memory["stacked"] < CASHBOX_ROOM

    # Time

    @property
    def wake_at(self) -> float | None:
        return min((moment for moment, _, _ in self._steps), default=None)

    def wake(self, now: float) -> Sequence[bytes]:
        due = [step for step in self._steps if step[0] <= now]
        self._steps = [step for step in self._steps if step[0] > now]
        for _, _, what in due:
            what(now)
        return ()

    def _later(self, moment: float, name: str, what: Callable[[float], None]) -> None:
        self._steps.append((moment, name, what))

    def _drop(self, name: str) -> None:
        self._steps = [step for step in self._steps if step[1] != name]

    # A note's way

    def _read(self, now: float) -> None:
        path = self.memory["path"]
        wanted = int.from_bytes(self._inhibits, "little") >> (path["channel"] - 1) & 1
        if path["forged"] or not wanted:
            self._reject(0x02 if path["forged"] else 0x0C, now)
            return
        self._state, self._shown = "escrow", False
        self._later(now + ESCROW_S, "escrow", lambda at: self._reject(0x13, at))

    def _accept(self, now: float) -> None:
        self._drop("escrow")
        self._state = "stacking"
        self._later(now + STACK_S / 2, "middle", self._past_the_middle)
        self._later(now + STACK_S, "gate", self._past_the_gate)

    def _past_the_middle(self, now: float) -> None:
        if self._jam_next:
            self.memory["jam"], self._jam_next = self._jam_next, ""
            self._steps.clear()
            self._state = "jammed"
        else:
            self.memory["path"]["past"] = True

    def _past_the_gate(self, now: float) -> None:
        self._fall()
        self._tell_money(write(0xEE, self.memory["path"]["channel"]))
        self._later(now + STACKED_S, "stacked", self._stacked)

    def _stacked(self, now: float) -> None:
        self.memory["path"] = None
        self._state = "idle"
        self._once.append(write(0xEB))

    def _reject(self, code: int, now: float) -> None:
        self._drop("escrow")
        self._state, self._reject_code = "rejecting", code
        self._once.append(write(0xED))
        self._later(now + REJECT_S, "rejected", self._rejected)

    def _rejected(self, now: float) -> None:
        self._return()
        self._state = "idle"
        self._once.append(write(0xEC))

    def _tell_money(self, event: bytes) -> None:
        self._unacked.append(event)

    def _fall(self) -> None:
        path = self.memory["path"]
        if not path["told"]:
            path["told"] = True
            self.memory["stacked"] += 1
            self.ledger("bill_stacked", self._figures(path["channel"]))

    def _return(self) -> None:
        path, self.memory["path"] = self.memory["path"], None
        if path is not None:
            self.ledger("bill_returned", self._figures(path["channel"]))

    def _figures(self, channel: int) -> dict[str, object]:
        return {"channel": channel, "minor": VALUES[channel - 1] * 100, "currency": self.currency}

    # A person's hand

    def takes(self) -> Mapping[str, Sequence[int]]:
        """Notes of its data set."""
        return {"insert": [value * 100 for value in VALUES]}

    def do_insert(self, now: float, minor: str = "50000", forged: str = "0") -> Mapping[str, object]:
        """A note enters, if it may."""
        known = [value * 100 for value in VALUES]
        if not str(minor).isdigit() or int(minor) not in known:
            raise ControlError(f"minor: there is no note of {minor}; right would be {', '.join(map(str, known))}")
        awake = self._powered and now - self._heard_at <= SILENT_S
        waiting = self._ack and self._unacked  # no further note until EVENT ACK
        if not awake or waiting or not self._takes_notes or self._state != "idle" or self.memory["path"] is not None:
            raise ControlError(f"it takes no note now: it is {self._state if self._enabled else 'disabled'}")
        channel = known.index(int(minor)) + 1
        self.memory["path"] = {
            "channel": channel, "past": False, "told": False, "forged": str(forged) not in ("0", ""),
        }  # fmt: skip
        self._state = "reading"
        self._later(now + READ_S, "read", self._read)
        return {"channel": channel}

    def do_jam(self, now: float, where: str = "safe") -> None:
        """Where the customer can reach it (unsafe) or not."""
        if where not in ("safe", "unsafe"):
            raise ControlError(f"where: {where!r}; right would be safe or unsafe")
        self._jam_next = where

    def do_clear(self, now: float, note: str = "returned") -> None:
        """A person takes the stuck note out, or pushes it into the cashbox; then the validator begins anew."""
        if not self.memory["jam"]:
            raise ControlError("nothing is jammed")
        self.memory["jam"] = ""
        if note == "stacked" and self.memory["path"] is not None:
            self._fall()
            self.memory["path"] = None
        else:
            self._return()
        self._state, self._enabled = "idle", False
        if self._powered:
            self._once.append(write(0xF1))

    def do_pull_cassette(self, now: float) -> Mapping[str, object]:
        """The cashbox is taken out and emptied."""
        if self.memory["cassette"] == "out":
            raise ControlError("it is out already")
        notes = self.memory["stacked"]
        self.memory["cassette"], self.memory["stacked"] = "out", 0
        self.ledger("cassette_removed", {"notes": notes})
        return {"notes": notes}

    def do_put_cassette(self, now: float) -> None:
        """The cashbox comes back."""
        if self.memory["cassette"] == "in":
            raise ControlError("it is in its place")
        self.memory["cassette"] = "in"
        self._once.append(write(0xE4))
        self.ledger("cassette_returned", {})

    def do_fill(self, now: float) -> None:
        """No place is left."""
        self.memory["stacked"] = CASHBOX_ROOM

    def do_cheat(self, now: float) -> None:
        """Told once."""
        self._once.append(write(0xE6, 1))

    def do_fail(self, now: float) -> None:
        """Somebody opened the note path."""
        self.memory["open"] = True

    def do_repair(self, now: float) -> None:
        """It is closed."""
        self.memory["open"] = False

    def describe(self) -> Mapping[str, object]:
        return {
            "state": self._state,
            "enabled": self._enabled,
            "stacked": self.memory["stacked"],
            "path": self.memory["path"],
            "cassette": self.memory["cassette"],
            "jam": self.memory["jam"],
        }
