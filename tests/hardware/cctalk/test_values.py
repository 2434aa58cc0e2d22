"""Names of coins and notes as money."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.cctalk.values import bill_money, coin_money, parse_value
from wire.money import Money


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("020", "20"),
        (".50", "0.50"),
        ("1K5", "1500"),
        ("10K", "10000"),
        ("M50", "500000"),
        ("5m0", "0.005"),
        ("2.5", "2.5"),
    ],
)
def test_a_value_s_marks(text: str, value: str) -> None:
    assert parse_value(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "...", "1.K", "A20", "--1", "²³1"])
def test_what_is_no_value(text: str) -> None:
    assert parse_value(text) is None


@pytest.mark.parametrize(
    ("name", "money"),
    [
        ("EU020A", Money(20, "EUR")),
        ("EU200A", Money(200, "EUR")),
        ("GB100B", Money(100, "GBP")),
        ("RU1K0A", Money(1000, "RUB")),
        ("KZ100A", Money(10000, "KZT")),
        ("TK001A", None),
        ("......", None),
        ("EU000A", None),
        ("EU.50A", None),
        ("EU02A", None),
    ],
)
def test_coins(name: str, money: Money | None) -> None:
    assert coin_money(name) == money


def test_an_owner_may_say_what_a_coin_s_unit_is() -> None:
    assert coin_money("KZ100A", 1) == Money(100, "KZT")


@pytest.mark.parametrize(
    ("name", "scale", "decimals", "money"),
    [
        ("EU0005A", 100, 2, Money(500, "EUR")),
        ("KZ1K00A", 100, 2, Money(100000, "KZT")),
        ("KZ0500A", 1, 0, Money(50000, "KZT")),
        ("JP1000A", 1, 0, Money(1000, "JPY")),
        ("KZ0500A", 0, 0, None),
        ("KZ0500A", 1, 200, None),
        (".......", 1, 0, None),
    ],
)
def test_notes(name: str, scale: int, decimals: int, money: Money | None) -> None:
    assert bill_money(name, scale, decimals) == money


@given(st.text(max_size=8), st.integers(0, 65535), st.integers(0, 255))
def test_no_name_raises(name: str, scale: int, decimals: int) -> None:
    coin_money(name)
    bill_money(name, scale, decimals)
