"""Receipts, corrections, shifts, cash and slips as tasks for the web server.

What the register has no words for is a `Refused` with the name of what it is, before anything is sent.
"""

import re

from hardware.atol.frames import Task, quantity, roubles
from hardware.errors import Refused
from hardware.slip import Align, Barcode, Cut, Element, Feed, OpenDrawer, QrCode, Slip, Text
from wire.money import Money
from wire.receipt import (
    Line,
    Method,
    Operator,
    Receipt,
    ReceiptKind,
    Subject,
    Tax,
    TaxSystem,
    Tender,
    mistakes,
)

CURRENCY = "RUB"

_TYPES = {
    ReceiptKind.SALE: "sell",
    ReceiptKind.SALE_RETURN: "sellReturn",
    ReceiptKind.PURCHASE: "buy",
    ReceiptKind.PURCHASE_RETURN: "buyReturn",
    ReceiptKind.SALE_CORRECTION: "sellCorrection",
    ReceiptKind.PURCHASE_CORRECTION: "buyCorrection",
}
_CORRECTIONS = (ReceiptKind.SALE_CORRECTION, ReceiptKind.PURCHASE_CORRECTION)
_TAX_SYSTEMS = {
    TaxSystem.GENERAL: "osn",
    TaxSystem.SIMPLIFIED_INCOME: "usnIncome",
    TaxSystem.SIMPLIFIED_INCOME_EXPENSE: "usnIncomeOutcome",
    TaxSystem.IMPUTED_INCOME: "envd",
    TaxSystem.AGRICULTURAL: "esn",
    TaxSystem.PATENT: "patent",
}
_FOREIGN_TAXES = (Tax.VAT_12, Tax.VAT_16)  # Kazakhstan's, which this driver does not serve
_METHODS = {
    Method.FULL_PREPAYMENT: "fullPrepayment",
    Method.PREPAYMENT: "prepayment",
    Method.ADVANCE: "advance",
    Method.FULL_PAYMENT: "fullPayment",
    Method.PARTIAL_PAYMENT: "partialPayment",
    Method.CREDIT: "credit",
    Method.CREDIT_PAYMENT: "creditPayment",
}
_SUBJECTS = {
    Subject.COMMODITY: "commodity",
    Subject.EXCISE: "excise",
    Subject.JOB: "job",
    Subject.SERVICE: "service",
    Subject.GAMBLING_BET: "gamblingBet",
    Subject.GAMBLING_PRIZE: "gamblingPrize",
    Subject.LOTTERY: "lottery",
    Subject.LOTTERY_PRIZE: "lotteryPrize",
    Subject.INTELLECTUAL_ACTIVITY: "intellectualActivity",
    Subject.PAYMENT: "payment",
    Subject.AGENT_COMMISSION: "agentCommission",
    Subject.COMPOSITE: "composite",
    Subject.ANOTHER: "another",
}
# Digits, because one public type description misspells two of the names; the driver takes both.
_TENDERS = {
    Tender.CASH: "0",
    Tender.ELECTRONIC: "1",
    Tender.PREPAID: "2",
    Tender.CREDIT: "3",
    Tender.OTHER: "4",
}
_SYMBOLOGIES = {"ean13": "EAN13", "ean8": "EAN8", "code39": "CODE39", "code128": "CODE128"}
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")

OPERATIONS = {"sell": 1, "sellReturn": 2, "buy": 3, "buyReturn": 4, "sellCorrection": 1, "buyCorrection": 3}
"""Tag 1054, as a receipt's QR code says it, by the task that makes the document."""


def receipt_task(receipt: Receipt, cashier: Operator | None = None, *, measure: str = "") -> dict[str, object]:
    """A receipt or correction.

    Args:
        cashier: stands on it when the receipt names none.
        measure: each line's unit, such as "piece", for registers of format 1.2 that want one.

    Raises:
        Refused: no register would take it, or this one has no words for it.
    """
    found = mistakes(receipt)
    if found:
        raise Refused("receipt", "; ".join(found))
    if receipt.currency != CURRENCY:
        raise Refused("currency", f"this register counts in {CURRENCY}, not in {receipt.currency}")
    task: dict[str, object] = {"type": _TYPES[receipt.kind], **_operator(receipt.operator or cashier)}
    if receipt.tax_system is not None:
        task["taxationType"] = _TAX_SYSTEMS[receipt.tax_system]
    if receipt.contact:
        task["clientInfo"] = {"emailOrPhone": receipt.contact}
    if not receipt.paper:
        task["electronically"] = True
    if receipt.kind in _CORRECTIONS:
        task.update(_ground(receipt.correction_of))
    task["items"] = [_position(index, line, measure) for index, line in enumerate(receipt.lines)]
    task["payments"] = [{"type": _TENDERS[part.tender], "sum": roubles(part.minor)} for part in receipt.settlements]
    task["total"] = roubles(receipt.total_minor)
    return task


