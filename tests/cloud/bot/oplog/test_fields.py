"""The few members that tell what a body is about."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.bot.oplog.fields import summary_of


@pytest.mark.parametrize(
    ("body", "answer", "expected"),
    [
        ({"order_id": 12345, "sum": 1000}, False, ["sum: 1000", "order_id: 12345"]),
        (
            {"amount": {"value": "10.00", "currency": "KZT"}, "id": "x"},
            False,
            ["amount: 10.00 KZT", "id: x"],
        ),
        ({"Amount": 35000, "Currency": "RUB", "OrderId": "ref-1"}, False, ["Amount: 35000 RUB", "OrderId: ref-1"]),
        ({"payment": {"amount": {"minor": 15000, "currency": "KZT"}}}, False, ["amount: 15000 KZT"]),
        ({"сумма": 650, "заказ": "А-17"}, False, ["сумма: 650", "заказ: А-17"]),
        ({"drink": 7}, False, ["drink: 7"]),
        ({"sum": 1.10}, False, ["sum: 1.1"]),
        (
            {"data": {"status": "success", "transactionId": "6"}, "statusCode": 0},
            True,
            ["status: success", "transactionId: 6"],
        ),
        ({"success": False, "error": "no paper"}, True, ["success: false", "error: no paper"]),
        ({"error": {"code": 5}, "message": "two\nlines"}, True, ["message: two lines", "code: 5"]),
        ([1, 2], True, []),
        ("text", True, []),
        ({}, False, []),
    ],
)
def test_what_is_found(body: Any, answer: bool, expected: list[str]) -> None:
    assert summary_of(json.dumps(body), answer=answer) == expected


def test_digits_stay() -> None:
    assert summary_of('{"sum": 1000.00, "order_id": 123456789012345678901}', answer=False) == [
        "sum: 1000.00",
        "order_id: 123456789012345678901",
    ]


@pytest.mark.parametrize("shown", ["", "no JSON", "[" * 10_000, '{"sum": NaN}', '{"a": ' + " " * 70_000 + "1}"])
def test_what_has_none(shown: str) -> None:
    assert summary_of(shown, answer=False) in ([], ["sum: nan"])


def test_long_values_are_cut() -> None:
    assert summary_of(json.dumps({"message": "x" * 100}), answer=True) == ["message: " + "x" * 39 + "…"]


@given(st.text())
def test_nothing_makes_it_raise(shown: str) -> None:
    summary_of(shown, answer=True)
