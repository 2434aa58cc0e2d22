"""Slips on simulated printers and registers: each on paper once, and what is said of it is true."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.devices import DeviceEntry
from appliance.journal import StorageError
from appliance.printing import jobs
from appliance.printing.jobs import Order
from appliance.printing.reading import plain
from appliance.targets import NotUnderstood
from hardware.simulation.simulator import ControlError
from tests.appliance.printing.world import ATOL, PRINTER, SHTRIH, Life, Maker, World, run, until
from tests.chaos.desk_clock import Clock

MAKERS = [PRINTER, SHTRIH, ATOL]
LONG = {"lines": ["begin of a", *(f"a {number}" for number in range(30)), "end of a"]}
Make = Callable[[Clock], World]


@pytest.fixture
def printer(tmp_path: Path) -> Make:
    return lambda clock: World(PRINTER, tmp_path, clock)


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.family)
def anyone(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return lambda clock: World(request.param, tmp_path, clock)


def test_a_slip_is_printed_and_answered(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            body = {"template": "= Сәлем, {name}\n{what} | 500 ₸\n!qr {url}", "values": {
                "name": "Айгүл", "what": "Кофе", "url": "https://kiosk.example/1"}}  # fmt: skip
            assert await life.run("r1", body) == {
                "http": 200, "status": "printed", "reference": "r1", "device": "printer",
            }  # fmt: skip
            assert await life.open_works() == 0
            assert life.told[-1] == {"stage": "printing", "device": "printer"}
        # The letters are those that the printer has, and the pair fills its line.
        assert world.paper == ["Салем, Айгул", f"Кофе{' ' * 22}500 тг"]
        assert len(world.paper[1]) == 32
        assert [line["content"] for line in world.ledger("qr_printed")] == ["https://kiosk.example/1"]
        assert len(world.ledger("slip_printed")) == 1

    run(printer, script)


def test_registers_print_slips_too(anyone: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            body = {"action": "print", "lines": ["Ваш код 123"]}
            answer = await life.run("r1", body)
            assert (answer["http"], answer["status"]) == (200, "printed")
            assert (await life.run("r2", {"copy_of": "r1"}))["copy"] is True
            assert (await life.run("r3", {**body, "copy": True}))["copy"] is True
        copy = ["КОПИЯ", "Ваш код 123", "КОПИЯ"]
        assert world.paper == ["Ваш код 123", *copy, *copy]

    run(anyone, script)


def test_the_same_request_is_one_slip(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            answers = await asyncio.gather(*(life.run("r1", {"lines": ["once"]}) for _ in range(3)))
            answers.append(await life.run("r1", {"lines": ["once"]}))
            answers.append(await life.find_out("r1"))
            assert {answer["status"] for answer in answers} == {"printed"}
        async with world.life() as life:
            assert (await life.find_out("r1"))["status"] == "printed"
            assert (await life.run("r1", {"lines": ["once"]}))["status"] == "printed"
        assert world.paper == ["once"]

    run(printer, script)


def test_slips_come_out_in_turn(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            names = [f"r{number}" for number in range(8)]
            await asyncio.gather(*(life.run(name, {"lines": [name]}) for name in names))
        assert world.paper == names

    run(printer, script)


def test_it_waits_for_paper_and_is_printed_once(anyone: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            life.hand("no paper")
            asked = asyncio.ensure_future(life.run("r1", {"lines": ["at last"]}, timeout=120))
            await asyncio.sleep(30)
            assert not asked.done()
            assert any(news["stage"] == "waiting" and news["words"] for news in life.told)
            life.hand("paper")
            assert (await asked)["status"] == "printed"
            assert not life.supervisor.find("printer").hindrance, "no paper does not mean that it fails"
        assert world.paper == ["at last"]

    run(anyone, script)


@pytest.mark.parametrize(
    ("maker", "trouble"),
    [(maker, trouble) for maker in MAKERS for trouble in ("no paper", "away")
     if (maker, trouble) != (ATOL, "away")],  # HTTP opens a connection each time, which is power to a simulated device
    ids=lambda value: value if isinstance(value, str) else value.family,
)  # fmt: skip
def test_what_cannot_be_printed_in_its_time_surely_was_not(maker: Maker, trouble: str, tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            if trouble == "away":
                life.do("power_off")
                await asyncio.sleep(20)
            else:
                life.hand(trouble)
            before = world.time.now
            answer = await life.run("r1", {"lines": ["never"]}, timeout=20)
            assert answer["problem"] in {"device-fault", "gateway-unreachable"}
            assert answer["detail"].endswith("nothing was printed")
            assert 20 <= world.time.now - before <= 40
            assert await life.open_works() == 0
            if trouble != "away":
                life.hand("paper")
                assert (await life.run("r2", {"lines": ["then"]}, timeout=60))["status"] == "printed"
        assert "never" not in world.paper

    run(lambda clock: World(maker, tmp_path, clock), script)


def test_what_waits_can_be_cancelled_and_what_is_printed_cannot(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            target = life.desk.target(life.route())
            assert not target.cancel("r1", "hub")
            life.hand("no paper")
            waiting = [asyncio.ensure_future(life.run(name, {"lines": [name]})) for name in ("r1", "r2")]
            await asyncio.sleep(5)
            assert target.cancel("r1", "hub")
            assert target.cancel("r2", "customer")
            for each, reason in zip(waiting, ("hub", "customer"), strict=True):
                answer = await each
                assert answer["problem"] == "cancelled"
                assert reason in answer["detail"]
            life.hand("paper")
            running = asyncio.ensure_future(life.run("r3", LONG))
            await until(lambda: life.told[-1]["stage"] == "printing")
            assert not target.cancel("r3", "hub")
            assert (await running)["status"] == "printed"
        assert "r1" not in world.paper
        assert "r2" not in world.paper

    run(printer, script)


def test_a_slip_that_may_be_on_paper_is_unclear_and_only_a_copy_follows(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            asked = asyncio.ensure_future(life.run("r1", LONG))
            await until(lambda: len(world.paper) > 5)
            life.do("unplug")
            answer = await asked
            assert (answer["http"], answer["status"]) == (200, "unclear")
            assert "copy" in answer["remedy"]
            again = await life.find_out("r1")
            assert again["status"] == "unclear", "the first word stands"
            await life.ready()  # its cable is back as soon as it is opened again
            copy = await life.run("r2", {"copy_of": "r1"})
            assert (copy["status"], copy["copy"], copy["reference"]) == ("printed", True, "r2")
            assert (await life.run("r3", {"copy_of": "r2"}))["status"] == "printed", "and a copy of the copy"
        assert world.paper.count("end of a") == 2
        last = world.paper[-34:]
        assert (last[0], last[-1]) == ("КОПИЯ", "КОПИЯ")

    run(printer, script)


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.family)
@pytest.mark.parametrize("after_s", [0.05, 0.3, 0.6, 1.2])
@pytest.mark.parametrize("trouble", ["no paper", "power"])
def test_trouble_in_the_middle(maker: Maker, trouble: str, after_s: float, tmp_path: Path) -> None:
    """Printed means that it is whole on paper; it is so at most once, unless a copy was asked for."""

    async def script(world: World) -> None:
        async with world.life() as life:
            asked = asyncio.ensure_future(life.run("r1", LONG))
            await asyncio.sleep(after_s)
            if trouble == "power":
                with contextlib.suppress(ControlError):
                    life.do("power_cut", after="1", seconds="3")
            else:
                life.hand("no paper")
                await asyncio.sleep(20)
                life.hand("paper")
            answer = await asked
            await asyncio.sleep(60)
            whole = world.paper.count("end of a")
            assert whole <= 1
            if "status" in answer:
                assert answer["status"] == "unclear" or whole == 1
                assert (await life.run("r2", {"copy_of": "r1"}, timeout=90))["status"] == "printed"
            else:
                assert whole == 0
                assert answer["detail"].endswith("nothing was printed")

    run(lambda clock: World(maker, tmp_path, clock), script)


def test_copies_of_what_is_not_known_or_not_over(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            assert (await life.run("r1", {"copy_of": "nobody"}))["problem"] == "bad-request"
            life.hand("no paper")
            waiting = asyncio.ensure_future(life.run("r2", {"lines": ["a"]}))
            await asyncio.sleep(3)
            assert (await life.run("r3", {"copy_of": "r2"}))["problem"] == "conflict"
            life.hand("paper")
            assert (await waiting)["status"] == "printed"

    run(printer, script)


def test_what_the_printer_cannot_print_is_refused_at_once(printer: Make) -> None:
    async def script(world: World) -> None:
        world.settings["missing"] = "refuse"
        async with world.life() as life:
            before = world.time.now
            answer = await life.run("r1", {"lines": ["漢字"]})
            assert answer["problem"] == "device-fault"
            assert "漢" in answer["detail"]
            assert world.time.now - before < 5
            assert (await life.run("r2", {"lines": ["well"]}))["status"] == "printed"

    run(printer, script)


def test_a_disk_that_takes_nothing_begins_nothing(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            life.journal.failing["appliance.printing.begin"] = 1
            answer = await life.run("r1", {"lines": ["never"]})
            assert answer["problem"] == "kiosk-storage"
            assert "nothing was printed" in answer["detail"]
            # The end is found again by the printer's own event.
            life.journal.failing["appliance.printing.end"] = 1
            assert (await life.run("r2", {"lines": ["once"]}))["status"] == "printed"
            assert await life.open_works() == 1
            assert (await life.find_out("r2"))["status"] == "printed"
        async with world.life() as life:
            assert await life.open_works() == 0
        assert world.paper == ["once"]

    run(printer, script)


def test_a_printer_out_of_service_by_order_keeps_nobody_waiting(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            watched = life.supervisor.find("printer")
            await watched.give_order(in_service=False, reason="cleaning", nonce=1)
            before = world.time.now
            answer = await life.run("r1", {"lines": ["never"]})
            assert answer["problem"] == "device-fault"
            assert "cleaning" in answer["detail"]
            assert world.time.now - before < 1
            assert await life.journal.read(lambda book: book.find_work("r1")) is None

    run(printer, script)


def test_what_is_asked_wrongly_is_not_begun(printer: Make) -> None:
    async def script(world: World) -> None:
        world.others["bills"] = DeviceEntry(
            name="bills", driver="ccnet", port=f"{world.url}x".replace("escpos", "ccnet"), settings={"currency": "KZT"}
        )
        async with world.life() as life:
            for body, device, words in (
                ({"template": "!cutt"}, "printer", "did you mean !cut?"),
                ({"lines": ["a"]}, "bills", "bills is a bill validator, and prints nothing"),
                ({"lines": ["a"]}, "nobody", "there is no device nobody"),
            ):
                with pytest.raises(NotUnderstood) as wrong:
                    await life.run("r1", body, device=device)
                assert words in str(wrong.value)

    run(printer, script)


# Slips about money.


def test_plain_lines_are_printed_once_for_a_reference(printer: Make) -> None:
    async def script(world: World) -> None:
        async def lines(life: Life, within_s: float = 30.0) -> dict[str, Any]:
            return await life.desk.print_lines(
                reference="cash-1", printer="printer", lines=["Вам должны 500"], within_s=within_s
            )

        async with world.life() as life:
            life.hand("no paper")
            first = await lines(life, 5.0)
            assert first["status"] == "not-printed"
            assert "problem" not in first
            assert (await lines(life, 5.0))["status"] == "not-printed"
            life.hand("paper")
            await life.ready()
            printed, *others = await asyncio.gather(*(lines(life) for _ in range(3)))
            assert printed["status"] == "printed"
            assert all(other == printed for other in others)
            assert await lines(life) == printed
            assert (await life.run("r1", {"copy_of": "cash-1"}))["copy"] is True
        async with world.life() as life:
            assert await lines(life) == printed
        assert world.paper == ["Вам должны 500", "КОПИЯ", "Вам должны 500", "КОПИЯ"]

    run(printer, script)


def test_plain_lines_never_raise(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            for printer_, status in (("nobody", "not-printed"), ("printer", "not-printed")):
                life.journal.failing["appliance.printing.begin"] = 1
                answer = await life.desk.print_lines(reference="x", printer=printer_, lines=["a"], within_s=3.0)
                assert answer["status"] == status

    run(printer, script)


# Power cuts and kills.


POINTS = [
    f"{action}.{moment}"
    for action in ("appliance.printing.begin", "appliance.printing.end",
                   *(f"appliance.device.record:{visit}" for visit in range(1, 8)))
    for moment in ("before", "after")
]  # fmt: skip


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.family)
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_write(maker: Maker, point: str, tmp_path: Path) -> None:
    """The next life says printed, unclear, or that nothing was printed; what it says is so, and it prints nothing."""
    action, _, moment = point.rpartition(".")
    name, _, count = action.partition(":")
    die_at = f"{name}.{moment}" + (f":{count}" if count else "")

    async def script(world: World) -> None:
        async with world.life() as life:
            await life.run("r0", {"lines": ["before"]})
        async with world.life(die_at=die_at, ready=False) as life:
            asked = asyncio.ensure_future(life.run("r1", LONG))
            await asyncio.wait({asked, asyncio.ensure_future(life.journal.dead.wait())}, return_when="FIRST_COMPLETED")
            await asyncio.sleep(0.5)
            asked.cancel()
        before = list(world.paper)
        async with world.life(ready=False) as life:
            answer = await life.find_out("r1")
            again = await life.find_out("r1")
            assert answer == again
            assert await life.open_works() == 0
        status = answer.get("status", "not-printed")
        assert "problem" not in answer or answer["detail"].endswith("nothing was printed")
        assert world.paper[: len(before)] == before
        whole = world.paper.count("end of a")
        assert whole <= 1
        assert status != "printed" or whole == 1
        assert status != "not-printed" or "begin of a" not in world.paper

    run(lambda clock: World(maker, tmp_path, clock), script)


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.family)
@pytest.mark.parametrize("after_s", [0.02, 0.1, 0.3, 0.6, 1.0, 1.5, 2.5])
def test_killed_at_any_moment(maker: Maker, after_s: float, tmp_path: Path) -> None:
    async def script(world: World) -> None:
        async with world.life(killed=True) as life:
            asked = asyncio.ensure_future(life.run("r1", LONG))
            await asyncio.sleep(after_s)
            asked.cancel()
        async with world.life(ready=False) as life:
            answer = await life.find_out("r1")
            status = answer.get("status", "not-printed")
        assert status in {"printed", "unclear", "not-printed"}
        assert status != "printed" or world.paper.count("end of a") == 1
        assert status != "not-printed" or "begin of a" not in world.paper
        assert world.paper.count("end of a") <= 1

    run(lambda clock: World(maker, tmp_path, clock), script)


def test_stopped_while_it_is_printed(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            asked = asyncio.ensure_future(life.run("r1", LONG))
            await until(lambda: len(world.paper) > 5)
            asked.cancel()
        assert world.paper.count("end of a") == 1, "the driver brings it to its end"
        async with world.life() as life:
            assert (await life.find_out("r1"))["status"] == "printed"

    run(printer, script)


def test_stopped_while_it_waits(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            life.hand("no paper")
            asked = asyncio.ensure_future(life.run("r1", {"lines": ["never"]}))
            await asyncio.sleep(5)
            asked.cancel()
        async with world.life(ready=False) as life:
            answer = await life.find_out("r1")
            assert answer["detail"].endswith("nothing was printed")
            assert await life.open_works() == 0
            life.hand("paper")
            await life.ready()
            await asyncio.sleep(30)
        assert world.paper == []

    run(printer, script)


def test_a_device_that_is_no_more_leaves_its_slip_unclear(printer: Make) -> None:
    """What it began can be told by nobody; what was not begun was surely not printed."""

    async def script(world: World) -> None:
        async with world.life() as life:
            await life.journal.write(lambda book: book.put_page("gone", {"begun": "r2"}))
            order = Order(device="gone", slip=plain(["a"]))
            for name in ("r2", "r3"):
                await life.journal.write(lambda book, name=name: jobs.begin(book, name, order, 0.0))
        async with world.life(ready=False) as life:
            assert (await life.find_out("r2"))["status"] == "unclear"
            assert (await life.find_out("r3"))["detail"].endswith("nothing was printed")
            assert await life.open_works() == 0

    run(printer, script)


def test_a_disk_that_says_nothing_for_a_while_is_asked_again(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            assert (await life.run("r1", {"lines": ["once"]}))["status"] == "printed"
            read, failures = life.journal.read, iter(range(5))

            async def failing(call: Any) -> Any:
                if next(failures, None) is not None:
                    raise StorageError("the disk does not answer", certain=True)
                return await read(call)

            life.journal.read = failing  # type: ignore[method-assign]
            assert (await life.find_out("r1"))["status"] == "printed"

    run(printer, script)


def test_what_was_never_begun_is_said_to_be_so(printer: Make) -> None:
    async def script(world: World) -> None:
        async with world.life() as life:
            assert (await life.find_out("r9"))["problem"] == "device-fault"
            assert (await life.find_out("r9"))["detail"].endswith("nothing was printed")

    run(printer, script)
