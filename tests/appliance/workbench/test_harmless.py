"""Every family's questions against every family's simulated device: the right one answers, and nothing is done to any.

What is physical stands in a ledger, what a device keeps in its memory: both must be the same before and after.
"""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from appliance.workbench.survey import State, Surveyed, survey
from hardware import catalogue
from hardware.journal import FileJournal
from hardware.probe import Probe
from hardware.roles import ReceiptPrinter
from hardware.simulation.families import FAMILIES, build, find_simulator
from hardware.simulation.host import DeviceHost
from hardware.simulation.store import Store
from hardware.simulation.wires import TcpWire
from hardware.slip import lines
from tests.appliance.supervisor.yard import virtual

SERIAL = tuple(family for family in FAMILIES if family in catalogue.PROBED)
NETWORK = {"atol"}
OPTIONS = {"escpos": {"boot_s": "0"}}


class Bench:
    """One simulated device of each family, on ports of their own. Bytes take no time and no speed is wrong."""

    def __init__(self, families: Sequence[str]) -> None:
        self.hosts: dict[str, DeviceHost] = {}
        for family in families:
            store = Store(None, family)
            simulator = build(find_simulator(family), store.memory, store.note, OPTIONS.get(family, {}))
            wire = TcpWire() if family in NETWORK else None
            self.hosts[family] = DeviceHost(simulator, store, wire, paced=False)

    def state(self) -> dict[str, object]:
        """What each keeps, and what happened to it."""
        stores = {family: host.store for family, host in self.hosts.items()}
        return {family: copy.deepcopy((store.memory, store.lines)) for family, store in stores.items() if store}


@contextlib.asynccontextmanager
async def benches(families: Sequence[str]) -> AsyncIterator[Bench]:
    bench = Bench(families)
    async with contextlib.AsyncExitStack() as stack:
        for host in bench.hosts.values():
            await stack.enter_async_context(host)
        yield bench


async def look(bench: Bench, probes: dict[str, Sequence[Probe]]) -> dict[str, Surveyed]:
    found = await survey([host.url for host in bench.hosts.values()], probes, listed=False)
    return dict(zip(bench.hosts, found, strict=True))


@virtual
async def test_each_is_found_for_what_it_is_and_left_as_it_was() -> None:
    probes = {family: catalogue.probes([family]) for family in SERIAL}
    async with benches(SERIAL) as bench:
        before = bench.state()
        found = await look(bench, probes)
        assert bench.state() == before
    drivers = {family: {answer.found.driver for answer in port.answers} for family, port in found.items()}
    families = {family: {catalogue.find_driver(name).family for name in names} for family, names in drivers.items()}
    assert families == {family: {family} for family in SERIAL}


@virtual
async def test_what_all_other_families_ask_does_nothing_to_any(tmp_path: Path) -> None:
    """As if each had been asked last: nothing is printed, no note moves, no memory changes."""

    async def ask_all_but_its_own(family: str) -> None:
        probes = {other: catalogue.probes([other]) for other in SERIAL if other != family}
        async with benches([family]) as bench:
            before = bench.state()
            (port,) = (await look(bench, probes)).values()
            assert port.state is State.SILENT, f"{family} was taken for {port.answers}"
            assert bench.state() == before
            if family == "escpos":
                await prints_a_clean_slip(bench.hosts[family], tmp_path / "journal")

    await asyncio.gather(*map(ask_all_but_its_own, SERIAL))


async def prints_a_clean_slip(host: DeviceHost, journal: Path) -> None:
    """What was asked left nothing in the printer's line buffer, or the driver's first command cleared it."""
    driver = catalogue.find_driver("escpos").load()("printer", host.url, FileJournal(journal))  # type: ignore[call-arg]
    assert isinstance(driver, ReceiptPrinter)
    await driver.open()
    try:
        await driver.ready(20)
        await driver.print_slip(lines("Клиенту", "1500.00"), "r-1")
    finally:
        await driver.close()
    assert host.store is not None
    printed = [line["text"] for line in host.store.lines if line["happened"] == "line_printed"]
    assert [text for text in printed if text] == ["Клиенту", "1500.00"]
