"""Which gateway an operation goes to, and what devices there are: `routing_config.yaml`, read strictly, every mistake
at once.

The file is the one fleets have (`routes: <type>: url, timeout` and `default: url, timeout`) with more options per
route, and with `devices:` (see `devices`). A mistake is named by its path, such as `routes.payment.timeout`.
"""

import difflib
from pathlib import Path
from typing import Any

import msgspec
import yaml

from appliance.devices import DeviceEntry, read_devices
from appliance.kinds import (
    KINDS,
    REGISTER,
    TAKES_MONEY,
    CashRoute,
    DeviceRoute,
    Kind,
    device_names,
    read_device,
    read_kind,
)
from appliance.reading import Reader, shown_url
from wire.environment import Mistake
from wire.ids import parse_operation

DEFAULT = "default"
TIMEOUT_DEFAULT = 30.0
TIMEOUT_MAX = 600.0
WAITING_DEFAULT = 100
CONCURRENCY_DEFAULT = 8
ABSENT_AFTER_LEAST = 60.0  # by default; it is the longer of this and the route's timeout
STATUS_FOR_DEFAULT = 24 * 3600.0
FILE_MAX_BYTES = 1024 * 1024
_ROUTE_KEYS = (
    "url", "timeout", "method", "retries", "concurrency", "waiting", "ca_file", "verify", "client_cert", "client_key",
    "status", "receipt", "paid",
)  # fmt: skip
_STATUS_KEYS = ("url", "method", "params", "timeout", "absent", "absent_after", "pending", "for")


class RoutingError(ValueError):
    """The routing file cannot be used; holds every mistake."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(map(str, mistakes)))


class Tls(msgspec.Struct, frozen=True):
    """How an https gateway is trusted, and how the kiosk shows itself to it."""

    ca_file: str = ""  # PEM, besides the system's authorities
    verify: bool = True
    client_cert: str = ""
    client_key: str = ""


class StatusQuery(msgspec.Struct, frozen=True):
    """How to ask a gateway what became of an operation whose answer was lost."""

    url: str
    params: dict[str, str]  # query name → field of the request's body, dots lead into nested objects
    timeout: float = 10.0
    absent: tuple[int, ...] = ()  # HTTP statuses that mean: the gateway never got it
    # Seconds after the answer was lost from which `absent` is believed: a gateway may record an operation only when it
    # is done, and be at work long after its caller has hung up, so that "not found" at once means nothing.
    absent_after: float = ABSENT_AFTER_LEAST
    pending_field: str = ""
    pending_values: tuple[str, ...] = ()  # as JSON text without quotes
    for_s: float = STATUS_FOR_DEFAULT


class FieldIs(msgspec.Struct, frozen=True):
    """What is looked for in a gateway's answer: one of these values in that field."""

    field: str  # dots lead into nested objects
    values: tuple[str, ...]  # as JSON text without quotes


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway address with everything said about it."""

    name: str
    url: str
    timeout: float = TIMEOUT_DEFAULT  # seconds for the whole call
    method: str | None = None  # fixes GET or POST whatever the request says
    retries: int = 0  # GET only
    concurrency: int = CONCURRENCY_DEFAULT
    waiting: int = WAITING_DEFAULT
    tls: Tls = Tls()
    status: StatusQuery | None = None
    receipt: str = ""  # the register for receipts of what was paid; of a kind, it stands there
    paid: FieldIs | None = None  # which of its answers mean that money was paid
    kind: Kind | None = None  # None: a gateway that is called once and answers

    @property
    def path(self) -> str:
        """Where the route stands in the file."""
        return DEFAULT if self.name == DEFAULT else f"routes.{self.name}"

    @property
    def shown_url(self) -> str:
        """The URL as it may be shown: no credentials, no query; of what has none, what it is."""
        return shown_url(self.url) if self.url else self.kind.describe() if self.kind else ""

    @property
    def register(self) -> str:
        """Which register makes receipts of what is paid by it; empty: none."""
        return self.receipt or str(getattr(self.kind, "receipt", ""))

    def describe(self) -> str:
        """One line for a person."""
        words = [self.kind.describe()] if self.kind else [self.shown_url]
        words += [f"timeout {self.timeout:g} s", f"{self.concurrency} at a time"]
        if self.method:
            words.append(f"always {self.method}")
        if self.retries:
            words.append(f"{self.retries} retries of GET")
        if self.status:
            words.append(f"status query {shown_url(self.status.url)}")
        if self.register:
            words.append(f"receipts by {self.register}")
        if not self.tls.verify:
            words.append("certificate not verified")
        return ", ".join(words)


class RouteTable(msgspec.Struct, frozen=True):
    """All routes of one reading of the file."""

    routes: dict[str, Route] = {}
    default: Route | None = None
    devices: dict[str, DeviceEntry] = {}

    def find(self, operation: str) -> Route | None:
        """The route for an operation type, the default one, or None."""
        return self.routes.get(operation) or self.default

    def names(self) -> list[str]:
        """What hello announces."""
        return sorted(self.routes) + ([DEFAULT] if self.default else [])

    def all(self) -> list[Route]:
        """Every route, the default last."""
        return [self.routes[name] for name in sorted(self.routes)] + ([self.default] if self.default else [])


def read_routes(path: Path) -> RouteTable:
    """Read the file. Raises `RoutingError` with every mistake in it."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "right would be the path of a YAML file with `routes:` and `default:`"
        raise RoutingError([Mistake("ROUTING_CONFIG", str(path)[:200], f"cannot be read: {reason}; {hint}")]) from error
    if len(text) > FILE_MAX_BYTES:
        raise RoutingError([Mistake("ROUTING_CONFIG", str(path), "is larger than 1 MiB")])
    return parse_routes(text, str(path))


