"""What an answer means, and how long is waited after it."""

import pytest

from cloud.telemetry.pause import Verdict, judge, pause

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(s, Verdict.TAKEN) for s in (200, 202, 204)]
    + [(s, Verdict.AGAIN) for s in (0, 408, 429, 500, 502, 503, 599)]
    + [(s, Verdict.REFUSED) for s in (301, 307, 400, 401, 403, 404, 413, 415)],
)
def test_what_is_refused_is_not_tried_again(status: int, verdict: Verdict) -> None:
    assert judge(status) is verdict


def test_pauses_double_up_to_a_minute() -> None:
    assert [pause(n) for n in (0, 1, 2, 3, 6, 7, 8, 10_000)] == [1, 1, 2, 4, 32, 60, 60, 60]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7),
        (" 30 ", 30),
        ("0", 1),
        ("99999999999999999999", 600),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 1),
        ("-5", 2),
        ("soon", 2),
        ("", 2),
        ("٣", 2),
        ("Tue, 99 Nov 99999 99:99:99 GMT", 2),
    ],
)
def test_a_receiver_is_obeyed_within_reason(asked: str, seconds: float) -> None:
    assert pause(2, asked, NOW) == seconds
