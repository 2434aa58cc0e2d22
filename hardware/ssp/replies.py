"""The longer answers, read behind their F0: who a device is, and what its channels are worth."""

from dataclasses import dataclass

from hardware.ssp.commands import COMMANDS
from hardware.ssp.states import SECURITY, UNITS
from wire.money import Money, of_major


@dataclass(frozen=True, slots=True)
class Channel:
    """One kind of note, in the unit people name. A value of 0 says that it is not used."""

    number: int
    value: int
    currency: str

    @property
    def money(self) -> Money | None:
        """What it is worth; None where that is no money."""
        letters = self.currency.strip()
        if not self.value or len(letters) != 3 or not (letters.isascii() and letters.isalpha() and letters.isupper()):
            return None
        return of_major(self.value, letters)


@dataclass(frozen=True, slots=True)
class Setup:
    """The answer to a setup request."""

    unit: int
    firmware: str
    country: str
    multiplier: int
    values: tuple[int, ...]  # as they are sent, before the multiplier
    security: tuple[int, ...]
    real_multiplier: int
    protocol: int
    currencies: tuple[str, ...] = ()  # from protocol 6 on
    full_values: tuple[int, ...] = ()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What each channel is worth, by whichever of the two ways says so."""
        if self.full_values:
            worth = zip(self.full_values, self.currencies, strict=True)
            return tuple(Channel(number, value, letters) for number, (value, letters) in enumerate(worth, 1))
        return tuple(
            Channel(number, value * self.multiplier, self.country) for number, value in enumerate(self.values, 1)
        )


def read_setup(data: bytes) -> Setup | None:
    """Behind F0; None for one that is cut short, or a hopper's, which is laid out otherwise."""
    if len(data) < 12 or data[0] == 3:
        return None
    count = data[11]
    if len(data) < 16 + 2 * count:
        return None
    setup = Setup(
        unit=data[0],
        firmware=_text(data[1:5]),
        country=_text(data[5:8]),
        multiplier=int.from_bytes(data[8:11], "big"),
        values=tuple(data[12 : 12 + count]),
        security=tuple(data[12 + count : 12 + 2 * count]),
        real_multiplier=int.from_bytes(data[12 + 2 * count : 15 + 2 * count], "big"),
        protocol=data[15 + 2 * count],
    )
    if setup.protocol < 6:
        return setup
    rest = data[16 + 2 * count :]
    if len(rest) < 7 * count:
        return None
    return Setup(
        setup.unit, setup.firmware, setup.country, setup.multiplier, setup.values, setup.security,
        setup.real_multiplier, setup.protocol, *_expanded(rest, count),
    )  # fmt: skip


def write_setup(setup: Setup) -> bytes:
    """Behind F0."""
    count = len(setup.values)
    data = bytes((setup.unit,)) + setup.firmware.encode("ascii") + setup.country.encode("ascii")
    data += setup.multiplier.to_bytes(3, "big") + bytes((count, *setup.values, *setup.security))
    data += setup.real_multiplier.to_bytes(3, "big") + bytes((setup.protocol,))
    data += "".join(setup.currencies).encode("ascii")
    return data + b"".join(value.to_bytes(4, "little") for value in setup.full_values)


def read_channel_values(data: bytes, country: str, multiplier: int) -> tuple[Channel, ...] | None:
    """The answer to 0E, behind F0; which of its two forms it has is seen by its length."""
    if not data or len(data) < 1 + data[0]:
        return None
    count = data[0]
    if count and len(data) >= 1 + 8 * count:
        letters, values = _expanded(data[1 + count :], count)
        return tuple(Channel(number + 1, values[number], letters[number]) for number in range(count))
    return tuple(Channel(number, value * multiplier, country) for number, value in enumerate(data[1 : 1 + count], 1))


