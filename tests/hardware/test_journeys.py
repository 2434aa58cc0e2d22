"""A validator on a pseudo-terminal, in real time: driver, link, port and simulated device as they run on a kiosk."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hardware import link as link_module
from hardware.catalogue import find_driver, find_simulator
from hardware.events import BillEscrowed, BillReturned, BillStacked, Event
from hardware.journal import FileJournal
from hardware.roles import BillValidator
from hardware.simulation.families import build
from hardware.simulation.host import DeviceHost
from hardware.simulation.store import Store
from hardware.simulation.wires import PtyWire
from hardware.trace import Trace, read_trace
from wire.money import Money

FIVE_HUNDRED = Money(50000, "KZT")


class Kiosk:
    """One simulated validator and its driver."""

    def __init__(self, directory: Path, family: str) -> None:
        kind = find_simulator(family)
        self.store = Store(family=family)
        self.host = DeviceHost(
            build(kind, self.store.memory, self.store.note, {}), self.store,
            PtyWire(directory / "usb-bills", kind.baud), paced=False,
        )  # fmt: skip
        self.heard: list[Event] = []
        self.journal = FileJournal(directory / "bills.jsonl", self.heard.append)
        self.trace = Trace(directory / "bills.trace", device="bills", protocol=family)
        self.bills: BillValidator = find_driver(family).load()(  # type: ignore[assignment]
            "bills", str(directory / "usb-bills"), self.journal, currency="KZT", trace=self.trace
        )  # type: ignore[call-arg]

    def of(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.heard if isinstance(event, kinds)]

    def happened(self, what: str) -> int:
        return sum(line["happened"] == what for line in self.store.lines)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(25):
        while not true():  # noqa: ASYNC110, it is heard of by reading
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_kiosk(directory: Path, family: str) -> AsyncIterator[Kiosk]:
    kiosk = Kiosk(directory, family)
    async with kiosk.host:
        await kiosk.bills.open()
        try:
            await kiosk.bills.ready(25)
            await kiosk.bills.enable()
            yield kiosk
        finally:
            await kiosk.bills.close()
            kiosk.trace.close()


@pytest.mark.parametrize("family", ["ccnet", "id003"])
async def test_a_note_is_credited_once_though_the_cable_was_pulled_while_it_was_stacked(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module.random, "uniform", lambda _a, _b: 0.05)
    async with open_kiosk(tmp_path, family) as kiosk:
        kiosk.host.do("insert", minor=str(FIVE_HUNDRED.minor))
        await until(lambda: kiosk.of(BillEscrowed))
        page = tmp_path / "bills.jsonl"
        before = page.stat().st_size
        stacking = asyncio.ensure_future(kiosk.bills.stack(1))
        await until(lambda: page.stat().st_size > before)  # the intent is written, the order on its way
        kiosk.host.do("unplug")
        await asyncio.gather(stacking, return_exceptions=True)
        kiosk.host.do("plug")
        await until(lambda: kiosk.of(BillStacked, BillReturned))
        await kiosk.bills.ready(25)
    (settled,) = kiosk.of(BillStacked, BillReturned)
    assert isinstance(settled, BillStacked | BillReturned)
    assert (settled.bill, settled.escrow) == (FIVE_HUNDRED, 1)
    assert kiosk.happened("bill_stacked") == isinstance(settled, BillStacked)
    words = [piece.words for one in read_trace(tmp_path / "bills.trace") for piece in one.pieces]
    assert sum(word.startswith("opened") for word in words) >= 2
