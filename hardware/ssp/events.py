"""What a poll brings: events one behind the other, each of its own length. Once a code is not known, nothing behind it
can be read.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Shape(StrEnum):
    """What stands behind an event's code."""

    NOTHING = "nothing"
    CHANNEL = "channel"  # one byte
    AMOUNTS = "amounts"  # n × (value 4, currency 3) from protocol 6 on; before, one value of 4
    PAID_OF = "paid of asked"  # n × (paid 4, asked 4, currency 3) from protocol 6 on; before, 4 and 4
    AMOUNT_FROM_6 = "amount from protocol 6"  # value 4 and currency 3; before, nothing
    AMOUNT_FROM_8 = "amount from protocol 8"
    ERROR = "error"  # one byte; from protocol 7 on behind amounts
    MAYBE_AMOUNT = "amount if so configured"


class Code(StrEnum):
    """Names of the events that a bill validator's driver acts on."""

    SLAVE_RESET = "SLAVE RESET"
    READ = "READ"
    CREDIT = "CREDIT"
    REJECTING = "REJECTING"
    REJECTED = "REJECTED"
    STACKING = "STACKING"
    STACKED = "STACKED"
    SAFE_JAM = "SAFE JAM"
    UNSAFE_JAM = "UNSAFE JAM"
    DISABLED = "DISABLED"
    FULL = "STACKER FULL"
    FRAUD = "FRAUD ATTEMPT"
    CASHBOX_REMOVED = "CASHBOX REMOVED"
    CASHBOX_REPLACED = "CASHBOX REPLACED"
    CLEARED_FRONT = "CLEARED FROM FRONT"
    CLEARED_CASHBOX = "CLEARED TO CASHBOX"
    PATH_OPEN = "NOTE PATH OPEN"
    ALL_INHIBITED = "ALL CHANNELS INHIBITED"
    INITIALISING = "INITIALISING"


@dataclass(frozen=True, slots=True)
class Kind:
    """One event. `acknowledged`: POLL WITH ACK repeats it until EVENT ACK."""

    code: int
    name: str
    words: str
    shape: Shape = Shape.NOTHING
    acknowledged: bool = False


_C, _A, _P = Shape.CHANNEL, Shape.AMOUNTS, Shape.PAID_OF

