"""What every bill validator does for its owner, whatever it speaks.

Each test is played in the device's time (`warp`), with the driver's real code on a simulated line. At the end of each
the credit that was told equals the notes that lie in the cassette.
"""

import asyncio
import collections
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from hardware.errors import Refused
from hardware.events import BillEscrowed, BillReturned, BillStacked, BillUnclear, DeviceState, Identified, StateChanged
from hardware.roles import BillValidator
from hardware.simulation.simulator import ControlError
from tests.hardware.contracts import warp
from tests.hardware.contracts.bench import Bench
from tests.hardware.contracts.conftest import expect_known
from tests.hardware.contracts.implementations import BILL_VALIDATORS, Bills
from wire.money import Money

BillBench = Bench[BillValidator]


@pytest.fixture(params=BILL_VALIDATORS, ids=lambda bills: bills.name)
def bills(request: pytest.FixtureRequest) -> Bills:
    expect_known(request, request.param)
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def bench(bills: Bills, bench_of: Callable[[Any], BillBench], request: pytest.FixtureRequest) -> Iterator[BillBench]:
    bench = bench_of(bills)
    yield bench
    kept, credit = collections.Counter(stacked(bench)), collections.Counter(credited(bench))
    unclear = collections.Counter(event.bill.minor for event in bench.told(BillUnclear))
    if request.node.originalname != "test_a_busy_day":
        assert not unclear, bench.told(BillUnclear)
    assert not credit - kept, "more was credited than lies in the cassette"
    assert not kept - credit - unclear, "what lies in the cassette was neither credited nor said to be unclear"


def stacked(bench: BillBench) -> list[int]:
    return [line["minor"] for line in bench.ledger("bill_stacked")]


def credited(bench: BillBench) -> list[int]:
    return [event.bill.minor for event in bench.told(BillStacked)]


def notes(driver: BillValidator) -> list[Money]:
    """Some that it knows, the smallest first."""
    return sorted(driver.denominations, key=lambda note: note.minor)[:3]


def insert(bench: BillBench, bills: Bills, note: Money) -> None:
    """Push a note in; a shutter that is closed or a motor that pushes back is its answer."""
    control, arguments = bills.insert(note)
    with contextlib.suppress(ControlError):
        bench.do(control, **arguments)


async def escrowed(bench: BillBench, bills: Bills, note: Money, count: int = 1) -> BillEscrowed:
    """Push it in until it is held, as a customer does."""
    for _ in range(8):
        insert(bench, bills, note)
        with contextlib.suppress(TimeoutError):
            await bench.until(lambda: len(bench.told(BillEscrowed)) >= count, within_s=5)
            break
    event = await bench.event(BillEscrowed, count)
    assert event.bill == note
    return event


def play(what: Callable[[], Awaitable[None]]) -> None:
    async def played() -> None:
        await what()

    warp.run(played())


