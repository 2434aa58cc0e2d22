"""A register's own totals, held against its documents. Pure.

A reading (`totals-read`) stands in the book in its place among the register's documents: what lies between two of
them is what their difference must be of. For each register that was read, or was meant to be:

    register, at, since   when it was read, and the reading before that; null: none
    currency              of the sums below; empty where there are none
    drawer                cash in its drawer by its own count
    moved, expected       by how much that changed since, and by how much by documents and cash in and out
    receipts, receipts_expected   how many it closed since by its own count, and how many this kiosk had registered
    emptied               it began anew with an empty drawer as a shift closed: many registers can be set up so
    words                 why something above is null; empty: nothing is

What is not known is null and never 0, and is no difference.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from appliance.journal import Entry, Work
from wire.money import Money
from wire.receipt import Receipt, ReceiptKind, Tender

READ = "totals-read"
BETWEEN = ("document-registered", "cash-moved", "device-replaced")
_INTO_THE_DRAWER = {
    ReceiptKind.SALE: 1, ReceiptKind.PURCHASE_RETURN: 1, ReceiptKind.SALE_RETURN: -1, ReceiptKind.PURCHASE: -1,
}  # fmt: skip
_CLOSE = "close-shift"


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """One register's. `lines` are those of `BETWEEN`, between the two; `works` are of their documents."""

    register: str
    before: Entry | None
    now: Entry | None
    lines: Sequence[Entry] = ()
    works: Mapping[str, Work] = {}
    complete: bool = True  # no line in between has gone


class _Totals(msgspec.Struct, frozen=True):
    drawer: Money | None = None
    receipts: int | None = None
    receipts_wrap: int | None = None


class _Document(msgspec.Struct, frozen=True):
    kind: str = ""
    receipt: Receipt | None = None


class _Sums(msgspec.Struct):
    """Of what lies in between. `unknown` says why that is not known; `closed`: a shift was."""

    cash: dict[str, int] = {}
    receipts: int = 0
    closed: bool = False
    unknown: str = ""

    def add(self, currency: str, minor: int) -> None:
        """Cash put into the drawer; below 0 taken out."""
        self.cash[currency] = self.cash.get(currency, 0) + minor


def judge(readings: Readings) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a reconciliation says of a register's totals, and its differences: each of `what`, `words` and figures."""
    now, before = _read(readings.now), _read(readings.before)
    found: dict[str, Any] = {
        "register": readings.register, "at": None if readings.now is None else readings.now.at,
        "since": None if readings.before is None else readings.before.at,
        "currency": "" if now.drawer is None else now.drawer.currency,
        "drawer": None if now.drawer is None else now.drawer.minor, "moved": None, "expected": None, "receipts": None,
        "receipts_expected": None, "emptied": False, "words": "",
    }  # fmt: skip
    if readings.now is None:
        return found | {"words": "it did not tell its totals"}, []
    if readings.before is None:
        return found | {"words": "its totals were read for the first time"}, []
    sums = _sums(readings)
    differences: list[dict[str, Any]] = []
    words = ""
    if now.drawer is None or before.drawer is None:
        words = "it does not tell what is in its drawer"
    elif now.drawer.currency != before.drawer.currency:
        words = f"it counted {before.drawer.currency} before"
    else:
        differences += _drawer(found, now.drawer, before.drawer, sums)
    if now.receipts is not None and before.receipts is not None:
        differences += _receipts(found, now, before.receipts, sums)
    found["words"] = sums.unknown or words
    return found, differences


def _drawer(found: dict[str, Any], now: Money, before: Money, sums: _Sums) -> list[dict[str, Any]]:
    found["moved"] = moved = now.minor - before.minor
    if sums.unknown:
        return []
    found["expected"] = expected = sums.cash.get(now.currency, 0)
    if moved == expected:
        return []
    if sums.closed and now.minor == expected:
        found["emptied"] = True
        return []
    words = (
        f"the cash in the drawer of {found['register']} changed by {_signed(moved, now.currency)} by its own count, by"
        f" its documents and cash in and out by {_signed(expected, now.currency)}"
    )
    return [{"what": "drawer", "words": words, "device": found["register"], "expected": expected, "found": moved,
             "currency": now.currency}]  # fmt: skip


def _receipts(found: dict[str, Any], now: _Totals, before: int, sums: _Sums) -> list[dict[str, Any]]:
    closed = (now.receipts or 0) - before
    found["receipts"] = closed = closed % now.receipts_wrap if now.receipts_wrap else closed
    if sums.unknown:
        return []
    found["receipts_expected"] = expected = sums.receipts
    if closed == expected:
        return []
    words = f"{found['register']} closed {closed} receipts by its own count, this kiosk had {expected} registered"
    return [{"what": "receipts", "words": words, "device": found["register"], "expected": expected, "found": closed}]


def _sums(readings: Readings) -> _Sums:
    sums = _Sums()
    if not readings.complete:
        sums.unknown = "older lines of the journal have gone"
    for line in readings.lines:
        data = msgspec.json.decode(line.data, type=dict[str, Any])
        if line.kind == "device-replaced":
            sums.unknown = sums.unknown or "another register has come in its place"
        elif line.kind == "cash-moved":
            sums.add(data["amount"]["currency"], data["amount"]["minor"])
        else:
            _add_document(sums, data, readings.works.get(data["reference"]))
    return sums


def _add_document(sums: _Sums, data: dict[str, Any], work: Work | None) -> None:
    try:
        document = _Document() if work is None else msgspec.json.decode(work.data, type=_Document)
    except msgspec.ValidationError:
        document = _Document()
    receipt = document.receipt
    if receipt is None:
        sums.closed |= document.kind == _CLOSE
        if document.kind in {"", "receipt"}:
            number = data["document"]["number"]
            sums.unknown = sums.unknown or f"it is not known how document {number} was paid"
        return
    sign = _INTO_THE_DRAWER.get(receipt.kind)
    if sign is None:  # no source says whether registers count them so
        sums.unknown = sums.unknown or "there were corrections, and it is not known whether they count"
        return
    sums.receipts += 1
    cash = sum(part.minor for part in receipt.settlements if part.tender is Tender.CASH)
    change = receipt.paid_minor - receipt.total_minor
    sums.add(receipt.currency, sign * (cash - change))


def _read(entry: Entry | None) -> _Totals:
    return _Totals() if entry is None else msgspec.json.decode(entry.data, type=_Totals)


def _signed(minor: int, currency: str) -> str:
    return f"{'+' if minor > 0 else ''}{Money(minor, currency)}"
