"""Which room carries an operation out, by its route and by what stands in the book."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.cash.target import CashTarget
from appliance.desk import Desk
from appliance.desk.actions import ActionsTarget
from appliance.desk.desk import Gone, Missing
from appliance.desk.device import DeviceTarget
from appliance.desk.saga import WORK_KIND, PaymentTarget, read_saga, work_id
from appliance.fiscal.target import FiscalTarget
from appliance.gateways import Gateways, HttpTarget
from appliance.gateways.atol_web import AtolWebTarget
from appliance.gateways.kaspi_pos import KaspiPosTarget
from appliance.journal import Journal, StorageError, Work
from appliance.printing.target import PrintTarget
from appliance.routes import RouteTable, parse_routes
from appliance.screen import Screen
from appliance.supervisor import Supervisor
from appliance.targets import Answered, NotUnderstood, Target
from tests.appliance.desk.rooms import ask, body_of
from tests.appliance.worlds import journal, request
from wire.messages import Error, Executed, Response

FILE = b"""
devices:
  bills: {driver: ccnet, port: /dev/none/1, currency: KZT}
  hopper: {driver: cctalk-hopper, port: /dev/none/2, denomination: 100_00}
  register: {driver: shtrih, port: /dev/none/3, currency: KZT}
  printer: {driver: escpos, port: /dev/none/4}
