"""The roles on a bus, over a pseudo-terminal: settings, a day's work, devices that come and go."""

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from hardware.cctalk import coins, device, hopper, lane, protocol, simulated_cash, survey
from hardware.cctalk.driver import Bus, CctalkBillValidator, CctalkCoinAcceptor, CctalkHopper, bus_of
from hardware.cctalk.simulator import CctalkBusSimulator
from hardware.errors import Refused, TransportError
from hardware.events import BillEscrowed, CoinAccepted, DeviceState, Event
from hardware.journal import FileJournal
from hardware.roles import Device, Payout
from hardware.simulation.host import DeviceHost
from hardware.simulation.store import Store
from wire.money import Money

COIN, NOTE = Money(10000, "KZT"), Money(100000, "KZT")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is late, and nobody needs to watch a coin roll."""
    for module in (lane, protocol, device):
        monkeypatch.setattr(module, "LATE_S", 0.02)
    monkeypatch.setattr(hopper, "RESET_S", 0.02)
    monkeypatch.setattr(survey, "POLL_S", 0.1)
    monkeypatch.setattr(coins, "LAST_COINS_S", 0.1)
    for name in ("ROLL_S", "COIN_S", "NOTE_S"):
        monkeypatch.setattr(simulated_cash, name, 0.05)


class Page(FileJournal):
    """A page whose events can be waited for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, self._note)
        self.told: list[Event] = []
        self._more = asyncio.Event()

    def _note(self, event: Event) -> None:
        self.told.append(event)
        self._more.set()

    async def wait(self, kind: type[Event]) -> Event:
        async with asyncio.timeout(20):
            while not (found := [event for event in self.told if isinstance(event, kind)]):
                self._more.clear()
                await self._more.wait()
        return found[-1]


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path / "page")


async def closed(devices: Collection[Device]) -> None:
    await asyncio.gather(*[each.close() for each in devices])


async def test_three_devices_on_one_line(tmp_path: Path) -> None:
    store = Store(tmp_path / "device")
    pages = {name: Page(tmp_path / name) for name in ("coins", "hopper", "bills")}
    simulator = CctalkBusSimulator(store.memory, store.note)
    async with DeviceHost(simulator, store, paced=False) as host:
        bus = Bus(host.url)
        acceptor = CctalkCoinAcceptor("coins", bus, pages["coins"])
        payer = CctalkHopper("hopper", bus, pages["hopper"], coin=COIN)
        bills = CctalkBillValidator("bills", bus, pages["bills"])
        assert acceptor.status.words == "not opened"
        with pytest.raises(TransportError):
            await acceptor.enable()
        await asyncio.gather(*[each.open() for each in (acceptor, payer, bills)])
        await asyncio.gather(*[each.ready(20) for each in (acceptor, payer, bills)])
        assert COIN in acceptor.denominations
        assert NOTE in bills.denominations
        assert payer.coin == COIN
        assert acceptor.status.identity.serial == "1061013"
        await asyncio.gather(acceptor.enable({COIN}), bills.enable())
        with pytest.raises(Refused):
            await acceptor.enable({Money(1, "KZT")})
        host.do("insert_coin", minor="10000")
        host.do("insert_note", minor="100000")
        assert await payer.pay_out(2, "p-1") == Payout(asked=2, paid=2)
        assert await payer.pay_out(2, "p-1") == Payout(asked=2, paid=2)
        credited = await pages["coins"].wait(CoinAccepted)
        assert isinstance(credited, CoinAccepted)
        assert credited.coin == COIN
        held = await pages["bills"].wait(BillEscrowed)
        assert isinstance(held, BillEscrowed)
        await bills.hold(held.escrow, 5)
        assert await bills.stack(held.escrow) == NOTE
        await acceptor.close()
        assert bills.status.state is DeviceState.READY
        await closed([payer, bills])
        assert acceptor.status.state is DeviceState.ABSENT
    assert simulator.memory["hopper"]["total"] == 2


