"""Every command of the notes: its number, what it carries, what it answers.

A declaration is all there is to a command; reading, writing, explaining and the simulator go by it. Masks, tables and
status are twice as long in a device with 48 bill types, so a field may have a second size; all of one message's are
of the first size or all of the second.

Source: CCNET, Document 1, rev. 2.6.0, commands. Where the notes give a command's name alone (most of Bill-to-Bill) its
data is `data`: bytes that are shown and not read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hardware.ccnet.bill_table import read_table, table_json
from hardware.ccnet.frames import ACK, ILLEGAL, NAK
from hardware.ccnet.states import FAULTS, POWERED_UP, State

ANSWER_S = 0.2  # the document says 10 ms; a USB adapter's latency timer alone is 16
SLOW_ANSWER_S = 2.5  # the three commands to Bill-to-Bill units that may take 2 s

Kind = Literal["mask", "number", "hex", "text", "table", "options", "pairs"]


@dataclass(frozen=True, slots=True)
class Field:
    """A stretch of data. `size` None: all that is left. `wide`: its size with 48 bill types.

    mask     a set of bill types: bit 7 of the first byte is the highest type, bit 0 of the last is type 0
    number   whole, most significant byte first
    text     ASCII, padded with spaces or zeros
    hex      bytes without a meaning here
    table    see `bill_table`
    options  32 switches, vendors' own
    pairs    bill type and place, again and again
    """

    name: str
    kind: Kind
    size: int | None = None
    wide: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `reply` empty: the device answers ACK, which is not acknowledged. `optional`: the data may lack."""

    code: int
    name: str
    summary: str
    request: tuple[Field, ...] = ()
    reply: tuple[Field, ...] = ()
    valid: frozenset[State] | None = None  # None: in all states; else the device answers 30
    bill_to_bill: bool = False
    subcommand: bool = False
    optional: bool = False
    answer_s: float = ANSWER_S

    def encode(self, fields: Mapping[str, object] | None = None) -> bytes:
        """Command and data, for a frame. Fields: masks are sets of types, numbers int, text str, all else bytes.

        Raises:
            ValueError: a field is missing, is not of the command, or does not fit.
        """
        return bytes([self.code]) + write_fields(self.request, fields or {})

    def encode_reply(self, fields: Mapping[str, object]) -> bytes:
        """The device's answer, for a frame."""
        return write_fields(self.reply, fields)


_SET_UP = frozenset({State.INITIALIZE, State.DISABLED}) | FAULTS
_NOT_BUSY = _SET_UP | POWERED_UP
_HELD = frozenset({State.ESCROW, State.HOLDING})
_PLAIN = (Field("data", "hex"),)