KINDS: dict[int, Kind] = {
    kind.code: kind
    for kind in (
        Kind(0xF1, Code.SLAVE_RESET, "has just got power"),
        Kind(0xEF, Code.READ, "a note is being read, or is held in escrow", _C),
        Kind(0xEE, Code.CREDIT, "a note is taken and cannot come back", _C, True),
        Kind(0xED, Code.REJECTING, "a note is refused and goes back"),
        Kind(0xEC, Code.REJECTED, "a note went back"),
        Kind(0xCC, Code.STACKING, "a note is on its way to the cashbox"),
        Kind(0xEB, Code.STACKED, "a note lies in the cashbox"),
        Kind(0xEA, Code.SAFE_JAM, "a note is jammed where the customer cannot reach it: open the validator, clear it"),
        Kind(
            0xE9, Code.UNSAFE_JAM, "a note is jammed where the customer may pull it out: open the validator, clear it"
        ),
        Kind(0xE8, Code.DISABLED, "takes no notes"),
        Kind(0xE7, Code.FULL, "the cashbox is full: collect the notes"),
        Kind(0xE6, Code.FRAUD, "somebody tried to cheat the validator: look for a string or a tape", _C, True),
        Kind(0xE3, Code.CASHBOX_REMOVED, "the cashbox is out of its place"),
        Kind(0xE4, Code.CASHBOX_REPLACED, "the cashbox is in its place again"),
        Kind(0xE1, Code.CLEARED_FRONT, "after power came, a note was given back", _C, True),
        Kind(0xE2, Code.CLEARED_CASHBOX, "after power came, a note was moved to the cashbox", _C, True),
        Kind(0xE0, Code.PATH_OPEN, "the note path is open: close it"),
        Kind(0xB5, Code.ALL_INHIBITED, "every channel is inhibited"),
        Kind(0xB6, Code.INITIALISING, "is getting ready"),
        Kind(0xE5, "TICKET VALIDATED", "a bar-coded ticket is in escrow"),
        Kind(0xD1, "TICKET STACKED", "a bar-coded ticket is taken"),
        Kind(0xDA, "DISPENSING", "is paying out", _A),
        Kind(0xD2, "DISPENSED", "has paid out", _A, True),
        Kind(0xDC, "INCOMPLETE PAYOUT", "power failed while it paid; this is what left", _P, True),
        Kind(0xDD, "INCOMPLETE FLOAT", "power failed while it moved money to the cashbox", _P, True),
        Kind(0xD5, "JAMMED", "jammed while it paid", _A, True),
        Kind(0xD6, "HALTED", "was told to stop paying", _A, True),
        Kind(0xD9, "TIME OUT", "could not finish paying", _A, True),
        Kind(0xD7, "FLOATING", "is moving money to the cashbox", _A),
        Kind(0xD8, "FLOATED", "has moved money to the cashbox", _A, True),
        Kind(0xB3, "SMART EMPTYING", "is emptying into the cashbox", _A),
        Kind(0xB4, "SMART EMPTIED", "is empty", _A, True),
        Kind(0xC2, "EMPTYING", "is emptying into the cashbox"),
        Kind(0xC3, "EMPTIED", "is empty"),
        Kind(0xDE, "CASHBOX PAID", "what went to the cashbox while it paid", _A),
        Kind(0xDF, "COIN CREDIT", "a coin was taken", _A, True),
        Kind(0xC9, "NOTE TO STACKER", "a stored note was moved to the cashbox", Shape.AMOUNT_FROM_6, True),
        Kind(0xCA, "NOTE INTO STACKER AT POWER-UP", "after power came, to the cashbox", Shape.AMOUNT_FROM_8, True),
        Kind(0xCB, "NOTE INTO STORE AT POWER-UP", "after power came, into the store", Shape.AMOUNT_FROM_8, True),
        Kind(0xCD, "NOTE DISPENSED AT POWER-UP", "after power came, paid out", Shape.AMOUNT_FROM_6, True),
        Kind(0xCE, "NOTE HELD IN BEZEL", "a note that was paid waits to be taken", Shape.AMOUNT_FROM_8),
        Kind(0xDB, "NOTE STORED IN PAYOUT", "a note was stored for payout", Shape.MAYBE_AMOUNT),
        Kind(0xC6, "PAYOUT OUT OF SERVICE", "the payout unit does not work"),
        Kind(0xC7, "NOTE FLOAT REMOVED", "the note float is off"),
        Kind(0xC8, "NOTE FLOAT ATTACHED", "the note float is on"),
        Kind(0xCF, "DEVICE FULL", "the note float is full"),
        Kind(0xC4, "COIN MECHANISM JAMMED", "the coin mechanism is jammed"),
        Kind(0xC5, "COIN RETURN PRESSED", "the return button of the coin mechanism is pressed"),
        Kind(0xB7, "COIN MECHANISM ERROR", "the coin mechanism failed"),
        Kind(0xB0, "JAM RECOVERY", "the payout unit is clearing a jam"),
        Kind(0xB1, "ERROR DURING PAYOUT", "a note was lost track of while it paid", Shape.ERROR),
    )
}


