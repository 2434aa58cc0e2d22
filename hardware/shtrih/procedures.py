"""Documents: receipts, corrections, shifts, cash in and out; each done once, whatever happens to the line.

The order is always the same. The intent is written down with the number that will have grown by one if the document
comes to be: the storage's last document (FF01), or the count of cash documents (operation register 155 or 156), or in
a register without a storage its count of receipts. Then it is done. After a lost answer nothing is sent again before
the number was asked for (`_find_out`):

    number + 1    it happened; the document is read and compared, and never made again
    number        it did not: what lies open is annulled, and it is begun anew, or told as absent
    else          somebody else was at work, or the register lost its memory: unclear

A receipt that is open with all its lines, of the right sum, is not annulled but closed.
"""

import datetime
from collections.abc import Callable

import msgspec

from hardware.errors import DeviceFault, OutcomeUnknown, Refused
from hardware.events import (
    CashMoved,
    DocumentAbsent,
    DocumentRegistered,
    DocumentUnclear,
    Event,
    SlipPrinted,
    SlipUnclear,
)
from hardware.shtrih.book import CASH, CORRECTIONS, RECEIPTS, SHIFTS, Done, Intent
from hardware.shtrih.declaration import Reply
from hardware.shtrih.plan import OPEN_TYPES, SIGNS, cashier_tags
from hardware.shtrih.plan import plan as plan_receipt
from hardware.shtrih.states import (
    NO_SUCH_DOCUMENT,
    NOT_SUPPORTED,
    PAPERLESS,
    SHIFT_EXPIRED_ERRORS,
    Mode,
    Submode,
)
from hardware.shtrih.steps import Asking, Lost, Note, Pause, Steps, Tell, failure
from wire.money import Money
from wire.receipt import FiscalDocument, Operator, Receipt

ATTEMPTS = 3
QUIET_S = 1.0  # before "it did not happen": bytes may still lie in an adapter on their way
FOUND_TYPES = {"open_shift": 2, "close_shift": 5}
DRAWER = 241  # money register: the cash in the drawer
CASH_MAX = (1 << 40) - 1
DOCUMENTS = 152  # operation register: the register's own count of documents
CASH_COUNTS = {"cash_in": 155, "cash_out": 156}
RECEIPT_COUNTS = {kind: 148 + number for kind, number in OPEN_TYPES.items()}

REMEDY = "look into the register's documents by hand: print a copy of the last one and compare"

Act = Callable[[bool], Steps[int | None]]
"""Does the money commands; told whether to go on at the closing one. Returns the change to give, where there is one."""


class Unclear(Exception):
    """The register's numbers do not tell whether it happened."""


