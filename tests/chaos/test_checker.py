"""Every rule of the checker, shown to hold on a true history and to fail on each lie."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.chaos.checker import Promise, check, settle_times, unknown_for_good
from tests.chaos.history import Ask, Callback, Effect, EventRow, History, Operation, Order, Teller, Told


def answer(order: str, amount: int = 500, status: str = "success") -> dict[str, Any]:
    """What the gateway says of a payment."""
    body = {"status": status, "order_id": order, "sum": amount}
    return body | ({"transaction_id": f"T-{order}"} if status == "success" else {})


def content(order: str, **more: Any) -> bytes:
    return json.dumps(answer(order, **more)).encode()


def told(at: float, status: int = 200, request_id: str = "r1", **more: Any) -> Told:
    return Told(asked_at=at, told_at=at + 1, status=status, request_id=request_id, **more)


def refused(at: float, problem: str, outcome: str, request_id: str = "r1") -> Told:
    return told(at, 503 if outcome == "not_executed" else 504, request_id, problem=problem, outcome=outcome)


def operation(request_id: str, order: str, state: str = "succeeded", **more: Any) -> Operation:
    given: dict[str, Any] = {
        "kiosk": "k1",
        "final": state in {"succeeded", "failed", "expired"},
        "executed": "yes",
        "key": f"key-{order}",
        "created_at": 10.5,
        "finished_at": 15.0,
        "status": 200,
        "body": answer(order),
    }
    return Operation(request_id=request_id, order=order, state=state, **{**given, **more})


def unanswered(request_id: str, order: str, state: str, executed: str | None, problem: str | None) -> Operation:
    return operation(
        request_id, order, state, executed=executed, problem=problem, status=None, body=None, finished_at=None
    )


def effect(order: str, at: float = 11.0, amount: int = 500, kind: str = "payment") -> Effect:
    return Effect(effect=kind, identity=order, at=at, amount=amount, transaction=f"T-{order}")


def order(order_id: str, *attempts: Told, ask: Ask = Ask.PAYMENT, **more: Any) -> Order:
    return Order(
        id=order_id,
        kiosk="k1",
        ask=ask,
        key=more.pop("key", f"key-{order_id}"),
        amount=500,
        told=list(attempts),
        **more,
    )


def history() -> History:
    """A run in which everything was well: paid, unknown and settled, refused, unknown for good, told by events."""
    return History(
        orders=[
            order("A", told(10.0, content=content("A")), told(20.0, content=content("A"), replayed=True)),
            order("B", refused(10.0, "kiosk-lost", "unknown", "r2"), told(20.0, 200, "r2", content=content("B"))),
            order("C", refused(10.0, "gateway-unreachable", "not_executed", "r3")),
            order("D", refused(10.0, "interrupted", "unknown", "r4"), ask=Ask.BLIND),
            order(
                "E", refused(9.0, "kiosk-offline", "not_executed", "mark"), told(10.0, 200, "r5", content=content("E"))
            ),
        ],
        effects=[effect("A"), effect("B"), effect("D"), effect("E")],
        operations=[
            operation("r1", "A"),
            operation("r2", "B", finished_at=14.0),
            unanswered("r3", "C", "failed", "no", "gateway-unreachable"),
            unanswered("r4", "D", "unknown", "unknown", "interrupted"),
            operation("r5", "E"),
        ],
        callbacks=[Callback(request_id="r1", webhook_id="op_r1", state="succeeded", executed="yes", body=answer("A"))],
        called_back=frozenset({"r1"}),
        events=[
            EventRow(kiosk="k1", journal="j", seq=1, kind="operation-unknown", data={"request_id": "r4"}),
            EventRow(kiosk="teller", journal="t", seq=1, kind="x", data={"n": 1}),
            EventRow(kiosk="teller", journal="t", seq=2, kind="x", data={"n": 2}),
        ],
        tellers=[Teller(kiosk="teller", journal="t", events=[{"n": 1}, {"n": 2}], acknowledged=2)],
        ended_at=100.0,
    )


def test_a_true_history_has_no_breach() -> None:
    true = history()
    assert check(true) == []
    assert [left.request_id for left in unknown_for_good(true)] == ["r4"]
    assert settle_times(true) == [3.0]


def _double(lie: History) -> None:
    lie.effects.append(effect("A", 30.0))


def _declined_twice(lie: History) -> None:
    lie.effects += [effect("Z", kind="declined"), effect("Z", kind="declined")]
    lie.orders.append(order("Z"))
    lie.operations.append(operation("r9", "Z", "failed", body=answer("Z", status="declined")))


def _unasked(lie: History) -> None:
    lie.effects.append(effect("nobody's"))


def _success_without_effect(lie: History) -> None:
    del lie.effects[0]


def _wrong_amount(lie: History) -> None:
    lie.effects[0].amount = 700


def _another_orders_answer(lie: History) -> None:
    lie.orders[0].told[0].content = content("B")
    del lie.orders[0].told[1]


def _refused_and_done(lie: History) -> None:
    lie.effects.append(effect("C", 40.0))


def _refused_before_and_nobody_else(lie: History) -> None:
    lie.orders[4].told[1].problem, lie.orders[4].told[1].outcome = "kiosk-offline", "not_executed"


def _refused_although_it_ran(lie: History) -> None:
    lie.orders[0].told.append(refused(12.0, "rate-limited", "not_executed", "mark"))


def _declined_and_done(lie: History) -> None:
    lie.operations[0].body = answer("A", status="declined")


def _operation_failed_and_done(lie: History) -> None:
    lie.operations[1] = unanswered("r2", "B", "failed", "no", "gateway-unreachable")


def _effect_without_operation(lie: History) -> None:
    del lie.operations[1]
    lie.orders[1].told = []


def _answer_forgotten(lie: History) -> None:
    lie.operations[0] = unanswered("r1", "A", "unknown", "unknown", "timeout")


def _never_settled(lie: History) -> None:
    lie.operations[1] = unanswered("r2", "B", "unknown", "unknown", "kiosk-lost")
    del lie.orders[1].told[1]


def _kiosk_silent(lie: History) -> None:
    lie.operations[3].executed = None


def _nobody_alerted(lie: History) -> None:
    lie.events[0].data = {"request_id": "another"}


def _another_answer(lie: History) -> None:
    lie.orders[0].told[1].content += b" "


def _another_operation(lie: History) -> None:
    lie.orders[0].told[1].request_id = "r5"


def _refused_after_the_answer(lie: History) -> None:
    lie.orders[1].told.append(refused(40.0, "timeout", "unknown", "r2"))


def _left_final(lie: History) -> None:
    shown = {
        "request_id": "r1",
        "state": "succeeded",
        "executed": "yes",
        "final": True,
        "answer": {},
        "finished_at": "x",
    }
    lie.orders[0].seen = [shown, {**shown, "state": "unknown", "final": False}]


def _callback_lost(lie: History) -> None:
    lie.callbacks.clear()


def _callback_wrong(lie: History) -> None:
    lie.callbacks[0].state = "failed"


def _callback_of_nobody(lie: History) -> None:
    lie.callbacks.append(Callback(request_id="r8", webhook_id="op_r8", state="failed", executed="no"))


def _callback_under_two_ids(lie: History) -> None:
    lie.callbacks.append(msgspec.structs.replace(lie.callbacks[0], webhook_id="op_other"))


def _event_lost(lie: History) -> None:
    del lie.events[1]


def _event_lost_at_the_end(lie: History) -> None:
    del lie.events[2]


def _events_out_of_order(lie: History) -> None:
    lie.events[1], lie.events[2] = lie.events[2], lie.events[1]


def _event_twice(lie: History) -> None:
    lie.events.append(lie.events[2])


def _event_altered(lie: History) -> None:
    lie.events[2].data = {"n": 3}


LIES: list[tuple[Promise, Callable[[History], None]]] = [
    (Promise.DOUBLE, _double),
    (Promise.DOUBLE, _declined_twice),
    (Promise.DOUBLE, _unasked),
    (Promise.FALSE_SUCCESS, _success_without_effect),
    (Promise.FALSE_SUCCESS, _wrong_amount),
    (Promise.FALSE_SUCCESS, _another_orders_answer),
    (Promise.FALSE_FAILURE, _refused_and_done),
    (Promise.FALSE_FAILURE, _refused_before_and_nobody_else),
    (Promise.FALSE_FAILURE, _refused_although_it_ran),
    (Promise.FALSE_FAILURE, _declined_and_done),
    (Promise.FALSE_FAILURE, _operation_failed_and_done),
    (Promise.LOST_OUTCOME, _effect_without_operation),
    (Promise.LOST_OUTCOME, _answer_forgotten),
    (Promise.LOST_OUTCOME, _kiosk_silent),
    (Promise.UNSETTLED, _never_settled),
    (Promise.SILENT_UNKNOWN, _nobody_alerted),
    (Promise.TWO_ANSWERS, _another_answer),
    (Promise.TWO_ANSWERS, _another_operation),
    (Promise.TWO_ANSWERS, _refused_after_the_answer),
    (Promise.LEFT_FINAL, _left_final),
    (Promise.CALLBACK, _callback_lost),
    (Promise.CALLBACK, _callback_wrong),
    (Promise.CALLBACK, _callback_of_nobody),
    (Promise.CALLBACK, _callback_under_two_ids),
    (Promise.EVENT, _event_lost),
    (Promise.EVENT, _event_lost_at_the_end),
    (Promise.EVENT, _events_out_of_order),
    (Promise.EVENT, _event_twice),
    (Promise.EVENT, _event_altered),
]


@pytest.mark.parametrize(("promise", "lie"), LIES, ids=[lie.__name__[1:] for _, lie in LIES])
def test_each_lie_is_found(promise: Promise, lie: Callable[[History], None]) -> None:
    false = history()
    lie(false)
    assert promise in {breach.promise for breach in check(false)}


def test_every_promise_has_a_lie_that_breaks_it() -> None:
    assert {promise for promise, _ in LIES} == set(Promise)


def test_a_refusal_that_left_the_key_free_is_no_lie_when_another_attempt_did_it() -> None:
    true = history()
    true.orders[4].told.reverse()
    true.orders[4].told[1].asked_at = 10.2  # refused before the operation began, at the same time as the other
    assert check(true) == []