routes:
  payment: {url: http://127.0.0.1:9/pay}
  gateway: {url: http://127.0.0.1:9/pay, receipt: register, paid: {field: status, values: [ok]}}
  cash: {desk: cash, devices: [bills, hopper], receipt: register, printer: printer}
  fiscal: {device: register}
  print: {device: printer}
  hopper: {device: hopper}
  pos: {gateway: kaspi-pos, url: http://127.0.0.1:9}
  atol: {gateway: atol-web, url: http://127.0.0.1:9}
"""


class Here:
    """A desk over a journal; devices are not opened."""

    def __init__(self, memory: Journal, file: bytes = FILE) -> None:
        self.journal = memory
        self.routes: RouteTable = parse_routes(file, "routes.yaml")
        self.supervisor = Supervisor(
            journal=memory, screen=Screen(), clock=time.time, entries=self.routes.devices
        )  # fmt: skip
        self.gateways = Gateways()
        self.desk = Desk(journal=memory, supervisor=self.supervisor, gateways=self.gateways, clock=time.time)

    def of(self, name: str) -> Target:
        return self.desk.of(self.routes.routes[name])

    async def begun(self, id: str, kind: str, data: object, result: object = None) -> None:
        work = Work(id=id, kind=kind, begun_at=1.0, data=msgspec.Raw(msgspec.json.encode(data)))
        await self.journal.write(lambda book: book.begin_work(work))
        if result is not None:
            await self.journal.write(lambda book: book.end_work(id, result))


@asynccontextmanager
async def here(directory: Path, file: bytes = FILE) -> AsyncIterator[Here]:
    async with journal(directory) as memory:
        kiosk = Here(memory, file)
        try:
            yield kiosk
        finally:
            await kiosk.desk.close()
            await kiosk.gateways.close()


def inner(target: Target | None) -> Target:
    """Who carries the payment itself out."""
    assert isinstance(target, PaymentTarget)
    return target._inner


async def test_every_kind_of_route_has_its_room(tmp_path: Path) -> None:
    async with here(tmp_path) as kiosk:
        assert isinstance(kiosk.of("payment"), HttpTarget)
        assert isinstance(inner(kiosk.of("gateway")), HttpTarget)
        assert isinstance(inner(kiosk.of("cash")), CashTarget)
        assert isinstance(inner(kiosk.of("pos")), KaspiPosTarget)
        assert isinstance(kiosk.of("atol"), AtolWebTarget)


@pytest.mark.parametrize(
    ("route", "body", "room"),
    [
        ("fiscal", {"lines": []}, FiscalTarget),
        ("fiscal", {}, FiscalTarget),
        ("fiscal", {"action": "close-shift"}, FiscalTarget),
        ("fiscal", {"action": "print"}, PrintTarget),
        ("fiscal", {"action": "status"}, ActionsTarget),
        ("print", {"lines": []}, PrintTarget),
        ("print", {"action": "status"}, ActionsTarget),
        ("hopper", {}, ActionsTarget),
        ("hopper", {"action": "refill"}, ActionsTarget),
    ],
)
async def test_a_devices_route_goes_by_its_role_and_the_action(
    tmp_path: Path, route: str, body: dict[str, Any], room: type[Target]
) -> None:
    async with here(tmp_path) as kiosk:
        target = kiosk.of(route)
        assert isinstance(target, DeviceTarget)
        assert isinstance(target._target(ask(body)), room)


@pytest.mark.parametrize(
    ("route", "body", "words"),
    [
        ("fiscal", {"action": "clsoe-shift"}, "did you mean close-shift?"),
        ("fiscal", {"action": "stauts"}, "did you mean status?"),
        ("print", {"action": "x-report"}, "known are print, status"),
        ("hopper", {"action": 5}, "known are status"),
    ],
)
async def test_an_action_that_nobody_knows_is_told_with_those_that_are_known(
    tmp_path: Path, route: str, body: dict[str, Any], words: str
) -> None:
    async with here(tmp_path) as kiosk:
        with pytest.raises(NotUnderstood, match=words.replace("?", r"\?")):
            kiosk.of(route).check(ask(body))


async def test_money_for_a_register_that_counts_another_currency_is_not_taken(tmp_path: Path) -> None:
    file = FILE.replace(b"/dev/none/3, currency: KZT", b"/dev/none/3").replace(
        b", receipt: register, printer", b", printer"
    )
    body = {"order": 1, "receipt": {"currency": "KZT", "lines": [{"name": "Tea", "price": 100}]}}
    async with here(tmp_path / "a") as kiosk:
        kiosk.of("gateway").check(ask(body))
    async with here(tmp_path / "b", file) as kiosk:
        with pytest.raises(NotUnderstood, match=r"receipt\.currency: the register counts RUB, not KZT"):
            kiosk.of("gateway").check(ask(body))


async def test_what_was_begun_is_asked_of_who_began_it_whatever_the_route_is_now(tmp_path: Path) -> None:
    cash = {"status": "paid", "amount": 1, "currency": "KZT", "collected": 1, "change_paid": 0, "change_owed": 0,
            "notes": {}, "coins": {}, "reason": ""}  # fmt: skip
    async with here(tmp_path) as kiosk:
        await kiosk.begun("r1", "cash", {}, cash)
        for route in (kiosk.routes.routes["payment"], kiosk.routes.routes["cash"], None):
            target = await kiosk.desk.of_cut_off("r1", route)
            assert target is not None
            assert target.can_tell(ask({}))
            assert body_of(await target.find_out(ask({})))["status"] == "paid"
        await kiosk.begun("r2", "fiscal", {})
        assert isinstance(await kiosk.desk.of_cut_off("r2", None), FiscalTarget)
        await kiosk.begun("r3", "print", {})
        assert isinstance(await kiosk.desk.of_cut_off("r3", kiosk.routes.routes["payment"]), PrintTarget)


async def test_a_disk_that_does_not_say_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.desk.desk._READ_AGAIN_S", 0.01)
    async with here(tmp_path) as kiosk:
        await kiosk.begun("r1", "fiscal", {})
        read, failures = Journal.read, iter([True, True, False])

        async def sometimes(journal: Journal, call: Any) -> Any:
            if next(failures):
                raise StorageError("the disk is away")
            return await read(journal, call)

        monkeypatch.setattr(Journal, "read", sometimes)
        assert isinstance(await kiosk.desk.of_cut_off("r1", None), FiscalTarget)


async def test_payments_that_nobody_asks_after_are_brought_to_their_end(tmp_path: Path) -> None:
    plan = {"receipt": {"lines": [{"name": "Tea", "price": 100}], "currency": "KZT"}, "amount": 100}
    saga = {"register": "register", "tender": "cash", "plan": plan}
    refused = Response(request_id="r1", operation="cash", executed=Executed.NO, error=Error("kiosk-storage", ""))
    async with here(tmp_path) as kiosk:
        await kiosk.begun(work_id("r1"), WORK_KIND, saga)
        await kiosk.journal.refuse(request("r1", "cash"), refused)
        await kiosk.begun(work_id("r2"), WORK_KIND, saga)
        await kiosk.journal.begin(request("r2", "cash"))  # operations ask after this one
        await kiosk.begun(work_id("r3"), WORK_KIND, saga)
        kiosk.desk.start()
        assert kiosk.desk._resuming is not None
        await kiosk.desk._resuming
        (open_one,) = await kiosk.journal.read(lambda book: book.open_works(WORK_KIND))
        assert open_one.id == work_id("r2")
        ended = await kiosk.journal.read(lambda book: [book.find_work(work_id(each)) for each in ("r1", "r3")])
        assert [read_saga(work).receipt["status"] for work in ended if work] == ["not-needed", "unclear"]


async def test_where_nothing_was_begun_the_route_tells(tmp_path: Path) -> None:
    async with here(tmp_path) as kiosk:
        assert isinstance(await kiosk.desk.of_cut_off("r1", kiosk.routes.routes["payment"]), HttpTarget)
        assert isinstance(inner(await kiosk.desk.of_cut_off("r1", kiosk.routes.routes["cash"])), CashTarget)
        assert await kiosk.desk.of_cut_off("r1", None) is None


async def test_a_receipt_follows_though_its_route_has_gone(tmp_path: Path) -> None:
    saga = {
        "register": "register", "tender": "electronic", "status": 200, "paid": True, "answer": {"status": "ok"},
        "plan": {"receipt": {"lines": [{"name": "Tea", "price": 100}], "currency": "KZT"}, "amount": 100},
    }  # fmt: skip
    async with here(tmp_path) as kiosk:
        await kiosk.begun(work_id("r1"), WORK_KIND, saga)
        target = await kiosk.desk.of_cut_off("r1", None)
        assert isinstance(inner(target), Gone)
        assert target is not None
        assert target.can_tell(ask({}))
        await kiosk.begun("r1/receipt", "fiscal", {}, {
            "status": "registered", "reference": "r1/receipt", "document": "receipt", "number": 7, "printed": True,
        })  # fmt: skip
        answer = await target.find_out(ask({}))
        assert isinstance(answer, Answered)
        assert body_of(answer)["receipt"]["number"] == 7
        assert await kiosk.journal.read(lambda book: book.open_works(WORK_KIND)) == []


async def test_a_device_that_has_gone_is_told_in_words(tmp_path: Path) -> None:
    async with here(tmp_path) as kiosk:
        route = msgspec.structs.replace(
            kiosk.routes.routes["fiscal"], kind=msgspec.structs.replace(kiosk.routes.routes["fiscal"].kind, device="x")
        )
        target = kiosk.desk.of(route)
        assert isinstance(target, Missing)
        with pytest.raises(NotUnderstood, match="there is no device x; there are bills"):
            target.check(ask({}))
