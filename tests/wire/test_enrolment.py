import pytest

from wire.enrolment import ALPHABET, CODE_LENGTH, parse_code, proof_text, shown_code


@pytest.mark.parametrize("text", ["ABCD2345", "abcd-2345", " AbCd 23 45\n", "a-b-c-d-2-3-4-5"])
def test_a_code_is_taken_as_people_type_it(text: str) -> None:
    assert parse_code(text) == "ABCD2345"


@pytest.mark.parametrize(
    "text", ["", "ABCD234", "ABCD23456", "ABCD234O", "ABCD2341", "ABCD234Я", "ABCD_2345", "ABCD234\0"]
)
def test_what_is_no_code_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="8 letters and digits") as refused:
        parse_code(text)
    assert not text or text not in str(refused.value)


def test_a_code_is_shown_in_halves_and_read_back() -> None:
    code = ALPHABET[:CODE_LENGTH]
    assert shown_code(code) == "2345-6789"
    assert parse_code(shown_code(code)) == code


def test_no_two_things_that_are_signed_read_alike() -> None:
    assert proof_text("c", "kiosk_1", "boot", "journal") != proof_text("c", "kiosk_1", "boot\njournal", "")
    assert proof_text("c", "kiosk_1", "b", "j") != proof_text("d", "kiosk_1", "b", "j")
    with pytest.raises(ValueError, match="kiosk id"):
        proof_text("c", "kiosk_1\nboot", "b", "j")
