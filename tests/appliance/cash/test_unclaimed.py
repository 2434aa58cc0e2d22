"""Money that came when nobody waited for it: written down once, with whose it surely is."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.cash.ending import ending, write_ending
from appliance.cash.outcome import outcome
from appliance.cash.result import CashResult, CashWork, NeverBegun, Unclear
from appliance.cash.takings import Takings
from appliance.cash.unclaimed import look, nonce_of, sweep
from appliance.journal import Entry, Journal, Work
from appliance.levels.booking import book, kind_of
from hardware import events
from hardware.events import DeviceState, Event
from hardware.roles import CoinAcceptor
from tests.appliance import worlds
from tests.appliance.cash.world import World, body, play
from wire.money import Money

NOTE, COIN = Money(50000, "KZT"), Money(10000, "KZT")
WORK = CashWork(
    amount=50000, currency="KZT", overpay="change", idle_timeout=60, timeout=180, devices=("bills", "coins"),
    claim="CD47-KPX3",
)  # fmt: skip


class Desk:
    """A journal into which devices write."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.nonces = iter(range(1, 10_000))

    async def begin(self, id: str) -> None:
        data = msgspec.Raw(msgspec.json.encode(WORK))
        await self.journal.write(lambda book: book.begin_work(Work(id=id, kind="cash", begun_at=1.0, data=data)))

    async def happen(self, work: str, device: str, *happened: Event) -> None:
        for event in happened:
            entry = Entry(
                nonce=next(self.nonces), at=2.0, device=device, work=work, kind=kind_of(event),
                data=msgspec.Raw(msgspec.json.encode(event)),
            )  # fmt: skip
            await self.journal.write(lambda pages, entry=entry, event=event: book(pages, entry, event))

    async def end(self, id: str, *unclear: Unclear) -> CashResult:
        entries = await self.journal.read(lambda book: book.entries(work=id))
        takings = Takings(id, "KZT").feed_entries(entries)
        takings.disputes += unclear
        result = outcome(WORK, takings, status="timed_out", reason="idle")
        last = ending(id, result, takings.count, 3.0)
        assert await self.journal.write(lambda book: write_ending(book, last))
        assert await self.journal.write(lambda book: write_ending(book, last))  # as after a commit that failed
        return result

    async def swept(self) -> list[dict[str, Any]]:
        """What was told of late money so far."""
        for _ in range(2):
            until, found = await self.journal.read(lambda book: look(book, 0))
            if found:
                await self.journal.write(lambda book, until=until: sweep(book, 0, until, 4.0))
        told = await self.journal.events(100, 0)
        return [
            {"kind": event.kind, **msgspec.json.decode(event.data)}
            for event in told
            if event.kind in {"cash-unclaimed", "cash-cleared"}
        ]


READY = events.StateChanged(state=DeviceState.READY, was=DeviceState.DISABLED)


