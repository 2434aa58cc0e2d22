"""What was sold and how it was paid, for any fiscal register, and what the register said of it.

The words are the field's: the codes are those that Russian format 1.05/1.2 documents carry (tags 1214, 1212, 1199,
1055), which every register and cloud cash office here translates from. Money is whole minor units of the receipt's
one currency; quantities are whole millionths, so that 0.5 kg is 500000 and nothing is ever a float.
"""

from enum import IntEnum, StrEnum

import msgspec

QUANTITY_ONE = 1_000_000


class ReceiptKind(StrEnum):
    """What the document says happened to the money."""

    SALE = "sale"  # the customer paid
    SALE_RETURN = "sale_return"  # the customer got money back
    PURCHASE = "purchase"  # the customer was paid for goods
    PURCHASE_RETURN = "purchase_return"
    SALE_CORRECTION = "sale_correction"  # money that was taken without a receipt
    PURCHASE_CORRECTION = "purchase_correction"


class Tax(StrEnum):
    """A line's VAT rate (tag 1199 and its successors); `_OF_` are rates reckoned out of a gross price."""

    NONE = "none"
    VAT_0 = "vat0"
    VAT_5 = "vat5"
    VAT_7 = "vat7"
    VAT_10 = "vat10"
    VAT_12 = "vat12"  # Kazakhstan
    VAT_16 = "vat16"  # Kazakhstan, from 2026
    VAT_18 = "vat18"
    VAT_20 = "vat20"
    VAT_22 = "vat22"
    VAT_5_OF_105 = "vat105"
    VAT_7_OF_107 = "vat107"
    VAT_10_OF_110 = "vat110"
    VAT_18_OF_118 = "vat118"
    VAT_20_OF_120 = "vat120"
    VAT_22_OF_122 = "vat122"


class TaxSystem(StrEnum):
    """The seller's taxation (tag 1055)."""

    GENERAL = "osn"
    SIMPLIFIED_INCOME = "usn_income"
    SIMPLIFIED_INCOME_EXPENSE = "usn_income_outcome"
    IMPUTED_INCOME = "envd"
    AGRICULTURAL = "esn"
    PATENT = "patent"


class Method(IntEnum):
    """How far a line is paid (tag 1214)."""

    FULL_PREPAYMENT = 1
    PREPAYMENT = 2
    ADVANCE = 3
    FULL_PAYMENT = 4
    PARTIAL_PAYMENT = 5
    CREDIT = 6
    CREDIT_PAYMENT = 7


class Subject(IntEnum):
    """What a line is (tag 1212)."""

    COMMODITY = 1
    EXCISE = 2
    JOB = 3
    SERVICE = 4
    GAMBLING_BET = 5
    GAMBLING_PRIZE = 6
    LOTTERY = 7
    LOTTERY_PRIZE = 8
    INTELLECTUAL_ACTIVITY = 9
    PAYMENT = 10
    AGENT_COMMISSION = 11
    COMPOSITE = 12
    ANOTHER = 13


class Tender(StrEnum):
    """What the customer paid with (tags 1031, 1081, 1215, 1216, 1217)."""

    CASH = "cash"
    ELECTRONIC = "electronic"
    PREPAID = "prepaid"
    CREDIT = "credit"
    OTHER = "other"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One position. `total_minor` is price × quantity less discounts, rounded to a minor unit by the seller."""

    name: str
    price_minor: int
    total_minor: int
    quantity: int = QUANTITY_ONE  # millionths
    tax: Tax = Tax.NONE
    method: Method = Method.FULL_PAYMENT
    subject: Subject = Subject.COMMODITY
    department: int = 1


class Settlement(msgspec.Struct, frozen=True):
    """One way of payment and how much was paid by it. Cash may exceed the total: the rest is change."""

    tender: Tender
    minor: int


class Operator(msgspec.Struct, frozen=True):
    """The cashier whose name stands on the document; kiosks have one of their own or none."""

    name: str
    tax_number: str = ""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A document to register. Check it with `mistakes` first: a register's refusals say less."""

    kind: ReceiptKind
    currency: str
    lines: tuple[Line, ...]
    settlements: tuple[Settlement, ...]
    tax_system: TaxSystem | None = None
    contact: str = ""  # the customer's e-mail or +7…, tag 1008
    operator: Operator | None = None
    paper: bool = True  # False: electronic only, where the register can
    correction_of: str = ""  # a correction's ground: the order's number, or the day (YYYY-MM-DD)

    @property
    def total_minor(self) -> int:
        """What is to be paid."""
        return sum(line.total_minor for line in self.lines)

    @property
    def paid_minor(self) -> int:
        """What was handed over, change included."""
        return sum(part.minor for part in self.settlements)


class FiscalDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a register said of a document it registered. Numbers are the register's own; times are its clock's."""

    number: int  # ФД, tag 1040
    storage: str = ""  # serial number of the fiscal storage, ФН, tag 1041
    sign: str = ""  # ФПД, tag 1077
    registration: str = ""  # РН ККТ, tag 1037
    shift: int | None = None
    receipt: int | None = None  # number within the shift
    at: str = ""  # "2026-11-21T13:05", as the register says it, without a zone
    total_minor: int | None = None
    change_minor: int | None = None
    printed: bool | None = True  # False: registered, but not on paper; None: not known


def mistakes(receipt: Receipt) -> list[str]:
    """Everything about a receipt that no register would take, in words; empty when there is nothing."""
    found: list[str] = []
    if not receipt.lines:
        found.append("lines: a receipt has at least one")
    for index, line in enumerate(receipt.lines):
        where = f"lines[{index}]"
        if not line.name.strip():
            found.append(f"{where}.name: is empty")
        if line.quantity <= 0:
            found.append(f"{where}.quantity: is {line.quantity} millionths, must be above 0")
        if line.price_minor < 0 or line.total_minor < 0:
            found.append(f"{where}: a price or total below 0; a return is a receipt of its own kind")
    for index, part in enumerate(receipt.settlements):
        if part.minor < 0:
            found.append(f"settlements[{index}].minor: is below 0")
    total, paid = receipt.total_minor, receipt.paid_minor
    cash = sum(part.minor for part in receipt.settlements if part.tender is Tender.CASH)
    if paid < total:
        found.append(f"settlements: {paid} paid of {total} minor units")
    if paid - cash > total:
        found.append(f"settlements: {paid - cash} paid without cash for {total}; only cash gives change")
    return found
