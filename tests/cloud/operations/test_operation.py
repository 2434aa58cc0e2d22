"""An operation's states: every pair of state and event is listed here or refused."""

import copy
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.operations import operation as rules
from cloud.operations.operation import FINAL, TRANSITIONS, Operation, State
from wire.messages import Error, Executed, Response
from wire.problems import PROBLEMS

S = State
NOW = 1000.0


def operation(state: State = S.QUEUED) -> Operation:
    """An operation in a state."""
    return Operation(
        request_id="request-1", kiosk_id="kiosk_001", operation="payment", method="POST", created_at=1.0, state=state
    )


def response(executed: str, status: int = 200, problem: str | None = None) -> Response:
    """What a kiosk says."""
    return Response(
        request_id="request-1",
        operation="payment",
        executed=Executed(executed),
        status=status,
        body=msgspec.Raw(b'{"a":1}'),
        error=Error(problem, "words") if problem else None,
        elapsed=0.5,
    )


Event = Callable[[Operation], object]
EVENTS: dict[str, Event] = {
    "sent": lambda it: rules.sent(it, NOW),
    "accepted": lambda it: rules.accepted(it, NOW),
    "answered 200": lambda it: rules.answered(it, response("yes", 200), NOW),
    "answered 500": lambda it: rules.answered(it, response("yes", 500), NOW),
    "not executed": lambda it: rules.answered(it, response("no", 0, "gateway-unreachable"), NOW),
    "refused as expired": lambda it: rules.answered(it, response("no", 0, "expired"), NOW),
    "cannot know": lambda it: rules.answered(it, response("unknown", 0, "interrupted"), NOW),
    "timeout": lambda it: rules.given_up(it, "timeout", "", NOW),
    "given up unsent": lambda it: rules.given_up(it, "expired", "", NOW),
}
_ANSWERS = {
    "answered 200": S.SUCCEEDED,
    "answered 500": S.FAILED,
    "not executed": S.FAILED,
    "refused as expired": S.EXPIRED,
    "cannot know": S.UNKNOWN,
    "timeout": S.UNKNOWN,
    "given up unsent": S.EXPIRED,
}
# What is not here leaves the state as it is.
EXPECTED: dict[tuple[State, str], State] = {
    (S.QUEUED, "sent"): S.SENT,
    (S.QUEUED, "refused as expired"): S.EXPIRED,
    (S.QUEUED, "given up unsent"): S.EXPIRED,
    (S.SENT, "accepted"): S.ACCEPTED,
    **{(S.SENT, event): state for event, state in _ANSWERS.items()},
    **{(S.ACCEPTED, event): state for event, state in _ANSWERS.items()},
    **{(S.UNKNOWN, event): state for event, state in _ANSWERS.items()},
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(EVENTS))
def test_every_pair_of_state_and_event_is_listed_or_changes_nothing(state: State, event: str) -> None:
    it, before = operation(state), operation(state)
    EVENTS[event](it)
    assert EXPECTED.get((state, event), state) == it.state
    if (state, event) not in EXPECTED and event != "sent":
        assert before == it


@settings(max_examples=200)
@given(st.lists(st.sampled_from(list(EVENTS)), max_size=12))
def test_whatever_happens_a_final_state_and_its_answer_stand(events: list[str]) -> None:
    it = operation()
    for event in events:
        before = copy.copy(it)
        EVENTS[event](it)
        assert it.state == before.state or it.state in TRANSITIONS[before.state]
        if before.is_final:
            assert (before.state, before.status, before.answer, before.problem, before.finished_at) == (
                it.state,
                it.status,
                it.answer,
                it.problem,
                it.finished_at,
            )
        assert it.is_final == (it.finished_at is not None)
        if it.state is S.SUCCEEDED:
            assert (it.executed, it.problem, it.answer is not None) == ("yes", None, True)
        if it.state is S.EXPIRED and it.problem:
            assert PROBLEMS[it.problem].outcome == "not_executed"


def test_the_table_names_every_state_and_final_ones_are_left_by_nothing() -> None:
    assert set(State) == set(TRANSITIONS)
    assert {state for state, after in TRANSITIONS.items() if not after} == FINAL


@pytest.mark.parametrize("status", [199, 200, 299, 300])
def test_the_gateways_status_tells_success(status: int) -> None:
    state = S.SUCCEEDED if status in {200, 299} else S.FAILED
    it = operation(S.SENT)
    assert rules.answered(it, response("yes", status), NOW)
    assert (state, status, b'{"a":1}', 0.5) == (it.state, it.status, it.answer, it.elapsed)


def test_times_are_those_of_the_first_event() -> None:
    it = operation()
    rules.sent(it, 1.0)
    rules.sent(it, 2.0)
    rules.accepted(it, 3.0)
    assert not rules.accepted(it, 4.0)
    assert (it.sent_at, it.accepted_at) == (1.0, 3.0)


def test_a_kiosk_that_does_not_know_what_it_accepted_cannot_tell() -> None:
    """Its journal went back: "never started" is no more than "not known here"."""
    it = operation(S.SENT)
    rules.accepted(it, 1.0)
    expired = Response(request_id="r", operation="o", executed=Executed.NO, error=Error("expired"))
    assert rules.is_forgotten(it, expired)
    assert rules.answered(it, expired, 2.0)
    assert (it.state, it.executed, it.problem, it.finished_at) == (S.UNKNOWN, "unknown", "interrupted", None)
    unreachable = msgspec.structs.replace(expired, error=Error("gateway-unreachable"))
    assert not rules.is_forgotten(it, unreachable)
    assert rules.answered(it, unreachable, 3.0)
    assert (it.state, it.executed) == (S.FAILED, "no")


def test_a_later_definite_answer_takes_the_problem_of_an_unknown_one_away() -> None:
    it = operation(S.SENT)
    rules.given_up(it, "timeout", "no answer", 1.0)
    assert (it.state, it.problem, it.finished_at) == (S.UNKNOWN, "timeout", None)
    assert rules.answered(it, response("yes"), 2.0)
    assert (it.state, it.problem, it.detail, it.finished_at) == (S.SUCCEEDED, None, None, 2.0)


def test_all_that_a_kiosk_found_wrong_is_kept_and_what_is_cut_off_says_so() -> None:
    for letters, kept in ((3000, 3000), (20_000, rules.DETAIL_MAX)):
        it = operation(S.SENT)
        no = Response(
            request_id="r", operation="o", executed=Executed.NO, error=Error("bad-request", "x" * letters)
        )  # fmt: skip
        assert rules.answered(it, no, 2.0)
        assert it.detail is not None
        assert (len(it.detail), it.detail.endswith("…")) == (kept, letters > kept)


HOUR = 3600.0


@pytest.mark.parametrize(
    ("wall", "newest", "left"),
    [
        (1000.0, 1000.0, HOUR),
        (1900.0, 1900.0, HOUR - 900),
        (1000.0 + HOUR, 2000.0, 0.0),
        (1000.0 + 86400, 2000.0, HOUR - 86400),  # set forward: over, and surely not executed
        (0.0, 1000.0, HOUR),  # the clock lost its battery: it is judged by the clock that dated it
        (0.0, 2500.0, HOUR - 1500),
        (400.0, 1000.0 + HOUR, 0.0),
        (900.0, 0.0, HOUR),
    ],
)
def test_a_clock_that_was_set_gives_no_operation_more_time_than_it_had(wall: float, newest: float, left: float) -> None:
    assert rules.seconds_left(1000.0, 1000.0 + HOUR, wall, newest) == left
