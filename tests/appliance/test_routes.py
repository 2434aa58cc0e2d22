"""The routing file: what fleets have, what is ours, and its mistakes."""

from itertools import pairwise
from pathlib import Path

import pytest

from appliance.kinds import CashRoute, DeviceRoute
from appliance.routes import FieldIs, RoutingError, parse_routes, read_routes

FLEET = b"""
routes:
  payment:
    url: "http://127.0.0.1:8011/api/v1/payment"
    timeout: 35
  fiscal:
    url: "http://127.0.0.1:8011/api/v1/fiscal"
default:
  url: "http://127.0.0.1:8080"
  timeout: 30
"""


def wrong(text: bytes) -> list[str]:
    with pytest.raises(RoutingError) as caught:
        parse_routes(text, "routes.yaml")
    return [str(mistake) for mistake in caught.value.mistakes]


def test_a_fleets_file_is_read_as_it_is() -> None:
    table = parse_routes(FLEET, "routes.yaml")
    assert table.names() == ["fiscal", "payment", "default"]
    payment, fiscal, other = table.find("payment"), table.find("fiscal"), table.find("cash")
    assert payment is not None
    assert fiscal is not None
    assert other is not None
    assert (payment.timeout, payment.concurrency) == (35.0, 1)
    assert (fiscal.timeout, fiscal.concurrency) == (30.0, 8)
    assert other.name == "default"


def test_every_option_of_ours_is_read() -> None:
    route = parse_routes(
        b"""
routes:
  payment:
    url: http://terminal/pay
    concurrency: 2
    waiting: 5
    method: post
    status:
      url: http://terminal/status
      params: {id: order.id}
      absent: [404]
      pending: {field: state, values: [pending, true, 1]}
      for: 60
""",
        "routes.yaml",
    ).find("payment")
    assert route is not None
    assert (route.concurrency, route.waiting, route.method) == (2, 5, "POST")
    query = route.status
    assert query is not None
    assert (query.params, query.absent, query.absent_after, query.for_s) == ({"id": "order.id"}, (404,), 60.0, 60.0)
    assert (query.pending_field, query.pending_values) == ("state", ("pending", "true", "1"))


@pytest.mark.parametrize(
    ("option", "path", "words"),
    [
        ("timeout: 601", "timeout", "at most 600"),
        ("timeout: true", "timeout", "number of seconds"),
        ("timeuot: 5", "timeuot", "did you mean timeout?"),
        ("method: PUT", "method", "GET or POST"),
        ("retries: -1", "retries", "from 0 to 10"),
        ("{method: POST, retries: 1}", "retries", "never repeated"),
        ("concurrency: 0", "concurrency", "from 1 to 100"),
        ("verify: maybe", "verify", "true or false"),
        ("verify: false", "url", "not https"),
        ("ca_file: /nowhere", "ca_file", "no such file"),
        ("status: yes", "status", "mapping"),
        ("status: {url: 'http://h', params: [id], absent: [200]}", "status.absent", "400 to 599"),
        ("status: {url: 'http://h'}", "status.params", "request's body"),
        ("status: {url: 'http://h', params: [id], pending: x}", "status.pending", "mapping"),
        ("status: {url: 'http://h', params: [id], method: POST}", "status.method", "GET"),
    ],
)
def test_a_mistake_is_named_by_its_path(option: str, path: str, words: str) -> None:
    inner = option if option.startswith("{") else f"{{{option}}}"
    text = f"routes: {{cash: {{url: 'http://h', {inner[1:-1]}}}}}".encode()
    found = [line for line in wrong(text) if line.startswith((f"routes.cash.{path}=", f"routes.cash.{path}: "))]
    assert len(found) == 1
    assert words in found[0]
    assert "routes.yaml" in found[0]


@pytest.mark.parametrize("url", ["ftp://h/x", "http://", "terminal/pay", "http://h:port", "http://h/a b", ""])
def test_only_http_urls_with_a_host_are_gateways(url: str) -> None:
    (found,) = wrong(f"default: {{url: '{url}'}}".encode())
    assert found.startswith(f"default.url={url}: " if url else "default.url: is required")


