"""What devices tell: facts in the past tense, for any family. Money is in them only where it has really moved.

Whoever gets an event has it with the promise that the device was told nothing yet: it is confirmed once the event is
written down. An event may therefore come again after a power cut in between, but never of a note or coin that the
driver's memory, written together with it, already names.
"""

from enum import StrEnum

import msgspec

from wire.money import Money
from wire.receipt import FiscalDocument


class DeviceState(StrEnum):
    """How a device stands, in words every family shares."""

    ABSENT = "absent"  # no port, or no answer
    STARTING = "starting"  # answers; is being set up
    DISABLED = "disabled"  # well, and told to take or do nothing
    READY = "ready"  # well, and may be used
    BUSY = "busy"  # in the middle of something
    FAULT = "fault"  # out of service; a person is needed


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=_snake):
    """Any event. In JSON `kind` is its name in snake case: `bill_stacked`."""


class Identified(Event, frozen=True, kw_only=True):
    """Who is there, when it was first heard or another came in its place."""

    maker: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    accepts: tuple[Money, ...] = ()  # what notes or coins it knows


class StateChanged(Event, frozen=True, kw_only=True):
    """`code` is the family's own: "47 51"; `words` what an operator does about it."""

    state: DeviceState
    was: DeviceState
    code: str = ""
    words: str = ""


# Notes


class BillEscrowed(Event, frozen=True, kw_only=True):
    """A note is held and may still go either way. `escrow` names it until it is stacked or returned."""

    bill: Money
    escrow: int


class BillStacked(Event, frozen=True, kw_only=True):
    """**Credit.** The note cannot come back any more.

    `escrow` is the number it was held under; None when the device took it without asking (`unclaimed` then). `late`:
    found out after a loss of link or a restart; whoever waited for it may be gone.
    """

    bill: Money
    escrow: int | None
    late: bool = False
    unclaimed: bool = False


class BillReturned(Event, frozen=True, kw_only=True):
    """No credit: the customer has the note again. `escrow` as in `BillStacked`."""

    bill: Money | None
    escrow: int | None
    late: bool = False


class BillUnclear(Event, frozen=True, kw_only=True):
    """A note was being stacked and the device cannot say what became of it. Never credited by itself."""

    bill: Money
    escrow: int
    remedy: str


class BillRejected(Event, frozen=True, kw_only=True):
    """The device did not take what was put in."""

    code: str
    words: str


class BillHeldBack(Event, frozen=True, kw_only=True):
    """A suspected counterfeit, a note swallowed in a jam, or one of unknown value: no credit, a matter for a person."""

    code: str
    words: str


class StackCountDiffers(Event, frozen=True, kw_only=True):
    """The device's own counter moved by another number than we credited: told, never corrected by guessing."""

    expected: int
    counted: int


# Coins


class CoinAccepted(Event, frozen=True, kw_only=True):
    """**Credit.** `path` is where the sorter sent it, `number` the device's own count of its events."""

    coin: Money
    path: int
    number: int
    late: bool = False  # taken while nobody listened, read from the device's buffer


class CoinRejected(Event, frozen=True, kw_only=True):
    """No credit; also tricks and coins that were swallowed, which are disputes and not money."""

    code: str
    words: str


class CreditsLost(Event, frozen=True, kw_only=True):
    """The device had more to tell than it keeps: up to `at_most` coins or notes (None: unknown) were not credited."""

    at_most: int | None
    words: str


class PayoutBegan(Event, frozen=True, kw_only=True):
    """A hopper was told to pay."""

    reference: str
    asked: int  # coins
    coin: Money


class CoinsPaid(Event, frozen=True, kw_only=True):
    """How far a running payout is; not durable knowledge, the end says what counts."""

    reference: str
    paid: int


class PayoutEnded(Event, frozen=True, kw_only=True):
    """**Debit.** What really left the hopper, by its own count. `late` as in `BillStacked`."""

    reference: str
    asked: int
    paid: int
    coin: Money
    words: str = ""  # why it paid less
    late: bool = False


class PayoutUnclear(Event, frozen=True, kw_only=True):
    """The hopper cannot tell how many coins left it. Never paid again by itself."""

    reference: str
    asked: int
    coin: Money
    remedy: str


# Cassettes, jams, tampering


class CassetteRemoved(Event, frozen=True, kw_only=True):
    """Somebody took the cassette out: a collection, or a theft."""


class CassetteReturned(Event, frozen=True, kw_only=True):
    """It is in its place again."""


class CassetteFull(Event, frozen=True, kw_only=True):
    """No more notes fit."""


class Jammed(Event, frozen=True, kw_only=True):
    """Something is stuck. `code` is the family's own."""

    code: str
    words: str


class Tampered(Event, frozen=True, kw_only=True):
    """The device saw an attempt to cheat it."""

    code: str
    words: str


# Receipts


class DocumentRegistered(Event, frozen=True, kw_only=True):
    """The register holds it. `late`: found out by asking, after a lost answer or a restart."""

    reference: str
    document: FiscalDocument
    late: bool = False


class DocumentAbsent(Event, frozen=True, kw_only=True):
    """Surely not registered, found out by asking: it may be begun anew."""

    reference: str
    words: str


class DocumentUnclear(Event, frozen=True, kw_only=True):
    """The register cannot say whether it has it. Never registered again by itself."""

    reference: str
    remedy: str


class CashMoved(Event, frozen=True, kw_only=True):
    """The register holds that cash was put into the drawer or, below 0, taken out. `late` as in `DocumentRegistered`.

    Otherwise it ends as a document does, in `DocumentAbsent` or `DocumentUnclear`.
    """

    reference: str
    amount: Money
    late: bool = False


class TotalsRead(Event, frozen=True, kw_only=True):
    """A register said its totals, as `RegisterTotals`: of all that was told before, and of nothing told later."""

    drawer: Money | None = None
    receipts: int | None = None
    receipts_wrap: int | None = None


class SlipPrinted(Event, frozen=True, kw_only=True):
    """A printer confirmed that a slip is on paper."""

    reference: str


class SlipUnclear(Event, frozen=True, kw_only=True):
    """It may be on paper, in part or whole. Printed again only as a marked copy."""

    reference: str
    words: str


class PaperLow(Event, frozen=True, kw_only=True):
    """A roll is near its end: a warning."""


class PaperOut(Event, frozen=True, kw_only=True):
    """Nothing can be printed."""


class PaperReturned(Event, frozen=True, kw_only=True):
    """There is paper again."""


class CoverOpened(Event, frozen=True, kw_only=True):
    """Somebody opened the printer."""


class CoverClosed(Event, frozen=True, kw_only=True):
    """It is closed again."""


MONEY_EVENTS: tuple[type[Event], ...] = (BillStacked, CoinAccepted, PayoutEnded, DocumentRegistered, CashMoved)
"""Those that move money or make it a document; the rest is knowledge."""
