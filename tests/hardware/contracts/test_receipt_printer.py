"""What every receipt printer does for its owner. What was told as printed is on paper."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hardware.errors import DeviceError, DeviceFault, OutcomeUnknown, Refused, TransportError
from hardware.events import CoverClosed, CoverOpened, PaperOut, PaperReturned, SlipPrinted, SlipUnclear
from hardware.roles import ReceiptPrinter
from hardware.slip import Barcode, Cut, QrCode, Slip, Text, lines
from tests.hardware.contracts import warp
from tests.hardware.contracts.bench import Bench
from tests.hardware.contracts.conftest import expect_known
from tests.hardware.contracts.implementations import RECEIPT_PRINTERS, Implementation

PrinterBench = Bench[ReceiptPrinter]


@pytest.fixture(params=RECEIPT_PRINTERS, ids=lambda printer: printer.name)
def printer(request: pytest.FixtureRequest) -> Implementation:
    expect_known(request, request.param)
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def bench(printer: Implementation, bench_of: Callable[[Any], PrinterBench]) -> Iterator[PrinterBench]:
    bench = bench_of(printer)
    yield bench
    told = [event.reference for event in bench.told(SlipPrinted)]
    unclear = [event.reference for event in bench.told(SlipUnclear)]
    for reference in {*told, *unclear, *on_paper(bench, printer)}:
        whole = on_paper(bench, printer).count(reference)
        assert whole >= told.count(reference), f"{reference}: more was told than is on paper"
        assert whole <= told.count(reference) + unclear.count(reference), f"{reference}: more is on paper than was told"


def slip(reference: str, count: int = 3) -> Slip:
    """Lines that tell in the ledger whose they are."""
    return lines(*(f"{reference} {index}" for index in range(count)), f"end of {reference}")


def on_paper(bench: PrinterBench, printer: Implementation) -> list[str]:
    """The slips that are on paper from their first to their last line, in order."""
    kind, text = printer.kinds["line"]
    printed, found = [line[text].strip() for line in bench.ledger(kind)], []
    for index, line in enumerate(printed):
        if line.startswith("end of "):
            reference = line.removeprefix("end of ")
            body = [text for text in printed[:index] if text.startswith(f"{reference} ")]
            if f"{reference} 0" in body:
                found.append(reference)
    return found


def hand(bench: PrinterBench, printer: Implementation, name: str) -> None:
    control, arguments = printer.hands[name]
    bench.do(control, **arguments)


def test_a_slip_is_confirmed(printer: Implementation, bench: PrinterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            body = (Text(text="a 0\nҚұттықтаймыз!\nДобро пожаловать"), QrCode(content="https://kiosk.example/1"))
            await driver.print_slip(Slip((*body, Text(text="end of a"), Cut())), "a")
            assert [event.reference for event in bench.told(SlipPrinted)] == ["a"]
            status = await driver.read_status()
            assert status.online
            assert status.paper is not False

    warp.run(script())
    assert on_paper(bench, printer) == ["a"]


def test_the_same_reference_is_one_slip(printer: Implementation, bench: PrinterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.print_slip(slip("a"), "a")
            await driver.print_slip(slip("a"), "a")
            await driver.print_slip(slip("b"), "b")

    warp.run(script())
    assert on_paper(bench, printer) == ["a", "b"]


def test_what_it_cannot_print_is_refused(printer: Implementation, bench: PrinterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            with pytest.raises(Refused):
                await driver.print_slip(Slip((Barcode(content="x" * 5, symbology="maxicode"),)), "a")

    warp.run(script())
    assert on_paper(bench, printer) == []


def test_without_paper(printer: Implementation, bench: PrinterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            hand(bench, printer, "paper_out")
            await bench.event(PaperOut)
            with pytest.raises(DeviceFault):
                await driver.print_slip(slip("a"), "a")
            assert (await driver.read_status()).paper is False
            hand(bench, printer, "paper_in")
            await bench.event(PaperReturned)
            await bench.quiet(3)
            await driver.print_slip(slip("a"), "a")

    warp.run(script())
    assert on_paper(bench, printer) == ["a"]


def test_with_an_open_cover(printer: Implementation, bench: PrinterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            hand(bench, printer, "open")
            await bench.event(CoverOpened)
            with pytest.raises(DeviceFault):
                await driver.print_slip(slip("a"), "a")
            hand(bench, printer, "close")
            await bench.event(CoverClosed)
            await bench.quiet(3)
            await driver.print_slip(slip("a"), "a")

    warp.run(script())
    assert on_paper(bench, printer) == ["a"]


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("trouble", ["power", "unplug", "paper", "cover"])
def test_trouble_in_a_slip(printer: Implementation, bench: PrinterBench, trouble: str, after_s: float) -> None:
    """It is on paper, it is not, or it is said to be unclear; a copy may follow."""

    async def script() -> None:
        async with bench.opened() as driver:
            asked = asyncio.ensure_future(driver.print_slip(slip("a", 20), "a"))
            await bench.quiet(after_s)
            if trouble in ("power", "unplug"):
                await bench.lose(trouble)
            else:
                hand(bench, printer, {"paper": "paper_out", "cover": "open"}[trouble])
                await bench.quiet(8)
                hand(bench, printer, {"paper": "paper_in", "cover": "close"}[trouble])
            (ended,) = await asyncio.gather(asked, return_exceptions=True)
            assert ended is None or isinstance(ended, DeviceError)
            assert (ended is None) == bool(bench.told(SlipPrinted))
            assert isinstance(ended, OutcomeUnknown) == bool(bench.told(SlipUnclear))
            await bench.quiet(20)
            await driver.print_slip(slip("copy"), "copy", copy=True)

    warp.run(script())
    assert on_paper(bench, printer)[-1] == "copy"


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.4, 1.0])
def test_a_new_driver_on_the_same_journal(printer: Implementation, bench: PrinterBench, after_s: float) -> None:
    async def script() -> None:
        async with bench.killed() as driver:
            asked = asyncio.ensure_future(driver.print_slip(slip("a", 20), "a"))
            await bench.quiet(after_s)
            asked.cancel()
        async with bench.opened() as driver:
            await bench.quiet(10)
            await driver.print_slip(slip("b"), "b")

    warp.run(script())
    assert "b" in [event.reference for event in bench.told(SlipPrinted)]


def test_a_silent_printer(printer: Implementation, bench: PrinterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            bench.do("power_off")
            await bench.quiet(20)
            with pytest.raises((TransportError, DeviceFault)):
                await driver.print_slip(slip("a"), "a")
            bench.do("power_on")
            await bench.quiet(20)
            await driver.print_slip(slip("a"), "a")

    warp.run(script())
    assert on_paper(bench, printer) == ["a"]
