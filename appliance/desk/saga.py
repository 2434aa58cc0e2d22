"""A payment and its receipt as one operation, told apart in its answer.

    {"amount": 135000, "currency": "KZT", "receipt": {"lines": […]}}
    → {"status": "paid", …, "receipt": {"status": "registered", "number": 17, …}}

Money first, paper second: the payment's outcome is never changed by what becomes of the receipt, and a receipt is
registered only for money that was taken. Before anything begins the receipt is read and held against the amount, and
the register is asked whether it takes receipts at all; `"receipt_required": false` goes on where it does not.

The work `<request id>/payment` stands in the book from before the payment until the receipt's answer. It has the
register, the receipt as it was asked for, and from the moment it is known the payment's answer: so whatever is cut off,
and wherever, the next start goes on with the receipt, under the same reference, though routes have changed meanwhile.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec

from appliance.desk.payments import Payment, Plan, settled
from appliance.journal import Book, Journal, StorageError, Work
from appliance.targets import Answered, Ask, NeverGot, Result, Target

WORK_KIND = "payment"
RECEIPT_WITHIN_S = 30.0  # what a caller waits for paper beyond the payment itself; then the receipt is pending
NOT_NEEDED: dict[str, Any] = {"status": "not-needed"}
UNCLEAR: dict[str, Any] = {
    "status": "unclear", "remedy": "what became of the payment is not known: look at its gateway",
}  # fmt: skip

R = TypeVar("R", Result, Answered | NeverGot)

_log = logging.getLogger(__name__)


class Receipts(Protocol):
    """Who registers receipts."""

    def check_receipt(self, body: object, where: str, register: str) -> list[str]:
        """What is wrong with one, by path, and what that register would refuse."""

    def ready_for_receipts(self, register: str) -> str:
        """Why the register takes no receipts, in words; empty: it does."""

    async def receipt(self, *, reference: str, register: str, body: dict[str, Any], within_s: float) -> dict[str, Any]:
        """Register one; the same reference is the same receipt. What became of it within the time."""


class Afterwards(Protocol):
    """What else follows a payment, such as a slip about money that is owed. Must not raise."""

    async def __call__(self, request_id: str, answer: dict[str, Any], *, cut_off: bool) -> dict[str, Any]:
        """Do it; returns what is added to the answer."""


class Saga(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one while it is open."""

    register: str
    tender: str
    plan: Plan
    status: int = 0  # HTTP status of the payment's answer, once it is known
    paid: bool = False  # by that answer
    answer: msgspec.Raw = msgspec.Raw(b"{}")
    receipt: dict[str, Any] | None = None  # what became of it, once that is known


def read_saga(work: Work) -> Saga:
    """One as it stands in the book, ended ones too. Raises `msgspec.ValidationError`."""
    saga = msgspec.json.decode(work.data, type=Saga)
    if work.result is None:
        return saga
    return msgspec.structs.replace(saga, receipt=msgspec.json.decode(work.result, type=_End).receipt)


class _End(msgspec.Struct):
    receipt: dict[str, Any]


def work_id(request_id: str) -> str:
    """Of an operation's saga."""
    return f"{request_id}/payment"


def receipt_reference(request_id: str) -> str:
    """Of its receipt."""
    return f"{request_id}/receipt"


