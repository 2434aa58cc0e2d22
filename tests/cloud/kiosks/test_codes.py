"""What a code is good for, whatever the clocks say."""

import pytest

from cloud.kiosks.codes import Code, Holder, Reason, Result, age, code_hash, good_until, is_over, judge, new_code
from wire.enrolment import CODE_GOOD_FOR, parse_code

DAY = CODE_GOOD_FOR
KIOSK = Holder(enabled=True, removed=False)
REFUSED, ENROLLED, REPEATED = Result.REFUSED, Result.ENROLLED, Result.REPEATED


def code(**values: object) -> Code:
    """A code made at 1000."""
    return Code(**{"kiosk_id": "kiosk_001", "made_at": 1000.0, **values})  # type: ignore[arg-type]


USED = code(used_at=2000.0, public_key="mine")
BOUND = Holder(enabled=True, removed=False, public_key="mine")


@pytest.mark.parametrize(
    ("found", "kiosk", "now", "expected"),
    [
        (None, None, 1000.0, (REFUSED, Reason.UNKNOWN)),
        (code(), KIOSK, 1000.0, (ENROLLED, None)),
        (code(), KIOSK, 1000.0 + DAY - 1, (ENROLLED, None)),
        (code(), KIOSK, 1000.0 + DAY, (REFUSED, Reason.EXPIRED)),
        (code(), None, 1000.0, (REFUSED, Reason.REMOVED)),
        (code(), Holder(enabled=False, removed=True), 1000.0, (REFUSED, Reason.REMOVED)),
        (code(), Holder(enabled=False, removed=False), 1000.0, (REFUSED, Reason.DISABLED)),
        (code(ended="replaced"), KIOSK, 1000.0, (REFUSED, Reason.REPLACED)),
        (code(ended="withdrawn"), KIOSK, 1000.0, (REFUSED, Reason.WITHDRAWN)),
        (USED, BOUND, 3000.0, (REPEATED, None)),
        (USED, BOUND, 1000.0 + DAY, (REFUSED, Reason.EXPIRED)),
        (USED, Holder(enabled=False, removed=False, public_key="mine"), 3000.0, (REFUSED, Reason.DISABLED)),
        # Its key was taken away, or another was bound since: an answer now would be another's.
        (USED, KIOSK, 3000.0, (REFUSED, Reason.USED)),
        (USED, Holder(enabled=True, removed=False, public_key="other"), 3000.0, (REFUSED, Reason.USED)),
        (code(used_at=2000.0, public_key="other"), BOUND, 3000.0, (REFUSED, Reason.USED)),
    ],
)
def test_what_comes_of_trading_a_code(
    found: Code | None, kiosk: Holder | None, now: float, expected: tuple[Result, Reason | None]
) -> None:
    assert expected == judge(found, kiosk, "mine", now)


def test_a_clock_put_back_makes_no_code_last() -> None:
    assert not is_over(code(lived=DAY - 1), 0.0)
    assert is_over(code(lived=DAY), 0.0)
    assert is_over(code(lived=DAY), 1000.0 - 10 * 365 * DAY)
    assert judge(code(lived=DAY), KIOSK, "mine", 1001.0) == (REFUSED, Reason.EXPIRED)


def test_a_clock_put_right_ends_no_code_early() -> None:
    """Made while the clock stood a year ahead, used after it was set right."""
    assert age(code(lived=60.0), 1000.0 - 365 * DAY) == 60.0
    assert judge(code(lived=60.0), KIOSK, "mine", 1000.0 - 365 * DAY) == (ENROLLED, None)


def test_until_when_it_is_good_is_told_by_whichever_clock_is_ahead() -> None:
    assert good_until(code(), 5000.0) == 1000.0 + DAY
    assert good_until(code(lived=DAY / 2), 1000.0) == 1000.0 + DAY / 2


def test_codes_are_many_and_typed_without_doubt() -> None:
    made = {new_code() for _ in range(1000)}
    assert len(made) == 1000
    assert made == {parse_code(f" {text[:4].lower()}-{text[4:]} ") for text in made}


def test_a_hash_reveals_nothing_without_the_hubs_secret() -> None:
    first, second = code_hash("secret-1", "ABCD2345"), code_hash("secret-2", "ABCD2345")
    assert len({first, second, code_hash("secret-1", "ABCD2346")}) == 3
    assert first == code_hash("secret-1", "ABCD2345")
    assert len(first) == 64
