"""Slips that are no fiscal documents, and everything else that is asked of a register: status, X report, copies."""

import datetime
import textwrap

import msgspec

from hardware.errors import DeviceFault, LocalProtocolError, OutcomeUnknown, Refused
from hardware.events import SlipPrinted, SlipUnclear, TotalsRead
from hardware.roles import RegisterStatus, RegisterTotals, ShiftState
from hardware.shtrih.book import Done, Intent
from hardware.shtrih.commands import command
from hardware.shtrih.declaration import Reply
from hardware.shtrih.plan import Step
from hardware.shtrih.procedures import DRAWER, RECEIPT_COUNTS, Documents, found
from hardware.shtrih.states import (
    NO_SUCH_DOCUMENT,
    NOT_SUPPORTED,
    PAPERLESS,
    Mode,
    Submode,
    mode_words,
    storage_warnings,
)
from hardware.shtrih.steps import Lost, Steps, Tell, failure
from hardware.slip import Align, Barcode, Cut, Feed, OpenDrawer, Picture, QrCode, Slip, Text
from wire.money import Money
from wire.receipt import FiscalDocument

FONT = 1
QR = 3
BLOCK = 64  # bytes of a 2D code's data in one DD
CORRECTIONS = {"L": 0, "M": 1, "Q": 2, "H": 3}
ALIGNS = {Align.LEFT: 0, Align.CENTER: 1, Align.RIGHT: 2}
EAN13_DIGITS = (12, 13)
FEED_MAX = 255
UNSENT_WARN_DAYS = 3
WIDE_LETTERS, LETTERS = 20, 100  # that one command takes
COUNTS_WRAP = 1 << 16  # operation registers have two bytes


class Register(Documents):
    """All that a register is asked for."""

    def read_status(self) -> Steps[RegisterStatus]:
        """As `FiscalRegister.read_status`."""
        full = yield from self.must("full_status")
        mode, submode = full.number("mode"), full.number("submode")
        expired = mode == Mode.SHIFT_EXPIRED
        state = "expired" if expired else "closed" if mode == Mode.SHIFT_CLOSED else "open"
        clock = _clock(full)
        hinders = "" if submode == Submode.READY and mode in {2, 4} else mode_words(mode, submode)
        if self.settings.base:
            number = full.number("last_shift") + (state != "closed")
            return RegisterStatus(
                shift=ShiftState(state=state, number=number or None),
                last_document=full.number("document"),
                document_open=mode == Mode.DOCUMENT_OPEN,
                paper=submode not in PAPERLESS,
                clock=clock,
                words=hinders,
            )
        storage = yield from self.must("fn_status")
        shift = yield from self.must("shift_status")
        if mode == Mode.DOCUMENT_OPEN or shift.number("state") == 0:
            state = "open" if shift.number("state") else "closed"
        queue = yield from self.must("ofd_status")
        unsent = queue.number("unsent")
        told = [hinders, *storage_warnings(storage.number("warn"))]
        if unsent and _days(queue.text("datetime"), clock) >= UNSENT_WARN_DAYS:
            since = queue.text("datetime")
            told.append(f"{unsent} documents are unsent since {since}; after 30 days the register stops selling")
        return RegisterStatus(
            shift=ShiftState(state=state, number=shift.number("shift") or None),
            last_document=storage.number("last_fd"),
            document_open=mode == Mode.DOCUMENT_OPEN,
            paper=submode not in PAPERLESS,
            unsent=unsent,
            unsent_since=queue.text("datetime").replace(" ", "T") if unsent else "",
            storage=storage.text("fn").strip(),
            clock=clock,
            words="; ".join(words for words in told if words),
        )

    def read_totals(self) -> Steps[RegisterTotals]:
        """As `FiscalRegister.read_totals`: money register 241, operation registers 148 to 151."""
        drawer = yield from self._counted("money_register", DRAWER)
        receipts: int | None = 0
        for number in RECEIPT_COUNTS.values():
            count = yield from self._counted("operation_register", number)
            receipts = None if receipts is None or count is None else (receipts + count) % COUNTS_WRAP
        totals = RegisterTotals(
            drawer=None if drawer is None else Money(drawer, self.settings.currency),
            receipts=receipts,
            receipts_wrap=None if receipts is None else COUNTS_WRAP,
        )
        told = TotalsRead(drawer=totals.drawer, receipts=totals.receipts, receipts_wrap=totals.receipts_wrap)
        yield Tell(told)
        return totals

    def _counted(self, name: str, number: int) -> Steps[int | None]:
        """One of its counters; None of a model that does not keep it."""
        reply = yield from self.ask(name, number=number)
        if reply.error in NOT_SUPPORTED:
            return None
        if reply.error:
            raise failure(reply.error)
        return reply.number("value")

    def find(self, number: int) -> Steps[FiscalDocument | None]:
        """As `FiscalRegister.find`."""
        if self.settings.base:
            raise Refused("fiscal", "a register without a fiscal storage cannot find its documents")
        reply = yield from self.ask("fn_find", fd=number)
        if reply.error == NO_SUCH_DOCUMENT:
            return None
        if reply.error:
            raise failure(reply.error)
        storage = (yield from self.must("fn_status")).text("fn")
        document = found(reply, storage.strip(), None, receipt="sum" in reply.values)
        begun = yield from self.ask("fn_document", fd=number)
        if begun.error:  # an older storage, or a document that is no longer kept whole
            return document
        tags = yield from self.read_tags()
        return msgspec.structs.replace(
            document,
            shift=document.shift or _whole(tags.get(1038)),
            receipt=_whole(tags.get(1042)) if document.total_minor is not None else None,
            registration=str(tags.get(1037, "")).strip(),
        )

    def x_report(self) -> Steps[None]:
        """As `FiscalRegister.x_report`."""
        yield from self._print_only("x_report", "the X report")

    def print_copy(self) -> Steps[None]:
        """As `FiscalRegister.print_copy`."""
        yield from self._print_only("copy", "a copy of the last document")

    def open_drawer(self) -> Steps[None]:
        """Open the cash drawer."""
        yield from self.must("drawer")

    def _print_only(self, name: str, what: str) -> Steps[None]:
        yield from self.usable()
        try:
            yield from self.must(name)
            yield from self.still()
        except Lost:
            raise OutcomeUnknown(what, "look whether it was printed; it changes no totals") from None

    def print_slip(self, slip: Slip, reference: str) -> Steps[None]:
        """As `FiscalRegister.print_slip`."""
        width = yield from self._letters()
        steps = slip_steps(slip, width)
        yield from self.usable()
        intent = Intent(reference=reference, kind="slip", number=-1)
        self.book.open = intent
        yield Tell()
        printed = False
        try:
            for step in steps:
                yield from self.must(step.command, **step.values)
                printed = printed or command(step.command).prints
            status = yield from self.still()
            if status.number("submode") == Submode.READY:
                self.book.open = None
                self.book.slip = Done(reference=reference, kind="slip")
                yield Tell(SlipPrinted(reference=reference))
                return
            words = "the paper ran out"
        except Lost:
            words = "the register did not answer"
        except (Refused, DeviceFault) as error:
            if not printed:
                self.book.open = None
                yield Tell()
                raise
            words = str(error)
        self.book.slip = Done(reference=reference, kind="slip", remedy=words)
        self.book.open = None
        yield Tell(SlipUnclear(reference=reference, words=words))
        raise OutcomeUnknown(f"slip {reference}", f"{words}; look at the paper")

    def _letters(self) -> Steps[int]:
        reply = yield from self.ask("font", font=FONT)
        letter = reply.number("char_w")
        return reply.number("width") // letter if reply.error == 0 and letter else 40