def parse_routes(text: bytes, origin: str) -> RouteTable:
    """Read routes out of YAML; `origin` names the file in mistakes. Raises `RoutingError`."""
    loader = None
    try:
        loader = _Loader(text)
        document = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise RoutingError([Mistake(origin, where, f"is not YAML: {error.problem}")]) from error
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError) as error:
        # The last two: PyYAML, of a value that its tag (`!!int`) does not fit.
        raise RoutingError([Mistake(origin, "the file", f"is not YAML: {error}")]) from error
    finally:
        if loader is not None:
            loader.dispose()
    reader = _Reader(origin, loader.doubled)
    table = reader.table(document)
    if reader.mistakes:
        raise RoutingError(reader.mistakes)
    return table


class _Loader(yaml.SafeLoader):
    """Safe YAML that remembers keys given twice, which plain YAML readers silently overwrite."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.doubled: list[tuple[str, int]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    self.doubled.append((key.value, key.start_mark.line + 1))
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Reader(Reader):
    """Turns a parsed document into routes and collects what is wrong with it."""

    def __init__(self, origin: str, doubled: list[tuple[str, int]]) -> None:
        super().__init__(origin)
        self.mistakes += [
            Mistake(key, f"line {line}", f"is given twice; right would be once (from {origin})")
            for key, line in doubled
        ]

    def table(self, document: object) -> RouteTable:
        if not isinstance(document, dict):
            self.wrong(self.origin, None, "is empty or no mapping; right would be `routes:` and `default:`")
            return RouteTable()
        self.unknown("", document, ("routes", DEFAULT, "devices"))
        routes = {}
        given = document.get("routes")
        if given is not None and not isinstance(given, dict):
            self.wrong("routes", given, "right would be a mapping of operation types")
        elif given:
            for name, fields in given.items():
                try:
                    parse_operation(str(name))
                except ValueError as error:
                    self.wrong(f"routes.{name}", None, str(error))
                    continue
                route = self.route(str(name), f"routes.{name}", fields)
                if route:
                    routes[route.name] = route
        default = None
        if document.get(DEFAULT) is not None:
            default = self.route(DEFAULT, DEFAULT, document[DEFAULT])
        if not routes and default is None and not self.mistakes:
            self.wrong(self.origin, None, "names no route; right would be at least one under `routes:` or a `default:`")
        devices = read_devices(document.get("devices"), self.wrong)
        for route in [*routes.values(), *([default] if default else [])]:
            self.named(route, devices, document.get("devices"))
        if default is not None and isinstance(default.kind, DeviceRoute | CashRoute):
            words = "a default takes operations of any name, misspelt ones too; right would be a route under `routes:`"
            self.wrong(f"{DEFAULT}.{'device' if isinstance(default.kind, DeviceRoute) else 'desk'}", None, words)
        return RouteTable(routes, default, devices)

    def named(self, route: Route, devices: dict[str, DeviceEntry], given: object) -> None:
        """Note what a route names that is no device, or none of the kind it needs."""
        there = list(map(str, given)) if isinstance(given, dict) else []
        plain = [("receipt", route.receipt, REGISTER)] if route.receipt else []
        for where, name, roles in [*plain, *device_names(route.kind)]:
            path = f"{route.path}.{where}"
            if name not in there:
                near = difflib.get_close_matches(name, there, n=1)
                hint = (
                    f"did you mean {near[0]}?" if near else f"under `devices:` there are {', '.join(there) or 'none'}"
                )
                self.wrong(path, name, f"is no device; {hint}")
            elif roles and name in devices and devices[name].role not in roles:
                self.wrong(path, name, f"is a {devices[name].role}; right would be a {' or a '.join(roles)}")
        if isinstance(route.kind, CashRoute):
            kinds = {devices[name].role if name in devices else "" for name in route.kind.devices}
            if kinds == {"coin hopper"}:
                words = f"names nothing that takes money; right would be a {' or a '.join(TAKES_MONEY)} among them"
                self.wrong(f"{route.path}.devices", None, words)
            self.currencies(route.path, route.kind, devices)

    def currencies(self, path: str, cash: CashRoute, devices: dict[str, DeviceEntry]) -> None:
        """A register that counts another currency would refuse every receipt."""
        counts = devices[cash.receipt].currency if cash.receipt in devices else None
        for name in cash.devices:
            takes = devices[name].currency if name in devices else None
            if counts and takes and takes != counts:
                right = f"right would be devices.{cash.receipt}.currency: {takes}"
                self.wrong(f"{path}.receipt", cash.receipt, f"counts {counts}, and {name} takes {takes}; {right}")
                return

    def route(self, name: str, path: str, fields: object) -> Route | None:
        if not isinstance(fields, dict):
            self.wrong(path, fields, "right would be a mapping with at least `url`")
            return None
        if any(word in fields for word in KINDS):
            return self.special(name, path, fields)
        self.unknown(path, fields, (*_ROUTE_KEYS, *KINDS))
        url = self.url(f"{path}.url", fields.get("url"))
        timeout = self.number(f"{path}.timeout", fields.get("timeout"), TIMEOUT_DEFAULT, TIMEOUT_MAX)
        method = fields.get("method")
        if method is not None:
            method = str(method).upper()
            if method not in {"GET", "POST"}:
                self.wrong(f"{path}.method", method, "right would be GET or POST")
        retries = self.whole(f"{path}.retries", fields.get("retries"), 0, 0, 10)
        if retries and method == "POST":
            self.wrong(f"{path}.retries", retries, "a POST is never repeated; right would be 0, or method: GET")
        alone = name == "payment" or name.startswith(("payment.", "payment_"))
        concurrency = self.whole(
            f"{path}.concurrency", fields.get("concurrency"), 1 if alone else CONCURRENCY_DEFAULT, 1, 100
        )
        waiting = self.whole(f"{path}.waiting", fields.get("waiting"), WAITING_DEFAULT, 0, 1000)
        tls = self.tls(path, fields, url)
        status = self.status(f"{path}.status", fields["status"], timeout) if fields.get("status") is not None else None
        if status is not None and method == "GET":
            self.wrong(f"{path}.status", None, "a GET has no effect to ask after; right would be no status query")
        receipt, paid = self.receipt(path, fields, method)
        return Route(
            name=name, url=url, timeout=timeout, method=method, retries=retries, concurrency=concurrency,
            waiting=waiting, tls=tls, status=status, receipt=receipt, paid=paid,
        )  # fmt: skip

    def special(self, name: str, path: str, fields: dict[str, Any]) -> Route | None:
        """A route to what is no plain gateway. Such a thing does one operation at a time."""
        kind = read_kind(self, path, fields)
        if kind is None:
            return None
        timeout = self.number(f"{path}.timeout", fields.get("timeout"), kind.timeout_default, TIMEOUT_MAX)
        waiting = self.whole(f"{path}.waiting", fields.get("waiting"), WAITING_DEFAULT, 0, 1000)
        return Route(name=name, url="", timeout=timeout, concurrency=1, waiting=waiting, kind=kind)

    def receipt(self, path: str, fields: dict[str, Any], method: str | None) -> tuple[str, FieldIs | None]:
        """Who makes receipts, and of which answers: of one that was declined with HTTP 200 there must be none."""
        register = read_device(self, path, "receipt", fields)
        given = fields.get("paid")
        if given is None and register:
            words = "is required beside `receipt`; right would be a mapping such as {field: status, values: [success]}"
            self.wrong(f"{path}.paid", None, words)
        if given is None:
            return register, None
        if method == "GET":
            self.wrong(f"{path}.paid", None, "a GET pays nothing; right would be no receipt")
        elif "receipt" not in fields:
            self.wrong(f"{path}.paid", None, "goes with `receipt`, the register that makes receipts of what was paid")
        return register, self.field_is(f"{path}.paid", given, "{field: status, values: [success]}")

    def field_is(self, path: str, given: object, example: str) -> FieldIs | None:
        if isinstance(given, dict) and given.get("field") and isinstance(given.get("values"), list):
            self.unknown(path, given, ("field", "values"))
            return FieldIs(str(given["field"]), tuple(_json_word(value) for value in given["values"]))
        self.wrong(path, given, f"right would be a mapping such as {example}")
        return None

    def tls(self, path: str, fields: dict[str, Any], url: str) -> Tls:
        verify = fields.get("verify", True)
        if not isinstance(verify, bool):
            self.wrong(f"{path}.verify", verify, "right would be true or false")
            verify = True
        files = {}
        for key in ("ca_file", "client_cert", "client_key"):
            value = fields.get(key)
            files[key] = "" if value is None else str(value)
            if value is not None and not _is_file(str(value)):
                self.wrong(f"{path}.{key}", value, "there is no such file; right would be a PEM file")
        if files["client_key"] and not files["client_cert"]:
            self.wrong(f"{path}.client_key", files["client_key"], "needs a client_cert beside it")
        if url.startswith("http://") and (any(files.values()) or not verify):
            self.wrong(f"{path}.url", url, "has TLS options beside it but is not https://")
        return Tls(verify=verify, **files)

    def status(self, path: str, fields: object, timeout: float) -> StatusQuery | None:
        if not isinstance(fields, dict):
            self.wrong(path, fields, "right would be a mapping with at least `url` and `params`")
            return None
        self.unknown(path, fields, _STATUS_KEYS)
        url = self.url(f"{path}.url", fields.get("url"))
        method = fields.get("method", "GET")
        if str(method).upper() != "GET":
            self.wrong(f"{path}.method", method, "a status query only asks; right would be GET")
        pending = None
        if fields.get("pending") is not None:
            pending = self.field_is(f"{path}.pending", fields["pending"], "{field: status, values: [pending]}")
        return StatusQuery(
            url=url,
            params=self.params(f"{path}.params", fields.get("params")),
            timeout=self.number(f"{path}.timeout", fields.get("timeout"), 10.0, TIMEOUT_MAX),
            absent=self.statuses(f"{path}.absent", fields.get("absent")),
            absent_after=self.number(
                f"{path}.absent_after", fields.get("absent_after"), max(timeout, ABSENT_AFTER_LEAST), 86400.0, zero=True
            ),
            pending_field=pending.field if pending else "",
            pending_values=pending.values if pending else (),
            for_s=self.number(f"{path}.for", fields.get("for"), STATUS_FOR_DEFAULT, 30 * 86400.0),
        )

    def params(self, path: str, given: object) -> dict[str, str]:
        """Query names by body fields; a plain list means that both are called the same."""
        if isinstance(given, list) and given and all(isinstance(name, str) and name for name in given):
            return {name: name for name in given}
        if isinstance(given, dict) and given and all(isinstance(v, str) and v for v in given.values()):
            return {str(key): value for key, value in given.items()}
        self.wrong(path, given, "right would be fields of the request's body, such as [order_id] or {id: order_id}")
        return {}

    def statuses(self, path: str, given: object) -> tuple[int, ...]:
        if given is None:
            return ()
        if isinstance(given, list) and all(type(code) is int and 400 <= code <= 599 for code in given):
            return tuple(given)
        self.wrong(path, given, "right would be a list of HTTP statuses from 400 to 599, such as [404]")
        return ()


def _json_word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long, or with a NUL in it
        return False
