"""The devices of a kiosk as its routing file names them, in the section `devices:`.

    devices:
      bills: {driver: ccnet, port: /dev/serial/by-id/usb-FTDI_A1, currency: KZT}

`driver` is a name of `hardware.catalogue`, `port` how the line is opened, then what its owner says of it (`Owned`), and
the rest that driver's own settings, with the types it declares. Every mistake is told by its path, such as
`devices.bills.currency`. Nothing is opened here.
"""

import difflib
import inspect
import itertools
import re
import sys
import types
import typing
from abc import ABCMeta
from collections.abc import Callable, Collection, Mapping, Set
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from appliance.reading import shown_url
from hardware.catalogue import DRIVERS, DriverEntry, NotInCatalogue, find_driver
from hardware.journal import DeviceJournal
from hardware.ports import check_url
from hardware.roles import BillValidator, CoinAcceptor, CoinHopper, Device, FiscalRegister, ReceiptPrinter
from wire.money import Money, of_major

Wrong = Callable[[str, object, str], None]
"""Takes a mistake: its path, the value, the words."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SECRET = re.compile(r"password|secret|(^|_)(pin|key|cipher)$")
_ROLES: dict[ABCMeta, str] = {
    BillValidator: "bill validator", CoinAcceptor: "coin acceptor", CoinHopper: "coin hopper",
    FiscalRegister: "fiscal register", ReceiptPrinter: "receipt printer",
}  # fmt: skip
_SHARED = {"cctalk"}  # families whose devices share a line
_readings = itertools.count(1)
_STAND_INS: dict[str, Any] = {"currency": "KZT", "denomination": 10000, "coin": Money(10000, "KZT")}


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner says of a device whatever its driver; 0 or empty: nothing."""

    label: str = ""  # for people: "hopper left"
    capacity: int = 0  # notes or coins that fit
    near_full: int = 0  # from so many on it is to be emptied
    near_empty: int = 0  # from so few on a hopper is to be filled


_OWNED_BY_ROLE: dict[ABCMeta, tuple[str, ...]] = {
    BillValidator: ("label", "capacity", "near_full"), CoinAcceptor: ("label", "capacity", "near_full"),
    CoinHopper: ("label", "capacity", "near_full", "near_empty"), FiscalRegister: ("label",),
    ReceiptPrinter: ("label",),
}  # fmt: skip
_OWNED = Owned.__struct_fields__
_LABEL_MAX = 60
_COUNT_MAX = 1_000_000


class DeviceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One device of the file."""

    name: str
    driver: str
    port: str
    settings: dict[str, Any] = {}  # as the driver's constructor takes them
    owned: Owned = Owned()

    @property
    def role(self) -> str:
        """What it is, in words: "bill validator"."""
        return _ROLES[find_driver(self.driver).role]

    @property
    def currency(self) -> str | None:
        """What it counts in, as it is set or by its driver; None where that says nothing."""
        declared = find_driver(self.driver).settings().get("currency")
        given = self.settings.get("currency", None if declared is None else declared.default)
        return given if isinstance(given, str) and given else None

    @property
    def path(self) -> str:
        """Where it stands in the file."""
        return f"devices.{self.name}"

    @property
    def shown_port(self) -> str:
        """As it may be shown."""
        return shown_url(self.port) if "@" in self.port and "://" in self.port else self.port

    def describe(self) -> str:
        """One line for a person, without secrets."""
        words = [f"{self.driver} on {self.shown_port}"]
        words += [f"{name} {shown(name, value)}" for name, value in self.settings.items()]
        words += [f"{name} {value}" for name, value in msgspec.structs.asdict(self.owned).items() if value]
        return ", ".join(words)

    def is_a(self, role: type[Device]) -> bool:
        """Whether it has that role."""
        return issubclass(find_driver(self.driver).role, role)

    def same_driver(self, other: "DeviceEntry") -> bool:
        """Whether both are one driver with the same settings, whatever their owner says of them besides."""
        return msgspec.structs.replace(self, owned=other.owned) == other

    def build(self, journal: DeviceJournal, **more: Any) -> Device:
        """The driver, closed. Raises `ValueError` for what it cannot work with."""
        return find_driver(self.driver).load()(self.name, self.port, journal, **self.settings, **more)  # type: ignore[call-arg]


def read_devices(given: object, wrong: Wrong) -> dict[str, DeviceEntry]:
    """The section, by name. What is wrong with it goes to `wrong`; such entries are left out."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        wrong("devices", given, "right would be a mapping of names such as bills, coins, printer")
        return {}
    found: dict[str, DeviceEntry] = {}
    built: list[Device] = []  # alive until all are: those of one bus look at each other
    reading = f"#reading-{next(_readings)}"
    for name, fields in given.items():
        entry, device = _read_one(str(name), fields, wrong, reading)
        if entry is None or device is None:
            continue
        built.append(device)
        others = (each for each in found.values() if each.port == entry.port and not _may_share(each, entry))
        if other := next(others, None):
            wrong(f"{entry.path}.port", entry.port, f"is the port of devices.{other.name} already")
        found[entry.name] = entry
    return found


