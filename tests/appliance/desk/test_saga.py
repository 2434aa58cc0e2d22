"""A payment and its receipt: told apart, in order, each once, whatever is cut off in between."""

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.desk import payments
from appliance.desk.saga import (
    RECEIPT_WITHIN_S,
    WORK_KIND,
    PaymentTarget,
    Saga,
    read_saga,
    receipt_reference,
    resume,
    work_id,
)
from appliance.journal import Journal, Work
from appliance.routes import FieldIs
from appliance.targets import Answered, NeverGot, NoAnswer, NotUnderstood, Target, answer
from tests.appliance.desk.rooms import Register, Screen, Till, ask, body_of, paid
from tests.appliance.worlds import journal, until

RECEIPT = {"lines": [{"name": "Coffee", "price": 135000}]}
BODY = {"amount": 135000, "currency": "KZT", "receipt": RECEIPT}
REGISTERED = {"status": "registered", "number": 1}


class Desk:
    """One till and one register over one journal; `again` is the next run of the program."""

    def __init__(self, memory: Journal) -> None:
        self.journal = memory
        self.till = Till()
        self.register = Register()
        self.slips: list[tuple[str, bool]] = []

    def target(self, *, inner: Target | None = None, begun: Saga | None = None, **more: Any) -> PaymentTarget:
        more.setdefault("payment", payments.cash())
        more.setdefault("register", "register")
        return PaymentTarget(
            inner or self.till, receipts=self.register, journal=self.journal, clock=time.time, begun=begun,
            afterwards=self.slip, **more,
        )  # fmt: skip

    async def slip(self, request_id: str, answer: dict[str, Any], *, cut_off: bool) -> dict[str, Any]:
        if not answer.get("claim"):
            return {}
        self.slips.append((request_id, cut_off))
        return {"slip": {"status": "printed"}}

    async def saga(self, request_id: str = "r1") -> Saga | None:
        work = await self.journal.read(lambda book: book.find_work(work_id(request_id)))
        return None if work is None else read_saga(work)

    async def again(self) -> PaymentTarget:
        """The target as the next run has it."""
        return self.target(begun=await self.saga())

    async def is_open(self) -> bool:
        return bool(await self.journal.read(lambda book: book.open_works(WORK_KIND)))


@asynccontextmanager
async def a_desk(directory: Path) -> AsyncIterator[Desk]:
    async with journal(directory) as memory:
        yield Desk(memory)


