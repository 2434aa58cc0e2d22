"""Holds everything that was told against what really happened. Pure, so that every rule can be shown to fail.

    breaches = check(history)

Each breach names the promise that broke and the order, operation or kiosk it broke for.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from tests.chaos.history import Ask, Effect, History, Operation, Order, Told

# Problems by which a hub says that it cannot look just now; repeating with the key goes on.
_NO_WORD = frozenset({"key-unchecked", "internal"})


class Promise(StrEnum):
    """What can break."""

    DOUBLE = "double effect"
    FALSE_SUCCESS = "success without its effect"
    FALSE_FAILURE = "not executed, and it was"
    LOST_OUTCOME = "lost outcome"
    UNSETTLED = "unknown that was never settled"
    SILENT_UNKNOWN = "unknown for good, and nobody was alerted"
    TWO_ANSWERS = "one key, two answers"
    LEFT_FINAL = "a final state was left"
    CALLBACK = "callback lost or wrong"
    EVENT = "event lost, repeated or out of order"


class Breach(msgspec.Struct, frozen=True):
    """One promise that did not hold."""

    promise: Promise
    of: str
    words: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.of}: {self.words}"


def check(history: History) -> list[Breach]:
    """Every promise that broke, in the order of the rules."""
    effects = defaultdict(list)
    for line in history.effects:
        effects[line.identity].append(line)
    operations = _by_order(history)
    found: list[Breach] = []
    for order in history.orders:
        lines, known = effects.get(order.id, []), operations[order.id]
        found += _effects_once(order, lines)
        found += _told_truly(order, lines, known)
        found += _outcome_kept(order, lines, known)
        found += _one_answer(order)
        found += _final_stays(order)
    found += _strange_effects(history, effects)
    found += _unknown_alerted(history, operations)
    found += _callbacks(history)
    found += _events(history)
    return found


def unknown_for_good(history: History) -> list[Operation]:
    """Operations whose outcome is still open at the end: a person has to compare them with the gateway."""
    return [operation for operation in history.operations if not operation.final]


def settle_times(history: History) -> list[float]:
    """Seconds from the first `unknown` that a caller was told to the operation's final state, where there was one."""
    finished = {operation.request_id: operation.finished_at for operation in history.operations}
    found = []
    for order in history.orders:
        for told in order.told:
            at = finished.get(told.request_id)
            if told.outcome == "unknown" and at is not None and at >= told.told_at:
                found.append(at - told.told_at)
                break
    return found


def _by_order(history: History) -> dict[str, list[Operation]]:
    """Operations of each order."""
    found: dict[str, list[Operation]] = defaultdict(list)
    for operation in history.operations:
        if operation.order is not None:
            found[operation.order].append(operation)
    return found


def _moved(lines: list[Effect]) -> list[Effect]:
    return [line for line in lines if line.effect != "declined"]


def _effects_once(order: Order, lines: list[Effect]) -> Iterator[Breach]:
    """The gateway was made to act once at most; asking it to decline twice is an execution too many as well."""
    if len(lines) > 1:
        what = ", ".join(line.effect for line in lines)
        yield Breach(Promise.DOUBLE, order.id, f"the gateway acted {len(lines)} times: {what}")


def _told_truly(order: Order, lines: list[Effect], known: list[Operation]) -> Iterator[Breach]:
    for told in order.told:
        if told.is_answer:
            yield from _answer_true(order, told.status, _decoded(told.content), lines, "a caller was told")
        elif told.outcome == "not_executed" and _moved(lines) and not _by_another(order, told, known):
            words = f"a caller was told {told.problem}, and the gateway did it at {lines[0].at:.3f}"
            yield Breach(Promise.FALSE_FAILURE, order.id, words)
    for operation in known:
        if operation.executed == "yes":
            yield from _answer_true(order, operation.status or 0, operation.body, lines, "the operation says")
        elif operation.final and _moved(lines) and len(known) == 1:
            words = f"the operation is {operation.state} ({operation.problem}), and the gateway did it"
            yield Breach(Promise.FALSE_FAILURE, order.id, words)