def slip_steps(slip: Slip, width: int) -> list[Step]:
    """A slip's commands.

    Raises:
        Refused: what this register cannot print.
    """
    steps: list[Step] = []
    for element in slip.elements:
        match element:
            case Text():
                steps += _text(element, width)
            case QrCode():
                steps += _qr(element)
            case Barcode(content=content, symbology="ean13"):
                if not (content.isascii() and content.isdigit()) or len(content) not in EAN13_DIGITS:
                    raise Refused("slip", f"{content!r} is no EAN-13")
                steps.append(Step("print_ean13", {"barcode": int(content[:12])}))
            case Barcode(symbology=symbology):
                raise Refused("slip", f"this register prints no {symbology} codes")
            case Feed(lines=lines):
                steps += [Step("feed", {"lines": min(lines, FEED_MAX)})] if lines > 0 else []
            case Cut(partial=partial):
                steps.append(Step("cut", {"kind": int(partial)}))
            case OpenDrawer():
                steps.append(Step("drawer", {"drawer": 0}))
            case Picture():
                raise Refused("slip", "this driver prints no pictures on a fiscal register")
    for step in steps:
        try:
            command(step.command).ask({"password": 0, **step.values})
        except LocalProtocolError as error:
            raise Refused("slip", str(error)) from None
    return steps


def _text(element: Text, width: int) -> list[Step]:
    wide = element.bold or element.width > 1
    columns = max(1, min(width // 2, WIDE_LETTERS) if wide else min(width, LETTERS))
    steps = []
    for line in element.text.split("\n"):
        for part in textwrap.wrap(line, columns) or [""]:
            match element.align:
                case Align.CENTER:
                    placed = part.center(columns).rstrip()
                case Align.RIGHT:
                    placed = part.rjust(columns)
                case _:
                    placed = part
            if wide:
                steps.append(Step("print_bold", {"text": placed}))
            else:
                steps.append(Step("print_font", {"font": FONT, "text": placed}))
    return steps


def _qr(element: QrCode) -> list[Step]:
    content = element.content.encode()
    steps = [
        Step("load_code", {"block": number, "content": content[at : at + BLOCK].ljust(BLOCK, b"\0")})
        for number, at in enumerate(range(0, len(content), BLOCK))
    ]
    if not steps or element.correction not in CORRECTIONS:
        raise Refused("slip", f"a QR code of {len(content)} bytes and correction {element.correction!r}")
    dot = min(max(element.module, 3), 8)
    steps.append(
        Step(
            "print_code",
            {
                "kind": QR,
                "length": len(content),
                "dot": dot,
                "correction": CORRECTIONS[element.correction],
                "align": ALIGNS[element.align],
            },
        )
    )
    return steps


def _days(since: str, clock: str) -> int:
    try:
        return (datetime.date.fromisoformat(clock[:10]) - datetime.date.fromisoformat(since[:10])).days
    except ValueError:
        return 0


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and value else None


def _clock(full: Reply) -> str:
    day, month, year = [*full.text("date").split("."), "", ""][:3]
    return f"20{year}-{month}-{day}T{full.text('time')}" if year else ""
