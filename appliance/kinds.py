"""Routes to what is no plain HTTP gateway: a device, the cash desk, gateways with a conversation of their own.

One word in a route says which: `device: register`, `desk: cash`, `gateway: kaspi-pos`. Everything of a kind that its
owner may set is a field here, read with the others at the start; nothing is opened.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from appliance.reading import Reader, shown_url

KINDS = ("device", "desk", "gateway")
_SHARED = ("timeout", "waiting")
TAKES_MONEY = ("bill validator", "coin acceptor")
REGISTER = ("fiscal register",)
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_DEVICE_ID = re.compile(r"[A-Za-z0-9_.-]*")
_POLL_LEAST, _POLL_MOST = 0.05, 30.0


class DeviceRoute(msgspec.Struct, frozen=True, tag="device"):
    """One device: receipts for a register, slips for a printer, and what any device can be asked."""

    device: str

    timeout_default: ClassVar[float] = 120.0

    def describe(self) -> str:
        """For a person."""
        return f"device {self.device}"


class CashRoute(msgspec.Struct, frozen=True, tag="cash"):
    """The cash desk: what takes money and what pays change, and how long a customer may take."""

    devices: tuple[str, ...]
    idle_timeout: float = 60.0  # seconds without a note or coin
    overpay: str = "change"  # where a request does not say: change, keep or refuse
    receipt: str = ""  # the register for the receipt of what was paid
    printer: str = ""  # for slips about money that is owed

    timeout_default: ClassVar[float] = 180.0

    def describe(self) -> str:
        """For a person."""
        slips = f", slips by {self.printer}" if self.printer else ""
        return f"cash desk of {', '.join(self.devices)}, overpay {self.overpay}, idle {self.idle_timeout:g} s{slips}"


class KaspiPosRoute(msgspec.Struct, frozen=True, tag="kaspi-pos"):
    """A Kaspi Smart POS on the local network."""

    url: str
    name: str = "kioskwire"  # by which it is registered at the terminal
    unit: str = "tenge"  # what the terminal counts in: tenge or tiyn
    own_cheque: bool = False  # the terminal prints no slip of its own
    protected: bool = False  # it asks for an access token
    fingerprint: str = ""  # SHA-256 of its certificate, which nobody signed: 64 hex digits in lower case
    poll: float = 1.0  # seconds between two questions how a payment stands
    receipt: str = ""

    timeout_default: ClassVar[float] = 240.0

    def describe(self) -> str:
        """For a person."""
        return f"Kaspi Smart POS at {shown_url(self.url)}, amounts in {self.unit}"


class AtolWebRoute(msgspec.Struct, frozen=True, tag="atol-web"):
    """ATOL's web server, spoken to in its own tasks."""

    url: str
    device: str = ""  # its deviceID, where it has several
    user: str = ""
    password: str = ""
    api: str = "v2"  # v1 for drivers of before
    continue_print: bool = False  # have the register go on printing by itself once its queue was blocked
    poll: float = 0.5  # seconds between two questions how a task stands

    timeout_default: ClassVar[float] = 120.0

    def describe(self) -> str:
        """For a person."""
        return f"ATOL web server at {shown_url(self.url)}"


Kind = DeviceRoute | CashRoute | KaspiPosRoute | AtolWebRoute


def read_kind(reader: Reader, path: str, fields: dict[str, Any]) -> Kind | None:
    """The kind of a route that has one of the words `KINDS`; None when it cannot be told."""
    words = [word for word in KINDS if word in fields]
    if len(words) > 1 and words != ["device", "gateway"]:  # ATOL's web server has devices of its own
        reader.wrong(path, None, f"has {' and '.join(words)}; right would be one of them")
        return None
    if "gateway" in fields:
        return _read_gateway(reader, path, fields)
    if words == ["device"]:
        reader.unknown(path, fields, ("device", *_SHARED), "a device's route")
        return DeviceRoute(reader.device(f"{path}.device", fields["device"]))
    if reader.word(f"{path}.desk", fields["desk"], "", ("cash",)):
        return _read_cash(reader, path, fields)
    return None