def decode(command: int, data: bytes, protocol: int | None = None) -> dict[str, object]:
    """What an answer to this command says behind F0, of JSON's types."""
    match command:
        case 0x05:
            return _setup(data)
        case 0x0C if len(data) >= 4:
            return {"serial": int.from_bytes(data[:4], "big")}
        case 0x0D if len(data) >= 12:
            return {
                "unit": data[0], "unit_name": UNITS.get(data[0], "unknown"), "firmware": _text(data[1:5]),
                "country": _text(data[5:8]), "multiplier": int.from_bytes(data[8:11], "big"), "protocol": data[11],
            }  # fmt: skip
        case 0x0E:
            channels = read_channel_values(data, "", 1)
            return {} if channels is None else {"channels": _channels(channels)}
        case 0x0F if data and len(data) > data[0]:
            return {"security": [SECURITY.get(level, str(level)) for level in data[1 : 1 + data[0]]]}
        case 0x22 | 0x53 if data and len(data) > 9 * data[0]:
            lines = [data[1 + 9 * at : 10 + 9 * at] for at in range(data[0])]
            levels = [
                {"level": int.from_bytes(line[:2], "little"), "value": int.from_bytes(line[2:6], "little"),
                 "currency": _text(line[6:9])}
                for line in lines
            ]  # fmt: skip
            rest = data[1 + 9 * data[0] :]
            return {"levels": levels} | ({"unknown_notes": int.from_bytes(rest[:4], "little")} if rest else {})
        case 0x41 if data:
            if len(data) == 1 + data[0]:
                return {"positions": [{"channel": channel} for channel in data[1:]]}
            values = range(1, len(data) - 3, 4)
            return {"positions": [{"value": int.from_bytes(data[at : at + 4], "little")} for at in values]}
        case 0x4F:
            parts = [data[at : at + 3] for at in range(0, len(data) - 2, 3)]
            return {
                "builds": [
                    {"unit": UNITS.get(part[0], str(part[0])), "revision": int.from_bytes(part[1:], "little")}
                    for part in parts
                ]
            }
        case 0x58 if len(data) >= 21:
            names = ("stacked", "stored", "dispensed", "to_stacker", "rejected")
            return {name: int.from_bytes(data[1 + 4 * at : 5 + 4 * at], "little") for at, name in enumerate(names)}
        case 0x17 if data:
            return {"reason": data[0]}
    declared = COMMANDS.get(command)
    return read_fields(declared.replied, data) if declared is not None else {}


def read_fields(fields: tuple[str, ...], data: bytes) -> dict[str, object]:
    """Declared fields, as far as the data goes."""
    sizes = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
    said: dict[str, object] = {}
    at = 0
    for declared in fields:
        name, _, kind = declared.partition(":")
        rest = data[at:]
        if not rest or not kind:
            break
        if kind in sizes:
            if len(rest) < sizes[kind]:
                break
            said[name] = int.from_bytes(rest[: sizes[kind]], "little")
            at += sizes[kind]
        elif kind == "text3":
            said[name] = _text(rest[:3])
            at += 3
        else:
            said[name] = _text(rest) if kind == "text" else rest.hex().upper()
            at = len(data)
    return said


def _setup(data: bytes) -> dict[str, object]:
    if data and data[0] == 3:
        return _hopper_setup(data)
    setup = read_setup(data)
    if setup is None:
        return {}
    return {
        "unit": setup.unit, "unit_name": UNITS.get(setup.unit, "unknown"), "firmware": setup.firmware,
        "country": setup.country, "multiplier": setup.multiplier, "channel_count": len(setup.values),
        "values": list(setup.values), "security": list(setup.security), "real_multiplier": setup.real_multiplier,
        "protocol": setup.protocol, "currencies": list(setup.currencies), "full_values": list(setup.full_values),
        "channels": _channels(setup.channels),
    }  # fmt: skip


def _hopper_setup(data: bytes) -> dict[str, object]:
    if len(data) < 10 or len(data) < 10 + 2 * data[9]:
        return {}
    count = data[9]
    letters = data[10 + 2 * count :]
    return {
        "unit": 3, "unit_name": UNITS[3], "firmware": _text(data[1:5]), "country": _text(data[5:8]),
        "protocol": data[8], "channel_count": count,
        "values": [int.from_bytes(data[10 + 2 * at : 12 + 2 * at], "little") for at in range(count)],
        "currencies": [_text(letters[3 * at : 3 * at + 3]) for at in range(len(letters) // 3)],
    }  # fmt: skip


def _channels(channels: tuple[Channel, ...]) -> list[dict[str, object]]:
    return [{"channel": each.number, "value": each.value, "currency": each.currency} for each in channels]


def _expanded(data: bytes, count: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    letters = tuple(_text(data[3 * at : 3 * at + 3]) for at in range(count))
    values = data[3 * count :]
    return letters, tuple(int.from_bytes(values[4 * at : 4 * at + 4], "little") for at in range(count))


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace").rstrip("\x00")
