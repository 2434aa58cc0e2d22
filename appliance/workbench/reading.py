"""Bytes that somebody typed or found in a log, read as frames of a protocol, and whether they are to be refused.

**What is refused.** A stretch of bytes is taken when it holds a good frame and nothing broken is left behind the last
one. Noise before a frame is told and is no refusal; a broken frame is forgiven by a good one behind it, as on a line,
but not by a control byte: those turn up in any garbage.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hardware.catalogue import bare, explainer
from hardware.explain import Explained, Sender

_LENGTH_FIRST = frozenset({"cctalk", "cctalk-crc16"})  # destination, length, two bytes, data, checksum
_UNFRAMED = frozenset({"escpos"})  # a print job is one run of commands
SENDERS: tuple[Sender, Sender] = ("host", "device")


class NotHex(ValueError):
    """`str()` says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found in the bytes, read as coming from `sender`."""

    protocol: str
    sender: Sender
    items: Sequence[Explained]

    @property
    def good(self) -> list[Explained]:
        """The frames that are taken."""
        return [item for item in self.items if is_frame(item) and item.fault is None]

    @property
    def first(self) -> Explained | None:
        """The first good frame; where there is none, what comes nearest. Control bytes of a broken frame stand back."""
        broken = any(item.fault is not None for item in self.items)
        whole = [item for item in self.good if len(item.data) > 1] if broken else []
        nearest = [*whole, *self.good, *(item for item in self.items if is_frame(item) or item.checksum), *self.items]
        return nearest[0] if nearest else None

    @property
    def decoded(self) -> dict[str, object]:
        """What the first good frame means; where the line has no frames, what all of its commands do together."""
        if self.protocol in _UNFRAMED and self.good:
            return {name: value for item in reversed(self.good) for name, value in item.decoded.items()}
        return {} if self.first is None else dict(self.first.decoded)

    @property
    def reason(self) -> str | None:
        """Why it must be refused, or None."""
        if self.items and self.items[0].fault and self._claims_to_be_one_frame():
            return self.items[0].fault
        open_fault: str | None = None
        for item in self.items:
            if item.fault is not None:
                open_fault = open_fault or item.fault
            elif is_frame(item) and len(item.data) > 1:
                open_fault = None
        return open_fault or (None if self.good else "no frame was found")

    def _claims_to_be_one_frame(self) -> bool:
        """By its length alone, where no start byte says so: then a good frame within it is an accident."""
        data = b"".join(item.data for item in self.items)
        return self.protocol in _LENGTH_FIRST and len(data) > 1 and data[1] + 5 == len(data)

    @property
    def skipped(self) -> list[Explained]:
        """What is no frame of those that are taken."""
        return [item for item in self.items if not is_frame(item) or item.fault is not None]


def is_frame(item: Explained) -> bool:
    """Rather than noise, which is told with neither a fault nor a frame."""
    return bool(item.frame or item.decoded or item.command)


def read(protocol: str, data: bytes, sender: Sender | None = None) -> list[Reading]:
    """The reading, or two when nobody said who sends and both make a different sense: the likelier one first.

    Raises:
        NotInCatalogue: there is no such protocol.
    """
    if sender is not None:
        return [_read(protocol, data, sender)]
    guessed = explainer(protocol).guess_sender(data)
    readings = [_read(protocol, data, one) for one in sorted(SENDERS, key=lambda one: one != guessed)]
    taken = [reading for reading in readings if reading.reason is None]
    if not taken:
        damaged = any(_is_damaged_frame(item) for reading in readings for item in reading.items)
        piece = None if damaged or any(reading.good for reading in readings) else bare(protocol, data)
        return readings[:1] if piece is None else [Reading(protocol, piece.sender, [piece])]
    first, *others = taken
    return [first, *(one for one in others if _has_sense(one) and _sense(one) != _sense(first))]


def parse_hex(text: str) -> bytes:
    """Bytes from hex as people and programs write it: spaces, commas, colons, dashes, 0x and \\x between, any case.

    Raises:
        NotHex: says what is wrong.
    """
    pieces = [piece for piece in re.split(r"[\s,;:\-]+|0[xX]|\\x", text) if piece]
    for piece in pieces:
        if wrong := re.search(r"[^0-9A-Fa-f]", piece):
            raise NotHex(f"{wrong[0]!r} in {_short(piece)!r} is no hex digit; right would be such as 02 03 06 33 DA 81")
        if len(piece) % 2:
            count = "1 hex digit" if len(piece) == 1 else f"{len(piece)} hex digits"
            raise NotHex(f"{_short(piece)!r} has {count}, and a byte has two; is one missing?")
    if not pieces:
        raise NotHex("there are no bytes; right would be such as 02 03 06 33 DA 81")
    return bytes.fromhex("".join(pieces))


def as_data(item: Explained) -> dict[str, object]:
    """One item as JSON has it."""
    data: dict[str, object] = {
        "hex": item.data.hex().upper(), "ok": item.fault is None and is_frame(item), "frame": dict(item.frame),
        "command": item.command, "decoded": dict(item.decoded),
        "checksum": None if item.checksum is None else dict(item.checksum), "words": item.words,
    }  # fmt: skip
    if item.fault is not None:
        data["reason"] = item.fault
    return data


def shown(values: Mapping[str, object]) -> str:
    """Fields on one line, for a person."""
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items())


def _read(protocol: str, data: bytes, sender: Sender) -> Reading:
    reader = explainer(protocol)
    return Reading(protocol, sender, [*reader.feed(sender, data), *reader.finish(sender)])


def _is_damaged_frame(item: Explained) -> bool:
    return item.fault is not None and item.checksum is not None and not item.checksum.get("good")


def _sense(reading: Reading) -> list[tuple[object, ...]]:
    return [(item.words, item.command, item.decoded) for item in reading.good]


def _has_sense(reading: Reading) -> bool:
    """Whether a frame of it is one that this side is known to send, with no bytes left over."""
    return any(item.command and "extra" not in item.decoded for item in reading.good)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return f"({shown(value)})"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}…"
