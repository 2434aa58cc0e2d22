"""The circuit before a device, in states and moments."""

import pytest

from appliance.supervisor.circuit import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S, Circuit, State


def opened(now: float = 0.0) -> Circuit:
    circuit = Circuit()
    assert [circuit.failed("silent", now) for _ in range(FAILURES)] == [False] * (FAILURES - 1) + [True]
    return circuit


def test_it_opens_after_failures_in_a_row_only() -> None:
    circuit = Circuit()
    for _ in range(10):
        for _ in range(FAILURES - 1):
            assert not circuit.failed("silent", 0.0)
        assert not circuit.succeeded()
        assert circuit.admits
    assert not opened().admits


def test_a_probe_begins_when_its_time_has_come_and_only_one() -> None:
    circuit = opened(100.0)
    assert not circuit.due(100.0 + FIRST_PAUSE_S - 0.1)
    assert circuit.due(100.0 + FIRST_PAUSE_S)
    assert (circuit.state, circuit.admits) == (State.PROBING, False)
    assert not circuit.due(1000.0)


def test_pauses_grow_up_to_a_minute_and_begin_anew_after_a_success() -> None:
    circuit, now, pauses = opened(), 0.0, []
    for _ in range(8):
        pauses.append(circuit.probe_at - now)
        now = circuit.probe_at
        assert circuit.due(now)
        assert not circuit.failed("silent still", now)
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert (circuit.since, circuit.words) == (0.0, "silent still")
    assert circuit.due(circuit.probe_at)
    assert circuit.succeeded()
    assert (circuit.admits, circuit.words, circuit.failures) == (True, "", 0)
    assert not circuit.succeeded()
    for _ in range(FAILURES):
        circuit.failed("again", now)
    assert circuit.probe_at == now + FIRST_PAUSE_S


def test_a_call_from_before_does_not_move_the_next_probe() -> None:
    circuit = opened(0.0)
    before = circuit.probe_at
    assert not circuit.failed("late", 1.5)
    assert circuit.probe_at == before


@pytest.mark.parametrize("moment", [0.0, 1.0])
def test_a_device_that_says_it_is_well_is_probed_at_once(moment: float) -> None:
    circuit = opened(0.0)
    circuit.hope(moment)
    assert circuit.due(moment)
    closed = Circuit()
    closed.hope(0.0)
    assert not closed.due(1e9)


def test_a_device_that_says_so_while_it_is_probed_is_probed_again_at_once() -> None:
    circuit = opened(0.0)
    assert circuit.due(10.0)
    circuit.hope(15.0)
    circuit.failed("the old trouble", 20.0)
    assert circuit.due(20.0)
    circuit.failed("the old trouble", 30.0)
    assert not circuit.due(30.0)
