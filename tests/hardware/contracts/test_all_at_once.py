"""Every implementation once on a real line, in real time and all at the same time, as in a kiosk.

Ptys in the place of serial ports, a TCP socket where the device has one, and a journal on the disk.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hardware.events import BillEscrowed, BillStacked, CoinAccepted, DocumentRegistered, Event, PayoutEnded, SlipPrinted
from hardware.journal import FileJournal
from hardware.simulation.families import build, find_simulator
from hardware.simulation.host import DeviceHost
from hardware.simulation.simulator import ControlError
from hardware.simulation.store import Store
from hardware.simulation.wires import PtyWire, TcpWire, Wire
from hardware.slip import lines
from tests.hardware.contracts.implementations import (
    BILL_VALIDATORS,
    COIN_ACCEPTORS,
    COIN_HOPPERS,
    FISCAL_REGISTERS,
    RECEIPT_PRINTERS,
    Implementation,
)
from wire.receipt import Line, Receipt, ReceiptKind, Settlement, Tender

WITHIN_S = 100.0


class Place:
    """One device's place in the kiosk."""

    def __init__(self, implementation: Implementation, directory: Path) -> None:
        self.implementation = implementation
        family = find_simulator(implementation.family)
        self.store = Store(directory / "simulator", implementation.family)
        simulator = build(family, self.store.memory, self.store.note, implementation.options)
        http = implementation.family == "atol"
        wire: Wire = TcpWire() if http else PtyWire(baud=simulator.baud)
        self.host = DeviceHost(simulator, self.store, wire)
        self.events: list[Event] = []
        self.journal = FileJournal(directory / "journal", self.events.append)

    @contextlib.asynccontextmanager
    async def driver(self) -> AsyncIterator[Any]:
        async with self.host:
            url = self.host.url.replace("tcp://", "http://")
            driver = self.implementation.build(self.implementation.name, url, self.journal)
            await driver.open()
            try:
                await driver.ready(WITHIN_S)
                yield driver
            finally:
                await driver.close()
        self.store.close()

    async def event(self, kind: type[Event]) -> Any:
        async with asyncio.timeout(WITHIN_S):
            while True:
                found = [event for event in self.events if isinstance(event, kind)]
                if found:
                    return found[-1]
                await asyncio.sleep(0.02)


async def takes_a_note(place: Place) -> None:
    async with place.driver() as driver:
        note = min(driver.denominations, key=lambda note: note.minor)
        await driver.enable()
        control, arguments = place.implementation.insert(note)  # type: ignore[attr-defined]
        async with asyncio.timeout(WITHIN_S):
            while not any(isinstance(event, BillEscrowed) for event in place.events):
                with contextlib.suppress(ControlError):
                    place.host.do(control, **arguments)
                await asyncio.sleep(2.5)
        held = await place.event(BillEscrowed)
        assert await driver.stack(held.escrow) == note
    assert [line["minor"] for line in place.store.lines if line["happened"] == "bill_stacked"] == [note.minor]
    assert [event.bill for event in place.journal.events() if isinstance(event, BillStacked)] == [note]


async def takes_a_coin(place: Place) -> None:
    async with place.driver() as driver:
        coin = min(driver.denominations, key=lambda coin: coin.minor)
        await driver.enable()
        place.host.do(place.implementation.hands["insert"][0], minor=str(coin.minor))
        assert (await place.event(CoinAccepted)).coin == coin


async def pays_coins(place: Place) -> None:
    async with place.driver() as driver:
        assert (await driver.pay_out(2, "a")).paid == 2
    assert [event.paid for event in place.journal.events() if isinstance(event, PayoutEnded)] == [2]


async def registers_a_sale(place: Place) -> None:
    receipt = Receipt(
        kind=ReceiptKind.SALE,
        currency="RUB",
        lines=(Line(name="Кофе", price_minor=100, total_minor=100),),
        settlements=(Settlement(Tender.CASH, 100),),
    )
    async with place.driver() as driver:
        await driver.open_shift("open")
        document = await driver.register(receipt, "r")
        assert document.total_minor == 100
    assert len([event for event in place.journal.events() if isinstance(event, DocumentRegistered)]) == 2


async def prints_a_slip(place: Place) -> None:
    async with place.driver() as driver:
        await driver.print_slip(lines("hello"), "a")
    assert [event.reference for event in place.journal.events() if isinstance(event, SlipPrinted)] == ["a"]


WALKS: tuple[tuple[tuple[Implementation, ...], Callable[[Place], Awaitable[None]]], ...] = (
    (BILL_VALIDATORS, takes_a_note),
    (COIN_ACCEPTORS, takes_a_coin),
    (COIN_HOPPERS, pays_coins),
    (FISCAL_REGISTERS, registers_a_sale),
    (RECEIPT_PRINTERS, prints_a_slip),
)


@pytest.mark.gen_test(timeout=240)
async def test_every_device_of_a_kiosk_at_the_same_time(tmp_path: Path) -> None:
    names, walks = [], []
    for implementations, walk in WALKS:
        for implementation in implementations:
            directory = tmp_path / implementation.name
            directory.mkdir()
            names.append(implementation.name)
            walks.append(walk(Place(implementation, directory)))
    ended = await asyncio.gather(*walks, return_exceptions=True)
    assert {name: repr(error) for name, error in zip(names, ended, strict=True) if error is not None} == {}