def with_desk(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Have a test given a desk of its own as `desk`."""
    signature = inspect.signature(test)
    parameters = [each for name, each in signature.parameters.items() if name != "desk"]
    place = inspect.Parameter("tmp_path", inspect.Parameter.POSITIONAL_OR_KEYWORD)

    @functools.wraps(test)
    async def wrapped(tmp_path: Path, **arguments: Any) -> None:
        async with a_desk(tmp_path) as desk:
            await test(desk=desk, **arguments)

    del wrapped.__wrapped__  # type: ignore[attr-defined]
    wrapped.__signature__ = signature.replace(parameters=[place, *parameters])  # type: ignore[attr-defined]
    return wrapped


@with_desk
async def test_a_paid_session_gets_its_receipt(desk: Desk) -> None:
    screen = Screen()
    told = body_of(await desk.target().run(ask(BODY, tell=screen)))
    assert told["status"] == "paid"
    assert told["collected"] == 150000
    assert told["receipt"] == REGISTERED
    assert desk.till.bodies == [{"amount": 135000, "currency": "KZT"}]
    assert desk.register.asked == [("r1/receipt", "register", RECEIPT_WITHIN_S)]
    assert desk.register.documents == {"r1/receipt": {
        **RECEIPT, "currency": "KZT", "settlements": [{"tender": "cash", "amount": 150000}]
    }}  # fmt: skip
    assert [line.get("stage") for line in screen.told] == ["collecting", "receipt", "receipt"]
    assert screen.told[-1] == {"stage": "receipt", "collected": 150000, "receipt": REGISTERED}
    assert not await desk.is_open()


@with_desk
async def test_money_that_is_kept_is_not_change_on_the_receipt(desk: Desk) -> None:
    desk.till.result = paid(change_paid=0, kept=15000)
    await desk.target().run(ask(BODY))
    assert desk.register.documents["r1/receipt"]["settlements"] == [{"tender": "cash", "amount": 135000}]


@with_desk
async def test_a_session_has_its_receipt_whatever_the_method_says(desk: Desk) -> None:
    got = msgspec.structs.replace(ask(BODY), method="GET")
    assert body_of(await desk.target().run(got))["receipt"] == REGISTERED
    gateway = desk.target(payment=payments.gateway(FieldIs("status", ("paid",))))
    assert "receipt" not in body_of(await gateway.run(got)), "a gateway's GET only asks"
    assert desk.till.bodies[-1] == BODY


@with_desk
async def test_settlements_of_the_request_stand(desk: Desk) -> None:
    parts = [{"tender": "prepaid", "amount": 50000}, {"tender": "cash", "amount": 135000}]
    body = {**BODY, "receipt": {**RECEIPT, "settlements": parts}}
    desk.target().check(ask(body))
    await desk.target().run(ask(body))
    assert desk.register.documents["r1/receipt"]["settlements"] == parts


@with_desk
async def test_without_a_receipt_the_payment_goes_through_as_it_is(desk: Desk) -> None:
    result = await desk.target().run(ask({"amount": 135000, "currency": "KZT"}))
    assert result is desk.till.result
    assert desk.register.asked == []
    assert await desk.saga() is None


@pytest.mark.parametrize("status", ["cancelled", "timed_out", "failed", "interrupted"])
@with_desk
async def test_what_was_not_paid_needs_no_receipt(desk: Desk, status: str) -> None:
    desk.till.result = paid(status=status)
    told = body_of(await desk.target().run(ask(BODY)))
    assert (told["status"], told["receipt"]) == (status, {"status": "not-needed"})
    assert desk.register.asked == []
    assert not await desk.is_open()


@pytest.mark.parametrize("fate", [
    {"status": "pending", "reason": "no paper"}, {"status": "refused", "reason": "tax"},
    {"status": "unclear", "remedy": "look"},
])  # fmt: skip
@with_desk
async def test_a_receipt_that_fails_makes_no_failed_payment(desk: Desk, fate: dict[str, Any]) -> None:
    desk.register.instead = fate
    result = await desk.target().run(ask(BODY))
    assert isinstance(result, Answered)
    assert result.status == 200
    assert (body_of(result)["status"], body_of(result)["receipt"]) == ("paid", fate)
    assert await desk.is_open() == (fate["status"] == "pending")  # that one stands in no book yet


@with_desk
async def test_a_pending_receipt_is_left_to_the_book_once_it_stands_there(desk: Desk) -> None:
    desk.register.instead = {"status": "pending", "reason": "the disk does not take it"}
    await desk.target().run(ask(BODY))
    desk.register.instead = None
    saga = await desk.saga()
    assert saga is not None
    await resume(desk.register, desk.journal, "r1", saga)  # the next run, which has forgotten it
    assert list(desk.register.documents) == [receipt_reference("r1")]
    assert not await desk.is_open()
    waiting = Work(id=receipt_reference("r2"), kind="fiscal", begun_at=0.0, data=msgspec.Raw(b"{}"))
    await desk.journal.write(lambda book: book.begin_work(waiting))
    desk.register.instead = {"status": "pending", "reason": "no paper"}
    await desk.target().run(ask(BODY, request_id="r2"))
    assert not await desk.is_open()


@with_desk
async def test_nothing_is_taken_where_no_receipt_can_be_made(desk: Desk) -> None:
    desk.register.unready = "40 receipts wait already"
    result = await desk.target().run(ask(BODY))
    assert result == NeverGot(
        "no receipt could be made: 40 receipts wait already; nothing was taken", "device-fault"
    )  # fmt: skip
    assert (desk.till.taken, await desk.saga()) == ([], None)


@with_desk
async def test_unless_the_request_does_without(desk: Desk) -> None:
    desk.register.unready = "no paper"
    desk.register.instead = {"status": "pending", "reason": "no paper"}
    told = body_of(await desk.target().run(ask({**BODY, "receipt_required": False})))
    assert told["receipt"]["status"] == "pending"
    assert desk.till.bodies == [{"amount": 135000, "currency": "KZT"}]


@with_desk
async def test_a_payment_that_never_began_leaves_nothing_open(desk: Desk) -> None:
    desk.till.result = NeverGot("no validator")
    assert await desk.target().run(ask(BODY)) == desk.till.result
    assert not await desk.is_open()


@with_desk
async def test_a_lost_answer_is_found_out_and_the_receipt_follows(desk: Desk) -> None:
    desk.till.result = NoAnswer("timeout")
    target = desk.target()
    assert await target.run(ask(BODY)) == desk.till.result
    assert await desk.is_open()
    assert not target.can_tell(ask(BODY))
    desk.till.found = paid()
    assert target.can_tell(ask(BODY))
    found = body_of(await target.find_out(ask(BODY)))
    assert found["receipt"] == REGISTERED
    assert not await desk.is_open()


@with_desk
async def test_what_cannot_be_known_stays_so(desk: Desk) -> None:
    desk.till.result = NoAnswer("timeout")
    target = desk.target()
    await target.run(ask(BODY))
    assert await target.find_out(ask(BODY)) is None
    assert desk.register.asked == []
    assert not await desk.is_open()


async def cut(desk: Desk, task: "asyncio.Task[Any]") -> None:
    """The program dies: whatever waited is gone."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    desk.till.hold = desk.register.hold = None


@with_desk
async def test_cut_off_in_the_payment_the_next_run_makes_the_receipt(desk: Desk) -> None:
    desk.till.hold = asyncio.Event()
    task = asyncio.create_task(desk.target().run(ask(BODY)))
    await until(lambda: desk.till.taken)
    await cut(desk, task)
    desk.till.found = paid()
    target = await desk.again()
    assert target.can_tell(ask(BODY))
    assert body_of(await target.find_out(ask(BODY)))["receipt"] == REGISTERED
    assert (len(desk.till.taken), len(desk.register.documents)) == (1, 1)


@with_desk
async def test_cut_off_in_the_receipt_the_next_run_makes_it_once(desk: Desk) -> None:
    desk.register.hold = asyncio.Event()
    task = asyncio.create_task(desk.target().run(ask(BODY)))
    await until(lambda: desk.register.asked)
    await cut(desk, task)
    desk.register.documents["r1/receipt"] = {}  # the register had it all the same
    target = await desk.again()
    assert target.can_tell(ask(BODY)), "though its till could not"
    told = body_of(await target.find_out(ask(BODY)))
    assert (told["status"], told["collected"], told["receipt"]) == ("paid", 150000, REGISTERED)
    assert len(desk.register.documents) == 1


@with_desk
async def test_cut_off_behind_the_receipt_the_answer_is_the_same(desk: Desk) -> None:
    first = body_of(await desk.target().run(ask(BODY)))
    desk.till.found = paid()
    assert body_of(await (await desk.again()).find_out(ask(BODY))) == first
    assert len(desk.register.asked) == 1


@with_desk
async def test_the_register_of_the_beginning_is_asked_though_the_route_has_another(desk: Desk) -> None:
    desk.register.hold = asyncio.Event()
    task = asyncio.create_task(desk.target().run(ask(BODY)))
    await until(lambda: desk.register.asked)
    await cut(desk, task)
    await desk.target(begun=await desk.saga(), register="other").find_out(ask(BODY))
    assert {register for _reference, register, _s in desk.register.asked} == {"register"}


@with_desk
async def test_what_nobody_asks_after_is_brought_to_its_end(desk: Desk) -> None:
    desk.register.hold = asyncio.Event()
    task = asyncio.create_task(desk.target().run(ask(BODY)))
    await until(lambda: desk.register.asked)
    await cut(desk, task)
    saga = await desk.saga()
    assert saga is not None
    await resume(desk.register, desk.journal, "r1", saga)
    assert list(desk.register.documents) == [receipt_reference("r1")]
    assert not await desk.is_open()


@with_desk
async def test_a_slip_follows_money_that_is_owed(desk: Desk) -> None:
    desk.till.result = paid(change_paid=0, change_owed=15000, claim="AB12-CD34")
    told = body_of(await desk.target().run(ask(BODY)))
    assert (told["receipt"], told["slip"]) == (REGISTERED, {"status": "printed"})
    assert "slip" in body_of(await desk.target().run(ask({"amount": 1, "currency": "KZT"}, request_id="r2")))
    assert desk.slips == [("r1", False), ("r2", False)]


@with_desk
async def test_after_a_cut_the_slip_is_told_that_nobody_may_stand_there(desk: Desk) -> None:
    desk.till.found = paid(claim="AB12-CD34")
    await desk.target().find_out(ask({"amount": 1, "currency": "KZT"}))
    assert desk.slips == [("r1", True)]


def mistakes(target: PaymentTarget, body: dict[str, Any]) -> list[str]:
    with pytest.raises(NotUnderstood) as caught:
        target.check(ask(body))
    return str(caught.value).split("; ")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"receipt": 5}, "receipt: right would be an object with at least `lines`"),
        (
            {"receipt": {}},
            "receipt.lines: is required; right would be a list",
        ),
        ({"receipt_required": "yes"}, "receipt_required: right would be true or false"),
        ({"amount": 1}, "receipt.lines: add up to 135000, and the payment's amount is 1; both must agree"),
        ({"receipt": {**RECEIPT, "currency": "RUB"}}, "receipt.currency: is 'RUB'; the payment's is 'KZT'"),
        (
            {"receipt": {**RECEIPT, "settlements": [{"tender": "cash", "amount": 1}]}},
            "receipt.settlements: 1 by cash, and the payment's amount is 135000; both must agree",
        ),
    ],
)
@with_desk
async def test_a_receipt_is_checked_before_money_is_taken(desk: Desk, change: dict[str, Any], found: str) -> None:
    desk.target().check(ask(BODY))
    assert found in "; ".join(mistakes(desk.target(), {**BODY, **change}))