async def test_a_note_is_of_the_session_in_which_it_lay_in_escrow(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        desk = Desk(journal)
        await desk.begin("first")
        await desk.happen("first", "bills", READY, events.BillEscrowed(bill=NOTE, escrow=7))
        first = await desk.end("first")
        assert [item.what for item in first.unclear] == ["note"]
        await desk.begin("second")
        late = events.BillStacked(bill=NOTE, escrow=7, late=True)
        await desk.happen("second", "bills", READY, late)
        second = await desk.end("second")
        assert second.collected == 0
        (told,) = await desk.swept()
        assert (told["work"], told["claim"], told["amount"]) == ("first", "CD47-KPX3", 50000)
        assert (await desk.swept()) == [told]


@pytest.mark.parametrize("late", [True, False])
async def test_a_note_told_while_another_session_could_not_begin(tmp_path: Path, *, late: bool) -> None:
    """As by a validator that comes back with a jam: the next session takes nothing, and so it never began."""
    async with worlds.journal(tmp_path) as journal:
        desk = Desk(journal)
        await desk.begin("first")
        await desk.happen("first", "bills", READY, events.BillEscrowed(bill=NOTE, escrow=7))
        await desk.end("first")
        await desk.begin("second")
        await desk.happen("second", "bills", events.BillStacked(bill=NOTE, escrow=7, late=late))
        last = ending("second", NeverBegun(problem="device-fault", detail="jammed"), 1, 3.0)
        assert await journal.write(lambda book: write_ending(book, last))
        (told,) = await desk.swept()
        assert (told["work"], told["claim"], told["amount"]) == ("first", "CD47-KPX3", 50000)


async def test_a_late_coin_is_not_the_next_customers(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        desk = Desk(journal)
        await desk.begin("second")
        await desk.happen("second", "coins", events.CoinAccepted(coin=COIN, path=1, number=4, late=True), READY)
        await desk.happen("second", "coins", events.CoinAccepted(coin=COIN, path=1, number=5))
        await desk.happen("second", "coins", events.CoinAccepted(coin=COIN, path=1, number=6, late=True))
        second = await desk.end("second")
        assert second.collected == 20000
        (told,) = await desk.swept()
        assert (told.get("work"), told["amount"], told["what"]) == (None, 10000, "coin")


async def test_what_comes_behind_the_end_is_the_sessions(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        desk = Desk(journal)
        await desk.begin("first")
        await desk.happen("first", "coins", READY)
        await desk.end("first")
        await desk.happen("first", "coins", events.CoinAccepted(coin=COIN, path=1, number=5))
        (told,) = await desk.swept()
        assert (told["work"], told["claim"]) == ("first", "CD47-KPX3")


async def test_what_comes_when_nobody_is_there(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        desk = Desk(journal)
        await desk.begin("first")
        await desk.happen("first", "bills", READY)
        await desk.end("first")
        await desk.happen("", "bills", events.BillStacked(bill=NOTE, escrow=None, late=True, unclaimed=True))
        (told,) = await desk.swept()
        assert "work" not in told
        assert told["last_work"] == "first"


async def test_an_open_session_counts_its_own(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        desk = Desk(journal)
        await desk.begin("first")
        await desk.happen("first", "coins", READY, events.CoinAccepted(coin=COIN, path=1, number=5))
        assert await desk.swept() == []
        await desk.end("first")
        assert await desk.swept() == []


async def test_another_currency_is_nobodys(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        desk = Desk(journal)
        await desk.begin("first")
        await desk.happen("first", "coins", READY, events.CoinAccepted(coin=Money(100, "RUB"), path=1, number=5))
        assert (await desk.end("first")).collected == 0
        (told,) = await desk.swept()
        assert (told["amount"], told["currency"]) == (100, "RUB")


async def test_an_end_is_not_written_while_there_is_more_in_the_book(tmp_path: Path) -> None:
    async with worlds.journal(tmp_path) as journal:
        desk = Desk(journal)
        await desk.begin("first")
        takings = Takings("first", "KZT")
        last = ending("first", outcome(WORK, takings, status="timed_out", reason="idle"), takings.count, 3.0)
        await desk.happen("first", "coins", READY)
        assert not await journal.write(lambda book: write_ending(book, last))
        work = await journal.read(lambda book: book.find_work("first"))
        assert work is not None
        assert work.is_open


def test_a_nonce_is_the_same_whenever_it_is_found() -> None:
    entry = Entry(nonce=5, at=1.0, kind="coin-accepted", data=msgspec.Raw(b"{}"))
    moved = msgspec.structs.replace(entry, n=17)
    assert nonce_of(entry) == nonce_of(moved)
    assert 0 < nonce_of(entry) < 2**63


def test_a_coin_without_a_session(tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            paying = kiosk.pay(amount=10000)
            await kiosk.stage("collecting")
            await asyncio.sleep(2)
            world.do("coins", "insert_coin", minor="10000")
            body(await paying)
            coins = kiosk.supervisor.find_as("coins", CoinAcceptor)[1]
            await coins.enable()  # somebody else, by mistake
            await asyncio.sleep(1)
            world.do("coins", "insert_coin", minor="20000")
            await asyncio.sleep(5)
            (told,) = await kiosk.events("cash-unclaimed")
            data = msgspec.json.decode(told.data)
            assert (data["amount"], data["device"], data.get("work")) == (20000, "coins", None)
            assert data["last_work"] == "r1"

    play(script, tmp_path)


def test_a_credit_that_was_written_down_before_a_session_is_not_of_it(tmp_path: Path) -> None:
    """It is heard when the session listens already."""

    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            paying = kiosk.pay(amount=10000, idle_timeout=10)
            await kiosk.stage("collecting")
            page = kiosk.supervisor.find("coins").page
            page.work = ""  # as it was when the entry was made
            writing = asyncio.ensure_future(page.record(events.CoinAccepted(coin=COIN, path=1, number=1), None))
            await asyncio.sleep(0)
            page.work = "r1"
            await writing
            found = body(await paying)
            assert (found["status"], found["collected"]) == ("timed_out", 0)
            await asyncio.sleep(2)
            assert len(await kiosk.events("cash-unclaimed")) == 1

    play(script, tmp_path)


@pytest.mark.parametrize("lives", [1, 3])
def test_it_is_told_once_over_restarts(tmp_path: Path, lives: int) -> None:
    async def script(world: World) -> None:
        async with world.opened() as kiosk:
            coins = kiosk.supervisor.find_as("coins", CoinAcceptor)[1]
            await coins.enable()
            await asyncio.sleep(1)
            kiosk.journal.kill_at = (len(kiosk.journal.points) + 2, "before")
            world.do("coins", "insert_coin", minor="20000")
            await asyncio.sleep(5)
            await world.kill()
        for _ in range(lives):
            async with world.opened() as kiosk:
                await asyncio.sleep(3)
                assert len(await kiosk.events("cash-unclaimed")) == 1
                assert len(await kiosk.entries("cash-unclaimed")) == 1

    play(script, tmp_path)