def test_it_says_who_it_is_and_what_it_takes(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            assert len(driver.denominations) >= 3
            assert {note.currency for note in driver.denominations} == {bills.currency}
            assert driver.status.state in (DeviceState.DISABLED, DeviceState.READY)
            assert driver.status.identity == driver.status.identity
            assert bench.told(Identified)

    play(script)


def test_disabled_it_takes_nothing(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            insert(bench, bills, notes(driver)[0])
            await bench.quiet()
            assert not bench.told(BillEscrowed)

    play(script)
    assert stacked(bench) == []


def test_a_note_is_held_and_kept(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            note = notes(driver)[1]
            await driver.enable()
            held = await escrowed(bench, bills, note)
            assert stacked(bench) == []
            assert await driver.stack(held.escrow) == note
            told = bench.told(BillStacked)[-1]
            assert (told.bill, told.escrow, told.unclaimed) == (note, held.escrow, False)

    play(script)
    assert len(stacked(bench)) == 1


def test_a_note_is_given_back(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            held = await escrowed(bench, bills, notes(driver)[0])
            await driver.give_back(held.escrow)
            assert bench.told(BillReturned)[-1].escrow == held.escrow
            assert bench.ledger("bill_returned")

    play(script)
    assert stacked(bench) == []


def test_only_the_note_that_is_held_can_be_decided_on(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            held = await escrowed(bench, bills, notes(driver)[0])
            for wrong in (held.escrow + 1000, -1):
                for decide in (driver.stack, driver.give_back):
                    with pytest.raises(Refused):
                        await decide(wrong)
                with pytest.raises(Refused):
                    await driver.hold(wrong, 5.0)
            await driver.hold(held.escrow, 5.0)
            await driver.stack(held.escrow)

    play(script)
    assert len(stacked(bench)) == 1


def test_a_note_that_is_kept_cannot_be_given_back(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            held = await escrowed(bench, bills, notes(driver)[0])
            await driver.stack(held.escrow)
            with pytest.raises(Refused):
                await driver.give_back(held.escrow)
            with pytest.raises(Refused):
                await driver.hold(held.escrow, 5.0)

    play(script)
    assert len(stacked(bench)) == 1


def test_a_note_that_went_back_cannot_be_kept(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            held = await escrowed(bench, bills, notes(driver)[0])
            await driver.give_back(held.escrow)
            with pytest.raises(Refused):
                await driver.stack(held.escrow)

    play(script)
    assert stacked(bench) == []


def test_a_note_is_kept_once(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            held = await escrowed(bench, bills, notes(driver)[0])
            await driver.stack(held.escrow)
            with pytest.raises(Refused):
                await driver.stack(held.escrow)

    play(script)
    assert len(bench.told(BillStacked)) == 1


def test_two_equal_notes_are_two(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            for count in (1, 2, 3):
                held = await escrowed(bench, bills, notes(driver)[0], count)
                await driver.stack(held.escrow)

    play(script)
    assert len(stacked(bench)) == 3
    assert len({event.escrow for event in bench.told(BillEscrowed)}) == 3


def test_only_what_is_accepted_is_taken(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            small, _, big = notes(driver)
            with pytest.raises(Refused):
                await driver.enable([Money(123_457, "XXX")])
            await driver.enable([big])
            insert(bench, bills, small)
            await bench.quiet()
            assert not bench.told(BillEscrowed)
            held = await escrowed(bench, bills, big)
            await driver.stack(held.escrow)

    play(script)


def test_disabling_gives_an_undecided_note_back(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            held = await escrowed(bench, bills, notes(driver)[0])
            await driver.disable()
            await bench.event(BillReturned)
            with pytest.raises(Refused):
                await driver.stack(held.escrow)
            insert(bench, bills, notes(driver)[0])
            await bench.quiet()

    play(script)
    assert stacked(bench) == []


def test_closing_gives_an_undecided_note_back(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            await escrowed(bench, bills, notes(driver)[0])

    play(script)
    assert stacked(bench) == []


@pytest.mark.parametrize("how", ["power", "unplug"])
def test_enabled_it_stays_after_a_power_cut(bills: Bills, bench: BillBench, how: str) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            note = notes(driver)[0]
            await driver.enable()
            await bench.lose(how)
            await bench.until(lambda: driver.status.state in (DeviceState.READY, DeviceState.DISABLED))
            await bench.quiet(15)
            held = await escrowed(bench, bills, note)
            await driver.stack(held.escrow)

    play(script)
    assert len(stacked(bench)) == 1


def test_a_silent_device_is_absent(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            bench.do("power_off")
            await bench.until(lambda: driver.status.state is DeviceState.ABSENT)
            assert any(event.state is DeviceState.ABSENT for event in bench.told(StateChanged))
            bench.do("power_on")
            await bench.until(lambda: driver.status.state is not DeviceState.ABSENT)

    play(script)


@pytest.mark.parametrize("how", ["power", "unplug"])
def test_power_cut_with_a_note_in_escrow(bills: Bills, bench: BillBench, how: str) -> None:
    """Wherever it goes when the power is back, credit follows the note."""

    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            await escrowed(bench, bills, notes(driver)[0])
            await bench.lose(how)
            await bench.until(lambda: bench.told(BillReturned) or bench.told(BillStacked))
            await bench.quiet()

    play(script)


@pytest.mark.parametrize("how", ["power", "unplug"])
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.3, 1.0, 3.0])
def test_power_cut_while_stacking(bills: Bills, bench: BillBench, after_s: float, how: str) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            held = await escrowed(bench, bills, notes(driver)[0])
            asked = asyncio.ensure_future(driver.stack(held.escrow))
            await bench.quiet(after_s)
            await bench.lose(how)
            await asyncio.gather(asked, return_exceptions=True)
            await bench.quiet(60)

    play(script)


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.3, 1.0, 3.0])
def test_a_new_driver_on_the_same_journal_settles_what_was_open(bills: Bills, bench: BillBench, after_s: float) -> None:
    """The host dies while a note is being stacked."""

    async def script() -> None:
        async with bench.killed() as driver:
            await driver.enable()
            held = await escrowed(bench, bills, notes(driver)[0])
            stacking = asyncio.ensure_future(driver.stack(held.escrow))
            await bench.quiet(after_s)
            stacking.cancel()
        async with bench.opened() as driver:
            await bench.quiet(60)
            await driver.enable()
            held = await escrowed(bench, bills, notes(driver)[1], len(bench.told(BillEscrowed)) + 1)
            await driver.stack(held.escrow)

    play(script)
    assert len(stacked(bench)) in (1, 2)


def test_a_caller_that_stops_waiting_changes_nothing(bills: Bills, bench: BillBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            held = await escrowed(bench, bills, notes(driver)[0])
            asked = asyncio.ensure_future(driver.stack(held.escrow))
            await bench.quiet(0.2)
            asked.cancel()
            await bench.event(BillStacked)

    play(script)
    assert len(stacked(bench)) == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_busy_day(bills: Bills, bench: BillBench, seed: int) -> None:
    """Notes, decisions and losses by chance, with a new driver now and then."""
    rng = random.Random(seed)

    async def customers(driver: BillValidator) -> None:
        await driver.enable()
        known = notes(driver)  # now: after a power cut it may ask the device anew
        for _ in range(rng.randrange(2, 6)):
            before = len(bench.told(BillEscrowed))
            insert(bench, bills, rng.choice(known))
            with contextlib.suppress(TimeoutError):
                await bench.until(lambda before=before: len(bench.told(BillEscrowed)) > before, within_s=6)  # type: ignore[misc]
            if rng.random() < 0.2:
                await bench.lose(rng.choice(("power", "unplug")), rng.uniform(1, 12))
            if len(bench.told(BillEscrowed)) > before:
                decide = driver.stack if rng.random() < 0.7 else driver.give_back
                asked = asyncio.ensure_future(decide(bench.told(BillEscrowed)[-1].escrow))
                await bench.quiet(rng.uniform(0, 3))
                if rng.random() < 0.25:
                    await bench.lose(rng.choice(("power", "unplug")), rng.uniform(1, 12))
                await asyncio.gather(asked, return_exceptions=True)
            await bench.quiet(rng.uniform(0, 3))

    async def script() -> None:
        for _ in range(2):
            async with bench.killed() as driver:
                await customers(driver)
        async with bench.opened() as driver:
            await customers(driver)
            await bench.quiet(60)

    play(script)