def read_device(name: str, fields: object, wrong: Wrong) -> DeviceEntry | None:
    """One entry, or None when anything is wrong with it."""
    return _read_one(name, fields, wrong, f"#reading-{next(_readings)}")[0]


def _read_one(name: str, fields: object, wrong: Wrong, reading: str) -> tuple[DeviceEntry | None, Device | None]:
    path = f"devices.{name}"
    good = True

    def mistake(where: str, value: object, words: str) -> None:
        nonlocal good
        good = False
        wrong(where, value, words)

    if not _NAME.fullmatch(name):
        mistake(path, None, "a device's name is of small letters, digits, - and _, such as bills")
    if not isinstance(fields, dict):
        mistake(path, fields, "right would be a mapping with at least `driver` and `port`")
        return None, None
    driver = _read_driver(f"{path}.driver", fields.get("driver"), mistake)
    port = _read_port(f"{path}.port", fields.get("port"), driver, mistake)
    if driver is None:
        return None, None
    owned = _read_owned(path, driver, fields, mistake)
    settings = _read_settings(path, driver, fields, mistake)
    entry = DeviceEntry(name=name, driver=driver.name, port=port, settings=settings, owned=owned)
    wrong_already = {str(key) for key in fields} - settings.keys()
    device = _build(entry, driver, mistake, reading, wrong_already)
    return (entry, device) if good else (None, None)


def _build(
    entry: DeviceEntry, driver: DriverEntry, mistake: Wrong, reading: str, wrong_already: Set[str]
) -> Device | None:
    """The driver, for what it says itself of its settings: all of it, though it says one thing at a time.

    What is wrong is told once and left out, or stood in for where a driver cannot be without it.
    """
    declared = driver.settings()
    left, told = dict(entry.settings), set()
    for name, each in declared.items():
        required = each.default is inspect.Parameter.empty
        if name in left or not (required or name in wrong_already):
            continue
        if name in _STAND_INS:
            left[name] = _STAND_INS[name]
            told.add(name)
        elif required:
            return None  # told already
    if not entry.port:
        entry = msgspec.structs.replace(entry, port="/dev/null" if driver.protocol else "http://127.0.0.1:1")
    if driver.family in _SHARED:
        # On a bus of this reading alone: a running appliance has the devices of the true one, by the same names.
        entry = msgspec.structs.replace(entry, port=f"{entry.port}{reading}")
    while True:
        try:
            return msgspec.structs.replace(entry, settings=left).build(_NoJournal())
        except (ValueError, TypeError, LookupError) as error:
            words = str(error).removeprefix(entry.name).lstrip(".: ")
        setting, colon, rest = words.partition(": ")
        if setting in told:
            return None
        if not colon or setting not in {*declared, "url"}:
            mistake(entry.path, None, words)
            return None
        where = "port" if setting == "url" else setting
        mistake(f"{entry.path}.{where}", None, "is wrong" if _SECRET.search(setting) else rest)
        if setting not in left and setting not in _STAND_INS:
            return None
        told.add(setting)
        if setting in _STAND_INS:
            left[setting] = _STAND_INS[setting]
        elif declared[setting].default is inspect.Parameter.empty:
            return None
        else:
            del left[setting]


def shown(name: str, value: object) -> str:
    """A setting as it may be shown."""
    if _SECRET.search(name):
        return "<hidden>"
    return str(msgspec.json.encode(value), "utf-8") if isinstance(value, dict | list | tuple) else str(value) or '""'


def _read_port(path: str, given: object, driver: DriverEntry | None, mistake: Wrong) -> str:
    right = "right would be /dev/serial/by-id/…, another path of a serial port, or tcp://host:port"
    if given is None or given == "":
        mistake(path, None, f"is required; {right}; kioskwire-appliance devices lists those of this machine")
        return ""
    if driver is None or driver.protocol:
        try:
            check_url(str(given))
        except ValueError as error:
            mistake(path, None, str(error))
            return ""
    return str(given)  # one that speaks HTTP has an address of its own kind, and looks at it itself


def _read_driver(path: str, given: object, mistake: Wrong) -> DriverEntry | None:
    if given is None or given == "":
        mistake(path, None, f"is required; right would be one of {', '.join(DRIVERS)}")
        return None
    try:
        driver = find_driver(str(given))
        driver.settings()
    except NotInCatalogue as error:
        mistake(path, None, str(error))
        return None
    except (ImportError, LookupError) as error:
        mistake(path, given, f"cannot be loaded: {error}")
        return None
    return driver


