"""What a Kaspi Smart POS says, and what that comes to as an operation's answer. Pure.

Every answer is `{"data": {…}, "statusCode": 0}` or `{"errorText": "…", "statusCode": N}`. The HTTP status says nothing:
emulators put N there where HTTP has such a number, and 200 elsewhere.

Facts are from five public clients and an emulator that agree on them; the vendor's own description was not at hand.
Where they are silent (error 108, whether the terminal tells busy by `deviceinfo`) the unknown is taken for the worst.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from appliance.gateways.kaspi_pos_wish import CURRENCY, Wish
from wire.masking import mask

OK = 0
TOKEN_CODES = frozenset({401, 403, 105})  # not allowed in; 105: the refreshing itself failed
BUSY_CODES = frozenset({106, 107})
GONE_CODES = frozenset({100, 101})  # it does not know the process
# After these nothing was begun. Of any other number that is not said anywhere.
NOT_BEGUN_CODES = TOKEN_CODES | BUSY_CODES | {404, 999}
_NOT_BEGUN_HTTP = frozenset({401, 403, 404, 405})  # of something that is no terminal, or says no more

STAGES: dict[str, tuple[str, str]] = {
    "Initialize": ("starting", "the terminal is getting ready"),
    "WaitUser": ("waiting-for-customer", "waiting for the customer's phone or card"),
    "WaitForQrConfirmation": ("waiting-for-confirmation", "waiting for the customer to confirm in the Kaspi app"),
    "ProcessingCard": ("processing-card", "the card is being processed"),
    "WaitForPinCode": ("waiting-for-pin", "waiting for the card's PIN"),
    "ProcessRefund": ("processing-refund", "the refund is being processed"),
    "QrTransactionSuccess": ("approved", "paid"),
    "QrTransactionFailure": ("declined", "not paid"),
    "CardTransactionSuccess": ("approved", "paid"),
    "CardTransactionFailure": ("declined", "not paid"),
    "ProcessCancelled": ("cancelled", "cancelled at the terminal"),
}
"""A terminal's `subStatus` as the stage of a progress, and in words."""

_CODES = {
    100: "the terminal does not know this process",
    101: "the terminal does not know this process",
    103: "the terminal cannot ask the bank about this process",
    105: "the terminal did not renew the access token",
    106: "the terminal is still busy with the operation before",
    107: "the terminal is still busy with the operation before",
    401: "the terminal wants an access token",
    403: "the terminal wants an access token",
    404: "the terminal has no such address; is it a Kaspi Smart POS with the /v2 interface?",
    999: "the terminal misses a parameter or does not take its value",
}
_MONEY = re.compile(r"[-–\s]*(\d[\d\s\u00a0\u202f]*(?:[.,]\d{1,2})?)\s*[^\d.,]*")
_LONG = re.compile(r"\d(?:[ -]?\d){12}")  # a card's number may be in it, and no other of a slip's
_TEXT_MAX = 500


class Process(msgspec.Struct, rename="camel", frozen=True):
    """How a payment or a refund stands at the terminal."""

    process_id: str = ""
    status: str = ""  # wait, success, fail or unknown
    sub_status: str = ""
    transaction_id: str = ""
    message: str = ""
    add_info: dict[str, Any] | None = None
    cheque_info: dict[str, Any] | None = None


class Said(msgspec.Struct, frozen=True):
    """One answer. `code` is 0 when it did what it was asked; None when no terminal said it."""

    code: int | None
    text: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")
    http: int = 200

    @property
    def surely_nothing(self) -> bool:
        """Whether a start that was answered so has begun nothing."""
        return self.http in _NOT_BEGUN_HTTP if self.code is None else self.code in NOT_BEGUN_CODES

    @property
    def wants_token(self) -> bool:
        """Whether it is about who asks."""
        return self.http in {401, 403} if self.code is None else self.code in TOKEN_CODES

    @property
    def process(self) -> Process | None:
        """The process it tells of."""
        try:
            return msgspec.json.decode(self.data, type=Process, strict=False)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None

    def words(self) -> str:
        """For a person."""
        if self.code is None:
            return f"what answered (HTTP {self.http}) is no Kaspi terminal: {self.text}"
        known = _CODES.get(self.code, "the terminal said no")
        return f"{known} [{self.code}{f': {self.text}' if self.text else ''}]"


