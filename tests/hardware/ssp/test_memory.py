"""What is remembered survives a restart, and a stranger's memory harms nobody."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.ssp.memory import Last, Note, Remembered, recall
from wire.money import Money

notes = st.builds(
    Note,
    st.integers(1, 9999),
    st.integers(1, 16),
    st.builds(Money, st.integers(1, 10**9), st.sampled_from(["KZT", "RUB"])),
    st.sampled_from(["", "stack", "return"]),
    st.booleans(),
    st.booleans(),
)
lasts = st.builds(Last, st.integers(0, 16), st.booleans(), st.booleans(), st.booleans())
remembered = st.builds(
    Remembered,
    st.integers(0, 9999),
    st.none() | notes,
    st.none() | lasts,
    st.none() | st.booleans(),
    st.booleans(),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(remembered)
def test_it_comes_back_through_json(kept: Remembered) -> None:
    assert recall(json.loads(json.dumps(kept.to_memory()))) == kept


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Remembered().to_memory(), json_values)))
def test_whatever_was_written_by_somebody_else_is_read_without_harm(memory: dict[str, object]) -> None:
    recall(memory)


@pytest.mark.parametrize("note", [{"minor": 1}, {"currency": "?"}, [], "x", {"minor": True, "currency": "KZT"}])
def test_a_garbled_note(note: object) -> None:
    kept = recall({"note": note, "escrow": "7", "last": "sideways", "flag": 1})
    assert (kept.escrow, kept.note, kept.last, kept.flag) == (0, None, None, None)
