"""A CCNET bill validator on the bench: real bytes, the notes' times, a memory, and whatever befalls such devices.

Its mechanics are in `mechanism`; here are its ears and its mouth, and the hands of whoever stands before it. It is
stricter than many real ones: an ACK that comes later than the document allows is no ACK.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from hardware.ccnet import commands
from hardware.ccnet.bill_table import COUPON, TYPES, TYPES_WIDE, read_table, write_table
from hardware.ccnet.commands import COMMANDS, Command, read_fields
from hardware.ccnet.frames import ACK, ILLEGAL, NAK, Address, Frame, FrameReader, encode
from hardware.ccnet.mechanism import Bill, Mechanism
from hardware.ccnet.states import Failure, Reject, State
from hardware.simulation.simulator import Control, ControlError, Ledger, Simulator
from wire.money import Money, of_major

TABLES: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "KZT": ("KAZ", (200, 500, 1000, 2000, 5000, 10000, 20000)),
    "RUB": ("RUS", (10, 50, 100, 200, 500, 1000, 2000, 5000)),
    "UAH": ("UKR", (5, 10, 20, 50, 100, 200, 500, 1000)),
    "EUR": ("EUR", (5, 10, 20, 50, 100, 200)),
    "USD": ("USA", (1, 2, 5, 10, 20, 50, 100)),
}
PIECES_S = 0.03  # a frame with a longer pause in it is none

Confirmed = Callable[[float], None]


class CcnetSimulator(Simulator):
    """One validator.

    Args:
        currency: of its notes; one of `TABLES`, or with `table` any.
        table: denominations in major units, "200,500,1000"; their order is their type.
        country: the letters in its bill table.
        baud: 9600 or 19200, its DIP switch.
        address: 3, or 1 for a Bill-to-Bill unit.
        counter: "yes", or "no" for a firmware without GET COUNTER.
        repeats: "yes": tells an event until it is confirmed; "no": once (and again only when it is answered NAK).
        types: 24 or 48.
        ack_ms: how late an ACK may be.
        pace: so many times quicker than a real one moves notes.
        returned_event: "no": a note given back after power-up is not told by BILL RETURNED.
    """

    family: ClassVar[str] = "ccnet"
    controls: ClassVar[Mapping[str, Control]] = {
        "insert": Control("push a note in, by its value in minor or major units", {"minor": "50000", "value": "500"}),
        "insert_two": Control("push two notes in at once", {"minor": "50000", "value": "500"}),
        "insert_fake": Control("push something in that is no note", {"reason": "65"}),
        "insert_coupon": Control("push a bar-code coupon in", {"code": "4600000000017"}),
        "jam": Control("a note gets stuck", {"where": "validator"}),
        "clear": Control("free what is stuck: take the note out by hand, or let it go on", {"note": "hand"}),
        "pull_cassette": Control("take the cassette out"),
        "put_cassette": Control("put an empty cassette in"),
        "fill_cassette": Control("the cassette is full"),
        "cheat": Control("pull a note out on a string"),
        "fail": Control("something breaks", {"code": "51"}),
        "repair": Control("what broke works again"),
        "keep": Control("keep the note that is being looked at as counterfeit", {"certain": "no", "reason": "66"}),
        "busy": Control("be busy for some tenths of a second", {"tenths": "5"}),
        "mute": Control("do not answer for some seconds", {"seconds": "6"}),
    }

    def __init__(self, memory: MutableMapping[str, Any], ledger: Ledger, **options: object) -> None:
        super().__init__(memory, ledger)
        chosen = _Options(options)
        self.currency = chosen.text("currency", "KZT")
        country, values = TABLES.get(self.currency, (self.currency, ()))
        values = chosen.values("table", values)
        if not values:
            raise ControlError(f"table: no notes of {self.currency} are known here; name them")
        self.baud = chosen.number("baud", 9600, (9600, 19200))  # type: ignore[misc]
        self.address = chosen.number("address", Address.BILL_VALIDATOR, (1, 3))
        self._types = chosen.number("types", TYPES, (TYPES, TYPES_WIDE))
        self._counts, self._repeats = chosen.yes("counter", True), chosen.yes("repeats", True)
        self._ack_s = chosen.number("ack_ms", 10, None) / 1000
        country = chosen.text("country", country)
        self._part, self._serial = chosen.text("part", "SM-KZ0721"), chosen.text("serial", "21K100004711")
        tells_returned = chosen.yes("returned_event", True)
        pace = chosen.number("pace", 1, None)
        chosen.finish()
        numbers = [number for number in range(self._types) if number != COUPON][: len(values)]
        self._table = write_table(
            {number: (country, *_parts(value)) for number, value in zip(numbers, values, strict=True)}, self._types
        )
        self._bills = {bill.number: of_major(bill.value, self.currency) for bill in read_table(self._table).values()}
        self.mechanism = Mechanism(memory, ledger, self._bill)
        self.mechanism.bill_to_bill = self.address == Address.BILL_TO_BILL
        self.mechanism.tells_returned = tells_returned
        self.mechanism.pace = max(pace, 1)
        self._options = bytes(4)
        self._security: frozenset[int] = frozenset()
        self._coupon = ""
        self._reader = FrameReader("host")
        self._heard_at = 0.0
        self._mute_until = 0.0
        self._last_reply = b""
        self._unconfirmed: tuple[float, Confirmed] | None = None  # until when an ACK counts, and what it does

    # Power and time

    def power_on(self, now: float) -> Sequence[bytes]:
        """It says nothing by itself."""
        self._reader.reset()
        self._unconfirmed = None
        self._last_reply = b""
        self._mute_until = 0.0
        self.mechanism.power_on()
        return ()

    def power_off(self, now: float) -> None:
        """Everything stops."""
        self._reader.reset()
        self._unconfirmed = None
        self.mechanism.power_off()

    @property
    def wake_at(self) -> float | None:
        """When the present movement ends."""
        return self.mechanism.wake_at

    def wake(self, now: float) -> Sequence[bytes]:
        """A movement ends; it speaks only when asked."""
        self.mechanism.wake(now)
        return ()

    # The line

    def received(self, data: bytes, now: float) -> Sequence[bytes]:
        """Commands, ACK and NAK."""
        if now - self._heard_at > PIECES_S:
            self._reader.reset()
        self._heard_at = now
        damaged = self._reader.damaged
        answers: list[bytes] = []
        frames = self._reader.feed(data)
        for frame in frames:
            if frame.address == self.address:
                answers += self._frame(frame.data, now)
        if not frames and self._reader.damaged > damaged and not self._reader.pending:
            answers.append(self._encoded(NAK))
        return () if now < self._mute_until else answers

    def _frame(self, data: bytes, now: float) -> Sequence[bytes]:
        unconfirmed = self._unconfirmed
        if data == ACK:
            self._unconfirmed = None
            if unconfirmed is not None and now <= unconfirmed[0]:
                unconfirmed[1](now)
            return ()
        if data == NAK:
            return (self._last_reply,) if unconfirmed is not None else ()
        self._unconfirmed = None
        reply, on_ack = self._answer(data, now)
        self._last_reply = self._encoded(reply)
        if reply not in (ACK, NAK, ILLEGAL):
            on_the_way = (len(self._last_reply) + 6) * 10 / self.baud
            self._unconfirmed = (now + on_the_way + self._ack_s, on_ack)
        return (self._last_reply,)

    def _answer(self, data: bytes, now: float) -> tuple[bytes, Confirmed]:
        """The answer to a command, and what its confirmation does."""
        command = COMMANDS.get(data[0])
        shown = self.mechanism.shown
        if command is None or (command.bill_to_bill and self.address != Address.BILL_TO_BILL):
            return ILLEGAL, _nothing
        if command.valid is not None and shown not in command.valid:
            return ILLEGAL, _nothing
        try:
            fields = read_fields(command.request, data[1:])
        except ValueError:
            return ILLEGAL, _nothing
        if command is commands.POLL:
            return self._polled()
        if command is commands.POWER_RECOVERY:
            return self._recovery()
        return self._carry_out(command, fields, now), _nothing

    def _polled(self) -> tuple[bytes, Confirmed]:
        reply = self.mechanism.poll()
        if self.mechanism.event is None:
            return reply, _nothing
        if not self._repeats:
            self.mechanism.confirmed(self._heard_at)
            return reply, _nothing
        return reply, self.mechanism.confirmed

    def _recovery(self) -> tuple[bytes, Confirmed]:
        inside = [each for each in (self.memory["untold"], self.memory["stacker"]) if each is not None]
        if self.mechanism.shown != State.POWER_UP_BILL_IN_STACKER or not inside:
            self.mechanism.told_recovery = True
            return b"\x00", _nothing
        reply = bytes([0x17]) + b"".join(bytes([each, 0]) for each in inside)
        return reply, lambda _: self.mechanism.recovered()

    def _carry_out(self, command: Command, fields: Mapping[str, object], now: float) -> bytes:
        match command.name, fields:
            case "RESET", _:
                self.mechanism.reset(now)
            case "GET STATUS", _:
                return command.encode_reply(
                    {"enable": self._wide(self.mechanism.enabled), "security": self._wide(self._security)}
                )
            case "SET SECURITY", {"security": frozenset() as types}:
                self._security = types
            case "ENABLE BILL TYPES", {"enable": frozenset() as enabled, "escrow": frozenset() as escrow}:
                self.mechanism.enable(enabled, escrow, now)
            case "STACK", _:
                self.mechanism.stack(now)
            case "RETURN", _:
                self.mechanism.give_back(now)
            case "HOLD", _:
                self.mechanism.hold(now)
            case "IDENTIFICATION", _:
                return command.encode_reply({"part": self._part, "serial": self._serial, "asset": bytes(7)})
            case "GET BILL TABLE", _:
                return self._table
            case "GET COUNTER OF STACKED BILLS", _:
                count: int = self.memory["counter"]
                return command.encode_reply({"count": count}) if self._counts else ILLEGAL
            case "EXTRACT BARCODE DATA", _:
                return self._coupon.encode("ascii") or ILLEGAL
            case "SET ESCROW TIMEOUTS", {"note_ms": int(note_ms)}:
                self.mechanism.escrow_s = note_ms / 1000
            case "GET CRC32 OF THE CODE", _:
                return bytes.fromhex("1A2B3C4D")
            case "GET DATE OF RELEASE", _:
                return b"20141201"
            case "SET OPTIONS", {"options": bytes() as switches}:
                self._options = switches
            case "GET OPTIONS", _:
                return self._options
            case _:
                return ILLEGAL if command.reply else ACK
        return ACK

    def _wide(self, types: frozenset[int]) -> tuple[frozenset[int], int]:
        return types, self._types // 8

    def _encoded(self, data: bytes) -> bytes:
        return encode(Frame(self.address, data), "device")

    def _bill(self, bill_type: int) -> Bill:
        bill = self._bills.get(bill_type)
        if bill is None:
            return {"type": bill_type}
        return {"type": bill_type, "minor": bill.minor, "currency": bill.currency}

    # Hands

    def takes(self) -> Mapping[str, Sequence[int]]:
        """Notes of its table."""
        return {"insert": [bill.minor for bill in self._bills.values()]}

    def do_insert(self, now: float, minor: str = "", value: str = "") -> Mapping[str, object]:
        """Whether it was drawn in."""
        return {"taken": int(self.mechanism.insert(self._type(minor, value), Reject.IDENTIFICATION, now))}

    def do_insert_two(self, now: float, minor: str = "", value: str = "") -> Mapping[str, object]:
        """Both come out again."""
        taken = self.mechanism.insert(self._type(minor, value), Reject.IDENTIFICATION, now)
        if taken:
            self.mechanism.second_note(now)
        return {"taken": int(taken)}

    def do_insert_fake(self, now: float, reason: str = "65") -> Mapping[str, object]:
        """Drawn in, and rejected."""
        return {"taken": int(self.mechanism.insert(None, _hex(reason, "reason"), now))}

    def do_insert_coupon(self, now: float, code: str) -> Mapping[str, object]:
        """Type 23."""
        if not code.isascii():
            raise ControlError("code: a bar code is ASCII")
        self._coupon = code
        return {"taken": int(self.mechanism.insert(COUPON, Reject.BARCODE_UNRECOGNISED, now))}

    def do_jam(self, now: float, where: str = "validator") -> None:
        """It stops where it is."""
        places = {"validator": State.VALIDATOR_JAMMED, "cassette": State.CASSETTE_JAMMED}
        if where not in places:
            raise ControlError(f"where: {where!r} is none of {', '.join(places)}")
        self.mechanism.fault(places[where], None, now)

    def do_clear(self, now: float, note: str = "hand") -> None:
        """Of a jam."""
        if note not in ("hand", "on"):
            raise ControlError(f"note: {note!r} is none of hand, on")
        self.mechanism.cured(now, by_hand=note == "hand")

    def do_pull_cassette(self, now: float) -> Mapping[str, object]:
        """How many notes are in it."""
        return self.mechanism.pull_cassette(now)

    def do_put_cassette(self, now: float) -> None:
        """It initialises."""
        self.mechanism.put_cassette(now)

    def do_fill_cassette(self, now: float) -> None:
        """Until it is taken out."""
        self.mechanism.fault(State.CASSETTE_FULL, None, now)

    def do_cheat(self, now: float) -> None:
        """The device sees it."""
        self.mechanism.cheat(now)

    def do_fail(self, now: float, code: str = "51") -> None:
        """Until it is repaired."""
        number = _hex(code, "code")
        if number not in Failure.__members__.values():
            raise ControlError(f"code: {code} is no failure code; there are {', '.join(f'{x:02X}' for x in Failure)}")
        self.mechanism.fault(State.FAILURE, number, now)

    def do_repair(self, now: float) -> None:
        """It initialises."""
        self.mechanism.cured(now, state=State.FAILURE)

    def do_keep(self, now: float, certain: str = "no", reason: str = "66") -> None:
        """The note never comes back."""
        state = State.COUNTERFEIT_HELD if certain == "yes" else State.SUSPECTED_HELD
        self.mechanism.keep(state, _hex(reason, "reason"), now)

    def do_busy(self, now: float, tenths: str = "5") -> None:
        """It answers BUSY meanwhile."""
        self.mechanism.busy(_number(tenths, "tenths", 255), now)

    def do_mute(self, now: float, seconds: str = "6") -> None:
        """It works on, and is not heard."""
        self._mute_until = now + _number(seconds, "seconds", 3600)

    def unmute(self) -> None:
        """It is heard again."""
        self._mute_until = 0.0

    def describe(self) -> Mapping[str, object]:
        """What a person at the bench wants to see."""
        shown = self.mechanism.poll()
        return {
            "state": f"{shown.hex(' ').upper()} {_state_name(shown[0])}",
            "in_validator": self.memory["validator"],
            "in_stacker": self.memory["stacker"],
            "cassette": dict(self.memory["cassette"]),
            "counter": self.memory["counter"],
            "enabled": sorted(self.mechanism.enabled),
            "notes": {str(number): str(bill) for number, bill in self._bills.items()},
        }

    def _type(self, minor: str, value: str) -> int:
        try:
            wanted = of_major(Decimal(value), self.currency) if value else Money(int(minor), self.currency)
        except (ValueError, InvalidOperation):
            raise ControlError(f"{value or minor!r} is no amount; name minor or value") from None
        for number, bill in self._bills.items():
            if bill == wanted:
                return number
        raise ControlError(f"there is no note of {wanted}; there are {', '.join(map(str, self._bills.values()))}")


class _Options:
    """Reads options by keyword: strings from a command line, or values from a test."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = dict(given)

    def text(self, name: str, default: str) -> str:
        return str(self._given.pop(name, default))

    def number(self, name: str, default: int, allowed: tuple[int, ...] | None) -> int:
        raw = self._given.pop(name, default)
        number = _number(str(int(raw) if isinstance(raw, bool | int) else raw), name, 1_000_000)
        if allowed is not None and number not in allowed:
            raise ControlError(f"{name}: {number} is none of {', '.join(map(str, allowed))}")
        return number

    def yes(self, name: str, default: bool) -> bool:
        raw = self._given.pop(name, default)
        if raw in (True, "yes", "1"):
            return True
        if raw in (False, "no", "0"):
            return False
        raise ControlError(f"{name}: {raw!r} is neither yes nor no")

    def values(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        raw = self._given.pop(name, None)
        if raw is None:
            return default
        parts = raw.split(",") if isinstance(raw, str) else list(raw) if isinstance(raw, list | tuple) else [raw]
        return tuple(_number(str(part).strip(), name, 10**9) for part in parts)

    def finish(self) -> None:
        if self._given:
            raise ControlError(f"there is no option {', '.join(sorted(self._given))}")


def _nothing(_: float) -> None:
    """An answer whose confirmation changes nothing."""


def _parts(value: int) -> tuple[int, int]:
    """Mantissa and exponent."""
    exponent = 0
    while value > 255 or (value >= 100 and value % 10 == 0):
        if value % 10:
            raise ControlError(f"table: {value} does not fit an entry of a bill table")
        value, exponent = value // 10, exponent + 1
    return value, exponent


def _number(raw: str, name: str, largest: int) -> int:
    if not raw.isdecimal() or int(raw) > largest:
        raise ControlError(f"{name}: {raw!r} is no whole number of at most {largest}")
    return int(raw)


def _hex(raw: str, name: str) -> int:
    try:
        number = int(raw, 16)
    except ValueError:
        raise ControlError(f"{name}: {raw!r} is no hex number") from None
    if not 0 <= number <= 0xFF:
        raise ControlError(f"{name}: {raw!r} is more than a byte")
    return number


def _state_name(state: int) -> str:
    return State(state).name if state in State.__members__.values() else "?"
