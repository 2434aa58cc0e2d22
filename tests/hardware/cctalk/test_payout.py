"""What is remembered of a payout."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.cctalk.payout import End, Intent, read_end, read_intent
from hardware.errors import OutcomeUnknown, Refused
from hardware.roles import Payout

numbers = st.integers(0, 255)
memory = st.dictionaries(
    st.sampled_from(["reference", "asked", "counter", "paid", "unpaid", "total", "marked", "words"]),
    st.one_of(st.none(), st.text(max_size=3), st.integers(), st.booleans(), st.lists(st.integers(), max_size=2)),
)


@given(st.builds(Intent, st.text(), numbers, numbers, numbers, numbers, st.none() | st.integers(0), st.booleans()))
def test_an_intent_is_found_again(intent: Intent) -> None:
    assert read_intent(intent.kept()) == intent


@given(st.builds(End, st.text(), numbers, numbers, st.text(), st.booleans(), st.booleans()))
def test_an_end_is_found_again(end: End) -> None:
    assert read_end(end.kept()) == end


@given(memory)
def test_damaged_memory_does_not_raise(kept: dict[str, Any]) -> None:
    read_intent(kept)
    read_end(kept)


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (End("a", 3, 2, "why"), Payout),
        (End("a", 3, 0, "no", refused=True), Refused),
        (End("a", 3, unclear=True), OutcomeUnknown),
    ],
)
def test_what_a_caller_gets(end: End, kind: type) -> None:
    assert isinstance(end.result(), kind)
