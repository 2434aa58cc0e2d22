"""docs/hardware.md names every driver, and of each driver every setting with its default, and no other."""

import inspect
import re
from abc import ABCMeta
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from appliance.devices import Owned
from appliance.health.metrics import DeviceFigures, Metrics
from hardware.catalogue import DRIVERS, SIMULATORS
from hardware.roles import BillValidator, CoinAcceptor, CoinHopper, FiscalRegister, ReceiptPrinter
from tests.markdown import rows

TEXT = (Path(__file__).resolve().parent.parent.parent / "docs/hardware.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^##+ [^\n]*\((`[^)]+`)\)\n(.*?)(?=^## |^### |\Z)", re.MULTILINE | re.DOTALL)
ROLES: Mapping[ABCMeta, str] = {
    BillValidator: "bill validator", CoinAcceptor: "coin acceptor", CoinHopper: "coin hopper",
    FiscalRegister: "fiscal register", ReceiptPrinter: "receipt printer",
}  # fmt: skip
OF = {  # words of the column `of`, where one table is of several drivers
    "all": {"cctalk", "cctalk-hopper", "cctalk-bill"}, "acceptors": {"cctalk", "cctalk-bill"}, "coins": {"cctalk"},
    "hopper": {"cctalk-hopper"},
}  # fmt: skip
SAID_OTHERWISE = {"a table", "by a table", "both tried", "none", "no", "the model's", "the factory's", "by its names",
                  "the server's default"}  # fmt: skip


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def documented() -> Iterator[tuple[str, str, str]]:
    """Driver, setting, what stands as its default."""
    for titled, body in SECTION.findall(TEXT):
        for setting, default, *more in rows(body):
            if setting in {"setting", "---"}:
                continue
            drivers = OF[more[0]] if len(more) == 2 else set(names(titled))
            several = [each.strip() for each in default.split(", ")]
            for at, name in enumerate(names(setting)):
                for driver in sorted(drivers & set(names(titled))):
                    yield driver, name, several[at] if len(several) == len(names(setting)) > 1 else default


def test_every_driver_stands_there_with_its_role() -> None:
    table = {names(row[0])[0]: row for row in rows(TEXT) if len(row) == 5 and names(row[0])}
    assert sorted(table) == sorted(DRIVERS)
    assert {name: row[2] for name, row in table.items()} == {
        name: ROLES[entry.role] for name, entry in DRIVERS.items()
    }  # fmt: skip


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_setting_stands_there_and_no_other(driver: str) -> None:
    assert sorted(name for of, name, _ in documented() if of == driver) == sorted(DRIVERS[driver].settings())


@pytest.mark.parametrize(("driver", "setting", "default"), list(documented()))
def test_a_default_is_what_the_driver_declares(driver: str, setting: str, default: str) -> None:
    declared: Mapping[str, inspect.Parameter] = DRIVERS[driver].settings()
    value = declared[setting].default
    if default == "required":
        assert value is inspect.Parameter.empty
    elif default in SAID_OTHERWISE:
        assert not value or isinstance(value, Mapping)
    else:
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        assert shown in re.findall(r"[\w.-]+", default)


def test_what_owners_say_of_any_device_stands_there() -> None:
    table = {names(row[0])[0]: row[2] for row in rows(TEXT) if len(row) == 4 and names(row[0])}
    assert [name for name in table if name in Owned.__struct_fields__] == list(Owned.__struct_fields__)
    assert set(Owned.__struct_fields__) <= set(table)


def test_every_number_of_devices_stands_there() -> None:
    metrics = Metrics("test")
    figures = DeviceFigures(
        device="bills", role="bill validator", state="ready", up=True, skipped_bytes=0, repeats=0, circuit_open=False
    )
    metrics.watch_devices(["ready"], lambda: [figures])
    told = set(re.findall(r"^(kioskwire_device_\w+)\{", metrics.exposition().decode(), re.MULTILINE))
    assert told == set(re.findall(r"`(kioskwire_device_\w+)`", TEXT))


def test_every_simulated_family_is_named() -> None:
    said = re.search(r"kioskwire-sim device <family>` for ([^.]+)\. ", TEXT)
    assert said is not None
    found = re.findall(r"[a-z0-9]+", re.sub(r"\([^)]*\)", "", said[1]))
    assert set(found) - {"and"} == set(SIMULATORS)