@dataclass(frozen=True, slots=True)
class PollEvent:
    """One event. `amounts` are (value, currency), for PAID_OF (paid, asked, currency); values in the device's units."""

    kind: Kind
    channel: int | None = None
    amounts: tuple[tuple[int | str, ...], ...] = ()
    error: int | None = None

    def as_data(self) -> dict[str, object]:
        """Of JSON's types."""
        said: dict[str, object] = {"code": f"{self.kind.code:02X}", "name": str(self.kind.name)}
        if self.channel is not None:
            said["channel"] = self.channel
        if self.amounts:
            keys = ("paid", "asked", "currency") if self.kind.shape is Shape.PAID_OF else ("value", "currency")
            said["amounts"] = [dict(zip(keys, amount, strict=False)) for amount in self.amounts]
        if self.error is not None:
            said["error"] = self.error
        return said


@dataclass(frozen=True, slots=True)
class Polled:
    """A poll's answer. `rest` could not be read: it begins with a code that is not known, or is cut short."""

    events: tuple[PollEvent, ...]
    rest: bytes = field(default=b"")


def read(data: bytes, protocol: int) -> Polled:
    """The events behind F0."""
    events: list[PollEvent] = []
    at = 0
    while at < len(data):
        kind = KINDS.get(data[at])
        event, length = (None, 0) if kind is None else _one(kind, data[at + 1 :], protocol)
        if event is None:
            return Polled(tuple(events), data[at:])
        events.append(event)
        at += 1 + length
    return Polled(tuple(events))


def write(code: int, *data: int) -> bytes:
    """One event as the device sends it."""
    return bytes((code, *data))


def _one(kind: Kind, behind: bytes, protocol: int) -> tuple[PollEvent | None, int]:
    match kind.shape:
        case Shape.CHANNEL:
            return (PollEvent(kind, channel=behind[0]), 1) if behind else (None, 0)
        case Shape.AMOUNTS:
            return _amounts(kind, behind, 1, counted=protocol >= 6)
        case Shape.PAID_OF:
            return _amounts(kind, behind, 2, counted=protocol >= 6)
        case Shape.AMOUNT_FROM_6 | Shape.AMOUNT_FROM_8:
            since = 6 if kind.shape is Shape.AMOUNT_FROM_6 else 8
            if protocol < since:
                return PollEvent(kind), 0
            amount = _amount(behind[:7], 1)
            return (None, 0) if amount is None else (PollEvent(kind, amounts=(amount,)), 7)
        case Shape.MAYBE_AMOUNT:
            amount = _amount(behind[:7], 1)
            if amount is None or not str(amount[1]).isupper():
                return PollEvent(kind), 0
            return PollEvent(kind, amounts=(amount,)), 7
        case Shape.ERROR:
            if protocol < 7:
                return (PollEvent(kind, error=behind[0]), 1) if behind else (None, 0)
            event, length = _amounts(kind, behind, 1, counted=True)
            if event is None or len(behind) <= length:
                return None, 0
            return PollEvent(kind, amounts=event.amounts, error=behind[length]), length + 1
        case _:
            return PollEvent(kind), 0


def _amounts(kind: Kind, behind: bytes, numbers: int, *, counted: bool) -> tuple[PollEvent | None, int]:
    if not counted:
        size = 4 * numbers
        if len(behind) < size:
            return None, 0
        values = tuple(int.from_bytes(behind[at : at + 4], "little") for at in range(0, size, 4))
        return PollEvent(kind, amounts=(values,)), size
    if not behind:
        return None, 0
    size = 4 * numbers + 3
    amounts = [_amount(behind[1 + at * size : 1 + (at + 1) * size], numbers) for at in range(behind[0])]
    if any(amount is None for amount in amounts):
        return None, 0
    return PollEvent(kind, amounts=tuple(amount for amount in amounts if amount)), 1 + behind[0] * size


def _amount(data: bytes, numbers: int) -> tuple[int | str, ...] | None:
    if len(data) < 4 * numbers + 3:
        return None
    values = [int.from_bytes(data[at : at + 4], "little") for at in range(0, 4 * numbers, 4)]
    return (*values, data[4 * numbers : 4 * numbers + 3].decode("ascii", "replace"))
