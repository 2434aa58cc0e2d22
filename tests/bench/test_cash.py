"""What the demo says while a customer pays."""

from typing import Any

import pytest

from bench.cash import in_words, people

PROGRESS = {"stage": "collecting", "amount": 135000, "currency": "KZT", "collected": 100000, "accepts": [500, 50000]}


def test_amounts_are_written_as_people_do() -> None:
    assert [people(minor) for minor in (0, 5, 135000, 123456789)] == ["0.00", "0.05", "1 350.00", "1 234 567.89"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "1 350.00 to pay; notes it takes: 500"),
        ({"accepts": [500]}, ""),
        ({"last": {"what": "note_escrowed", "amount": 50000}}, "a note of 500.00 is in escrow"),
        ({"last": {"what": "note_stacked", "amount": 100000}}, "1 000.00 taken: 1 000.00 of 1 350.00"),
        ({"last": {"what": "note_returned", "amount": 50000}}, "a note of 500.00 was given back"),
        ({"stage": "paying", "last": {"what": "payout"}, "change_paid": 0, "change": 15000}, ""),
        (
            {"stage": "paying", "last": {"what": "payout"}, "change_paid": 5000, "change": 15000},
            "change: 50.00 of 150.00 paid out",
        ),
        ({"stage": "receipt"}, "the receipt is being registered"),
        (
            {"stage": "receipt", "receipt": {"status": "registered", "number": 7}},
            "the receipt is registered: document 7",
        ),
        ({"stage": "receipt", "receipt": {"status": "pending"}}, "the receipt is pending"),
        ({"stage": "opening"}, ""),
    ],
)
def test_progress_in_words(change: dict[str, Any], words: str) -> None:
    assert in_words({**PROGRESS, **change}) == words
