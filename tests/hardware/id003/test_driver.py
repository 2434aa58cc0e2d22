"""The role as it is built, and the whole way through a simulated port."""

import asyncio
import inspect
from pathlib import Path

from hardware.events import BillEscrowed, BillStacked, DeviceState, Event
from hardware.id003.driver import LINE, Id003Validator
from hardware.journal import FileJournal
from hardware.simulation.local import running
from wire.money import Money


def test_the_line_has_even_parity() -> None:
    assert (LINE.baud, LINE.parity, LINE.stop_bits) == (9600, "E", 1)


def test_a_driver_is_built_closed(tmp_path: Path) -> None:
    driver = Id003Validator("bills", "tcp://localhost:1", FileJournal(tmp_path / "bills"), credit="stacker")
    assert driver.name == "bills"
    assert driver.status.state is DeviceState.ABSENT
    assert list(driver.denominations) == []
    assert "trace" in inspect.signature(Id003Validator).parameters


async def test_a_note_from_the_slot_to_the_journal(tmp_path: Path) -> None:
    """The whole way: the link, its pump, a port, a validator on the other end in real time."""
    assert await _take_one_note(tmp_path / "bills") == Money(50_000, "KZT")
    kinds = [type(event) for event in FileJournal(tmp_path / "bills").events()]
    assert kinds.count(BillStacked) == 1
    assert kinds.index(BillEscrowed) < kinds.index(BillStacked)


async def _take_one_note(page: Path) -> Money:
    url = "sim://id003"
    heard: asyncio.Queue[Event] = asyncio.Queue()
    driver = Id003Validator("bills", url, FileJournal(page, heard.put_nowait))
    await driver.open()
    try:
        async with asyncio.timeout(30):
            await driver.ready(20)
            assert Money(50_000, "KZT") in driver.denominations
            await driver.enable()
            while driver.status.state is not DeviceState.READY:
                await heard.get()
            running(url).do("insert", minor="50000")
            while not isinstance(event := await heard.get(), BillEscrowed):
                pass
            return await driver.stack(event.escrow)
    finally:
        await driver.close()
