"""Registers that refuse, fail and cannot tell; queues that are full; disks that cannot be read."""

import asyncio
from unittest.mock import patch

import pytest

from appliance.fiscal import records, service
from appliance.fiscal.reading import Mistakes
from appliance.supervisor.watched import NotBuilt
from tests.appliance.fiscal.world import Play, Registers, World, only, sale, until


def test_a_register_that_refuses_once_is_asked_again(registers: Registers, play: Play) -> None:
    only(registers, "shtrih")

    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("open", {"action": "open-shift"})
            life.do("fail", code="33", count="1")
            assert (await life.run("r1", sale()))["status"] == "registered"

    assert play(script).totals == [12_345]


def test_a_paid_receipt_that_is_refused_is_told(registers: Registers, play: Play) -> None:
    only(registers, "shtrih")

    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("open", {"action": "open-shift"})
            bad = sale(currency="EUR")
            paid = await life.desk.receipt(reference="p", register="register", body=bad, within_s=30.0)
            assert (paid["status"], paid["code"]) == ("refused", "receipt")
            (told,) = await life.events("document-refused")
            assert b'"p"' in bytes(told.data)
            assert (await life.run("r2", sale(700)))["status"] == "registered"
            assert (await life.settled("p")) == {"http": 200, **paid}

    assert play(script).totals == [700]


@pytest.mark.parametrize("code", ["38", "71"])
def test_a_fault_that_goes_away(registers: Registers, play: Play, code: str) -> None:
    only(registers, "shtrih")

    async def script(world: World) -> None:
        async with world.life() as life:
            life.do("fail", code=code, count="2")  # the shift cannot be opened, then it can
            first = await life.run("r1", sale())
            assert first["status"] in ("registered", "pending")
            assert (await life.settled("r1"))["status"] == "registered"

    assert play(script).totals == [12_345]


def test_a_register_that_cannot_tell(registers: Registers, play: Play) -> None:
    only(registers, "shtrih")

    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("open", {"action": "open-shift"})
            asked = asyncio.ensure_future(life.run("r1", sale()))
            await until(lambda: world.totals)
            life.do("unplug")
            life.do("foreign_receipt", minor="100")
            answer = await asked
            if answer["status"] == "pending":
                answer = await life.settled("r1")
            assert (answer["status"], answer["reference"]) == ("unclear", "r1")
            assert "print a copy of the last one" in answer["remedy"]
            assert (await life.run("r1", sale()))["http"] == 409
            assert [event.kind for event in await life.events("document-unclear")] == ["document-unclear"]
            assert (await life.run("r2", sale(700)))["status"] == "registered"

    assert play(script).totals == [12_345, 100, 700]


