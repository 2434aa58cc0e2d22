"""How the bytes of a command or an answer are cut into named values; commands are declared with these.

A field reads from the front of what is left and says what it found, of JSON's types; it never raises, and a field for
which there are too few bytes says that by returning None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Values = dict[str, object]


@dataclass(frozen=True, slots=True)
class Field:
    """One number.

    Args:
        name: the key in `decoded`.
        size: bytes, the lowest first; 0 takes all that is left.
        words: what a number means.
        optional: it may be missing at the end.
    """

    name: str
    size: int = 1
    words: Mapping[int, str] = field(default_factory=dict)
    optional: bool = False

    def read(self, data: bytes) -> Values | None:
        """What these bytes, exactly `size` of them, say."""
        number = int.from_bytes(data, "little")
        values: Values = {self.name: number}
        if number in self.words:
            values[f"{self.name}_words"] = self.words[number]
        return values


@dataclass(frozen=True, slots=True)
class Text(Field):
    """ASCII."""

    def read(self, data: bytes) -> Values | None:
        if not all(32 <= byte < 127 for byte in data):
            return {self.name: data.decode("latin-1").strip("\0"), "printable": False}
        return {self.name: data.decode("ascii")}


@dataclass(frozen=True, slots=True)
class Bytes(Field):
    """Bytes whose meaning is the maker's, as hex."""

    def read(self, data: bytes) -> Values | None:
        return {self.name: data.hex().upper()}


@dataclass(frozen=True, slots=True)
class Mask(Field):
    """Bit n - 1 stands for coin or note n, the lowest byte first; as hex in the order of the line."""

    of: str = "accepted"

    def read(self, data: bytes) -> Values | None:
        number = int.from_bytes(data, "little")
        return {
            self.name: data.hex().upper(),
            self.of: [bit + 1 for bit in range(len(data) * 8) if number >> bit & 1],
        }


@dataclass(frozen=True, slots=True)
class Flags(Field):
    """One byte of bits, each with its words."""

    bits: Sequence[str] = ()

    def read(self, data: bytes) -> Values | None:
        number = int.from_bytes(data, "little")
        found = [words for bit, words in enumerate(self.bits) if number >> bit & 1]
        return {self.name: number, f"{self.name}_words": found}


@dataclass(frozen=True, slots=True)
class Version(Field):
    """Numbers joined by points: 1.4.6."""

    def read(self, data: bytes) -> Values | None:
        return {self.name: ".".join(map(str, data))}


@dataclass(frozen=True, slots=True)
class Listed(Field):
    """Several bytes as a list of numbers."""

    def read(self, data: bytes) -> Values | None:
        return {self.name: list(data)}


def read(fields: Sequence[Field], data: bytes) -> Values | None:
    """All the fields of a declaration, or None when the bytes do not fit it."""
    values: Values = {}
    for each in fields:
        size = each.size or len(data)
        if not data and each.optional:
            continue
        if len(data) < size or (not each.size and not data and not each.optional):
            return None
        found = each.read(data[:size])
        if found is None:
            return None
        values |= found
        data = data[size:]
    return None if data else values


def sizes(fields: Sequence[Field]) -> tuple[int, int | None]:
    """The fewest bytes that fit, and the most; None for no limit."""
    least = sum(each.size or 1 for each in fields if not each.optional)
    most = None if any(not each.size for each in fields) else sum(each.size for each in fields)
    return least, most
