"""The bill table: what note stands behind a type's number.

An entry is 5 bytes: a mantissa, three letters, an exponent. The letters are a country's, not a currency's code (KAZ,
RUS, UKR), and units differ in what they write there, so which letters stand for which currency is a setting. A table
holds 24 types, or 48 where an option says so; type 23 is the bar-code coupon.

Source: CCNET, Document 1, rev. 2.6.0, GET BILL TABLE.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from wire.money import Money, of_major

ENTRY_BYTES = 5
TYPES = 24
TYPES_WIDE = 48
COUPON = 23
VALUE_MAX = 10**12  # major units; an entry beyond it is no note but a fault

COUNTRIES: Mapping[str, str] = {
    "ARM": "AMD",
    "AZE": "AZN",
    "BLR": "BYN",
    "BYN": "BYN",
    "CHN": "CNY",
    "EUR": "EUR",
    "GBR": "GBP",
    "GEO": "GEL",
    "KAZ": "KZT",
    "KGZ": "KGS",
    "KZT": "KZT",
    "MDA": "MDL",
    "MNG": "MNT",
    "POL": "PLN",
    "RUB": "RUB",
    "RUS": "RUB",
    "TJK": "TJS",
    "TKM": "TMT",
    "TUR": "TRY",
    "UAH": "UAH",
    "UKR": "UAH",
    "USA": "USD",
    "USD": "USD",
    "UZB": "UZS",
}
"""Letters of a table -> currency. Only UKR was seen in a public table, KAZ and RUS are named in notes; the others are
ISO 3166 letters and the currency's own, to be checked on the bench and overridden by a driver's `countries`."""


@dataclass(frozen=True, slots=True)
class BillType:
    """One entry that is used. `value` is in major units; a fraction only where the exponent divides."""

    number: int
    country: str
    value: Decimal


def read_table(data: bytes) -> dict[int, BillType]:
    """The types that are used, by number.

    Raises:
        ValueError: it is no table of 24 or 48 entries.
    """
    if len(data) not in (TYPES * ENTRY_BYTES, TYPES_WIDE * ENTRY_BYTES):
        raise ValueError(f"a bill table has {TYPES * ENTRY_BYTES} or {TYPES_WIDE * ENTRY_BYTES} bytes, not {len(data)}")
    table: dict[int, BillType] = {}
    for number in range(len(data) // ENTRY_BYTES):
        entry = data[number * ENTRY_BYTES : (number + 1) * ENTRY_BYTES]
        if not any(entry):
            continue
        mantissa, letters, exponent = entry[0], entry[1:4], entry[4]
        power = -(exponent & 0x7F) if exponent & 0x80 else exponent & 0x7F
        country = letters.decode("latin-1").rstrip("\0 ")
        table[number] = BillType(number, country, Decimal(mantissa).scaleb(power))
    return table


def write_table(bills: Mapping[int, tuple[str, int, int]], types: int = TYPES) -> bytes:
    """The other way: number -> (country, mantissa, exponent; below 0 it divides)."""
    data = bytearray(types * ENTRY_BYTES)
    for number, (country, mantissa, exponent) in bills.items():
        at = number * ENTRY_BYTES
        raw = -exponent | 0x80 if exponent < 0 else exponent
        data[at : at + ENTRY_BYTES] = bytes([mantissa]) + country.encode("ascii").ljust(3, b"\0")[:3] + bytes([raw])
    return bytes(data)


def money_of(
    table: Mapping[int, BillType], currency: str, country: str | None = None, countries: Mapping[str, str] = COUNTRIES
) -> dict[int, Money]:
    """Which types are money of `currency`. All others are to be refused, so they are left out.

    Args:
        country: only entries with these letters, taken as `currency` whatever the map says.
        countries: letters -> currency.
    """
    known: dict[int, Money] = {}
    for number, bill in table.items():
        if number == COUPON or not 0 < bill.value < VALUE_MAX:
            continue
        ours = bill.country == country if country is not None else countries.get(bill.country) == currency
        if not ours:
            continue
        try:
            known[number] = of_major(bill.value, currency)
        except ValueError:
            continue  # a fraction of the minor unit: nothing that can be credited
    return known


def table_json(table: Mapping[int, BillType]) -> dict[str, object]:
    """For people: {"0": ["UKR", 5]}."""
    return {str(bill.number): [bill.country, _plain(bill.value)] for bill in table.values()}


def _plain(value: Decimal) -> int | str:
    return int(value) if value == value.to_integral_value() and value < 10**15 else f"{value.normalize():f}"[:40]
