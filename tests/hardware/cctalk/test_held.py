"""What is remembered of a note in escrow."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hardware.cctalk.held import Held, read_held, unknown
from wire.money import Money

KEYS = ["escrow", "type", "minor", "currency", "wish", "doubtful"]


@given(st.integers(), st.integers(1, 16), st.integers(1), st.sampled_from(["", "stack", "return"]), st.booleans())
def test_it_is_found_again(escrow: int, number: int, minor: int, wish: str, doubtful: bool) -> None:
    held = Held(escrow, number, Money(minor, "KZT"), wish, doubtful)
    assert read_held(held.kept()) == held
    assert str(escrow) in str(unknown(held))


@given(st.dictionaries(st.sampled_from(KEYS), st.one_of(st.none(), st.text(max_size=3), st.integers(), st.booleans())))
def test_damaged_memory_is_no_note_or_one(kept: dict[str, Any]) -> None:
    found = read_held(kept)
    assert found is None or isinstance(found, Held)
    assert read_held(None) is None
