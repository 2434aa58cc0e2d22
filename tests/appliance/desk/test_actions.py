"""What any device can be asked: on simulated devices, a real journal, and a disk that fails now and then."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.desk.actions import ACTIONS, DeviceActions, read_asked
from appliance.journal import Book, Entry, Journal, StorageError
from appliance.kinds import DeviceRoute
from appliance.routes import Route
from appliance.supervisor import Supervisor
from appliance.targets import Answered, Ask, NeverGot, NoAnswer, NotUnderstood, Result, Target
from hardware.events import BillStacked, CoinAccepted, DeviceState
from tests.appliance.supervisor.yard import entries, journal, supervised, told, until, virtual, well, yard
from wire.money import Money

GIVEN: dict[str, dict[str, Any]] = {
    "bills": {"driver": "ccnet", "port": "/dev/nowhere-bills", "currency": "KZT", "capacity": 10, "near_full": 2},
    "coins": {"driver": "cctalk", "port": "/dev/nowhere-bus"},
    "hopper": {
        "driver": "cctalk-hopper", "port": "/dev/nowhere-bus", "denomination": 10000, "near_empty": 5, "label": "left",
    },
    "register": {"driver": "shtrih", "port": "/dev/nowhere-register"},
    "printer": {"driver": "escpos", "port": "/dev/nowhere-printer"},
}  # fmt: skip


class Counter:
    """Asks devices, as operations do."""

    def __init__(self, memory: Journal, supervisor: Supervisor) -> None:
        self.memory = memory
        self.supervisor = supervisor
        self.actions = DeviceActions(journal=memory, supervisor=supervisor, clock=lambda: 1_800_000_000.0)
        self.count = 0

    def target(self, device: str) -> Target:
        return self.actions.target(Route(name="x", url="", kind=DeviceRoute(device)))

    def ask(self, body: object, request_id: str = "") -> Ask:
        self.count += 1
        return Ask(
            request_id=request_id or f"request-{self.count}", operation="x", method="POST",
            body=msgspec.json.encode(body), route=lambda: None, tell=lambda _: None,
        )  # fmt: skip

    async def run(self, device: str, request_id: str = "", **body: object) -> Result:
        """`set_level` in the place of `set-level`."""
        body["action"] = str(body["action"]).replace("_", "-")
        ask = self.ask(body, request_id)
        self.target(device).check(ask)
        return await self.target(device).run(ask)

    async def answer(self, device: str, request_id: str = "", **body: object) -> dict[str, Any]:
        result = await self.run(device, request_id, **body)
        assert isinstance(result, Answered), result
        assert result.status == 200
        found = msgspec.json.decode(result.body, type=dict[str, Any])
        assert found.pop("device") == device
        assert found.pop("action") == body["action"]
        return found

    async def take(self, device: str, event: BillStacked | CoinAccepted) -> None:
        """As a driver tells it."""
        await self.supervisor.find(device).page.record(event, None)


@contextlib.asynccontextmanager
async def counter(directory: Path, **given: dict[str, Any]) -> AsyncIterator[Counter]:
    """All five roles on lines where nothing is, unless they are given."""
    async with journal(directory / "journal") as memory, supervised(memory, entries(**(given or GIVEN))) as supervisor:
        yield Counter(memory, supervisor)


def note(number: int, minor: int = 50000) -> BillStacked:
    return BillStacked(bill=Money(minor, "KZT"), escrow=number)


# Reading


@pytest.mark.parametrize(
    ("device", "body", "mistakes"),
    [
        ("bills", [], ["JSON object"]),
        ("bills", {}, ["action: is required; known are status, self-test, enable"]),
        ("bills", {"action": "statsu"}, ["'statsu' is nothing that bills, a bill validator, can do; did you mean"]),
        ("bills", {"action": 5}, ["action: '5' is nothing"]),
        ("bills", {"action": "refill", "count": 5}, ["'refill' is nothing that bills, a bill validator, can do"]),
        ("printer", {"action": "collect"}, ["'collect' is nothing that printer, a receipt printer, can do"]),
        ("bills", {"action": "status", "extra": 1}, ["extra: is nothing to status, which takes nothing else"]),
        ("bills", {"action": "disable", "reason": 5, "x": 1}, [
            "reason: right would be text", "x: is nothing to disable, which knows reason",
        ]),
        ("bills", {"action": "self-test", "print": True}, ["print: bills is a bill validator, and prints nothing"]),
        ("printer", {"action": "self-test", "print": "yes"}, ["print: right would be true or false"]),
        ("hopper", {"action": "refill", "count": 0}, ["count: right would be a whole number of notes or coins, 1 to"]),
        ("hopper", {"action": "refill", "count": True}, ["count: right"]),
        ("hopper", {"action": "set-level", "count": 1, "denomination": 5000}, [
            "denomination: hopper holds 100.00 KZT, not 50.00 KZT"
        ]),
        ("hopper", {"action": "set-level", "count": 1.5, "currency": "KZ", "denomination": -1}, [
            "count: right would be", "denomination: right would be minor units", "currency: right would be an ISO",
        ]),
        ("bills", {"action": "set-level", "count": 5}, ["denomination: right would be minor units"]),
        ("printer", {"action": "settle-claim", "claim": "X", "note": 5, "by": "me"}, [
            "by: is nothing to settle-claim, which knows claim, note", "claim: right would be the code", "note: right",
        ]),
        ("bills", {"action": "settle-claim"}, ["claim: right would be the code that the customer shows"]),
        ("bills", {"action": "settle-claim", "claim": 5}, ["claim: right would be the code"]),
    ],
)  # fmt: skip
@virtual
async def test_all_that_is_wrong_is_told_at_once(
    tmp_path: Path, device: str, body: object, mistakes: list[str]
) -> None:
    async with counter(tmp_path) as there:
        with pytest.raises(NotUnderstood) as caught:
            there.target(device).check(there.ask(body))
        for words in mistakes:
            assert words in str(caught.value)
        assert str(caught.value).count("; ") <= len(mistakes)


@virtual
async def test_every_action_is_known_of_some_device_and_no_device_is_no_target(tmp_path: Path) -> None:
    async with counter(tmp_path) as there:
        for action in ACTIONS:
            fields: dict[str, Any] = {"count": 1, "denomination": 10000} if action == "set-level" else {}
            fields |= {"count": 1} if action == "refill" else {}
            fields |= {"claim": "CD47-KPX3"} if action == "settle-claim" else {}
            body = msgspec.json.encode({"action": action, **fields})
            assert read_asked(body, there.supervisor.find("hopper")).action == action
        with pytest.raises(NotUnderstood, match="there is no device other; there are bills"):
            there.target("other").check(there.ask({"action": "status"}))


# Orders


@virtual
async def test_out_of_service_by_order_and_back(tmp_path: Path) -> None:
    async with counter(tmp_path) as there:
        watched = there.supervisor.find("bills")
        watched.bind("session-1")
        found = await there.answer("bills", "one", action="disable", reason="being cleaned")
        assert found == {"in_service": False, "reason": "being cleaned", "work": "session-1"}
        assert "out of service by order" in watched.hindrance
        assert not (await there.answer("bills", action="status"))["in_service"]
        assert (await there.answer("bills", action="enable"))["in_service"]
        # The first one comes again, as after a power cut: it is done already.
        assert (await there.answer("bills", "one", action="disable", reason="being cleaned"))["in_service"]
        assert [msgspec.json.decode(e.data)["in_service"] for e in await told(there.memory, "service-ordered")] == [
            False, True,
        ]  # fmt: skip


@virtual
async def test_a_circuit_is_reset_by_a_person(tmp_path: Path) -> None:
    async with counter(tmp_path) as there:
        watched = there.supervisor.find("bills")
        for _ in range(3):
            watched.went_wrong(OSError("silent"))
        assert await there.answer("bills", action="reset-circuit") == {"was": "open"}
        assert watched.circuit.admits


# Levels


@virtual
async def test_a_hopper_is_counted_filled_and_emptied_once_for_each_request(tmp_path: Path) -> None:
    async with counter(tmp_path) as there:
        for _ in range(2):
            found = await there.answer("hopper", "count", action="set-level", count=20)
            assert (found["minor"], found["currency"], found["count"], found["was"]) == (10000, "KZT", 20, None)
        for _ in range(2):
            assert (await there.answer("hopper", "fill", action="refill", count=30))["level"] == 50
        lying = (await there.answer("hopper", action="levels"))["lying"]
        assert lying == [{"currency": "KZT", "total": 500000, "counts": {"10000": 50}}]
        await there.answer("hopper", action="set-level", count=3)
        assert (await there.answer("hopper", action="levels"))["state"] == "near-empty"
        assert len(await told(there.memory, "level-near-empty", "hopper")) == 1
        record = await there.answer("hopper", "take", action="collect")
        assert (record["total"], record["counts"]) == (30000, {"10000": 3})
        assert await there.answer("hopper", "take", action="collect") == record
        assert (await there.answer("hopper", action="levels"))["lying"] == []


@virtual
async def test_a_validator_near_full_is_told_by_its_owners_marks(tmp_path: Path) -> None:
    async with counter(tmp_path) as there:
        for number in range(3):
            await there.take("bills", note(number))
        assert len(await told(there.memory, "level-near-full", "bills")) == 1
        found = await there.answer("bills", action="set-level", denomination=50000, count=1)
        assert (found["was"], found["currency"]) == (None, "KZT")
        assert (await there.answer("bills", action="collect"))["total"] == 50000


@virtual
async def test_a_reconciliation_is_made_once_for_a_request(tmp_path: Path) -> None:
    async with counter(tmp_path) as there:
        await there.take("bills", note(1))
        first = await there.answer("register", "one", action="reconcile")
        assert first["register"] == "register"
        assert first["devices"][0]["counts"] == {"50000": 1}
        assert await there.answer("register", "one", action="reconcile") == first
        second = await there.answer("bills", "two", action="reconcile")
        assert (second["register"], second["devices"]) == ("", [])
        assert len(await told(there.memory, "reconciliation")) == 2


@virtual
async def test_a_claim_is_settled_once(tmp_path: Path) -> None:
    owed = {"claim": "CD47-KPX3", "currency": "KZT", "change_owed": 50_000, "change_unclear": 0, "reason": "idle"}

    def end(book: Book) -> None:
        raw = msgspec.Raw(msgspec.json.encode(owed))
        book.enter(Entry(nonce=5, at=1.0, work="session", kind="cash-ended", data=raw))

    async with counter(tmp_path) as there:
        unknown = await there.run("bills", action="settle-claim", claim="CD47-KPX3")
        assert unknown == NeverGot("claim: nothing is known of CD47-KPX3 in this kiosk's journal", "bad-request")
        await there.memory.write(end)
        answer = await there.answer("printer", "one", action="settle-claim", claim=" cd47-kpx3 ", note="paid")
        assert answer == {
            "claim": "CD47-KPX3", "work": "session", "currency": "KZT", "owed": 50_000, "unclear": 0,
        }  # fmt: skip
        assert await there.answer("printer", "one", action="settle-claim", claim="CD47-KPX3", note="paid") == answer
        body = {"action": "settle-claim", "claim": "CD47-KPX3", "note": "paid"}
        found = await there.target("printer").find_out(there.ask(body, "one"))
        assert isinstance(found, Answered), "after a power cut it is the same"
        other = await there.run("bills", "two", action="settle-claim", claim="CD47-KPX3")
        assert isinstance(other, NeverGot)
        assert other.detail == (
            "claim: CD47-KPX3 is settled since 2027-01-15 08:00 UTC; nothing is owed under it any more"
        )  # fmt: skip
        (event,) = await told(there.memory, "claim-settled")
        assert msgspec.json.decode(event.data)["note"] == "paid"


@virtual
async def test_a_register_is_asked_for_its_totals_before_it_is_reconciled(tmp_path: Path) -> None:
    async with yard(tmp_path) as there:
        given = {"register": {"driver": "shtrih", "port": await there.put("kkt", "shtrih", link="v2")}}
        async with counter(tmp_path, **given) as asked:
            clock = itertools.count(1_800_000_000.0).__next__
            asked.actions = DeviceActions(journal=asked.memory, supervisor=asked.supervisor, clock=clock)
            await well(asked.supervisor, "register")
            (first,) = (await asked.answer("register", "one", action="reconcile"))["register_totals"]
            assert (first["drawer"], first["currency"], first["expected"]) == (0, "RUB", None)
            (second,) = (await asked.answer("register", "two", action="reconcile"))["register_totals"]
            assert (second["drawer"], second["moved"], second["expected"], second["words"]) == (0, 0, 0, "")
            await there.kill("kkt")
            (third,) = (await asked.answer("register", "three", action="reconcile"))["register_totals"]
            assert (third["drawer"], third["words"]) == (None, "it did not tell its totals")


# The disk


@virtual
async def test_without_a_disk_nothing_is_done_and_it_is_found_out_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counter(tmp_path) as there:
        write = Journal.write
        fails = StorageError("the disk is full", certain=True)

        async def broken(self: Journal, *arguments: Any, **more: Any) -> Any:
            raise fails

        monkeypatch.setattr(Journal, "write", broken)
        refused = await there.run("hopper", action="refill", count=5)
        assert refused == NeverGot("it could not be written down: the disk is full", "kiosk-storage")
        fails = StorageError("it broke in the middle")
        assert isinstance(await there.run("hopper", "one", action="refill", count=5), NoAnswer)
        target, ask = there.target("hopper"), there.ask({"action": "refill", "count": 5}, "one")
        assert target.can_tell(ask)
        finding = asyncio.ensure_future(target.find_out(ask))
        await asyncio.sleep(0.1)
        monkeypatch.setattr(Journal, "write", write)
        assert isinstance(await finding, Answered)
        assert (await there.answer("hopper", action="levels"))["lying"][0]["counts"] == {"10000": 5}


# Devices that answer


@virtual
async def test_an_absent_device_has_a_status_and_fails_its_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.desk import actions

    monkeypatch.setattr(actions, "_ANSWER_S", 0.2)
    async with counter(tmp_path) as there:
        found = await there.answer("printer", action="status")
        assert (found["state"], found["reported"]) == ("absent", None)
        assert found["reported_why"]
        test = await there.answer("hopper", action="self-test")
        assert not test["passed"]
        assert [each["check"] for each in test["checks"] if not each["passed"]] == ["answers", "state"]


@virtual
async def test_every_role_says_how_it_is_and_prints_a_slip_when_asked(tmp_path: Path) -> None:
    async with yard(tmp_path) as here:
        bus = await here.put("bus", "cctalk", devices="coins,hopper")
        given = {
            "coins": GIVEN["coins"] | {"port": bus}, "hopper": GIVEN["hopper"] | {"port": bus},
            "bills": GIVEN["bills"] | {"port": await here.put("bills", "ccnet")},
            "register": GIVEN["register"] | {"port": await here.put("register", "shtrih")},
            "printer": GIVEN["printer"] | {"port": await here.put("printer", "escpos")},
        }  # fmt: skip
        async with counter(tmp_path, **given) as there:
            await well(there.supervisor, *given)
            for device in given:
                prints = device in {"register", "printer"}
                test = await there.answer(device, action="self-test", **({"print": True} if prints else {}))
                assert test["passed"], (device, test)
                assert test["slip"] == ("printed" if prints else None)
            status = await there.answer("register", action="status")
            assert status["reported"]["shift"]["state"] in {"closed", "open"}
            assert status["identity"]["serial"]
            here.do("printer", "paper_out")
            await until(lambda: there.supervisor.find("printer").status.state is DeviceState.FAULT)
            test = await there.answer("printer", "slip", action="self-test", print=True)
            assert (test["passed"], test["slip"]) == (False, "failed")
            again = await there.target("printer").find_out(there.ask({"action": "self-test", "print": True}, "slip"))
            assert isinstance(again, Answered)
            assert msgspec.json.decode(again.body)["slip"] == "unclear"
