"""Money as it is passed about: whole minor units of one currency, never a float.

Minor units are what ISO 4217 says: tiyn, kopeck, cent; a currency without any (JPY) counts its major unit.
"""

from decimal import Decimal

import msgspec

# Digits after the point, of currencies that do not have two. Source: ISO 4217, table A.1.
_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "VND": 0, "UZS": 2, "KWD": 3, "BHD": 3, "JOD": 3, "TND": 3}


class CurrencyMismatch(ValueError):
    """Two currencies were added or compared."""


class Money(msgspec.Struct, frozen=True, order=False):
    """An amount. `minor` may be negative (a correction); `currency` is an ISO 4217 code."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if len(self.currency) != 3 or not self.currency.isascii() or not self.currency.isupper():
            raise ValueError(f"{self.currency!r} is not an ISO 4217 code such as KZT")

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._like(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._like(other), self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.minor < self._like(other)

    def __le__(self, other: "Money") -> bool:
        return self.minor <= self._like(other)

    def __str__(self) -> str:
        """For people and logs: `1500.00 KZT`."""
        return f"{self.major:f} {self.currency}"

    @property
    def major(self) -> Decimal:
        """In the unit that people name, exact: 150000 tiyn are Decimal('1500.00')."""
        return Decimal(self.minor).scaleb(-minor_digits(self.currency))

    def _like(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be reckoned together")
        return other.minor


def of_major(amount: Decimal | int, currency: str) -> Money:
    """Money from what people name: 500 and "KZT" are 50000 minor units.

    Raises:
        ValueError: it is no whole number of minor units.
    """
    minor = Decimal(amount).scaleb(minor_digits(currency))
    if minor != minor.to_integral_value():
        raise ValueError(f"{amount} {currency} is not a whole number of minor units")
    return Money(int(minor), currency)


def minor_digits(currency: str) -> int:
    """How many digits the minor unit has after the point."""
    return _DIGITS.get(currency, 2)