_RESET = Command(0x30, "RESET", "set the device up anew; a note inside goes back")
_DECLARED = (
    _RESET,
    Command(
        0x31,
        "GET STATUS",
        "which bill types are enabled, and which are checked more strictly",
        reply=(Field("enable", "mask", 3, 6), Field("security", "mask", 3, 6)),
    ),
    Command(0x32, "SET SECURITY", "check these bill types more strictly", request=(Field("security", "mask", 3, 6),)),
    Command(0x33, "POLL", "what the device does, or what has happened", reply=(Field("state", "hex"),)),
    Command(
        0x34,
        "ENABLE BILL TYPES",
        "take these bill types, and hold these in escrow; none disables the device",
        request=(Field("enable", "mask", 3, 6), Field("escrow", "mask", 3, 6)),
    ),
    Command(0x35, "STACK", "keep the note in escrow; BILL STACKED follows within 30 s", valid=_HELD),
    Command(0x36, "RETURN", "give the note in escrow back; BILL RETURNED follows within 30 s", valid=_HELD),
    Command(
        0x37,
        "IDENTIFICATION",
        "part number, serial number, asset number",
        reply=(Field("part", "text", 15), Field("serial", "text", 12), Field("asset", "hex", 7)),
        valid=_NOT_BUSY,
    ),
    Command(0x38, "HOLD", "keep the note in escrow 10 s more", valid=_HELD),
    Command(
        0x39,
        "SET BARCODE PARAMETERS",
        "format and length of the bar codes that are taken",
        request=(Field("format", "number", 1), Field("length", "number", 1)),
        valid=frozenset({State.INITIALIZE, State.DISABLED}),
    ),
    Command(
        0x3A,
        "EXTRACT BARCODE DATA",
        "the bar code of the coupon in escrow or last stacked",
        reply=(Field("barcode", "text"),),
        valid=frozenset({State.ESCROW, State.BILL_STACKED, State.DISABLED, State.IDLING}),
    ),
    Command(
        0x3B,
        "RECYCLING CASSETTE STATUS",
        "the recycling cassettes",
        reply=_PLAIN,
        bill_to_bill=True,
    ),
    Command(0x3C, "DISPENSE", "pay notes out", request=_PLAIN, bill_to_bill=True, optional=True),
    Command(
        0x3D,
        "UNLOAD",
        "move notes from a recycling cassette to the drop cassette",
        request=_PLAIN,
        bill_to_bill=True,
        optional=True,
    ),
    Command(
        0x3E,
        "EXTENDED IDENTIFICATION",
        "numbers and programs of all modules",
        reply=_PLAIN,
        bill_to_bill=True,
        answer_s=SLOW_ANSWER_S,
    ),
    Command(
        0x40,
        "SET RECYCLING CASSETTE TYPE",
        "which denomination a recycling cassette holds",
        request=_PLAIN,
        bill_to_bill=True,
        optional=True,
    ),
    Command(
        0x41,
        "GET BILL TABLE",
        "what note stands behind each bill type",
        reply=(Field("bills", "table", 120, 240),),
        valid=_NOT_BUSY,
    ),
    Command(
        0x43, "GET CASSETTE CAPACITY LIMIT", "how many notes a recycling cassette takes", (), _PLAIN, bill_to_bill=True
    ),
    Command(
        0x44,
        "SET CASSETTE CAPACITY LIMIT",
        "how many notes a recycling cassette takes",
        request=_PLAIN,
        bill_to_bill=True,
        optional=True,
    ),
    Command(0x50, "DOWNLOAD", "replace the firmware", request=_PLAIN, reply=_PLAIN, subcommand=True, optional=True),
    Command(
        0x51,
        "GET CRC32 OF THE CODE",
        "the firmware's sum",
        reply=(Field("crc32", "hex", 4),),
        valid=_SET_UP,
    ),
    Command(
        0x5A,
        "SET ESCROW TIMEOUTS",
        "how long a note and a coupon are held in escrow",
        request=(Field("note_ms", "number", 4), Field("voucher_ms", "number", 4)),
    ),
    Command(
        0x5B,
        "GET COUNTER OF STACKED BILLS",
        "how many notes it has stacked; older firmware does not know it",
        reply=(Field("count", "number", 2),),
    ),
    Command(0x5C, "GET DATE OF RELEASE", "the firmware's date", reply=(Field("date", "text", 8),)),
    Command(0x60, "REQUEST STATISTICS", "what it has counted, by model", request=_PLAIN, reply=_PLAIN, optional=True),
    Command(
        0x62, "TIME AND DATE", "ask or set its clock", request=_PLAIN, reply=_PLAIN, bill_to_bill=True, optional=True
    ),
    Command(
        0x66,
        "POWER RECOVERY",
        "what was under way when the power went; asked before RESET, which drops it",
        reply=(Field("recovered", "pairs"),),
        bill_to_bill=True,
        answer_s=SLOW_ANSWER_S,
    ),
    Command(0x67, "EMPTY DISPENSER", "take back what lies in the dispenser", bill_to_bill=True),
    Command(
        0x68,
        "SET OPTIONS",
        "switches; one doubles the bill table to 48 types",
        request=(Field("options", "options", 4),),
    ),
    Command(0x69, "GET OPTIONS", "switches", reply=(Field("options", "options", 4),)),
    Command(
        0x70,
        "EXTENDED CASSETTE STATUS",
        "the recycling cassettes, more of it",
        reply=_PLAIN,
        bill_to_bill=True,
        answer_s=SLOW_ANSWER_S,
    ),
    Command(
        0xF0,
        "DIAGNOSTIC OR SETTING",
        "the vendor's own",
        request=_PLAIN,
        reply=_PLAIN,
        subcommand=True,
        optional=True,
    ),
)

