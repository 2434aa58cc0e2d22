"""The role over a real line: a pseudo-terminal with a simulated validator on it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hardware.ccnet.driver import CcnetBillValidator
from hardware.ccnet.simulator import CcnetSimulator
from hardware.ccnet.states import State
from hardware.errors import Refused, TransportError
from hardware.events import BillEscrowed, BillReturned, BillStacked, DeviceState, Event
from hardware.journal import FileJournal
from hardware.simulation.host import DeviceHost
from wire.money import Money

FIVE_HUNDRED = Money(50000, "KZT")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"currency": "tenge"}, "currency"),
        ({"currency": "KZT", "country": "Kazakhstan"}, "country"),
        ({"currency": "CHF"}, "country"),
        ({"currency": "KZT", "baud": 96000}, "baud"),
        ({"currency": "KZT", "address": 2}, "address"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=rf"bills\.{named}"):
        CcnetBillValidator("bills", "/dev/null", FileJournal(tmp_path / "journal"), **settings)


async def test_a_note_is_stacked_and_another_given_back(tmp_path: Path) -> None:
    heard: asyncio.Queue[Event] = asyncio.Queue()
    journal = FileJournal(tmp_path / "journal", heard.put_nowait)
    simulator = CcnetSimulator({}, lambda kind, figures: None, pace=20)
    async with DeviceHost(simulator) as host, asyncio.timeout(25):
        bills = CcnetBillValidator("bills", host.url, journal, currency="KZT")
        assert bills.status.state is DeviceState.ABSENT
        assert bills.denominations == ()
        await bills.open()
        await bills.ready(20)
        assert FIVE_HUNDRED in bills.denominations
        await bills.enable()
        for kept in (True, False):
            while simulator.mechanism.shown != State.IDLING:  # noqa: ASYNC110 (a device tells nobody)
                await asyncio.sleep(0.02)
            assert host.do("insert", value="500") == {"taken": 1}
            while not isinstance(event := await heard.get(), BillEscrowed):
                pass
            assert event.bill == FIVE_HUNDRED
            if kept:
                assert await bills.stack(event.escrow) == FIVE_HUNDRED
            else:
                await bills.give_back(event.escrow)
        with pytest.raises(Refused):
            await bills.stack(99)
        await bills.disable()
        await bills.close()
        with pytest.raises(TransportError):
            await bills.enable()
    kinds = [type(event) for event in journal.events() if isinstance(event, BillStacked | BillReturned)]
    assert kinds == [BillStacked, BillReturned]
