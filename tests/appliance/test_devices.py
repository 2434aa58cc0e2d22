"""The section `devices:` of the routing file, with every mistake by its path."""

import inspect
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

import pytest
import yaml

from appliance import devices
from appliance.devices import DeviceEntry, Owned, read_devices
from appliance.routes import RoutingError, parse_routes
from appliance.settings import Origins, effective, load
from hardware.catalogue import DRIVERS, DriverEntry
from hardware.journal import DeviceJournal
from hardware.roles import BillValidator, CoinHopper
from wire.environment import SettingsError
from wire.money import Money

if TYPE_CHECKING:
    from hardware.trace import Trace


class Speed(StrEnum):
    SLOW = "slow"
    QUICK = "quick"


class Toy:
    """A driver with a setting of every kind."""

    def __init__(
        self,
        name: str,
        url: str,
        journal: DeviceJournal,
        *,
        currency: "str",
        baud: int = 9600,
        limit_s: float = 1.0,
        echo: bool = False,
        speed: Speed = Speed.SLOW,
        link: Literal["v1", "v2"] | None = None,
        table: Mapping[int, str] | None = None,
        coins: tuple[int, ...] = (),
        fill: Money = Money(100, "KZT"),  # noqa: B008
        password: int | str = 30,
        trace: "Trace | None" = None,
    ) -> None:
        if currency != "KZT":
            raise ValueError(f"{name}: currency: {currency!r} is not known to a toy")
        self.given = {
            "baud": baud, "limit_s": limit_s, "echo": echo, "speed": speed, "link": link, "table": table,
            "coins": coins,
        }  # fmt: skip
        self.name, self.url, self.password = name, url, password


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = DriverEntry("toy", "cctalk", BillValidator, "ccnet", "a toy")
    monkeypatch.setattr(DriverEntry, "load", lambda self: Toy)
    found = devices.find_driver
    monkeypatch.setattr(devices, "find_driver", lambda name: entry if name == "toy" else found(name))


def read(text: str) -> tuple[dict[str, DeviceEntry], list[str]]:
    mistakes: list[str] = []
    found = read_devices(yaml.safe_load(text), lambda path, _value, words: mistakes.append(f"{path}: {words}"))
    return found, mistakes


def test_every_setting_is_read_with_its_type() -> None:
    found, mistakes = read(
        """
bills:
  {driver: toy, port: /dev/ttyUSB0, currency: KZT, baud: 19200, limit_s: 2, echo: true, speed: quick, link: v1,
   table: {1: KZT}, coins: [5, 10], password: "0030"}
"""
    )
    assert mistakes == []
    built = found["bills"].build(devices._NoJournal())
    assert isinstance(built, Toy)
    assert built.given == {
        "baud": 19200, "limit_s": 2.0, "echo": True, "speed": Speed.QUICK, "link": "v1", "table": {1: "KZT"},
        "coins": (5, 10),
    }  # fmt: skip
    assert (built.name, built.url, built.password) == ("bills", "/dev/ttyUSB0", "0030")


def test_an_amount_is_written_as_people_say_it() -> None:
    found, mistakes = read("bills: {driver: toy, port: /dev/x, currency: KZT, fill: 100 KZT}")
    assert mistakes == []
    assert found["bills"].settings["fill"] == Money(10000, "KZT")
    assert "fill 100.00 KZT" in found["bills"].describe()
    exact, _ = read("bills: {driver: toy, port: /dev/x, currency: KZT, fill: {minor: 5, currency: KZT}}")
    assert exact["bills"].settings["fill"] == Money(5, "KZT")


