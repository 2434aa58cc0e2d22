"""Codes in words."""

from hardware.ssp.states import GENERIC_NAMES, GENERIC_WORDS, REJECTS, Generic, generic


def test_every_generic_answer_has_a_name_and_words() -> None:
    assert set(Generic) == set(GENERIC_NAMES) == set(GENERIC_WORDS)


def test_every_reject_code_has_words() -> None:
    assert set(REJECTS) == set(range(0x1E))


def test_an_answer_is_said() -> None:
    assert generic(b"\xf5\x03") == "it cannot be done now (reason 03)"
    assert "encrypted" in generic(b"\xfa")
    assert "99" in generic(b"\x99")
    assert generic(b"") == "nothing"
