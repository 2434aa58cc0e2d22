"""A receipt in the register's own words: which lines, tags, payments; everything it cannot take, refused beforehand."""

import calendar
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hardware.errors import LocalProtocolError, Refused
from hardware.shtrih.commands import command
from hardware.shtrih.fields import TLV_MAX
from hardware.shtrih.tags import tlv, tlv_text
from wire.receipt import QUANTITY_ONE, Line, Operator, Receipt, ReceiptKind, Tax, TaxSystem, Tender, mistakes

TAXES: Mapping[Tax, int] = MappingProxyType(
    {
        Tax.VAT_20: 1,
        Tax.VAT_10: 2,
        Tax.VAT_0: 3,
        Tax.NONE: 4,
        Tax.VAT_20_OF_120: 5,
        Tax.VAT_10_OF_110: 6,
    }
)
"""The register's tax groups by rate, as version 1.16 has them. Its own tables hold the rates: a register set up for
other ones (22 %, 5 %, 12 %) needs the setting `taxes`, and a rate that is not in it is refused, not guessed."""

TAX_SYSTEMS = {
    TaxSystem.GENERAL: 1,
    TaxSystem.SIMPLIFIED_INCOME: 2,
    TaxSystem.SIMPLIFIED_INCOME_EXPENSE: 4,
    TaxSystem.IMPUTED_INCOME: 8,
    TaxSystem.AGRICULTURAL: 16,
    TaxSystem.PATENT: 32,
}
TENDERS = {Tender.CASH: 1, Tender.ELECTRONIC: 2, Tender.PREPAID: 14, Tender.CREDIT: 15, Tender.OTHER: 16}
CORRECTION_SUMS = {
    Tender.CASH: "cash",
    Tender.ELECTRONIC: "electronic",
    Tender.PREPAID: "prepaid",
    Tender.CREDIT: "credit",
    Tender.OTHER: "other",
}

# Two numberings of the same thing: 8D and the base commands, and the storage's (FF46, FF4A, FF0A).
OPEN_TYPES = {"sale": 0, "purchase": 1, "sale_return": 2, "purchase_return": 3}
SIGNS = {
    "sale": 1,
    "sale_return": 2,
    "purchase": 3,
    "purchase_return": 4,
    "sale_correction": 1,
    "purchase_correction": 3,
}
BASE_LINES = {
    "sale": "sale",
    "purchase": "purchase",
    "sale_return": "return_sale",
    "purchase_return": "return_purchase",
}
NAME_LETTERS = 128
BASE_NAME_LETTERS = 40
TEXT_ON_BASE_THOUSANDTHS = 1000
SUM_MAX = (1 << 40) - 2  # five bytes, of which all FF mean something else
TLV_HEAD = 4  # a tag's number and length


@dataclass(frozen=True)
class Settings:
    """A register's settings.

    `password` is of the cashier, `admin_password` of the system administrator (FF.. and reports); the factory's 30
    may do both. `fiscal`: "fn" with a fiscal storage, "base" without FF.. commands.
    """

    currency: str = "RUB"
    password: int = 30
    admin_password: int = 30
    fiscal: str = "fn"
    taxes: Mapping[Tax, int] = field(default_factory=lambda: TAXES)
    tax_system: TaxSystem | None = None
    poll_s: float = 2.0
    cut: bool = False  # cut after a document; most models do by themselves

    @property
    def base(self) -> bool:
        """Whether it knows no FF.. commands."""
        return self.fiscal == "base"


@dataclass(frozen=True)
class Step:
    """One command of a plan."""

    command: str
    values: Mapping[str, object]


@dataclass(frozen=True)
class Plan:
    """A receipt, ready to be sent: `before` opens it, `lines` are its operations, `tags` what stands beside them."""

    kind: str
    total: int
    before: tuple[Step, ...]
    lines: tuple[Step, ...]
    tags: tuple[Step, ...]
    close: Step


