"""A register's own totals against its documents: what agrees, what differs, what nobody knows."""

from typing import Any

import pytest

from appliance.levels.reconcile import reconcile
from hardware.events import CashMoved, DocumentRegistered, Identified, TotalsRead
from tests.appliance.levels.shelf import Shelf, kzt
from wire.money import Money
from wire.receipt import FiscalDocument, Line, Receipt, ReceiptKind, Settlement, Tender


def read(shelf: Shelf, drawer: int | None, receipts: int | None = None, wrap: int | None = 65536) -> None:
    told = TotalsRead(
        drawer=None if drawer is None else kzt(drawer), receipts=receipts,
        receipts_wrap=None if receipts is None else wrap,
    )  # fmt: skip
    shelf.happen("register", told)


def sell(shelf: Shelf, id: str, total: int, *, kind: str = "sale", cash: int | None = None, card: int = 0) -> None:
    """Paid with so much cash, of which what is too much goes back."""
    cash = total - card if cash is None else cash
    receipt = Receipt(
        kind=ReceiptKind(kind), currency="KZT", lines=(Line(name="Coffee", price_minor=total, total_minor=total),),
        settlements=(Settlement(Tender.CASH, cash), Settlement(Tender.ELECTRONIC, card)),
        correction_of="2026-11-21" if "correction" in kind else "",
    )  # fmt: skip
    register(shelf, id, {"kind": "receipt", "receipt": receipt}, total)


def register(shelf: Shelf, id: str, data: Any, total: int | None = None) -> None:
    shelf.begin(id, "fiscal", {"device": "register", **data})
    number = sum(entry.kind == "document-registered" for entry in shelf.book.entries(device="register")) + 1
    document = FiscalDocument(number=number, total_minor=total)
    shelf.happen("register", DocumentRegistered(reference=id, document=document))
    shelf.book.end_work(id, {"status": "registered", "number": number, "total": total})


def reckon(shelf: Shelf, name: str = "register") -> tuple[dict[str, Any], list[str]]:
    record = reconcile(shelf.book, at=shelf.tick(), shift=7, register=name)
    (item,) = record["register_totals"]
    assert item["register"] == "register"
    return item, [each["words"] for each in record["differences"]]


def test_a_drawer_that_holds_what_documents_say(shelf: Shelf) -> None:
    sell(shelf, "before", 40_000)
    read(shelf, 140_000, 65_535)
    first, differences = reckon(shelf)
    assert (first["drawer"], first["moved"], first["expected"], first["since"]) == (140_000, None, None, None)
    assert (first["words"], differences) == ("its totals were read for the first time", [])
    sell(shelf, "r1", 15_000, cash=20_000)
    sell(shelf, "r2", 3_000, kind="sale_return")
    sell(shelf, "r3", 10_000, card=9_000)
    sell(shelf, "r4", 700, kind="purchase")
    sell(shelf, "r5", 600, kind="purchase_return")
    shelf.happen("register", CashMoved(reference="in", amount=kzt(50_000)))
    shelf.happen("register", CashMoved(reference="out", amount=kzt(-30_000)))
    moved = 15_000 - 3_000 + 1_000 - 700 + 600 + 50_000 - 30_000
    read(shelf, 140_000 + moved, 4)
    at = shelf.now
    sell(shelf, "behind it", 5_000)
    assert reckon(shelf) == ({
        "register": "register", "at": at, "since": first["at"], "currency": "KZT", "drawer": 140_000 + moved,
        "moved": moved, "expected": moved, "receipts": 5, "receipts_expected": 5, "emptied": False, "words": "",
    }, [])  # fmt: skip
    read(shelf, 140_000 + moved + 5_000, 5)
    assert reckon(shelf)[0]["expected"] == 5_000, "each document is in one reconciliation"