def test_a_syntax_error_has_a_line_and_a_column() -> None:
    (found,) = wrong(b"routes:\n  payment: {url: 'x'\n")
    assert "line 3, column 1" in found


def test_a_key_given_twice_is_a_mistake() -> None:
    (found,) = wrong(b"default:\n  url: http://a\n  url: http://b\n")
    assert found.startswith("url=line 3: is given twice")


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"routes: {}", b"routes: 5", b"route: {}", b"\xff\xfe\x00", b"!!python/object:x {}"]
)
def test_a_file_without_routes_is_a_mistake(text: bytes) -> None:
    assert wrong(text)


def test_credentials_in_a_url_are_not_shown() -> None:
    table = parse_routes(b"default: {url: 'http://user:canary@h/x?key=canary'}", "r")
    assert table.default is not None
    assert "canary" not in table.default.describe()
    assert "canary" not in "".join(wrong(b"default: {url: 'ftp://user:canary@h/x?key=canary'}"))


@pytest.mark.parametrize(
    "url", ["user:canary@h/x", "http://user:ca/nary@h/x", "http://user:ca#nary@h", "[{a: 'http://user:c@nary@h/'}]"]
)
def test_credentials_in_what_is_no_url_are_not_shown(url: str) -> None:
    told = "".join(wrong(f"default: {{url: {url}, timeout: -1}}".encode()) + wrong(f"default: '{url}'".encode()))
    assert "default.url" in told
    assert "nary" not in told
    assert "ca#" not in told


def test_aliases_of_aliases_are_not_written_out() -> None:
    levels = "".join(f"{name}: &{name} [{','.join([f'*{last}'] * 9)}]\n" for last, name in pairwise("abcdefghij"))
    assert "routes=a list" in "".join(wrong(f"a: &a [x]\n{levels}routes: *j\n".encode()))


@pytest.mark.parametrize(
    "value", ["!!int ''", "!!bool perhaps", "!!timestamp never", "!!float ''", "0x" + "F" * 6000, "2001-99-99"]
)
def test_values_that_yaml_cannot_make_are_a_mistake(value: str) -> None:
    assert len("".join(wrong(f"default: {{url: 'http://h', timeout: {value}}}".encode()))) < 500


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RoutingError, match="cannot be read"):
        read_routes(tmp_path / "none.yaml")


DESK = b"""
devices:
  bills:    {driver: ccnet,  port: /dev/serial/by-path/pci-usb-1, currency: KZT}
  coins:    {driver: cctalk, port: /dev/serial/by-path/pci-usb-2, address: 2}
  hopper:   {driver: cctalk-hopper, port: /dev/serial/by-path/pci-usb-2, address: 3, denomination: 100_00}
  register: {driver: shtrih, port: tcp://192.0.2.10:7778, password: 30}
  printer:  {driver: escpos, port: /dev/usb/lp0}
routes:
  payment:  {url: http://127.0.0.1:8011/api/v1/payment, timeout: 35}
  cash:     {desk: cash, devices: [bills, coins, hopper], timeout: 180}
  fiscal:   {device: register}
  print:    {device: printer}
"""


def with_routes(routes: str) -> bytes:
    """The kiosk's devices with other routes."""
    return DESK.partition(b"routes:")[0] + f"routes: {{{routes}}}".encode()


def of_tenge(routes: str) -> bytes:
    """The same, with a register that counts what the validator takes."""
    return with_routes(routes).replace(b"password: 30}", b"password: 30, currency: KZT}")


def test_a_register_counts_what_is_taken() -> None:
    routes = "cash: {desk: cash, devices: [bills], receipt: register}"
    (told,) = wrong(with_routes(routes))
    assert told.startswith(
        "routes.cash.receipt=register: counts RUB, and bills takes KZT; right would be devices.regist"
    )
    assert parse_routes(of_tenge(routes), "r").names() == ["cash"]


