"""Until when a kiosk may begin what it was sent, whatever clocks do."""

import msgspec
import pytest

from cloud.operations.operation import Operation, State
from cloud.operations.starting import GIVEN_UP_FOR, LONGEST_S, GivenUp, Starting
from cloud.web.send import SendHeaders
from tests.cloud.operations.test_answers import operation

WALL = 1_000_000.0
DAY = 86400.0


def unknown(**changes: object) -> Operation:
    return operation(**{"state": State.UNKNOWN, "status": None, "answer": None, "created_at": WALL, **changes})


def test_the_longest_is_what_a_caller_may_give() -> None:
    _, components = msgspec.json.schema_components([SendHeaders])
    (longest,) = (
        one["maximum"] for one in components["SendHeaders"]["properties"]["header-timeout"]["anyOf"] if "maximum" in one
    )
    assert longest == LONGEST_S


def test_what_was_given_up_in_this_life_goes_by_the_loops_clock_alone() -> None:
    starting = Starting(0.0, WALL)
    starting.note("request-1", 5000.0 + 44, 5000.0)
    for wall in (WALL, WALL + 1000 * DAY, 0.0):
        assert starting.left(unknown(), 5000.0, wall) == pytest.approx(104, abs=1)
        assert starting.left(unknown(), 5044.0, wall) > 0
        assert starting.left(unknown(), 5105.0, wall) == 0


def test_what_is_asked_for_again_may_be_begun_for_longer_and_never_for_less() -> None:
    starting = Starting(0.0, WALL)
    starting.note("request-1", 5100.0, 5000.0)
    starting.note("request-1", 5010.0, 5000.0)
    assert starting.left(unknown(), 5150.0, WALL) > 0


def test_what_a_kiosk_has_told_it_never_begins() -> None:
    starting = Starting(0.0, WALL)
    starting.note("request-1", 5044.0, 5000.0)
    assert starting.left(unknown(elapsed=0.0), 5000.0, WALL) == 0


def test_a_hub_that_was_just_started_waits_for_as_long_as_any_caller_could_have_given() -> None:
    starting = Starting(100.0, WALL)
    assert starting.left(unknown(created_at=WALL - 1), 100.0, WALL) >= LONGEST_S
    # Its wall clock proves nothing.
    assert starting.left(unknown(created_at=WALL - 50 * DAY), 110.0, WALL + 50 * DAY) > LONGEST_S - 10
    assert starting.left(unknown(), 100.0 + LONGEST_S + 61, WALL) == 0


def test_what_waited_in_the_queue_over_a_restart_goes_by_the_clock_that_this_life_began_with() -> None:
    starting = Starting(0.0, WALL + DAY)
    queued = unknown(delivery="queue", start_by=WALL + 3 * DAY)
    assert starting.left(queued, 1000.0, WALL + DAY + 1000) == pytest.approx(2 * DAY, rel=0.01)
    assert starting.left(queued, 1000.0, WALL + 30 * DAY) > DAY, "a clock that was set ahead makes nothing old"
    assert starting.left(queued, 1000.0, WALL - DAY) > 0, "a clock before its making proves nothing"
    assert starting.left(queued, 2.01 * DAY, WALL + 3.01 * DAY) == 0


def test_notes_do_not_pile_up() -> None:
    starting = Starting(0.0, WALL)
    for n in range(20_000):
        starting.note(f"request-{n}", n + 44.0, float(n))
    assert len(starting._until) < 3000
    assert starting.left(unknown(request_id="request-0"), 20_000.0, WALL) == 0


def test_what_was_given_up_is_remembered_until_its_kiosk_answers_and_for_a_day_at_most() -> None:
    given_up = GivenUp()
    given_up.note("a", 100.0, 50.0)
    given_up.note("b", 200.0, 60.0)
    given_up.note("c", 200.0, 70.0)
    given_up.forget("b")
    given_up.forget("never")
    assert [given_up.get(name) for name in "abc"] == [100.0, None, 200.0]
    given_up.note("d", 100.0 + GIVEN_UP_FOR, 99.0 + GIVEN_UP_FOR)
    assert given_up.get("a") == 100.0
    given_up.note("e", 300.0 + GIVEN_UP_FOR, 200.0 + GIVEN_UP_FOR)
    assert [given_up.get(name) is None for name in "acde"] == [True, True, False, False]


def test_of_what_is_given_up_without_end_the_oldest_is_forgotten() -> None:
    given_up = GivenUp(most=100)
    for number in range(1000):
        given_up.note(str(number), 1e6, 0.0)
    assert len(given_up) == 100
    assert [given_up.get("899"), given_up.get("900")] == [None, 1e6]
