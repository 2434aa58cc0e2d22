"""Answers made from operations alone."""

import json

import pytest

from cloud.errors import Refused
from cloud.operations.answers import PROBLEM, answer_of, record, refusal
from cloud.operations.operation import Operation, State
from wire.problems import PROBLEMS


def operation(**changes: object) -> Operation:
    """An operation that succeeded, changed."""
    given = {
        "request_id": "request-1",
        "kiosk_id": "kiosk_001",
        "operation": "payment",
        "method": "POST",
        "created_at": 0.0,
        "state": State.SUCCEEDED,
        "status": 200,
        "answer": b'{"a": 1.50}',
    }
    return Operation(**{**given, **changes})  # type: ignore[arg-type]


def test_the_gateways_answer_is_given_to_the_letter_and_a_replay_says_so() -> None:
    answer = answer_of(operation(status=402), replayed=True)
    assert (
        answer.status,
        answer.body,
        answer.content_type,
        answer.request_id,
        answer.replayed,
    ) == (402, b'{"a": 1.50}', "application/json", "request-1", True)


@pytest.mark.parametrize(
    ("status", "given", "body"),
    [(204, 204, b""), (304, 304, b""), *((bad, 502, b'{"a": 1.50}') for bad in (0, 100, 999))],
)
def test_http_has_rules_that_a_gateway_cannot_break(status: int, given: int, body: bytes) -> None:
    answer = answer_of(operation(status=status))
    assert (given, body) == (answer.status, answer.body)


@pytest.mark.parametrize("problem", list(PROBLEMS))
def test_every_problem_is_told_with_status_outcome_and_id(problem: str) -> None:
    answer = answer_of(operation(state=State.FAILED, status=None, answer=None, problem=problem, detail="words"))
    told = json.loads(answer.body)
    assert (PROBLEMS[problem].status, PROBLEM) == (answer.status, answer.content_type)
    assert told == {
        "type": problem,
        "title": PROBLEMS[problem].title,
        "status": PROBLEMS[problem].status,
        "detail": "words",
        "request_id": "request-1",
        "outcome": PROBLEMS[problem].outcome,
    }


def test_what_waits_in_the_queue_is_202_and_says_where_to_look() -> None:
    answer = answer_of(operation(state=State.QUEUED, delivery="queue", status=None, answer=None))
    assert (answer.status, answer.location) == (202, "/operations/request-1")
    assert json.loads(answer.body) == {"request_id": "request-1", "state": "queued"}


def test_what_runs_without_an_outcome_yet_is_unknown() -> None:
    answer = answer_of(operation(state=State.SENT, status=None, answer=None))
    assert (json.loads(answer.body)["type"], json.loads(answer.body)["outcome"]) == ("timeout", "unknown")


def test_a_refusal_carries_when_to_come_again() -> None:
    answer = refusal(Refused("kiosk-offline", "away", retry_after=7, request_id="request-2"))
    assert (answer.status, answer.retry_after, answer.request_id) == (503, 7, "request-2")


def test_times_are_rfc_3339_in_utc() -> None:
    told = record(operation(created_at=1700000000.25, finished_at=1700000001.0))
    assert (
        told["created_at"],
        told["finished_at"],
        told["sent_at"],
    ) == ("2023-11-14T22:13:20.250Z", "2023-11-14T22:13:21.000Z", None)
