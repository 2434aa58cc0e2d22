"""What every fiscal register does for its owner, whatever it speaks.

At the end of each test the documents that were told as registered are those that the fiscal storage holds.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hardware.errors import DeviceError, DeviceFault, OutcomeUnknown, Refused, TransportError
from hardware.events import (
    CashMoved,
    DeviceState,
    DocumentAbsent,
    DocumentRegistered,
    DocumentUnclear,
    SlipPrinted,
    TotalsRead,
)
from hardware.roles import FiscalRegister
from hardware.slip import lines
from tests.hardware.contracts import warp
from tests.hardware.contracts.bench import Bench
from tests.hardware.contracts.conftest import expect_known
from tests.hardware.contracts.implementations import FISCAL_REGISTERS, Registers
from wire.money import Money
from wire.receipt import FiscalDocument, Line, Receipt, ReceiptKind, Settlement, Tender

RegisterBench = Bench[FiscalRegister]
CASH = ("in", "out")  # references of what is in no storage: not every register can tell afterwards what became of it
TOTALS_TOLD = ("shtrih",)  # families that say their own totals
MOMENTS = [0.0, 0.1, 0.6, 1.1, 1.6, 2.5]


@pytest.fixture(params=FISCAL_REGISTERS, ids=lambda registers: registers.name)
def registers(request: pytest.FixtureRequest) -> Registers:
    expect_known(request, request.param)
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def bench(registers: Registers, bench_of: Callable[[Any], RegisterBench]) -> Iterator[RegisterBench]:
    bench = bench_of(registers)
    yield bench
    kind, number, _ = registers.stored
    assert not [event for event in bench.told(DocumentUnclear) if event.reference not in CASH]
    held = sorted(line[number] for line in bench.ledger(kind))
    told = sorted({event.document.number for event in bench.told(DocumentRegistered)})
    assert held == told, "what was told differs from what the storage holds"


def sale(minor: int = 12_345, kind: ReceiptKind = ReceiptKind.SALE, **changes: Any) -> Receipt:
    settled = changes.pop("settled", minor)
    return Receipt(
        kind=kind,
        currency=changes.pop("currency", "RUB"),
        lines=(Line(name="Кофе", price_minor=minor, total_minor=minor),),
        settlements=(Settlement(Tender.CASH, settled),),
        **changes,
    )


def totals(bench: RegisterBench, registers: Registers) -> list[int]:
    """Of the receipts in the storage; shifts have none."""
    kind, _, total = registers.stored
    return [line[total] for line in bench.ledger(kind) if line[total]]


async def insist(bench: RegisterBench, driver: FiscalRegister, receipt: Receipt, reference: str) -> FiscalDocument:
    """Ask until it is registered, as an owner does: never again before an unknown outcome is settled."""
    for _ in range(20):
        settled = len(bench.told(DocumentRegistered)) + len(bench.told(DocumentAbsent))
        try:
            return await driver.register(receipt, reference)
        except OutcomeUnknown:
            await bench.until(
                lambda settled=settled: len(bench.told(DocumentRegistered)) + len(bench.told(DocumentAbsent)) > settled  # type: ignore[misc]
            )
        except DeviceError:
            await bench.quiet(3)
    raise AssertionError(f"{reference} is not registered in the end: {driver.status}")


def test_a_shift_from_beginning_to_end(registers: Registers, bench: RegisterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            assert driver.status.state is not DeviceState.FAULT
            with pytest.raises(Refused):
                await driver.register(sale(), "too early")
            with pytest.raises(Refused):
                await driver.close_shift("too early, too")
            opened = await driver.open_shift("open")
            assert opened.printed is not False
            with pytest.raises(Refused):
                await driver.open_shift("again")
            sold = await driver.register(sale(), "r1")
            assert (sold.number, sold.total_minor) == (opened.number + 1, 12_345)
            assert sold.sign
            status = await driver.read_status()
            assert (status.shift.state, status.last_document, status.document_open) == ("open", sold.number, False)
            assert status.paper is not False
            back = await driver.register(sale(500, ReceiptKind.SALE_RETURN), "r2")
            assert back.number == sold.number + 1
            closed = await driver.close_shift("close")
            assert closed.number == back.number + 1
            assert (await driver.read_status()).shift.state == "closed"

    warp.run(script())
    assert totals(bench, registers) == [12_345, 500]
    assert [event.reference for event in bench.told(DocumentRegistered)] == ["open", "r1", "r2", "close"]
    assert not any(event.late for event in bench.told(DocumentRegistered))


def test_the_same_reference_is_one_document(registers: Registers, bench: RegisterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            first = await driver.register(sale(), "r")
            assert (await driver.register(sale(), "r")).number == first.number
            both = await asyncio.gather(*(driver.register(sale(777), "s") for _ in range(3)))
            assert len({document.number for document in both}) == 1
        async with bench.opened() as driver:
            assert (await driver.register(sale(777), "s")).number == both[0].number

    warp.run(script())
    assert totals(bench, registers) == [12_345, 777]


@pytest.mark.parametrize(
    "bad",
    [sale(currency="EUR"), sale(settled=1), sale(kind=ReceiptKind.SALE, tax_system=None, settled=12_344)],
    ids=["currency", "unpaid", "short"],
)
def test_a_refused_receipt_leaves_nothing(registers: Registers, bench: RegisterBench, bad: Receipt) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            with pytest.raises(Refused):
                await driver.register(bad, "bad")
            assert not (await driver.read_status()).document_open
            await driver.register(sale(100), "good")

    warp.run(script())
    assert totals(bench, registers) == [100]


def test_copies_and_reports_register_nothing(registers: Registers, bench: RegisterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            await driver.register(sale(), "r")
            await driver.print_copy()
            await driver.x_report()
            await driver.print_slip(lines("Добро пожаловать", "!"), "slip")
            assert [event.reference for event in bench.told(SlipPrinted)] == ["slip"]

    warp.run(script())
    assert totals(bench, registers) == [12_345]


def test_documents_are_found_by_number(registers: Registers, bench: RegisterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            sold = await driver.register(sale(), "r")
            found = await driver.find(sold.number)
            assert found is not None
            assert (found.number, found.sign) == (sold.number, sold.sign)
            assert found.total_minor in (None, 12_345)
            assert await driver.find(sold.number + 50) is None

    warp.run(script())


def test_cash_moves_once(registers: Registers, bench: RegisterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            await driver.cash_in(Money(50_000, "RUB"), "in")
            await driver.cash_in(Money(50_000, "RUB"), "in")
            await driver.cash_out(Money(2_000, "RUB"), "out")
            with pytest.raises(Refused):
                await driver.cash_in(Money(5, "EUR"), "other")

    warp.run(script())
    kind, minor = registers.cash
    assert [abs(line[minor]) for line in bench.ledger(kind)] == [50_000, 2_000]
    assert bench.told(CashMoved) == [
        CashMoved(reference="in", amount=Money(50_000, "RUB")),
        CashMoved(reference="out", amount=Money(-2_000, "RUB")),
    ]
    assert not bench.told(SlipPrinted)


@pytest.mark.parametrize("after_s", MOMENTS)
def test_cash_put_in_as_the_host_dies(registers: Registers, bench: RegisterBench, after_s: float) -> None:
    async def script() -> None:
        async with bench.killed() as driver:
            await driver.open_shift("open")
            await bench.quiet(5)
            asked = asyncio.ensure_future(driver.cash_in(Money(50_000, "RUB"), "in"))
            await bench.quiet(after_s)
            asked.cancel()
        async with bench.opened() as driver:
            await bench.quiet(60)
            with contextlib.suppress(OutcomeUnknown):
                await driver.cash_in(Money(50_000, "RUB"), "in")

    warp.run(script())
    kind, minor = registers.cash
    moved = [line[minor] for line in bench.ledger(kind)]
    told = [event.amount.minor for event in bench.told(CashMoved)]
    if bench.told(DocumentUnclear):
        assert (told, len(moved) <= 1) == ([], True)
    else:
        assert told == moved == [50_000]


def test_without_paper_nothing_is_begun(registers: Registers, bench: RegisterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            await bench.quiet(5)
            bench.do("paper_out")
            with pytest.raises(DeviceFault):
                await driver.register(sale(), "r")
            assert totals(bench, registers) == []
            bench.do("paper_in")
            await insist(bench, driver, sale(), "r")

    warp.run(script())
    assert totals(bench, registers) == [12_345]


@pytest.mark.parametrize("after_s", MOMENTS)
def test_paper_that_ends_in_a_receipt(registers: Registers, bench: RegisterBench, after_s: float) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            await bench.quiet(5)
            asked = asyncio.ensure_future(driver.register(sale(), "r"))
            await bench.quiet(after_s)
            bench.do("paper_out")
            await bench.quiet(40)
            bench.do("paper_in")
            await asyncio.gather(asked, return_exceptions=True)
            await bench.quiet(60)
            await insist(bench, driver, sale(), "r")
            await insist(bench, driver, sale(700), "next")

    warp.run(script())
    assert totals(bench, registers) == [12_345, 700]


def test_an_expired_shift(registers: Registers, bench: RegisterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            bench.do("expire_shift")
            assert (await driver.read_status()).shift.state == "expired"
            with pytest.raises(Refused):
                await driver.register(sale(), "r")
            await driver.close_shift("close")
            await driver.open_shift("open2")
            await driver.register(sale(), "r")

    warp.run(script())
    assert totals(bench, registers) == [12_345]


@pytest.mark.parametrize("how", ["power", "unplug"])
@pytest.mark.parametrize("after_s", MOMENTS)
def test_power_cut_in_a_receipt(registers: Registers, bench: RegisterBench, after_s: float, how: str) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            await bench.quiet(5)
            asked = asyncio.ensure_future(driver.register(sale(), "r"))
            await bench.quiet(after_s)
            await bench.lose(how)
            await asyncio.gather(asked, return_exceptions=True)
            await bench.quiet(60)
            await insist(bench, driver, sale(), "r")
            await insist(bench, driver, sale(700), "next")

    warp.run(script())
    assert totals(bench, registers) == [12_345, 700]


@pytest.mark.parametrize("after_s", MOMENTS)
def test_a_new_driver_on_the_same_journal(registers: Registers, bench: RegisterBench, after_s: float) -> None:
    """The host dies in a receipt; the next life is asked for the same again, as a kiosk's owner would."""

    async def script() -> None:
        async with bench.killed() as driver:
            await driver.open_shift("open")
            await bench.quiet(5)
            asked = asyncio.ensure_future(driver.register(sale(), "r"))
            await bench.quiet(after_s)
            asked.cancel()
        async with bench.opened(ready=False) as driver:
            await insist(bench, driver, sale(), "r")
            await insist(bench, driver, sale(700), "next")

    warp.run(script())
    assert totals(bench, registers) == [12_345, 700]