def plan(receipt: Receipt, settings: Settings, today: datetime.date | None = None) -> Plan:
    """How this receipt is sent.

    Raises:
        Refused: the register cannot take it; nothing was sent.
    """
    found = mistakes(receipt)
    if receipt.currency != settings.currency:
        found.append(f"currency: the register counts {settings.currency}, not {receipt.currency}")
    if receipt.total_minor > SUM_MAX:
        found.append(f"lines: {receipt.total_minor} minor units are more than a register can count")
    if found:
        raise Refused("receipt", "; ".join(found))
    if receipt.kind in {ReceiptKind.SALE_CORRECTION, ReceiptKind.PURCHASE_CORRECTION}:
        made = _correction(receipt, settings, today)
    elif settings.base:
        made = _base(receipt, settings)
    else:
        made = _storage(receipt, settings)
    for step in (*made.before, *made.lines, *made.tags, made.close):
        try:
            command(step.command).ask({"password": 0, **step.values})
        except LocalProtocolError as error:
            raise Refused("receipt", str(error)) from None
    return made


def cashier_tags(operator: Operator | None) -> tuple[Step, ...]:
    """The cashier's name and taxpayer's number, for a document that is open.

    Raises:
        Refused: letters that CP866 lacks, or too many.
    """
    if operator is None:
        return ()
    tags = _text_tag(1021, operator.name, "operator.name")
    if operator.tax_number:
        tags += _text_tag(1203, operator.tax_number.ljust(12), "operator.tax_number")
    if len(tags) > TLV_MAX:
        raise Refused("receipt", f"operator: {len(tags)} bytes with its tags, {TLV_MAX} at most")
    return (Step("fn_tlv", {"tlv": tags}),)


def _storage(receipt: Receipt, settings: Settings) -> Plan:
    kind = str(receipt.kind)
    lines = tuple(
        Step(
            "operation_v2",
            {
                "type": SIGNS[kind],
                "quantity": line.quantity,
                "price": _price(line, index),
                "sum": line.total_minor,
                "tax_sum": None,
                "tax": _tax(line, index, settings),
                "department": line.department,
                "method": int(line.method),
                "object": int(line.subject),
                "name": line.name[:NAME_LETTERS],
            },
        )
        for index, line in enumerate(receipt.lines)
    )
    tags = cashier_tags(receipt.operator)
    if receipt.contact:
        tags += (Step("fn_tlv", {"tlv": _text_tag(1008, receipt.contact, "contact")}),)
    return Plan(
        kind=kind,
        total=receipt.total_minor,
        before=(Step("open", {"type": OPEN_TYPES[kind]}),),
        lines=lines,
        tags=tags,
        close=Step("close_v2", {**_payments(receipt), "tax_system": _tax_system(receipt, settings)}),
    )


def _base(receipt: Receipt, settings: Settings) -> Plan:
    kind = str(receipt.kind)
    lines = []
    for index, line in enumerate(receipt.lines):
        if line.quantity % TEXT_ON_BASE_THOUSANDTHS:
            raise Refused("receipt", f"lines[{index}].quantity: this register counts thousandths at most")
        price = _price(line, index)
        if _times(price, line.quantity) != line.total_minor:
            raise Refused("receipt", f"lines[{index}].total_minor: this register reckons it itself, as {price} a piece")
        group = settings.taxes.get(line.tax, 0) if line.tax is not Tax.NONE else 0
        if line.tax is not Tax.NONE and not 1 <= group <= 4:
            raise Refused("receipt", f"lines[{index}].tax: {line.tax} is none of this register's four groups")
        lines.append(
            Step(
                BASE_LINES[kind],
                {
                    "quantity": line.quantity // TEXT_ON_BASE_THOUSANDTHS,
                    "price": price,
                    "department": line.department,
                    "tax1": group,
                    "text": line.name[:BASE_NAME_LETTERS],
                },
            )
        )
    return Plan(
        kind=kind,
        total=receipt.total_minor,
        before=(Step("open", {"type": OPEN_TYPES[kind]}),),
        lines=tuple(lines),
        tags=(),
        close=Step("close_extended", _payments(receipt)),
    )


