"""What a simulated register's paper says, for who looks at it. Pure; wordings are ours, no model's layout is copied."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

WIDTH = 40
QUANTITY_ONE = 1_000_000
TITLES = {
    "sale": "ПРИХОД", "sale_return": "ВОЗВРАТ ПРИХОДА", "purchase": "РАСХОД", "purchase_return": "ВОЗВРАТ РАСХОДА",
    "open_shift": "СМЕНА ОТКРЫТА", "close_shift": "СМЕНА ЗАКРЫТА", "sale_correction": "КОРРЕКЦИЯ ПРИХОДА",
    "purchase_correction": "КОРРЕКЦИЯ РАСХОДА",
}  # fmt: skip
PAYMENTS = {1: "НАЛИЧНЫМИ", 2: "БЕЗНАЛИЧНЫМИ", 14: "АВАНСОМ", 15: "В КРЕДИТ", 16: "ИНОЕ"}


def document_text(
    document: Mapping[str, object], *, head: Sequence[str], items: Sequence[tuple[str, int, int, int]] = (),
    payments: Mapping[int, int] | None = None, change: int = 0,
) -> list[str]:  # fmt: skip
    """A document's lines. Items are name, quantity in millionths, price, total; money in minor units."""
    kind = str(document["kind"])
    lines = [*(line.center(WIDTH).rstrip() for line in head), TITLES.get(kind, kind).center(WIDTH).rstrip()]
    for name, quantity, price, total in items:
        lines += [name[start : start + WIDTH] for start in range(0, max(len(name), 1), WIDTH)]
        lines.append(_pair(f"  {Decimal(quantity) / QUANTITY_ONE:f} x {_money(price)}", _money(total)))
    if items or document.get("sum"):
        lines += ["-" * WIDTH, _pair("ИТОГ", _money(_whole(document["sum"])))]
    lines += [
        _pair(f" {PAYMENTS.get(number, f'ОПЛАТА {number}')}", _money(paid))
        for number, paid in (payments or {}).items()
        if paid
    ]
    if change:
        lines.append(_pair(" СДАЧА", _money(change)))
    receipt = f"  ЧЕК {document['receipt']}" if items else ""
    lines += [
        "-" * WIDTH,
        _pair(f"СМЕНА {document['shift']}{receipt}", str(document["at"])),
        _pair(f"ФД {document['fd']}", f"ФП {document['sign']}"),
    ]
    return lines


def _pair(left: str, right: str) -> str:
    return left + right.rjust(max(WIDTH - len(left), len(right) + 1))


def _money(minor: int) -> str:
    return f"{Decimal(minor).scaleb(-2):.2f}"


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
