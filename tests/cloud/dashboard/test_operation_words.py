"""What became of an operation, in words."""

from typing import Any

import pytest

from cloud.dashboard.operation_words import TONES, outcome, problem, shown, timeline, took
from cloud.dashboard.texts import LANGUAGES, TEXTS, say
from cloud.operations.by_hand import Resolution
from cloud.operations.deliveries import STANDS, Delivery
from cloud.operations.operation import Operation, State
from cloud.operations.search import OUTCOMES
from wire.problems import PROBLEMS


def operation(**changes: Any) -> Operation:
    given = {"request_id": "x", "kiosk_id": "k", "operation": "payment", "method": "POST", "created_at": 100.0}
    return Operation(**{**given, "state": State.SENT, **changes})


def resolution(**changes: Any) -> Resolution:
    given = {"request_id": "x", "at": 200.0, "by": "dashboard:a", "why": "the bank says so", "before": "timeout"}
    return Resolution(**{**given, "state": "succeeded", **changes})


def delivery(**changes: Any) -> Delivery:
    given = {"request_id": "x", "api_key_id": "k", "attempts": 1, "next_at": None, "delivered_at": None}
    return Delivery(**{**given, "last_error": None, "created_at": 110.0, **changes})


def life(it: Operation, **changes: Any) -> list[tuple[str, float | None]]:
    given: dict[str, Any] = {"resolution": None, "delivery": None, "under_way": False, "asked_by": "shop"}
    told = timeline(it, **{**given, **changes}, say=lambda key, **_: key, span=str)
    return [(each.words.removeprefix("operations.life-"), each.gap) for each in told]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": State.SUCCEEDED, "executed": "yes"}, "succeeded"),
        ({"state": State.FAILED, "executed": "yes"}, "refused"),
        ({"state": State.FAILED, "executed": "no"}, "not-executed"),
        ({"state": State.EXPIRED}, "not-executed"),
        ({"state": State.UNKNOWN}, "unknown"),
        ({"state": State.QUEUED}, "queued"),
        ({"state": State.SUCCEEDED, "problem": "confirmed-executed"}, "hand-executed"),
        ({"state": State.FAILED, "problem": "confirmed-not-executed", "executed": "no"}, "hand-not-executed"),
    ],
)
def test_what_it_comes_to(changes: dict[str, Any], expected: str) -> None:
    assert outcome(operation(**changes)) == expected
    assert expected in TONES


def test_a_kiosk_that_says_otherwise_comes_first() -> None:
    it = operation(state=State.SUCCEEDED, problem="confirmed-executed")
    assert outcome(it, resolution(contradiction="not executed")) == "contradicted"


def test_a_whole_life_with_its_gaps() -> None:
    it = operation(
        state=State.SUCCEEDED, executed="yes", status=200, delivery="queue", start_by=160.0, sent_at=101.0,
        accepted_at=102.0, elapsed=1.0, finished_at=110.0,
    )  # fmt: skip
    assert life(it, delivery=delivery(delivered_at=112.0)) == [
        ("created", None), ("queued", 0.0), ("sent", 1.0), ("accepted", 1.0), ("succeeded", 8.0), ("callback", 0.0),
        ("callback-delivered", 2.0),
    ]  # fmt: skip
    ended = timeline(
        it, resolution=None, delivery=None, under_way=False, asked_by="", say=lambda key, **_: key, span=str
    )[-1]
    assert ended.more == "operations.life-elapsed operations.life-late"  # 7 s after the kiosk was done


def test_a_life_that_a_person_settled_and_the_kiosk_contradicts() -> None:
    it = operation(state=State.SUCCEEDED, problem="confirmed-executed", sent_at=101.0, finished_at=200.0)
    kept = resolution(told_at=300.0, contradicted_at=300.0, contradiction="it was not executed")
    told = delivery(created_at=200.0, next_at=250.0, attempts=2)
    assert life(it, resolution=kept, delivery=told) == [
        ("created", None), ("sent", 1.0), ("hand-executed", 99.0), ("callback", 0.0), ("contradicted", 100.0),
        ("callback-failing", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "under_way", "last"),
    [
        ({"attempts": 0, "next_at": 1.0}, False, "callback"),
        ({"attempts": 0, "next_at": 1.0}, True, "callback-now"),
        ({"attempts": 3}, False, "callback-given-up"),
    ],
)
def test_how_a_callback_stands(changes: dict[str, Any], under_way: bool, last: str) -> None:
    it = operation(state=State.SUCCEEDED, executed="yes", status=200, finished_at=110.0)
    assert life(it, delivery=delivery(**changes), under_way=under_way)[-1][0] == last


def test_what_is_not_over_has_no_length() -> None:
    assert took(operation()) is None
    assert took(operation(finished_at=99.0)) == 0.0  # a clock was set


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_there_is_has_words(language: Any) -> None:
    for name in PROBLEMS:
        assert problem(operation(problem=name), lambda key, **fields: say(language, key, **fields)) != name
    for key in (*TONES, *OUTCOMES, *State):
        assert f"operations.outcome.{key}" in TEXTS[language]
    for key in TONES:
        assert say(language, f"operations.verdict.{key}", status=200)
    for key in STANDS:
        assert {f"callbacks.stand.{key}", f"callbacks.nothing.{key}"} <= TEXTS[language].keys()


def test_what_was_quoted_is_masked_and_cut() -> None:
    assert "4111111111111111" not in shown("card 4111111111111111 refused")
    assert len(shown("x y " * 1000)) == 600
