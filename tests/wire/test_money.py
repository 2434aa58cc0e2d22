"""Money is whole, exact, and of one currency."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.money import CurrencyMismatch, Money, minor_digits, of_major

AMOUNTS = st.integers(-(10**15), 10**15)
CURRENCIES = st.sampled_from(["KZT", "RUB", "USD", "UZS", "JPY", "KWD"])


@pytest.mark.parametrize("currency", ["", "kzt", "KZ", "KZTT", "₸₸₸", "КZТ", "123"])
def test_what_is_no_currency_is_refused(currency: str) -> None:
    with pytest.raises(ValueError, match="is not an ISO 4217 code"):
        Money(1, currency)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(150000, "KZT"), "1500.00 KZT"), (Money(5, "RUB"), "0.05 RUB"), (Money(-5, "RUB"), "-0.05 RUB"),
        (Money(500, "JPY"), "500 JPY"), (Money(1, "KWD"), "0.001 KWD"), (Money(0, "KZT"), "0.00 KZT"),
        (Money(10**17, "UZS"), "1000000000000000.00 UZS"),
    ],
)  # fmt: skip
def test_money_is_told_to_people_in_their_unit(money: Money, text: str) -> None:
    assert str(money) == text


def test_what_people_name_becomes_minor_units() -> None:
    assert of_major(500, "KZT") == Money(50000, "KZT")
    assert of_major(Decimal("0.05"), "RUB") == Money(5, "RUB")
    assert of_major(500, "JPY") == Money(500, "JPY")
    for amount, currency in ((Decimal("0.001"), "KZT"), (Decimal("0.5"), "JPY")):
        with pytest.raises(ValueError, match=f"{amount} {currency} is not a whole number of minor units"):
            of_major(amount, currency)


@given(AMOUNTS, CURRENCIES)
def test_there_and_back_nothing_is_lost(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert of_major(money.major, currency) == money
    assert money == msgspec.json.decode(msgspec.json.encode(money), type=Money)
    assert json.loads(msgspec.json.encode(money)) == {"minor": minor, "currency": currency}
    assert str(money).split() == [f"{money.major:.{minor_digits(currency)}f}", currency]


@given(AMOUNTS, AMOUNTS, CURRENCIES)
def test_it_is_reckoned_like_whole_numbers(one: int, two: int, currency: str) -> None:
    a, b = Money(one, currency), Money(two, currency)
    assert (a + b).minor == one + two
    assert (a - b).minor == one - two
    assert (a < b, a <= b, a > b, a >= b, a == b) == (one < two, one <= two, one > two, one >= two, one == two)
    assert max(a, b).minor == max(one, two)


def test_two_currencies_are_never_reckoned_together() -> None:
    tenge, rouble = Money(100, "KZT"), Money(100, "RUB")
    for reckon in (
        lambda: tenge + rouble, lambda: tenge - rouble, lambda: tenge < rouble, lambda: tenge <= rouble,
        lambda: tenge > rouble, lambda: tenge >= rouble,
    ):  # fmt: skip
        with pytest.raises(CurrencyMismatch, match="cannot be reckoned together"):
            reckon()
    assert tenge != rouble


def test_it_can_be_counted_by() -> None:
    assert {Money(1, "KZT"): 2}[Money(1, "KZT")] == 2
    with pytest.raises(AttributeError):
        Money(1, "KZT").minor = 2  # type: ignore[misc]


@pytest.mark.parametrize("text", ['{"minor": 1.5, "currency": "KZT"}', '{"minor": "1", "currency": "KZT"}',
                                  '{"minor": 1, "currency": "tenge"}', '{"currency": "KZT"}'])  # fmt: skip
def test_money_that_travels_is_read_strictly(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Money)