def test_the_desks_file_is_read_as_it_is() -> None:
    table = parse_routes(DESK, "routes.yaml")
    assert table.names() == ["cash", "fiscal", "payment", "print"]
    assert list(table.devices) == ["bills", "coins", "hopper", "register", "printer"]
    cash, fiscal = table.routes["cash"], table.routes["fiscal"]
    assert cash.kind == CashRoute(("bills", "coins", "hopper"), idle_timeout=60.0, overpay="change")
    assert (cash.timeout, cash.concurrency, cash.waiting) == (180.0, 1, 100)
    assert fiscal.kind == DeviceRoute("register")
    assert (fiscal.timeout, fiscal.concurrency) == (120.0, 1)
    assert [table.routes[name].describe() for name in ("cash", "print")] == [
        "cash desk of bills, coins, hopper, overpay change, idle 60 s, timeout 180 s, 1 at a time",
        "device printer, timeout 120 s, 1 at a time",
    ]


def test_every_option_of_a_cash_route_is_read() -> None:
    (cash,) = parse_routes(
        of_tenge(
            "cash: {desk: cash, devices: [bills], timeout: 600, waiting: 0, idle_timeout: 30, overpay: keep,"
            " receipt: register, printer: printer}"
        ),
        "r",
    ).all()
    assert cash.kind == CashRoute(("bills",), 30.0, "keep", "register", "printer")
    assert (cash.timeout, cash.waiting) == (600.0, 0)
    assert cash.describe().startswith("cash desk of bills, overpay keep, idle 30 s, slips by printer, timeout 600 s, ")
    assert cash.describe().endswith(", receipts by register")


def test_a_plain_route_may_have_a_receipt() -> None:
    (route,) = parse_routes(
        with_routes("payment: {url: http://h, receipt: register, paid: {field: a.b, values: [yes, 1]}}"), "r"
    ).all()
    assert (route.kind, route.receipt, route.register) == (None, "register", "register")
    assert route.paid == FieldIs("a.b", ("true", "1"))
    assert route.describe().endswith("receipts by register")


def test_devices_may_stand_without_routes_to_them() -> None:
    table = parse_routes(with_routes("payment: {url: http://h/pay}"), "r")
    assert (table.names(), len(table.devices)) == (["payment"], 5)


