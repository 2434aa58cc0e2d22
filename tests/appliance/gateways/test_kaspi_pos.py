"""A Kaspi terminal: charged once whatever happens, and the outcome says what the terminal's ledger says."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from appliance.gateways.kaspi_pos_watch import Timing
from appliance.targets import Answered, NeverGot, NoAnswer
from tests.appliance.gateways.kaspi_world import QUICK, counter, kiosk, said
from tests.appliance.quick import quick
from tests.appliance.worlds import request, until
from wire.messages import Executed, Response

CHARGED = [("charge", 125000)]


@quick
async def test_a_payment_is_started_polled_and_answered(tmp_path: Path) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        answer = said(await here.pay())
        assert {name: answer[name] for name in ("status", "action", "amount", "currency", "method")} == {
            "status": "approved", "action": "payment", "amount": 125000, "currency": "KZT", "method": "qr",
        }  # fmt: skip
        assert answer["transaction_id"] == answer["order_number"] == there.terminal.ledger.lines[0]["transaction_id"]
        assert answer["terminal"]["amount"] == "1250 ₸"
        assert "charged" not in answer
        assert there.effects() == CHARGED
        assert there.asked.count("/v2/payment") == 1


@quick
async def test_progress_says_what_the_customer_is_to_do(tmp_path: Path) -> None:
    async with counter(speed=5.0) as there, kiosk(tmp_path, there.url) as here:
        answer = said(await here.pay())
        assert [told["stage"] for told in here.told] == [
            "starting", "starting", "waiting-for-customer", "waiting-for-confirmation",
        ]  # fmt: skip
        assert all(told["words"] for told in here.told)
        assert here.told[-1]["process_id"] == answer["process_id"]


@quick
async def test_a_card_leaves_its_mask_and_no_more(tmp_path: Path) -> None:
    async with counter(method="card") as there, kiosk(tmp_path, there.url) as here:
        answer = said(await here.pay())
        assert (answer["card_mask"], answer["method"], answer["authorization_code"]) == (
            "440043******0001", "card", "700001",
        )  # fmt: skip
        assert answer["rrn"] == answer["transaction_id"]


@pytest.mark.parametrize(("fault", "reason"), [("decline", "failed"), ("cancelled", "cancelled")])
@quick
async def test_what_is_not_paid_is_an_answer(tmp_path: Path, fault: str, reason: str) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        there.fault(fault)
        answer = said(await here.pay())
        assert (answer["status"], answer["reason"]) == ("declined", reason)
        assert answer["message"]
        assert there.effects() == [("refused", 125000)]


@pytest.mark.parametrize(("fault", "status"), [("unknown:2", "approved"), ("unknown-declined:3", "declined")])
@quick
async def test_an_unknown_end_is_asked_of_the_bank(tmp_path: Path, fault: str, status: str) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        there.fault(fault)
        assert said(await here.pay())["status"] == status
        assert there.asked.count("/v2/actualize") == int(fault[-1])
        assert [told["stage"] for told in here.told][-1] == "asking-the-bank"


@quick
async def test_the_bank_is_not_asked_more_often_than_it_may_be(tmp_path: Path) -> None:
    slow = QUICK.__class__(**{**{n: getattr(QUICK, n) for n in QUICK.__struct_fields__}, "actualize": 0.4})
    async with counter() as there, kiosk(tmp_path, there.url, slow) as here:
        there.fault("unknown:2")
        began = asyncio.get_running_loop().time()
        said(await here.pay())
        assert asyncio.get_running_loop().time() - began > 0.4
        assert there.asked.count("/v2/actualize") == 2


@pytest.mark.parametrize("fault", ["busy", "error:999", "error:404", "error:106"])
@quick
async def test_a_refused_start_has_begun_nothing(tmp_path: Path, fault: str) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        there.fault(fault)
        result = await here.pay()
        assert isinstance(result, NeverGot)
        assert result.problem == "device-fault"
        assert (await here.work()).result is not None
        assert await here.find_out() == result
        assert there.effects() == []


@quick
async def test_a_terminal_that_is_not_there_was_never_asked(tmp_path: Path) -> None:
    async with kiosk(tmp_path, "http://127.0.0.1:9") as here:
        result = await here.pay()
        assert isinstance(result, NeverGot)
        assert result.problem == "gateway-unreachable"
        assert not (await here.work()).is_open


@pytest.mark.parametrize("fault", ["lost", "hang-after", "not-json", "no-id", "error:108", "error:1", "reset"])
@quick
async def test_a_start_whose_answer_is_lost_is_never_sent_again(tmp_path: Path, fault: str) -> None:
    quick = Timing(**{**{n: getattr(QUICK, n) for n in QUICK.__struct_fields__}, "start": 0.3})
    async with counter() as there, kiosk(tmp_path, there.url, quick) as here:
        there.fault(fault)
        result = await here.pay()
        assert isinstance(result, NoAnswer)
        assert ("without the number of a process" in result.detail) == (fault == "no-id")
        here.anew()
        assert await here.find_out() is None
        await there.idle()
        assert there.effects() in (CHARGED, [])
        assert there.asked.count("/v2/payment") <= 1
        (event,) = await here.events()
        assert (event["request_id"], event["amount"], event["process_id"]) == ("request-1", 125000, "")
        assert "terminal's own list" in event["words"]
        assert await here.find_out() is None
        assert len(await here.events()) == 1


@quick
async def test_the_terminal_is_kept_from_others_while_a_lost_one_may_be_on_it(tmp_path: Path) -> None:
    async with counter(speed=8.0) as there, kiosk(tmp_path, there.url) as here:
        there.fault("lost")
        assert isinstance(await here.pay(), NoAnswer)
        finding = asyncio.create_task(here.find_out())
        await until(lambda: here.told[-1]["stage"] == "unclear")
        other = await here.pay({"amount": 5000}, "request-2")
        assert isinstance(other, NeverGot)
        assert (other.problem, "request-1" in other.detail) == ("kiosk-busy", True)
        assert await finding is None
        assert there.effects() == CHARGED
        assert said(await here.pay({"amount": 5000}, "request-2b"))["status"] == "approved"


@quick
async def test_a_slow_customer_is_waited_for_beyond_the_routes_timeout(tmp_path: Path) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        there.fault("slow:0.5")
        assert isinstance(await here.pay(timeout=0.2), NoAnswer)
        assert said(await here.find_out())["status"] == "approved"
        assert there.effects() == CHARGED


@quick
async def test_two_at_a_time_are_one_too_many(tmp_path: Path) -> None:
    async with counter(speed=10.0) as there, kiosk(tmp_path, there.url) as here:
        first = asyncio.create_task(here.pay())
        await until(lambda: there.terminal.busy)
        second = await here.pay({"amount": 5000}, "request-2")
        assert isinstance(second, NeverGot)
        assert (second.problem, "request-1" in second.detail) == ("kiosk-busy", True)
        assert said(await first)["status"] == "approved"
        assert there.effects() == CHARGED


@quick
async def test_one_of_somebody_elses_is_told_by_the_terminal(tmp_path: Path) -> None:
    async with counter(speed=5.0) as there, kiosk(tmp_path, there.url) as here:
        there.terminal.start("payment", 77700, "qr", "", None)
        second = await here.pay()
        assert isinstance(second, NeverGot)
        assert "still busy with the operation before" in second.detail
        assert "nothing was begun" in second.detail
        await there.idle()
        assert there.effects() == [("charge", 77700)]


@quick
async def test_a_terminal_away_for_a_while_is_asked_on(tmp_path: Path) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        there.fault("status=reset", 3)
        there.fault("status=not-json", 2)
        there.fault("status=error:500", 2)
        assert said(await here.pay())["status"] == "approved"
        assert "terminal-away" in [told["stage"] for told in here.told]


@quick
async def test_a_process_that_is_forgotten_is_for_a_person(tmp_path: Path) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        there.fault("forget")
        assert isinstance(await here.pay(), NoAnswer)
        assert await here.find_out() is None
        (event,) = await here.events()
        assert event["process_id"]
        assert "does not know this process" in event["words"]


@quick
async def test_saying_once_that_it_is_not_known_is_not_believed(tmp_path: Path) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        there.fault("status=error:101", 3)
        assert said(await here.pay())["status"] == "approved"


@quick
async def test_a_terminal_that_counts_in_something_else_is_noticed(tmp_path: Path) -> None:
    async with counter(unit="tiyn") as there, kiosk(tmp_path, there.url) as here:
        answer = said(await here.pay())
        assert (answer["amount"], answer["charged"]) == (125000, 1250)
        assert there.effects() == [("charge", 1250)]
        (event,) = await here.events("payment-amount-differs")
        assert (event["amount"], event["charged"]) == (125000, 1250)
        right = said(await here.pay({"amount": 12345}, "request-2", unit="tiyn"))
        assert "charged" not in right
        assert there.effects(12345) == [("charge", 12345)]


@quick
async def test_a_refund_gives_back_no_more_than_was_paid(tmp_path: Path) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        paid = said(await here.pay())
        body = {"action": "refund", "amount": 100000, "method": "qr", "transaction_id": paid["transaction_id"]}
        back = said(await here.pay(body, "request-2"))
        assert (back["status"], back["action"], back["amount"]) == ("approved", "refund", 100000)
        assert "charged" not in back
        again = said(await here.pay(body, "request-3"))
        assert again["status"] == "declined"
        assert there.effects() == [*CHARGED, ("refund", 100000), ("refused", 100000)]


@quick
async def test_a_refund_whose_answer_is_lost_is_never_sent_again(tmp_path: Path) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        paid = said(await here.pay())
        body = {"action": "refund", "amount": 100000, "method": "qr", "transaction_id": paid["transaction_id"]}
        there.fault("refund=lost")
        assert isinstance(await here.pay(body, "request-2"), NoAnswer)
        assert await here.find_out(body, "request-2") is None
        await there.idle()
        assert there.effects(100000) == [("refund", 100000)]
        assert [event["action"] for event in await here.events()] == ["refund"]


@quick
async def test_questions_change_nothing(tmp_path: Path) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        paid = said(await here.pay())
        status = said(await here.pay({"action": "status", "process_id": paid["process_id"]}, "request-2"))
        assert (status["status"], status["transaction_id"]) == ("success", paid["transaction_id"])
        device = said(await here.pay({"action": "device"}, "request-3"))
        assert device == {
            "status": "ok", "terminal": {"posNum": "0", "serialNum": "00000000001", "terminalId": "30000001"},
        }  # fmt: skip
        unknown = await here.pay({"action": "status", "process_id": "1"}, "request-4")
        assert isinstance(unknown, NeverGot)
        assert "does not know this process" in unknown.detail
        assert isinstance(await here.find_out({"action": "device"}, "request-3"), NeverGot)
        assert await here.work("request-3") is None
        assert there.effects() == CHARGED


# Tokens


@quick
async def test_a_protected_terminal_says_what_a_person_must_do(tmp_path: Path) -> None:
    async with counter(protected=True) as there, kiosk(tmp_path, there.url) as here:
        refused = await here.pay(protected=True)
        assert isinstance(refused, NeverGot)
        assert '{"action": "register"}' in refused.detail
        unsaid = await here.pay({}, "request-1b")
        assert isinstance(unsaid, NeverGot)
        assert "protected: true" in unsaid.detail
        assert said(await here.pay({"action": "register"}, "request-2", protected=True)) == {
            "status": "registered", "name": "kioskwire",
        }  # fmt: skip
        assert said(await here.pay({}, "request-3", protected=True))["status"] == "approved"
        here.anew()
        assert said(await here.pay({}, "request-4", protected=True))["status"] == "approved"
        assert len(there.effects()) == 2


@quick
async def test_an_expired_token_is_renewed_and_the_start_sent_that_was_refused(tmp_path: Path) -> None:
    async with counter(protected=True) as there, kiosk(tmp_path, there.url) as here:
        said(await here.pay({"action": "register"}, "request-0", protected=True))
        there.fault("payment=expired")
        there.fault("status=expired", 2)
        assert said(await here.pay({}, "request-1", protected=True))["status"] == "approved"
        assert there.effects() == CHARGED
        assert there.asked.count("/v2/revoke") == 3
        here.anew()  # the renewed tokens are on the disk
        assert said(await here.pay({}, "request-2", protected=True))["status"] == "approved"


@quick
async def test_a_token_that_is_not_renewed_is_for_a_person(tmp_path: Path) -> None:
    async with counter(protected=True) as there, kiosk(tmp_path, there.url) as here:
        said(await here.pay({"action": "register"}, "request-0", protected=True))
        there.terminal.expire()
        there.fault("revoke=error:105")
        refused = await here.pay({}, "request-1", protected=True)
        assert isinstance(refused, NeverGot)
        assert "a person must let it in" in refused.detail
        assert there.effects() == []


@quick
async def test_tokens_are_in_no_log_and_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="appliance")
    async with counter(protected=True) as there, kiosk(tmp_path, there.url) as here:
        results: list[Any] = [await here.pay({"action": "register"}, "request-0", protected=True)]
        tokens = {*there.terminal._tokens, *there.terminal._refresh}
        there.fault("payment=expired")
        there.fault("revoke=error:105")
        results.append(await here.pay({}, "request-1", protected=True))
        results.append(await here.pay({"action": "device"}, "request-2", protected=True))
        tokens |= {*there.terminal._tokens, *there.terminal._refresh}
        everything = repr(results) + caplog.text + repr([vars(record) for record in caplog.records])
        assert tokens
        assert [token for token in tokens if token in everything] == []


# The journal


@quick
async def test_without_a_disk_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from appliance.journal import StorageError

    async with counter() as there, kiosk(tmp_path, there.url) as here:

        async def refuse(*_call: object, **_point: object) -> None:
            raise StorageError("the disk is full")

        monkeypatch.setattr(here.journal, "write", refuse)
        result = await here.pay()
        assert isinstance(result, NeverGot)
        assert result.problem == "kiosk-storage"
        assert there.asked == []


@quick
async def test_a_disk_that_fails_for_a_while_gets_the_process_id_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.journal import StorageError

    async with counter(speed=5.0) as there, kiosk(tmp_path, there.url) as here:
        write = here.journal.write
        failures = 0

        async def fail(call: Any, *, point: str = "", **more: Any) -> Any:
            nonlocal failures
            if point == "appliance.kaspi.process" and failures < 3:
                failures += 1
                raise StorageError("not now")
            return await write(call, point=point, **more)

        monkeypatch.setattr(here.journal, "write", fail)
        task = asyncio.create_task(here.pay())
        await until(lambda: failures == 3)
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        here.anew()
        assert said(await here.find_out())["status"] == "approved"
        assert there.effects() == CHARGED


@quick
async def test_works_that_no_operation_asks_after_are_cleared_away(tmp_path: Path) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        for request_id in ("lost", "told", "doubt"):
            there.fault("lost")
            assert isinstance(await here.pay({}, request_id), NoAnswer)
            await there.idle()
        for request_id in ("told", "doubt"):
            await here.journal.begin(request(request_id, "pos"))
        await here.journal.finish(Response(request_id="told", operation="pos", executed=Executed.YES, status=200))
        await here.anew().recover()
        assert [(await here.work(request_id)).is_open for request_id in ("lost", "told", "doubt")] == [
            False, False, True,
        ]  # fmt: skip
        (event,) = await here.events()
        assert (event["request_id"], event["amount"]) == ("lost", 125000)


@quick
async def test_whose_route_has_gone_is_found_by_its_work(tmp_path: Path) -> None:
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        there.fault("slow:0.4")
        assert isinstance(await here.pay(timeout=0.2), NoAnswer)
        ask = here.ask()
        gone = type(ask)(
            request_id=ask.request_id, operation=ask.operation, method="POST", body=ask.body, route=lambda: None,
            tell=ask.tell,
        )  # fmt: skip
        found = await here.anew().target_of(await here.work()).find_out(gone)
        assert isinstance(found, Answered)
        assert said(found)["status"] == "approved"


@quick
async def test_what_may_have_been_lost_with_the_journal_is_never_called_not_executed(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"no journal" * 1000)
    async with counter() as there, kiosk(tmp_path, there.url) as here:
        assert here.journal.facts.notices
        assert await here.find_out() is None
        assert [event["request_id"] for event in await here.events()] == ["request-1"]