def _position(index: int, line: Line, measure: str) -> Task:
    if line.tax in _FOREIGN_TAXES:
        raise Refused("tax", f"lines[{index}].tax: this register has no rate {line.tax.value}")
    position: dict[str, object] = {
        "type": "position",
        "name": line.name,
        "price": roubles(line.price_minor),
        "quantity": quantity(line.quantity),
        "amount": roubles(line.total_minor),
        "department": line.department,
        "tax": {"type": line.tax.value},
        "paymentMethod": _METHODS[line.method],
        "paymentObject": _SUBJECTS[line.subject],
    }
    if measure:
        position["measurementUnit"] = measure
    return position


def _ground(correction_of: str) -> Task:
    """Why a correction is made: by the seller himself on a day, or by an order with a number."""
    day = _DAY.fullmatch(correction_of)
    if day:
        return {"correctionType": "self", "correctionBaseDate": ".".join(day.groups())}
    if correction_of:
        return {"correctionType": "instruction", "correctionBaseNumber": correction_of}
    return {"correctionType": "self"}


def shift_task(kind: str, cashier: Operator | None) -> dict[str, object]:
    """`openShift`, `closeShift` or `reportX`."""
    return {"type": kind, **_operator(cashier)}


def cash_task(kind: str, amount: Money, cashier: Operator | None) -> dict[str, object]:
    """`cashIn` or `cashOut`. Raises `Refused`."""
    if amount.currency != CURRENCY:
        raise Refused("currency", f"this register counts in {CURRENCY}, not in {amount.currency}")
    if amount.minor <= 0:
        raise Refused("amount", f"{amount} is not above 0")
    return {"type": kind, **_operator(cashier), "cashSum": roubles(amount.minor)}


def _operator(operator: Operator | None) -> dict[str, object]:
    if operator is None:
        return {}
    vatin = {"vatin": operator.tax_number} if operator.tax_number else {}
    return {"operator": {"name": operator.name, **vatin}}


# Slips


def slip_tasks(slip: Slip) -> list[Task]:
    """A slip, and the drawer's pulse as a task of its own. The register cuts by itself.

    Bold, underlined and inverted text is printed plain, text wider than twice is twice as wide: the JSON has no more.

    Raises:
        Refused: pictures, and codes of another symbology.
    """
    items: list[Task] = []
    drawer = False
    for element in slip.elements:
        if isinstance(element, OpenDrawer):
            drawer = True
        elif not isinstance(element, Cut):
            items += _items(element)
    tasks: list[Task] = [{"type": "nonFiscal", "items": items}] if items else []
    if drawer:
        tasks.append({"type": "openCashDrawer"})
    if not tasks:
        raise Refused("slip", "there is nothing on it")
    return tasks


def _items(element: Element) -> list[Task]:
    match element:
        case Text():
            style: dict[str, object] = {"alignment": element.align.value}
            if element.width > 1:
                style["doubleWidth"] = True
            if element.height > 1:
                style["doubleHeight"] = True
            return [{"type": "text", "text": line, **style} for line in element.text.split("\n")]
        case Feed():
            return [{"type": "text", "text": ""}] * element.lines
        case QrCode():
            return [_code(element.content, "QR", element.align) | {"scale": element.module}]
        case Barcode(symbology=symbology):
            if symbology not in _SYMBOLOGIES:
                raise Refused("barcode", f"this register prints no {symbology}")
            return [_code(element.content, _SYMBOLOGIES[symbology], element.align) | {"height": element.height}]
        case _:
            raise Refused("picture", "this register prints no pictures that it does not hold already")


def _code(content: str, kind: str, align: Align) -> dict[str, object]:
    return {"type": "barcode", "barcode": content, "barcodeType": kind, "alignment": align.value}