def test_a_password_is_never_shown() -> None:
    found, _ = read('bills: {driver: toy, port: /dev/ttyUSB0, currency: KZT, password: "0042", table: {1: KZT}}')
    assert found["bills"].describe() == (
        'toy on /dev/ttyUSB0, currency KZT, password <hidden>, table {"1":"KZT"}'
    )  # fmt: skip
    _, mistakes = read("bills: {driver: toy, port: /dev/ttyUSB0, currency: KZT, password: [1234]}")
    assert mistakes == ["devices.bills.password: right would be a whole number or text (a number in quotes)"]


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ("5", "devices.bills: right would be a mapping with at least `driver` and `port`"),
        ("{port: /dev/x, currency: KZT}", "devices.bills.driver: is required; right would be one of ccnet"),
        ("{driver: ccnett, port: /dev/x}", "devices.bills.driver: there is no driver 'ccnett'; did you mean ccnet?"),
        ("{driver: toy, currency: KZT}", "devices.bills.port: is required; right would be /dev/serial/by-id"),
        ("{driver: toy, port: COM1, currency: KZT}", "devices.bills.port: 'COM1' names no line"),
        ("{driver: toy, port: /dev/x}", "devices.bills.currency: is required by the driver toy; right would be text"),
        ("{driver: toy, port: /dev/x, currency: USD}", "devices.bills.currency: 'USD' is not known to a toy"),
        ("{driver: toy, port: /dev/x, currency: KZT, buad: 1}", "devices.bills.buad: is no setting of the driver toy; "
         "did you mean baud?"),
        ("{driver: toy, port: /dev/x, currency: KZT, trace: x}", "devices.bills.trace: is no setting of the driver"),
        ("{driver: toy, port: /dev/x, currency: KZT, baud: fast}", "devices.bills.baud: right would be a whole number"),
        ("{driver: toy, port: /dev/x, currency: KZT, baud: true}", "devices.bills.baud: right would be a whole number"),
        ("{driver: toy, port: /dev/x, currency: KZT, echo: 1}", "devices.bills.echo: right would be true or false"),
        ("{driver: toy, port: /dev/x, currency: KZT, speed: x}", "devices.bills.speed: right would be one of slow, qu"),
        ("{driver: toy, port: /dev/x, currency: KZT, link: v3}", "devices.bills.link: right would be one of v1, v2"),
        ("{driver: toy, port: /dev/x, currency: KZT, table: 1}", "devices.bills.table: right would be a mapping of"),
        ("{driver: toy, port: /dev/x, currency: KZT, fill: many}", "devices.bills.fill: right would be an amount"),
        ("{driver: toy, port: /dev/x, currency: KZT, fill: 1 tenge}", "devices.bills.fill: right would be an amount"),
        ("{driver: toy, port: /dev/x, currency: KZT, coins: 1}", "devices.bills.coins: right would be a list of who"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_its_path(fields: str, mistake: str) -> None:
    found, mistakes = read(f"bills: {fields}")
    assert found == {}
    assert len(mistakes) == 1
    assert mistakes[0].startswith(mistake)


def test_all_mistakes_are_told_at_once() -> None:
    _, mistakes = read("{Bills: {driver: toy, port: x, baud: y, colour: red}, coins: 5}")
    assert [mistake.split(": ")[0] for mistake in mistakes] == [
        "devices.Bills", "devices.Bills.port", "devices.Bills.baud", "devices.Bills.colour", "devices.Bills.currency",
        "devices.coins",
    ]  # fmt: skip
    assert read("[]")[1] == ["devices: right would be a mapping of names such as bills, coins, printer"]


def test_what_the_drivers_say_themselves_is_told_beside_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    _, mistakes = read("""
fr: {driver: shtrih, port: tcp://nowhere, link: v3, fiscal: zz, tax_system: all}
bill: {driver: cctalk, port: COM1, address: 999}
net: {driver: atol, port: /dev/ttyS9}
""")
    assert [mistake.split(": ")[0] for mistake in mistakes] == [
        "devices.fr.port", "devices.fr.tax_system", "devices.fr.link", "devices.fr.fiscal",
        "devices.bill.port", "devices.bill.address", "devices.net.port",
    ]  # fmt: skip
    assert not any("Expected" in mistake for mistake in mistakes)


def test_devices_of_one_bus_are_checked_against_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    first = "{driver: cctalk, port: /dev/x, echo: 'on'}"
    assert read(f"{{a: {first}, b: {{driver: cctalk, port: /dev/x, address: 5}}}}")[1] == []
    assert read(f"{{a: {first}, b: {first}}}")[1] == ["devices.b.address: 2 is the address of a on the same line"]
    other = "{driver: cctalk-hopper, port: /dev/x, coin: 100 KZT, echo: 'off'}"
    assert read(f"{{a: {first}, b: {other}}}")[1] == [
        "devices.b.echo: is off, and on for another device on the same line"
    ]


def test_what_a_driver_cannot_be_without_hides_no_other_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    _, mistakes = read("""
bills: {driver: ccnet, port: /dev/a, currency: tenge, baud: 1200}
again: {driver: ccnet, port: /dev/b, baud: 1200}
left: {driver: cctalk-hopper, port: /dev/c, address: 300, denomination: -5}
right: {driver: cctalk-hopper, port: /dev/c, address: 300, denomination: 100.5}
third: {driver: cctalk-hopper, port: /dev/c, address: 300, coin: 100}
fourth: {driver: cctalk-hopper, port: /dev/c, address: 300}
""")
    assert [mistake.split(": ")[0].split("=")[0] for mistake in mistakes] == [
        "devices.bills.currency", "devices.bills.baud", "devices.again.currency", "devices.again.baud",
        "devices.left.denomination", "devices.left.address", "devices.right.denomination", "devices.right.address",
        "devices.third.coin", "devices.third.address", "devices.fourth.denomination", "devices.fourth.address",
    ]  # fmt: skip


def test_a_hopper_is_filled_with_one_kind_of_coin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    hopper = "hopper: {driver: cctalk-hopper, port: /dev/x, "
    assert read(hopper + "denomination: 100_00}")[1] == []
    assert read(hopper + "coin: 100 KZT}")[1] == []
    assert read(hopper + "address: 3}")[1] == [
        "devices.hopper.denomination: is required; right would be a coin's minor units, such as 10000"
    ]
    assert read(hopper + "coin: 100}")[1][0].startswith("devices.hopper.coin: right would be an amount such as 100 KZT")


REGISTER = "{driver: shtrih, port: /dev/x, "
HOPPER = "{driver: cctalk-hopper, port: /dev/x, denomination: 10000, "


def test_what_an_owner_says_besides_the_drivers_settings_is_read_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found, mistakes = read(f"h: {HOPPER}label: left, capacity: 500, near_full: 450, near_empty: 20}}")
    assert mistakes == []
    assert found["h"].owned == Owned(label="left", capacity=500, near_full=450, near_empty=20)
    assert found["h"].describe().endswith(", label left, capacity 500, near_full 450, near_empty 20")
    assert "label" not in found["h"].settings
    plain = read(f"h: {HOPPER}}}")[0]["h"]
    assert plain.owned == Owned()
    assert plain.same_driver(found["h"])
    assert not plain.same_driver(read(f"h: {HOPPER}address: 4}}")[0]["h"])
    assert plain.is_a(CoinHopper)
    assert not plain.is_a(BillValidator)


@pytest.mark.parametrize(
    ("fields", "mistakes"),
    [
        (HOPPER + "capacity: many, near_full: 0, near_empty: true}", [
            "capacity: right would be a whole number of notes or coins, from 1 to 1000000",
            "near_full: right would be a whole number of notes or coins, from 1 to 1000000",
            "near_empty: right would be a whole number of notes or coins, from 1 to 1000000",
        ]),
        (HOPPER + "capacity: 10, near_full: 11, near_empty: 12}", [
            "near_full: right would be at most 10, the capacity", "near_empty: right would be at most 10, the capacity",
            "near_empty: right would be less than near_full, 11",
        ]),
        (REGISTER + "capacity: 5, near_empty: 3}", [
            "capacity: a fiscal register has none; right would be to leave it out",
            "near_empty: a fiscal register has none; right would be to leave it out",
        ]),
        (REGISTER + "label: 5}", ["label: right would be text of at most 60 letters, such as hopper left"]),
        (REGISTER + "lable: x}", ["lable: is no setting of the driver shtrih; did you mean label?"]),
        ("{driver: ccnet, port: /dev/x, currency: KZT, near_empty: 3}", [
            "near_empty: a bill validator has none; right would be to leave it out"
        ]),
    ],
)  # fmt: skip
def test_what_an_owner_cannot_say_is_told_with_the_rest(
    fields: str, mistakes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert read(f"d: {fields}")[1] == [f"devices.d.{words}" for words in mistakes]


def test_no_driver_has_a_setting_by_an_owners_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for driver in DRIVERS.values():
        assert not {*devices._OWNED, "driver", "port"} & set(driver.settings())


def test_a_reading_has_a_bus_of_its_own_beside_the_open_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    first = read(f"h: {HOPPER}address: 4}}")[0]["h"].build(devices._NoJournal())
    assert read(f"h: {HOPPER}address: 4}}")[1] == []
    assert first.name == "h"


def test_credentials_in_a_port_are_not_shown() -> None:
    entry = DeviceEntry(name="fr", driver="atol", port="http://user:canary@127.0.0.1:16732")
    assert "canary" not in entry.describe() + entry.shown_port


def test_a_secret_that_a_driver_does_not_like_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def angry(self: Toy, name: str, url: str, journal: DeviceJournal, *, password: str = "", trace: Any = None) -> None:
        raise ValueError(f"{name}.password: {password!r} is too short") if password else ValueError("odd")

    monkeypatch.setattr(Toy, "__init__", angry)
    assert read("bills: {driver: toy, port: /dev/x, password: canary}")[1] == [
        "devices.bills.password: is wrong", "devices.bills: odd",
    ]  # fmt: skip


def test_one_port_has_one_device_but_on_a_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{a: {driver: toy, port: /dev/x, currency: KZT}, b: {driver: toy, port: /dev/x, currency: KZT}}"
    assert read(text)[1] == []
    monkeypatch.setattr(devices, "_SHARED", set())
    assert read(text)[1] == ["devices.b.port: is the port of devices.a already"]


ROUTES = 'routes: {payment: {url: "http://127.0.0.1:1/"}}\n'


def test_the_routing_file_has_the_section_and_needs_none() -> None:
    assert parse_routes(ROUTES.encode(), "r").devices == {}
    table = parse_routes(f"{ROUTES}devices: {{bills: {{driver: toy, port: /dev/x, currency: KZT}}}}".encode(), "r")
    assert table.devices["bills"].path == "devices.bills"
    with pytest.raises(RoutingError) as caught:
        parse_routes(f"{ROUTES}devices: {{bills: {{driver: toy, port: /dev/x, currency: 5}}}}".encode(), "r.yaml")
    assert str(caught.value.mistakes[0]).startswith("devices.bills.currency=5: right would be text")
    assert "(from r.yaml)" in str(caught.value.mistakes[0])


def test_check_config_shows_them(tmp_path: Any) -> None:
    routes = tmp_path / "routing.yaml"
    routes.write_text(f"{ROUTES}devices: {{bills: {{driver: toy, port: /dev/x, currency: KZT, password: 5}}}}")
    environ = {"WS_SERVER_URL": "ws://hub/ws", "WS_TOKEN": "token", "ROUTING_CONFIG": str(routes)}
    try:
        loaded = load(None, environ)
    except SettingsError as error:
        pytest.fail(str(error.mistakes))
    line = f"devices.bills=toy on /dev/x, currency KZT, password <hidden>  ({routes})"
    assert line in effective(loaded)
    assert loaded.warnings == []
    assert isinstance(loaded.origins, Origins)


def test_types_of_every_kind_have_words() -> None:
    assert devices._words(inspect.Parameter.empty) == "another value"
    assert devices._words(int | None) == "a whole number"