def test_a_caller_that_stops_waiting_changes_nothing(registers: Registers, bench: RegisterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            asked = asyncio.ensure_future(driver.register(sale(), "r"))
            await bench.quiet(1.5)
            asked.cancel()
            await bench.until(lambda: totals(bench, registers))
            await bench.quiet(20)
            await driver.register(sale(), "r")

    warp.run(script())
    assert totals(bench, registers) == [12_345]


def test_a_silent_register_begins_nothing(registers: Registers, bench: RegisterBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            bench.do("power_off")
            await bench.quiet(30)
            with pytest.raises((TransportError, DeviceFault)):
                await driver.register(sale(), "r")
            bench.do("power_on")
            await insist(bench, driver, sale(), "r")

    warp.run(script())
    assert totals(bench, registers) == [12_345]


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_day(registers: Registers, bench: RegisterBench, seed: int) -> None:
    """Sales with losses of power and paper by chance, and new drivers; each sale is registered once in the end."""
    rng = random.Random(seed)
    sales = {f"r{index}": sale(10_000 + index) for index in range(6)}

    async def trouble() -> None:
        await bench.quiet(rng.uniform(0, 4))
        match rng.choice(("power", "unplug", "paper", "")):
            case "paper":
                await bench.present()
                bench.do("paper_out")
                await bench.quiet(rng.uniform(1, 30))
                await bench.present()
                bench.do("paper_in")
            case "":
                pass
            case how:
                await bench.lose(how, rng.uniform(1, 12))

    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
        for reference, receipt in sales.items():
            async with bench.killed(ready=False) as driver:
                await bench.quiet(rng.uniform(0, 10))
                asked = asyncio.ensure_future(driver.register(receipt, reference))
                await trouble()
                await bench.quiet(rng.uniform(0, 20))
                asked.cancel()
        async with bench.opened(ready=False) as driver:
            await bench.present()
            bench.do("paper_in")
            await bench.quiet(60)
            told = {event.reference for event in bench.told(DocumentRegistered)}
            for reference, receipt in sales.items():
                if reference not in told:  # the owner's journal remembers the others
                    await insist(bench, driver, receipt, reference)

    warp.run(script())
    assert sorted(totals(bench, registers)) == sorted(receipt.total_minor for receipt in sales.values())


async def counted(driver: FiscalRegister) -> tuple[Money | None, int | None]:
    totals = await driver.read_totals()
    return totals.drawer, totals.receipts


def told_totals(bench: RegisterBench) -> list[tuple[Money | None, int | None]]:
    return [(event.drawer, event.receipts) for event in bench.told(TotalsRead)]


def test_its_own_totals(registers: Registers, bench: RegisterBench) -> None:
    found: list[tuple[Money | None, int | None]] = []

    async def script() -> None:
        async with bench.opened() as driver:
            found.append(await counted(driver))
            await driver.open_shift("open")
            await driver.cash_in(Money(50_000, "RUB"), "in")
            await driver.register(sale(10_000, settled=15_000), "r1")  # 5000 of it go back
            await driver.register(sale(700, ReceiptKind.SALE_RETURN), "r2")
            card = (Settlement(Tender.ELECTRONIC, 1_000), Settlement(Tender.CASH, 500))
            lines_ = (Line(name="Чай", price_minor=1_500, total_minor=1_500),)
            mixed = Receipt(kind=ReceiptKind.SALE, currency="RUB", lines=lines_, settlements=card)
            await driver.register(mixed, "r3")
            await driver.cash_out(Money(2_000, "RUB"), "out")
            found.append(await counted(driver))
            await driver.close_shift("close")
            found.append(await counted(driver))
        async with bench.opened() as driver:
            found.append(await counted(driver))

    warp.run(script())
    if registers.family not in TOTALS_TOLD:
        assert found == [(None, None)] * 4, "not known is not nothing"
        assert told_totals(bench) == []
        return
    drawer = 50_000 + 10_000 - 700 + 500 - 2_000
    assert found == [(Money(0, "RUB"), 0), *[(Money(drawer, "RUB"), 3)] * 3]
    assert told_totals(bench) == found


@pytest.mark.parametrize("after_s", MOMENTS)
def test_totals_are_of_what_was_told_before_them(registers: Registers, bench: RegisterBench, after_s: float) -> None:
    """They are asked for while a receipt is made: the order of the events says what they are of."""

    async def script() -> None:
        async with bench.opened() as driver:
            await driver.open_shift("open")
            await bench.quiet(5)
            asked = asyncio.ensure_future(driver.register(sale(), "r"))
            await bench.quiet(after_s)
            await driver.read_totals()
            await asked
            await driver.read_totals()

    warp.run(script())
    drawer = 0
    for event in bench.journal.events:
        if isinstance(event, DocumentRegistered):
            drawer += event.document.total_minor or 0
        if isinstance(event, TotalsRead):
            assert event.drawer == Money(drawer, "RUB")
    assert len(told_totals(bench)) == (2 if registers.family in TOTALS_TOLD else 0)


def test_a_silent_register_has_no_totals(registers: Registers, bench: RegisterBench) -> None:
    if registers.family not in TOTALS_TOLD:
        pytest.skip("it is not asked")

    async def script() -> None:
        async with bench.opened() as driver:
            bench.do("power_off")
            with pytest.raises((TransportError, DeviceFault)):
                await driver.read_totals()
            await bench.quiet(30)
            with pytest.raises((TransportError, DeviceFault)):
                await driver.read_totals()

    warp.run(script())
    assert told_totals(bench) == []