def device_names(kind: Kind | None) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Devices a kind names: where in the route, the name, and what roles it may have (none: any)."""
    if isinstance(kind, DeviceRoute) and kind.device:
        yield "device", kind.device, ()
    if isinstance(kind, CashRoute):
        yield from (("devices", name, (*TAKES_MONEY, "coin hopper")) for name in kind.devices)
        if kind.printer:
            yield "printer", kind.printer, ("receipt printer", *REGISTER)
    if isinstance(kind, CashRoute | KaspiPosRoute) and kind.receipt:
        yield "receipt", kind.receipt, REGISTER


def read_device(reader: Reader, path: str, option: str, fields: dict[str, Any]) -> str:
    """An option that names a device, or is left out."""
    return "" if fields.get(option) is None else reader.device(f"{path}.{option}", fields[option])


def _read_cash(reader: Reader, path: str, fields: dict[str, Any]) -> CashRoute:
    known = ("desk", "devices", "idle_timeout", "overpay", "receipt", "printer", *_SHARED)
    reader.unknown(path, fields, known, "a cash desk's route")
    given = fields.get("devices")
    names = tuple(given) if isinstance(given, list) and all(isinstance(name, str) for name in given) else ()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        reader.wrong(f"{path}.devices", None, f"names {', '.join(twice)} twice; right would be each device once")
    elif not names:
        reader.wrong(f"{path}.devices", given, "right would be a list of device names, such as [bills, coins, hopper]")
    return CashRoute(
        devices=names,
        idle_timeout=reader.number(f"{path}.idle_timeout", fields.get("idle_timeout"), 60.0, 600.0),
        overpay=reader.word(f"{path}.overpay", fields.get("overpay"), "change", ("change", "keep", "refuse")),
        receipt=read_device(reader, path, "receipt", fields),
        printer=read_device(reader, path, "printer", fields),
    )


def _read_gateway(reader: Reader, path: str, fields: dict[str, Any]) -> Kind | None:
    which = reader.word(f"{path}.gateway", fields["gateway"], "", ("kaspi-pos", "atol-web"))
    if which == "kaspi-pos":
        return _read_kaspi_pos(reader, path, fields)
    if which == "atol-web":
        return _read_atol_web(reader, path, fields)
    return None


def _read_kaspi_pos(reader: Reader, path: str, fields: dict[str, Any]) -> KaspiPosRoute:
    known = ("url", "name", "unit", "own_cheque", "protected", "fingerprint", "poll", "receipt")
    reader.unknown(path, fields, ("gateway", *known, *_SHARED))
    url = _read_base(reader, f"{path}.url", fields.get("url"), "http://192.0.2.20:8080")
    name = reader.text(f"{path}.name", fields.get("name"), "kioskwire")
    if not name.strip():
        reader.wrong(f"{path}.name", name, "right would be a name that a person knows again on the terminal's screen")
    return KaspiPosRoute(
        url=url,
        name=name,
        unit=reader.word(f"{path}.unit", fields.get("unit"), "tenge", ("tenge", "tiyn")),
        own_cheque=reader.flag(f"{path}.own_cheque", fields.get("own_cheque"), default=False),
        protected=reader.flag(f"{path}.protected", fields.get("protected"), default=False),
        fingerprint=_read_fingerprint(reader, f"{path}.fingerprint", fields.get("fingerprint"), url),
        poll=_read_poll(reader, f"{path}.poll", fields.get("poll"), 1.0),
        receipt=read_device(reader, path, "receipt", fields),
    )


def _read_atol_web(reader: Reader, path: str, fields: dict[str, Any]) -> AtolWebRoute:
    known = ("url", "device", "user", "password", "api", "continue_print", "poll")
    reader.unknown(path, fields, ("gateway", *known, *_SHARED))
    user = reader.text(f"{path}.user", fields.get("user"))
    password = fields.get("password")
    if password is not None and not (isinstance(password, str) and len(password) <= 200):
        reader.wrong(f"{path}.password", None, "right would be a text of at most 200 characters, in quotes")
        password = None
    if password and not user:
        reader.wrong(f"{path}.user", None, "is missing beside a password")
    device = reader.text(f"{path}.device", fields.get("device"))
    if not _DEVICE_ID.fullmatch(device):
        reader.wrong(f"{path}.device", device, "right would be the server's own id of it: letters, digits, . _ -")
    if ":" in user:
        reader.wrong(f"{path}.user", user, "holds a colon, which HTTP Basic does not allow")
    return AtolWebRoute(
        url=_read_base(reader, f"{path}.url", fields.get("url"), "http://127.0.0.1:16732"),
        device=device,
        user=user,
        password=password or "",
        api=reader.word(f"{path}.api", fields.get("api"), "v2", ("v2", "v1")),
        continue_print=reader.flag(f"{path}.continue_print", fields.get("continue_print"), default=False),
        poll=_read_poll(reader, f"{path}.poll", fields.get("poll"), 0.5),
    )


def _read_base(reader: Reader, path: str, given: object, example: str) -> str:
    """An address that paths are put behind."""
    url = reader.url(path, given)
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.username or parts.password:
        reader.wrong(path, url, f"holds a user or a password, which have fields of their own; right would be {example}")
    elif parts.query or parts.fragment:
        reader.wrong(path, url, f"has a query behind it, and paths are to follow; right would be such as {example}")
    return url.rstrip("/")


def _read_fingerprint(reader: Reader, path: str, given: object, url: str) -> str:
    """64 hex digits, as openssl prints them or plain."""
    text = reader.text(path, given)
    if not text:
        return ""
    plain = text.rpartition("=")[2].replace(":", "").lower()
    if not _FINGERPRINT.fullmatch(plain):
        right = "openssl x509 -fingerprint -sha256 tells it, as 64 hex digits with or without colons"
        reader.wrong(path, text, f"is no SHA-256 fingerprint; {right}")
        return ""
    if url.startswith("http://"):
        reader.wrong(path, None, "is of no use with http://; right would be an https:// URL beside it")
    return plain


def _read_poll(reader: Reader, path: str, given: object, default: float) -> float:
    seconds = reader.number(path, given, default, _POLL_MOST)
    if seconds < _POLL_LEAST:
        reader.wrong(path, given, f"right would be seconds from {_POLL_LEAST:g} to {_POLL_MOST:g}")
        return default
    return seconds