async def test_a_url_in_the_place_of_a_bus_is_shared_and_surveyed(tmp_path: Path) -> None:
    store = Store(tmp_path / "device")
    simulator = CctalkBusSimulator(store.memory, store.note, devices="coins", echo=False)
    async with DeviceHost(simulator, store, paced=False) as host:
        acceptor = CctalkCoinAcceptor("coins", host.url, Page(tmp_path / "coins"))
        bus = bus_of(host.url)
        await acceptor.open()
        await acceptor.ready(20)
        found = await bus.survey("address-poll")
        assert [(each.address, each.category, each.identity.serial) for each in found] == [
            (2, "Coin Acceptor", "1061013")
        ]
        await acceptor.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"address": 1}, "coins.address"),
        ({"checksum": "crc8"}, "coins.checksum"),
        ({"currency": "tenge"}, "coins.currency"),
        ({"unit_minor": 0}, "coins.unit_minor"),
        ({"coins": {17: 100}}, "coins.coins"),
        ({"paths": {100: 300}}, "coins.paths"),
    ],
)
def test_wrong_settings_are_named(page: Page, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CctalkCoinAcceptor("coins", Bus("/dev/none"), page, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("security", "coin"), [("xy", COIN), ("00" * 9, COIN), ("serial", Money(0, "KZT"))])
def test_wrong_settings_of_a_hopper_are_named(page: Page, security: str, coin: Money) -> None:
    with pytest.raises(ValueError, match=r"hopper\.(security|coin)"):
        CctalkHopper("hopper", Bus("/dev/none"), page, coin=coin, security=security)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "denomination: is required"),
        ({"denomination": 0}, "denomination: 0 is no coin"),
        ({"denomination": 10000, "coin": COIN}, "besides coin"),
        ({"denomination": 10000, "currency": "tenge"}, "currency"),
    ],
)
def test_what_a_hopper_is_filled_with_is_said_once(page: Page, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CctalkHopper("hopper", Bus("/dev/none"), page, **settings)


def test_a_hoppers_coin_may_be_said_in_minor_units(page: Page) -> None:
    assert CctalkHopper("hopper", Bus("/dev/none"), page, denomination=10000).coin == Money(10000, "KZT")
    other = CctalkHopper("hopper", Bus("/dev/none"), page, denomination=500, currency="RUB")
    assert other.coin == Money(500, "RUB")


def test_devices_of_one_line_must_not_contradict_each_other(page: Page) -> None:
    bus = Bus("/dev/none", echo="on")
    acceptor = CctalkCoinAcceptor("coins", bus, page)
    bills = CctalkBillValidator("bills", bus, page)
    with pytest.raises(ValueError, match="of that name"):
        CctalkCoinAcceptor("coins", bus, page, address=11)
    with pytest.raises(ValueError, match="is the address of coins"):
        CctalkCoinAcceptor("more", bus, page)
    with pytest.raises(ValueError, match="one device on a line can have crc16"):
        CctalkBillValidator("more", bus, page, address=41)
    with pytest.raises(ValueError, match="echo"):
        CctalkHopper("hopper", bus, page, coin=COIN, echo="off")
    with pytest.raises(ValueError, match="echo"):
        Bus("/dev/none", echo="maybe")  # type: ignore[arg-type]
    assert (acceptor.name, bills.name) == ("coins", "bills")


async def test_no_port_is_told_and_closing_waits_for_nothing(page: Page, tmp_path: Path) -> None:
    acceptor = CctalkCoinAcceptor("coins", str(tmp_path / "none"), page)
    await acceptor.open()
    with pytest.raises(TransportError, match="coins"):
        await acceptor.ready(0.01)
    with pytest.raises(TransportError):
        await acceptor.enable()
    await acceptor.disable()
    await acceptor.close()
    await acceptor.close()
