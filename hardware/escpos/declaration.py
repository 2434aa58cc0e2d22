"""How a command of ESC/POS is declared, and turned into bytes and back by its declaration.

A command is two to four fixed bytes and its fields. Some have a selector behind the prefix that makes them another
command with other fields (GS V 66 n), some say their own length first (GS ( k).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

Value = int | bytes
Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Number:
    """`size` bytes, the low one first. `words` are what its values mean; others than those are sent as they are."""

    name: str
    size: int = 1
    words: Mapping[int, str] = field(default_factory=dict)
    low: int = 0
    high: int | None = None

    @property
    def top(self) -> int:
        """The greatest value."""
        return (1 << 8 * self.size) - 1 if self.high is None else self.high


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes. `length` reckons how many from the fields before; None: all that a counted command still has."""

    name: str
    length: Callable[[Values], int] | None = None


@dataclass(frozen=True, slots=True)
class Terminated:
    """Bytes up to a NUL, which is not part of them."""

    name: str


Field = Number | Data | Terminated


@dataclass(frozen=True, eq=False)  # each is declared once, and is itself
class Command:
    """One command.

    `selector` stands behind the prefix (behind pL pH where `counted`); `choices` are other bytes for its first that
    mean the same (Epson takes digits for numbers: GS V '1'). `realtime`: obeyed when it is received, even off line and
    with a full buffer. `answer` is what comes back, "" for nothing.
    """

    name: str
    prefix: bytes
    summary: str
    fields: tuple[Field, ...] = ()
    selector: bytes = b""
    choices: bytes = b""
    counted: bool = False
    realtime: bool = False
    answer: str = ""

    @cached_property
    def fixed(self) -> int:
        """Bytes before the fields."""
        return len(self.prefix) + 2 * self.counted + len(self.selector)

    def matches(self, data: bytes, at: int) -> bool | None:
        """Whether this command stands there; None when more bytes must tell."""
        head = data[at : at + len(self.prefix)]
        if head != self.prefix[: len(head)]:
            return False
        if len(head) < len(self.prefix):
            return None
        if not self.selector:
            return True
        begin = at + len(self.prefix) + 2 * self.counted
        selected = data[begin : begin + len(self.selector)]
        for index, (byte, wanted) in enumerate(zip(selected, self.selector, strict=False)):
            if byte != wanted and not (index == 0 and byte in self.choices):
                return False
        return True if len(selected) == len(self.selector) else None


@dataclass(frozen=True, slots=True)
class Instruction:
    """A command with its values, as it stood in a stream or is to be sent. `selected` is what chose it, as sent."""

    command: Command
    values: Values = field(default_factory=dict)
    selected: bytes = b""

    def number(self, name: str) -> int:
        """A field that is a number."""
        value = self.values[name]
        if not isinstance(value, int):
            raise TypeError(f"{self.command.name}: {name} is no number")
        return value

    def data(self, name: str) -> bytes:
        """A field that is bytes."""
        value = self.values[name]
        if not isinstance(value, bytes):
            raise TypeError(f"{self.command.name}: {name} is no bytes")
        return value


def encode(command: Command, /, **values: Value) -> bytes:
    """A command's bytes.

    Raises:
        ValueError, TypeError: a field is missing, unknown, too great, or holds what it cannot.
    """
    names = {item.name for item in command.fields}
    if set(values) != names:
        raise ValueError(f"{command.name} takes {sorted(names)}, not {sorted(values)}")
    body = command.selector + b"".join(_encode_field(command, item, values) for item in command.fields)
    if not command.counted:
        return command.prefix + body
    if len(body) > 0xFFFF:
        raise ValueError(f"{command.name}: {len(body)} bytes are more than it counts")
    return command.prefix + len(body).to_bytes(2, "little") + body


def _encode_field(command: Command, item: Field, values: Values) -> bytes:
    value = values[item.name]
    where = f"{command.name}: {item.name}"
    match item:
        case Number():
            if not isinstance(value, int) or not item.low <= value <= item.top:
                raise ValueError(f"{where} is {item.low} to {item.top}, not {value!r}")
            return value.to_bytes(item.size, "little")
        case Data():
            if not isinstance(value, bytes):
                raise TypeError(f"{where} is bytes, not {value!r}")
            if item.length is not None and len(value) != item.length(values):
                raise ValueError(f"{where} is {item.length(values)} bytes, not {len(value)}")
            return value
        case Terminated():
            if not isinstance(value, bytes) or b"\0" in value:
                raise ValueError(f"{where} is bytes without a NUL, not {value!r}")
            return value + b"\0"


def decode_fields(command: Command, data: bytes, at: int) -> tuple[Instruction, int] | None:
    """The values of a command that stands at `at`, and where it ends; None: more bytes are needed."""
    begin = at + len(command.prefix)
    end = len(data)
    counted_end: int | None = None
    if command.counted:
        counted_end = begin + 2 + int.from_bytes(data[begin : begin + 2], "little")
        if len(data) < begin + 2 or len(data) < counted_end:
            return None
        begin, end = begin + 2, counted_end
    selected = data[begin : begin + len(command.selector)]
    position = begin + len(command.selector)
    values: dict[str, Value] = {}
    for item in command.fields:
        match item:
            case Number():
                size = item.size
            case Data():
                size = end - position if item.length is None else item.length(values)
            case Terminated():
                found = data.find(b"\0", position, end)
                if found < 0:
                    if counted_end is None:
                        return None
                    found = end
                values[item.name] = data[position:found]
                position = min(found + 1, end)
                continue
        if position + size > end:
            if counted_end is None:
                return None
            size = max(end - position, 0)  # its own length is shorter than its fields: what is missing is nothing
        part = data[position : position + size]
        values[item.name] = int.from_bytes(part, "little") if isinstance(item, Number) else part
        position += size
    return Instruction(command, values, selected), position if counted_end is None else counted_end
