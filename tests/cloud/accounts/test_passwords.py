"""Which passwords are good enough, and which codes are right."""

import pyotp
import pytest

from cloud.accounts import passwords
from cloud.accounts.tries import wait_after
from cloud.errors import Refused


@pytest.mark.parametrize(
    ("password", "fact"),
    [
        ("123456789", "short"), ("x" * 257, "long"), ("ann.bailiff", "name"), ("ANN.BAILIFF1!", "name"),
        ("password12345", "common"), ("Qwertyuiop", "common"), ("1234567890", "common"), ("abababababab", "common"),
        ("йцукенгшщз1", "common"), ("kiosk2026!", "common"), ("qwertyuiopas", "common"),
    ],
)  # fmt: skip
def test_a_password_that_is_tried_first_is_refused(password: str, fact: str) -> None:
    with pytest.raises(Refused) as refused:
        passwords.check_password("ann.bailiff", password)
    assert refused.value.fact == f"password-{fact}"


@pytest.mark.parametrize("password", ["four unrelated words", "kjh8(dfk2Q", "сорок два слона", "ann.bailiff likes tea"])
def test_other_passwords_are_taken(password: str) -> None:
    passwords.check_password("ann.bailiff", password)


def test_guessing_costs_what_is_advised() -> None:
    assert passwords.hash_password("four unrelated words").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_password_is_known_again_however_its_letters_are_typed() -> None:
    hashed = passwords.hash_password("caf\u00e9 au lait")
    assert hashed.startswith("$argon2id$")
    assert passwords.is_password(hashed, "cafe\u0301 au lait")
    assert not passwords.is_password(hashed, "cafe au lait")
    assert not passwords.is_password("no hash", "x")
    assert not passwords.is_outdated(hashed)
    assert passwords.is_outdated(hashed.replace("t=2", "t=1"))


def test_a_code_is_good_for_its_step_and_one_on_either_side_and_once() -> None:
    secret, now = passwords.new_totp_secret(), 1_700_000_010.0
    totp, step = pyotp.TOTP(secret), 1_700_000_010 // 30
    assert [passwords.totp_step(secret, totp.at(now + 30 * off), now, None) for off in (-2, -1, 0, 1, 2)] == [
        None, step - 1, step, step + 1, None,
    ]  # fmt: skip
    code = totp.at(now)
    assert passwords.totp_step(secret, f"{code[:3]} {code[3:]}", now, step - 1) == step
    assert passwords.totp_step(secret, code, now, step) is None
    for wrong in ("", "12345", "1234567", "12345a", "١٢٣٤٥٦"):
        assert passwords.totp_step(secret, wrong, now, None) is None


def test_the_wait_doubles_from_half_a_minute_to_a_quarter_of_an_hour() -> None:
    assert [wait_after(failures) for failures in (0, 4, 5, 6, 7, 9, 10, 11, 10_000)] == [
        0, 0, 30, 60, 120, 480, 900, 900, 900,
    ]  # fmt: skip
