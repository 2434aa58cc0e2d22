"""A request's JSON as what is to be done, every mistake at once, each by its path and with what would be right. Pure.

One rule makes a line's total: price times quantity, rounded half up to a whole minor unit. A line may give a `total`
of its own, which is then that less a discount; never more. Quantities are whole numbers or text such as "0.5", exact to
a millionth; a JSON number with a point is refused, for nobody can say which decimal it stood for.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, TypeGuard, TypeVar

import msgspec

from appliance.fiscal.shift import CASH_IN, CASH_OUT, CLOSE, OPEN, RECEIPT
from wire.money import Money
from wire.receipt import (
    QUANTITY_ONE,
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
    mistakes,
)

LINES_MAX = 500
NAME_MAX = 256
TEXT_MAX = 128
MINOR_MAX = 10**12
QUANTITY_MAX = 100_000

_QUANTITY = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_CONTACT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+[0-9]{5,15}")

E = TypeVar("E", bound=Enum)

_RECEIPT_FIELDS = (
    "action", "kind", "currency", "lines", "settlements", "tax_system", "contact", "operator", "paper", "correction_of",
)  # fmt: skip
_FIELDS: Mapping[str, tuple[str, ...]] = {
    RECEIPT: _RECEIPT_FIELDS,
    OPEN: ("action", "operator"),
    CLOSE: ("action", "operator"),
    "z-report": ("action", "operator"),  # another word for closing the shift
    CASH_IN: ("action", "amount", "currency"),
    CASH_OUT: ("action", "amount", "currency"),
    "x-report": ("action",),
    "register-status": ("action",),
    "find": ("action", "number", "reference"),
    "copy": ("action",),
    "pending": ("action",),
}
ACTIONS = tuple(_FIELDS)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One of `ACTIONS`, with what it needs."""

    action: str
    receipt: Receipt | None = None
    amount: Money | None = None
    operator: Operator | None = None
    number: int | None = None
    reference: str = ""


class Mistakes(ValueError):
    """`found` are all of them, in words."""

    def __init__(self, found: Sequence[str]) -> None:
        self.found = list(found)
        super().__init__("; ".join(found))


def read_asked(body: bytes) -> Asked:
    """What an operation asks of a register. Raises `Mistakes`."""
    try:
        given = msgspec.json.decode(body or b"null")
    except msgspec.DecodeError as error:
        raise Mistakes([f"body: is no JSON: {error}"]) from None
    reader = _Reader()
    asked = reader.asked(given)
    if reader.found or asked is None:
        raise Mistakes(reader.found)
    return asked


def read_receipt(body: object, where: str = "receipt") -> Receipt:
    """A receipt out of decoded JSON; `where` stands before every path. Raises `Mistakes`."""
    reader = _Reader()
    receipt = reader.receipt(body, where)
    if reader.found or receipt is None:
        raise Mistakes(reader.found)
    return receipt


def check_receipt(body: object, where: str = "receipt") -> list[str]:
    """Every mistake of a receipt, by its path; empty when there is none."""
    try:
        read_receipt(body, where)
    except Mistakes as error:
        return error.found
    return []


