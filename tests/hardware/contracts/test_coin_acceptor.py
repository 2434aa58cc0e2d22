"""What every coin acceptor does for its owner. Credit that was told equals the coins that fell past the sensor."""

import collections
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hardware.errors import Refused
from hardware.events import CoinAccepted, CoinRejected, CreditsLost, DeviceState, Identified
from hardware.roles import CoinAcceptor
from tests.hardware.contracts import warp
from tests.hardware.contracts.bench import Bench
from tests.hardware.contracts.conftest import expect_known
from tests.hardware.contracts.implementations import COIN_ACCEPTORS, Implementation
from wire.money import Money

CoinBench = Bench[CoinAcceptor]
LOSING_POWER = ("test_enabled_it_stays_after_a_power_cut", "test_a_new_driver_on_the_same_journal")


@pytest.fixture(params=COIN_ACCEPTORS, ids=lambda coins: coins.name)
def coins(request: pytest.FixtureRequest) -> Implementation:
    expect_known(request, request.param)
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def bench(
    coins: Implementation, bench_of: Callable[[Any], CoinBench], request: pytest.FixtureRequest
) -> Iterator[CoinBench]:
    bench = bench_of(coins)
    yield bench
    if request.node.originalname in LOSING_POWER:
        # An acceptor's count is lost with its power (a simulated one's goes with its port); that some coins may be
        # lost is then a true word.
        assert not collections.Counter(credited(bench)) - collections.Counter(taken(bench, coins))
        assert bench.told(CreditsLost) or credited(bench) == taken(bench, coins)
        return
    assert not bench.told(CreditsLost)
    assert credited(bench) == taken(bench, coins), "credit differs from the coins taken"


def taken(bench: CoinBench, coins: Implementation) -> list[int]:
    kind, minor = coins.kinds["taken"]
    return [line[minor] for line in bench.ledger(kind)]


def credited(bench: CoinBench) -> list[int]:
    return [event.coin.minor for event in bench.told(CoinAccepted)]


def kinds(driver: CoinAcceptor) -> list[Money]:
    return sorted(driver.denominations, key=lambda coin: coin.minor)[:3]


def insert(bench: CoinBench, coins: Implementation, coin: Money, how: str = "insert") -> None:
    control, arguments = coins.hands[how]
    bench.do(control, **{**arguments, "minor": str(coin.minor)})


def test_it_says_who_it_is_and_what_it_takes(coins: Implementation, bench: CoinBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            assert len(driver.denominations) >= 3
            assert bench.told(Identified)
            assert driver.status.state in (DeviceState.DISABLED, DeviceState.READY)

    warp.run(script())


def test_disabled_it_takes_nothing(coins: Implementation, bench: CoinBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            insert(bench, coins, kinds(driver)[0])
            await bench.quiet()
            await driver.enable()
            await driver.disable()
            await bench.quiet(3)
            insert(bench, coins, kinds(driver)[0])
            await bench.quiet()

    warp.run(script())
    assert taken(bench, coins) == []


def test_coins_are_credited_one_by_one(coins: Implementation, bench: CoinBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            small, middle, big = kinds(driver)
            await driver.enable()
            for count, coin in enumerate((small, small, big, middle, small), 1):
                insert(bench, coins, coin)
                assert (await bench.event(CoinAccepted, count)).coin == coin
            numbers = [event.number for event in bench.told(CoinAccepted)]
            assert len(set(numbers)) == 5

    warp.run(script())


def test_coins_that_come_quickly(coins: Implementation, bench: CoinBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            for index in range(12):
                insert(bench, coins, kinds(driver)[index % 3])
                await bench.quiet(0.3)
            await bench.event(CoinAccepted, 12)

    warp.run(script())
    assert len(taken(bench, coins)) == 12


def test_only_what_is_accepted_is_taken(coins: Implementation, bench: CoinBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            small, _, big = kinds(driver)
            with pytest.raises(Refused):
                await driver.enable([Money(7, "XXX")])
            await driver.enable([big])
            insert(bench, coins, small)
            await bench.quiet()
            insert(bench, coins, big)
            await bench.event(CoinAccepted)

    warp.run(script())
    assert len(taken(bench, coins)) == 1


def test_a_false_coin_is_no_credit(coins: Implementation, bench: CoinBench) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            insert(bench, coins, kinds(driver)[0], "slug")
            await bench.event(CoinRejected)

    warp.run(script())
    assert taken(bench, coins) == []


@pytest.mark.parametrize("how", ["power", "unplug"])
def test_enabled_it_stays_after_a_power_cut(coins: Implementation, bench: CoinBench, how: str) -> None:
    async def script() -> None:
        async with bench.opened() as driver:
            await driver.enable()
            insert(bench, coins, kinds(driver)[0])
            await bench.event(CoinAccepted)
            await bench.lose(how)
            await bench.quiet(20)
            insert(bench, coins, kinds(driver)[1])
            await bench.event(CoinAccepted, 2)

    warp.run(script())


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.6, 1.0])
def test_a_new_driver_on_the_same_journal(coins: Implementation, bench: CoinBench, after_s: float) -> None:
    async def script() -> None:
        async with bench.killed() as driver:
            await driver.enable()
            insert(bench, coins, kinds(driver)[0])
            await bench.event(CoinAccepted)
            insert(bench, coins, kinds(driver)[0])
            await bench.quiet(after_s)
        async with bench.opened() as driver:
            await driver.enable()
            await bench.quiet()
            insert(bench, coins, kinds(driver)[1])
            await bench.until(lambda: credited(bench)[-1:] == [kinds(driver)[1].minor])

    warp.run(script())
