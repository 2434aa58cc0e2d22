"""Documents in the book: begun, looked for among what the register told, ended. Each call is within one transaction.

A document's work is written before the register is asked, under the reference the register is asked by. What the driver
tells of that reference stands in the book before anybody here hears of it, so that the book alone says whether a
document was registered, whatever was lost on the way.
"""

import logging
from typing import Any

import msgspec

from appliance.fiscal import shifts
from appliance.fiscal.result import End, Moved, Refused, Registered, Unclear, fields, read_end
from appliance.fiscal.shift import CLOSE, OPEN
from appliance.journal import Book, Work
from appliance.levels.reconcile import reconcile
from hardware.events import CashMoved, DocumentAbsent, DocumentRegistered, DocumentUnclear
from hardware.journal import read_event
from wire.money import Money
from wire.receipt import FiscalDocument, Operator, Receipt

_log = logging.getLogger(__name__)

WORK = "fiscal"

_NOT_OF_SHIFTS = frozenset({"status", "document", "receipt", "total", "change", "currency"})
_SETTLING = ("document-registered", "document-unclear", "document-absent", "cash-moved")


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be registered, and all that is known of it until it has ended."""

    device: str
    kind: str  # one of `shift.KINDS`
    receipt: Receipt | None = None
    amount: Money | None = None  # cash in or out, above 0
    operator: Operator | None = None
    due: bool = False  # money was taken for it
    asked: bool = False  # the register may have it: written before it is asked, taken back when it surely has not
    after: int = 0  # what the register told of it stands behind this entry
    reason: str = ""  # why it is pending, and since when; empty: it is not
    since: float = 0.0


def read_document(work: Work) -> Document | None:
    """What a work is about; None when it is not one of ours."""
    try:
        return msgspec.json.decode(work.data, type=Document)
    except msgspec.ValidationError:
        return None


def begin(book: Book, reference: str, document: Document, at: float) -> Work:
    """Write that it is begun, unless it is known; returns what stands there."""
    known = book.find_work(reference)
    if known is not None:
        return known
    last = (book.last_entry(document.device, kind) for kind in _SETTLING)
    after = max((entry.n for entry in last if entry is not None), default=0)
    document = msgspec.structs.replace(document, after=after)
    data = msgspec.Raw(msgspec.json.encode(document))
    return book.begin_work(Work(id=reference, kind=WORK, begun_at=at, data=data))


def mark(book: Book, reference: str, document: Document, *, asked: bool) -> Document:
    """Write whether the register may have it."""
    document = msgspec.structs.replace(document, asked=asked)
    book.change_work(reference, document)
    return document


def find_end(book: Book, reference: str, document: Document) -> tuple[End | None, int]:
    """How it ended by what the register told, if it did; and how often it told that there is no such document."""
    absences = 0
    for entry in book.entries(device=document.device, kinds=_SETTLING, after=document.after):
        match read_event(entry.data):
            case DocumentRegistered(reference=of, document=made) if of == reference:
                return registered(reference, document, made), absences
            case CashMoved(reference=of) if of == reference:
                return moved(reference, document), absences
            case DocumentUnclear(reference=of, remedy=remedy) if of == reference:
                return Unclear(reference=reference, document=document.kind, remedy=remedy), absences
            case DocumentAbsent(reference=of) if of == reference:
                absences += 1
    return None, absences


def is_printed(book: Book, reference: str, document: Document) -> bool:
    """Whether the register told later that it is on paper."""
    told = book.entries(device=document.device, kinds=("slip-printed",), after=document.after)
    return any(getattr(read_event(entry.data), "reference", "") == reference for entry in told)


def registered(reference: str, document: Document, made: FiscalDocument) -> Registered:
    """The end of a document that the register holds."""
    return Registered(
        reference=reference, document=document.kind, number=made.number, storage=made.storage, sign=made.sign,
        registration=made.registration, shift=made.shift, receipt=made.receipt, at=made.at, total=made.total_minor,
        change=made.change_minor, currency=document.receipt.currency if document.receipt else "", printed=made.printed,
    )  # fmt: skip


def moved(reference: str, document: Document) -> Moved:
    """The end of cash in or out."""
    amount = document.amount or Money(0, "XXX")
    return Moved(reference=reference, document=document.kind, amount=amount.minor, currency=amount.currency)


def end(book: Book, reference: str, document: Document, result: End, at: float) -> End:
    """End it, with all that follows; returns the end that stands there."""
    if book.end_work(reference, result):
        _follow(book, reference, document, result, at)
        return result
    work = book.find_work(reference)
    if work is None or work.result is None:
        return result
    return read_end(reference, document.kind, work.result)


def _follow(book: Book, reference: str, document: Document, result: End, at: float) -> None:
    # `document-registered`, `document-unclear` and `cash-moved` were told with what the register said.
    if isinstance(result, Registered) and document.kind in (OPEN, CLOSE):
        told = {name: value for name, value in fields(result).items() if name not in _NOT_OF_SHIFTS}
        if document.kind == CLOSE:
            told["differences"] = _reconcile(book, document.device, result.shift, at)
        opened = document.kind == OPEN
        shifts.note(book, document.device, is_open=opened, shift=result.shift)
        book.tell(shifts.OPENED if opened else shifts.CLOSED, told, at=at, device=document.device)
    if isinstance(result, Unclear) and not _is_told(book, reference, document):
        book.tell("document-unclear", fields(result), at=at, device=document.device)
    if isinstance(result, Refused) and (document.due or document.reason):
        book.tell("document-refused", fields(result), at=at, device=document.device)


def _is_told(book: Book, reference: str, document: Document) -> bool:
    """Whether the register told of its end: what nobody but its clerk knows is told here."""
    return find_end(book, reference, document)[0] is not None


def _reconcile(book: Book, register: str, shift: int | None, at: float) -> int | None:
    """How many differences there are; None: it failed, which is no reason for a shift not to have ended."""
    try:
        return len(reconcile(book, at=at, shift=shift, register=register)["differences"])
    except (ArithmeticError, LookupError, TypeError, ValueError):
        _log.exception("a shift could not be reconciled", extra={"device": register})
        return None


def pend(book: Book, reference: str, reason: str, at: float) -> tuple[Document | None, End | None]:
    """Say that it waits, once. Returns it, and its end where it has ended meanwhile."""
    work = book.find_work(reference)
    document = None if work is None else read_document(work)
    if work is None or document is None:
        return None, None
    if work.result is not None:
        return document, read_end(reference, document.kind, work.result)
    if document.reason:
        return document, None
    document = msgspec.structs.replace(document, reason=reason, since=at)
    book.change_work(reference, document)
    told: dict[str, Any] = {"reference": reference, "document": document.kind, "reason": reason, "since": at}
    book.tell("document-pending", told, at=at, device=document.device)
    return document, None
