"""What coins and notes call themselves, as money.

A coin's name is six characters: country, value in three, issue ("EU020A"). A note's is seven, the value in four, and a
scaling factor for each country says what the value is multiplied by and how many digits stand after the point. In a
value one of the characters may be a decimal mark: `.`, `m` (thousandths), `K` (thousands), `M` (millions): "1K5" is
1500. Source: Part 2 v4.6, coin and bill identification.
"""

from collections.abc import Mapping
from decimal import Decimal

from wire.money import Money, minor_digits

CURRENCIES: Mapping[str, str] = {
    "AE": "AED",
    "AM": "AMD",
    "AZ": "AZN",
    "BG": "BGN",
    "BY": "BYN",
    "CA": "CAD",
    "CH": "CHF",
    "CN": "CNY",
    "CZ": "CZK",
    "DK": "DKK",
    "EU": "EUR",
    "GB": "GBP",
    "GE": "GEL",
    "HU": "HUF",
    "IL": "ILS",
    "IN": "INR",
    "JP": "JPY",
    "KG": "KGS",
    "KZ": "KZT",
    "MD": "MDL",
    "MN": "MNT",
    "NO": "NOK",
    "PL": "PLN",
    "RO": "RON",
    "RS": "RSD",
    "RU": "RUB",
    "SE": "SEK",
    "TJ": "TJS",
    "TM": "TMT",
    "TR": "TRY",
    "UA": "UAH",
    "US": "USD",
    "UZ": "UZS",
}
"""The currency of a country's code; "TK" (tokens) and unknown ones are no money."""

COIN_UNITS: Mapping[str, int] = {"KZT": 100, "UZS": 100, "AMD": 100, "KGS": 100, "MNT": 100}
"""Minor units that a coin's value of 1 stands for. One (cents) but where nobody has such coins; an inference."""

_MARKS: Mapping[str, Decimal] = {
    ".": Decimal(1),
    "m": Decimal("0.001"),
    "K": Decimal(1000),
    "k": Decimal(1000),
    "M": Decimal(1_000_000),
}


def parse_value(text: str) -> Decimal | None:
    """The number in a name, or None when it is none: "020", ".50", "1K5", "10K"."""
    marks = [letter for letter in text if letter in _MARKS]
    if len(marks) > 1 or not text.isascii():
        return None
    digits = text.replace(marks[0], ".") if marks else text
    if not digits.replace(".", "", 1).isdigit():
        return None
    return Decimal(f"0{digits}") * (_MARKS[marks[0]] if marks else 1)


def coin_money(name: str, unit_minor: int | None = None) -> Money | None:
    """A coin's value by its name, or None when the name says none.

    Args:
        unit_minor: minor units that a value of 1 stands for; None takes `COIN_UNITS`.
    """
    if len(name) != 6 or (currency := CURRENCIES.get(name[:2])) is None:
        return None
    value = parse_value(name[2:5])
    return _money(value, Decimal(COIN_UNITS.get(currency, 1) if unit_minor is None else unit_minor), currency)


def bill_money(name: str, scale: int, decimals: int) -> Money | None:
    """A note's value by its name and its country's scaling, or None when they say none."""
    if len(name) != 7 or (currency := CURRENCIES.get(name[:2])) is None or decimals > 9:
        return None
    unit = Decimal(scale).scaleb(minor_digits(currency) - decimals)
    return _money(parse_value(name[2:6]), unit, currency)


def _money(value: Decimal | None, unit: Decimal, currency: str) -> Money | None:
    if not value:
        return None
    minor = value * unit
    return Money(int(minor), currency) if minor > 0 and minor == minor.to_integral_value() else None
