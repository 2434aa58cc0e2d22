"""States and codes have words."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.ccnet.states import (
    FAILURE_WORDS,
    REJECT_WORDS,
    STATE_WORDS,
    Failure,
    PollAnswer,
    Reject,
    State,
    read_poll,
)


def test_all_have_words() -> None:
    assert set(STATE_WORDS) == set(State)
    assert set(REJECT_WORDS) == set(Reject)
    assert set(FAILURE_WORDS) == set(Failure)


def test_a_reason_is_in_the_words() -> None:
    assert "not taken" in PollAnswer(State.REJECTING, b"\x68").words
    assert PollAnswer(State.REJECTING, b"\x68").code == "1C 68"
    assert "stacker's motor" in PollAnswer(State.FAILURE, b"\x50").words
    assert "unknown failure 77" in PollAnswer(State.FAILURE, b"\x77").words
    assert "unknown reason 77" in PollAnswer(State.REJECTING, b"\x77").words
    assert "0.7 s" in PollAnswer(State.BUSY, b"\x07").words


def test_bill_to_bill_says_where_a_note_went() -> None:
    answer = read_poll(bytes([0x81, 3, 2]))
    assert answer == PollAnswer(0x81, b"\x03\x02")
    assert answer is not None
    assert answer.destination == 2


def test_what_is_no_answer_to_poll() -> None:
    for data in (b"", b"\x00", b"\xff", b"\x80", b"\x81", b"\x82"):
        assert read_poll(data) is None


@given(st.binary(max_size=8))
def test_anything_has_words(data: bytes) -> None:
    answer = read_poll(data)
    if answer is not None:
        assert answer.words
        assert answer.code
