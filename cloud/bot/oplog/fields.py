"""The few members of a body that tell what it is about: an amount, an order, a status. Pure.

They are read from the body as it is shown, so that what is masked there is masked here.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from cloud.bot.html import cut_plain

_MOST = 4
_VALUE_MAX = 40
_SIZE_MAX = 64 * 1024  # letters; in a longer one nobody looks for a summary
_MEMBERS_MAX = 500  # that are looked at
_AMOUNTS = ("amount", "sum", "total", "totalsum", "totalamount", "price", "cost", "сумма", "итого", "цена")
_CURRENCIES = ("currency", "currencycode", "валюта")
_ORDERS = (
    "orderid", "ordernumber", "order", "invoiceid", "checkid", "receiptid", "externalid", "id", "номерзаказа", "заказ",
)  # fmt: skip
_STATUSES = ("status", "state", "result", "success", "substatus", "статус")
_ERRORS = ("error", "errormessage", "message", "reason", "detail", "description", "ошибка")
_CODES = ("errorcode", "code", "reasoncode")
_TRANSACTIONS = ("transactionid", "paymentid", "processid", "operationid", "rrn", "fiscaldocumentnumber", "checknumber")
_PLAIN = ("product", "drink", "item", "name", "method", "type", "cell", "count", "quantity")


class _Number(str):
    """Digits as they stand."""

    __slots__ = ()


def summary_of(shown: str, *, answer: bool) -> list[str]:
    """`sum: 1000 KZT`, `order_id: 12345`: at most four. `shown` is masked JSON; of anything else there is none."""
    if len(shown) > _SIZE_MAX:
        return []
    try:
        body = json.loads(shown, parse_int=_Number, parse_float=_Number)
    except (ValueError, RecursionError):
        return []
    members = [(_plain(name), name, value, around) for name, value, around in islice(_members(body, 2), _MEMBERS_MAX)]
    order = (
        (_STATUSES, _ERRORS, _CODES, _TRANSACTIONS, _AMOUNTS) if answer else (_AMOUNTS, _ORDERS, _TRANSACTIONS, _PLAIN)
    )
    found: list[str] = []
    for names in order:
        if part := _first(members, names):
            found.append(part)
    return found[:_MOST]


def _members(value: Any, depth: int) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Members with the object they stand in, the outermost first."""
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        yield name, inner, value
    if depth:
        for inner in value.values():
            yield from _members(inner, depth - 1)


def _first(members: list[tuple[str, str, Any, dict[str, Any]]], names: tuple[str, ...]) -> str:
    for wanted in names:
        for plain, name, value, around in members:
            if plain == wanted and (shown := _shown(value)):
                currency = _currency(value if isinstance(value, dict) else around) if names is _AMOUNTS else ""
                return f"{cut_plain(name, _VALUE_MAX)}: {shown}{currency}"
    return ""


def _shown(value: Any) -> str:
    """A value on one line; empty for what has none: an object, a list, null. Money is an object at times."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if _plain(name) in {"value", "minor", "amount"} and isinstance(inner, str):
                return cut_plain(inner, _VALUE_MAX)
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return cut_plain(" ".join(value.split()), _VALUE_MAX) if isinstance(value, str) else ""


def _currency(around: dict[str, Any]) -> str:
    for name, value in around.items():
        if _plain(name) in _CURRENCIES and isinstance(value, str) and 0 < len(value) <= 8:
            return f" {value}"
    return ""


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")
