"""A request's JSON as a payment, every mistake at once. Pure.

    {"amount": 150000, "currency": "KZT", "overpay": "change", "idle_timeout": 60, "timeout": 180, "reference": "A-17"}

`amount` is in minor units; `overpay` and the times are those of the route where they are missing, and a request's may
be shorter than the route's, not longer. Fields that are not known here are the desk's above, or nobody's; one that is
nearly one of these is taken for a slip of the pen, since what it says of money would be passed over.
"""

import difflib
import math
from collections.abc import Collection

import msgspec

from appliance.kinds import CashRoute
from appliance.targets import NotUnderstood
from wire.money import Money

_NAMES = ("amount", "currency", "overpay", "idle_timeout", "timeout", "reference")
_NEAR = 0.8
OVERPAY = ("change", "keep", "refuse")
AMOUNT_MAX = 10**12
_REFERENCE_MAX = 200
_SHOWN = 40


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks for."""

    amount: int
    currency: str
    overpay: str
    idle_timeout: float
    timeout: float
    reference: str = ""


def read_wanted(body: bytes, kind: CashRoute, timeout: float, currencies: Collection[str]) -> Wanted:
    """Raises `NotUnderstood` with all that is wrong. `currencies`: of the devices; none known: any."""
    try:
        fields = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise NotUnderstood(f"the body is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise NotUnderstood('the body is no object; right would be {"amount": 150000, "currency": "KZT"}')
    wrong: list[str] = []
    wanted = Wanted(
        amount=_amount(fields, wrong),
        currency=_currency(fields, currencies, wrong),
        overpay=_word(fields, kind.overpay, wrong),
        idle_timeout=_seconds(fields, "idle_timeout", min(kind.idle_timeout, timeout), timeout, wrong),
        timeout=_seconds(fields, "timeout", timeout, timeout, wrong),
        reference=_text(fields, wrong),
    )
    for name in fields.keys() - {*_NAMES}:
        if near := difflib.get_close_matches(name, _NAMES, n=1, cutoff=_NEAR):
            wrong.append(f"{_shown(name)} is not known; did you mean {near[0]}?")
    if wrong:
        raise NotUnderstood("; ".join(wrong))
    return wanted


def _amount(fields: dict[str, object], wrong: list[str]) -> int:
    right = f"right would be a whole number of minor units from 1 to {AMOUNT_MAX}, such as 150000 for 1500.00"
    if "amount" not in fields:
        wrong.append(f"amount: is missing; {right}")
        return 0
    amount = fields["amount"]
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 < amount <= AMOUNT_MAX:
        wrong.append(f"amount: {_shown(amount)} is none; {right}")
        return 0
    return amount


def _currency(fields: dict[str, object], currencies: Collection[str], wrong: list[str]) -> str:
    known = " or ".join(sorted(currencies)) or "KZT"
    if "currency" not in fields:
        wrong.append(f"currency: is missing; right would be {known}")
        return ""
    currency = fields["currency"]
    try:
        code = Money(0, currency).currency if isinstance(currency, str) else ""
    except ValueError:
        code = ""
    if not code or not code.isalpha():
        wrong.append(f"currency: {_shown(currency)} is no ISO 4217 code; right would be {known}")
    elif currencies and code not in currencies:
        wrong.append(f"currency: this kiosk's devices do not take {code}; right would be {known}")
    return code


def _word(fields: dict[str, object], default: str, wrong: list[str]) -> str:
    given = fields.get("overpay", default)
    if given not in OVERPAY:
        wrong.append(f"overpay: {_shown(given)} is none of {', '.join(OVERPAY)}")
        return default
    return str(given)


def _seconds(fields: dict[str, object], name: str, default: float, most: float, wrong: list[str]) -> float:
    given = fields.get(name, default)
    fine = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
    if not fine or not isinstance(given, int | float) or not 1 <= given <= most:
        wrong.append(
            f"{name}: {_shown(given)} is wrong; right would be seconds from 1 to {most:g}, the route's timeout"
        )
        return default
    return float(given)


def _text(fields: dict[str, object], wrong: list[str]) -> str:
    given = fields.get("reference", "")
    if not isinstance(given, str) or len(given) > _REFERENCE_MAX:
        wrong.append(f"reference: {_shown(given)} is wrong; right would be a text of up to {_REFERENCE_MAX} characters")
        return ""
    return given


def _shown(given: object) -> str:
    text = msgspec.json.encode(given).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