def _read_settings(path: str, driver: DriverEntry, fields: Mapping[Any, Any], mistake: Wrong) -> dict[str, Any]:
    declared = driver.settings()
    hints = _hints(driver, declared)
    settings: dict[str, Any] = {}
    for key, value in fields.items():
        name = str(key)
        if name in {"driver", "port", *_OWNED}:
            continue
        if name not in declared:
            known = [*declared, *_OWNED_BY_ROLE[driver.role]]
            near = difflib.get_close_matches(name, ["driver", "port", *known], n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            mistake(f"{path}.{name}", None, f"is no setting of the driver {driver.name}; {hint}")
            continue
        hint = hints.get(name, declared[name].annotation)
        try:
            settings[name] = (
                _amount(value) if _is_money(hint) and isinstance(value, str) else msgspec.convert(value, hint)
            )
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            ours = _is_money(hint) and isinstance(value, str)  # the others say it in the words of programmers
            why = f" ({error})" if ours and not _SECRET.search(name) else ""
            mistake(f"{path}.{name}", None if _SECRET.search(name) else value, f"right would be {_words(hint)}{why}")
    for name, parameter in declared.items():
        if parameter.default is inspect.Parameter.empty and name not in fields:
            hint = hints.get(name, parameter.annotation)
            mistake(f"{path}.{name}", None, f"is required by the driver {driver.name}; right would be {_words(hint)}")
    return settings


def _read_owned(path: str, driver: DriverEntry, fields: Mapping[Any, Any], mistake: Wrong) -> Owned:
    mine = _OWNED_BY_ROLE[driver.role]
    found: dict[str, Any] = {}
    for name in _OWNED:
        if fields.get(name) is None:
            continue
        value = fields[name]
        if name not in mine:
            words = f"a {_ROLES[driver.role]} has none; right would be to leave it out"
        elif name == "label":
            words = f"right would be text of at most {_LABEL_MAX} letters, such as hopper left"
            if isinstance(value, str) and 0 < len(value) <= _LABEL_MAX and value.isprintable():
                found[name] = value
        else:
            words = f"right would be a whole number of notes or coins, from 1 to {_COUNT_MAX}"
            if type(value) is int and 0 < value <= _COUNT_MAX:
                found[name] = value
        if name not in found:
            mistake(f"{path}.{name}", value, words)
    for name in ("near_full", "near_empty"):
        most = found.get("capacity", _COUNT_MAX)
        if name in found and found[name] > most:
            mistake(f"{path}.{name}", found[name], f"right would be at most {most}, the capacity")
    if "near_full" in found and found.get("near_empty", 0) >= found["near_full"]:
        mistake(f"{path}.near_empty", found["near_empty"], f"right would be less than near_full, {found['near_full']}")
    return Owned(**found)


def _hints(driver: DriverEntry, declared: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """The settings' types. Those of arguments that are none may be names for type checkers only."""
    module = vars(sys.modules[driver.load().__module__])
    written = {name: each.annotation for name, each in declared.items()}
    return {
        name: eval(hint, module) if isinstance(hint, str) else hint  # noqa: S307 - it is our own source
        for name, hint in written.items()
    }


def _is_money(hint: Any) -> bool:
    return hint is Money or Money in typing.get_args(hint)


def _amount(text: str) -> Money:
    """`100 KZT`. Raises `ValueError`."""
    amount, _, currency = text.partition(" ")
    try:
        return of_major(Decimal(amount), currency.strip())
    except ArithmeticError:
        raise ValueError(f"{amount!r} is no amount") from None


def _may_share(one: DeviceEntry, other: DeviceEntry) -> bool:
    families = {find_driver(one.driver).family, find_driver(other.driver).family}
    return len(families) == 1 and families <= _SHARED


def _words(hint: Any) -> str:
    """A type, for a person."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return " or ".join(_words(each) for each in typing.get_args(hint) if each is not type(None))
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(str(each.value) for each in hint)}"
    named: dict[Any, str] = {
        int: "a whole number", float: "a number", bool: "true or false", str: "text (a number in quotes)",
        Money: "an amount such as 100 KZT",
    }  # fmt: skip
    if hint in named:
        return named[hint]
    origin = typing.get_origin(hint) or hint
    parts = [_many(each) for each in typing.get_args(hint)]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a mapping of {parts[0]} to {parts[1]}" if len(parts) == 2 else "a mapping"
    if isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset | Collection):
        return f"a list of {parts[0]}" if parts else "a list"
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"a mapping of {', '.join(field.name for field in msgspec.structs.fields(hint))}"
    return "another value"


def _many(hint: Any) -> str:
    """A type, where several of it stand together."""
    plural: dict[Any, str] = {int: "whole numbers", float: "numbers", Decimal: "numbers", str: "texts"}
    if isinstance(hint, types.UnionType) and Decimal in typing.get_args(hint):
        return "numbers"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(str(each.value) for each in hint)
    return plural.get(hint) or _words(hint)


class _NoJournal(DeviceJournal):
    """Of a driver that is built to be looked at, and never opened."""

    async def recall(self) -> Mapping[str, object]:
        raise NotImplementedError

    async def record(self, event: object, memory: Mapping[str, object] | None) -> None:
        raise NotImplementedError
