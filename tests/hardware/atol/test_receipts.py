"""Receipts and slips as tasks."""

import json
from decimal import Decimal

import msgspec
import pytest

from hardware.atol import frames
from hardware.atol.commands import TASKS
from hardware.atol.receipts import cash_task, receipt_task, shift_task, slip_tasks
from hardware.errors import Refused
from hardware.slip import Barcode, Cut, OpenDrawer, Picture, QrCode, Slip, Text, lines
from wire.money import Money
from wire.receipt import (
    Line,
    Method,
    Operator,
    Receipt,
    ReceiptKind,
    Settlement,
    Subject,
    Tax,
    TaxSystem,
    Tender,
)

COFFEE = Line(
    name="Кофе", price_minor=19990, total_minor=9995, quantity=500_000, tax=Tax.VAT_22, subject=Subject.SERVICE
)
SALE = Receipt(
    kind=ReceiptKind.SALE,
    currency="RUB",
    lines=(COFFEE,),
    settlements=(Settlement(Tender.ELECTRONIC, 5000), Settlement(Tender.CASH, 10000)),
    tax_system=TaxSystem.SIMPLIFIED_INCOME_EXPENSE,
    contact="+79990000000",
    operator=Operator("Киоск", "123456789012"),
    paper=False,
)  # fmt: skip


def test_a_sale() -> None:
    task = receipt_task(SALE, measure="piece")
    assert {
        "type": "sell",
        "operator": {"name": "Киоск", "vatin": "123456789012"},
        "taxationType": "usnIncomeOutcome",
        "clientInfo": {"emailOrPhone": "+79990000000"},
        "electronically": True,
        "items": [
            {
                "type": "position",
                "name": "Кофе",
                "price": Decimal("199.90"),
                "quantity": Decimal("0.500"),
                "amount": Decimal("99.95"),
                "department": 1,
                "tax": {"type": "vat22"},
                "paymentMethod": "fullPayment",
                "paymentObject": "service",
                "measurementUnit": "piece",
            }
        ],
        "payments": [{"type": "1", "sum": Decimal("50.00")}, {"type": "0", "sum": Decimal("100.00")}],
        "total": Decimal("99.95"),
    } == task
    assert b"float" not in frames.encode_request("u", [task])


def test_every_kind_has_a_declared_task() -> None:
    for kind in ReceiptKind:
        task = receipt_task(msgspec.structs.replace(SALE, kind=kind, correction_of="2026-11-20"))
        declared = TASKS[str(task["type"])]
        assert declared.fiscal
        assert {name.partition(".")[0] for name in declared.fields} >= set(task) - {"type"}


def test_a_correction_names_its_ground() -> None:
    kind = ReceiptKind.SALE_CORRECTION
    own = receipt_task(msgspec.structs.replace(SALE, kind=kind, correction_of="2026-11-20"))
    assert (own["type"], own["correctionType"], own["correctionBaseDate"]) == ("sellCorrection", "self", "2026.11.20")
    ordered = receipt_task(msgspec.structs.replace(SALE, kind=kind, correction_of="17/4"))
    assert (ordered["correctionType"], ordered["correctionBaseNumber"]) == ("instruction", "17/4")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"currency": "KZT"}, "currency"),
        ({"lines": ()}, "receipt"),
        ({"settlements": ()}, "receipt"),
        ({"lines": (Line(name="x", price_minor=15000, total_minor=15000, tax=Tax.VAT_12),)}, "tax"),
    ],
)
def test_what_it_has_no_words_for_is_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as refused:
        receipt_task(msgspec.structs.replace(SALE, **change))
    assert refused.value.code == code


def test_every_word_of_ours_has_one_of_theirs() -> None:
    for tax in set(Tax) - {Tax.VAT_12, Tax.VAT_16}:
        for method in Method:
            for subject in Subject:
                line = Line(name="x", price_minor=1, total_minor=1, tax=tax, method=method, subject=subject)
                receipt_task(msgspec.structs.replace(SALE, lines=(line,), settlements=(Settlement(Tender.CASH, 1),)))


def test_cash_and_shifts() -> None:
    assert cash_task("cashIn", Money(5, "RUB"), None) == {"type": "cashIn", "cashSum": Decimal("0.05")}
    assert shift_task("openShift", Operator("A")) == {"type": "openShift", "operator": {"name": "A"}}
    for amount in (Money(0, "RUB"), Money(5, "KZT")):
        with pytest.raises(Refused):
            cash_task("cashOut", amount, None)


def test_a_slip() -> None:
    slip = Slip(
        (
            Text(text="a\nb", bold=True, width=2),
            QrCode(content="q"),
            Barcode(content="4600000000008"),
            Cut(),
            OpenDrawer(),
        )
    )
    printed, drawer = slip_tasks(slip)
    assert drawer == {"type": "openCashDrawer"}
    assert [item.get("text") or item["barcodeType"] for item in printed["items"]] == ["a", "b", "QR", "EAN13"]  # type: ignore[attr-defined]
    json.loads(frames.encode_request("u", [printed]))
    assert slip_tasks(lines("x"))[0]["type"] == "nonFiscal"


@pytest.mark.parametrize("element", [Picture(width=8, rows=(b"\x00",)), Barcode(content="x", symbology="itf"), Cut()])
def test_what_cannot_be_printed_is_refused(element: object) -> None:
    with pytest.raises(Refused):
        slip_tasks(Slip((element,)))  # type: ignore[arg-type]
