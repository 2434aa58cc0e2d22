"""Documents by a real driver and its simulator, in virtual time, for every register there is."""

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest

from appliance.fiscal import records
from appliance.fiscal.reading import read_receipt
from appliance.targets import NotUnderstood
from hardware.errors import Refused as RefusedByDevice
from hardware.errors import TransportError
from hardware.roles import FiscalRegister
from tests.appliance.fiscal import world as worlds
from tests.appliance.fiscal.world import REGISTERS, Play, Registers, World, only, sale, until


def test_a_sale_opens_the_shift_and_is_registered(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            answer = await life.run("r1", sale())
            kept = {name: answer[name] for name in ("http", "status", "reference", "document", "total", "currency")}
            assert kept == {
                "http": 200, "status": "registered", "reference": "r1", "document": "receipt", "total": 12_345,
                "currency": "RUB",
            }  # fmt: skip
            assert answer["sign"]
            assert answer["printed"] is not False
            assert world.documents[-1] == {"number": answer["number"], "total": 12_345}
            assert await life.run("r1", sale()) == answer
            assert [event.kind for event in await life.events("shift-opened")] == ["shift-opened"]
            told = [event for event in await life.events("document-registered") if b'"r1"' in bytes(event.data)]
            assert len(told) == 1
            lines = await life.journal.read(lambda book: book.entries(work="r1"))
            assert [line.kind for line in lines if line.kind != "state-changed"] == ["document-registered"]
            assert life.supervisor.find("register").work == ""

    assert play(script).totals == [12_345]


def test_an_expired_shift_is_closed_first(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            first = await life.run("r1", sale())
            life.do("expire_shift")
            second = await life.run("r2", sale(700))
            assert (second["status"], second["number"], second["shift"]) == (
                "registered", first["number"] + 3, first["shift"] + 1,
            )  # fmt: skip
            told = await life.events("shift-opened", "shift-closed")
            assert [event.kind for event in told] == ["shift-opened", "shift-closed", "shift-opened"]
            closed = msgspec.json.decode(told[1].data)
            assert (closed["shift"], closed["differences"]) == (first["shift"], 0)
            (reconciled,) = await life.events("reconciliation")
            record = msgspec.json.decode(reconciled.data)
            assert (record["shift"], [each["register"] for each in record["register_totals"]]) == (
                first["shift"], ["register"],
            )  # fmt: skip

    assert play(script).totals == [12_345, 700]


def test_a_shift_that_closes_is_held_against_the_registers_own_totals(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("r1", sale())
            await life.run("z1", {"action": "close-shift"})
            await life.run("in", {"action": "cash-in", "amount": 5_000, "currency": "RUB"})
            await life.run("r2", sale(700))
            await life.run("z2", {"action": "close-shift"})
            if world.registers.family == "shtrih":
                await life.run("r3", sale(300))
                life.do("foreign_receipt", minor="1000")
                await life.run("z3", {"action": "close-shift"})
            records = [msgspec.json.decode(event.data) for event in await life.events("reconciliation")]
        first, second = (record["register_totals"][0] for record in records[:2])
        if world.registers.family != "shtrih":
            assert [each["drawer"] for each in (first, second)] == [None, None]
            assert second["words"] == "it did not tell its totals"
            return
        assert (first["drawer"], first["expected"]) == (12_345, None)
        assert (second["drawer"], second["moved"], second["expected"]) == (18_045, 5_700, 5_700)
        assert (second["receipts"], second["receipts_expected"]) == (1, 1)
        assert [record["differences"] for record in records[:2]] == [[], []]
        assert {each["what"] for each in records[2]["differences"]} == {"drawer", "receipts", "document"}

    play(script)


@pytest.mark.parametrize("trouble", ["refuses", "is silent"])
def test_a_shift_closes_without_totals(play: Play, trouble: str) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("r1", sale())
            _, register = life.supervisor.find_as("register", FiscalRegister)  # type: ignore[type-abstract]

            async def trouble_() -> None:
                raise RefusedByDevice("4F", "the password is wrong") if trouble == "refuses" else TransportError("gone")

            register.read_totals = trouble_  # type: ignore[method-assign, assignment]
            answer = await life.run("z1", {"action": "close-shift"})
            assert answer["status"] == "registered"
            (event,) = await life.events("reconciliation")
        (totals,) = msgspec.json.decode(event.data)["register_totals"]
        assert (totals["drawer"], totals["words"]) == (None, "it did not tell its totals")

    play(script)


def test_without_paper_it_is_pending_and_registered_later(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("r1", sale())
            life.do("paper_out")
            answer = await life.run("r2", sale(700))
            assert (answer["http"], answer["status"], answer["reference"]) == (202, "pending", "r2")
            assert answer["reason"]
            await life.run("r3", sale(800))
            waiting = await life.run("q", {"action": "pending"})
            assert [each["reference"] for each in waiting["documents"]] == ["r2", "r3"]
            assert world.totals == [12_345]
            assert (await life.run("r2", sale(700)))["since"] == answer["since"]
            life.do("paper_in")
            settled = await life.settled("r2")
            assert (settled["status"], settled["total"]) == ("registered", 700)
            assert (await life.settled("r3"))["number"] == settled["number"] + 1
            told = [bytes(event.data) for event in await life.events("document-pending")]
            assert len(told) == 2
            assert b'"r2"' in told[0]
            assert (await life.run("r2", sale(700)))["number"] == settled["number"]

    assert play(script).totals == [12_345, 700, 800]


MOMENTS = [0.0, 0.1, 0.6, 1.1, 1.6, 2.5]


@pytest.mark.parametrize("how", ["power", "unplug"])
@pytest.mark.parametrize("after_s", MOMENTS)
def test_power_cut_of_the_register_in_a_receipt(play: Play, after_s: float, how: str) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("open", {"action": "open-shift"})
            asked = asyncio.ensure_future(life.run("r1", sale()))
            await asyncio.sleep(after_s)
            await life.lose(how)
            answer = await asked
            if answer["status"] == "pending":
                answer = await life.settled("r1")
            assert (answer["status"], answer["number"]) == ("registered", world.documents[-1]["number"])
            await life.run("r2", sale(700))

    assert play(script).totals == [12_345, 700]


WRITES = {"fiscal.take": [1], "fiscal.begin": [1], "fiscal.mark": [1, 2], "fiscal.end": [1, 2],
          "device.record": range(2, 9)}  # fmt: skip
POINTS = [
    f"appliance.{action}.{moment}:{count}"
    for action, counts in WRITES.items()
    for moment in ("before", "after")
    for count in counts
]


SWITCHED = {"atol": "shtrih-v2", "shtrih-v2": "atol"}


def test_a_register_of_another_make_takes_what_waited_and_nothing_that_may_be_registered(
    registers: Registers, tmp_path: Path
) -> None:
    if registers.name not in SWITCHED:
        pytest.skip("one of each make is enough")
    other = next(each for each in REGISTERS if each.name == SWITCHED[registers.name])

    async def script(world: World) -> None:
        async with world.life(die_at="appliance.fiscal.end.before:2") as life:
            asked = asyncio.ensure_future(life.run("sold", sale()))
            await until(life.journal.dead.is_set)
            asked.cancel()
        async with world.life(ready=False, killed=True) as life:
            await life.present()
            life.do("paper_out")
            assert (await life.find_out("sold", sale()) or {})["status"] == "registered"
            waits = asyncio.ensure_future(life.run("waits", sale(700)))
            doubtful = records.Document(device="register", kind="receipt", receipt=read_receipt(sale(800)), asked=True)
            await life.journal.write(lambda book: records.begin(book, "doubtful", doubtful, 0.0))
            assert (await waits)["status"] == "pending"
        second = World(other, tmp_path / "second", world.time, journal=world)
        async with second.life() as life:
            assert (await life.settled("waits"))["status"] == "registered"
            unclear = await life.settled("doubtful")
            assert unclear["status"] == "unclear"
            assert "driver was changed" in unclear["remedy"]
            assert second.totals == [700]
        assert world.totals == [12_345]

    worlds.run(lambda clock: World(registers, tmp_path, clock), script)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_write(registers: Registers, play: Play, point: str) -> None:
    """The next life says of the operation what the register's storage holds; nothing is registered twice."""
    only(registers, "shtrih", "atol")

    async def script(world: World) -> None:
        async with world.life(die_at=point, ready=False) as life:
            asked = asyncio.ensure_future(life.run("r1", sale()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(60):
                    await life.journal.dead.wait()
            asked.cancel()
        async with world.life(ready=False) as life:
            found = await life.find_out("r1", sale())
            assert found is not None
            if "problem" in found:
                assert (found["problem"], world.totals) == ("device-fault", [])
            else:
                number = next(each["number"] for each in world.documents if each["total"])
                assert (found["status"], found["number"]) == ("registered", number)
                assert await life.run("r1", sale()) == found
            after = await life.run("r2", sale(700))
            assert after["status"] == "registered"
            assert not await life.journal.read(lambda book: book.open_works())

    assert play(script).totals in ([12_345, 700], [700])


@pytest.mark.parametrize("after_s", MOMENTS)
def test_stopped_in_the_middle(play: Play, after_s: float) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            asked = asyncio.ensure_future(life.run("r1", sale()))
            await asyncio.sleep(after_s)
            asked.cancel()
        async with world.life() as life:
            found = await life.find_out("r1", sale())
            assert found is not None
            assert found.get("status", "registered") == "registered"
            assert [found.get("number")] == ([world.documents[-1]["number"]] if world.totals else [None])

    assert len(play(script).totals) <= 1


def test_what_the_register_s_settings_exclude_is_not_begun(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            with pytest.raises(NotUnderstood, match=r"RUB, not (in )?EUR"):
                await life.run("r1", sale(currency="EUR"))
            assert (await life.run("q", {"action": "find", "reference": "r1"}))["status"] == "absent"

    assert play(script).totals == []


def test_what_the_register_refuses_has_ended(registers: Registers, play: Play) -> None:
    only(registers, "shtrih")
    too_much = {"action": "cash-out", "amount": 50_000, "currency": "RUB"}

    async def script(world: World) -> None:
        async with world.life() as life:
            answer = await life.run("out", too_much)
            assert answer["problem"] == "device-fault"
            assert "not enough cash in the drawer" in answer["detail"]
            assert (await life.run("out", too_much)) == answer
            found = await life.run("q", {"action": "find", "reference": "out"})
            assert (found["status"], found["code"]) == ("refused", "46")
            assert not await life.events("document-refused")
            assert (await life.run("r2", sale(700)))["status"] == "registered"

    assert play(script).totals == [700]


def test_cash_and_shifts_by_order(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            assert (await life.run("z0", {"action": "close-shift"}))["problem"] == "device-fault"
            put = {"action": "cash-in", "amount": 50_000, "currency": "RUB"}
            moved = {"http": 200, "status": "moved", "reference": "in", "document": "cash-in", "amount": 50_000,
                     "currency": "RUB"}  # fmt: skip
            assert await life.run("in", put) == moved
            assert await life.run("in", put) == moved
            taken = await life.run("out", {**put, "action": "cash-out", "amount": 2_000})
            assert (taken["status"], taken["amount"]) == ("moved", 2_000)
            assert "open already" in (await life.run("o", {"action": "open-shift"}))["detail"]
            closed = await life.run("z", {"action": "close-shift", "operator": {"name": "Киоск"}})
            assert (closed["status"], closed["document"]) == ("registered", "close-shift")
            assert await life.run("z", {"action": "close-shift"}) == closed
            assert (await life.run("o2", {"action": "open-shift"}))["number"] == closed["number"] + 1
            kind, minor = world.registers.cash
            assert [abs(line[minor]) for line in world.ledger(kind)] == [50_000, 2_000]

    play(script)


def test_questions(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            sold = await life.run("r1", sale())
            status = await life.run("q", {"action": "register-status"})
            assert (status["status"], status["shift"]["state"], status["last_document"]) == (
                "read", "open", sold["number"],
            )  # fmt: skip
            found = await life.run("q", {"action": "find", "number": sold["number"]})
            assert (found["status"], found["sign"]) == ("found", sold["sign"])
            assert await life.run("q", {"action": "find", "number": 900}) == {
                "http": 404, "status": "absent", "number": 900,
            }  # fmt: skip
            assert (await life.run("q", {"action": "find", "reference": "r1"}))["number"] == sold["number"]
            assert (await life.run("q", {"action": "find", "reference": "?"}))["status"] == "absent"
            assert await life.run("x", {"action": "x-report"}) == {"http": 200, "status": "printed"}
            assert await life.run("c", {"action": "copy"}) == {"http": 200, "status": "printed"}
            assert (await life.run("q", {"action": "pending"}))["documents"] == []

    assert play(script).totals == [12_345]


def test_what_an_operator_orders_is_not_kept_for_later(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("open", {"action": "open-shift"})
            life.do("paper_out")
            await asyncio.sleep(10)
            put = {"action": "cash-in", "amount": 50_000, "currency": "RUB"}
            assert (await life.run("in", put))["problem"] == "device-fault"
            assert (await life.run("z", {"action": "close-shift"}))["problem"] == "device-fault"
            life.do("paper_in")
            await asyncio.sleep(60)
            assert not world.ledger(world.registers.cash[0])
            assert (await life.run("q", {"action": "register-status"}))["shift"]["state"] == "open"

    play(script)


def test_a_receipt_of_a_payment(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            desk = life.desk
            assert desk.check_receipt(sale()) == []
            assert desk.ready_for_receipts("register") == ""
            assert "no device" in desk.ready_for_receipts("other")
            asked = [
                desk.receipt(reference="p/receipt", register="register", body=sale(), within_s=30.0) for _ in range(3)
            ]
            answers = await asyncio.gather(*asked)
            assert [answer["status"] for answer in answers] == ["registered"] * 3
            assert len({answer["number"] for answer in answers}) == 1
            again = await desk.receipt(reference="p/receipt", register="register", body=sale(), within_s=0.0)
            assert again == answers[0]
            life.do("paper_out")
            await asyncio.sleep(10)
            pending = await desk.receipt(reference="p2/receipt", register="register", body=sale(700), within_s=30.0)
            assert (pending["status"], pending["reference"]) == ("pending", "p2/receipt")
        async with world.life(ready=False) as life:
            await life.present()
            life.do("paper_in")
            assert (await life.settled("p2/receipt"))["status"] == "registered"

    assert play(script).totals == [12_345, 700]


def test_a_disk_that_takes_nothing_for_a_while(play: Play) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("open", {"action": "open-shift"})
            life.journal.failing = {"appliance.fiscal.take": 1, "appliance.fiscal.end": 3, "appliance.fiscal.begin": 2}
            assert (await life.run("r1", sale()))["problem"] == "kiosk-storage"
            assert (await life.run("r2", sale(700)))["status"] == "registered"
            paid = await life.desk.receipt(reference="p", register="register", body=sale(800), within_s=60.0)
            assert paid["status"] == "registered"

    assert play(script).totals == [700, 800]