class PaymentTarget(Target):
    """A payment whose request may have a `receipt`. What has none goes through as it is."""

    def __init__(
        self, inner: Target, *, payment: Payment, register: str, receipts: Receipts, journal: Journal,
        clock: Callable[[], float], afterwards: Afterwards | None = None, begun: Saga | None = None,
    ) -> None:  # fmt: skip
        self._inner = inner
        self._payment = payment
        self._register = register
        self._receipts = receipts
        self._journal = journal
        self._clock = clock
        self._afterwards = afterwards
        self._begun = begun  # of the run before

    def check(self, ask: Ask) -> None:
        """Both the payment and its receipt. Raises `NotUnderstood`."""
        self._payment.check(self._inner, ask, self._check_receipt if self._register else None)

    def _check_receipt(self, body: object) -> list[str]:
        return self._receipts.check_receipt(body, "receipt", self._register)

    async def run(self, ask: Ask) -> Result:
        """The payment, then the receipt."""
        plan = self._payment.plan(ask)
        if plan is None:
            return await self._without_receipt(ask, await self._inner.run(self._payment.inner(ask)))
        if plan.required and (words := self._receipts.ready_for_receipts(self._register)):
            return NeverGot(f"no receipt could be made: {words}; nothing was taken", "device-fault")
        self._begun = saga = Saga(register=self._register, tender=self._payment.tender, plan=plan)
        work = Work(
            id=work_id(ask.request_id),
            kind=WORK_KIND,
            begun_at=self._clock(),
            data=msgspec.Raw(msgspec.json.encode(saga)),
        )
        try:
            await self._journal.write(
                lambda book: book.begin_work(work), point="appliance.desk.payment_begin", needs_room=True
            )
        except StorageError as error:
            return NeverGot(str(error), "kiosk-storage")
        told = _Told(ask)
        result = await self._inner.run(self._payment.inner(ask, told))
        return await self._go_on(ask, result, saga, told)

    def can_tell(self, ask: Ask) -> bool:
        """Where the payment is known already, or its target can."""
        return bool(self._begun and self._begun.status) or self._inner.can_tell(self._payment.inner(ask))

    async def find_out(self, ask: Ask) -> Answered | NeverGot | None:
        """What became of the payment, and then the receipt."""
        saga = self._begun
        if saga is not None and saga.status:
            return await self._receive(ask, saga, _Told(ask), cut_off=True)
        told = _Told(ask)
        found = await self._inner.find_out(self._payment.inner(ask, told))
        if found is None:
            if saga is not None:
                await self._end(ask.request_id, UNCLEAR)
            return None
        if saga is None:
            return await self._without_receipt(ask, found, cut_off=True)
        ended = await self._go_on(ask, found, saga, told, cut_off=True)
        return ended if isinstance(ended, Answered | NeverGot) else None

    def cancel(self, request_id: str, reason: str) -> bool:
        """The payment; a receipt is not taken back."""
        return self._inner.cancel(request_id, reason)

    async def _go_on(self, ask: Ask, result: Result, saga: Saga, told: "_Told", *, cut_off: bool = False) -> Result:
        if isinstance(result, NeverGot):
            await self._end(ask.request_id, NOT_NEEDED)
            return result
        if not isinstance(result, Answered):
            return result  # may have been paid: the work stays open until it is known
        is_paid = self._payment.is_paid(_decode(result.body), result.status)
        self._begun = known = msgspec.structs.replace(saga, status=result.status, answer=result.body, paid=is_paid)
        await self._keep(ask.request_id, known)
        return await self._receive(ask, known, told, cut_off=cut_off)

    async def _receive(self, ask: Ask, saga: Saga, told: "_Told", *, cut_off: bool) -> Answered:
        answer = _decode(saga.answer)
        receipt = NOT_NEEDED
        if saga.paid:
            told.say({"stage": "receipt"})
            receipt = await self._register_receipt(ask.request_id, saga)
            told.say({"stage": "receipt", "receipt": receipt})
        else:
            await self._end(ask.request_id, receipt)
        more = await self._more(ask, answer, cut_off=cut_off)
        return Answered(saga.status, _joined(saga.answer, {"receipt": receipt, **more}))

    async def _without_receipt(self, ask: Ask, result: R, *, cut_off: bool = False) -> R | Answered:
        if not isinstance(result, Answered) or self._afterwards is None:
            return result
        more = await self._more(ask, _decode(result.body), cut_off=cut_off)
        return Answered(result.status, _joined(result.body, more)) if more else result

    async def _more(self, ask: Ask, answer: dict[str, Any], *, cut_off: bool) -> dict[str, Any]:
        if self._afterwards is None:
            return {}
        return await self._afterwards(ask.request_id, answer, cut_off=cut_off)

    async def _register_receipt(self, request_id: str, saga: Saga) -> dict[str, Any]:
        if saga.receipt is not None:
            return saga.receipt
        receipt = await register_receipt(self._receipts, request_id, saga)
        await self._end(request_id, receipt)
        return receipt

    async def _keep(self, request_id: str, saga: Saga) -> None:
        """The payment's answer. A disk that does not take it is no reason to keep the receipt from the customer."""
        try:
            await self._journal.write(
                lambda book: book.change_work(work_id(request_id), saga), point="appliance.desk.payment_paid"
            )
        except StorageError as error:
            _log.error("a payment's answer could not be kept", extra={"request_id": request_id, "reason": str(error)})

    async def _end(self, request_id: str, receipt: dict[str, Any]) -> None:
        await end(self._journal, request_id, receipt)


async def resume(
    receipts: Receipts, journal: Journal, request_id: str, saga: Saga, *, not_executed: bool = False
) -> None:  # fmt: skip
    """Go on with the receipt of a payment whose operation nobody asks after any more."""
    receipt = NOT_NEEDED
    if saga.paid:
        receipt = await register_receipt(receipts, request_id, saga)
    elif not saga.status and not not_executed:
        receipt = UNCLEAR
    await end(journal, request_id, receipt)


async def register_receipt(receipts: Receipts, request_id: str, saga: Saga) -> dict[str, Any]:
    """The receipt of a payment that is made."""
    body = settled(saga.plan.receipt, saga.tender, saga.plan.amount, _decode(saga.answer))
    try:
        receipt = await receipts.receipt(
            reference=receipt_reference(request_id), register=saga.register, body=body, within_s=RECEIPT_WITHIN_S
        )
    except ValueError as error:  # of another version of the program, by which it was right
        receipt = {"status": "refused", "reason": str(error)}
    if receipt.get("status") != "registered":
        _log.warning("a payment is made and its receipt is not", extra={
            "request_id": request_id, "receipt": receipt.get("status"), "reason": receipt.get("reason"),
        })  # fmt: skip
    return receipt


async def end(journal: Journal, request_id: str, receipt: dict[str, Any]) -> None:
    """Nothing is left to be done, unless the receipt waits in memory only: then the next start goes on with it."""

    def write(book: Book) -> None:
        if receipt.get("status") != "pending" or book.find_work(receipt_reference(request_id)) is not None:
            book.end_work(work_id(request_id), _End(receipt))

    try:
        await journal.write(write, point="appliance.desk.payment_end")
    except StorageError as error:
        _log.error("a payment's end could not be kept", extra={"request_id": request_id, "reason": str(error)})


class _Told:
    """What was last said of a payment's progress, so that the receipt's is said beside it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._last: dict[str, Any] = {}

    def __call__(self, progress: dict[str, Any]) -> None:
        self._last = progress
        self._ask.tell(progress)

    def say(self, more: dict[str, Any]) -> None:
        self._ask.tell({**self._last, **more})


def _decode(body: msgspec.Raw) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _joined(body: msgspec.Raw, more: dict[str, Any]) -> msgspec.Raw:
    """An answer with fields added, what stood there untouched to the last digit."""
    fields: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return msgspec.Raw(msgspec.json.encode(fields | more))