def _by_another(order: Order, refused: Told, known: list[Operation]) -> bool:
    """Whether the effect may be another attempt's, so that the refusal of this one is true.

    A refusal leaves the key free. It is a lie if the operation stood before the refused attempt was made, if the
    operation itself was refused so, or if no other attempt is left that can have made it.
    """
    if any(operation.request_id == refused.request_id for operation in known):
        return False
    if any(operation.created_at < refused.asked_at for operation in known):
        return False
    return any(told is not refused and told.outcome != "not_executed" for told in order.told)


def _answer_true(order: Order, status: int, body: Any, lines: list[Effect], who: str) -> Iterator[Breach]:
    """What an answer of the gateway claims is in the ledger, with the amount that was asked for."""
    if order.ask is Ask.LOOKUP or not 200 <= status < 300:
        return
    moved = _moved(lines)
    claim = body.get("status") if isinstance(body, dict) else None
    if claim == "declined" and moved:
        yield Breach(Promise.FALSE_FAILURE, order.id, f"{who} declined, and the gateway did it")
    elif claim == "success" and not moved:
        yield Breach(Promise.FALSE_SUCCESS, order.id, f"{who} success, and the ledger has nothing")
    elif claim == "success" and order.ask in {Ask.PAYMENT, Ask.BLIND}:
        said = (str(body.get("order_id")), body.get("sum"), body.get("transaction_id"))
        done = (moved[0].identity, moved[0].amount, moved[0].transaction)
        if said != done or moved[0].amount != order.amount:
            words = f"{who} {said}, the ledger has {done}, the order was over {order.amount}"
            yield Breach(Promise.FALSE_SUCCESS, order.id, words)
    elif claim == "success" and str(body.get("check_id")) != order.id:
        yield Breach(Promise.FALSE_SUCCESS, order.id, f"{who} of check {body.get('check_id')}")
    elif not moved and not lines and claim != "declined":  # a page of HTML that claims nothing it did not do
        yield Breach(Promise.FALSE_SUCCESS, order.id, f"{who} {status}, and the ledger has nothing")


def _outcome_kept(order: Order, lines: list[Effect], known: list[Operation]) -> Iterator[Breach]:
    """What the gateway did is known at the hub in the end, and what can be settled is."""
    if lines and not known:
        yield Breach(Promise.LOST_OUTCOME, order.id, "the gateway acted, and the hub knows of no operation")
    for operation in known:
        if not operation.final and order.ask is Ask.PAYMENT:
            words = f"operation {operation.request_id} is {operation.state} at the end, and its gateway can be asked"
            yield Breach(Promise.UNSETTLED, order.id, words)
    finals = {operation.request_id for operation in known if operation.final}
    for told in order.told:
        if (told.is_answer or told.status == 202) and told.request_id not in {each.request_id for each in known}:
            words = f"{told.status} was told of operation {told.request_id}, which the hub does not know"
            yield Breach(Promise.LOST_OUTCOME, order.id, words)
        elif told.is_answer and told.request_id not in finals:
            words = f"{told.status} was told of operation {told.request_id}, which is not final"
            yield Breach(Promise.LOST_OUTCOME, order.id, words)


def _one_answer(order: Order) -> Iterator[Breach]:
    """A key has one answer, the same bytes each time, and one operation."""
    if order.key is None:
        return
    answers = {(told.status, told.content) for told in order.told if told.is_answer}
    if len(answers) > 1:
        words = " and ".join(f"{status} {content[:80]!r}" for status, content in sorted(answers))
        yield Breach(Promise.TWO_ANSWERS, order.id, words)
    ids = {told.request_id for told in order.told if told.is_answer or told.status == 202}
    if len(ids) > 1:
        yield Breach(Promise.TWO_ANSWERS, order.id, f"operations {', '.join(sorted(ids))}")
    answered_at = min((told.told_at for told in order.told if told.is_answer), default=math.inf)
    for told in order.told:
        if told.asked_at > answered_at and told.problem and told.problem not in _NO_WORD:
            words = f"{told.problem} was told {told.asked_at - answered_at:.1f} s after the answer"
            yield Breach(Promise.TWO_ANSWERS, order.id, words)