def test_out_of_service_by_order(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            watched = life.supervisor.find("register")
            await watched.give_order(in_service=False, reason="cleaning", nonce=1)
            assert "out of service" in life.desk.ready_for_receipts("register")
            assert "cleaning" in (await life.run("z", {"action": "open-shift"}))["detail"]
            answer = await life.run("r1", sale())
            assert (answer["status"], "cleaning" in answer["reason"]) == ("pending", True)
            await watched.give_order(in_service=True, reason="", nonce=2)
            assert (await life.settled("r1"))["status"] == "registered"

    assert play(script).totals == [12_345]


def test_a_full_queue_lets_in_what_is_paid_and_nothing_else(registers: Registers, play: Play) -> None:
    only(registers, "shtrih")

    async def script(world: World) -> None:
        async with world.life() as life:
            life.do("paper_out")
            await asyncio.sleep(10)
            with patch.object(service, "WAITING_MAX", 2):
                for reference in ("r1", "r2"):
                    assert (await life.run(reference, sale(100)))["status"] == "pending"
                assert "2 documents wait" in life.desk.ready_for_receipts("register")
                refused = await life.run("r3", sale(100))
                assert refused == {"problem": "device-fault", "detail": "2 documents wait for register already"}
                paid = await life.desk.receipt(reference="p", register="register", body=sale(700), within_s=30.0)
                assert paid["status"] == "pending"
            life.do("paper_in")
            assert (await life.settled("p"))["status"] == "registered"
            assert (await life.run("r3", sale(300)))["status"] == "registered"

    assert play(script).totals == [100, 100, 700, 300]


def test_a_register_that_is_not_in_the_file_any_more(registers: Registers, play: Play) -> None:
    only(registers, "atol")

    async def script(world: World) -> None:
        async with world.life() as life:
            lost = records.Document(device="old", kind="cash-in", asked=True)
            await life.journal.write(lambda book: records.begin(book, "lost", lost, 0.0))
        async with world.life() as life:
            await asyncio.sleep(30)
            (waiting,) = life.desk.pending("old")
            assert waiting.reason == "there is no device old; there are register"
            assert (await life.run("r1", sale()))["status"] == "registered"

    play(script)


def test_a_journal_that_cannot_be_read_at_the_start(registers: Registers, play: Play) -> None:
    only(registers, "shtrih")

    async def script(world: World) -> None:
        async with world.life() as life:
            await life.present()
            life.do("paper_out")
            await asyncio.sleep(10)
            assert (await life.run("r1", sale()))["status"] == "pending"
        async with world.life(ready=False, unreadable=3) as life:
            await life.present()
            life.do("paper_in")
            assert (await life.settled("r1"))["status"] == "registered"

    assert play(script).totals == [12_345]


def test_a_payment_s_receipt_that_is_none(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life(ready=False) as life:
            with pytest.raises(Mistakes):
                await life.desk.receipt(reference="p", register="register", body={}, within_s=1.0)

    play(script)


def test_a_payment_at_a_register_that_there_is_not(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life(ready=False) as life:
            answer = await life.desk.receipt(reference="p", register="other", body=sale(), within_s=30.0)
            assert (answer["status"], "no device other" in answer["reason"]) == ("pending", True)

    play(script)


def test_paper_is_noticed_soon_however_long_it_was_out(registers: Registers, play: Play) -> None:
    only(registers, "shtrih")

    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("r1", sale())
            life.do("paper_out")
            assert (await life.run("r2", sale(700)))["status"] == "pending"
            await asyncio.sleep(700)  # by now the pauses are the longest
            life.do("paper_in")
            async with asyncio.timeout(90):
                assert (await life.settled("r2"))["status"] == "registered"

    assert play(script).totals == [12_345, 700]


def test_whether_the_register_may_have_it_stands_in_the_book(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:

            async def is_asked(reference: str) -> bool:
                work = await life.journal.read(lambda book: book.find_work(reference))
                document = None if work is None else records.read_document(work)
                assert document is not None
                return document.asked

            await life.run("open", {"action": "open-shift"})
            asked = asyncio.ensure_future(life.run("r1", sale()))
            await until(lambda: world.totals)
            assert await is_asked("r1")
            await asked
            life.do("paper_out")
            await asyncio.sleep(10)
            assert (await life.run("r2", sale(700)))["status"] == "pending"
            assert not await is_asked("r2")

    play(script)


def test_what_was_refused_stays_refused_though_the_journal_could_not_be_read(registers: Registers, play: Play) -> None:
    only(registers, "shtrih")

    async def script(world: World) -> None:
        async with world.life() as life:
            bad, good = sale(currency="EUR"), sale()
            first = await life.desk.receipt(reference="p", register="register", body=bad, within_s=30.0)
            life.journal.unreadable = 1
            again = await life.desk.receipt(reference="p", register="register", body=good, within_s=30.0)
            assert first == again
            assert first["status"] == "refused"

    assert play(script).totals == []


def test_what_was_ordered_and_not_begun_before_a_power_cut_is_not_done_after_it(
    registers: Registers, play: Play
) -> None:
    only(registers, "shtrih", "atol")
    put = {"action": "cash-in", "amount": 50_000, "currency": "RUB"}

    async def script(world: World) -> None:
        async with world.life(die_at="appliance.fiscal.take.after") as life:
            asked = asyncio.ensure_future(life.run("in", put))
            await until(life.journal.dead.is_set)
            asked.cancel()
        async with world.life() as life:
            found = await life.find_out("in", put)
            assert found == {"problem": "device-fault", "detail": "it was not done in time; ask for it anew"}
            assert not world.ledger(world.registers.cash[0])

    play(script)


def test_a_register_whose_driver_is_just_being_built_is_let_wait_for(registers: Registers, play: Play) -> None:
    only(registers, "shtrih", "atol")

    async def script(world: World) -> None:
        async with world.life() as life:
            watched = life.supervisor.find("register")
            driver, watched.device = watched.device, NotBuilt("register", "is being changed")
            asked = asyncio.ensure_future(life.run("r1", sale()))
            await asyncio.sleep(5)
            assert (await life.run("z", {"action": "close-shift"}))["problem"] == "gateway-unreachable"
            assert (await life.run("q", {"action": "register-status"}))["problem"] == "gateway-unreachable"
            watched.device = driver
            answer = await asked
            assert answer["status"] in ("registered", "pending")
            assert (await life.settled("r1"))["status"] == "registered"

    assert play(script).totals == [12_345]


def test_whoever_waits_for_paper_is_let_go_when_the_appliance_stops(registers: Registers, play: Play) -> None:
    only(registers, "shtrih", "atol")

    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("open", {"action": "open-shift"})
            assert not life.target.cancel("r1", "the appliance stops")
            asked = asyncio.ensure_future(life.run("r1", sale()))
            await until(lambda: world.totals)
            assert not life.target.cancel("r1", "customer")
            assert (await asked)["status"] == "registered"
            life.do("paper_out")
            begun = world.time.now
            asked = asyncio.ensure_future(life.run("r2", sale(700)))
            await until(lambda: life.target.cancel("r2", "the appliance stops"))
            assert (await asked)["status"] == "pending"
            assert world.time.now - begun < 9

    assert play(script).totals == [12_345]
