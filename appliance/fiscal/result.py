"""What became of a document: the answer of an operation, what stands under "receipt" in a payment's answer, the end of
its work in the book. One JSON object, told apart by `status`:

    registered   200   the register holds it. `printed` false: it is not on paper, a copy is had by an action
    moved        200   cash in or out: the register holds it; it has no number of its own
    pending      202   not now, and not forgotten: it is tried again by the kiosk under the same reference
    refused       -    surely not registered, and never will be; an operation's answer is the problem `device-fault`, or
                       what kept it from being asked: `gateway-unreachable`, `kiosk-storage`
    unclear      409   the register cannot tell; a person looks (`remedy`), and it is never done again by itself

Amounts are minor units of `currency`, `since` is seconds since 1970, `at` is the register's own clock without a zone.
"""

from typing import Any

import msgspec

from appliance.targets import Answered, NeverGot, answer


class _Result(msgspec.Struct, frozen=True, kw_only=True, tag_field="status"):
    reference: str  # the document's name for ever: the request's id, or the payment's and "/receipt"
    document: str  # receipt, open-shift, close-shift, cash-in, cash-out


class Registered(_Result, frozen=True, kw_only=True, tag="registered"):
    """As the register says it; None and "" where it does not."""

    number: int  # ФД
    storage: str = ""  # ФН
    sign: str = ""  # ФПД
    registration: str = ""  # РН ККТ
    shift: int | None = None
    receipt: int | None = None  # number within the shift
    at: str = ""
    total: int | None = None
    change: int | None = None
    currency: str = ""
    printed: bool | None = None  # None: the register did not say


class Moved(_Result, frozen=True, kw_only=True, tag="moved"):
    """`amount` is above 0 in both directions."""

    amount: int
    currency: str


class Pending(_Result, frozen=True, kw_only=True, tag="pending"):
    """`reason` is why, as it was last seen, for an operator."""

    reason: str
    since: float


class Refused(_Result, frozen=True, kw_only=True, tag="refused"):
    """`code` is the register's own, where it was the register."""

    reason: str
    code: str = ""


class Unclear(_Result, frozen=True, kw_only=True, tag="unclear"):
    """`remedy` is what a person does to find out."""

    remedy: str


End = Registered | Moved | Refused | Unclear
Result = End | Pending

NO_LINK, NO_DISK = "no-link", "storage"
"""Codes of ours, of what kept an operator's order from being begun at all."""

_PROBLEMS = {NO_LINK: "gateway-unreachable", NO_DISK: "kiosk-storage"}
_STATUS = {Registered: 200, Moved: 200, Pending: 202, Unclear: 409}


def fields(result: Result) -> dict[str, Any]:
    """As JSON has it."""
    made: dict[str, Any] = msgspec.to_builtins(result)
    return made


def answered(result: Result) -> Answered | NeverGot:
    """As an operation's answer."""
    if isinstance(result, Refused):
        return NeverGot(result.reason, _PROBLEMS.get(result.code, "device-fault"))
    return answer(result, _STATUS[type(result)])


def read_end(reference: str, document: str, result: msgspec.Raw) -> End:
    """The end of a work; one that nobody here wrote is unclear."""
    try:
        end: End = msgspec.json.decode(result, type=End)
    except msgspec.ValidationError:
        remedy = "the kiosk's journal was lost or moved meanwhile: look for it in the register's journal"
        return Unclear(reference=reference, document=document, remedy=remedy)
    return end
