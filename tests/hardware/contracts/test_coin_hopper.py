"""What every hopper does for its owner. The debit that was told equals the coins that left."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hardware.errors import DeviceError, DeviceFault, Refused, TransportError
from hardware.events import PayoutEnded, PayoutUnclear
from hardware.roles import CoinHopper, Payout
from tests.hardware.contracts import warp
from tests.hardware.contracts.bench import Bench
from tests.hardware.contracts.conftest import expect_known
from tests.hardware.contracts.implementations import COIN_HOPPERS, Implementation

HopperBench = Bench[CoinHopper]
MOMENTS = [0.0, 0.1, 0.3, 0.6, 1.2]


@pytest.fixture(params=COIN_HOPPERS, ids=lambda hopper: hopper.name)
def hopper(request: pytest.FixtureRequest) -> Implementation:
    expect_known(request, request.param)
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def bench(hopper: Implementation, bench_of: Callable[[Any], HopperBench]) -> Iterator[HopperBench]:
    bench = bench_of(hopper)
    yield bench
    told = sum(event.paid for event in bench.told(PayoutEnded))
    unclear = sum(event.asked for event in bench.told(PayoutUnclear))
    left = paid(bench, hopper)
    assert told <= left <= told + unclear, f"{left} coins left, {told} were told, {unclear} are unclear"


def paid(bench: HopperBench, hopper: Implementation) -> int:
    kind, count = hopper.kinds["paid"]
    return sum(line[count] for line in bench.ledger(kind))


def hand(bench: HopperBench, hopper: Implementation, name: str) -> None:
    control, arguments = hopper.hands[name]
    bench.do(control, **arguments)


def test_it_pays(hopper: Implementation, bench: HopperBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            assert driver.coin == hopper.settings["coin"]
            assert await driver.pay_out(3, "a") == Payout(asked=3, paid=3)
            (ended,) = bench.told(PayoutEnded)
            assert (ended.reference, ended.asked, ended.paid, ended.late) == ("a", 3, 3, False)
            await driver.pay_out(1, "b")

    warp.run(script())
    assert paid(bench, hopper) == 4


def test_the_same_reference_is_paid_once(hopper: Implementation, bench: HopperBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            first = await driver.pay_out(2, "a")
            assert await driver.pay_out(2, "a") == first
            both = await asyncio.gather(driver.pay_out(4, "b"), driver.pay_out(4, "b"))
            assert both[0] == both[1]
        async with bench.opened() as driver:
            assert (await driver.pay_out(4, "b")).paid == 4

    warp.run(script())
    assert paid(bench, hopper) == 6


def test_an_empty_hopper_pays_less(hopper: Implementation, bench: HopperBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            asked = asyncio.ensure_future(driver.pay_out(20, "a"))
            await bench.until(lambda: paid(bench, hopper) >= 4)
            hand(bench, hopper, "empty")
            payout = await asked
            assert payout.asked == 20
            assert payout.paid == paid(bench, hopper) < 20
            assert payout.words
            hand(bench, hopper, "fill")
            await bench.quiet(5)
            assert (await driver.pay_out(2, "b")).paid == 2

    warp.run(script())


@pytest.mark.parametrize("how", ["power", "unplug"])
@pytest.mark.parametrize("after_s", MOMENTS)
def test_power_cut_in_a_payout(hopper: Implementation, bench: HopperBench, after_s: float, how: str) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            asked = asyncio.ensure_future(driver.pay_out(6, "a"))
            await bench.quiet(after_s)
            await bench.lose(how)
            (ended,) = await asyncio.gather(asked, return_exceptions=True)
            assert isinstance(ended, Payout | DeviceError)
            await bench.quiet(30)
            if isinstance(ended, Refused | TransportError | DeviceFault):
                assert paid(bench, hopper) == 0

    warp.run(script())


@pytest.mark.parametrize("after_s", MOMENTS)
def test_a_new_driver_on_the_same_journal(hopper: Implementation, bench: HopperBench, after_s: float) -> None:
    """The host dies in a payout; the next life finds out, and never pays the same again."""

    async def script() -> None:
        async with bench.killed() as driver:
            asked = asyncio.ensure_future(driver.pay_out(6, "a"))
            await bench.quiet(after_s)
            asked.cancel()
        async with bench.opened() as driver:
            await bench.quiet(30)
            assert (await driver.pay_out(2, "b")).paid == 2

    warp.run(script())
    assert paid(bench, hopper) <= 8


def test_a_caller_that_stops_waiting_changes_nothing(hopper: Implementation, bench: HopperBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            asked = asyncio.ensure_future(driver.pay_out(4, "a"))
            await bench.until(lambda: paid(bench, hopper))
            asked.cancel()
            await bench.event(PayoutEnded)

    warp.run(script())
    assert paid(bench, hopper) == 4


def test_a_silent_hopper_begins_nothing(hopper: Implementation, bench: HopperBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            bench.do("power_off")
            await bench.quiet(30)
            with pytest.raises((TransportError, DeviceFault, Refused)):
                await driver.pay_out(2, "a")
            bench.do("power_on")
            await bench.quiet(20)
            await driver.pay_out(2, "b")

    warp.run(script())
    assert paid(bench, hopper) == 2
