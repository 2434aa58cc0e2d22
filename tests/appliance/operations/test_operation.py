"""The table of states."""

import itertools

import pytest

from appliance.operations.operation import TRANSITIONS, Happened, IllegalTransitionError, State, advance

_BEFORE = {State.WAITING, State.STARTING}


def test_every_pair_is_in_the_table_or_refused() -> None:
    for state, happened in itertools.product(State, Happened):
        if (state, happened) in TRANSITIONS:
            assert advance(state, happened) is TRANSITIONS[state, happened]
        else:
            with pytest.raises(IllegalTransitionError, match=state.name):
                advance(state, happened)


def test_nothing_leads_back_before_the_start() -> None:
    for (state, _), after in TRANSITIONS.items():
        if state not in _BEFORE:
            assert after not in _BEFORE


def test_every_state_is_reached_and_only_settled_is_the_end() -> None:
    reached = {State.WAITING, *TRANSITIONS.values()}
    assert reached == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.SETTLED}
