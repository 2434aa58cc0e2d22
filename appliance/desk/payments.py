"""Kinds of payments as far as a receipt is concerned: what was asked for, whether it was paid, and with what. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec

from appliance.fiscal.reading import MINOR_MAX, Mistakes, read_receipt
from appliance.gateways.query import find_field
from appliance.routes import FieldIs
from appliance.targets import Ask, NotUnderstood, Target

_OURS = ("receipt", "receipt_required")


CheckReceipt = Callable[[object], list[str]]
"""What is wrong with a receipt, by its path in the request."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt that a request asks for."""

    receipt: dict[str, Any]  # complete, but for settlements that the request does not state
    amount: int  # what is to be paid
    required: bool = True  # without it the payment is not begun


class Payment:
    """One kind.

    Args:
        tender: what it is paid with, as of `wire.receipt.Tender`.
        states_amount: its requests have `amount` and `currency`, which the receipt must agree with.
        is_paid: whether an answer, by its body and HTTP status, says that money was taken for good.
    """

    def __init__(
        self, *, tender: str, states_amount: bool, is_paid: Callable[[dict[str, Any], int], bool]
    ) -> None:  # fmt: skip
        self.tender = tender
        self.is_paid = is_paid
        self._states_amount = states_amount

    def check(self, inner: Target, ask: Ask, check_receipt: CheckReceipt | None) -> None:
        """Payment and receipt; None: nobody makes receipts. Raises `NotUnderstood` with every mistake of both."""
        found = []
        try:
            inner.check(self.inner(ask))
        except NotUnderstood as error:
            found.append(str(error))
        found += self._mistakes(_fields(ask), check_receipt) if self._may_pay(ask) else []
        if found:
            raise NotUnderstood("; ".join(found))

    def plan(self, ask: Ask) -> Plan | None:
        """What receipt is due once it is paid; None: none was asked for. Of a request that was checked."""
        fields = _fields(ask)
        if not self._may_pay(ask) or fields.get("receipt") is None:
            return None
        receipt = self._completed(fields)
        amount = fields["amount"] if self._states_amount else _total(receipt)
        return Plan(receipt=receipt, amount=amount or 0, required=fields.get("receipt_required") is not False)

    def inner(self, ask: Ask, tell: Callable[[dict[str, Any]], None] | None = None) -> Ask:
        """The request as the payment's own target sees it: without what is read here."""
        changed = ask if tell is None else msgspec.structs.replace(ask, tell=tell)
        fields = _fields(ask, msgspec.Raw)
        if not self._may_pay(ask) or not any(name in fields for name in _OURS):
            return changed
        kept = {name: value for name, value in fields.items() if name not in _OURS}
        return msgspec.structs.replace(changed, body=msgspec.json.encode(kept))

    def _may_pay(self, ask: Ask) -> bool:
        """A plain gateway's GET only asks; of the others the method says nothing."""
        return self._states_amount or ask.method != "GET"

    def _completed(self, fields: dict[str, Any]) -> dict[str, Any]:
        receipt = dict(fields["receipt"])
        if self._states_amount or isinstance(fields.get("currency"), str):
            receipt.setdefault("currency", fields.get("currency"))
        return receipt

    def _mistakes(self, fields: dict[str, Any], check_receipt: CheckReceipt | None) -> list[str]:
        required, receipt = fields.get("receipt_required"), fields.get("receipt")
        found = []
        if required is not None and not isinstance(required, bool):
            found.append("receipt_required: right would be true or false")
        if receipt is None:
            return found
        if check_receipt is None:
            return [*found, "receipt: this route makes none; right would be a route with `receipt: <register>`"]
        if not isinstance(receipt, dict):
            return [*found, "receipt: right would be an object with at least `lines`"]
        completed = self._completed(fields)
        total = _total(completed)
        found += check_receipt(settled(completed, self.tender, total or 0, {}))
        if self._states_amount:
            found += _disagreements(completed, total, fields, self.tender)
        return found


def settled(receipt: dict[str, Any], tender: str, amount: int, answer: dict[str, Any]) -> dict[str, Any]:
    """The receipt with how it was paid: of cash, what was handed over, so that the change stands there too."""
    if receipt.get("settlements"):
        return receipt
    handed = amount
    if tender == "cash":
        handed = max(amount, _whole(answer, "collected") - _whole(answer, "kept"))
    return {**receipt, "settlements": [{"tender": tender, "amount": handed}]}


def cash() -> Payment:
    """By notes and coins."""
    return Payment(tender="cash", states_amount=True, is_paid=lambda answer, _status: answer.get("status") == "paid")


def terminal() -> Payment:
    """By a card terminal that says `approved`."""
    return Payment(
        tender="electronic", states_amount=True, is_paid=lambda answer, _status: answer.get("status") == "approved"
    )


def gateway(paid: FieldIs | None) -> Payment:
    """By a plain gateway, where its answer says so."""

    def is_paid(answer: dict[str, Any], status: int) -> bool:
        if paid is None or not 200 <= status < 300:
            return False
        return find_field(msgspec.json.encode(answer), paid.field) in paid.values

    return Payment(tender="electronic", states_amount=False, is_paid=is_paid)


def _total(receipt: dict[str, Any]) -> int | None:
    """What a receipt's lines add up to; None where it cannot be read."""
    try:
        return read_receipt({**receipt, "settlements": [{"tender": "cash", "amount": MINOR_MAX}]}).total_minor
    except Mistakes:
        return None


def _disagreements(receipt: dict[str, Any], total: int | None, fields: dict[str, Any], tender: str) -> list[str]:
    """Where a receipt says something else than the payment. What is malformed on either side is told elsewhere."""
    found = []
    if receipt["currency"] != fields.get("currency"):
        found.append(f"receipt.currency: is {receipt['currency']!r}; the payment's is {fields.get('currency')!r}")
    amount = fields.get("amount")
    if type(amount) is not int or total is None:
        return found
    settlements = receipt.get("settlements")
    if not settlements:
        if total != amount:
            found.append(f"receipt.lines: add up to {total}, and the payment's amount is {amount}; both must agree")
    elif isinstance(settlements, list) and all(isinstance(part, dict) for part in settlements):
        ours = sum(_whole(part, "amount") for part in settlements if part.get("tender") == tender)
        if ours != amount:
            found.append(
                f"receipt.settlements: {ours} by {tender}, and the payment's amount is {amount}; both must agree"
            )
    return found


def _fields(ask: Ask, value: Any = Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(ask.body or b"{}", type=dict[str, value])
    except msgspec.MsgspecError:
        return {}
    return found


def _whole(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name, 0)
    return value if type(value) is int else 0