COMMANDS: Mapping[int, Command] = {command.code: command for command in _DECLARED}

RESET = _RESET
GET_STATUS = COMMANDS[0x31]
SET_SECURITY = COMMANDS[0x32]
POLL = COMMANDS[0x33]
ENABLE_BILL_TYPES = COMMANDS[0x34]
STACK = COMMANDS[0x35]
RETURN = COMMANDS[0x36]
IDENTIFICATION = COMMANDS[0x37]
HOLD = COMMANDS[0x38]
EXTRACT_BARCODE_DATA = COMMANDS[0x3A]
GET_BILL_TABLE = COMMANDS[0x41]
GET_COUNTER = COMMANDS[0x5B]
POWER_RECOVERY = COMMANDS[0x66]

SHORT_ANSWERS: Mapping[bytes, str] = {ACK: "ACK", NAK: "NAK", ILLEGAL: "ILLEGAL COMMAND"}

OPTION_BITS: Mapping[int, str] = {
    31: "lights off while disabled",
    30: "holds a rejected note at the entry",
    29: "looks for tape",
    28: "turns its switch after packing",
}
"""Seen in public code, not in the notes; all others are told by number."""

RECOVERY_STACKING = 0x17
RECOVERY_KINDS: Mapping[int, str] = {
    0x00: "nothing",
    RECOVERY_STACKING: "stacking",
    0x3C: "dispensing",
    0x3D: "unloading",
}
"""First byte of the answer to POWER RECOVERY: what the power cut interrupted."""


def read_fields(fields: tuple[Field, ...], data: bytes) -> dict[str, object]:
    """What stands in it: masks as sets of types, numbers, texts, tables as `BillType`s by number, all else bytes.

    Raises:
        ValueError: it has another length than such a message.
    """
    read: dict[str, object] = {}
    at = 0
    for field, size in zip(fields, _sizes(fields, len(data)), strict=True):
        read[field.name] = _read(field, data[at : at + size])
        at += size
    return read


def write_fields(fields: tuple[Field, ...], values: Mapping[str, object]) -> bytes:
    """The other way. A mask that is given as (types, bytes) is as wide as that, else as narrow as can be.

    Raises:
        ValueError: a value is missing, does not fit, or is of no field.
    """
    if unknown := set(values) - {field.name for field in fields}:
        raise ValueError(f"there is no field {', '.join(sorted(unknown))}")
    data = b"".join(_write(field, values[field.name]) for field in fields if field.name in values)
    missing = [field.name for field in fields if field.name not in values and field.size is not None]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")
    return data


def mask(types: frozenset[int] | set[int], size: int = 3) -> bytes:
    """A set of bill types as bits. Raises `ValueError` for a type that does not fit."""
    bits = 0
    for number in types:
        if not 0 <= number < size * 8:
            raise ValueError(f"there is no bill type {number} in {size * 8}")
        bits |= 1 << number
    return bits.to_bytes(size, "big")


def types_of(data: bytes) -> frozenset[int]:
    """The bits of a mask as a set of bill types."""
    bits = int.from_bytes(data, "big")
    return frozenset(number for number in range(len(data) * 8) if bits >> number & 1)


