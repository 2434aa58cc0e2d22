"""The commands that are to be done once: how each may end, and how it is remembered.

The order of decisions is `conversation`'s.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from hardware.atol import frames, receipts
from hardware.atol.asking import Look, fault_of, number_in, text_in
from hardware.atol.commands import TASKS
from hardware.atol.frames import Found, Outcome, Task
from hardware.atol.receipts import OPERATIONS
from hardware.atol.states import Code, ShiftWord, TaskStatus
from hardware.errors import DeviceError, DeviceFault
from hardware.registers import CashIn, CashOut, CloseShift, OpenShift, PrintSlip, RegisterReceipt
from wire.money import Money
from wire.receipt import FiscalDocument, Operator

_RECEIPTS = ("receipt", "bso")
_CORRECTIONS = ("receiptCorrection", "bsoCorrection")


@dataclass(slots=True)
class Order:
    """One thing to be done once."""

    reference: str
    type: str  # of its first task
    tasks: Sequence[Task]
    what: str  # in words
    total: int | None = None
    paper: bool = True
    tickets: list[int] = field(default_factory=list)
    answer_by: float = 0.0
    uuid: str = ""
    attempt: int = 0
    before: int | None = None
    storage: str = ""
    accepted: bool = False  # the server said that it has it
    late: bool = False  # its caller has gone, or was told that nobody knows yet
    digest: str = ""  # tells one content from another under the same reference

    def __post_init__(self) -> None:
        self.digest = self.digest or hashlib.sha256(frames.encode_request("", self.tasks)).hexdigest()[:16]

    @property
    def cash(self) -> bool:
        """Whether it moves the drawer's cash: a number of its own in no storage tells of it."""
        return self.type in ("cashIn", "cashOut")

    @property
    def fiscal(self) -> bool:
        """Whether a document in the fiscal storage comes of it."""
        return self.type in TASKS and TASKS[self.type].fiscal


@dataclass(frozen=True, slots=True)
class Done:
    """It happened."""

    document: FiscalDocument | None = None
    earlier: bool = False  # and was told then


@dataclass(frozen=True, slots=True)
class NotDone:
    """Surely not. `spent`: the server knows its uuid, so that another try needs another."""

    error: DeviceError
    spent: bool = False
    earlier: bool = False  # the outcome of an earlier try under the same uuid


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nobody can tell any more."""

    remedy: str


@dataclass(frozen=True, slots=True)
class Never:
    """The server does not know the task, and nothing of it is in the storage: not taken, or not yet."""


Verdict = Done | NotDone | Unclear


def order_of(command: object, cashier: Operator | None, measure: str) -> Order | None:
    """What has to be done once for a command; None for one that may be done again. Raises `Refused`."""
    match command:
        case RegisterReceipt(receipt, reference):
            task = receipts.receipt_task(receipt, cashier, measure=measure)
            total = Money(receipt.total_minor, receipt.currency)
            return Order(
                reference=reference,
                type=str(task["type"]),
                tasks=(task,),
                what=f"register {receipt.kind.value} {reference!r} of {total}",
                total=receipt.total_minor,
                paper=receipt.paper,
            )
        case OpenShift(reference, operator):
            return _shift("openShift", f"open the shift {reference!r}", reference, operator or cashier)
        case CloseShift(reference, operator):
            return _shift("closeShift", f"close the shift {reference!r}", reference, operator or cashier)
        case CashIn(amount, reference):
            return _cash("cashIn", f"put in {amount} {reference!r}", reference, amount, cashier)
        case CashOut(amount, reference):
            return _cash("cashOut", f"take out {amount} {reference!r}", reference, amount, cashier)
        case PrintSlip(slip, reference):
            tasks = receipts.slip_tasks(slip)
            return Order(reference=reference, type="nonFiscal", tasks=tasks, what=f"print the slip {reference!r}")
        case _:
            return None


def _shift(kind: str, what: str, reference: str, operator: Operator | None) -> Order:
    return Order(reference=reference, type=kind, tasks=(receipts.shift_task(kind, operator),), what=what)


def _cash(kind: str, what: str, reference: str, amount: Money, cashier: Operator | None) -> Order:
    task = receipts.cash_task(kind, amount, cashier)
    return Order(reference=reference, type=kind, tasks=(task,), what=what, total=amount.minor)


def refuse_first(order: Order, look: Look) -> None:
    """Raise what the register would say, while nothing is begun."""
    condition = look.condition
    if condition is not None and order.paper:
        if condition.cover_opened:
            raise fault_of(Code.COVER_OPENED, "")
        if condition.paper_present is False:
            raise fault_of(Code.NO_PAPER, "")
    if look.shift is None or not order.fiscal:
        return
    state = look.shift.state
    if order.type == "openShift" and state == ShiftWord.OPENED.value:
        raise fault_of(Code.SHIFT_IS_OPEN, "")
    if order.type != "openShift" and state == ShiftWord.CLOSED.value:
        raise fault_of(Code.SHIFT_IS_CLOSED, "")
    if order.type != "closeShift" and state == ShiftWord.EXPIRED.value:
        raise fault_of(Code.SHIFT_EXPIRED, "")


def pick(order: Order, found: Sequence[Found]) -> Done | Unclear | Never:
    """Which of the new documents is the order's: only one that cannot be another's."""
    alike = [document for document in found if document.type in _kinds(order) or not document.type]
    matching = [document for document in alike if _agrees(order, document)]
    if not matching:
        doubtful = any(not document.type or document.total_minor is None for document in alike)
        return Unclear(look_at_journal(order)) if doubtful else Never()
    if len(alike) == 1 and alike[0].type:
        return Done(matching[0].document())
    return Unclear(look_at_journal(order))


def _kinds(order: Order) -> Sequence[str]:
    if order.type not in OPERATIONS:
        return (order.type,)
    return _CORRECTIONS if order.type.endswith("Correction") else _RECEIPTS


def _agrees(order: Order, document: Found) -> bool:
    if order.type not in OPERATIONS:
        return True
    if document.operation is not None and document.operation != OPERATIONS[order.type]:
        return False
    return document.total_minor is not None and document.total_minor == order.total


def error_of(outcome: Outcome) -> DeviceError:
    if outcome.status is TaskStatus.CANCELED:
        return DeviceFault("canceled", "the register's queue did not move; the task was taken out of it")
    if not outcome.code or outcome.code == Code.INTERRUPTED_BY_ERRORS:
        return DeviceFault(outcome.word, "the register was interrupted before it registered anything")
    return fault_of(outcome.code, outcome.description)


def look_at_paper(order: Order) -> str:
    return f"look at the register's paper and its X report whether this was done: {order.what}"


def look_at_journal(order: Order) -> str:
    return f"look for it in the register's journal: {order.what}"


# Memories


def mapping(value: object) -> Mapping[str, object]:
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def recalled(memory: Mapping[str, object]) -> Order | None:
    """The order that was open; None when there was none, or nothing of it can be read."""
    reference, task = text_in(memory, "reference"), text_in(memory, "uuid")
    if not reference or not task:
        return None
    return Order(
        reference=reference,
        type=text_in(memory, "type"),
        tasks=(),
        what=text_in(memory, "what") or reference,
        total=number_in(memory, "total"),
        uuid=task,
        attempt=number_in(memory, "attempt") or 0,
        before=number_in(memory, "before"),
        storage=text_in(memory, "storage"),
        digest=text_in(memory, "digest"),
        late=True,
    )


def document_of(value: object) -> FiscalDocument | None:
    try:
        return msgspec.convert(value, FiscalDocument)
    except msgspec.ValidationError:
        return None