def test_a_drawer_that_holds_something_else(shelf: Shelf) -> None:
    read(shelf, 0, 0)
    reckon(shelf)
    sell(shelf, "r1", 15_000)
    read(shelf, 16_000, 3)
    item, differences = reckon(shelf)
    assert (item["moved"], item["expected"], item["receipts"], item["receipts_expected"]) == (16_000, 15_000, 3, 1)
    assert differences == [
        "the cash in the drawer of register changed by +160.00 KZT by its own count, by its documents and cash in and"
        " out by +150.00 KZT",
        "register closed 3 receipts by its own count, this kiosk had 1 registered",
    ]
    record = shelf.told("reconciliation")[-1][1]
    assert record["differences"][0] | {"words": ""} == {
        "what": "drawer", "words": "", "device": "register", "expected": 15_000, "found": 16_000, "currency": "KZT",
    }  # fmt: skip
    sell(shelf, "r2", 1_000, kind="sale_return")
    read(shelf, 16_000, 4)
    assert "changed by 0.00 KZT by its own count, by its documents and cash in and out by -10.00" in reckon(shelf)[1][0]


@pytest.mark.parametrize("closes", [True, False])
def test_a_register_that_empties_its_drawer_as_a_shift_closes(shelf: Shelf, closes: bool) -> None:
    read(shelf, 50_000)
    register(shelf, "z1", {"kind": "close-shift"}) if closes else None
    reckon(shelf)
    sell(shelf, "r1", 15_000)
    read(shelf, 15_000)
    item, differences = reckon(shelf)
    assert (item["moved"], item["expected"], item["emptied"]) == (-35_000, 15_000, closes)
    assert bool(differences) is not closes


def test_a_register_that_does_not_tell_is_not_taken_for_an_empty_one(shelf: Shelf) -> None:
    read(shelf, 50_000, 5)
    reckon(shelf)
    sell(shelf, "r1", 15_000)
    silent, differences = reckon(shelf)
    assert (silent["drawer"], silent["moved"], silent["expected"], silent["receipts"]) == (None, None, None, None)
    assert (silent["words"], differences) == ("it did not tell its totals", [])
    sell(shelf, "r2", 10_000)
    read(shelf, 75_000, 7)
    item, differences = reckon(shelf)
    assert (item["moved"], item["expected"], item["receipts"], differences) == (25_000, 25_000, 2, [])
    read(shelf, None, 7)
    item, differences = reckon(shelf)
    assert (item["drawer"], item["moved"], item["receipts"], item["receipts_expected"]) == (None, None, 0, 0)
    assert (item["words"], differences) == ("it does not tell what is in its drawer", [])
    assert reconcile(shelf.book, at=shelf.tick())["register_totals"] == [], "nobody meant to read them"


@pytest.mark.parametrize("trouble", ["correction", "forgotten", "other", "pruned", "strange", "currency"])
def test_what_cannot_be_reckoned_is_said_and_is_no_difference(shelf: Shelf, trouble: str) -> None:
    words = {
        "correction": "there were corrections, and it is not known whether they count",
        "forgotten": "it is not known how document 1 was paid", "pruned": "older lines of the journal have gone",
        "strange": "it is not known how document 1 was paid", "other": "another register has come in its place",
        "currency": "it counted KZT before",
    }[trouble]  # fmt: skip
    shelf.happen("register", Identified(maker="x", model="y", serial="1", firmware=""))
    read(shelf, 0, 0)
    reckon(shelf)
    sell(shelf, "r1", 15_000, kind="sale_correction" if trouble == "correction" else "sale")
    if trouble == "forgotten":
        shelf.store.connection.execute("DELETE FROM works WHERE id = 'r1'")
    if trouble == "strange":
        shelf.store.connection.execute("UPDATE works SET data = ? WHERE id = 'r1'", (b'{"receipt": 5}',))
    if trouble == "pruned":
        shelf.store.put_meta("forgotten", str(shelf.book.last_number()))
    if trouble == "other":
        shelf.happen("register", Identified(maker="x", model="y", serial="2", firmware=""))
    if trouble == "currency":
        shelf.happen("register", TotalsRead(drawer=Money(999, "RUB")))
    else:
        read(shelf, 99_000, 9)
    item, differences = reckon(shelf)
    assert (item["words"], item["expected"], differences) == (words, None, [])
    assert item["moved"] == (None if trouble == "currency" else 99_000)
