"""Who waits for what, and who no longer does."""

from collections import deque

from hardware.errors import DeviceFault, TransportError
from hardware.escpos.outgoing import Timers
from hardware.escpos.waiting import Job, Waiting
from hardware.protocol import Action, Finish


def job(reference: str, ticket: int, begin_by: float = 10.0) -> Job:
    return Job(reference, False, deque(), begin_by, [ticket])


def bench() -> tuple[Waiting, Timers, list[Action]]:
    timers: Timers = {}
    actions: list[Action] = []
    return Waiting(actions.append, timers), timers, actions


def test_slips_come_in_their_order_and_the_first_that_is_late_is_waited_for() -> None:
    waiting, timers, _ = bench()
    waiting.add(job("A", 1, 12))
    waiting.add(job("B", 2, 10))
    assert timers == {"start": 10}
    assert [waiting.next().reference, waiting.next().reference] == ["A", "B"]
    assert timers == {}
    assert not waiting.slips


def test_only_those_that_waited_too_long_are_given_up() -> None:
    waiting, timers, actions = bench()
    waiting.add(job("A", 1, 12))
    waiting.add(job("B", 2, 10))
    error = DeviceFault("starting", "not ready")
    waiting.late(error, 10)
    assert actions == [Finish(2, error=error)]
    assert timers == {"start": 12}


def test_all_are_given_up() -> None:
    waiting, timers, actions = bench()
    waiting.add(job("A", 1))
    waiting.add(job("B", 2))
    error = TransportError("gone")
    waiting.fail(error)
    waiting.fail(error)
    assert actions == [Finish(1, error=error), Finish(2, error=error)]
    assert timers == {}


def test_readers_and_those_that_want_it_ready_are_told_once() -> None:
    waiting, _, actions = bench()
    waiting.add_reader(1)
    waiting.add_ready(2)
    for _ in range(2):
        waiting.read("well")
        waiting.ready()
    assert actions == [Finish(1, "well"), Finish(2)]


def test_one_who_no_longer_waits_is_told_nothing() -> None:
    waiting, timers, actions = bench()
    waiting.add(job("A", 1))
    waiting.add_reader(2)
    waiting.add_ready(3)
    for ticket in (1, 2, 3):
        waiting.forget(ticket)
    waiting.fail(TransportError("gone"))
    waiting.read()
    waiting.ready()
    assert (actions, timers) == ([], {})


def test_a_slip_for_which_another_waits_too_is_kept() -> None:
    waiting, _, _ = bench()
    one = job("A", 1)
    one.tickets.append(2)
    waiting.add(one)
    waiting.forget(1)
    assert waiting.slips
