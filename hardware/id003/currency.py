"""What the denomination codes 61 to 6F are worth, as the device itself says: the answer to 8A.

Four bytes a code: the code, a country, a number, and how many zeros follow it. The same code is another note in
another dataset, so there is no table of values here; only the countries are translated, for those that public code
names, and by settings for the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wire.money import Money, of_major

FIRST_CODE, LAST_CODE = 0x61, 0x6F

COUNTRIES: dict[int, str] = {
    0x01: "USD",
    0x08: "CAD",
    0x16: "CHF",
    0x27: "RUB",
    0x2D: "CNY",
    0x30: "HUF",
    0x51: "KZT",
    0x5C: "UAH",
    0x63: "INR",
    0x78: "IRR",
    0x7E: "MDL",
    0x86: "UZS",
    0xE0: "EUR",
}
"""Source: AlexObukhoff/TerminalClient, CurrencySpecification.h. Not JCM's own list, and not all of it."""

EXPONENT_MAX = 9  # more zeros than any note has: not an assignment but noise


@dataclass(frozen=True, slots=True)
class Assignment:
    """One line of the device's table. A value of 0 says that the code is not used."""

    code: int
    country: int
    value: int
    exponent: int

    @property
    def major(self) -> int:
        """In the unit people name."""
        return self.value * 10**self.exponent if self.exponent <= EXPONENT_MAX else 0

    def money(self, countries: Mapping[int, str], currency: str | None = None) -> Money | None:
        """What it is worth; None for an unused code or a country nobody has named."""
        letters = countries.get(self.country) or COUNTRIES.get(self.country) or currency
        if letters is None or not self.major or not FIRST_CODE <= self.code <= LAST_CODE:
            return None
        return of_major(self.major, letters)


def parse(data: bytes) -> list[Assignment]:
    """The lines of an answer to 8A; what is left of a line cut short does not count."""
    return [Assignment(*data[at : at + 4]) for at in range(0, len(data) - 3, 4)]


def encode(table: list[Assignment]) -> bytes:
    """An answer to 8A."""
    return b"".join(bytes((line.code, line.country, line.value, line.exponent)) for line in table)


def mask(codes: frozenset[int]) -> bytes:
    """C0's two bytes that refuse these codes: bit 0 of the first byte is 61, bit 0 of the second 69."""
    bits = sum(1 << (code - FIRST_CODE) for code in codes if FIRST_CODE <= code <= LAST_CODE)
    return bits.to_bytes(2, "little")


def refused(data: bytes) -> frozenset[int]:
    """The codes that such a mask refuses."""
    bits = int.from_bytes(data[:2], "little")
    return frozenset(code for code in range(FIRST_CODE, LAST_CODE + 2) if bits >> (code - FIRST_CODE) & 1)