@with_desk
async def test_mistakes_of_payment_and_receipt_are_told_at_once(desk: Desk) -> None:
    desk.till.mistakes = "amount: is missing"
    told = mistakes(desk.target(), {"currency": "KZT", "receipt": {}, "receipt_required": 1})
    assert [line.split(":")[0] for line in told if ":" in line][:3] == ["amount", "receipt_required", "receipt.lines"]


@with_desk
async def test_what_the_register_itself_would_refuse_is_told_before_money_is_taken(desk: Desk) -> None:
    desk.register.objections = ["currency: the register counts RUB, not KZT"]
    assert mistakes(desk.target(), BODY) == ["receipt.currency: the register counts RUB, not KZT"]


@with_desk
async def test_a_receipt_by_a_route_without_register_is_a_mistake(desk: Desk) -> None:
    told = mistakes(desk.target(register=""), BODY)
    assert told[0].startswith("receipt: this route makes none")


@with_desk
async def test_cancelling_is_the_payments(desk: Desk) -> None:
    assert desk.target().cancel("r1", "hub")
    assert desk.till.cancelled == [("r1", "hub")]


@pytest.mark.parametrize(
    ("told", "status", "receipt"),
    [
        ({"state": {"code": "ok"}}, 200, REGISTERED),
        ({"state": {"code": "ok"}}, 402, {"status": "not-needed"}),
        ({"state": {"code": "declined"}}, 200, {"status": "not-needed"}),
        ({}, 200, {"status": "not-needed"}),
    ],
)
@with_desk
async def test_a_plain_gateway_pays_where_its_answer_says_so(
    desk: Desk, told: dict[str, Any], status: int, receipt: dict[str, Any]
) -> None:
    desk.till.result = answer(told, status)
    body = {"order_id": "A1", "sum": 5, "receipt": {**RECEIPT, "currency": "KZT"}}
    target = desk.target(payment=payments.gateway(FieldIs("state.code", ("ok",))))
    target.check(ask(body))
    result = await target.run(ask(body))
    assert body_of(result) == {**told, "receipt": receipt}
    assert isinstance(result, Answered)
    assert result.status == status
    assert desk.till.bodies == [{"order_id": "A1", "sum": 5}]
    for document in desk.register.documents.values():
        assert document["settlements"] == [{"tender": "electronic", "amount": 135000}]


@with_desk
async def test_a_plain_gateways_receipt_is_of_the_currency_that_its_request_names(desk: Desk) -> None:
    desk.till.result = answer({"status": "paid"})
    target = desk.target(payment=payments.gateway(FieldIs("status", ("paid",))))
    body = {"order_id": "A1", "currency": "KZT", "receipt": RECEIPT}
    target.check(ask(body))
    assert body_of(await target.run(ask(body)))["receipt"] == REGISTERED
    assert [document["currency"] for document in desk.register.documents.values()] == ["KZT"]
    assert desk.till.bodies == [{"order_id": "A1", "currency": "KZT"}]


@with_desk
async def test_what_a_gateway_answered_is_given_to_the_last_digit(desk: Desk) -> None:
    desk.till.result = Answered(200, msgspec.Raw(b'{"id":12345678901234567890123,"rate":0.10,"status":"paid"}'))
    result = await desk.target().run(ask(BODY))
    assert isinstance(result, Answered)
    assert bytes(result.body).startswith(b'{"id":12345678901234567890123,"rate":0.10,"status":"paid","receipt":{')