@pytest.mark.parametrize("default", ["{device: printer}", "{desk: cash, devices: [bills]}"])
def test_what_anything_misspelt_would_reach_is_no_default(default: str) -> None:
    (told,) = wrong(DESK.partition(b"routes:")[0] + f"default: {default}".encode())
    assert told.split(": ")[1].startswith("a default takes operations of any name")


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        ("cash: {desk: cash, devices: [bill]}", "routes.cash.devices=bill: is no device; did you mean bills?"),
        ("cash: {desk: cash, devices: [x]}", "routes.cash.devices=x: is no device; under `devices:` there are bills,"),
        (
            "cash: {desk: cash, devices: [printer]}",
            "routes.cash.devices=printer: is a receipt printer; right would be a bill validator or a coin acceptor or a"
            " coin hopper",
        ),
        (
            "cash: {desk: cash, devices: [hopper]}",
            "routes.cash.devices: names nothing that takes money; right would be",
        ),
        ("cash: {desk: cash, devices: []}", "routes.cash.devices=[]: right would be a list of device names"),
        ("cash: {desk: cash, devices: bills}", "routes.cash.devices=bills: right would be a list of device names"),
        ("cash: {desk: cash}", "routes.cash.devices: right would be a list of device names"),
        (
            "cash: {desk: cash, devices: [bills, bills]}",
            "routes.cash.devices: names bills twice; right would be each device",
        ),
        ("cash: {desk: bank, devices: [bills]}", "routes.cash.desk=bank: right would be cash"),
        (
            "cash: {desk: cash, devices: [bills], overpay: kep}",
            "routes.cash.overpay=kep: right would be one of change,",
        ),
        (
            "cash: {desk: cash, devices: [bills], idle_timeout: 0}",
            "routes.cash.idle_timeout=0: right would be a number",
        ),
        (
            "cash: {desk: cash, devices: [bills], timeout: 601}",
            "routes.cash.timeout=601: right would be a number of sec",
        ),
        ("cash: {desk: cash, devices: [bills], waiting: -1}", "routes.cash.waiting=-1: right would be a whole number"),
        (
            "cash: {desk: cash, devices: [bills], receipt: printer}",
            "routes.cash.receipt=printer: is a receipt printer; ",
        ),
        (
            "cash: {desk: cash, devices: [bills], printer: bills}",
            "routes.cash.printer=bills: is a bill validator; right",
        ),
        (
            "cash: {desk: cash, devices: [bills], url: http://h}",
            "routes.cash.url: is not an option of a cash desk's rou",
        ),
        (
            "cash: {desk: cash, devices: [bills], status: {}}",
            "routes.cash.status: is not an option of a cash desk's ro",
        ),
        ("cash: {desk: cash, devices: [bills], concurrency: 2}", "routes.cash.concurrency: is not an option of a cash"),
        ("cash: {desk: cash, device: bills, devices: [bills]}", "routes.cash: has device and desk; right would be one"),
        ("fiscal: {device: registre}", "routes.fiscal.device=registre: is no device; did you mean register?"),
        ("fiscal: {device: }", "routes.fiscal.device: is required; right would be the name of a device"),
        ("fiscal: {device: 5}", "routes.fiscal.device=5: right would be the name of a device"),
        ("fiscal: {device: register, url: http://h}", "routes.fiscal.url: is not an option of a device's route"),
        ("fiscal: {device: register, status: {}}", "routes.fiscal.status: is not an option of a device's route"),
        ("fiscal: {device: register, retries: 1}", "routes.fiscal.retries: is not an option of a device's route"),
        (
            "fiscal: {device: register, timeuot: 1}",
            "routes.fiscal.timeuot: is not an option of a device's route; did yo",
        ),
        ("pos: {gateway: kaspi, url: http://h}", "routes.pos.gateway=kaspi: right would be one of kaspi-pos, atol-web"),
        ("pos: {gateway: kaspi-pos}", "routes.pos.url: is required"),
        (
            "pos: {gateway: kaspi-pos, url: http://h, receipt: bills}",
            "routes.pos.receipt=bills: is a bill validator; ri",
        ),
        (
            "payment: {url: http://h, receipt: register}",
            "routes.payment.paid: is required beside `receipt`; right would",
        ),
        ("payment: {url: http://h, paid: {field: a, values: [b]}}", "routes.payment.paid: goes with `receipt`"),
        (
            "payment: {url: http://h, receipt: register, paid: yes}",
            "routes.payment.paid=True: right would be a mapping",
        ),
        (
            "payment: {url: http://h, method: GET, receipt: register, paid: {field: a, values: [b]}}",
            "routes.payment.paid: a GET pays nothing",
        ),
        (
            "payment: {url: http://h, receipt: bills}",
            "routes.payment.receipt=bills: is a bill validator; right would be",
        ),
        ("payment: {url: http://h, receipt: no}", "routes.payment.receipt=False: right would be the name of a device"),
        ("payment: {devices: [bills]}", "routes.payment.devices: is not an option"),
        ("payment: {url: http://h, devcie: x}", "routes.payment.devcie: is not an option; did you mean device?"),
    ],
)
def test_a_mistake_of_the_desk_is_named_by_its_path(routes: str, found: str) -> None:
    told = wrong(with_routes(routes))
    assert [line for line in told if line.startswith(found)], told


def test_every_mistake_of_the_desk_is_told_at_once() -> None:
    told = wrong(
        b"devices: {bills: {driver: ccnet}, hopper: {driver: cctalk-hopper, port: /dev/x}}\n"
        b"routes: {cash: {desk: cash, devices: [bills, coins], timeout: -1}, fiscal: {device: register}}"
    )
    assert [line.split("=")[0].split(":")[0] for line in told] == [
        "routes.cash.timeout", "devices.bills.port", "devices.bills.currency", "devices.hopper.denomination",
        "routes.cash.devices", "routes.fiscal.device",
    ]  # fmt: skip


def test_a_file_with_devices_alone_names_no_route() -> None:
    (told,) = wrong(DESK.partition(b"routes:")[0])
    assert "names no route" in told
