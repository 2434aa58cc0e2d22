"""What a person settles: the rules."""

import json

import msgspec
import pytest

from cloud.errors import Refused
from cloud.operations import operation as rules
from cloud.operations.answers import PROBLEM, answer_of
from cloud.operations.by_hand import check_words, contradiction, is_by_hand, person, settle, told_of
from cloud.operations.operation import BY_HAND, Operation, State
from tests.cloud.operations.test_answers import operation
from wire.messages import Error, Executed, Response
from wire.problems import PROBLEMS

NOW = 1000.0
_STATUS = {"confirmed-executed": 504, "confirmed-not-executed": 409}


def unknown(**changes: object) -> Operation:
    given = {"state": State.UNKNOWN, "status": None, "answer": None, "problem": "timeout", "detail": "no answer"}
    return operation(**{**given, **changes})


def settled(state: State, **changes: object) -> Operation:
    found = unknown(**changes)
    settle(found, state, "telegram:7", "the bank has it", NOW)
    return found


def word(executed: str, status: int = 0, error: str = "") -> Response:
    return Response(
        request_id="request-1",
        operation="payment",
        executed=Executed(executed),
        status=status,
        body=msgspec.Raw(b'{"n": 1.50}'),
        error=Error(error, "words") if error else None,
    )


@pytest.mark.parametrize(
    ("state", "executed", "problem", "outcome"),
    [
        (State.SUCCEEDED, "yes", "confirmed-executed", "executed"),
        (State.FAILED, "no", "confirmed-not-executed", "not_executed"),
    ],
)
@pytest.mark.parametrize("delivery", ["now", "queue"])
def test_what_is_settled_is_final_and_answers_as_no_gateway_does(
    state: State, executed: str, problem: str, outcome: str, delivery: str
) -> None:
    found = unknown(delivery=delivery)
    kept = settle(found, state, "telegram:7", "the bank has it", NOW)
    assert (found.is_final, found.executed, found.finished_at) == (True, executed, NOW)
    assert (kept.by, kept.why, kept.state, kept.at) == ("telegram:7", "the bank has it", state, NOW)
    assert kept.before == "timeout: no answer"
    assert is_by_hand(found)
    answer = answer_of(found, replayed=True)
    body = json.loads(answer.body)
    assert (answer.status, answer.content_type, answer.replayed) == (_STATUS[problem], PROBLEM, True)
    assert (body["type"], body["outcome"], body["detail"]) == (problem, outcome, "the bank has it")


@pytest.mark.parametrize("state", sorted(set(State) - {State.UNKNOWN}))
def test_only_what_is_unknown_is_settled(state: State) -> None:
    found = unknown(state=state)
    with pytest.raises(ValueError, match="not settled by hand"):
        settle(found, State.FAILED, "a", "b", NOW)
    assert found == unknown(state=state)


@pytest.mark.parametrize("state", sorted(set(State) - {State.SUCCEEDED, State.FAILED}))
def test_it_becomes_executed_or_not_and_nothing_else(state: State) -> None:
    with pytest.raises(ValueError, match="not settled by hand"):
        settle(unknown(), state, "a", "b", NOW)


def test_what_the_kiosk_says_later_changes_nothing() -> None:
    for state in (State.SUCCEEDED, State.FAILED):
        found = settled(state)
        before = msgspec.structs.replace(found)
        for response in (word("yes", 200), word("yes", 500), word("no", error="expired"), word("unknown")):
            assert not rules.answered(found, response, NOW)
        assert not rules.given_up(found, "timeout", "", NOW)
        assert found == before


@pytest.mark.parametrize("problem", sorted(BY_HAND))
@pytest.mark.parametrize("executed", ["no", "unknown"])
def test_no_kiosk_speaks_for_a_person(problem: str, executed: str) -> None:
    found = unknown()
    rules.answered(found, word(executed, error=problem), NOW)
    assert found.problem not in BY_HAND
    assert PROBLEMS[str(found.problem)].outcome == ("not_executed" if executed == "no" else "unknown")


@pytest.mark.parametrize(
    ("state", "response", "contradicts"),
    [
        (State.SUCCEEDED, word("yes", 200), False),
        (State.SUCCEEDED, word("yes", 402), True),
        (State.SUCCEEDED, word("no", error="gateway-unreachable"), True),
        (State.SUCCEEDED, word("no", error="expired"), True),
        (State.SUCCEEDED, word("no"), True),
        (State.SUCCEEDED, word("unknown", error="interrupted"), False),
        (State.FAILED, word("yes", 200), True),
        (State.FAILED, word("yes", 500), True),
        (State.FAILED, word("no", error="expired"), False),
        (State.FAILED, word("unknown", error="timeout"), False),
    ],
)
def test_who_contradicts_whom(state: State, response: Response, contradicts: bool) -> None:
    assert bool(contradiction(settled(state), response)) == contradicts


def test_a_kiosk_whose_journal_went_back_contradicts_nobody() -> None:
    assert contradiction(settled(State.SUCCEEDED, accepted_at=5.0), word("no", error="expired")) == ""
    assert contradiction(settled(State.SUCCEEDED, accepted_at=5.0), word("no", error="cancelled")) != ""


def test_the_kiosks_word_is_kept_to_the_letter() -> None:
    assert b'"body":{"n": 1.50}' in told_of(word("yes", 201))
    assert json.loads(told_of(word("yes", 201))) == {
        "executed": "yes",
        "status": 201,
        "body": {"n": 1.5},
        "problem": None,
    }
    assert json.loads(told_of(word("no", error="expired"))) == {
        "executed": "no", "status": None, "body": None, "problem": {"type": "expired", "detail": "words"},
    }  # fmt: skip


def test_what_was_known_before_is_kept_in_words() -> None:
    assert settle(unknown(accepted_at=1.0), State.FAILED, "a", "b", NOW).before.endswith("the kiosk had accepted it")
    assert settle(unknown(elapsed=1.0), State.FAILED, "a", "b", NOW).before.endswith("the kiosk itself cannot tell")


@pytest.mark.parametrize("why", ["", "  \n ", "x" * 501, "a\x07bell", "a\0b"])
def test_a_reason_is_needed(why: str) -> None:
    with pytest.raises(Refused, match="why: right would be 1 to 500 letters"):
        check_words("admin", why)


def test_a_reason_of_several_lines_is_one() -> None:
    assert check_words("admin", " the bank\n has it ") == "the bank has it"
    with pytest.raises(Refused, match="who settles it"):
        check_words(" ", "x")


def test_who_it_is_whatever_their_name() -> None:
    for by in ("telegram:7", "telegram:7 (Some One)", "telegram:7 (a (b) telegram:8 (c)"):
        assert person(by) == "telegram:7"
    for by in ("admin 10.0.0.1", "admin (telegram:7 (x))", "telegram:x (y)"):
        assert person(by) == by