class Documents(Asking):
    """Everything that makes a document."""

    # What is asked for from above

    def receipt(self, receipt: Receipt, reference: str) -> Steps[FiscalDocument]:
        """A receipt or a correction."""
        today = None
        if str(receipt.kind) in CORRECTIONS:
            full = yield from self.must("full_status")
            today = _day(full)
        plan = plan_receipt(receipt, self.settings, today)
        status = yield from self.usable()
        self._shift_must_be_open(status)
        complete = False

        def act(resume: bool) -> Steps[int | None]:
            nonlocal complete
            if not resume:
                complete = False
                for step in (*plan.before, *plan.lines, *plan.tags):
                    yield from self.must(step.command, **step.values)
                complete = True
                if plan.lines:
                    subtotal = yield from self.must("subtotal")
                    if subtotal.number("sum") != plan.total:
                        # A line that was taken twice, or not at all, or rounded otherwise.
                        raise Refused(
                            "subtotal", f"the register counts {subtotal.number('sum')}, the receipt {plan.total}"
                        )
            reply = yield from self.must(plan.close.command, **plan.close.values)
            return reply.number("change") if "change" in reply.values else None

        def may_go_on() -> Steps[bool]:
            if not complete or not plan.lines:
                return False
            subtotal = yield from self.ask("subtotal")
            return subtotal.error == 0 and subtotal.number("sum") == plan.total

        intent = yield from self._intent(reference, plan.kind, plan.total)
        return (yield from self._carry_out(intent, act, may_go_on))

    def open_shift(self, reference: str, operator: Operator | None) -> Steps[FiscalDocument]:
        """Open the shift."""
        status = yield from self.usable()
        if status.number("mode") != Mode.SHIFT_CLOSED:
            raise failure(0x3C)
        return (yield from self._shift("open_shift", "shift_begin_open", reference, operator))

    def close_shift(self, reference: str, operator: Operator | None) -> Steps[FiscalDocument]:
        """The Z report."""
        status = yield from self.usable()
        if status.number("mode") == Mode.SHIFT_CLOSED:
            raise failure(0x3D)
        return (yield from self._shift("close_shift", "shift_begin_close", reference, operator))

    def cash(self, kind: str, minor: int, reference: str) -> Steps[FiscalDocument]:
        """Cash in or out."""
        if minor > CASH_MAX:
            raise Refused("amount", f"{minor} minor units are more than a register can count")
        status = yield from self.usable()
        if status.number("mode") == Mode.SHIFT_EXPIRED:
            raise failure(0x4E)

        def act(_: bool) -> Steps[int | None]:
            yield from self.must(kind, sum=minor)
            return None

        intent = yield from self._intent(reference, kind, minor)
        return (yield from self._carry_out(intent, act))

    def resolve(self) -> Steps[None]:
        """After a restart, or once the register answers again: what became of the open intent."""
        intent = self.book.open
        if intent is None:
            return
        if intent.kind == "slip":
            words = "it was being printed when the link was lost"
            self.book.slip = Done(reference=intent.reference, kind="slip", remedy=words)
            yield from self._end(intent, SlipUnclear(reference=intent.reference, words=words))
            return
        try:
            document = yield from self._find_out(intent)
        except Unclear as unclear:
            yield from self._unclear(intent, str(unclear))
            return
        if document is None:
            yield from self._absent(intent, "the register has no such document")
        else:
            yield from self._registered(intent, document, late=True)

    def tend(self) -> Steps[None]:
        """What is done between operations: look, go on printing, annul what was left open."""
        status = yield from self.status()
        submode = status.number("submode")
        if submode == Submode.CONTINUE_AWAITED:
            yield from self.ask("continue_print")
        if submode != Submode.READY:
            return
        if self.book.annul:
            if status.number("mode") == Mode.DOCUMENT_OPEN:
                yield from self.annul()
            else:
                self.book.annul = False
                yield Tell()
        if self.book.unprinted is not None:
            yield from self._printed(self.book.unprinted)

    # The one way of doing it

    def _carry_out(
        self, intent: Intent, act: Act, may_go_on: Callable[[], Steps[bool]] | None = None
    ) -> Steps[FiscalDocument]:
        if self.book.unprinted is not None:
            yield from self._printed(self.book.unprinted)  # nothing waits for paper when a document may be begun
        self.book.open = intent
        yield Tell()
        resume = False
        failed: Refused | DeviceFault | None = None
        words = "the register did not answer"
        for attempt in range(ATTEMPTS):
            change: int | None = None
            failed = None
            lost = False
            try:
                if attempt and not resume:
                    yield from self.usable()
                change = yield from act(resume)
            except Lost:
                lost = True
                yield Note(f"{intent.reference}: an answer was lost; the register is asked what happened", "warning")
            except (Refused, DeviceFault) as error:
                failed = error
            resume = False
            try:
                resume, document = yield from self._look(intent, may_go_on if lost else None)
            except Unclear as unclear:
                yield from self._unclear(intent, str(unclear))
                raise OutcomeUnknown(f"{intent.kind} {intent.reference}", f"{unclear}; {REMEDY}") from None
            if document is not None:
                return (yield from self._registered(intent, document, change=change))
            if failed is not None:
                break
        yield from self._absent(intent, str(failed) if failed else words)
        raise failed or DeviceFault("line", f"{words} {ATTEMPTS} times; nothing was registered")

    def _look(
        self, intent: Intent, may_go_on: Callable[[], Steps[bool]] | None
    ) -> Steps[tuple[bool, FiscalDocument | None]]:
        """What the register has of it: (an open receipt may be closed, or) its document, or None."""
        try:
            if may_go_on is not None:
                status = yield from self.still()
                number = yield from self._number(intent.kind)
                if number == intent.number and status.number("mode") == Mode.DOCUMENT_OPEN and (yield from may_go_on()):
                    return True, None
        except (Refused, DeviceFault) as error:
            raise Lost(str(error)) from error
        return False, (yield from self._find_out(intent))

    def _find_out(self, intent: Intent) -> Steps[FiscalDocument | None]:
        """The document that came of an intent, or None: there is none and there will be none.

        Raises:
            Unclear: the numbers do not tell.
            Lost: it cannot be asked now.
        """
        if not intent.kind:
            raise Unclear("what was begun cannot be read any more")
        if intent.base != self.settings.base:
            raise Unclear("it was begun under another setting of `fiscal`")
        try:
            status = yield from self.still()
            place = yield from self._place(intent.kind)
            if intent.place and place != intent.place:
                yield Pause(QUIET_S)  # a garbled name must not pass for another's
                place = yield from self._place(intent.kind)
            if intent.place and place != intent.place:
                raise Unclear(f"another register or storage ({place}) stands where it was begun ({intent.place})")
            number = yield from self._number(intent.kind)
            if number == intent.number:
                if status.number("mode") == Mode.DOCUMENT_OPEN and not (yield from self.annul()):
                    self.book.annul = True
                yield from self._cancel_in_storage()
                yield Pause(QUIET_S)
                number = yield from self._number(intent.kind)
            moved = (number - intent.number) % self._modulus(intent.kind)
            if moved == 0:
                return None
            if moved != 1:
                raise Unclear(f"the register's count went from {intent.number} to {number}")
            self.book.annul = False
            return (yield from self._document(intent))
        except (Refused, DeviceFault) as error:
            # A register that answers its own state with an error tells nothing about the document.
            raise Lost(f"cannot ask what became of {intent.reference}: {error}") from error

    def _registered(
        self, intent: Intent, document: FiscalDocument, *, change: int | None = None, late: bool = False
    ) -> Steps[FiscalDocument]:
        printed = yield from self._wait_for_paper()
        document = msgspec.structs.replace(document, change_minor=change, printed=printed)
        self.book.open = None
        self.book.done = Done(reference=intent.reference, kind=intent.kind, document=document)
        self.book.unprinted = None if printed else intent.reference
        event: Event = DocumentRegistered(reference=intent.reference, document=document, late=late)
        if intent.kind in CASH:
            moved = Money(self._moved(intent), self.settings.currency)
            event = CashMoved(reference=intent.reference, amount=moved, late=late)
        yield Tell(event)
        return document

    def _absent(self, intent: Intent, words: str) -> Steps[None]:
        yield from self._end(intent, DocumentAbsent(reference=intent.reference, words=words))

    def _unclear(self, intent: Intent, words: str) -> Steps[None]:
        self.book.done = Done(reference=intent.reference, kind=intent.kind, remedy=f"{words}; {REMEDY}")
        yield from self._end(intent, DocumentUnclear(reference=intent.reference, remedy=f"{words}; {REMEDY}"))

    def _end(self, intent: Intent, event: Event) -> Steps[None]:
        if self.book.open == intent:
            self.book.open = None
        yield Tell(event)

    # Numbers and documents

    def _intent(self, reference: str, kind: str, total: int) -> Steps[Intent]:
        place = yield from self._place(kind)
        number = yield from self._number(kind)
        drawer = (yield from self.must("money_register", number=DRAWER)).number("value") if kind in CASH else None
        shift = 0
        if kind in SHIFTS or kind in RECEIPTS:
            shift = yield from self._shift_number()
        return Intent(
            reference=reference,
            kind=kind,
            number=number,
            total=total,
            shift=shift,
            drawer=drawer,
            base=self.settings.base,
            place=place,
        )

    def _place(self, kind: str) -> Steps[str]:
        """Whose the number is: another storage or register counts from its own."""
        if self.settings.base or kind in CASH:
            return str((yield from self.must("full_status")).number("serial"))
        return (yield from self.must("fn_status")).text("fn").strip()

    def _number(self, kind: str) -> Steps[int]:
        """The number that grows by one when a document of this kind is made."""
        if kind in CASH_COUNTS:
            return (yield from self.must("operation_register", number=CASH_COUNTS[kind])).number("value")
        if not self.settings.base:
            return (yield from self.must("fn_status")).number("last_fd")
        if kind in RECEIPT_COUNTS:
            return (yield from self.must("operation_register", number=RECEIPT_COUNTS[kind])).number("value")
        status = yield from self.must("full_status")
        closed = status.number("last_shift")
        if kind == "close_shift":
            return closed
        return closed + (status.number("mode") in {Mode.SHIFT_OPEN, Mode.SHIFT_EXPIRED, Mode.DOCUMENT_OPEN})

    def _modulus(self, kind: str) -> int:
        return 1 << (16 if kind in CASH_COUNTS or self.settings.base else 32)

    def _shift_number(self) -> Steps[int]:
        if self.settings.base:
            return (yield from self.must("full_status")).number("last_shift") + 1
        return (yield from self.must("shift_status")).number("shift")

    def _document(self, intent: Intent) -> Steps[FiscalDocument]:
        """The document behind the intent's number. Raises `Unclear`: it is another one."""
        if intent.kind in CASH_COUNTS:
            return (yield from self._cash_document(intent))
        if self.settings.base:
            own = (yield from self.must("operation_register", number=DOCUMENTS)).number("value")
            return FiscalDocument(number=own, shift=intent.shift or None, total_minor=_sum(intent))
        number = intent.number + 1
        reply = yield from self.ask("fn_find", fd=number)
        if reply.error == NO_SUCH_DOCUMENT:
            raise Unclear(f"the storage does not find its document {number}")
        if reply.error in NOT_SUPPORTED:
            raise Unclear(f"the register does not show its document {number}")
        if reply.error:
            raise failure(reply.error)
        kind = reply.number("type")
        if intent.kind in SHIFTS and kind != FOUND_TYPES[intent.kind]:
            raise Unclear(f"document {number} is a {reply.text('type_words')}, not what was asked for")
        if intent.kind not in SHIFTS:
            wanted = {31, 41} if intent.kind in CORRECTIONS else {3, 4}
            if kind not in wanted or reply.number("operation") != SIGNS[intent.kind]:
                raise Unclear(f"document {number} is a {reply.text('type_words')}, not what was asked for")
            if reply.number("sum") != intent.total:
                raise Unclear(f"document {number} is of {reply.number('sum')}, not of {intent.total}")
        storage = (yield from self.must("fn_status")).text("fn")
        shift = yield from self.must("shift_status")
        return found(reply, storage.strip(), shift, receipt=intent.kind not in SHIFTS)

    def _cash_document(self, intent: Intent) -> Steps[FiscalDocument]:
        drawer = (yield from self.must("money_register", number=DRAWER)).number("value")
        if intent.drawer is not None and drawer - intent.drawer != self._moved(intent):
            raise Unclear(f"the drawer's sum went from {intent.drawer} to {drawer}")
        own = (yield from self.must("operation_register", number=DOCUMENTS)).number("value")
        return FiscalDocument(number=own, total_minor=intent.total)

    @staticmethod
    def _moved(intent: Intent) -> int:
        return intent.total if intent.kind == "cash_in" else -intent.total

    def _cancel_in_storage(self) -> Steps[None]:
        """A document begun in the storage alone (FF35, FF41, FF42) hinders every other."""
        if self.settings.base or self.book.annul:
            return
        if (yield from self.must("fn_status")).number("doc"):
            yield from self.ask("fn_cancel")

    def _shift(self, kind: str, begin: str, reference: str, operator: Operator | None) -> Steps[FiscalDocument]:
        tags = () if self.settings.base else cashier_tags(operator)

        def act(_: bool) -> Steps[int | None]:
            if tags:
                yield from self.must(begin)
                for step in tags:
                    yield from self.must(step.command, **step.values)
            yield from self.must("open_shift" if kind == "open_shift" else "z_report")
            return None

        intent = yield from self._intent(reference, kind, 0)
        return (yield from self._carry_out(intent, act))

    def _shift_must_be_open(self, status: Reply) -> None:
        mode = status.number("mode")
        if mode == Mode.SHIFT_CLOSED:
            raise failure(0x3D)
        if mode == Mode.SHIFT_EXPIRED:
            raise failure(min(SHIFT_EXPIRED_ERRORS, key=lambda error: error != 0x4E))

    # Paper

    def _wait_for_paper(self) -> Steps[bool | None]:
        """Whether what was registered is on paper: None, nobody says."""
        try:
            status = yield from self.still()
        except (Lost, Refused, DeviceFault):
            return None
        submode = status.number("submode")
        return True if submode == Submode.READY else False if submode in PAPERLESS else None

    def _printed(self, reference: str) -> Steps[None]:
        self.book.unprinted = None
        done = self.book.done
        if done is not None and done.reference == reference and done.document is not None:
            document = msgspec.structs.replace(done.document, printed=True)
            self.book.done = Done(reference=done.reference, kind=done.kind, document=document)
        yield Tell(SlipPrinted(reference=reference))


def _day(full: Reply) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(full.text("date"), "%d.%m.%y").date()  # noqa: DTZ007 -- its clock has no zone
    except ValueError:
        return None


def found(reply: Reply, storage: str, shift: Reply | None, *, receipt: bool) -> FiscalDocument:
    """A document as FF0A tells of it."""
    shift_number = reply.number("shift") or (shift.number("shift") if shift else 0)
    return FiscalDocument(
        number=reply.number("fd"),
        storage=storage,
        sign=str(reply.number("sign")),
        shift=shift_number or None,
        receipt=shift.number("receipt") or None if shift and receipt else None,
        at=reply.text("datetime").replace(" ", "T"),
        total_minor=reply.number("sum") if receipt else None,
        printed=None,
    )


def _sum(intent: Intent) -> int | None:
    return None if intent.kind in SHIFTS else intent.total