class _Envelope(msgspec.Struct, rename="camel"):
    status_code: int
    data: msgspec.Raw = msgspec.Raw(b"{}")
    error_text: str | None = None


def read_said(http: int, body: bytes) -> Said:
    """An answer's body. Never raises."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope, strict=False)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Said(None, body[:80].decode("utf-8", "replace"), http=http)
    return Said(envelope.status_code, (envelope.error_text or "")[:_TEXT_MAX], envelope.data, http)


def stage_of(process: Process) -> dict[str, Any]:
    """A progress: `stage` and `words`, and the terminal's own word."""
    stage, words = STAGES.get(process.sub_status, ("waiting", "the terminal is at work"))
    if process.status == "unknown":
        stage, words = "asking-the-bank", "the terminal does not know how it ended and asks the bank"
    return {"stage": stage, "words": words, "sub_status": process.sub_status}


def result_of(wish: Wish, process_id: str, process: Process) -> dict[str, Any]:
    """The operation's answer, of a process that ended.

    | field | |
    | --- | --- |
    | `status` | `approved` or `declined`; both are HTTP 200: the terminal was asked and has answered |
    | `action`, `amount`, `currency`, `process_id` | what was asked, in minor units, and the terminal's number for it |
    | `transaction_id`, `method` | the bank's number; `qr`, `card` or `alaqan` |
    | `charged` | only where the slip shows another amount than was asked: what stands there, in minor units |
    | `card_mask`, `rrn`, `authorization_code`, `order_number`, `product` | where the slip has them |
    | `reason`, `message` | of what was declined: `cancelled` or `failed`, and the terminal's words |
    | `terminal` | the slip as the terminal gave it |
    """
    cheque = {str(name): _clean(value) for name, value in (process.cheque_info or {}).items()}
    if isinstance(number := cheque.get("cardMask"), str) and _LONG.search(number):
        cheque["cardMask"] = f"{number[:6]}…{number[-4:]}"  # some terminal may forget to mask it
    result: dict[str, Any] = {
        "status": "approved" if process.status == "success" else "declined",
        "action": wish.action,
        "amount": wish.amount,
        "currency": CURRENCY,
        "process_id": process_id,
        "transaction_id": process.transaction_id or None,
        "method": cheque.get("method") or wish.method or None,
    }
    if process.status == "success":
        charged = read_amount(cheque.get("amount"))
        if charged is not None and charged != wish.amount:
            result["charged"] = charged
    else:
        result["reason"] = "cancelled" if process.sub_status == "ProcessCancelled" else "failed"
        result["message"] = _clean(process.message) or STAGES.get(process.sub_status, ("", ""))[1]
    for name, field in (
        ("card_mask", "cardMask"),
        ("rrn", "rrn"),
        ("authorization_code", "authorizationCode"),
        ("order_number", "orderNumber"),
    ):
        if cheque.get(field):
            result[name] = cheque[field]
    product = (process.add_info or {}).get("ProductType")
    if isinstance(product, str) and product:
        result["product"] = product
    result["sub_status"] = process.sub_status
    result["terminal"] = cheque or None
    return result


def read_amount(text: object) -> int | None:
    """`1250 ₸`, `- 1 250,50 ₸` in tiyn; None for what is no amount."""
    found = _MONEY.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    try:
        exact = Decimal(re.sub(r"[\s\u00a0\u202f]", "", found[1]).replace(",", ".")) * 100
    except InvalidOperation:
        return None
    return int(exact) if exact == exact.to_integral_value() else None


def _clean(value: object) -> object:
    """A slip's figure without what must not leave the kiosk: at most a card's mask."""
    if isinstance(value, str):
        return mask(value[:_TEXT_MAX]) if _LONG.search(value) else value[:_TEXT_MAX]
    if isinstance(value, bool | int | float) or value is None:
        return value
    return _clean(msgspec.json.encode(value).decode())