def fields_json(fields: tuple[Field, ...], data: bytes) -> dict[str, object]:
    """As `read_fields`, in JSON's types: masks in hex and, as `<name>_types`, as lists.

    Raises:
        ValueError: as `read_fields`.
    """
    shown: dict[str, object] = {}
    at = 0
    for field, size in zip(fields, _sizes(fields, len(data)), strict=True):
        raw = data[at : at + size]
        at += size
        match field.kind:
            case "mask":
                shown[field.name] = raw.hex().upper()
                shown[f"{field.name}_types"] = sorted(types_of(raw))
            case "table":
                shown[field.name] = table_json(read_table(raw))
            case "options":
                bits = sorted(types_of(raw), reverse=True)
                shown[field.name] = raw.hex().upper()
                shown[f"{field.name}_set"] = bits
                shown[f"{field.name}_words"] = [OPTION_BITS.get(bit, f"option {bit}") for bit in bits]
            case "pairs":
                shown |= _recovery_json(raw)
            case "number" | "text":
                shown[field.name] = _read(field, raw)
            case "hex":
                shown[field.name] = raw.hex().upper()
    return shown


@dataclass(frozen=True, slots=True)
class Recovery:
    """Bill-to-Bill: what the power cut interrupted, and of which notes: (bill type, place)."""

    kind: int
    pairs: tuple[tuple[int, int], ...] = ()


def read_recovery(data: bytes) -> Recovery:
    """The answer to POWER RECOVERY. Raises `ValueError`."""
    if not data or (len(data) - 1) % 2:
        raise ValueError(f"an answer to POWER RECOVERY is one byte and pairs, not {len(data)} bytes")
    return Recovery(data[0], tuple((data[at], data[at + 1]) for at in range(1, len(data), 2)))


def _recovery_json(raw: bytes) -> dict[str, object]:
    recovery = read_recovery(raw)
    return {
        "recovery": recovery.kind,
        "recovery_words": RECOVERY_KINDS.get(recovery.kind, "unknown"),
        "pairs": [list(pair) for pair in recovery.pairs],
    }


def _sizes(fields: tuple[Field, ...], length: int) -> list[int]:
    narrow = [field.size for field in fields]
    wide = [field.wide or field.size for field in fields]
    for sizes in (narrow, wide):
        fixed = sum(size for size in sizes if size is not None)
        if None in sizes and fixed <= length:
            return [length - fixed if size is None else size for size in sizes]
        if fixed == length:
            return [size for size in sizes if size is not None]
    wanted = " or ".join(
        str(sum(size or 0 for size in sizes)) for sizes in (narrow, wide) if sizes is not wide or wide != narrow
    )
    raise ValueError(f"it has {length} bytes of data, must have {wanted}")


def _read(field: Field, raw: bytes) -> object:
    match field.kind:
        case "mask":
            return types_of(raw)
        case "number":
            return int.from_bytes(raw, "big")
        case "text":
            return raw.decode("latin-1").strip(" \0")
        case "table":
            return read_table(raw)
        case "pairs":
            return read_recovery(raw)
    return bytes(raw)


def _write(field: Field, value: object) -> bytes:
    match field.kind, value:
        case "mask", (frozenset() | set() as types, int(size)):
            return mask(types, size)
        case "mask", frozenset() | set() as types:
            return mask(types, field.size or 3)
        case "number", int():
            if field.size is None or not 0 <= value < 1 << 8 * field.size:
                raise ValueError(f"{field.name}: {value} does not fit {field.size} bytes")
            return value.to_bytes(field.size, "big")
        case "text", str():
            try:
                raw = value.encode("ascii")
            except UnicodeEncodeError:
                raise ValueError(f"{field.name}: {value!r} is not ASCII") from None
            if field.size is not None and len(raw) > field.size:
                raise ValueError(f"{field.name}: {value!r} is longer than {field.size}")
            return raw if field.size is None else raw.ljust(field.size)
        case _, bytes():
            if field.size is not None and len(value) not in (field.size, field.wide):
                raise ValueError(f"{field.name}: {len(value)} bytes, must be {field.size}")
            return value
    raise ValueError(f"{field.name}: {value!r} is no {field.kind}")