def _correction(receipt: Receipt, settings: Settings, today: datetime.date | None) -> Plan:
    kind = str(receipt.kind)
    if settings.base:
        raise Refused("receipt", "kind: a register without a fiscal storage makes no corrections")
    day, number = _ground(receipt.correction_of, today)
    moment = calendar.timegm(day.timetuple())
    if not 0 <= moment < 1 << 32:
        raise Refused("receipt", f"correction_of: {day} is no day that a storage can hold")
    ground = tlv(1178, moment.to_bytes(4, "little")) + _text_tag(1179, number, "correction_of")
    tags = tlv(1173, b"\0") + tlv(1174, ground)
    sums: dict[str, int] = {}
    for part in receipt.settlements:
        name = CORRECTION_SUMS[part.tender]
        sums[name] = sums.get(name, 0) + part.minor
    if receipt.paid_minor != receipt.total_minor:
        raise Refused("receipt", "settlements: a correction gives no change")
    taxes: dict[str, int] = {}
    for index, line in enumerate(receipt.lines):
        group = f"tax{_tax(line, index, settings)}"
        taxes[group] = taxes.get(group, 0) + _tax_sum(line)
    if unknown := set(taxes) - {f"tax{group}" for group in range(1, 7)}:
        raise Refused("receipt", f"lines: a correction has no place for {', '.join(sorted(unknown))}")
    return Plan(
        kind=kind,
        total=receipt.total_minor,
        before=(Step("correction_begin", {}),),
        lines=(),
        tags=(Step("fn_tlv", {"tlv": tags}), *cashier_tags(receipt.operator)),
        close=Step(
            "correction_v2",
            {
                "correction_type": 0,
                "type": SIGNS[kind],
                "sum": receipt.total_minor,
                "tax_system": _tax_system(receipt, settings),
                **sums,
                **taxes,
            },
        ),
    )


def _ground(ground: str, today: datetime.date | None) -> tuple[datetime.date, str]:
    """The day and the number that a correction stands on; an order's number is of the register's own day."""
    try:
        return datetime.date.fromisoformat(ground), "б/н"
    except ValueError:
        if not ground:
            raise Refused("receipt", "correction_of: a correction needs its ground") from None
        return today or datetime.date(1970, 1, 1), ground


def _payments(receipt: Receipt) -> dict[str, object]:
    sums: dict[str, object] = {}
    for part in receipt.settlements:
        name = f"sum{TENDERS[part.tender]}"
        before = sums.get(name, 0)
        sums[name] = part.minor + (before if isinstance(before, int) else 0)
    return sums


def _tax_system(receipt: Receipt, settings: Settings) -> int:
    system = receipt.tax_system or settings.tax_system
    return 0 if system is None else TAX_SYSTEMS[system]


def _tax(line: Line, index: int, settings: Settings) -> int:
    try:
        return settings.taxes[line.tax]
    except KeyError:
        raise Refused(
            "receipt", f"lines[{index}].tax: no tax group is set for {line.tax}; name it in the setting taxes"
        ) from None


_RATES = {
    Tax.VAT_5: 5, Tax.VAT_7: 7, Tax.VAT_10: 10, Tax.VAT_12: 12, Tax.VAT_16: 16, Tax.VAT_18: 18, Tax.VAT_20: 20,
    Tax.VAT_22: 22, Tax.VAT_5_OF_105: 5, Tax.VAT_7_OF_107: 7, Tax.VAT_10_OF_110: 10, Tax.VAT_18_OF_118: 18,
    Tax.VAT_20_OF_120: 20, Tax.VAT_22_OF_122: 22,
}  # fmt: skip


def _tax_sum(line: Line) -> int:
    """The tax in a line's total; the turnover where there is none (0 %, without)."""
    rate = _RATES.get(line.tax)
    if rate is None:
        return line.total_minor
    return (line.total_minor * rate * 2 + (100 + rate)) // (2 * (100 + rate))


def _times(price: int, quantity: int) -> int:
    return (price * quantity * 2 + QUANTITY_ONE) // (2 * QUANTITY_ONE)


def _price(line: Line, index: int) -> int:
    """The price that stands on the line: a discount is in it, for the register allows a difference of 1 at most."""
    if abs(_times(line.price_minor, line.quantity) - line.total_minor) <= 1:
        return line.price_minor
    price = (line.total_minor * QUANTITY_ONE * 2 + line.quantity) // (2 * line.quantity)
    if abs(_times(price, line.quantity) - line.total_minor) <= 1:
        return price
    raise Refused(
        "receipt", f"lines[{index}].total_minor: no price of whole minor units gives {line.total_minor}; split the line"
    )


def _text_tag(tag: int, words: str, where: str) -> bytes:
    if len(words) > TLV_MAX - TLV_HEAD:
        raise Refused("receipt", f"{where}: {len(words)} letters, {TLV_MAX - TLV_HEAD} at most")
    try:
        made = tlv_text(tag, words)
    except UnicodeEncodeError as error:
        raise Refused("receipt", f"{where}: {words[error.start]!r} has no place in CP866") from None
    return made
