"""How values stand in the bytes of a command: numbers low byte first, money in minor units, texts in CP1251.

A `Kind` packs one value and unpacks it again; `size` None takes all that is left. What cannot be packed (a number too
great, a letter CP1251 lacks) raises `LocalProtocolError` naming the field; unpacking takes any bytes of the size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hardware.errors import LocalProtocolError
from hardware.shtrih import tags

COMPUTED = (1 << 40) - 1
"""A sum of five bytes FF: the register reckons it itself, or there is none."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one value stands."""

    size: int | None
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a command. `default` None: it must be given; `optional`: older firmware leaves it out.

    A name that begins with an underscore is reserved: it is packed from its default and not shown.
    """

    name: str
    kind: Kind
    default: object = None
    optional: bool = False


def uint(size: int) -> Kind:
    """A number without a sign."""
    return Kind(size, lambda value: _number(value, size, signed=False), lambda data: int.from_bytes(data, "little"))


def sint(size: int) -> Kind:
    """A number with a sign."""
    return Kind(
        size, lambda value: _number(value, size, signed=True), lambda data: int.from_bytes(data, "little", signed=True)
    )


def _number(value: Any, size: int, *, signed: bool) -> bytes:
    try:
        return int(value).to_bytes(size, "little", signed=signed)
    except (OverflowError, ValueError, TypeError):
        raise LocalProtocolError(f"{value!r} does not fit into {size} bytes") from None


def _money(data: bytes) -> int | None:
    value = int.from_bytes(data, "little")
    return None if value == COMPUTED else value


U8, U16, U32 = uint(1), uint(2), uint(4)
PASSWORD = uint(4)
MONEY = uint(5)
MONEY_OR_COMPUTED = Kind(5, lambda value: _number(COMPUTED if value is None else value, 5, signed=False), _money)
QUANTITY_3 = uint(5)  # thousandths
QUANTITY_6 = uint(6)  # millionths


def hexadecimal(size: int | None) -> Kind:
    """Bytes as they stand, written in hex."""

    def pack(value: Any) -> bytes:
        data = bytes.fromhex(value) if isinstance(value, str) else bytes(value)
        if size is not None and len(data) != size:
            raise LocalProtocolError(f"{len(data)} bytes where {size} must stand")
        return data

    return Kind(size, pack, lambda data: data.hex().upper())


def flags(size: int) -> Kind:
    """A number shown as hex digits, the highest first."""
    return Kind(
        size,
        lambda value: _number(int(value, 16) if isinstance(value, str) else value, size, signed=False),
        lambda data: f"{int.from_bytes(data, 'little'):0{size * 2}X}",
    )


def text(size: int | None, *, at_most: int | None = None, encoding: str = "cp1251") -> Kind:
    """A text, filled up with zero bytes to `size`; of any length up to `at_most` where that is None."""

    def pack(value: Any) -> bytes:
        try:
            data = str(value).encode(encoding)
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"{value[error.start]!r} has no place in {encoding}") from None
        limit = size if size is not None else at_most
        if limit is not None and len(data) > limit:
            raise LocalProtocolError(f"{value!r} is longer than {limit} letters")
        return data if size is None else data.ljust(size, b"\0")

    def unpack(data: bytes) -> object:
        return data.decode(encoding, errors="replace").rstrip("\0")

    return Kind(size, pack, unpack)


def _pack_parts(order: str, value: Any) -> bytes:
    try:
        parts = [int(part) for part in str(value).replace(" ", ":").replace(".", ":").replace("-", ":").split(":")]
    except ValueError:
        parts = []
    if len(parts) != len(order):
        raise LocalProtocolError(f"{value!r} is no {order}")
    return bytes(part % 100 for part in parts)


DATE = Kind(
    3,
    lambda value: _pack_parts("DMY", value),
    lambda data: f"{data[0]:02d}.{data[1]:02d}.{data[2]:02d}",
)
TIME = Kind(
    3,
    lambda value: _pack_parts("HMS", value),
    lambda data: f"{data[0]:02d}:{data[1]:02d}:{data[2]:02d}",
)
FN_DATE = Kind(
    3,
    lambda value: _pack_parts("YMD", value),
    lambda data: f"20{data[0]:02d}-{data[1]:02d}-{data[2]:02d}",
)
FN_DATETIME = Kind(
    5,
    lambda value: _pack_parts("YMDHM", value),
    lambda data: f"20{data[0]:02d}-{data[1]:02d}-{data[2]:02d} {data[3]:02d}:{data[4]:02d}",
)
VERSION = Kind(
    2,
    lambda value: str(value).replace(".", "").encode("ascii")[:2].ljust(2, b"0"),
    lambda data: ".".join(chr(byte) if 32 <= byte < 127 else f"{byte:02X}" for byte in data),
)
ASCII_16 = text(16, encoding="latin-1")
TLV_MAX = 250  # bytes of tags in one command


def _tags(value: Any) -> bytes:
    data = bytes(value)
    if len(data) > TLV_MAX:
        raise LocalProtocolError(f"tags of {len(data)} bytes, {TLV_MAX} at most")
    return data


TLV = Kind(None, _tags, tags.show)


def pack(fields: tuple[Field, ...], values: Mapping[str, object]) -> bytes:
    """All fields in order.

    Raises:
        LocalProtocolError: one is missing, unknown or does not fit, by name.
    """
    unknown = set(values) - {field.name for field in fields}
    if unknown:
        raise LocalProtocolError(f"there is no field {', '.join(sorted(unknown))}")
    packed = b""
    for field in fields:
        value = values.get(field.name, field.default)
        if value is None and field.optional:
            break
        if value is None and field.kind is not MONEY_OR_COMPUTED:
            raise LocalProtocolError(f"{field.name} is missing")
        try:
            packed += field.kind.pack(value)
        except LocalProtocolError as error:
            raise LocalProtocolError(f"{field.name}: {error}") from None
    return packed


def unpack(fields: tuple[Field, ...], data: bytes) -> dict[str, object] | None:
    """The values, with bytes nobody declared as `extra`; None: too few bytes for these fields."""
    values: dict[str, object] = {}
    at = 0
    for field in fields:
        size = len(data) - at if field.kind.size is None else field.kind.size
        if at + size > len(data):
            if field.optional:
                break
            return None
        if field.kind.size is None and size == 0 and field.optional:
            break
        if not field.name.startswith("_"):
            values[field.name] = field.kind.unpack(data[at : at + size])
        at += size
    if at < len(data):
        values["extra"] = data[at:].hex().upper()
    return values
