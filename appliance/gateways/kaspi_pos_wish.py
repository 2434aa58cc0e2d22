"""What an operation asks of a Kaspi Smart POS: a request's JSON, every mistake at once. Pure.

| body | what it does |
| --- | --- |
| `{"amount": 125000, "currency": "KZT"}` | a payment; `"action": "payment"` may stand beside it |
| `{"action": "refund", "amount", "currency", "method": "qr", "transaction_id"}` | gives back what was paid: \
`transaction_id` is the payment's order number (`qr`, `alaqan`) or RRN (`card`) |
| `{"action": "status", "process_id"}` | how a payment stands, by the terminal; nothing is begun |
| `{"action": "device"}` | the terminal's numbers, and so whether it is there |
| `{"action": "register"}` | asks a protected terminal for a token; a person accepts on its screen |

Amounts are in tiyn, as everywhere; of a terminal that counts in tenge they must be whole tenge. Other fields belong to
whoever reads them (`receipt`, an order's id) and are left alone.
"""

import difflib

import msgspec

from appliance.targets import NotUnderstood

CURRENCY = "KZT"
TENGE = 100  # tiyn
AMOUNT_MAX = 100_000_000 * TENGE  # far above what any terminal takes
ACTIONS = ("payment", "refund", "status", "device", "register")
MOVES_MONEY = ("payment", "refund")
METHODS = ("qr", "card", "alaqan")
_FIELDS = {
    "payment": ("action", "amount", "currency"),
    "refund": ("action", "amount", "currency", "method", "transaction_id"),
    "status": ("action", "process_id"),
    "device": ("action",),
    "register": ("action",),
}
_ID_MAX = 64

_object = msgspec.json.Decoder(dict[str, object])


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, understood. `amount` is in tiyn, 0 where no money moves."""

    action: str
    amount: int = 0
    method: str = ""
    transaction_id: str = ""
    process_id: str = ""

    @property
    def moves_money(self) -> bool:
        """Whether it may be begun once only."""
        return self.action in MOVES_MONEY

    def amount_in(self, unit: str) -> str:
        """The amount as the terminal counts: `tenge` or `tiyn`."""
        return str(self.amount // TENGE if unit == "tenge" else self.amount)


def read_wish(body: bytes, unit: str) -> Wish:
    """Understand a body. Raises `NotUnderstood` with everything that is wrong."""
    try:
        fields = _object.decode(body or b"{}")
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NotUnderstood(f"the body is not a JSON object: {error}") from error
    mistakes: list[str] = []
    action = fields.get("action", "payment")
    if not isinstance(action, str) or action not in ACTIONS:
        raise NotUnderstood(f"action={_shown(action)}: right would be one of {', '.join(ACTIONS)}")
    for name in fields:
        near = difflib.get_close_matches(name, _FIELDS[action], n=1, cutoff=0.8)
        if near and name != near[0]:
            mistakes.append(f"{name}: is not known; did you mean {near[0]}?")
    wish = Wish(
        action=action,
        amount=_amount(fields, unit, mistakes) if action in MOVES_MONEY else 0,
        method=_method(fields, mistakes) if action == "refund" else "",
        transaction_id=_id(fields, "transaction_id", mistakes) if action == "refund" else "",
        process_id=_id(fields, "process_id", mistakes) if action == "status" else "",
    )
    if mistakes:
        raise NotUnderstood("; ".join(mistakes))
    return wish


def _amount(fields: dict[str, object], unit: str, mistakes: list[str]) -> int:
    currency = fields.get("currency")
    if currency != CURRENCY:
        what = "is missing" if currency is None else f"={_shown(currency)}: a Kaspi terminal takes tenge alone"
        mistakes.append(f"currency{'' if currency is not None else ': '}{what}; right would be {CURRENCY}")
    amount = fields.get("amount")
    right = "right would be a whole number of tiyn, such as 125000 for 1250 tenge"
    if amount is None:
        mistakes.append(f"amount: is missing; {right}")
        return 0
    if type(amount) is not int or not 0 < amount <= AMOUNT_MAX:
        mistakes.append(f"amount={_shown(amount)}: {right}")
        return 0
    if unit == "tenge" and amount % TENGE:
        near = amount - amount % TENGE
        words = f"this terminal counts in whole tenge; right would be {near} or {near + TENGE}"
        mistakes.append(f"amount={amount}: is {amount // TENGE} tenge and {amount % TENGE} tiyn, and {words}")
    return amount


def _method(fields: dict[str, object], mistakes: list[str]) -> str:
    method = fields.get("method")
    if isinstance(method, str) and method in METHODS:
        return method
    words = ": is missing" if method is None else f"={_shown(method)}"
    mistakes.append(f"method{words}; right would be how it was paid, one of {', '.join(METHODS)}")
    return ""


def _id(fields: dict[str, object], name: str, mistakes: list[str]) -> str:
    value = fields.get(name)
    text = str(value) if type(value) in {int, str} else ""
    if text and len(text) <= _ID_MAX and text.isascii() and text.isalnum():
        return text
    words = ": is missing" if value is None else f"={_shown(value)}"
    mistakes.append(f"{name}{words}; right would be letters and digits as the payment's answer gave them")
    return ""


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 40 else f"{text[:40]}…"