def _final_stays(order: Order) -> Iterator[Breach]:
    """Nothing leaves a final state."""
    finals: dict[str, tuple[Any, ...]] = {}
    for seen in order.seen:
        what = (seen["state"], seen["executed"], json.dumps(seen["answer"], sort_keys=True), seen["finished_at"])
        before = finals.get(seen["request_id"])
        if before is not None and before != what:
            yield Breach(Promise.LEFT_FINAL, order.id, f"{before} became {what}")
        if seen["final"]:
            finals[seen["request_id"]] = what


def _strange_effects(history: History, effects: dict[str, list[Effect]]) -> Iterator[Breach]:
    asked = {order.id for order in history.orders}
    for identity, lines in effects.items():
        if identity not in asked:
            yield Breach(Promise.DOUBLE, identity, f"{lines[0].effect} at the gateway, which nobody asked for")


def _unknown_alerted(history: History, operations: dict[str, list[Operation]]) -> Iterator[Breach]:
    """What cannot be settled was told by an event, so that a person can look."""
    alerted = {
        row.data.get("request_id")
        for row in history.events
        if row.kind == "operation-unknown" and isinstance(row.data, dict)
    }
    for order in history.orders:
        for operation in operations[order.id]:
            unsettled = not operation.final and operation.executed == "unknown"
            if unsettled and order.ask is not Ask.PAYMENT and operation.request_id not in alerted:
                words = f"operation {operation.request_id} is {operation.state} ({operation.problem})"
                yield Breach(Promise.SILENT_UNKNOWN, order.id, words)
            elif not operation.final and operation.executed is None:
                words = f"operation {operation.request_id} is {operation.state}, and its kiosk said nothing of it"
                yield Breach(Promise.LOST_OUTCOME, order.id, words)


def _callbacks(history: History) -> Iterator[Breach]:
    """Each final state that is owed was told, under one id, and is the operation's."""
    told = defaultdict(list)
    for callback in history.callbacks:
        told[callback.request_id].append(callback)
    operations = {operation.request_id: operation for operation in history.operations}
    for request_id in sorted(history.called_back):
        operation = operations.get(request_id)
        if operation is not None and operation.final and not told[request_id]:
            yield Breach(Promise.CALLBACK, request_id, f"{operation.state} was never told")
    for request_id, deliveries in told.items():
        operation = operations.get(request_id)
        if operation is None:
            yield Breach(Promise.CALLBACK, request_id, "told of an operation that the hub does not know")
            continue
        if request_id not in history.called_back:
            yield Breach(Promise.CALLBACK, request_id, "told, and no address was owed it")
        for delivery in deliveries:
            said = (delivery.state, delivery.executed, delivery.body)
            true = (operation.state, operation.executed, operation.body)
            if said != true:
                yield Breach(Promise.CALLBACK, request_id, f"{said} was told, {true} is so")
        if len({delivery.webhook_id for delivery in deliveries}) > 1:
            yield Breach(Promise.CALLBACK, request_id, "told under several ids")


def _events(history: History) -> Iterator[Breach]:
    """Within each journal numbers begin at 1, follow each other, and say what the kiosk said."""
    rows = defaultdict(list)
    for row in history.events:
        rows[row.kiosk, row.journal].append(row)
    for (kiosk, journal), stored in rows.items():
        numbers = [row.seq for row in stored]
        if numbers != list(range(1, len(numbers) + 1)):
            wrong = next((n for n, seq in enumerate(numbers, 1) if n != seq), 0)
            repeated = [seq for seq, count in Counter(numbers).items() if count > 1]
            words = f"journal {journal}: number {numbers[wrong - 1]} stands at place {wrong}, repeated: {repeated[:5]}"
            yield Breach(Promise.EVENT, kiosk, words)
    for teller in history.tellers:
        heard = [row.data for row in rows[teller.kiosk, teller.journal]]
        if heard != teller.events:
            pairs = enumerate(zip(heard, teller.events, strict=False), 1)
            differs = next((n for n, (one, other) in pairs if one != other), min(len(heard), len(teller.events)) + 1)
            words = f"{len(teller.events)} were told, {len(heard)} are stored, number {differs} differs"
            yield Breach(Promise.EVENT, teller.kiosk, words)
        if teller.acknowledged > len(heard):
            words = f"{teller.acknowledged} were acknowledged, {len(heard)} are stored"
            yield Breach(Promise.EVENT, teller.kiosk, words)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content
