"""The role on a real line: driver, link and pseudo-terminal, with the simulator behind it; and the probe."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from hardware.errors import DeviceFault, OutcomeUnknown, TransportError
from hardware.escpos.driver import EscposPrinter
from hardware.escpos.probe import PROBES
from hardware.escpos.simulator import EscposSimulator
from hardware.events import DeviceState, Event, SlipPrinted, StateChanged
from hardware.journal import FileJournal
from hardware.probe import Ask
from hardware.simulation.host import DeviceHost
from hardware.simulation.store import Store
from hardware.slip import lines


async def test_a_slip_over_a_pseudo_terminal(tmp_path: Path) -> None:
    told: list[Event] = []
    store = Store(tmp_path / "printer")
    async with DeviceHost(EscposSimulator(store.memory, store.note, boot_s=0), store) as host:
        printer = EscposPrinter("slips", host.url, FileJournal(tmp_path / "journal", told.append), flow="")
        with pytest.raises(TransportError):
            await printer.print_slip(lines("x"), "0")
        await printer.open()
        try:
            await printer.ready(10)
            await printer.print_slip(lines("Чек", "Итого 100"), "A")
            await printer.print_slip(lines("Чек", "Итого 100"), "A")
            status = await printer.read_status()
            assert (status.online, status.paper, status.cover_open) == (True, True, False)
            assert printer.status.state is DeviceState.READY
        finally:
            await printer.close()
    assert [event for event in told if isinstance(event, SlipPrinted)] == [SlipPrinted(reference="A")]


@pytest.mark.parametrize(
    ("answers", "hand", "code", "words"),
    [
        ("full", "open_cover", "cover-open", "^the cover is open: close it"),
        ("realtime", "", "", "^slips: it answers and is still being made ready for a slip .starting"),
    ],
)
async def test_why_it_is_not_ready(tmp_path: Path, answers: str, hand: str, code: str, words: str) -> None:
    reached, loop = asyncio.Event(), asyncio.get_running_loop()

    def tell(event: Event) -> None:
        if isinstance(event, StateChanged) and event.code == code:
            loop.call_soon_threadsafe(reached.set)

    store = Store(tmp_path / "printer")
    simulator = EscposSimulator(store.memory, store.note, boot_s=0, answers=answers)
    async with DeviceHost(simulator, store) as host:
        if hand:
            simulator.control(hand, {}, 0)
        printer = EscposPrinter("slips", host.url, FileJournal(tmp_path / "journal", tell), flow="")
        await printer.open()
        try:
            async with asyncio.timeout(30):
                await reached.wait()
            with pytest.raises(DeviceFault if hand else TransportError, match=words):
                await printer.ready(0.01)
        finally:
            await printer.close()


async def test_nobody_there(tmp_path: Path) -> None:
    printer = EscposPrinter("slips", str(tmp_path / "missing"), FileJournal(tmp_path / "journal"))
    assert printer.status.state is DeviceState.ABSENT
    await printer.open()
    try:
        with pytest.raises(TransportError):
            await printer.ready(0.01)
        with pytest.raises((TransportError, OutcomeUnknown)):
            await printer.read_status()
    finally:
        await printer.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"status": "some"}, "status is one of full"),
        ({"missing": "raster"}, "missing is one of refuse"),
        ({"baud": 1234}, "not 1234"),
        ({"model": "nokia"}, "no printer model"),
        ({"copy_words": "複写"}, "copy_words"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, settings: Mapping[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EscposPrinter("slips", "/dev/x", FileJournal(tmp_path / "j"), **settings)  # type: ignore[arg-type]


def found(answers: EscposSimulator | bytes) -> list[str]:
    probing = PROBES[0].ask()
    ask: Ask = next(probing)
    try:
        while True:
            data = answers if isinstance(answers, bytes) else b"".join(answers.received(ask.data, 1.0))
            ask = probing.send(data)
    except StopIteration as stop:
        return [f"{one.driver} {one.identity.maker} {one.identity.model}: {one.words}" for one in stop.value]


def test_the_probe_finds_a_printer_and_nothing_else() -> None:
    printer = EscposSimulator({}, lambda kind, figures: None, boot_s=0, model="epson")
    printer.power_on(0)
    assert found(printer) == ["escpos KIOSKWIRE EPSON: on line"]
    printer.control("open_cover", {}, 1.0)
    assert found(printer) == ["escpos  : the cover is open: close it"]
    for other in (b"", b"\x10\x04\x01", b"\x06", b"\x12\x12"):
        assert found(other) == []