class _Reader:
    """Reads on after a mistake, with something in its place."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def asked(self, given: object) -> Asked | None:
        if not isinstance(given, dict):
            self.found.append('body: right would be an object such as {"action": "register-status"}')
            return None
        action = given.get("action", RECEIPT if "lines" in given else None)
        if not isinstance(action, str) or action not in _FIELDS:
            self._unknown("action", action, ACTIONS)
            return None
        if action == RECEIPT:
            return Asked(action=action, receipt=self.receipt(given, ""))
        self._fields(given, "", _FIELDS[action])
        match action:
            case "open-shift" | "close-shift" | "z-report":
                action = CLOSE if action == "z-report" else action
                return Asked(action=action, operator=self._operator(given.get("operator"), "operator"))
            case "cash-in" | "cash-out":
                minor = self._minor(given.get("amount"), "amount", least=1)
                currency = self._currency(given.get("currency"), "currency")
                return Asked(action=action, amount=Money(minor, currency))
            case "find":
                return self._find(given)
        return Asked(action=action)

    def _find(self, given: Mapping[str, Any]) -> Asked:
        number, reference = given.get("number"), given.get("reference")
        if (number is None) == (reference is None):
            self.found.append("find: right would be either a number (of a document) or a reference (of a request)")
        elif number is not None and (not _is_int(number) or not 0 < number < 1 << 32):
            self._wrong("number", number, "a document's number, from 1")
        elif reference is not None and (not isinstance(reference, str) or not reference):
            self._wrong("reference", reference, "a request's id")
        return Asked(action="find", number=number, reference=reference or "")

    def receipt(self, given: object, where: str) -> Receipt | None:
        if not isinstance(given, dict):
            self._wrong(where, given, "an object with kind, currency, lines and settlements")
            return None
        at = f"{where}." if where else ""
        self._fields(given, at, _RECEIPT_FIELDS)
        before = len(self.found)
        kind = self._word(given.get("kind", "sale"), f"{at}kind", ReceiptKind)
        system = given.get("tax_system")
        contact = self._text(given.get("contact"), f"{at}contact", TEXT_MAX)
        if contact and not _CONTACT.fullmatch(contact):
            self._wrong(f"{at}contact", contact, "an e-mail address or a telephone number such as +77010000000")
        paper = given.get("paper", True)
        if not isinstance(paper, bool):
            self._wrong(f"{at}paper", paper, "true or false")
        correction_of = self._text(given.get("correction_of"), f"{at}correction_of", TEXT_MAX)
        corrects = kind in (ReceiptKind.SALE_CORRECTION, ReceiptKind.PURCHASE_CORRECTION)
        if correction_of and kind is not None and not corrects:
            self.found.append(f"{at}correction_of: stands on a correction only, not on a {kind}")
        if corrects and not given.get("correction_of"):
            right = "an order's number, or the day that is corrected, such as 2026-01-31"
            self.found.append(f"{at}correction_of: is required on a correction; right would be {right}")
        receipt = Receipt(
            kind=kind or ReceiptKind.SALE,
            currency=self._currency(given.get("currency"), f"{at}currency"),
            lines=self._lines(given.get("lines"), f"{at}lines"),
            settlements=self._settlements(given.get("settlements"), f"{at}settlements"),
            tax_system=None if system is None else self._word(system, f"{at}tax_system", TaxSystem),
            contact=contact,
            operator=self._operator(given.get("operator"), f"{at}operator"),
            paper=paper is not False,
            correction_of=correction_of,
        )
        if len(self.found) == before:
            self.found += [at + mistake for mistake in mistakes(receipt)]
        return receipt

    def _lines(self, given: object, where: str) -> tuple[Line, ...]:
        if not isinstance(given, list) or not 0 < len(given) <= LINES_MAX:
            self._wrong(where, None, f'a list of 1 to {LINES_MAX} lines such as {{"name": "Coffee", "price": 15000}}')
            return ()
        return tuple(self._line(each, f"{where}[{index}]") for index, each in enumerate(given))

    def _line(self, given: object, where: str) -> Line:
        if not isinstance(given, dict):
            self._wrong(where, given, "an object with name and price")
            return Line(name="", price_minor=0, total_minor=0)
        at = f"{where}."
        self._fields(given, at, ("name", "price", "quantity", "total", "tax", "method", "subject", "department"))
        name = self._text(given.get("name"), f"{at}name", NAME_MAX)
        if not name.strip() and isinstance(given.get("name", ""), str):
            self._wrong(f"{at}name", given.get("name"), "what is sold, as it stands on the receipt")
        price = self._minor(given.get("price"), f"{at}price")
        quantity = self._quantity(given.get("quantity", 1), f"{at}quantity")
        full = round_total(price, quantity)
        total = full if given.get("total") is None else self._minor(given["total"], f"{at}total")
        if total > full:
            self.found.append(
                f"{at}total: {total} is more than price times quantity, {full}; right would be up to that"
            )
        department = given.get("department", 1)
        if not _is_int(department) or not 0 <= department <= 99:
            self._wrong(f"{at}department", department, "0 to 99")
            department = 1
        return Line(
            name=name, price_minor=price, total_minor=total, quantity=quantity,
            tax=self._word(given.get("tax", "none"), f"{at}tax", Tax) or Tax.NONE,
            method=self._code(given.get("method", 4), f"{at}method", Method) or Method.FULL_PAYMENT,
            subject=self._code(given.get("subject", 1), f"{at}subject", Subject) or Subject.COMMODITY,
            department=department,
        )  # fmt: skip

    def _settlements(self, given: object, where: str) -> tuple[Settlement, ...]:
        if not isinstance(given, list) or not given or len(given) > len(Tender) * 4:
            self._wrong(where, None, 'a list such as [{"tender": "cash", "amount": 15000}]')
            return ()
        return tuple(self._settlement(each, f"{where}[{index}]") for index, each in enumerate(given))

    def _settlement(self, given: object, where: str) -> Settlement:
        if not isinstance(given, dict):
            self._wrong(where, given, 'an object such as {"tender": "cash", "amount": 15000}')
            return Settlement(Tender.CASH, 0)
        self._fields(given, f"{where}.", ("tender", "amount"))
        tender = self._word(given.get("tender"), f"{where}.tender", Tender)
        return Settlement(tender or Tender.CASH, self._minor(given.get("amount"), f"{where}.amount"))

    def _operator(self, given: object, where: str) -> Operator | None:
        if given is None:
            return None
        if not isinstance(given, dict):
            self._wrong(where, given, 'an object such as {"name": "Kiosk"}')
            return None
        self._fields(given, f"{where}.", ("name", "tax_number"))
        name = self._text(given.get("name"), f"{where}.name", 64)
        if not name.strip() and isinstance(given.get("name", ""), str):
            self._wrong(f"{where}.name", given.get("name"), "the cashier's name")
        number = self._text(given.get("tax_number"), f"{where}.tax_number", 12)
        if number and not (number.isascii() and number.isdigit()):
            self._wrong(f"{where}.tax_number", number, "10 or 12 digits")
        return Operator(name, number)

    # One value

    def _quantity(self, given: object, where: str) -> int:
        """In millionths."""
        right = 'a whole number above 0, or text such as "0.5" with 6 digits behind the point at most'
        if _is_int(given) and 0 < given <= QUANTITY_MAX:
            return given * QUANTITY_ONE
        if isinstance(given, str) and _QUANTITY.fullmatch(given):
            exact = int(Decimal(given).scaleb(6))
            if 0 < exact <= QUANTITY_MAX * QUANTITY_ONE:
                return exact
        self._wrong(where, given, right)
        return QUANTITY_ONE

    def _minor(self, given: object, where: str, *, least: int = 0) -> int:
        if _is_int(given) and least <= given <= MINOR_MAX:
            return given
        self._wrong(where, given, f"whole minor units from {least}, such as 15000 for 150.00")
        return 0

    def _currency(self, given: object, where: str) -> str:
        if isinstance(given, str) and len(given) == 3 and given.isascii() and given.isalpha() and given.isupper():
            return given
        self._wrong(where, given, "an ISO 4217 code such as KZT")
        return "XXX"

    def _text(self, given: object, where: str, longest: int) -> str:
        if given is None:
            return ""
        if isinstance(given, str) and len(given) <= longest and given.isprintable():
            return given
        self._wrong(where, given, f"printable text of up to {longest} letters")
        return ""

    def _word(self, given: object, where: str, words: type[E]) -> E | None:
        try:
            return words(given)
        except ValueError:
            self._unknown(where, given, [str(each.value) for each in words])
            return None

    def _code(self, given: object, where: str, codes: type[E]) -> E | None:
        """A number, or its name in small letters."""
        if _is_int(given) or isinstance(given, str):
            for each in codes:
                if given == each.value or (isinstance(given, str) and given == each.name.lower()):
                    return each
        self._unknown(where, given, [f"{each.value} {each.name.lower()}" for each in codes])
        return None

    def _fields(self, given: Mapping[str, Any], at: str, known: Sequence[str]) -> None:
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                self.found.append(f"{at}{name}: is not known here; {hint}")

    def _unknown(self, where: str, given: object, known: Sequence[str]) -> None:
        near = difflib.get_close_matches(given, known, n=1) if isinstance(given, str) else []
        hint = f"; did you mean {near[0]}?" if near else ""
        self._wrong(where, given, f"one of {', '.join(known)}{hint}")

    def _wrong(self, where: str, given: object, right: str) -> None:
        if given is None:
            self.found.append(f"{where or 'body'}: is required; right would be {right}")
        else:
            self.found.append(f"{where or 'body'}: {_shown(given)} is wrong; right would be {right}")


def round_total(price: int, quantity: int) -> int:
    """Price times quantity (in millionths), half up, in whole minor units."""
    return (price * quantity * 2 + QUANTITY_ONE) // (2 * QUANTITY_ONE)


def _is_int(given: object) -> TypeGuard[int]:
    return isinstance(given, int) and not isinstance(given, bool)


def _shown(given: object) -> str:
    text = msgspec.json.encode(given).decode()
    return text if len(text) <= 40 else f"{text[:37]}..."
