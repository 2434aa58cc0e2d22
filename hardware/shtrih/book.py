"""What a register's driver must find again after a power cut: what it was doing, what came of the last thing it did.

Kept small and of JSON's types. An intent is written before the first command that moves money; it goes when the event
that says what became of it is written, in the same record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from wire.receipt import FiscalDocument

VERSION = 1

RECEIPTS = ("sale", "sale_return", "purchase", "purchase_return")
CORRECTIONS = ("sale_correction", "purchase_correction")
SHIFTS = ("open_shift", "close_shift")
CASH = ("cash_in", "cash_out")
KINDS = (*RECEIPTS, *CORRECTIONS, *SHIFTS, *CASH, "slip")


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """Something begun. `number` is the one that will be one greater if it happened; by `kind` and the settings.

    That is the storage's last document, the count of cash documents, or a base register's count of receipts.
    """

    reference: str
    kind: str
    number: int
    total: int = 0
    shift: int = 0
    drawer: int | None = None  # cash in it before a cash document
    base: bool = False  # a register without a fiscal storage
    place: str = ""  # serial number of what counts: the storage, or the register


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """How the last document, or the last slip, ended: with a `FiscalDocument`, on paper, or unclear (`remedy`)."""

    reference: str
    kind: str
    document: FiscalDocument | None = None
    remedy: str = ""


class _Memory(msgspec.Struct, kw_only=True, omit_defaults=True):
    version: int = VERSION
    open: Intent | None = None
    done: Done | None = None
    slip: Done | None = None
    annul: bool = False
    unprinted: str | None = None


@dataclass
class Book:
    """The memory, while the driver runs.

    Attributes:
        open: what is being done.
        done: how the last document ended.
        annul: a receipt of ours lies open in the register, surely not to be closed, and is annulled when it can be.
        unprinted: the reference of a document that is registered and not yet on paper.
        slip: how the last slip ended; apart from `done`, so that no slip makes a document be forgotten.
        complaint: what could not be read from an earlier memory.
    """

    open: Intent | None = None
    done: Done | None = None
    annul: bool = False
    unprinted: str | None = None
    slip: Done | None = None
    complaint: str = field(default="", compare=False)

    def memory(self) -> Mapping[str, object]:
        """As it is written down."""
        written: Mapping[str, object] = msgspec.to_builtins(
            _Memory(open=self.open, done=self.done, slip=self.slip, annul=self.annul, unprinted=self.unprinted)
        )
        return written

    def ended(self, reference: str) -> Done | None:
        """How the operation of this reference ended, if it is one of the last."""
        return next((done for done in (self.done, self.slip) if done is not None and done.reference == reference), None)


def recall(memory: Mapping[str, object]) -> Book:
    """The book as it was last written; what is not understood is left out and told in `complaint`.

    An intent that cannot be read whole but has a reference is kept as one that can only be unclear (`kind` "").
    """
    book = Book()
    if not memory:
        return book
    try:
        read = msgspec.convert(dict(memory), type=_Memory)
    except msgspec.ValidationError as error:
        book.complaint = f"the memory of an earlier version could not be read: {error}"
        broken = memory.get("open")
        reference = broken.get("reference") if isinstance(broken, Mapping) else None
        if isinstance(reference, str):
            book.open = Intent(reference=reference, kind="", number=-1)
        return book
    book.open, book.done, book.slip = read.open, read.done, read.slip
    book.annul, book.unprinted = read.annul, read.unprinted
    if book.open is not None and book.open.kind not in KINDS:
        book.complaint = f"the memory names an operation that is not known here: {book.open.kind!r}"
        book.open = Intent(reference=book.open.reference, kind="", number=-1)
    return book
