"""Words for an operator."""

from hardware.atol.states import FAULT_CODES, PAPER_CODES, REMEDIES, SHIFT_CODES, Code, ShiftWord, TaskStatus, words_of


def test_every_fault_says_what_to_do() -> None:
    for code in FAULT_CODES | SHIFT_CODES:
        assert len(REMEDIES[code]) > 10, code


def test_words_of() -> None:
    assert words_of(44) == "put in a new roll of paper"
    assert words_of(44, "Нет бумаги") == "put in a new roll of paper [Нет бумаги]"
    assert words_of(9999, "said") == "said"
    assert words_of(9999) == "error 9999"
    assert words_of(Code.OK) == "error 0"


def test_a_wrong_shift_is_a_no_and_paper_a_fault() -> None:
    assert not SHIFT_CODES & FAULT_CODES
    assert PAPER_CODES <= FAULT_CODES


def test_states() -> None:
    assert [word.state for word in ShiftWord] == ["closed", "open", "expired"]
    assert {status.value for status in TaskStatus} == {
        "wait", "inProgress", "ready", "error", "interrupted", "blocked", "canceled",
    }  # fmt: skip
